//! Whether the process lives, and whether it can serve.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::ops::write_try;
use serde_json::json;

use crate::http::AppState;

/// A database that does not answer within this is away.
const PATIENCE: Duration = Duration::from_secs(2);

pub async fn alive() -> &'static str {
    "ok\n"
}

/// 200 when requests can be served, changes too, else 503; which part is away stands in the body.
pub async fn ready(State(state): State<AppState>) -> Response {
    let answers = matches!(tokio::time::timeout(PATIENCE, state.domain.db.ping()).await, Ok(Ok(())));
    let (status, database) = match answers {
        true if write_try::is_writable(&state.domain).await => (StatusCode::OK, "up"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "cannot be written"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "away"),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(json!({ "database": database }))).into_response()
}
