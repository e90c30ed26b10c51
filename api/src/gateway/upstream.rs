//! Connections to upstreams: one pool a core and upstream, nothing shared between cores, the last used first.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use domain::{itself::Itself, rules::upstream};
use entities::id::ProductId;
use http::{
    HeaderValue, Method, Request, Response, Version,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::{TlsConnector, rustls};
use url::Url;

use super::{
    open::{BRIEF, Ended, Watch},
    unreached::{Said, Why},
};
use crate::{
    dial::{self, Dialer, Names, Unconnected},
    listen::{GuardedBody, MAX_HEAD, TooSlow},
};

/// How connections to upstreams are kept.
#[derive(Debug, Clone)]
pub struct UpstreamLimits {
    /// Idle connections kept a core and upstream.
    pub idle_connections: usize,
    /// How long one is kept; an upstream that says less in `Keep-Alive: timeout=` is believed.
    pub idle: Duration,
    /// Without one byte of an answer's body; event streams may be silent for as long as they like.
    pub body_progress: Duration,
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self { idle_connections: 256, idle: Duration::from_secs(60), body_progress: Duration::from_secs(300) }
    }
}

/// Fields of an answer's head. Beyond 100 of them hyper asks for memory for each answer: so be it.
const MAX_FIELDS: usize = 256;

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{0}")]
    Unreachable(Why),
    #[error("{0}")]
    Timeout(Why),
    /// Its address is our own.
    #[error("the upstream is this gateway or its portal")]
    Loop,
    /// The caller's body broke off: there is nobody to answer.
    #[error("the request's body broke off")]
    Caller,
    #[error("{0}")]
    TooSlow(String),
    #[error("the call would not be let in any more")]
    Ended(Box<Ended>),
}

/// An answer's head, and what its body comes by.
pub struct Sent {
    pub response: Response<Incoming>,
    pub lease: Lease,
    /// Of a call that has waited for a while.
    pub watch: Option<Watch>,
}

/// How far a caller's body has come.
#[derive(Default)]
pub struct Progress {
    failed: Cell<bool>,
    /// How it came, where that was too slow.
    too_slow: RefCell<Option<String>>,
    /// The answer's head is there.
    answered: Cell<bool>,
    /// The upstream would take more, the caller has not sent it: the caller's time runs, not the upstream's.
    waits_for_caller: Cell<bool>,
    moved: Cell<Option<Instant>>,
}

/// What is sent on as a request's body. Trailers are not: a trusted header must not come in by them.
pub enum Outgoing {
    None,
    Stream { body: GuardedBody, progress: Rc<Progress> },
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Self::Stream { body, progress } = self.get_mut() else { return Poll::Ready(None) };
        if progress.answered.get() {
            body.let_stream();
        }
        let polled = Pin::new(body).poll_frame(cx);
        progress.waits_for_caller.set(polled.is_pending());
        let frame = std::task::ready!(polled);
        if let Some(Err(error)) = &frame {
            progress.failed.set(true);
            *progress.too_slow.borrow_mut() = error.downcast_ref::<TooSlow>().map(ToString::to_string);
        }
        progress.moved.set(Some(Instant::now()));
        Poll::Ready(frame.filter(|frame| !frame.as_ref().is_ok_and(Frame::is_trailers)))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::None => true,
            Self::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::None => SizeHint::with_exact(0),
            Self::Stream { body, .. } => body.size_hint(),
        }
    }
}

/// Every upstream that this core has called.
pub struct Upstreams {
    known: RefCell<HashMap<String, Rc<Upstream>>>,
    means: Means,
    limits: UpstreamLimits,
    itself: Arc<Itself>,
}

/// How connections are made, and what is said of those that are not; shared by all cores.
#[derive(Clone)]
pub struct Means {
    pub tls: TlsConnector,
    pub names: Arc<dyn Names>,
    pub dialer: Dialer,
    pub said: Arc<Said>,
}

impl Upstreams {
    pub fn new(limits: UpstreamLimits, means: Means, itself: Arc<Itself>) -> Self {
        Self { known: RefCell::default(), means, limits, itself }
    }

    /// Tells the provider, not too often.
    pub fn warn(&self, product: ProductId, url: Option<&Url>, why: &Why) {
        let upstream = url.map_or("none", |url| &url[..url::Position::AfterPort]);
        self.means.said.warn(product, upstream, why);
    }

