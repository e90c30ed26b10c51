//! `POST /leaks`: a scanner reports secrets of ours that it found in public, as GitHub's secret scanning does.

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::post,
};
use domain::{
    DomainError,
    keyring::sha256,
    ops::leaks,
    rules::leak::{self, Find, Unsigned},
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    auth,
    error::{BAD_USER_INPUT, Outside, UNAUTHENTICATED, log_fault, outside},
    http::{AppState, exchange::Exchange},
};

const IDENTIFIER: &str = "github-public-key-identifier";
const SIGNATURE: &str = "github-public-key-signature";

/// Without a scanner there is no route.
pub fn routes(has_scanner: bool) -> Router<AppState> {
    let none = Router::new();
    if !has_scanner {
        return none;
    }
    none.route("/leaks", post(report).layer(DefaultBodyLimit::max(leak::LARGEST)))
}

/// Why a report is not taken. Nothing of it is said again.
enum Refused {
    Unsigned(Unsigned),
    Body(StatusCode, String),
    Failed(DomainError),
}

async fn report(
    State(state): State<AppState>,
    Extension(exchange): Extension<Exchange>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let mut response = match answer(&state, &exchange, &headers, body).await {
        Ok(feedback) => Json(feedback).into_response(),
        Err(refused) => problem(refused),
    };
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answer(
    state: &AppState,
    exchange: &Exchange,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Vec<Value>, Refused> {
    let body = body.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refused::Body(error.status(), format!("a report has {} bytes at most: send the rest in another", leak::LARGEST))
        }
        status => Refused::Body(status, "the body could not be read: send it again".to_owned()),
    })?;
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let keys = state.config.leak_keys.as_ref().ok_or(Refused::Unsigned(Unsigned::UnknownKey))?;
    keys.verify(text(IDENTIFIER), text(SIGNATURE), &body).map_err(Refused::Unsigned)?;
    let finds = leak::parse(&body).map_err(|error| Refused::Body(StatusCode::BAD_REQUEST, error.to_string()))?;
    let origin = auth::origin(headers, exchange.ip, Some(exchange.request_id.to_string()));
    let ours = leaks::report(&state.domain, origin, &finds).await.map_err(Refused::Failed)?;
    let count = ours.iter().filter(|ours| **ours).count();
    tracing::info!(leaks.found = finds.len(), leaks.ours = count, "a scanner reported secrets");
    Ok(finds.iter().zip(ours).map(|(find, ours)| feedback(find, ours)).collect())
}

/// What helps the scanner to find better; it knows the token by its SHA-256.
fn feedback(find: &Find, ours: bool) -> Value {
    let hash: String = sha256(find.token.expose_secret()).iter().map(|byte| format!("{byte:02x}")).collect();
    let label = if ours { "true_positive" } else { "false_positive" };
    json!({ "token_hash": hash, "token_type": find.kind, "label": label })
}

/// Problem JSON (RFC 9457).
fn problem(refused: Refused) -> Response {
    let (status, code, detail) = match refused {
        Refused::Unsigned(error) => (StatusCode::UNAUTHORIZED, UNAUTHENTICATED, error.to_string()),
        Refused::Body(status, detail) => (status, BAD_USER_INPUT, detail),
        Refused::Failed(error) => {
            let outside = outside(&error);
            log_fault(&error, outside);
            let Outside { status, code, .. } = outside;
            (status, code, format!("{error}: send the report again"))
        }
    };
    let body = json!({ "title": status.canonical_reason(), "status": status.as_u16(), "code": code, "detail": detail });
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}
