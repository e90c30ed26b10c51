//! The routes of the API listener.

mod audit;
mod compression;
pub mod exchange;
mod explorer;
pub mod exposition;
pub mod graphql;
mod guard;
pub mod health;
mod leaks;
pub mod metrics;
mod oauth2;
pub mod origin;
mod pages;
mod specs;
pub mod unread;

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    middleware,
    routing::{any, get},
};

use domain::Domain;
use tokio_util::sync::CancellationToken;

use self::{exposition::Exposition, graphql::socket::places::Sockets, health::Health, metrics::Metrics, origin::Origins};
use crate::{
    auth::strangers::Strangers,
    config::Config,
    explorer::Explorer,
    graphql::{PorticoSchema, engine::Engine},
    site::Site,
};

/// What every request handler shares.
#[derive(Clone)]
pub struct AppState {
    pub domain: Domain,
    pub health: Health,
    pub config: Arc<Config>,
    pub site: Arc<Site>,
    pub graphql: Engine<PorticoSchema>,
    pub origins: Origins,
    pub strangers: Arc<Strangers>,
    pub sockets: Arc<Sockets>,
    pub metrics: Arc<Metrics>,
    pub explorer: Arc<Explorer>,
    pub exposition: Exposition,
    /// Cancelled when the process is to stop: what never ends by itself ends then.
    pub stop: CancellationToken,
}

pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/graphql", any(graphql::handle))
        .route("/graphql/ws", get(graphql::socket::upgrade))
        .route("/products/{slug}/openapi/{file}", get(specs::download))
        .route("/audit.jsonl", get(audit::export))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(exposition::for_token))
        .merge(pages::routes(state.clone()))
        .merge(oauth2::routes(state.explorer.tokens.clone()))
        .merge(explorer::routes(state.config.graphiql))
        .merge(leaks::routes(state.config.leak_keys.is_some()))
        .fallback(nothing)
        .layer(state.origins.cors())
        .layer(middleware::from_fn(guard::tell))
        .layer(middleware::from_fn_with_state(state.clone(), exchange::observe))
        .with_state(state)
}

async fn nothing() -> (StatusCode, &'static str) {
    (StatusCode::NOT_FOUND, "there is nothing here; the API is at /graphql\n")
}
