//! The gateway: a thread a core, each with a runtime, a listening socket and connections to upstreams of its own. They share the
//! snapshot, the limits' keeper and the log, and wait for none of these.

mod answer;
mod asked;
mod authorize;
mod call;
mod came;
mod certificate;
mod claims;
mod cors;
mod first_calls;
mod headers;
mod identity;
mod log;
mod meter;
mod mock;
mod open;
mod places;
mod record;
mod refusal;
mod refused;
mod request_id;
mod token;
mod tunnel;
mod unreached;
mod unread;
mod upstream;
mod uses;
mod via;
mod vouched;
mod websocket;
mod wire;

use std::{
    io,
    net::SocketAddr,
    num::NonZeroUsize,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use domain::{
    Domain,
    limits::Keeper,
    oauth::AuthorizationServer,
    rules::{certificate::Shown, jose::access_token::Expected},
    snapshot::Live,
};
use http::HeaderName;
use hyper::{Request, body::Incoming, rt::Executor, service::service_fn};
use ipnet::IpNet;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::oneshot,
    task::{JoinHandle, LocalSet, spawn_local},
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, rustls};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{
    log::Log,
    meter::Meter,
    open::Open,
    places::Outside,
    request_id::RequestIds,
    upstream::{Means, Upstreams},
    via::Via,
    vouched::Vouched,
    wire::Wire,
};
use crate::{
    dial::{Dialer, Names, SystemNames},
    listen::{
        self, Carrier, Door, Guarded, Limits, Place, Vitals,
        framing::{Heads, Scanner},
        unread::{Ear, Unread},
    },
    tls,
};

pub use self::{
    log::{Counts, LinesTo, LogLimits},
    unread::answer as refuse_unread,
    upstream::UpstreamLimits,
};

/// Of each thread, in bytes: as the runtime of the rest has it.
const STACK: usize = 8 * 1024 * 1024;

/// How the gateway runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Port 0 picks one.
    pub listen: SocketAddr,
    /// Threads that serve; each has its own listening socket.
    pub threads: NonZeroUsize,
    pub limits: Limits,
    pub upstream: UpstreamLimits,
    pub log: LogLimits,
    pub lines_to: LinesTo,
    /// After how long without a byte from either side a tunnel ends.
    pub tunnel_idle: Duration,
    /// Whose `X-Forwarded-*` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The one header in which they say which certificate a caller has shown; `None`: they say nothing of it.
    pub client_cert_header: Option<HeaderName>,
    /// Who issues the access tokens that are taken: the portal's base URL.
    pub issuer: String,
    /// Where callers reach the gateway, which access tokens are for; else the address that it listens on.
    pub url: Option<String>,
    /// What TLS is served by; `None`: plain text, as behind something that ends TLS.
    pub tls: Option<tls::Served>,
    /// Whose certificates callers show.
    pub client_authority: tls::Authority,
    /// Certificate authorities of upstreams, besides the public ones.
    pub upstream_authorities: Vec<rustls::pki_types::CertificateDer<'static>>,
    /// Where upstreams' names lead to.
    pub names: Arc<dyn Names>,
}

impl Settings {
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            threads: thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            limits: Limits::default(),
            upstream: UpstreamLimits::default(),
            log: LogLimits::default(),
            lines_to: LinesTo::Stdout,
            tunnel_idle: Duration::from_secs(300),
            trusted_proxies: Vec::new(),
            client_cert_header: None,
            issuer: String::new(),
            url: None,
            tls: None,
            client_authority: tls::Authority::default(),
            upstream_authorities: Vec::new(),
            names: Arc::new(SystemNames),
        }
    }

    /// Whether a caller's certificate can be known here.
    fn knows_certificates(&self) -> bool {
        self.tls.is_some() || self.client_cert_header.is_some() && !self.trusted_proxies.is_empty()
    }

    /// What access tokens have to say of us.
    fn expected_tokens(&self) -> Expected<'_> {
        Expected { issuer: &self.issuer, audience: self.url.as_deref().unwrap_or_default() }
    }
}

/// How long what is still open at the end of the drain has to take note of it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What every core shares.
#[derive(Clone)]
struct Shared {
    ctx: Domain,
    live: Live,
    keeper: Arc<Keeper>,
    settings: Arc<Settings>,
    log: Arc<Log>,
    door: Door,
    means: Means,
    acceptor: Option<TlsAcceptor>,
    tokens: AuthorizationServer,
    /// The process's runtime, for what is not to be done on a core.
    main: Handle,
    stop: CancellationToken,
}

