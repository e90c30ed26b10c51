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

/// 200 when requests can be served, else 503; which part is away stands in the body.
pub async fn ready(State(state): State<AppState>) -> Response {
    let database = matches!(tokio::time::timeout(PATIENCE, state.domain.db.ping()).await, Ok(Ok(())));
    let status = if database { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(json!({ "database": if database { "up" } else { "away" } })))
        .into_response()
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
