//! Puts the parts together: what `serve`, `demo` and the tests share.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use domain::{Domain, env::Env, keyring::Keyring, ops::staff};
use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DbErr, sqlx::sqlite::SqliteJournalMode, sqlx::sqlite::SqliteSynchronous,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    graphql::{self, PorticoSchema, engine::Engine, request::Site},
    http::{self, metrics::Metrics, origin::Origins},
};

/// Why the program did not start: one line that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the data directory {path} cannot be written ({source}): make it writable or set PORTICO_DATA_DIR")]
    DataDir { path: PathBuf, source: io::Error },
    #[error("the key file {path} can be read by others: run chmod 600 {path}")]
    KeyFileOpen { path: PathBuf },
    #[error("PORTICO_SECRET_KEY is {0}; give one of 32 random characters or more")]
    SecretKey(String),
    #[error("PORTICO_SECRET_KEY must be given with PostgreSQL: every process needs the same one")]
    SecretKeyMissing,
    #[error("the database cannot be reached ({0}): check PORTICO_DATABASE_URL")]
    Database(DbErr),
    #[error("the database cannot be brought up to date: {0}")]
    Migration(DbErr),
    #[error("PORTICO_ADMIN_EMAIL is {given:?}, who cannot be made OWNER: {reason}")]
    AdminEmail { given: String, reason: String },
    #[error("cannot listen on {addr} ({source}): stop what uses it or set {setting}")]
    Listen { addr: SocketAddr, setting: &'static str, source: io::Error },
    #[error("{0}")]
    Other(#[from] io::Error),
}

/// A running instance.
pub struct App {
    pub domain: Domain,
    pub api: SocketAddr,
    pub site: Arc<Site>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// What every request handler shares.
#[derive(Clone)]
pub struct AppState {
    pub domain: Domain,
    pub config: Arc<Config>,
    pub site: Arc<Site>,
    pub graphql: Engine<PorticoSchema>,
    pub origins: Origins,
    pub metrics: Arc<Metrics>,
    /// Cancelled when the process is to stop: what never ends by itself ends then.
    pub stop: CancellationToken,
}

impl App {
    pub async fn start(config: Config, env: Env) -> Result<Self, StartError> {
        let domain = open(&config, env).await?;
        let listener = bind(config.listen, "PORTICO_LISTEN").await?;
        let api = listener.local_addr()?;
        let url = |given: &Option<url::Url>, addr: SocketAddr| match given {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{addr}"),
        };
        let base_url = url(&config.base_url, api);
        let site = Arc::new(Site {
            origins: origins(&base_url, &config),
            gateway_url: url(&config.gateway_url, config.gateway_listen),
            base_url,
        });
        let stop = CancellationToken::new();
        let state = AppState {
            graphql: graphql::engine(config.introspection),
            origins: Origins::new(&site.base_url, &config.allowed_origins),
            metrics: Arc::new(Metrics::new(domain.now())),
            stop: stop.clone(),
            domain: domain.clone(),
            config: Arc::new(config),
            site: Arc::clone(&site),
        };
        let serve = axum::serve(listener, http::router(state).into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(stop.clone().cancelled_owned());
        let tasks = vec![tokio::spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(error = %error, "the API listener ended");
            }
        })];
        Ok(Self { domain, api, site, stop, tasks })
    }

    /// Stops taking work and finishes what is in flight.
    pub async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            let _ = task.await;
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

/// Runs until SIGTERM or Ctrl-C.
pub fn serve_until_signal(config: Config) -> Result<(), StartError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let app = App::start(config, Env::system()).await?;
        println!("listening api={}", app.api);
        tokio::signal::ctrl_c().await?;
        app.stop().await;
        Ok(())
    })
}

/// Opens the database, brought up to date, and the keys.
pub async fn open(config: &Config, env: Env) -> Result<Domain, StartError> {
    let data_dir = |source| StartError::DataDir { path: config.data_dir.clone(), source };
    fs::create_dir_all(&config.data_dir).map_err(data_dir)?;
    let keys = keyring(config, &env)?;
    let db = connect(config).await.map_err(StartError::Database)?;
    migration::up(&db, Some(&config.data_dir.join("migrate.lock"))).await.map_err(StartError::Migration)?;
    let domain = Domain::new(db, env, keys);
    if let Some(email) = &config.admin_email {
        staff::ensure_owner(&domain, email)
            .await
            .map_err(|error| StartError::AdminEmail { given: email.clone(), reason: error.to_string() })?;
    }
    Ok(domain)
}

async fn connect(config: &Config) -> Result<DatabaseConnection, DbErr> {
    let url = match &config.database_url {
        Some(url) => url.expose_secret().to_owned(),
        None => format!("sqlite://{}?mode=rwc", config.data_dir.join("portico.db").display()),
    };
    let mut options = ConnectOptions::new(url);
    options
        .sqlx_logging(false)
        .max_connections(16)
        .acquire_timeout(Duration::from_secs(2))
        .connect_timeout(Duration::from_secs(5));
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: what was acknowledged survives a power cut, not only a crash of the program.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true)
    });
    Database::connect(options).await
}

fn keyring(config: &Config, env: &Env) -> Result<Keyring, StartError> {
    let key = match &config.secret_key {
        Some(key) => key.clone(),
        None if config.database_url.as_ref().is_some_and(|url| url.expose_secret().starts_with("postgres")) => {
            return Err(StartError::SecretKeyMissing);
        }
        None => key_file(&config.data_dir.join("secret.key"), env)?,
    };
    Keyring::parse(&key).map_err(StartError::SecretKey)
}

/// The key in the data directory, made on first start and readable by its owner alone.
fn key_file(path: &Path, env: &Env) -> Result<SecretString, StartError> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let failed = |source| StartError::DataDir { path: path.to_owned(), source };
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => {
            let key = BASE64.encode(env.random::<32>());
            io::Write::write_all(&mut file, key.as_bytes()).map_err(failed)?;
            Ok(key.into())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path).map_err(failed)?.permissions().mode() & 0o077 != 0 {
                return Err(StartError::KeyFileOpen { path: path.to_owned() });
            }
            Ok(fs::read_to_string(path).map_err(failed)?.trim().to_owned().into())
        }
        Err(error) => Err(failed(error)),
    }
}

async fn bind(addr: SocketAddr, setting: &'static str) -> Result<TcpListener, StartError> {
    TcpListener::bind(addr).await.map_err(|source| StartError::Listen { addr, setting, source })
}
