//! The authorization server's routes (RFC 6749, 7662, 7009, 8414).

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use domain::{
    oauth::AuthorizationServer,
    rules::oauth::{Form, OAuthError},
};
use serde::Serialize;
use serde_json::json;

use crate::oauth;

type Sent = Result<Bytes, BytesRejection>;

pub fn routes<S: Clone + Send + Sync + 'static>(server: AuthorizationServer) -> Router<S> {
    Router::new()
        .route("/oauth2/token", post(token))
        .route("/oauth2/introspect", post(introspect))
        .route("/oauth2/revoke", post(revoke))
        .method_not_allowed_fallback(not_posted)
        .route("/oauth2/jwks", get(jwks))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .layer(DefaultBodyLimit::max(oauth::LARGEST))
        .with_state(server)
}

async fn token(State(server): State<AuthorizationServer>, headers: HeaderMap, body: Sent) -> Response {
    let answer = async {
        let (authorization, form) = read(&headers, &body)?;
        server.token(authorization, &form, None).await
    };
    answered(answer.await)
}

async fn introspect(State(server): State<AuthorizationServer>, headers: HeaderMap, body: Sent) -> Response {
    let answer = async {
        let (authorization, form) = read(&headers, &body)?;
        server.introspect(authorization, &form).await
    };
    answered(answer.await)
}

async fn revoke(State(server): State<AuthorizationServer>, headers: HeaderMap, body: Sent) -> Response {
    let answer = async {
        let (authorization, form) = read(&headers, &body)?;
        server.revoke(authorization, &form).await
    };
    answered(answer.await.map(|()| json!({})))
}

async fn not_posted() -> Response {
    oauth::not_posted().map(Body::from)
}

async fn jwks(State(server): State<AuthorizationServer>) -> Response {
    public(server.jwks())
}

async fn metadata(State(server): State<AuthorizationServer>) -> Response {
    public(server.metadata())
}

/// The `Authorization` header and the form.
fn read<'h>(headers: &'h HeaderMap, body: &Sent) -> Result<(Option<&'h str>, Form), OAuthError> {
    let body = body.as_ref().map_err(|unread| oauth::unread(unread.status() == StatusCode::PAYLOAD_TOO_LARGE))?;
    oauth::read(headers, body)
}

/// For this listener's router.
fn answered<T: Serialize>(outcome: Result<T, OAuthError>) -> Response {
    oauth::answered(outcome).map(Body::from)
}

/// What anyone may keep for a while.
fn public(document: serde_json::Value) -> Response {
    let mut response = Json(document).into_response();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
