//! A client of `/graphql/ws` that speaks graphql-transport-ws by hand.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::app::{Person, TestApp};

pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    operations: u32,
}

impl Socket {
    /// Connected and acknowledged, by the person's cookie.
    pub async fn open(app: &TestApp, who: Option<&Person>) -> Self {
        let cookie = who.map(|person| format!("{}={}", api::auth::SESSION_COOKIE, person.session));
        let fields: Vec<_> = cookie.iter().map(|cookie| ("cookie", cookie.as_str())).collect();
        let mut socket = Self::connect(app, "graphql-transport-ws", &fields).await.expect("a connection");
        socket.say(&json!({ "type": "connection_init" })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    /// Acknowledged by what `connection_init` brings.
    pub async fn open_saying(app: &TestApp, payload: &Value) -> Self {
        let mut socket = Self::connect(app, "graphql-transport-ws", &[]).await.expect("a connection");
        socket.say(&json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    async fn connect(app: &TestApp, protocol: &str, fields: &[(&'static str, &str)]) -> Result<Self, Error> {
        let mut request = app.url("/graphql/ws").replace("http://", "ws://").into_client_request()?;
        for (name, value) in fields.iter().copied().chain([("sec-websocket-protocol", protocol)]) {
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("a value"));
        }
        let (stream, _) = connect_async(request).await?;
        Ok(Self { stream, operations: 0 })
    }

    /// The status that a handshake is refused with.
    pub async fn handshake(app: &TestApp, fields: &[(&'static str, &str)]) -> Result<(), u16> {
        match Self::connect(app, "graphql-transport-ws", fields).await {
            Ok(_) => Ok(()),
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// As `open`, with these fields; or the status that the handshake is refused with.
    pub async fn open_with(app: &TestApp, fields: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut socket = match Self::connect(app, "graphql-transport-ws", fields).await {
            Ok(socket) => socket,
            Err(Error::Http(answer)) => return Err(answer.status().as_u16()),
            Err(other) => panic!("{other}"),
        };
        socket.say(&json!({ "type": "connection_init" })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        Ok(socket)
    }

    /// The code that a connection is closed with after one message.
    pub async fn closed_after(app: &TestApp, protocol: &str, message: Value) -> u16 {
        let mut request = app.url("/graphql/ws").replace("http://", "ws://").into_client_request().expect("a request");
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(protocol).expect("a value"));
        let mut stream = match connect_async(request).await {
            Ok((stream, _)) => stream,
            // The server offers no protocol of ours: told after the handshake to those who do not mind.
            Err(Error::Protocol(_)) => {
                let request = app.url("/graphql/ws").replace("http://", "ws://").into_client_request().expect("a request");
                connect_async(request).await.expect("a connection").0
            }
            Err(other) => panic!("{other}"),
        };
        let _ = stream.send(Message::text(message.to_string())).await;
        loop {
            match stream.next().await {
                Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn say(&mut self, message: &Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("the connection is open");
    }

    async fn hear(&mut self) -> Value {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).expect("JSON"),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Starts a subscription; what follows is told from when the server has come to it.
    pub async fn subscribe(&mut self, query: &str) -> String {
        self.begin(&json!({ "query": query })).await
    }

    /// As `subscribe`, with variables.
    pub async fn begin(&mut self, payload: &Value) -> String {
        self.operations += 1;
        let id = self.operations.to_string();
        self.say(&json!({ "type": "subscribe", "id": id, "payload": payload })).await;
        id
    }

    /// The code that it is closed with; what comes before is passed over.
    pub async fn closed(&mut self) -> u16 {
        let close = async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Close(frame))) => return frame.map_or(0, |frame| frame.code.into()),
                    Some(Ok(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(10), close).await.expect("it is closed")
    }

    /// What the next message brings, without the server's pings: its operation's id and its payload.
    pub async fn next(&mut self) -> (String, Value) {
        loop {
            let mut message = self.hear().await;
            let id = message["id"].as_str().unwrap_or_default().to_owned();
            match message["type"].as_str() {
                Some("ping") => self.say(&json!({ "type": "pong" })).await,
                Some("next") => return (id, message["payload"].take()),
                Some("error") => return (id, json!({ "errors": message["payload"] })),
                other => panic!("{other:?}"),
            }
        }
    }

    /// One operation's answer, as HTTP would have it.
    pub async fn execute(&mut self, payload: &Value) -> Value {
        self.operations += 1;
        let id = self.operations.to_string();
        self.say(&json!({ "type": "subscribe", "id": id, "payload": payload })).await;
        let mut answer = Value::Null;
        loop {
            let message = self.hear().await;
            match message["type"].as_str() {
                Some("ping") => self.say(&json!({ "type": "pong" })).await,
                Some("next") => answer = message["payload"].clone(),
                Some("complete") => return answer,
                Some("error") => return json!({ "errors": message["payload"] }),
                other => panic!("{other:?}"),
            }
        }
    }
}
