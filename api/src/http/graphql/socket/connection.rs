//! One connection: a loop over what the client sends, what its operations answer, and the clock.

use std::{collections::HashMap, future::Future, pin::Pin, time::Duration};

use async_graphql::{Executor, ServerError, parser::types::OperationType};
use axum::extract::ws::Message;
use domain::DomainError;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::message::{Closed, Incoming, Outgoing, parse};
use crate::{
    error::{UNAUTHENTICATED, log_fault, outside},
    graphql::{
        engine::{Answer, Engine, Outcome, Parameters, Prepared, coded},
        limits::Refusal,
    },
};

const SIGNED_OUT: &str = "who is signed in, or what they may, has changed: sign in and subscribe again";

/// Operations of one connection at a time.
pub const MAX_OPERATIONS: usize = 20;

/// What a connection needs of the program.
pub trait Host: Clone + Send + Sync + 'static {
    type Schema: Executor;
    /// Who asks, as far as their rights hang on it.
    type Who: PartialEq + Send + Sync;
    fn engine(&self) -> &Engine<Self::Schema>;
    /// Held while a connection is somebody's.
    type Seat: Send;
    /// Whether somebody is behind what `connection_init` brought.
    fn knows(&self, authorization: &str) -> impl Future<Output = Result<Known<Self::Seat>, DomainError>> + Send;
    /// Who asks now.
    fn who(&self, authorization: Option<&str>) -> impl Future<Output = Result<Self::Who, DomainError>> + Send;
    /// Returns when the person who was signed in is so no more; never where nobody was.
    fn ended(&self, authorization: Option<&str>, look: Duration) -> impl Future<Output = ()> + Send;
    /// Gives an operation what its resolvers need, and says whom it is for.
    fn attach(
        &self,
        prepared: Prepared,
        authorization: Option<&str>,
    ) -> impl Future<Output = Result<(Prepared, Self::Who), DomainError>> + Send;
}

/// Who is behind what `connection_init` brought.
pub enum Known<S> {
    Nobody,
    Somebody(S),
    /// They have as many connections as they may; with what to say of it.
    TooMany(String),
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// To send `connection_init`.
    pub init: Duration,
    /// Between two pings of ours; a client that is silent over two of them is gone.
    pub ping: Duration,
    /// To take one message.
    pub write: Duration,
    /// Between two looks at who a subscription is for, where it has nothing to tell.
    pub look: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(10),
            ping: Duration::from_secs(25),
            write: Duration::from_secs(10),
            look: Duration::from_secs(30),
        }
    }
}

/// What an operation's task tells the loop.
enum Event {
    Answer(Answer),
    Done,
}

/// An id, and which of the operations that had it: a client may use it again.
type Tagged = (String, u64, Event);

struct Connection<H: Host> {
    host: H,
    seat: Option<H::Seat>,
    authorization: Option<String>,
    acknowledged: bool,
    operations: HashMap<String, (u64, AbortHandle)>,
    /// Ended with the connection.
    tasks: JoinSet<()>,
    events: mpsc::Sender<Tagged>,
    count: u64,
    look: Duration,
}

/// Serves a connection until it is closed by either side.
pub async fn serve<S, H>(mut socket: S, host: H, times: Times, stop: CancellationToken)
where
    S: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin + Send,
    H: Host,
{
    let why = talk(&mut socket, host, times, stop).await;
    if let Some(frame) = why.frame() {
        let _ = timeout(times.write, socket.send(frame)).await;
    }
    let _ = timeout(times.write, socket.close()).await;
}

