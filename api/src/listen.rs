//! Accepting connections: one loop for the API and the gateway, with time limits, a cap, back-off and a drain.
//! A slow or silent peer costs its own connection, never the listener.

mod body;
mod connection;
pub mod framing;
pub mod query;
pub mod unread;

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ::domain::{env::Env, rules::source::Source};
use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Response, StatusCode, Version},
};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::rt::TokioExecutor;
use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use self::{
    framing::{Heads, Scanner},
    unread::{Ear, Unread},
};
use crate::{
    address,
    seats::{Seat, Seats},
};

pub use body::{GuardedBody, Late, Pace, TooSlow};
pub use connection::{AnswerGuard, Carrier, Guarded, ReadTap, Tracked, Vitals, serve_connection};

/// How long a peer may take, and how many there may be.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the accept, or the first byte of a later request, to the end of its head.
    pub header_read: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Without one byte of a body that is waited for, in either direction.
    pub body_progress: Duration,
    /// How fast a request's body has to come.
    pub pace: Pace,
    /// Connections of one listener; one more is answered 503 and closed.
    pub connections: usize,
    /// Of one source; one more is answered 429 and closed. 0: any number.
    pub source_connections: u32,
    /// Peers that carry the connections of others, and whose own are not counted.
    pub proxies: Vec<IpNet>,
    /// How long calls in flight may go on once the end is asked for.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body_progress: Duration::from_secs(30),
            pace: Pace::default(),
            connections: 10_000,
            source_connections: 1_000,
            proxies: Vec::new(),
            drain: Duration::from_secs(30),
        }
    }
}

/// The largest head of a request. Fields may be 100: hyper reads so many without asking for memory.
pub const MAX_HEAD: usize = 64 * 1024;

/// How many connections beyond the cap are told so at a time; the rest are closed without a word.
const TURNED_AWAY_AT_ONCE: usize = 64;

/// Why a connection has no place.
#[derive(Debug, Clone, Copy)]
enum Full {
    Listener,
    Source,
}

/// What a connection beyond the cap is told.
fn full(why: Full) -> String {
    let (status, title, code, detail) = match why {
        Full::Listener => (503, "Service Unavailable", "UNAVAILABLE", "Too many connections are open. Try again in a second."),
        Full::Source => (
            429,
            "Too Many Requests",
            "RATE_LIMITED",
            "Too many connections of this address are open. Use those that there are for several requests, or close some.",
        ),
    };
    let body = format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"code":"{code}","detail":"{detail}"}}"#);
    format!(
        "HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Binds. With `share`, several listeners may have one address, and the kernel deals the connections out.
pub fn bind(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    TcpListener::from_std(socket.into())
}

/// Counts the connections of one listener, however many loops accept for it.
#[derive(Clone)]
pub struct Door(Arc<Counts>);

struct Counts {
    open: AtomicUsize,
    turned_away: AtomicUsize,
    most: usize,
    emptied: Notify,
    sources: Arc<Seats<Source>>,
    most_of_source: u32,
    proxies: Vec<IpNet>,
}

/// One connection's place; given back when dropped.
pub struct Place {
    of: Arc<Counts>,
    _source: Option<Seat<Source>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.of.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.of.emptied.notify_waiters();
        }
    }
}

