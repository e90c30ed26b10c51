//! One connection: what state it is in, and when it has been in it for too long.

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    rt::bounds::Http2ServerConnExec,
    server::conn::{http1, http2},
    service::HttpService,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

use super::{Limits, MAX_HEAD, Place, query, unread};

/// Nothing has come yet, or a request's head is coming: the head's limit counts.
const HEAD: u8 = 0;
/// A request is being answered: its bodies' limits count.
const BUSY: u8 = 1;
/// Between two requests: the idle limit counts.
const IDLE: u8 = 2;

/// What a connection is doing and since when. Written by its reads, writes and answers, read by whoever drives it.
pub struct Vitals {
    born: Instant,
    phase: AtomicU8,
    /// Milliseconds after `born`.
    since: AtomicU64,
    in_flight: AtomicU32,
    /// An answer has ended, and the peer may not have been sent all of it.
    unflushed: AtomicBool,
    /// Milliseconds after `born`, plus one; 0 while the peer takes what it is sent.
    write_blocked: AtomicU64,
    /// Milliseconds that it was waited for, less those that what was taken then is worth at [`LEAST_RATE`].
    write_owed: AtomicU64,
}

/// Bytes a second that a peer has to take of what it is sent. Who takes less has a limit's time for all of it.
const LEAST_RATE: u64 = 1024;

impl Vitals {
    #[expect(clippy::new_without_default, reason = "it reads the clock")]
    pub fn new() -> Self {
        Self {
            born: Instant::now(),
            phase: AtomicU8::new(HEAD),
            since: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            unflushed: AtomicBool::new(false),
            write_blocked: AtomicU64::new(0),
            write_owed: AtomicU64::new(0),
        }
    }

    /// A request has come; it is being answered until the guard is dropped.
    pub fn begin(self: &Arc<Self>) -> AnswerGuard {
        self.in_flight.fetch_add(1, Relaxed);
        self.phase.store(BUSY, Relaxed);
        AnswerGuard(self.clone())
    }

    fn enter(&self, phase: u8) {
        self.since.store(self.age(), Relaxed);
        self.phase.store(phase, Relaxed);
    }

    fn age(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn has_flushed(&self) {
        self.unflushed.store(false, Relaxed);
    }

    /// Whether no request is being answered, nor an answer on its way.
    fn is_quiet(&self) -> bool {
        self.in_flight.load(Relaxed) == 0 && !self.unflushed.load(Relaxed)
    }

    fn has_read(&self, multiplexed: bool) {
        if !multiplexed && self.phase.load(Relaxed) == IDLE {
            self.enter(HEAD);
        }
    }

    /// `taken`: how many bytes the peer's side had room for; `None` for none.
    fn has_written(&self, taken: Option<usize>) {
        let (blocked, owed) = (self.write_blocked.load(Relaxed), self.write_owed.load(Relaxed));
        match (taken, blocked) {
            (None, 0) => self.write_blocked.store(self.age() + 1, Relaxed),
            (None, 1..) => {}
            (Some(_), 0) if owed == 0 => {}
            (Some(bytes), _) => {
                let waited = if blocked == 0 { 0 } else { self.age().saturating_sub(blocked - 1) };
                let worth = bytes as u64 * 1000 / LEAST_RATE;
                self.write_owed.store((owed + waited).saturating_sub(worth), Relaxed);
                self.write_blocked.store(0, Relaxed);
            }
        }
    }

    /// When to look again, or `None` when the connection's time is over.
    fn next_look(&self, limits: &Limits) -> Option<Duration> {
        let age = self.age();
        let left = |since: u64, limit: Duration| {
            limit.checked_sub(Duration::from_millis(age.saturating_sub(since))).filter(|l| !l.is_zero())
        };
        let left = match (self.write_blocked.load(Relaxed), self.phase.load(Relaxed)) {
            (since @ 1.., _) => {
                let owed = Duration::from_millis(self.write_owed.load(Relaxed));
                left(since - 1, limits.body_progress.checked_sub(owed)?)?
            }
            (_, BUSY) => limits.body_progress / 4,
            (_, IDLE) => left(self.since.load(Relaxed), limits.idle)?,
            _ => left(self.since.load(Relaxed), limits.header_read)?,
        };
        // The state may change to one with a shorter limit meanwhile.
        Some(left.min(limits.header_read / 4).max(Duration::from_millis(1)))
    }
}

/// While it lives, its connection counts as answering.
pub struct AnswerGuard(Arc<Vitals>);

impl Drop for AnswerGuard {
    fn drop(&mut self) {
        self.0.unflushed.store(true, Relaxed);
        if self.0.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.0.enter(IDLE);
        }
    }
}