    /// The upstream behind a URL as a product's environment holds it.
    pub fn get(&self, url: &Url) -> Result<Rc<Upstream>, Fault> {
        if let Some(upstream) = self.known.borrow().get(url.as_str()) {
            return Ok(upstream.clone());
        }
        let upstream = Rc::new(Upstream::new(url, self.limits.clone(), self.means.clone(), Arc::clone(&self.itself))?);
        self.known.borrow_mut().insert(url.as_str().to_owned(), upstream.clone());
        Ok(upstream)
    }

    /// Closes what has been idle for too long and forgets upstreams that are no longer called.
    pub fn sweep(&self) {
        let now = Instant::now();
        self.known.borrow_mut().retain(|_, upstream| {
            upstream.idle.borrow_mut().retain(|idle| idle.until > now && !idle.sender.is_closed());
            Rc::strong_count(upstream) > 1 || !upstream.idle.borrow().is_empty()
        });
    }
}

/// One upstream, and this core's idle connections to it.
pub struct Upstream {
    host: String,
    port: u16,
    /// The server's name for TLS; `None`: plain text.
    secure: Option<rustls::pki_types::ServerName<'static>>,
    authority: HeaderValue,
    /// What stands before a call's path, without a slash at its end.
    path: String,
    means: Means,
    limits: UpstreamLimits,
    itself: Arc<Itself>,
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    sender: SendRequest<Outgoing>,
    until: Instant,
}

/// A connection in use. It goes back to the pool when its answer's body has ended; dropped before, it is closed.
pub struct Lease {
    upstream: Rc<Upstream>,
    sender: SendRequest<Outgoing>,
    keep: Duration,
}

impl Lease {
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    pub fn body_progress(&self) -> Duration {
        self.upstream.limits.body_progress
    }

    pub fn give_back(self) {
        let mut idle = self.upstream.idle.borrow_mut();
        if idle.len() < self.upstream.limits.idle_connections && !self.keep.is_zero() {
            idle.push(Idle { sender: self.sender, until: Instant::now() + self.keep });
        }
    }
}

