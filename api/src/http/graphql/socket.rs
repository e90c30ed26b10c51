//! GraphQL over a WebSocket: the protocol `graphql-transport-ws`, with the same limits, completion and rights as over HTTP.
//! Each operation asks anew who is signed in, and a subscription before each answer; with a session that is revoked the connection
//! ends too.

mod connection;
mod message;

use std::time::Duration;

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket},
    },
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use domain::{DomainError, actor::Who};
use entities::id::UserId;
use tokio::time::timeout;

use super::{parameters::MAX_BODY, with_data};
use crate::{
    auth::{self, strangers::Seat},
    error::{log_fault, outside},
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
    let seat = match seat(&state, &exchange, &headers).await {
        Ok(seat) => seat,
        Err(error) => return not_opened(&error),
    };
    let stop = state.stop.clone();
    let visitor = Visitor { state, exchange, headers };
    upgrade.protocols([PROTOCOL]).max_message_size(MAX_BODY).max_frame_size(MAX_BODY).on_upgrade(
        async move |mut socket: WebSocket| {
            let _seat = seat;
            if socket.protocol().is_none() {
                let frame = CloseFrame { code: 4406, reason: "Subprotocol not acceptable".into() };
                let _ = socket.send(Message::Close(Some(frame))).await;
                return;
            }
            connection::serve(socket, visitor, Times::default(), stop).await;
        },
    )
}

/// What a stranger's connection takes; who comes with a session takes none.
async fn seat(state: &AppState, exchange: &Exchange, headers: &HeaderMap) -> Result<Option<Seat>, DomainError> {
    let caller = auth::admitted(&state.domain, &state.strangers, headers, exchange.ip, None).await?;
    caller.is_stranger().then(|| state.strangers.seat(exchange.ip)).transpose()
}

fn not_opened(error: &DomainError) -> Response {
    let outside = outside(error);
    log_fault(error, outside);
    let mut response = (outside.status, format!("{error}\n")).into_response();
    if let DomainError::RateLimited { retry_after } = error {
        response.headers_mut().insert(RETRY_AFTER, (*retry_after).into());
    }
    response
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

impl Visitor {
    /// Who is signed in now; `known` where the database is away, which ends nobody.
    async fn person(&self, authorization: Option<&str>, known: Option<UserId>) -> Option<UserId> {
        self.caller(authorization).await.map_or(known, |caller| caller.actor.person())
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

    async fn ended(&self, authorization: Option<&str>, look: Duration) {
        let mut persons = self.state.domain.updates.watch_persons();
        let Some(user) = self.person(authorization, None).await else { return std::future::pending().await };
        loop {
            let _ = timeout(look, persons.changed(user)).await;
            if self.person(authorization, Some(user)).await != Some(user) {
                return;
            }
        }
    }

    async fn attach(&self, prepared: Prepared, authorization: Option<&str>) -> Result<(Prepared, Who), DomainError> {
        let caller = self.caller(authorization).await?;
        if caller.is_stranger() {
            self.state.strangers.admit(self.exchange.ip)?;
        }
        let who = caller.actor.who;
        Ok((with_data(prepared, &self.state, caller), who))
    }
}
