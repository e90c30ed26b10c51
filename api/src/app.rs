//! Puts the parts together: what `serve`, `demo` and the tests share.

mod error;
pub mod storage;

use std::{io, net::SocketAddr, sync::Arc};

use clap::ValueEnum;
use domain::{Domain, env::Env, limits::Keeper, ops::staff, snapshot::Live, updates};
use jobs::{
    Mailer,
    mail::{Delivery, MailSettings},
};
use secrecy::ExposeSecret;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub use error::{StartError, reason};

use crate::{
    config::Config,
    gateway::{self, Gateway},
    graphql,
    http::{self, metrics::Metrics, origin::Origins},
    listen,
    site::Site,
};

/// Which parts one process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    All,
    Api,
    Gateway,
    Worker,
}

/// What differs between `serve`, `demo` and the tests.
pub struct Parts {
    pub api: bool,
    pub gateway: bool,
    pub worker: bool,
    /// `None`: as the settings say.
    pub delivery: Option<Delivery>,
}

impl Parts {
    pub fn of(role: Role) -> Self {
        let has = |part| role == Role::All || role == part;
        Self { api: has(Role::Api), gateway: has(Role::Gateway), worker: has(Role::Worker), delivery: None }
    }
}

/// A running instance.
pub struct App {
    pub domain: Domain,
    /// Where the API listens, if this process serves it.
    pub api: Option<SocketAddr>,
    pub site: Arc<Site>,
    pub mailer: Mailer,
    pub gateway: Option<Gateway>,
    keeper: Option<Arc<Keeper>>,
    worker: Option<jobs::JobsHandle>,
    serving: Option<JoinHandle<()>>,
    stop: CancellationToken,
}

impl App {
    /// Everything in one process.
    pub async fn start(config: Config, env: Env) -> Result<Self, StartError> {
        Self::start_with(config, env, Parts::of(Role::All)).await
    }

    pub async fn start_with(config: Config, env: Env, parts: Parts) -> Result<Self, StartError> {
        let mut domain = storage::open(&config, env).await?;
        let metrics = Arc::new(Metrics::new(domain.now()));
        let counting = Arc::clone(&metrics);
        domain.db.set_metric_callback(move |statement| counting.statement(statement.elapsed));
        if let Some(email) = &config.admin_email {
            staff::ensure_owner(&domain, email).await?;
        }
        let listener = if parts.api { Some(bind(config.listen, "PORTICO_LISTEN")?) } else { None };
        let api = listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let (gateway, keeper) = if parts.gateway { start_gateway(&domain, &config).await?.into_parts() } else { (None, None) };
        let gateway_address = gateway.as_ref().map_or(config.gateway_listen, Gateway::address);
        let base_url = url(config.base_url.as_ref(), api.unwrap_or(config.listen));
        let site = Arc::new(Site {
            origins: origins(&base_url, &config),
            gateway_url: url(config.gateway_url.as_ref(), gateway_address),
            base_url,
        });
        let mailer = Mailer::new(mail_settings(&config, &site, parts.delivery))?;
        let worker = parts.worker.then(|| jobs::start(domain.clone(), &mailer, &jobs::Settings::default()));
        let stop = CancellationToken::new();
        let state = http::AppState {
            graphql: graphql::engine(config.introspection),
            origins: Origins::new(&site.base_url, &config.allowed_origins),
            metrics,
            calls: gateway.as_ref().map(|gateway| Arc::clone(gateway.counts())),
            stop: stop.clone(),
            domain: domain.clone(),
            config: Arc::new(config),
            site: Arc::clone(&site),
        };
        if parts.api {
            let (domain, stop) = (domain.clone(), stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(updates::listen(&domain.db, &domain.updates)).await });
        }
        let serving = listener.map(|listener| {
            let serving = listen::serve_router(listener, http::router(state), listen::Limits::default(), stop.clone());
            tokio::spawn(serving)
        });
        Ok(Self { domain, api, site, mailer, gateway, keeper, worker, serving, stop })
    }

    /// What the process says on stdout once it can be reached: port 0 picks one.
    pub fn listening(&self) -> String {
        let mut line = "listening".to_owned();
        for (name, address) in [("api", self.api), ("gateway", self.gateway.as_ref().map(Gateway::address))] {
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
            if let Some(serving) = self.serving {
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

async fn start_gateway(domain: &Domain, config: &Config) -> Result<Running, StartError> {
    let refused = |source| StartError::Listen { addr: config.gateway_listen, setting: "PORTICO_GATEWAY_LISTEN", source };
    if config.gateway_listen.port() != 0 {
        // The gateway's threads share their port, which the kernel would let another process of ours share too.
        drop(std::net::TcpListener::bind(config.gateway_listen).map_err(refused)?);
    }
    let live = Live::start(domain.clone()).await?;
    let keeper = Arc::new(Keeper::start(domain.clone()));
    let settings =
        gateway::Settings { trusted_proxies: config.trusted_proxies.clone(), ..gateway::Settings::new(config.gateway_listen) };
    let gateway = gateway::start(domain.clone(), live, Arc::clone(&keeper), settings).map_err(refused)?;
    Ok(Running(gateway, keeper))
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
pub fn mail_settings(config: &Config, site: &Site, delivery: Option<Delivery>) -> MailSettings {
    let delivery = delivery.unwrap_or_else(|| match &config.smtp_url {
        Some(url) => Delivery::Smtp(url.expose_secret().into()),
        None => Delivery::Files { directory: config.data_dir.join("mail"), print: true },
    });
    let portal_url = config.portal_url.as_ref().map_or_else(|| site.base_url.clone(), |url| url.as_str().to_owned());
    MailSettings { from: config.mail_from.clone(), portal_url, delivery }
}

/// Runs until SIGTERM or Ctrl-C; a second one ends it at once.
pub fn serve_until_signal(config: Config, role: Role) -> Result<(), StartError> {
    runtime()?.block_on(async {
        let mut stop = Signals::listen()?;
        let uses_smtp = config.smtp_url.is_some();
        let app = App::start_with(config, Env::system(), Parts::of(role)).await?;
        println!("{}", app.listening());
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

pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
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
