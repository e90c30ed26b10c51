//! A record as the database keeps it, and as a line of standard output. What may be a secret goes into neither.

use entities::{
    columns::{LoggedHeader, LoggedHeaders},
    id::RequestLogId,
    request_log,
};
use http::{HeaderName, HeaderValue, header::USER_AGENT};

use super::super::{
    headers,
    meter::{MOST_HEADERS, Record},
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
        method: cut(record.method.as_str()),
        path: path(record),
        status: i16::try_from(record.status.as_u16()).unwrap_or_default(),
        latency_us: latency_us(record),
        denial: record.denial,
        denial_detail: record.detail.as_deref().map(cut),
        ip: record.ip.to_string(),
        user_agent: user_agent(record),
        request_headers: kept(record.request_headers.iter()),
        response_headers: kept(record.response_headers.iter().map(|(name, value)| (name, value))),
        via_explorer: false,
    }
}

/// A record as standard output shows it.
#[derive(serde::Serialize)]
pub struct Line<'a> {
    at: chrono::DateTime<chrono::Utc>,
    request_id: entities::id::RequestId,
    method: &'a str,
    path: String,
    status: u16,
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
    user_agent: Option<String>,
}

pub fn line(record: &Record) -> Line<'_> {
    let known = &record.known;
    Line {
        at: record.at,
        request_id: record.id,
        method: record.method.as_str(),
        path: path(record),
        status: record.status.as_u16(),
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

/// Longest path that is kept, in bytes.
const PATH_KEPT: usize = 2048;

fn path(record: &Record) -> String {
    cut_at(record.target.path(), PATH_KEPT)
}

fn user_agent(record: &Record) -> Option<String> {
    record.request_headers.get(USER_AGENT).map(text)
}

fn kept<'a>(fields: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> LoggedHeaders {
    fields
        .take(MOST_HEADERS)
        .map(|(name, value)| LoggedHeader {
            name: cut(name.as_str()),
            value: (headers::is_loggable(name.as_str()) && !looks_secret(value)).then(|| text(value)),
        })
        .collect()
}

/// A credential of ours in a header that is not for credentials.
fn looks_secret(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    value.is_sensitive() || bytes.starts_with(b"Bearer ") || bytes.windows(4).any(|w| w == b"ptk_")
}

fn text(value: &HeaderValue) -> String {
    cut(&String::from_utf8_lossy(value.as_bytes()))
}

fn cut(text: &str) -> String {
    cut_at(text, VALUE_KEPT)
}

fn cut_at(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}