/// What one core works with.
struct Core {
    ctx: Domain,
    live: Live,
    keeper: Arc<Keeper>,
    settings: Arc<Settings>,
    ids: RequestIds,
    meter: Rc<Meter>,
    upstreams: Upstreams,
    vouched: Vouched,
    open: Rc<Open>,
    via: Via,
    outside: Outside,
    acceptor: Option<TlsAcceptor>,
    tokens: AuthorizationServer,
    main: Handle,
    stop: CancellationToken,
}

/// A running gateway.
pub struct Gateway {
    address: SocketAddr,
    shared: Shared,
    cores: Vec<oneshot::Receiver<()>>,
    writer: JoinHandle<()>,
    stop_writer: CancellationToken,
    /// Its threads end, and give their share of the database back, also where it is dropped.
    _stops: DropGuard,
}

/// Binds and serves. `live` is kept up to date by its owner.
pub fn start(ctx: Domain, live: Live, keeper: Arc<Keeper>, mut settings: Settings) -> io::Result<Gateway> {
    let first = listen::bind(settings.listen, true)?;
    let address = first.local_addr()?;
    let scheme = if settings.tls.is_some() { "https" } else { "http" };
    let url = settings.url.get_or_insert_with(|| format!("{scheme}://{address}")).clone();
    ctx.itself.listens_at(address);
    ctx.itself.is_announced_as(&url);
    let acceptor = settings.tls.as_ref().map(|served| served.config(&settings.client_authority)).transpose();
    let acceptor = acceptor.map_err(io::Error::other)?.map(|config| TlsAcceptor::from(Arc::new(config)));
    let mut sockets = vec![first];
    for _ in 1..settings.threads.get() {
        sockets.push(listen::bind(address, true)?);
    }
    let log = Arc::new(Log::new(&settings.log, settings.lines_to.clone())?);
    let means = Means {
        tls: TlsConnector::from(Arc::new(tls::client(&settings.upstream_authorities).map_err(io::Error::other)?)),
        names: settings.names.clone(),
        dialer: Dialer::default(),
        said: Arc::default(),
    };
    let stop_writer = CancellationToken::new();
    let writer = tokio::spawn(log::write(ctx.clone(), log.clone(), settings.log.clone(), stop_writer.clone()));
    let shared = Shared {
        tokens: AuthorizationServer::new(ctx.clone(), live.clone(), settings.issuer.clone(), url),
        acceptor,
        ctx,
        live,
        keeper,
        log,
        door: Door::new(&settings.limits),
        means,
        settings: Arc::new(settings),
        main: Handle::current(),
        stop: CancellationToken::new(),
    };
    let cores = sockets.into_iter().enumerate().map(|(at, socket)| run(at, socket, shared.clone()));
    let cores = cores.collect::<io::Result<_>>()?;
    let _stops = shared.stop.clone().drop_guard();
    Ok(Gateway { address, shared, cores, writer, stop_writer, _stops })
}

impl Gateway {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Totals since the start.
    pub fn counts(&self) -> &Arc<Counts> {
        self.shared.log.counts()
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.shared.door.open()
    }

    /// Stops accepting, lets calls in flight finish within the drain's time, and writes what is left of the log.
    pub async fn stop(self) {
        self.shared.stop.cancel();
        for core in self.cores {
            // An error is a core that ended by itself.
            let _ = core.await;
        }
        self.stop_writer.cancel();
        if let Err(error) = self.writer.await {
            tracing::error!(%error, "the request log's writer did not end well");
        }
        self.shared.log.lines_written().await;
        self.shared.live.leave().await;
    }
}

/// Starts a core's thread. The receiver resolves when it has ended.
fn run(at: usize, socket: TcpListener, shared: Shared) -> io::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    // A socket belongs to the runtime that it was made in.
    let socket = socket.into_std()?;
    thread::Builder::new().name(format!("gateway-{at}")).stack_size(STACK).spawn(move || {
        let served = tokio::runtime::Builder::new_current_thread().enable_all().build().and_then(|runtime| {
            let local = LocalSet::new();
            runtime.block_on(local.run_until(serve(socket, shared)))
        });
        if let Err(error) = served {
            tracing::error!(%error, "a gateway thread cannot run");
        }
        let _ = ended.send(());
    })?;
    Ok(end)
}