impl Upstream {
    pub(super) fn new(url: &Url, limits: UpstreamLimits, means: Means, itself: Arc<Itself>) -> Result<Self, Fault> {
        let wrong = || Fault::Unreachable(Why::new("the product's upstream address cannot be used", ""));
        let host = url.host_str().ok_or_else(wrong)?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        let secure = match url.scheme() {
            "http" => None,
            "https" => Some(rustls::pki_types::ServerName::try_from(host.clone()).map_err(|_| wrong())?),
            _ => return Err(wrong()),
        };
        let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let authority = HeaderValue::from_str(authority).map_err(|_| wrong())?;
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { host, port, secure, authority, path, means, limits, itself, idle: RefCell::default() })
    }

    /// The `Host` that this upstream is called by.
    pub fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port that its scheme implies.
    pub fn usual_port(&self) -> u16 {
        if self.secure.is_some() { 443 } else { 80 }
    }

    /// What stands before a call's path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Sends a request and waits for the answer's head: for `limit` at most, counted from the last byte of the body that the
    /// upstream took. `request` makes the head anew for each attempt; there is a second one only where the first can have had no
    /// effect: it was not sent, or a kept connection died under an idempotent request without a body. `hold` puts the call on the
    /// list of those that stay open, where it has to wait.
    pub async fn send(
        self: &Rc<Self>,
        request: impl Fn() -> Result<Request<()>, Fault>,
        body: Outgoing,
        limit: Duration,
        hold: impl FnOnce() -> Result<Watch, Ended>,
    ) -> Result<Sent, Fault> {
        let progress = match &body {
            Outgoing::None => None,
            Outgoing::Stream { progress, .. } => Some(progress.clone()),
        };
        let late = || {
            Fault::Timeout(Why::new(
                "no answer in time",
                format_args!("{}:{} took the request and sent no answer", self.host, self.port),
            ))
        };
        let mut sending = pin!(self.attempt(request, body, limit));
        let brief = Instant::now() + BRIEF;
        let mut deadline = Instant::now() + limit;
        let (mut hold, mut watch) = (Some(hold), None);
        loop {
            let sent = match &watch {
                None => timeout_at(deadline.min(brief), sending.as_mut()).await,
                Some(watch) => tokio::select! {
                    biased;
                    ended = Watch::ended(watch) => return Err(Fault::Ended(Box::new(ended))),
                    sent = timeout_at(deadline, sending.as_mut()) => sent,
                },
            };
            match (sent, &progress) {
                (Ok(Ok((response, lease))), progress) => {
                    if let Some(progress) = progress {
                        progress.answered.set(true);
                    }
                    return Ok(Sent { response, lease, watch });
                }
                (_, Some(progress)) if progress.failed.get() => {
                    return Err(progress.too_slow.take().map_or(Fault::Caller, Fault::TooSlow));
                }
                (Ok(Err(fault)), _) => return Err(fault),
                (Err(_), _) if brief < deadline && hold.is_some() => {
                    watch = hold.take().map(|hold| hold()).transpose().map_err(|ended| Fault::Ended(Box::new(ended)))?;
                }
                (Err(_), Some(progress)) => {
                    let from = if progress.waits_for_caller.get() {
                        Instant::now()
                    } else {
                        progress.moved.get().unwrap_or(deadline - limit)
                    };
                    if from + limit <= deadline {
                        return Err(late());
                    }
                    deadline = from + limit;
                }
                (Err(_), None) => return Err(late()),
            }
        }
    }

    async fn attempt(
        self: &Rc<Self>,
        request: impl Fn() -> Result<Request<()>, Fault>,
        mut body: Outgoing,
        limit: Duration,
    ) -> Result<(Response<Incoming>, Lease), Fault> {
        let mut retried = false;
        loop {
            let (mut sender, kept) = match self.pooled() {
                Some(sender) if !retried => (sender, true),
                // In a box: what TLS needs room for is not carried along by every call.
                _ => (Box::pin(self.connect(dial::part_of(limit))).await?, false),
            };
            let head = request()?;
            let repeatable = matches!(body, Outgoing::None) && head.method().is_idempotent();
            let error = match sender.try_send_request(head.map(|()| body)).await {
                Ok(response) => {
                    let keep = self.keep(&response);
                    return Ok((response, Lease { upstream: self.clone(), sender, keep }));
                }
                Err(error) => error,
            };
            let mut error = error;
            match error.take_message() {
                // It never left.
                Some(unsent) if kept => body = unsent.into_body(),
                _ if kept && repeatable && !retried => body = Outgoing::None,
                _ => return Err(Fault::Unreachable(Why::new("it broke off without an answer", chain(error.error())))),
            }
            retried = true;
        }
    }

    /// The connection that was used last and still lives.
    fn pooled(&self) -> Option<SendRequest<Outgoing>> {
        let mut idle = self.idle.borrow_mut();
        let now = Instant::now();
        for at in (0..idle.len()).rev() {
            if idle[at].until <= now || idle[at].sender.is_closed() {
                idle.swap_remove(at);
            } else if idle[at].sender.is_ready() {
                // One that is not ready is still ending its last call.
                return Some(idle.swap_remove(at).sender);
            }
        }
        None
    }

    async fn connect(&self, limit: Duration) -> Result<SendRequest<Outgoing>, Fault> {
        let begun = Instant::now();
        let resolving = timeout_at(begun + limit, self.means.names.resolve(&self.host, self.port));
        let found = match resolving.await {
            Ok(Ok(found)) => elsewhere(&self.itself, allowed(found)?)?,
            Ok(Err(error)) => {
                return Err(Fault::Unreachable(Why::new("its name is not resolved", format_args!("{}: {error}", self.host))));
            }
            Err(_) => return Err(Fault::Timeout(Why::new("its name is not resolved in time", &self.host))),
        };
        let (limit, dialer) = (limit.saturating_sub(begun.elapsed()), &self.means.dialer);
        match &self.secure {
            None => match dialer.connect(&found, limit, dial::tcp).await {
                Ok(stream) => open(TokioIo::new(stream)).await,
                Err(failed) => Err(self.unconnected(&failed)),
            },
            Some(name) => {
                let secured = async |address| self.means.tls.connect(name.clone(), dial::tcp(address).await?).await;
                match dialer.connect(&found, limit, secured).await {
                    Ok(stream) => open(TokioIo::new(stream)).await,
                    Err(failed) => Err(self.unconnected(&failed)),
                }
            }
        }
    }

    fn unconnected(&self, failed: &Unconnected) -> Fault {
        let mut told = format!("{} port {}: {failed}", self.host, self.port);
        let errors = || failed.tried.iter().filter_map(|(_, error)| error.as_ref());
        if errors().any(is_unknown_authority) {
            told.push_str(" (PORTICO_CA_FILE names authorities of one's own)");
        }
        if failed.timed_out {
            return Fault::Timeout(Why::new("no connection in time", told));
        }
        let cause = match errors().next_back() {
            Some(error) if tls_error(error).is_some() => "its TLS cannot be trusted or used",
            Some(error) if error.kind() == io::ErrorKind::ConnectionRefused => "it refuses connections",
            _ => "it cannot be connected to",
        };
        Fault::Unreachable(Why::new(cause, told))
    }

    fn keep(&self, response: &Response<Incoming>) -> Duration {
        let fields = response.headers();
        // RFC 9112 section 6.1: what comes behind such an answer may be part of it.
        if fields.contains_key(TRANSFER_ENCODING) && fields.contains_key(CONTENT_LENGTH) {
            return Duration::ZERO;
        }
        if response.version() == Version::HTTP_10 {
            // The next request on it would be one of HTTP/1.0, whose body cannot be of unknown length.
            return Duration::ZERO;
        }
        let Some(said) = fields.get("keep-alive") else { return self.limits.idle };
        let seconds = said
            .to_str()
            .ok()
            .and_then(|text| text.split(',').find_map(|part| part.trim().strip_prefix("timeout=")?.parse::<u64>().ok()));
        // A second less than it says, so that it does not close while a request is on its way.
        seconds.map_or(self.limits.idle, |s| Duration::from_secs(s.saturating_sub(1)).min(self.limits.idle))
    }
}

