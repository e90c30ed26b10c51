//! The routes of the API listener.

mod auth;
mod graphql;

use axum::{Router, routing::get};

use crate::app::AppState;

pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/graphql", get(graphql::handle).post(graphql::handle))
        .route("/healthz", get(async || "ok\n"))
        .merge(auth::routes(state.clone()))
        .with_state(state)
}
