//! A record as the database keeps it, and as a line of standard output. What may be a secret goes into neither.

use std::borrow::Cow;

use domain::read::request_log::PATH_KEPT;
use entities::{
    columns::{LoggedHeader, LoggedHeaders},
    id::RequestLogId,
    request_log,
};
use http::{HeaderName, HeaderValue, header::USER_AGENT};

use super::super::{
    headers,
    record::{MOST_HEADERS, Record},
};

/// Longest value that a row keeps, in bytes.
const VALUE_KEPT: usize = 256;

pub fn row(record: &Record) -> request_log::Model {
    let known = &record.known;
    request_log::Model {
        id: RequestLogId(record.id.0),
        at: record.at,
        team_id: known.team,
        client_id: known.client,
        profile_id: known.profile,
        credential_id: known.credential,
        product_id: known.product,
        endpoint_id: known.endpoint,
        endpoint: known.template.as_deref().map(str::to_owned),
        environment: known.environment,
        method: cut(record.method.as_str()).to_owned(),
        path: path(record).to_owned(),
        status: i16::try_from(record.status.as_u16()).unwrap_or_default(),
        latency_us: latency_us(record),
        denial: record.denial,
        denial_detail: record.detail.as_deref().map(|detail| cut_at(detail, DETAIL_KEPT).to_owned()),
        ip: record.ip.to_string(),
        user_agent: user_agent(record).map(Cow::into_owned),
        request_headers: kept(record.request_headers.iter()),
        response_headers: kept(record.response_headers.iter().map(|(name, value)| (name, value))),
        via_explorer: record.via_explorer,
        completed: record.completed,
    }
}

/// A record as standard output shows it.
#[derive(serde::Serialize)]
struct Line<'a> {
    at: chrono::DateTime<chrono::Utc>,
    request_id: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    completed: bool,
    latency_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<entities::enums::DenialReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    client: Option<entities::id::ClientId>,
    profile: Option<entities::id::ProfileId>,
    credential: Option<entities::id::CredentialId>,
    product: Option<entities::id::ProductId>,
    endpoint: Option<&'a str>,
    environment: Option<entities::enums::Environment>,
    ip: std::net::IpAddr,
    user_agent: Option<Cow<'a, str>>,
}

/// Appends a record's line.
pub fn write_line(record: &Record, into: &mut Vec<u8>) {
    let start = into.len();
    match serde_json::to_writer(&mut *into, &line(record)) {
        Ok(()) => into.push(b'\n'),
        // Nothing in a line can fail to be written; half a line would spoil the next.
        Err(_) => into.truncate(start),
    }
}

fn line(record: &Record) -> Line<'_> {
    let known = &record.known;
    Line {
        at: record.at,
        request_id: record.id_header.to_str().unwrap_or_default(),
        method: record.method.as_str(),
        path: path(record),
        status: record.status.as_u16(),
        completed: record.completed,
        latency_us: latency_us(record),
        denial: record.denial,
        detail: record.detail.as_deref(),
        client: known.client,
        profile: known.profile,
        credential: known.credential,
        product: known.product,
        endpoint: known.template.as_deref(),
        environment: known.environment,
        ip: record.ip,
        user_agent: user_agent(record),
    }
}

fn latency_us(record: &Record) -> i64 {
    i64::try_from(record.latency.as_micros()).unwrap_or(i64::MAX)
}

/// Longest detail that is kept, in bytes.
const DETAIL_KEPT: usize = 1024;

fn path(record: &Record) -> &str {
    cut_at(record.target.path(), PATH_KEPT)
}

fn user_agent(record: &Record) -> Option<Cow<'_, str>> {
    record.request_headers.get(USER_AGENT).map(text)
}

fn kept<'a>(fields: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> LoggedHeaders {
    fields
        .take(MOST_HEADERS)
        .map(|(name, value)| LoggedHeader {
            name: cut(name.as_str()).to_owned(),
            value: (headers::is_loggable(name.as_str()) && !looks_secret(value)).then(|| text(value).into_owned()),
        })
        .collect()
}

/// A credential of ours, or a signed token, in a header that is not for credentials.
fn looks_secret(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    let ours = |w: &[u8]| matches!(w, [b'p', b't', b'k' | b't' | b's' | b'j' | b'p', b'_']);
    value.is_sensitive() || bytes.starts_with(b"Bearer ") || bytes.starts_with(b"eyJ") || bytes.windows(4).any(ours)
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    match String::from_utf8_lossy(value.as_bytes()) {
        Cow::Borrowed(text) => cut(text).into(),
        Cow::Owned(text) => cut(&text).to_owned().into(),
    }
}

fn cut(text: &str) -> &str {
    cut_at(text, VALUE_KEPT)
}

fn cut_at(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