/// Those an upstream may have. What is connected to is what was checked: a name that leads elsewhere the next time gains nothing.
fn allowed(addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Fault> {
    let (allowed, refused): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| upstream::may_connect(address.ip()));
    match refused.first() {
        Some(first) if allowed.is_empty() => {
            let say = format_args!("{} is link-local, metadata, multicast or unspecified", first.ip()).to_string();
            Err(Fault::Unreachable(Why::new("its address is not one that an upstream may have", say)))
        }
        None if allowed.is_empty() => Err(Fault::Unreachable(Why::new("its name leads to no address", ""))),
        _ => Ok(allowed),
    }
}

/// Those that are not our own.
fn elsewhere(itself: &Itself, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Fault> {
    let found = addresses.len();
    addresses.retain(|address| !itself.is_at(*address));
    if addresses.is_empty() && found > 0 { Err(Fault::Loop) } else { Ok(addresses) }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn is_unknown_authority(error: &io::Error) -> bool {
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    tls_error(error).is_some_and(|error| *error == unknown)
}

/// An error with what is behind it.
fn chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn open<T: Read + Write + Unpin + Send + 'static>(io: T) -> Result<SendRequest<Outgoing>, Fault> {
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .handshake::<T, Outgoing>(io)
        .await
        .map_err(|error| Fault::Unreachable(Why::new("it speaks no HTTP", chain(&error))))?;
    tokio::task::spawn_local(async move {
        // What goes wrong is told to whoever waits for the answer.
        let _ = connection.with_upgrades().await;
    });
    Ok(sender)
}

/// What an upstream is asked for: its own path, then what follows the base path in the call's, byte for byte.
pub fn target(prefix: &str, rest: &str, query: Option<&str>) -> String {
    let mut target = String::with_capacity(prefix.len() + rest.len() + 2 + query.map_or(0, str::len));
    target.push_str(prefix);
    target.push_str(rest);
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    target
}

/// The request line and fields of a call to this upstream.
pub fn head(method: Method, path_and_query: String, authority: &HeaderValue) -> Result<Request<()>, Fault> {
    let uri = http::Uri::from_maybe_shared(Bytes::from(path_and_query));
    let uri = uri.map_err(|_| Fault::Unreachable(Why::new("the path is not one that can be sent on", "")))?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    request.headers_mut().insert(HOST, authority.clone());
    Ok(request)
}
