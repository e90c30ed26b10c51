//! The process's counters for whoever may read them: on a listener of their own, or on the API's by a token.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use domain::{Domain, keyring::sha256, queue, rules::credential::matches};
use secrecy::{ExposeSecret, SecretString};

use super::{
    AppState,
    metrics::{self, Metrics},
    nothing,
};
use crate::{auth, gateway::Counts};

/// A database that does not answer within this is away.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a process counts.
#[derive(Clone)]
pub struct Exposition {
    pub domain: Domain,
    pub metrics: Arc<Metrics>,
    /// The gateway's calls, where this process runs one.
    pub calls: Option<Arc<Counts>>,
}

impl Exposition {
    pub async fn answer(&self) -> Response {
        let mut text = self.metrics.text();
        if let Some(counts) = &self.calls {
            metrics::gateway(&mut text, counts);
        }
        // Without the database the rest is worth having.
        if let Ok(Ok((counts, oldest))) = tokio::time::timeout(PATIENCE, queue::counts(&self.domain)).await {
            metrics::jobs(&mut text, &counts, oldest);
        }
        let fields = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
        (fields, text).into_response()
    }

    /// The routes of a listener that has nothing else.
    pub fn router(self) -> Router {
        let answer = async |State(exposition): State<Self>| exposition.answer().await;
        let nothing = async || (StatusCode::NOT_FOUND, "there is nothing here but /metrics\n");
        Router::new().route("/metrics", get(answer)).fallback(nothing).with_state(self)
    }
}

/// On the API listener: for who brings the token of the settings; for others there is nothing here.
pub async fn for_token(State(state): State<AppState>, headers: HeaderMap) -> Response {
    match brings(state.config.metrics_token.as_ref(), &headers) {
        true => state.exposition.answer().await,
        false => nothing().await.into_response(),
    }
}

/// Whether the request brings the token of the settings; never, where they have none.
pub fn brings(token: Option<&SecretString>, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = auth::bearer(given).map(sha256);
    let wanted = token.map(|token| sha256(token.expose_secret()));
    wanted.zip(given).is_some_and(|(wanted, given)| matches(&wanted, &given))
}
