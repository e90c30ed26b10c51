//! What every request and its answer share: an id, the caller's address, a count and a time.

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{
        HeaderValue, StatusCode, Version,
        header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use domain::rules::denial;
use entities::{enums::DenialReason, id::RequestId};
use serde_json::json;
use tracing::Instrument;

use crate::{
    address,
    error::AWAY_RETRY,
    http::AppState,
    listen::{Late, framing::Fault},
};

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
    let (late, version) = (request.extensions().get::<Late>().cloned().unwrap_or_default(), request.version());
    let mut response = match request.extensions().get::<Fault>().copied() {
        Some(fault) => refused(DenialReason::MalformedRequest, Some(fault.about()), request_id, version),
        None => next.run(request).instrument(span).await,
    };
    if late.is_so() {
        // Whatever a handler made of the half of a body.
        response = refused(DenialReason::RequestTimeout, None, request_id, version);
    }
    if response.status() == StatusCode::SERVICE_UNAVAILABLE {
        // Wherever it came from: who is told so is told when to come again.
        response.headers_mut().entry(RETRY_AFTER).or_insert_with(|| AWAY_RETRY.into());
    }
    state.metrics.request(&route, response.status().as_u16(), began.elapsed());
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// As the gateway refuses it: what has come is not the whole request, or can be read in two ways, and the connection may be out of
/// step.
fn refused(reason: DenialReason, about: Option<&str>, id: RequestId, version: Version) -> Response {
    let entry = denial::entry(reason);
    let problem = json!({
        "type": format!("urn:portico:denial:{}", entry.code),
        "title": entry.title,
        "status": entry.status,
        "code": entry.code,
        "detail": entry.detail(about),
        "remedy": entry.remedy,
        "requestId": id,
    });
    let status = StatusCode::from_u16(entry.status).unwrap_or(StatusCode::BAD_REQUEST);
    let fields = [(CONTENT_TYPE, "application/problem+json"), (CACHE_CONTROL, "no-store")];
    let mut response = (status, fields, problem.to_string()).into_response();
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
