use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use async_graphql::{EmptyMutation, Object, Schema, Subscription};
use axum::extract::ws::CloseFrame;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::*;

struct Query;
struct Subscriptions;

#[Object]
impl Query {
    async fn quick(&self) -> i32 {
        1
    }
    async fn never(&self) -> Option<i32> {
        std::future::pending().await
    }
}

#[derive(Clone)]
struct Count(i32);

#[Object]
impl Count {
    async fn value(&self) -> i32 {
        self.0
    }
    async fn odd(&self) -> async_graphql::Result<Option<bool>> {
        if self.0 == 1 { Err("one".into()) } else { Ok(Some(false)) }
    }
}

#[Subscription]
impl Subscriptions {
    async fn count(&self, to: i32) -> impl Stream<Item = Count> {
        stream::iter((0..to).map(Count))
    }
    async fn forever(&self) -> impl Stream<Item = Count> {
        stream::pending()
    }
}

type TestSchema = Schema<Query, EmptyMutation, Subscriptions>;

#[derive(Clone)]
struct TestHost {
    engine: Engine<TestSchema>,
    attached: Arc<AtomicUsize>,
    /// Who: another number is another person, or the same with other rights.
    signed_in: Arc<AtomicUsize>,
}

impl Host for TestHost {
    type Schema = TestSchema;
    type Who = usize;
    type Seat = ();
    fn engine(&self) -> &Engine<TestSchema> {
        &self.engine
    }
    async fn knows(&self, authorization: &str) -> Result<Known<()>, DomainError> {
        match authorization {
            "away" => Err(DomainError::Unavailable("away".into())),
            "Bearer right" => Ok(Known::Somebody(())),
            "Bearer of too many" => Ok(Known::TooMany("20 are open: close one first".into())),
            _ => Ok(Known::Nobody),
        }
    }
    async fn who(&self, _: Option<&str>) -> Result<usize, DomainError> {
        Ok(self.signed_in.load(Ordering::SeqCst))
    }
    async fn ended(&self, _: Option<&str>, look: Duration) {
        while self.signed_in.load(Ordering::SeqCst) != 0 {
            tokio::time::sleep(look).await;
        }
    }
    async fn attach(&self, prepared: Prepared, authorization: Option<&str>) -> Result<(Prepared, usize), DomainError> {
        self.attached.fetch_add(1, Ordering::SeqCst);
        Ok((prepared, self.who(authorization).await?))
    }
}

/// The client's end of a connection without a network.
struct Client {
    to: UnboundedSender<Result<Message, axum::Error>>,
    from: UnboundedReceiver<Message>,
    stop: CancellationToken,
    attached: Arc<AtomicUsize>,
    signed_in: Arc<AtomicUsize>,
}

/// Both ends of a pipe as one socket.
struct Socket(UnboundedReceiver<Result<Message, axum::Error>>, UnboundedSender<Message>);

impl Stream for Socket {
    type Item = Result<Message, axum::Error>;
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

impl Sink<Message> for Socket {
    type Error = axum::Error;
    fn poll_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
    fn start_send(self: Pin<&mut Self>, item: Message) -> Result<(), axum::Error> {
        self.1.send(item).map_err(axum::Error::new)
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        Poll::Ready(Ok(()))
    }
}

impl Client {
    fn connect(times: Times) -> Self {
        let schema = Schema::new(Query, EmptyMutation, Subscriptions);
        let sdl = schema.sdl();
        let attached = Arc::new(AtomicUsize::new(0));
        let signed_in = Arc::new(AtomicUsize::new(1));
        let engine = Engine::new(schema, &sdl, true, Duration::from_secs(5));
        let host = TestHost { engine, attached: attached.clone(), signed_in: signed_in.clone() };
        let ((to, incoming), (outgoing, from)) = (unbounded_channel(), unbounded_channel());
        let stop = CancellationToken::new();
        tokio::spawn(serve(Socket(incoming, outgoing), host, times, stop.clone()));
        Self { to, from, stop, attached, signed_in }
    }

    fn say(&mut self, message: &Value) {
        self.to.send(Ok(Message::Text(message.to_string().into()))).unwrap();
    }

    fn subscribe(&mut self, id: &str, query: &str) {
        self.say(&json!({ "type": "subscribe", "id": id, "payload": { "query": query } }));
    }

