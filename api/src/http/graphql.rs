//! GraphQL over HTTP.

use std::{net::SocketAddr, sync::Arc};

use async_graphql::Request;
use axum::{
    Json,
    extract::{ConnectInfo, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};

use crate::{
    app::AppState,
    auth,
    error::outside,
    graphql::{loaders::Loaders, request::RequestData},
};

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
    let data =
        RequestData { loaders: Loaders::new(&state.domain), domain: state.domain.clone(), caller, site: Arc::clone(&state.site) };
    Json(state.schema.execute(request.data(data)).await).into_response()
}