async fn talk<S, H>(socket: &mut S, host: H, times: Times, stop: CancellationToken) -> Closed
where
    S: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin + Send,
    H: Host,
{
    // Operations wait for the client to take what they have answered.
    let (events, mut answered) = mpsc::channel(MAX_OPERATIONS);
    let mut connection = Connection {
        host,
        seat: None,
        authorization: None,
        acknowledged: false,
        operations: HashMap::new(),
        tasks: JoinSet::new(),
        events,
        count: 0,
        look: times.look,
    };
    let init_by = Instant::now() + times.init;
    let mut heard = Instant::now();
    let mut ping_at = heard + times.ping;
    // Watched for from the acknowledgement on.
    let mut ended: Option<Watch> = None;
    loop {
        let to_send = tokio::select! {
            () = stop.cancelled() => return Closed::GoingAway,
            () = sleep_until(init_by), if !connection.acknowledged => return Closed::InitTimedOut,
            () = sleep_until(ping_at) => {
                if heard.elapsed() > times.ping * 2 {
                    return Closed::Lost;
                }
                ping_at = Instant::now() + times.ping;
                vec![Outgoing::Ping.text()]
            }
            () = watched(&mut ended) => {
                for message in connection.signed_out() {
                    let _ = timeout(times.write, socket.send(message)).await;
                }
                return Closed::Forbidden;
            }
            Some(event) = answered.recv() => connection.tell(event),
            message = socket.next() => {
                heard = Instant::now();
                match connection.hear(message).await {
                    Ok(reply) => reply.into_iter().collect(),
                    Err(closed) => return closed,
                }
            }
        };
        if connection.acknowledged && ended.is_none() {
            let (host, authorization, look) = (connection.host.clone(), connection.authorization.clone(), times.look);
            ended = Some(Box::pin(async move { host.ended(authorization.as_deref(), look).await }));
        }
        for message in to_send {
            if !matches!(timeout(times.write, socket.send(message)).await, Ok(Ok(()))) {
                return Closed::Lost;
            }
        }
    }
}

/// Returns when a person is signed in no more.
type Watch = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn watched(watch: &mut Option<Watch>) {
    match watch {
        Some(watch) => watch.await,
        None => std::future::pending().await,
    }
}

impl<H: Host> Connection<H> {
    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<Option<Message>, Closed> {
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(None),
            Some(Ok(Message::Binary(_))) => return Err(Closed::BadMessage("messages are text".to_owned())),
            Some(Ok(Message::Close(_))) | None => return Err(Closed::Lost),
            // The library tells of a message beyond the limit, and of a broken connection, in the same way.
            Some(Err(_)) => return Err(Closed::TooBig),
        };
        match parse(&text)? {
            Incoming::Init { authorization } => self.init(authorization).await.map(Some),
            Incoming::Ping { payload } => Ok(Some(Outgoing::Pong { payload }.text())),
            Incoming::Pong => Ok(None),
            Incoming::Subscribe { id, parameters } => self.subscribe(id, parameters),
            Incoming::Complete { id } => {
                if let Some((_, task)) = self.operations.remove(&id) {
                    task.abort();
                }
                Ok(None)
            }
        }
    }

    async fn init(&mut self, authorization: Option<String>) -> Result<Message, Closed> {
        if self.acknowledged {
            return Err(Closed::InitTwice);
        }
        if let Some(authorization) = &authorization {
            match self.host.knows(authorization).await {
                Ok(Known::Somebody(seat)) => self.seat = Some(seat),
                Ok(Known::Nobody) => return Err(Closed::Forbidden),
                Ok(Known::TooMany(why)) => return Err(Closed::TooMany(why)),
                Err(error) => {
                    log_fault(&error, outside(&error));
                    return Err(Closed::Unavailable);
                }
            }
        }
        self.authorization = authorization;
        self.acknowledged = true;
        Ok(Outgoing::ConnectionAck.text())
    }

    fn subscribe(&mut self, id: String, parameters: Result<Parameters, ServerError>) -> Result<Option<Message>, Closed> {
        if !self.acknowledged {
            return Err(Closed::Unauthorized);
        }
        if self.operations.contains_key(&id) {
            return Err(Closed::SubscriberExists(id));
        }
        if self.operations.len() >= MAX_OPERATIONS {
            let error = Refusal::too_many_operations(MAX_OPERATIONS).into();
            return Ok(Some(Outgoing::Error { id: &id, payload: &[error] }.text()));
        }
        let parameters = match parameters {
            Ok(parameters) => parameters,
            Err(error) => return Ok(Some(Outgoing::Error { id: &id, payload: &[error] }.text())),
        };
        self.count += 1;
        while self.tasks.try_join_next().is_some() {}
        let tell = Tell { id: id.clone(), count: self.count, events: self.events.clone() };
        let task = self.tasks.spawn(run(self.host.clone(), parameters, self.authorization.clone(), tell, self.look));
        self.operations.insert(id, (self.count, task));
        Ok(None)
    }

    /// What every operation ends with when the person is signed in no more.
    fn signed_out(&mut self) -> Vec<Message> {
        let error = coded(SIGNED_OUT, UNAUTHENTICATED);
        let told = self.operations.drain().map(|(id, (_, task))| {
            task.abort();
            Outgoing::Error { id: &id, payload: std::slice::from_ref(&error) }.text()
        });
        told.collect()
    }

    /// The messages for an event; none where the client has completed the operation meanwhile.
    fn tell(&mut self, (id, count, event): Tagged) -> Vec<Message> {
        if self.operations.get(&id).is_none_or(|(current, _)| *current != count) {
            return Vec::new();
        }
        match event {
            Event::Answer(answer) if answer.outcome == Outcome::Executed => {
                vec![Outgoing::Next { id: &id, payload: &answer }.text()]
            }
            Event::Answer(answer) => {
                self.operations.remove(&id);
                vec![Outgoing::Error { id: &id, payload: &answer.errors }.text()]
            }
            Event::Done => {
                self.operations.remove(&id);
                vec![Outgoing::Complete { id: &id }.text()]
            }
        }
    }
}

