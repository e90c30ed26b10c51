//! Whether the process lives, whether it can serve, and its counters.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use domain::{Domain, queue};
use jobs::Pulse;
use serde_json::json;

use crate::{http::AppState, http::metrics};

/// A database that does not answer within this is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// What this process depends on to serve.
#[derive(Clone)]
pub struct Health {
    pub domain: Domain,
    /// The queue, where this process works it off.
    pub queue: Option<Pulse>,
}

/// The routes of a process that serves nothing else.
pub fn of_a_worker(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(|State(health)| ready_of(health)))
        .fallback(async || (StatusCode::NOT_FOUND, "this process only works: /healthz and /readyz say how it is\n"))
        .with_state(health)
}

pub async fn alive() -> &'static str {
    "ok\n"
}

/// 200 when requests can be served and jobs are worked off, else 503; which part is away stands in the body.
pub async fn ready(State(state): State<AppState>) -> Response {
    ready_of(state.health).await
}

async fn ready_of(Health { domain, queue }: Health) -> Response {
    let database = matches!(tokio::time::timeout(PATIENCE, domain.db.ping()).await, Ok(Ok(())));
    let served = queue.is_none_or(|queue| queue.is_served());
    let status = if database && served { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = |up| if up { "up" } else { "away" };
    let body = Json(json!({ "database": word(database), "queue": word(served) }));
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], body).into_response();
    if status != StatusCode::OK {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
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
