//! Puts the parts together: what `serve`, `demo` and the tests share.

mod addresses;
mod error;
pub mod files;
pub mod high_water;
mod secure;
mod staff_sso;
pub mod storage;

use std::{io, net::SocketAddr, sync::Arc};

use clap::ValueEnum;
use domain::{
    Domain,
    env::Env,
    limits::Keeper,
    listening,
    oauth::AuthorizationServer,
    ops::{signing_keys, staff},
    processes,
    rules::outgoing::Reach,
    snapshot::Live,
};
use jobs::{
    Mailer,
    mail::{Delivery, MailSettings},
};
use secrecy::ExposeSecret;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;

pub use addresses::Addresses;
pub use error::{StartError, reason};
use high_water::HighWaterFile;
pub use secure::Secure;
pub use staff_sso::staff_sso;

use crate::{
    auth::strangers::Strangers,
    config::Config,
    dns,
    explorer::Explorer,
    gateway::{self, Gateway, LinesTo},
    graphql,
    http::{self, exposition::Exposition, health::Health, metrics::Metrics, origin::Origins},
    identity::OpenIdConnect,
    listen, outgoing, output,
    site::Site,
    tls,
};

/// Which parts one process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    All,
    Api,
    Gateway,
    Worker,
}

impl Role {
    /// As `--role` takes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Api => "api",
            Self::Gateway => "gateway",
            Self::Worker => "worker",
        }
    }
}

/// What differs between `serve`, `demo` and the tests.
pub struct Parts {
    pub api: bool,
    pub gateway: bool,
    pub worker: bool,
    /// `None`: as the settings say.
    pub delivery: Option<Delivery>,
    /// The gateway's lines of calls.
    pub lines_to: LinesTo,
}

impl Parts {
    pub fn of(role: Role) -> Self {
        let has = |part| role == Role::All || role == part;
        Self {
            api: has(Role::Api),
            gateway: has(Role::Gateway),
            worker: has(Role::Worker),
            delivery: None,
            lines_to: LinesTo::Stdout,
        }
    }
}

