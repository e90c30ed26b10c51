//! The routes of the API listener.

mod auth;
pub mod exchange;
pub mod graphql;
mod health;
pub mod metrics;
pub mod origin;
mod specs;

use axum::{
    Router,
    http::StatusCode,
    middleware,
    routing::{any, get},
};

use crate::app::AppState;

pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/graphql", any(graphql::handle))
        .route("/graphql/ws", get(graphql::socket::upgrade))
        .route("/products/{slug}/openapi/{file}", get(specs::download))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .merge(auth::routes(state.clone()))
        .fallback(async || (StatusCode::NOT_FOUND, "there is nothing here; the API is at /graphql\n"))
        .layer(state.origins.cors())
        .layer(middleware::from_fn_with_state(state.clone(), exchange::observe))
        .with_state(state)
}
