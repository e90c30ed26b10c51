//! Whether the process lives, and whether it can serve.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use domain::{Domain, ops::write_try};
use serde_json::json;

use super::{
    AppState,
    exposition::{self, Exposition},
};
use crate::{config::Config, error::AWAY_RETRY};

/// A database that does not answer within this is away.
const PATIENCE: Duration = Duration::from_secs(2);

pub type IsServed = Arc<dyn Fn() -> bool + Send + Sync>;

/// What this process depends on to serve.
#[derive(Clone)]
pub struct Health {
    pub domain: Domain,
    /// Whether the queue is served, where this process works it off.
    pub queue: Option<IsServed>,
}

/// What a process that only works has to say.
#[derive(Clone)]
pub struct Worker {
    pub health: Health,
    pub exposition: Exposition,
    pub config: Arc<Config>,
}

/// The routes of a process that serves nothing else.
pub fn of_a_worker(worker: Worker) -> Router {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(async |State(worker): State<Worker>| ready_of(worker.health).await))
        .route("/metrics", get(counters_of_a_worker))
        .fallback(nothing_of_a_worker)
        .with_state(worker)
}

/// For who brings the token of the settings; for others there is nothing here.
async fn counters_of_a_worker(State(worker): State<Worker>, headers: HeaderMap) -> Response {
    match exposition::brings(worker.config.metrics_token.as_ref(), &headers) {
        true => worker.exposition.answer().await,
        false => nothing_of_a_worker().await,
    }
}

async fn nothing_of_a_worker() -> Response {
    (StatusCode::NOT_FOUND, "this process only works: /healthz and /readyz say how it is\n").into_response()
}

pub async fn alive() -> &'static str {
    "ok\n"
}

/// 200 when requests can be served, changes too, and jobs are worked off, else 503; which part is away stands in the body.
pub async fn ready(State(state): State<AppState>) -> Response {
    ready_of(state.health).await
}

async fn ready_of(Health { domain, queue }: Health) -> Response {
    let answers = matches!(tokio::time::timeout(PATIENCE, domain.db.ping()).await, Ok(Ok(())));
    let database = match answers {
        true if write_try::is_writable(&domain).await => "up",
        true => "cannot be written",
        false => "away",
    };
    let queue = queue.map(|queue| if queue() { "up" } else { "away" });
    let body = match queue {
        Some(queue) => json!({ "database": database, "queue": queue }),
        None => json!({ "database": database }),
    };
    let mut response = ([(header::CACHE_CONTROL, "no-store")], Json(body)).into_response();
    if database != "up" || queue == Some("away") {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(AWAY_RETRY));
    }
    response
}