async fn serve(socket: std::net::TcpListener, shared: Shared) -> io::Result<()> {
    let socket = TcpListener::from_std(socket)?;
    // A core's own part of the signal: the shared one would be polled under a lock that all cores want.
    let stop = shared.stop.child_token();
    let follower = shared.live.follower();
    let core = Rc::new(Core {
        ids: RequestIds::new(shared.ctx.env.clone()),
        meter: Rc::new(Meter::new(shared.log, shared.settings.log.strangers_a_second)),
        upstreams: Upstreams::new(shared.settings.upstream.clone(), shared.means, Arc::clone(&shared.ctx.itself)),
        via: Via::of(&shared.ctx.keys),
        vouched: Vouched::default(),
        open: Rc::new(Open::new(follower.revision())),
        outside: Outside::new(shared.settings.url.as_deref().unwrap_or_default()),
        acceptor: shared.acceptor,
        tokens: shared.tokens,
        ctx: shared.ctx,
        live: shared.live,
        keeper: shared.keeper,
        settings: shared.settings,
        main: shared.main,
        stop: stop.clone(),
    });
    let (ticking, following) = (spawn_local(tick(core.clone())), spawn_local(Open::follow(core.clone(), follower)));
    let door = Door::clone(&shared.door);
    loop {
        let (stream, peer, place) = tokio::select! {
            accepted = door.accept(&socket) => accepted,
            () = stop.cancelled() => break,
        };
        spawn_local(welcome(core.clone(), stream, peer, place));
    }
    drop(socket);
    if timeout(core.settings.limits.drain, door.emptied()).await.is_err() {
        // What is cut is noted before the log is written for the last time.
        core.open.stop();
        let _ = timeout(LAST_WORDS, door.emptied()).await;
    }
    ticking.abort();
    following.abort();
    core.meter.flush();
    Ok(())
}

/// Records reach the log soon on a quiet core too.
async fn tick(core: Rc<Core>) {
    let mut ticks = interval(Duration::from_millis(100));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut count = 0u32;
    loop {
        ticks.tick().await;
        core.meter.flush();
        core.open.look(&core);
        count = count.wrapping_add(1);
        if count.is_multiple_of(50) {
            core.upstreams.sweep();
            core.open.give_up(core.settings.limits.pace.whole);
        }
    }
}

async fn welcome(core: Rc<Core>, stream: TcpStream, peer: SocketAddr, place: Place) {
    let Some(acceptor) = &core.acceptor else { return converse(core, stream, (peer, None), place).await };
    // One who speaks no TLS, or stalls, is not answered: there is nothing that it could read.
    if let Ok(Ok(stream)) = timeout(core.settings.limits.header_read, acceptor.accept(stream)).await {
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| core.settings.client_authority.judge(chain));
        converse(core, stream, (peer, shown), place).await;
    }
}

async fn converse<C: Carrier + Send>(core: Rc<Core>, stream: C, (peer, shown): (SocketAddr, Option<Shown>), place: Place) {
    let vitals = Arc::new(Vitals::new());
    let heads = Heads::default();
    let unread = Arc::new(Mutex::new(None));
    let keep = unread.clone();
    let speak = move |one: Unread| {
        let answer = unread::answer(&one);
        *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(one);
        answer
    };
    let ear = Ear::new(Scanner::new(heads.clone()), core.ctx.env.clone(), speak);
    let io = Guarded::new(stream, vitals.clone(), place, ear);
    let serving = core.clone();
    let seen = (core.acceptor.is_some(), shown);
    let wires = [Rc::new(Wire::new(peer, Some(heads), seen)), Rc::new(Wire::new(peer, None, seen))];
    let first = wires[0].clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let wire = &wires[usize::from(request.version() == http::Version::HTTP_2)];
        call::answer(serving.clone(), wire.clone(), vitals.begin(), request)
    });
    listen::serve_connection(io, service, Here, &core.settings.limits, &core.stop).await;
    let unread = unread.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(unread) = unread {
        unread::note(&core, &first, &unread);
    }
}

/// Runs an HTTP/2 connection's streams on their core.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        spawn_local(async move {
            future.await;
        });
    }
}
