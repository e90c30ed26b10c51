//! The protocol's messages and the codes that it closes with (graphql-transport-ws).

use async_graphql::ServerError;
use axum::extract::ws::{CloseFrame, Message};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::graphql::engine::{Answer, Parameters, coded};
use crate::http::graphql::{
    parameters::{self, NotRead},
    status::{self, Unread},
};

/// What a client sends.
pub enum Incoming {
    Init {
        authorization: Option<String>,
    },
    Ping {
        payload: Option<Value>,
    },
    Pong,
    /// An error is for the operation alone.
    Subscribe {
        id: String,
        parameters: Result<Parameters, ServerError>,
    },
    Complete {
        id: String,
    },
}

/// What we send.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Outgoing<'a> {
    ConnectionAck,
    Ping,
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<Value>,
    },
    Next {
        id: &'a str,
        payload: &'a Answer,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

impl Outgoing<'_> {
    pub fn text(&self) -> Message {
        Message::Text(serde_json::to_string(self).unwrap_or_default().into())
    }
}

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closed {
    /// The server stops.
    GoingAway,
    TooBig,
    BadMessage(String),
    /// An operation before `connection_init` was acknowledged.
    Unauthorized,
    /// The token in `connection_init` is nobody's.
    Forbidden,
    InitTimedOut,
    SubscriberExists(String),
    InitTwice,
    /// The client does not read, does not answer pings, or is gone.
    Lost,
    Unavailable,
    /// As many connections are open as may be; with what to say of it.
    TooMany(String),
}

impl Closed {
    /// `None`: there is nobody to tell.
    pub fn frame(&self) -> Option<Message> {
        let (code, reason) = match self {
            Self::GoingAway => (1001, "the server stops".to_owned()),
            Self::TooBig => (1009, "the message is too big".to_owned()),
            Self::BadMessage(why) => (4400, why.clone()),
            Self::Unauthorized => (4401, "Unauthorized".to_owned()),
            Self::Forbidden => (4403, "Forbidden".to_owned()),
            Self::InitTimedOut => (4408, "Connection initialisation timeout".to_owned()),
            Self::SubscriberExists(id) => (4409, format!("Subscriber for {} already exists", short(id))),
            Self::InitTwice => (4429, "Too many initialisation requests".to_owned()),
            Self::Unavailable => (1013, "temporarily unavailable".to_owned()),
            Self::TooMany(why) => (1013, why.clone()),
            Self::Lost => return None,
        };
        Some(Message::Close(Some(CloseFrame { code, reason: short(&reason).into() })))
    }
}

/// A close frame has room for 123 bytes.
fn short(text: &str) -> &str {
    let mut end = text.len().min(100);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

pub fn parse(text: &str) -> Result<Incoming, Closed> {
    let bad = |why: &str| Closed::BadMessage(why.to_owned());
    let Ok(Value::Object(mut message)) = serde_json::from_str(text) else { return Err(bad("a message is a JSON object")) };
    let payload = message.remove("payload").filter(|payload| !payload.is_null());
    match message.get("type").and_then(Value::as_str) {
        Some("connection_init") => Ok(Incoming::Init { authorization: authorization(payload)? }),
        Some("ping") => Ok(Incoming::Ping { payload }),
        Some("pong") => Ok(Incoming::Pong),
        Some("complete") => Ok(Incoming::Complete { id: id(&message)? }),
        Some("subscribe") => {
            let id = id(&message)?;
            let Some(Value::Object(payload)) = payload else { return Err(bad("a subscribe message has a payload")) };
            let parameters = match parameters::from_object(payload) {
                Ok(parameters) => Ok(parameters),
                Err(NotRead(unread @ Unread::PersistedQuery, message)) => Err(coded(message, status::of_unread(unread).1)),
                Err(NotRead(_, message)) => return Err(Closed::BadMessage(message)),
            };
            Ok(Incoming::Subscribe { id, parameters })
        }
        _ => Err(bad("the type of a message is one of the protocol graphql-transport-ws")),
    }
}

fn id(message: &Map<String, Value>) -> Result<String, Closed> {
    let id = message.get("id").and_then(Value::as_str).filter(|id| !id.is_empty());
    id.map(str::to_owned).ok_or_else(|| Closed::BadMessage("the message needs an id".to_owned()))
}

fn authorization(payload: Option<Value>) -> Result<Option<String>, Closed> {
    let payload = match payload {
        None => return Ok(None),
        Some(Value::Object(payload)) => payload,
        Some(_) => return Err(Closed::BadMessage("the payload of connection_init is an object".to_owned())),
    };
    // Some clients send what would be the headers of a request.
    let headers = named(&payload, "headers").and_then(Value::as_object);
    match (named(&payload, "authorization"), headers.and_then(|headers| named(headers, "authorization"))) {
        (Some(one), Some(other)) if one != other => Err(Closed::BadMessage("authorization is given twice".to_owned())),
        (Some(Value::String(text)), _) | (None, Some(Value::String(text))) => Ok(Some(text.clone())),
        (None, None) => Ok(None),
        _ => Err(Closed::BadMessage("authorization is a string such as Bearer …".to_owned())),
    }
}

/// A member that is given, whatever the case of its name.
fn named<'a>(object: &'a Map<String, Value>, wanted: &str) -> Option<&'a Value> {
    object.iter().find(|(name, value)| name.eq_ignore_ascii_case(wanted) && !value.is_null()).map(|(_, value)| value)
}
