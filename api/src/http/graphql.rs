//! GraphQL over HTTP.

use std::{net::SocketAddr, sync::Arc};

use async_graphql::Request;
use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use crate::{app::AppState, auth, error::outside, graphql::request::RequestData};

pub async fn handle(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(request): Json<Request>,
) -> Response {
    let caller = match auth::caller(&state.domain, &headers, peer.ip(), None).await {
        Ok(caller) => caller,
        Err(error) => return outside(&error).status.into_response(),
    };
    let data = RequestData::new(&state.domain, caller, Arc::clone(&state.site));
    let answer = state.schema.execute(request.data(data)).await;
    // What resolvers set, such as a session's cookie.
    let from_resolvers = answer.http_headers.clone();
    (from_resolvers, Json(answer)).into_response()
}