/// A running instance.
pub struct App {
    pub domain: Domain,
    /// Where the API listens, if this process serves it.
    pub api: Option<SocketAddr>,
    /// Where a process that only works says how it is.
    pub health: Option<SocketAddr>,
    pub site: Arc<Site>,
    pub mailer: Mailer,
    pub gateway: Option<Gateway>,
    keeper: Option<Arc<Keeper>>,
    worker: Option<jobs::JobsHandle>,
    serving: Option<JoinHandle<()>>,
    /// Where counters are read, where they have a listener of their own.
    pub metrics: Option<SocketAddr>,
    counters: Option<JoinHandle<()>>,
    /// What lists this process among those that serve.
    listed: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl App {
    /// Everything in one process.
    pub async fn start(config: Config, env: Env) -> Result<Self, StartError> {
        Self::start_with(config, env, Parts::of(Role::All)).await
    }

    pub async fn start_with(config: Config, env: Env, parts: Parts) -> Result<Self, StartError> {
        let reach = if config.outgoing_private { Reach::Private } else { Reach::Public };
        let authorities = tls::authorities(config.ca_file.as_deref())?;
        let outgoing = Arc::new(outgoing::Client::new(reach, &authorities).map_err(io::Error::other)?);
        let trusting = outgoing::Client::new(Reach::Private, &authorities).map_err(io::Error::other)?;
        let identities = OpenIdConnect::new(Arc::clone(&outgoing), trusting, env.clone());
        let staff = staff_sso(&config)?;
        let mut domain = storage::open(&config, env).await?.fetching_by(outgoing);
        let high_water = HighWaterFile::of(&config.data_dir);
        if let Some(restored) = high_water.follow(&domain).await? {
            tracing::warn!("{restored}");
        }
        domain = domain.asking(Arc::new(dns::Resolver::new(&config.dns_servers)));
        domain = domain.signing_in_by(Arc::new(identities), staff);
        let metrics = Arc::new(Metrics::new(domain.now()));
        let counting = Arc::clone(&metrics);
        domain.db.set_metric_callback(move |statement| counting.statement(statement.elapsed));
        if let Some(email) = &config.admin_email {
            staff::ensure_owner(&domain, email).await?;
        }
        let secure = Secure::load(&config, authorities)?;
        let works_alone = parts.worker && !parts.api && !parts.gateway;
        let listener = if parts.api || works_alone { Some(bind(config.listen, "PORTICO_LISTEN")?) } else { None };
        let listens = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let (api, health) = if works_alone { (None, listens) } else { (listens, None) };
        let base_url = url(config.base_url.as_ref(), api.unwrap_or(config.listen));
        signing_keys::keep(&domain).await?;
        let stop = CancellationToken::new();
        // Tokens are issued by what gateways know, too.
        let live = match (parts.gateway, parts.api) {
            (true, _) => Some(Live::start(domain.clone()).await?),
            (false, true) => Some(Live::start_unlisted(domain.clone()).await?),
            (false, false) => None,
        };
        keep_current(&domain, &parts, &secure, &stop);
        if parts.gateway || parts.worker {
            keep_high_water(&domain, high_water, &stop);
        }
        let (gateway, keeper) = match live.as_ref().filter(|_| parts.gateway) {
            Some(live) => start_gateway(&domain, live.clone(), &config, (&base_url, &secure), &parts.lines_to)?.into_parts(),
            None => (None, None),
        };
        let gateway_address = gateway.as_ref().map_or(config.gateway_listen, Gateway::address);
        if let Some(api) = api {
            domain.itself.listens_at(api);
        }
        for url in [&base_url, &secure.gateway_url(&config, gateway_address)] {
            domain.itself.is_announced_as(url);
        }
        let site = Arc::new(Site {
            origins: origins(&base_url, &config),
            gateway_url: secure.gateway_url(&config, gateway_address),
            base_url,
        });
        let mailer = Mailer::new(mail_settings(&config, &site, parts.delivery, &secure.authorities))?;
        let worker = parts.worker.then(|| jobs::start(domain.clone(), &mailer, &jobs::Settings::default()));
        let queue = worker.as_ref().map(|worker| {
            let pulse = worker.pulse();
            Arc::new(move || pulse.is_served()) as http::health::IsServed
        });
        let config = Arc::new(config);
        let calls = gateway.as_ref().map(|gateway| Arc::clone(gateway.counts()));
        let exposition = Exposition { domain: domain.clone(), metrics: Arc::clone(&metrics), calls };
        let (metrics_at, counters) = expose(&config, &domain.env, exposition.clone(), &stop)?.unzip();
        let explorer = match live {
            Some(live) => Some(explorer(&domain, live, &site, (gateway.as_ref(), &secure))?),
            None => None,
        };
        let serving = listener.map(|listener| {
            let health = Health { domain: domain.clone(), queue };
            let (limits, unread) = (limits(&config), (domain.env.clone(), http::unread::answer as fn(_) -> _));
            let Some(explorer) = explorer else {
                let router = http::health::of_a_worker(http::health::Worker { health, exposition, config });
                return tokio::spawn(listen::serve_router(listener, router, unread, limits, stop.clone()));
            };
            let state = http::AppState {
                health,
                graphql: graphql::engine(config.introspection),
                origins: Origins::new(&site.base_url, &config.allowed_origins),
                sockets: Arc::default(),
                strangers: Arc::new(Strangers::new(config.stranger_requests)),
                metrics,
                explorer: Arc::new(explorer),
                exposition,
                stop: stop.clone(),
                domain: domain.answering(),
                config,
                site: Arc::clone(&site),
            };
            let serving = listen::serve_router(listener, http::router(state), unread, limits, stop.clone());
            tokio::spawn(serving)
        });
        let metrics = metrics_at;
        let listed = None;
        Ok(Self { domain, api, health, site, mailer, gateway, keeper, worker, serving, metrics, counters, listed, stop })
    }

    /// What the process says on stdout once it can be reached: port 0 picks one.
    pub fn listening(&self) -> String {
        let mut line = "listening".to_owned();
        let gateway = self.gateway.as_ref().map(Gateway::address);
        for (name, address) in [("api", self.api), ("gateway", gateway), ("worker", self.health), ("metrics", self.metrics)] {
            if let Some(address) = address {
                line += &format!(" {name}={address}");
            }
        }
        line
    }

    /// Stops taking work, finishes what is in flight (30 s at most), and writes what was only counted.
    pub async fn stop(self) {
        self.stop.cancel();
        let api = async {
            for serving in self.serving.into_iter().chain(self.counters).chain(self.listed) {
                let _ = serving.await;
            }
        };
        let gateway = async {
            if let Some(gateway) = self.gateway {
                gateway.stop().await;
            }
            if let Some(keeper) = self.keeper {
                keeper.close().await;
            }
        };
        let worker = async {
            if let Some(worker) = self.worker {
                worker.stop().await;
            }
        };
        tokio::join!(api, gateway, worker);
        if let Err(error) = self.domain.db.close().await {
            tracing::warn!(error = reason(&error), "the database's connections did not close well");
        }
    }
}

/// Serves the counters on their own listener, where they have one.
fn expose(
    config: &Config,
    env: &Env,
    exposition: Exposition,
    stop: &CancellationToken,
) -> Result<Option<(SocketAddr, JoinHandle<()>)>, StartError> {
    let Some(at) = config.metrics_listen else { return Ok(None) };
    let listener = bind(at, "PORTICO_METRICS_LISTEN")?;
    let address = listener.local_addr()?;
    let unread = (env.clone(), http::unread::answer as fn(_) -> _);
    let serving = listen::serve_router(listener, exposition.router(), unread, listen::Limits::default(), stop.clone());
    Ok(Some((address, tokio::spawn(serving))))
}

/// Follows what changes elsewhere, until the process stops.
fn keep_current(domain: &Domain, parts: &Parts, secure: &Secure, stop: &CancellationToken) {
    if let Some(served) = secure.served.clone().filter(|_| parts.gateway) {
        let stop = stop.clone();
        tokio::spawn(async move { stop.run_until_cancelled(served.keep()).await });
    }
    if parts.gateway || parts.api {
        let (key_sets, stop) = (Arc::clone(&domain.key_sets), stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(key_sets.keep()).await });
    }
    if parts.api {
        let (domain, stop) = (domain.clone(), stop.clone());
        tokio::spawn(async move { stop.run_until_cancelled(listening::for_updates(&domain)).await });
    }
}

