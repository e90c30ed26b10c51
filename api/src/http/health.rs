//! Whether the process lives, whether it can serve, and its counters.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::queue;
use serde_json::json;

use crate::{http::AppState, http::metrics};

/// A database that does not answer within this is away.
const PATIENCE: Duration = Duration::from_secs(2);

pub async fn alive() -> &'static str {
    "ok\n"
}

/// 200 when requests can be served, changes too, else 503; which part is away stands in the body.
pub async fn ready(State(state): State<AppState>) -> Response {
    let answers = matches!(tokio::time::timeout(PATIENCE, state.domain.db.ping()).await, Ok(Ok(())));
    let (status, database) = match answers {
        true if state.domain.writable.ask(&state.domain).await => (StatusCode::OK, "up"),
        true => (StatusCode::SERVICE_UNAVAILABLE, "cannot be written"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "away"),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(json!({ "database": database }))).into_response()
}

pub async fn metrics(State(state): State<AppState>) -> Response {
    let mut text = state.metrics.text();
    if let Some(counts) = &state.calls {
        metrics::gateway(&mut text, counts);
    }
    // Without the database the rest is worth having.
    if let Ok(Ok((counts, oldest))) = tokio::time::timeout(PATIENCE, queue::counts(&state.domain)).await {
        metrics::jobs(&mut text, &counts, oldest);
    }
    let fields = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (fields, text).into_response()
}
