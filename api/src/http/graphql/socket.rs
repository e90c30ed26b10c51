//! GraphQL over a WebSocket: the protocol `graphql-transport-ws`, with the same limits, completion and rights as over HTTP.
//! Each operation asks anew who is signed in, and a subscription before each answer, so that a revoked session ends here too.

mod connection;
mod message;

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use domain::{DomainError, actor::Who};

use super::{parameters::MAX_BODY, with_data};
use crate::{
    auth,
    graphql::{
        PorticoSchema,
        engine::{Engine, Prepared},
    },
    http::AppState,
    http::exchange::Exchange,
};

use connection::{Host, Times};

const PROTOCOL: &str = "graphql-transport-ws";

pub async fn upgrade(
    State(state): State<AppState>,
    Extension(exchange): Extension<Exchange>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // A handshake is not subject to CORS: a foreign page would come with the reader's cookie.
    if !state.origins.may_use_session(&headers) {
        return (StatusCode::FORBIDDEN, "this page's origin may not use the API: have it added to PORTICO_ALLOWED_ORIGINS\n")
            .into_response();
    }
    let stop = state.stop.clone();
    let visitor = Visitor { state, exchange, headers };
    upgrade.protocols([PROTOCOL]).max_message_size(MAX_BODY).max_frame_size(MAX_BODY).on_upgrade(
        async move |mut socket: WebSocket| {
            if socket.protocol().is_none() {
                let frame = CloseFrame { code: 4406, reason: "Subprotocol not acceptable".into() };
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
            connection::serve(socket, visitor, Times::default(), stop).await;
        },
    )
}

/// Who opened a connection.
#[derive(Clone)]
struct Visitor {
    state: AppState,
    exchange: Exchange,
    /// Of the handshake; `authorization` from `connection_init` goes before a cookie.
    headers: HeaderMap,
}

impl Visitor {
    async fn caller(&self, authorization: Option<&str>) -> Result<auth::Caller, DomainError> {
        let mut headers = self.headers.clone();
        if let Some(value) = authorization.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(AUTHORIZATION, value);
        }
        let request_id = Some(self.exchange.request_id.to_string());
        auth::caller(&self.state.domain, &headers, self.exchange.ip, request_id).await
    }
}

impl Host for Visitor {
    type Schema = PorticoSchema;
    type Who = Who;

    fn engine(&self) -> &Engine<PorticoSchema> {
        &self.state.graphql
    }

    async fn knows(&self, authorization: &str) -> Result<bool, DomainError> {
        Ok(self.caller(Some(authorization)).await?.signed_in.is_some())
    }

    async fn who(&self, authorization: Option<&str>) -> Result<Who, DomainError> {
        Ok(self.caller(authorization).await?.actor.who)
    }

    async fn attach(&self, prepared: Prepared, authorization: Option<&str>) -> Result<(Prepared, Who), DomainError> {
        let caller = self.caller(authorization).await?;
        if caller.signed_in.is_none() {
            self.state.strangers.admit(self.exchange.ip)?;
        }
        let who = caller.actor.who;
        Ok((with_data(prepared, &self.state, caller), who))
    }
}
