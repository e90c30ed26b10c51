//! What the authorization server is asked over HTTP and how it answers, on whichever listener.

use domain::rules::oauth::{Form, OAuthCode, OAuthError, refused};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, PRAGMA, RETRY_AFTER, WWW_AUTHENTICATE},
};
use serde::Serialize;
use serde_json::json;

/// Bytes of a request's body.
pub const LARGEST: usize = 64 << 10;

/// The `Authorization` header and the form; one header at most.
pub fn read<'h>(headers: &'h HeaderMap, body: &[u8]) -> Result<(Option<&'h str>, Form), OAuthError> {
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let authorization = given.next().map(|value| value.to_str().unwrap_or_default());
    if given.next().is_some() {
        return Err(refused(OAuthCode::InvalidRequest, "send one Authorization header"));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Ok((authorization, Form::parse(kind, body)?))
}

/// Why a body was not read.
pub fn unread(is_too_large: bool) -> OAuthError {
    if is_too_large {
        return refused(OAuthCode::TooLarge, format!("the body has more than {LARGEST} bytes"));
    }
    refused(OAuthCode::InvalidRequest, "the body did not come whole")
}

/// Nothing of these endpoints is for a GET, where credentials would be in the address.
pub fn not_posted() -> Response<String> {
    let mut response = answered::<()>(Err(refused(OAuthCode::InvalidRequest, "send a POST")));
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// Kept by nobody (RFC 6749 section 5.1).
pub fn answered<T: Serialize>(outcome: Result<T, OAuthError>) -> Response<String> {
    let written = outcome.map(|answer| serde_json::to_string(&answer).unwrap_or_default());
    let (status, body, challenge) = match &written {
        Ok(body) => (StatusCode::OK, body.clone(), None),
        Err(error) => {
            let body = json!({ "error": error.code.as_str(), "error_description": error.description });
            let challenge = match error.code {
                OAuthCode::InvalidClient { basic: true } => Some((WWW_AUTHENTICATE, r#"Basic realm="portico""#)),
                OAuthCode::TemporarilyUnavailable => Some((RETRY_AFTER, "1")),
                _ => None,
            };
            (StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST), body.to_string(), challenge)
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
    for (name, value) in fields.into_iter().chain(challenge) {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
