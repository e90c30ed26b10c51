//! GraphQL over a WebSocket: the protocol `graphql-transport-ws`, with the same limits, completion and rights as over HTTP.
//! Each operation asks anew who is signed in, and a subscription before each answer; with a session that is revoked the connection
//! ends too.

mod connection;
mod message;
pub mod places;

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
    auth,
    error::{log_fault, outside, told_when},
    graphql::{
        PorticoSchema,
        engine::{Engine, Prepared},
    },
    http::AppState,
    http::exchange::Exchange,
};

use connection::{Host, Known, Times};
use places::{FromSource, Full, OfPerson};

/// Bytes that a connection keeps room for; a longer message gets more while it comes.
const READ_BUFFER: usize = 4 * 1024;

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
    let (person, seat) = match seat(&state, &exchange, &headers).await {
        Ok(seated) => seated,
        Err(NotOpened::Full(full)) => return full_up(full),
        Err(NotOpened::Refused(error)) => return not_opened(&error),
    };
    let stop = state.stop.clone();
    let visitor = Visitor { state, exchange, headers, person };
    let upgrade = upgrade.protocols([PROTOCOL]).max_message_size(MAX_BODY).max_frame_size(MAX_BODY);
    upgrade.read_buffer_size(READ_BUFFER).write_buffer_size(0).on_upgrade(async move |mut socket: WebSocket| {
        let _seat = seat;
        if socket.protocol().is_none() {
            let frame = CloseFrame { code: 4406, reason: "Subprotocol not acceptable".into() };
            let _ = socket.send(Message::Close(Some(frame))).await;
            return;
        }
        connection::serve(socket, visitor, Times::default(), stop).await;
    })
}

/// Why a connection is not opened.
enum NotOpened {
    Full(Full),
    Refused(DomainError),
}

impl From<Full> for NotOpened {
    fn from(full: Full) -> Self {
        Self::Full(full)
    }
}

impl From<DomainError> for NotOpened {
    fn from(error: DomainError) -> Self {
        Self::Refused(error)
    }
}

/// What a connection takes: a place of its source, and of the person who opens it.
async fn seat(
    state: &AppState,
    exchange: &Exchange,
    headers: &HeaderMap,
) -> Result<(Option<UserId>, (FromSource, Option<OfPerson>)), NotOpened> {
    let caller = auth::admitted(&state.domain, &state.site, &state.strangers, headers, exchange.ip, None).await?;
    let source = state.sockets.from_source(exchange.ip, caller.is_stranger())?;
    let Some(person) = caller.actor.person() else { return Ok((None, (source, None))) };
    let seat = state.sockets.of_person(&state.domain, person).await??;
    Ok((Some(person), (source, Some(seat))))
}

fn full_up(full: Full) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(RETRY_AFTER, "60")], format!("{full}\n")).into_response()
}

fn not_opened(error: &DomainError) -> Response {
    let outside = outside(error);
    log_fault(error, outside);
    told_when((outside.status, format!("{error}\n")).into_response(), error)
}

/// Who opened a connection.
#[derive(Clone)]
struct Visitor {
    state: AppState,
    exchange: Exchange,
    /// Of the handshake; `authorization` from `connection_init` goes before a cookie.
    headers: HeaderMap,
    /// Whom the handshake is by.
    person: Option<UserId>,
}

impl Visitor {
    async fn caller(&self, authorization: Option<&str>) -> Result<auth::Caller, DomainError> {
        let mut headers = self.headers.clone();
        if let Some(value) = authorization.and_then(|text| HeaderValue::from_str(text).ok()) {
            headers.insert(AUTHORIZATION, value);
        }
        let request_id = Some(self.exchange.request_id.to_string());
        auth::caller(&self.state.domain, &self.state.site, &headers, self.exchange.ip, request_id).await
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
    type Seat = Option<OfPerson>;

    fn engine(&self) -> &Engine<PorticoSchema> {
        &self.state.graphql
    }

    async fn knows(&self, authorization: &str) -> Result<Known<Self::Seat>, DomainError> {
        let caller = self.caller(Some(authorization)).await?;
        let Some(person) = caller.signed_in.and(caller.actor.person()) else { return Ok(Known::Nobody) };
        if self.person == Some(person) {
            return Ok(Known::Somebody(None));
        }
        Ok(match self.state.sockets.of_person(&self.state.domain, person).await? {
            Ok(seat) => Known::Somebody(Some(seat)),
            Err(full) => Known::TooMany(full.to_string()),
        })
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
