//! Who is calling: told to the upstream in headers that it may trust, and noted in the record.

use domain::{
    ops::request_log::Used,
    rules::{
        admission::{self, Admitted},
        routes::Endpoint,
        view::Client,
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, header::HOST};
use ipnet::IpNet;
use secrecy::ExposeSecret;

use super::{
    meter::Call,
    record::{Known, Record},
    refusal::REQUEST_ID,
    vouched::Vouched,
    wire::Wire,
};
use crate::address;

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Adds what the gateway vouches for, and then the environment's own headers, which go before everything else.
pub fn tell_upstream(
    admitted: &Admitted,
    vouched: &Vouched,
    record: &Record,
    wire: &Wire,
    trusted: &[IpNet],
    into: &mut HeaderMap,
) {
    into.insert(&REQUEST_ID, record.id_header.clone());
    for (name, value) in vouched.headers(admitted).iter() {
        into.insert(*name, value.clone());
    }
    tell_origin(record, wire, trusted, into);
    for (name, value) in admitted.upstream().map(|u| &*u.headers).unwrap_or_default() {
        let name = HeaderName::from_bytes(name.as_bytes());
        let value = HeaderValue::from_bytes(value.expose_secret().as_bytes());
        if let (Ok(name), Ok(mut value)) = (name, value) {
            value.set_sensitive(true);
            into.insert(name, value);
        }
    }
}

/// Where the call came from. A trusted proxy's word on scheme and host is passed on.
fn tell_origin(record: &Record, wire: &Wire, trusted: &[IpNet], into: &mut HeaderMap) {
    let from = &record.request_headers;
    let believed = address::is_trusted(wire.peer.ip(), trusted) && !record.via_explorer;
    // Twice is not a proxy's word alone: one of them is its caller's.
    let only = |name: &HeaderName| {
        let mut all = from.get_all(name).iter();
        all.next().filter(|_| all.next().is_none())
    };
    let said = |name: &HeaderName| only(name).filter(|_| believed).cloned();
    let caller = if record.ip == wire.peer.ip().to_canonical() {
        Ok(wire.peer_text.clone())
    } else {
        HeaderValue::try_from(record.ip.to_string())
    };
    if let Ok(caller) = caller {
        into.insert(&FORWARDED_FOR, caller);
    }
    let own = HeaderValue::from_static(if wire.secure { "https" } else { "http" });
    into.insert(&FORWARDED_PROTO, said(&FORWARDED_PROTO).unwrap_or(own));
    if let Some(host) = asked_host(record, wire, trusted) {
        into.insert(&FORWARDED_HOST, host);
    }
}

/// The host that the caller asked for, as the upstream is told it.
pub fn asked_host(record: &Record, wire: &Wire, trusted: &[IpNet]) -> Option<HeaderValue> {
    let from = &record.request_headers;
    let said = || from.get(&FORWARDED_HOST).filter(|_| address::is_trusted(wire.peer.ip(), trusted)).cloned();
    let authority = || record.target.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
    said().or_else(authority).or_else(|| from.get(HOST).cloned())
}

/// Notes whose call an admitted one is.
pub fn note_admitted(call: &mut Call, admitted: &Admitted) {
    let upstream = admitted.upstream();
    let Some(record) = call.record_mut() else { return };
    record.sink = upstream.map_or(record.sink, |u| u.log_sink);
    record.used = admitted.credential().map(|c| Used { credential: c.id, secret: admitted.secret() });
    record.known = Known {
        product: Some(admitted.product.id),
        profile: Some(admitted.profile().id),
        credential: admitted.credential().map(|c| c.id),
        environment: Some(admitted.environment),
        ..known_of(Some(&admitted.client), admitted.endpoint())
    };
}

/// Notes what was found of a refused call.
pub fn note_denied(call: &mut Call, found: &admission::Known) {
    let Some(record) = call.record_mut() else { return };
    let environment = found.environment();
    let product = found.product.as_ref();
    if let Some(upstream) = environment.and_then(|e| product?.upstream(e)) {
        record.sink = upstream.log_sink;
    }
    record.known = Known {
        product: product.map(|p| p.id),
        profile: found.profile().map(|p| p.id),
        credential: found.credential().map(|c| c.id),
        environment,
        ..known_of(found.client.as_deref(), found.endpoint())
    };
}

fn known_of(client: Option<&Client>, endpoint: Option<&Endpoint>) -> Known {
    Known {
        team: client.map(|c| c.team),
        client: client.map(|c| c.id),
        endpoint: endpoint.map(|e| e.id),
        template: endpoint.map(|e| e.template.clone()),
        ..Known::default()
    }
}