impl Door {
    pub fn new(limits: &Limits) -> Self {
        let counts = Counts {
            open: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
            most: limits.connections,
            emptied: Notify::new(),
            sources: Arc::default(),
            most_of_source: limits.source_connections,
            proxies: limits.proxies.clone(),
        };
        Self(Arc::new(counts))
    }

    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::Acquire)
    }

    /// Waits until the last connection has ended.
    pub async fn emptied(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.0.emptied.notified());
            emptied.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            emptied.await;
        }
    }

    fn enter(&self, peer: IpAddr) -> Result<Place, Full> {
        let counts = &self.0;
        let counted = counts.most_of_source > 0 && !address::is_trusted(peer, &counts.proxies);
        let source = counted.then(|| counts.sources.take(Source::of(peer), counts.most_of_source).ok_or(Full::Source));
        let place = Place { of: counts.clone(), _source: source.transpose()? };
        if counts.open.fetch_add(1, Ordering::AcqRel) < counts.most { Ok(place) } else { Err(Full::Listener) }
    }

    /// The next connection that has a place.
    pub async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr, Place) {
        let mut pause = Duration::from_millis(10);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    // Without it a small answer waits for the peer's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    match self.enter(peer.ip()) {
                        Ok(place) => return (stream, peer, place),
                        Err(why) => self.turn_away(stream, why),
                    }
                }
                Err(error) if is_the_peers(&error) => {}
                Err(error) => {
                    // Out of descriptors or memory: accepting again at once would spin.
                    tracing::warn!(%error, pause_ms = pause.as_millis(), "cannot accept connections");
                    sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    fn turn_away(&self, mut stream: TcpStream, why: Full) {
        let counts = self.0.clone();
        if counts.turned_away.fetch_add(1, Ordering::AcqRel) >= TURNED_AWAY_AT_ONCE {
            counts.turned_away.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        tokio::spawn(async move {
            // What the peer has sent is read, or closing would reset the connection and lose the answer.
            let _ = timeout(Duration::from_secs(1), async {
                stream.write_all(full(why).as_bytes()).await?;
                stream.shutdown().await?;
                let mut rest = [0; 1024];
                while stream.read(&mut rest).await? > 0 {}
                io::Result::Ok(())
            })
            .await;
            counts.turned_away.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// Serves a router until `shutdown`, then lets what is in flight finish. Handlers find the peer in `ConnectInfo<SocketAddr>`, and
/// what is wrong with a request's form in [`framing::Fault`]: nothing of such a request may be believed.
/// `speak` answers requests whose head cannot be read.
pub async fn serve_router(
    listener: TcpListener,
    router: Router,
    (env, speak): (Env, fn(Unread) -> Response<String>),
    limits: Limits,
    shutdown: CancellationToken,
) {
    let door = Door::new(&limits);
    let limits = Arc::new(limits);
    loop {
        let (stream, peer, place) = tokio::select! {
            accepted = door.accept(&listener) => accepted,
            () = shutdown.cancelled() => break,
        };
        let served = serve_routed(stream, (peer, place), router.clone(), (env.clone(), speak), limits.clone(), shutdown.clone());
        tokio::spawn(served);
    }
    drop(listener);
    let _ = timeout(limits.drain, door.emptied()).await;
}

async fn serve_routed(
    stream: TcpStream,
    (peer, place): (SocketAddr, Place),
    router: Router,
    (env, speak): (Env, fn(Unread) -> Response<String>),
    limits: Arc<Limits>,
    shutdown: CancellationToken,
) {
    let vitals = Arc::new(Vitals::new());
    let (seen, asked) = (vitals.clone(), limits.clone());
    let heads = Heads::default();
    let ear = Ear::new(Scanner::new(heads.clone()), env, speak);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = seen.begin();
        let heads = Some(heads.clone()).filter(|_| request.version() != Version::HTTP_2);
        let fault = framing::check(heads.as_ref(), &request).err();
        let late = Late::default();
        let mut request = request.map(|body| Body::new(GuardedBody::telling(body, &asked, late.clone())));
        request.extensions_mut().insert(late);
        request.extensions_mut().insert(ConnectInfo(peer));
        if let Some(fault) = fault {
            request.extensions_mut().insert(fault);
        }
        let router = router.clone();
        async move {
            let response = router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {});
            if let Some(heads) = heads.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
                heads.close();
            }
            Ok::<_, Infallible>(response.map(|body| Tracked::new(body, answer)))
        }
    });
    let io = Guarded::new(stream, vitals, place, ear);
    serve_connection(io, service, TokioExecutor::new(), &limits, &shutdown).await;
}