fn keep_high_water(domain: &Domain, file: HighWaterFile, stop: &CancellationToken) {
    let (domain, stop) = (domain.clone(), stop.clone());
    tokio::spawn(async move { stop.run_until_cancelled(file.keep(domain)).await });
}

/// Where browsers may come from and be sent back to.
fn origins(base_url: &str, config: &Config) -> Vec<String> {
    let portal = config.portal_url.as_ref().map(url::Url::as_str);
    let given = config.allowed_origins.iter().map(String::as_str);
    let urls = [base_url].into_iter().chain(portal).chain(given).filter_map(|url| url::Url::parse(url).ok());
    urls.filter(|url| matches!(url.scheme(), "http" | "https")).map(|url| url.origin().ascii_serialization()).collect()
}

/// A gateway and what counts for it.
struct Running(Gateway, Arc<Keeper>);

impl Running {
    fn into_parts(self) -> (Option<Gateway>, Option<Arc<Keeper>>) {
        (Some(self.0), Some(self.1))
    }
}

fn start_gateway(
    domain: &Domain,
    live: Live,
    config: &Config,
    (issuer, secure): (&str, &Secure),
    lines_to: &LinesTo,
) -> Result<Running, StartError> {
    let refused = |source| StartError::Listen { addr: config.gateway_listen, setting: "PORTICO_GATEWAY_LISTEN", source };
    if config.gateway_listen.port() != 0 {
        // The gateway's threads share their port, which the kernel would let another process of ours share too.
        drop(std::net::TcpListener::bind(config.gateway_listen).map_err(refused)?);
    }
    let keeper = Arc::new(Keeper::start(domain.clone()));
    let settings = gateway::Settings {
        limits: limits(config),
        trusted_proxies: config.trusted_proxies.clone(),
        client_cert_header: config.client_cert_header.clone(),
        issuer: issuer.to_owned(),
        url: config.gateway_url.as_ref().map(|given| url(Some(given), config.gateway_listen)),
        tls: secure.served.clone(),
        client_authority: secure.authority.clone(),
        upstream_authorities: secure.authorities.clone(),
        lines_to: lines_to.clone(),
        ..gateway::Settings::new(config.gateway_listen)
    };
    let gateway = gateway::start(domain.clone(), live, Arc::clone(&keeper), settings).map_err(refused)?;
    Ok(Running(gateway, keeper))
}

