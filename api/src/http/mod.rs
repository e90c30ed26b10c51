//! The routes of the API listener.

mod graphql;
mod specs;

use axum::{Router, routing::get};

use crate::app::AppState;

pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/graphql", get(graphql::handle).post(graphql::handle))
        .route("/products/{slug}/openapi/{file}", get(specs::download))
        .route("/healthz", get(async || "ok\n"))
        .with_state(state)
}
