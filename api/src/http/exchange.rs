//! What every request and its answer share: an id, the caller's address, a count and a time.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::HeaderValue,
    middleware::Next,
    response::Response,
};
use entities::id::RequestId;
use tracing::Instrument;

use crate::{address, http::AppState};

/// The answer's field with the request's id.
pub const REQUEST_ID: &str = "x-request-id";

/// Who sent a request, in its extensions.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub request_id: RequestId,
    /// The peer's address, or what a trusted proxy says.
    pub ip: IpAddr,
}

/// Around every route.
pub async fn observe(
    State(state): State<AppState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let request_id: RequestId = state.domain.env.id();
    let ip = address::caller(peer.ip(), request.headers(), &state.config.trusted_proxies);
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", request.id = %request_id, http.route = route);
    request.extensions_mut().insert(Exchange { request_id, ip });
    let mut response = next.run(request).instrument(span).await;
    state.metrics.request(&route, response.status().as_u16(), began.elapsed());
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