/// How an operation's task speaks to the loop.
struct Tell {
    id: String,
    count: u64,
    events: mpsc::Sender<Tagged>,
}

impl Tell {
    /// False where nobody hears it any more.
    async fn event(&self, event: Event) -> bool {
        self.events.send((self.id.clone(), self.count, event)).await.is_ok()
    }

    async fn refused(&self, error: impl Into<ServerError>) {
        self.event(Event::Answer(Answer::refused(error))).await;
    }

    async fn fault(&self, error: &DomainError) {
        let outside = outside(error);
        log_fault(error, outside);
        self.refused(coded(error.to_string(), outside.code)).await;
    }
}

/// One operation, to its end.
async fn run<H: Host>(host: H, parameters: Parameters, authorization: Option<String>, tell: Tell, look: Duration) {
    let prepared = match host.engine().prepare(parameters) {
        Ok(prepared) => prepared,
        Err(refusal) => return tell.refused(refusal).await,
    };
    let (prepared, who) = match host.attach(prepared, authorization.as_deref()).await {
        Ok(attached) => attached,
        Err(error) => return tell.fault(&error).await,
    };
    let done = if prepared.operation == OperationType::Subscription {
        watch(&host, prepared, (who, authorization), &tell, look).await
    } else {
        tell.event(Event::Answer(host.engine().execute(prepared).await)).await
    };
    if done {
        tell.event(Event::Done).await;
    }
}

/// Tells a subscription's answers while they are for the same person with the same rights. False where the end was told, or
/// nobody hears it.
async fn watch<H: Host>(
    host: &H,
    prepared: Prepared,
    (who, authorization): (H::Who, Option<String>),
    tell: &Tell,
    look: Duration,
) -> bool {
    let mut answers = std::pin::pin!(host.engine().stream(prepared));
    loop {
        let answer = match timeout(look, answers.next()).await {
            Ok(None) => return true,
            Ok(Some(answer)) => Some(answer),
            Err(_) => None,
        };
        match host.who(authorization.as_deref()).await {
            Ok(now) if now == who => {}
            Ok(_) => {
                tell.refused(coded(SIGNED_OUT, UNAUTHENTICATED)).await;
                return false;
            }
            Err(error) => {
                tell.fault(&error).await;
                return false;
            }
        }
        let Some(answer) = answer else { continue };
        let ended = answer.outcome != Outcome::Executed;
        if !tell.event(Event::Answer(answer)).await || ended {
            return false;
        }
    }
}

#[cfg(test)]
mod tests;
