//! Answers of the gateway's own: problem details (RFC 9457) and the headers that go with them.

use std::fmt::Write;

use domain::rules::{
    denial::{self, Entry, Lack},
    limits::{Left, Standing},
    method::Methods,
    mock::Violation,
};
use entities::{enums::DenialReason, id::RequestId};
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

pub static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
pub const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// Why a call is refused, and what its caller is told besides.
pub struct Refusal<'a> {
    pub reason: DenialReason,
    /// What the check was about.
    pub about: Option<&'a str>,
    pub allow: Methods,
    /// What of the request the document does not allow.
    pub violations: &'a [Violation],
    /// Whether a credential came with the call.
    pub presented: bool,
    /// Seconds.
    pub retry_after: Option<u64>,
    /// The connection cannot be trusted to be in step any more.
    pub close: bool,
}

impl<'a> Refusal<'a> {
    pub fn of(reason: DenialReason, about: Option<&'a str>) -> Self {
        Self { reason, about, allow: Methods::NONE, violations: &[], presented: true, retry_after: None, close: false }
    }
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(denial::entry(self.reason).status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer without its request id.
    pub fn answer(&self, id: RequestId) -> Response<String> {
        let entry = denial::told(self.reason, self.about);
        let mut response = Response::new(problem(entry, self.about, self.violations, id));
        *response.status_mut() = self.status();
        self.say_more(entry, response.headers_mut());
        response
    }

    fn say_more(&self, entry: &Entry, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, PROBLEM);
        headers.insert(CACHE_CONTROL, NO_STORE);
        match entry.status {
            401 => {
                // RFC 6750 section 3.1: no error code for who presented nothing.
                let challenge =
                    if self.presented { r#"Bearer realm="portico", error="invalid_token""# } else { r#"Bearer realm="portico""# };
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
            405 => {
                put(headers, ALLOW, &self.allow.to_string());
            }
            429 | 503 => {
                headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after.unwrap_or(1)));
            }
            _ => {}
        }
        if let (DenialReason::ScopeMissing, Some(about)) = (self.reason, self.about) {
            let (scope, _) = Lack::read(about);
            put(headers, WWW_AUTHENTICATE, &format!(r#"Bearer realm="portico", error="insufficient_scope", scope="{scope}""#));
        }
        if self.close {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// Of who may not even ask: the answer without its request id.
pub fn turned_away(entry: &Entry, about: &str, id: RequestId) -> Response<String> {
    let mut response = Response::new(problem(entry, Some(about), &[], id));
    *response.status_mut() = StatusCode::from_u16(entry.status).unwrap_or(StatusCode::FORBIDDEN);
    response.headers_mut().insert(CONTENT_TYPE, PROBLEM);
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: String,
    remedy: &'a str,
    request_id: RequestId,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Wrong<'a>>,
}

/// One thing that is wrong with a request, as in RFC 9457 section 3.
#[derive(serde::Serialize)]
struct Wrong<'a> {
    /// path, query, header or body.
    r#in: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    /// Into the parameter's value or the body, as a fragment.
    pointer: String,
    detail: &'a str,
}

impl<'a> From<&'a Violation> for Wrong<'a> {
    fn from(violation: &'a Violation) -> Self {
        Self {
            r#in: violation.place.kind(),
            name: violation.place.name(),
            pointer: format!("#{}", violation.pointer),
            detail: &violation.message,
        }
    }
}

fn problem(entry: &Entry, about: Option<&str>, violations: &[Violation], id: RequestId) -> String {
    let problem = Problem {
        r#type: format!("urn:portico:denial:{}", entry.code),
        title: entry.title,
        status: entry.status,
        code: entry.code,
        detail: entry.detail(about),
        remedy: entry.remedy,
        request_id: id,
        errors: violations.iter().map(Wrong::from).collect(),
    };
    serde_json::to_string(&problem).unwrap_or_default()
}

/// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11); none where there is no limit.
pub fn tell_standing(standing: &Standing, headers: &mut HeaderMap) {
    let limits = [("rate", standing.rate), ("quota", standing.quota)];
    if limits.iter().all(|(_, left)| left.is_none()) {
        return;
    }
    let (mut now, mut policy) = (String::with_capacity(64), String::with_capacity(64));
    for (name, left) in limits {
        let Some(Left { limit, window, remaining, reset }) = left else { continue };
        let comma = if now.is_empty() { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(now, r#"{comma}"{name}";r={remaining};t={reset}"#);
        let _ = write!(policy, r#"{comma}"{name}";q={limit};w={window}"#);
    }
    for (name, text) in [(&RATE_LIMIT, now), (&RATE_LIMIT_POLICY, policy)] {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standing_is_two_structured_fields() {
        let mut headers = HeaderMap::new();
        tell_standing(&Standing::default(), &mut headers);
        assert!(headers.is_empty());
        let rate = Some(Left { limit: 100, window: 60, remaining: 12, reset: 30 });
        let quota = Some(Left { limit: 5000, window: 86_400, remaining: 0, reset: 7 });
        tell_standing(&Standing { rate, quota }, &mut headers);
        assert_eq!(headers["ratelimit"], r#""rate";r=12;t=30, "quota";r=0;t=7"#);
        assert_eq!(headers["ratelimit-policy"], r#""rate";q=100;w=60, "quota";q=5000;w=86400"#);
    }
}