/// Sees the bytes that a connection brings, before anybody parses them.
pub trait ReadTap: Send + Unpin + 'static {
    fn read(&mut self, bytes: &[u8]);

    /// Where in what was read last stands what is handed on encoded.
    fn odd(&self) -> &[usize] {
        &[]
    }

    /// The whole answer to a head that the HTTP library cannot read, after which the connection ends; `status` is what the library
    /// would say. `None`: it says so itself.
    fn unread(&mut self, status: u16) -> Option<Vec<u8>> {
        let _ = status;
        None
    }
}

impl ReadTap for () {
    fn read(&mut self, _: &[u8]) {}
}

/// What carries a connection's bytes.
pub trait Carrier: AsyncRead + AsyncWrite + Unpin + 'static {
    /// Whether the peer opens with HTTP/2.
    fn speaks_http2(&self) -> impl Future<Output = io::Result<bool>>;
}

impl Carrier for TcpStream {
    /// By HTTP/2's preface. No method begins like it.
    async fn speaks_http2(&self) -> io::Result<bool> {
        const PREFACE: &[u8] = b"PRI ";
        let mut start = [0; PREFACE.len()];
        loop {
            let n = self.peek(&mut start).await?;
            if n == PREFACE.len() || n == 0 || !PREFACE.starts_with(&start[..n]) {
                return Ok(start == PREFACE);
            }
            // Part of it: what is there already makes the next peek return at once.
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Carrier for TlsStream<TcpStream> {
    /// As was agreed on with the handshake.
    async fn speaks_http2(&self) -> io::Result<bool> {
        Ok(self.get_ref().1.alpn_protocol() == Some(b"h2"))
    }
}

/// A stream that notes its own progress and holds its place at the door.
pub struct Guarded<T, C = TcpStream> {
    stream: C,
    vitals: Arc<Vitals>,
    tap: T,
    multiplexed: bool,
    lingering: Option<Pin<Box<Sleep>>>,
    /// What was read and had no room where it was read to.
    spilled: Vec<u8>,
    /// The library's word on a head that it cannot read: held back until it turns out to be its last.
    held: Option<(u16, Vec<u8>)>,
    /// What is sent in its place, or itself.
    parting: Vec<u8>,
    _place: Place,
}

fn taken(written: &Poll<io::Result<usize>>) -> Option<usize> {
    match written {
        Poll::Ready(written) => Some(*written.as_ref().unwrap_or(&0)),
        Poll::Pending => None,
    }
}

/// How long a peer may go on sending after its last answer.
const LINGER: Duration = Duration::from_secs(1);

impl<T, C: Carrier> Guarded<T, C> {
    pub fn new(stream: C, vitals: Arc<Vitals>, place: Place, tap: T) -> Self {
        Self {
            stream,
            vitals,
            tap,
            multiplexed: false,
            lingering: None,
            spilled: Vec::new(),
            held: None,
            parting: Vec::new(),
            _place: place,
        }
    }
}

impl<T: ReadTap, C: Carrier> AsyncRead for Guarded<T, C> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_release(cx))?;
        if !this.spilled.is_empty() {
            let taken = buf.remaining().min(this.spilled.len());
            buf.put_slice(&this.spilled[..taken]);
            this.spilled.drain(..taken);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if let Some(bytes @ [_, ..]) = buf.filled().get(before..) {
            this.vitals.has_read(this.multiplexed);
            if !this.multiplexed {
                this.tap.read(bytes);
                if !this.tap.odd().is_empty() {
                    this.encode(buf, before);
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: ReadTap, C: Carrier> Guarded<T, C> {
    /// Encodes what the tap found odd in what was read from `before` on.
    fn encode(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let (bytes, odd) = (&buf.filled()[before..], self.tap.odd());
        let mut encoded = Vec::with_capacity(bytes.len() + 2 * odd.len());
        let mut from = 0;
        for &at in odd {
            encoded.extend_from_slice(&bytes[from..at]);
            query::encode(bytes[at], &mut encoded);
            from = at + 1;
        }
        encoded.extend_from_slice(&bytes[from..]);
        buf.set_filled(before);
        let fits = buf.remaining().min(encoded.len());
        buf.put_slice(&encoded[..fits]);
        self.spilled = encoded.split_off(fits);
    }

    /// Keeps back what may be the library's last word. Nothing else is said where no request is being answered.
    fn hold(&mut self, bytes: &[u8]) -> bool {
        if self.multiplexed || !self.vitals.is_quiet() {
            return false;
        }
        self.held = unread::automatic(bytes).map(|status| (status, bytes.to_vec()));
        self.held.is_some()
    }

    /// Sends what was held back, for it was not the last.
    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some((_, bytes)) = self.held.take() {
            self.parting = bytes;
        }
        self.poll_parting(cx)
    }

    fn poll_parting(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.parting.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.parting))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.parting.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: ReadTap, C: Carrier> AsyncWrite for Guarded<T, C> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_release(cx))?;
        if this.hold(buf) {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.vitals.has_written(taken(&written));
        written
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_release(cx))?;
        if let [only] = bufs
            && this.hold(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.vitals.has_written(taken(&written));
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.vitals.has_flushed();
        Poll::Ready(Ok(()))
    }

    /// Ends our side, then takes in what the peer still sends: closing with bytes unread would reset the connection, and the
    /// peer might never see its answer.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some((status, bytes)) = this.held.take() {
            this.parting = this.tap.unread(status).unwrap_or(bytes);
        }
        ready!(this.poll_parting(cx))?;
        let lingering = match &mut this.lingering {
            Some(lingering) => lingering,
            none => {
                ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
                none.insert(Box::pin(sleep(LINGER)))
            }
        };
        let mut rest = [0; 4096];
        loop {
            if lingering.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut rest = ReadBuf::new(&mut rest);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut rest))?;
            if rest.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

/// Serves HTTP/1.1, or HTTP/2 by prior knowledge, until the peer, a limit or the drain ends it.
pub async fn serve_connection<T, C, S, B, X>(
    mut io: Guarded<T, C>,
    service: S,
    executor: X,
    limits: &Limits,
    drain: &CancellationToken,
) where
    T: ReadTap,
    C: Carrier + Send,
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    X: Http2ServerConnExec<S::Future, B>,
{
    let vitals = io.vitals.clone();
    let first = tokio::select! {
        first = io.stream.speaks_http2() => first,
        () = sleep(limits.header_read) => return,
        () = drain.cancelled() => return,
    };
    let Ok(http2) = first else { return };
    io.multiplexed = http2;
    let io = TokioIo::new(io);
    if http2 {
        let connection = http2::Builder::new(executor)
            .timer(TokioTimer::new())
            .keep_alive_interval(limits.body_progress)
            .max_concurrent_streams(200)
            .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
            .serve_connection(io, service);
        drive(connection, http2::Connection::graceful_shutdown, &vitals, limits, drain).await;
    } else {
        // Not `pipeline_flush`: it holds answers back while anything is left unread, be it a stray line end.
        let connection =
            http1::Builder::new().max_buf_size(MAX_HEAD).header_read_timeout(None).serve_connection(io, service).with_upgrades();
        drive(connection, http1::UpgradeableConnection::graceful_shutdown, &vitals, limits, drain).await;
    }
}

async fn drive<C: Future>(connection: C, end: fn(Pin<&mut C>), vitals: &Vitals, limits: &Limits, drain: &CancellationToken) {
    let mut connection = pin!(connection);
    let mut draining = pin!(drain.cancelled());
    let mut look = pin!(sleep(limits.header_read / 4));
    let mut ending = false;
    std::future::poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if !ending && draining.as_mut().poll(cx).is_ready() {
                ending = true;
                end(connection.as_mut());
                continue;
            }
            ready!(look.as_mut().poll(cx));
            match vitals.next_look(limits) {
                Some(wait) => look.as_mut().reset(Instant::now() + wait),
                None => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// An answer's body: when it is dropped, the answer is over.
pub struct Tracked<B> {
    body: B,
    _answer: AnswerGuard,
}

impl<B> Tracked<B> {
    pub fn new(body: B, answer: AnswerGuard) -> Self {
        Self { body, _answer: answer }
    }
}

impl<B: Body + Unpin> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_now_and_then_does_not_make_a_reader() {
        let limits = Limits { body_progress: Duration::from_millis(20), ..Limits::default() };
        let vitals = Vitals::new();
        let wait_and_take = |bytes: usize| {
            vitals.has_written(None);
            std::thread::sleep(Duration::from_millis(15));
            vitals.has_written(Some(bytes));
            vitals.has_written(None);
        };
        wait_and_take(1);
        vitals.has_written(Some(1));
        wait_and_take(1);
        assert!(vitals.next_look(&limits).is_none(), "two bytes in twice the time for them");
        vitals.has_written(Some(100_000));
        assert_eq!(vitals.write_owed.load(Relaxed), 0);
        vitals.has_written(None);
        assert!(vitals.next_look(&Limits::default()).is_some(), "who takes more owes nothing");
    }
}