/// What issues tokens, and tries calls: through this process's gateway, else through the one that callers reach.
fn explorer(
    domain: &Domain,
    live: Live,
    site: &Site,
    (gateway, secure): (Option<&Gateway>, &Secure),
) -> Result<Explorer, StartError> {
    let tokens = AuthorizationServer::new(domain.clone(), live, site.base_url.clone(), site.gateway_url.clone());
    let tokens = tokens.taking_certificates(secure.certificates());
    let own = gateway.map(|gateway| match gateway.address() {
        address if address.ip().is_unspecified() => format!("{}://localhost:{}", secure.scheme(), address.port()),
        address => format!("{}://{address}", secure.scheme()),
    });
    let trust = match secure.served.clone().filter(|_| own.is_some()) {
        Some(served) => tls::to_itself(served),
        None => tls::client(&secure.authorities),
    };
    let gateway = own.unwrap_or_else(|| site.gateway_url.clone());
    Ok(Explorer::new(tokens, gateway, trust.map_err(io::Error::other)?).map_err(io::Error::other)?)
}

/// Of either listener.
fn limits(config: &Config) -> listen::Limits {
    let (source_connections, proxies) = (config.source_connections, config.trusted_proxies.clone());
    listen::Limits { idle: config.keep_alive, source_connections, proxies, ..listen::Limits::default() }
}

fn bind(addr: SocketAddr, setting: &'static str) -> Result<TcpListener, StartError> {
    listen::bind(addr, false).map_err(|source| StartError::Listen { addr, setting, source })
}

fn url(given: Option<&url::Url>, listener: SocketAddr) -> String {
    match given {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{listener}"),
    }
}

/// How mails leave: by SMTP where it is set, else as files, with their links printed.
pub fn mail_settings(
    config: &Config,
    site: &Site,
    delivery: Option<Delivery>,
    authorities: &[CertificateDer<'static>],
) -> MailSettings {
    let delivery = delivery.unwrap_or_else(|| match &config.smtp_url {
        Some(url) => Delivery::Smtp(url.expose_secret().into()),
        None => Delivery::Files { directory: config.data_dir.join("mail"), print: Some(|text| output::stdout().say(text)) },
    });
    let portal_url = config.portal_url.as_ref().map_or_else(|| site.base_url.clone(), |url| url.as_str().to_owned());
    let authorities = authorities.iter().map(|certificate| certificate.to_vec()).collect();
    MailSettings { from: config.mail_from.clone(), portal_url, base_url: site.base_url.clone(), delivery, authorities }
}

/// Runs until SIGTERM or Ctrl-C; a second one ends it at once.
pub fn serve_until_signal(config: Config, role: Role) -> Result<(), StartError> {
    runtime()?.block_on(async {
        let mut stop = Signals::listen()?;
        let uses_smtp = config.smtp_url.is_some();
        let settings = config.clone();
        let mut app = App::start_with(config, Env::system(), Parts::of(role)).await?;
        output::stdout().say(app.listening());
        let addresses = Addresses::new(&settings, role, (&app.site.base_url, &app.site.gateway_url));
        announce(&mut app, addresses).await;
        if uses_smtp {
            tokio::spawn(warn_of_mail(app.mailer.clone()));
        }
        stop.next().await;
        tracing::info!("stopping: what is in flight may finish, for 30 s at most");
        tokio::select! {
            () = app.stop() => {}
            () = stop.next() => tracing::warn!("stopped at once: jobs in flight are run again"),
        }
        Ok(())
    })
}

/// Warns of addresses that cannot be right, and lists this process among those that serve.
async fn announce(app: &mut App, addresses: Addresses) {
    let others = processes::alive(&app.domain.db, &app.domain.env).await.unwrap_or_default();
    let wrong = [addresses.unusable(), addresses.differences(&others)].concat();
    if !wrong.is_empty() {
        tracing::warn!("{}", wrong.join("; "));
    }
    let (domain, stop) = (app.domain.clone(), app.stop.clone());
    app.listed = Some(tokio::spawn(async move { processes::keep(&domain, &addresses.process, stop.cancelled()).await }));
}

/// Of each thread, in bytes: without optimisation, what waits inside of each other takes more than the usual 2 MiB.
const STACK: usize = 8 * 1024 * 1024;

pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().thread_stack_size(STACK).build()
}

/// An unreachable mail server keeps nobody from starting: mails wait in the queue.
async fn warn_of_mail(mailer: Mailer) {
    if let Err(reason) = mailer.check().await {
        tracing::warn!("{reason}: mails wait and are tried again; check PORTICO_SMTP_URL");
    }
}

/// What asks the process to stop.
pub struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