    async fn hear(&mut self) -> Value {
        match self.from.recv().await.unwrap() {
            Message::Text(text) => serde_json::from_str(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// The code that the connection is closed with; messages before it are passed over.
    async fn closed(&mut self) -> Option<u16> {
        while let Some(message) = self.from.recv().await {
            if let Message::Close(frame) = message {
                return frame.map(|CloseFrame { code, .. }| code);
            }
        }
        None
    }

    async fn acknowledged() -> Self {
        Self::acknowledged_within(Times::default()).await
    }

    async fn acknowledged_within(times: Times) -> Self {
        let mut client = Self::connect(times);
        client.say(&json!({ "type": "connection_init" }));
        assert_eq!(client.hear().await, json!({ "type": "connection_ack" }));
        client
    }
}

#[tokio::test]
async fn what_breaks_the_protocol_closes_with_its_code() {
    let init = json!({ "type": "connection_init" });
    for (messages, code) in [
        (vec![json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ quick }" } })], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![json!({ "type": "connection_init", "payload": { "Authorization": "Bearer wrong" } })], 4403),
        (vec![json!({ "type": "connection_init", "payload": { "authorization": 1 } })], 4400),
        (vec![json!({ "type": "connection_init", "payload": [] })], 4400),
        (vec![json!({ "type": "connection_init", "payload": { "authorization": "away" } })], 1013),
        (vec![init.clone(), json!({ "type": "start", "id": "1" })], 4400),
        (vec![init.clone(), json!([1])], 4400),
        (vec![init.clone(), json!({ "type": "subscribe", "payload": { "query": "{ quick }" } })], 4400),
        (vec![init.clone(), json!({ "type": "subscribe", "id": "", "payload": { "query": "{ quick }" } })], 4400),
        (vec![init.clone(), json!({ "type": "subscribe", "id": "1" })], 4400),
        (vec![init.clone(), json!({ "type": "subscribe", "id": "1", "payload": { "query": 1 } })], 4400),
        (
            vec![init.clone(), json!({ "type": "subscribe", "id": "1", "payload": { "query": "{ quick }", "variables": "x" } })],
            4400,
        ),
        (vec![init.clone(), json!({ "type": "complete" })], 4400),
        (
            vec![
                init.clone(),
                json!({ "type": "subscribe", "id": "é".repeat(200), "payload": { "query": "{ never }" } }),
                json!({ "type": "subscribe", "id": "é".repeat(200), "payload": { "query": "{ quick }" } }),
            ],
            4409,
        ),
    ] {
        let mut client = Client::connect(Times::default());
        for message in &messages {
            client.say(message);
        }
        assert_eq!(client.closed().await, Some(code), "{messages:?}");
    }
    for (message, code) in [(Ok(Message::Binary(vec![1].into())), 4400), (Err(axum::Error::new("too long")), 1009)] {
        let mut client = Client::connect(Times::default());
        client.to.send(message).unwrap();
        assert_eq!(client.closed().await, Some(code));
    }
}

#[tokio::test]
async fn an_operation_is_answered_and_completed() {
    let mut client = Client::acknowledged().await;
    client.subscribe("1", "{ quick }");
    assert_eq!(client.hear().await, json!({ "type": "next", "id": "1", "payload": { "data": { "quick": 1 } } }));
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "1" }));
    // The id is free again.
    client.subscribe("1", "{ nothing }");
    let refused = client.hear().await;
    assert_eq!((&refused["type"], &refused["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("BAD_USER_INPUT")));
    client.say(&json!({ "type": "ping", "payload": { "n": 1 } }));
    assert_eq!(client.hear().await, json!({ "type": "pong", "payload": { "n": 1 } }));
}

#[tokio::test]
async fn a_subscription_streams_completed_answers() {
    let mut client = Client::acknowledged().await;
    client.subscribe("s", "subscription { count(to: 3) { odd value } }");
    for value in 0..3 {
        let odd = if value == 1 { json!(null) } else { json!(false) };
        let next = client.hear().await;
        assert_eq!(next["payload"]["data"], json!({ "count": { "odd": odd, "value": value } }));
        assert_eq!(next["payload"].get("errors").is_some(), value == 1);
    }
    assert_eq!(client.hear().await, json!({ "type": "complete", "id": "s" }));
}

#[tokio::test]
async fn a_subscription_ends_with_the_session_that_it_was_for() {
    let mut client = Client::acknowledged_within(Times { look: Duration::from_millis(20), ..Times::default() }).await;
    client.subscribe("silent", "subscription { forever { value } }");
    tokio::time::sleep(Duration::from_millis(60)).await;
    client.signed_in.store(2, Ordering::SeqCst);
    let end = client.hear().await;
    assert_eq!((&end["type"], &end["id"]), (&json!("error"), &json!("silent")));
    assert_eq!(end["payload"][0]["extensions"]["code"], "UNAUTHENTICATED");
    client.subscribe("silent", "{ quick }");
    assert_eq!(client.hear().await["type"], "next", "the connection goes on");
}

#[tokio::test]
async fn a_connection_has_twenty_operations_and_completing_one_makes_room() {
    let mut client = Client::acknowledged().await;
    for i in 0..MAX_OPERATIONS {
        client.subscribe(&i.to_string(), "subscription { forever { value } }");
    }
    client.subscribe("more", "{ quick }");
    assert_eq!(client.hear().await["payload"][0]["extensions"]["limit"], "operations");
    client.say(&json!({ "type": "complete", "id": "0" }));
    client.subscribe("more", "{ quick }");
    assert_eq!(client.hear().await["type"], "next");
    assert_eq!(client.hear().await["type"], "complete");
    assert_eq!(client.attached.load(Ordering::SeqCst), MAX_OPERATIONS + 1);
}

#[tokio::test]
async fn silence_ends_a_connection() {
    let short = Duration::from_millis(20);
    let mut silent = Client::connect(Times { init: short, ..Times::default() });
    assert_eq!(silent.closed().await, Some(4408));
    let pinged = Times { ping: short, ..Times::default() };
    let mut gone = Client::acknowledged_within(pinged).await;
    assert_eq!(gone.hear().await, json!({ "type": "ping" }));
    assert_eq!(gone.closed().await, None);
    // Longer than a busy machine keeps an answer waiting.
    let mut alive = Client::acknowledged_within(Times { ping: Duration::from_secs(1), ..pinged }).await;
    for _ in 0..3 {
        assert_eq!(alive.hear().await, json!({ "type": "ping" }));
        alive.say(&json!({ "type": "pong" }));
    }
}

#[tokio::test]
async fn the_end_of_the_server_is_told() {
    let mut client = Client::acknowledged().await;
    client.subscribe("s", "subscription { forever { value } }");
    client.stop.cancel();
    assert_eq!(client.closed().await, Some(1001));
}
