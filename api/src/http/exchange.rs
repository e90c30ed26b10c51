//! What every request and its answer share: an id, the caller's address, a count and a time.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue},
    middleware::Next,
    response::Response,
};
use entities::id::RequestId;
use ipnet::IpNet;
use tracing::Instrument;

use crate::http::AppState;

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
    let ip = caller_ip(peer.ip(), request.headers(), &state.config.trusted_proxies);
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

/// The rightmost address in `X-Forwarded-For` that is not a trusted proxy's own, where the peer is one; else the peer's.
/// What stands left of it anybody may have written.
fn caller_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let trusts = |ip: IpAddr| trusted.iter().any(|net| net.contains(&ip));
    let mut caller = peer.to_canonical();
    if !trusts(caller) {
        return caller;
    }
    let lines: Vec<_> = headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or_default()).collect();
    for entry in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let Ok(ip) = entry.trim().parse::<IpAddr>() else { break };
        caller = ip.to_canonical();
        if !trusts(caller) {
            break;
        }
    }
    caller
}
