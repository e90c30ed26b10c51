//! A request's parameters, from a body or a query string. What they do not know they pass over.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::{Map, Value};

use super::status::Unread;
use crate::graphql::engine::Parameters;

/// Bytes of a body.
pub const MAX_BODY: usize = 256 * 1024;
/// Bytes of a body from staff who publish API descriptions.
pub const MAX_STAFF_BODY: usize = 32 * 1024 * 1024;

/// Why a request did not become an operation, and what to say about it.
#[derive(Debug)]
pub struct NotRead(pub Unread, pub String);

fn wrong(message: impl Into<String>) -> NotRead {
    NotRead(Unread::Parameters, message.into())
}

/// Refuses what is not declared as JSON in UTF-8: forms and plain text are also what another site's page can send.
pub fn check_content_type(headers: &HeaderMap) -> Result<(), NotRead> {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = declared.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        let value = value.trim().trim_matches('"');
        !name.trim().eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8") || value.eq_ignore_ascii_case("utf8")
    });
    let encoded = headers.get(header::CONTENT_ENCODING).is_some_and(|value| value != "identity");
    if json && utf8 && !encoded {
        return Ok(());
    }
    Err(NotRead(Unread::ContentType, "the body must be sent as application/json in UTF-8, not compressed".to_owned()))
}

/// Reads a body to its end, or until it passes `limit` bytes.
pub async fn read_body(headers: &HeaderMap, body: Body, limit: usize) -> Result<Bytes, NotRead> {
    let too_large = || NotRead(Unread::TooLarge, format!("the body is larger than {limit} bytes"));
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(wrong("the body ended before its end")),
    }
}

pub fn from_body(body: &[u8]) -> Result<Parameters, NotRead> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(parameters)) => from_object(parameters),
        Ok(Value::Array(_)) => Err(wrong("one operation a request: lists of operations are not taken")),
        Ok(_) => Err(wrong("the body must be a JSON object with a query")),
        Err(error) => Err(wrong(format!("the body is not JSON: {error}"))),
    }
}

/// As in a body; `variables` and `extensions` are JSON in text.
pub fn from_query_string(text: &str) -> Result<Parameters, NotRead> {
    let mut parameters = Map::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        let value = match name.as_ref() {
            "query" | "operationName" => Value::String(value.into_owned()),
            "variables" | "extensions" if value.is_empty() => Value::Null,
            "variables" | "extensions" => {
                serde_json::from_str(&value).map_err(|error| wrong(format!("{name} is not JSON: {error}")))?
            }
            _ => continue,
        };
        if parameters.insert(name.to_string(), value).is_some() {
            return Err(wrong(format!("{name} is given twice")));
        }
    }
    from_object(parameters)
}

pub fn from_object(mut parameters: Map<String, Value>) -> Result<Parameters, NotRead> {
    let persisted = parameters.get("extensions").is_some_and(|extensions| extensions.get("persistedQuery").is_some());
    let query = match parameters.remove("query") {
        // The words that Apollo's clients look for.
        None | Some(Value::Null) if persisted => {
            return Err(NotRead(Unread::PersistedQuery, "PersistedQueryNotSupported".to_owned()));
        }
        Some(Value::String(query)) => query,
        Some(_) => return Err(wrong("query must be a string")),
        None => return Err(wrong("query is missing")),
    };
    let operation_name = match parameters.remove("operationName") {
        Some(Value::String(name)) => Some(name),
        None | Some(Value::Null) => None,
        Some(_) => return Err(wrong("operationName must be a string")),
    };
    let mut object = |name: &str| match parameters.remove(name) {
        Some(Value::Object(object)) => Ok(object),
        None | Some(Value::Null) => Ok(Map::new()),
        Some(_) => Err(wrong(format!("{name} must be an object"))),
    };
    let variables = object("variables")?;
    object("extensions")?;
    Ok(Parameters { query, operation_name, variables })
}
