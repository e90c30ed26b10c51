//! `portico check`: for each part that the program depends on, whether it is reachable and how it is set. It changes nothing.

use std::{net::SocketAddr, path::Path, time::Duration};

use domain::{
    Domain,
    env::Env,
    keyring::Keyring,
    ops::portal,
    processes::{self, Process},
};
use jobs::Mailer;
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret;
use url::Url;

use crate::{
    app::{Addresses, Role, Secure, StartError, files, high_water::HighWaterFile, mail_settings, reason, staff_sso, storage},
    config::Config,
    site::Site,
    tls,
};

/// What was found of one part.
pub struct Finding {
    pub part: &'static str,
    /// The sentence, or what is wrong and what would put it right.
    pub said: Result<String, String>,
}

pub async fn run(config: &Config) -> Vec<Finding> {
    let keys = keys(config);
    let (mut history, mut open) = (None, None);
    let (database, migrations, key) = match database(config).await {
        Ok(None) => {
            let later = |what: &str| Ok(format!("{what} made on the first start"));
            (later("SQLite;"), later("will be"), keys.map(|(_, said)| said))
        }
        Ok(Some((db, said))) => {
            let key = match keys {
                Ok((Some(keys), said)) => {
                    let fits = fits(&db, &keys).await.map(|()| said);
                    if fits.is_ok() {
                        history = restored(config, db.clone(), keys).await;
                    }
                    fits
                }
                Ok((None, said)) => Ok(said),
                Err(wrong) => Err(wrong),
            };
            let migrations = migrations(&db).await;
            open = Some(db);
            (Ok(said), migrations, key)
        }
        Err(wrong) => (Err(wrong), Err("unknown while the database is away".to_owned()), keys.map(|(_, said)| said)),
    };
    let (addresses, processes) = addresses(config, open.as_ref()).await;
    let gateway_scheme = if config.gateway_tls_cert.is_some() { "https" } else { "http" };
    let history = history.map(|said| Finding { part: "history", said });
    let mut findings = vec![
        Finding { part: "data directory", said: data_directory(&config.data_dir) },
        Finding { part: "database", said: database },
        Finding { part: "migrations", said: migrations },
        Finding { part: "secret key", said: key },
        Finding { part: "authorities", said: authorities(config) },
        Finding { part: "mail", said: mail(config).await },
        Finding { part: "addresses", said: addresses },
        Finding { part: "processes", said: processes },
        Finding { part: "gateway's TLS", said: gateway_tls(config) },
        Finding { part: "staff's sign-in", said: staff_sign_in(config) },
        Finding { part: "API listener", said: listener(config.listen, "PORTICO_LISTEN", ("http", "/healthz")).await },
        Finding {
            part: "gateway listener",
            said: listener(config.gateway_listen, "PORTICO_GATEWAY_LISTEN", (gateway_scheme, "/_portico/healthz")).await,
        },
    ];
    if let Some(at) = config.metrics_listen {
        findings
            .push(Finding { part: "metrics listener", said: listener(at, "PORTICO_METRICS_LISTEN", ("http", "/metrics")).await });
    }
    findings.extend(history);
    findings
}

/// Whether the database is a copy from before what this data directory saw; `None` where it has no tables yet.
async fn restored(config: &Config, db: DatabaseConnection, keys: Keyring) -> Option<Result<String, String>> {
    let domain = Domain::new(db, Env::system(), keys);
    match HighWaterFile::of(&config.data_dir).look(&domain).await {
        Ok(None) => Some(Ok("nothing that was written is missing".to_owned())),
        Ok(Some(restored)) => Some(Err(restored.to_string())),
        Err(_) => None,
    }
}

/// Takes a database that was copied back from before for what it is.
pub async fn accept_restore(config: &Config) -> Result<(), StartError> {
    let domain = storage::open(config, Env::system()).await?;
    Ok(HighWaterFile::of(&config.data_dir).accept(&domain).await?)
}

fn data_directory(path: &Path) -> Result<String, String> {
    if !path.exists() {
        return Ok(format!("{} is made on the first start", path.display()));
    }
    match files::prepare_directory(path) {
        Ok(()) if files::is_open(path) => {
            Err(format!("{} is open to others: serve closes it, or run chmod 700 {}", path.display(), path.display()))
        }
        Ok(()) => Ok(format!("{} is writable", path.display())),
        Err(source) => Err(StartError::DataDir { path: path.to_owned(), source }.to_string()),
    }
}

/// `None`: there is no SQLite file yet.
async fn database(config: &Config) -> Result<Option<(DatabaseConnection, String)>, String> {
    if config.database_url.is_none() && !storage::sqlite_file(config).exists() {
        return Ok(None);
    }
    let db = storage::connect(config, false).await.map_err(|error| StartError::Database(error).to_string())?;
    db.ping().await.map_err(|error| StartError::Database(error).to_string())?;
    let place = match &config.database_url {
        Some(url) => without_password(url.expose_secret()),
        None => storage::sqlite_file(config).display().to_string(),
    };
    Ok(Some((db, format!("answers at {place}"))))
}

fn without_password(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.has_host() => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
        }
        _ => text.split('?').next().unwrap_or_default().to_owned(),
    }
}

async fn migrations(db: &DatabaseConnection) -> Result<String, String> {
    match migration::pending(db).await {
        Ok(pending) if pending.is_empty() => Ok("up to date".to_owned()),
        Ok(pending) => Ok(format!("{} to apply: serve does, or portico migrate", pending.len())),
        Err(error) => Err(reason(&error)),
    }
}

/// The keys, where there are any yet, and where they come from.
fn keys(config: &Config) -> Result<(Option<Keyring>, String), String> {
    if let Some(key) = &config.secret_key {
        let keys = Keyring::parse(key).map_err(|wrong| StartError::SecretKey(wrong).to_string())?;
        return Ok((Some(keys), "from PORTICO_SECRET_KEY".to_owned()));
    }
    if config.uses_postgres() {
        return Err(StartError::SecretKeyMissing.to_string());
    }
    let path = storage::key_path(config);
    if !path.exists() {
        return Ok((None, format!("{} is made on the first start", path.display())));
    }
    let key = storage::read_key_file(&path).map_err(|error| error.to_string())?;
    let said = format!("from {}", path.display());
    match Keyring::parse(&key) {
        Ok(keys) => Ok((Some(keys), said)),
        Err(reason) => Err(StartError::KeyFileContent { path, reason }.to_string()),
    }
}

async fn fits(db: &DatabaseConnection, keys: &Keyring) -> Result<(), String> {
    // A database without tables has no key yet.
    match portal::is_its_key(db, keys).await {
        Ok(false) => Err(StartError::OtherKey { given: "the key".to_owned() }.to_string()),
        Ok(true) | Err(_) => Ok(()),
    }
}

fn authorities(config: &Config) -> Result<String, String> {
    let found = tls::authorities(config.ca_file.as_deref()).map_err(|error| error.to_string())?;
    Ok(match &config.ca_file {
        None => "the public ones".to_owned(),
        Some(given) => format!("the public ones, and {} of PORTICO_CA_FILE={}", found.len(), given.display()),
    })
}

async fn mail(config: &Config) -> Result<String, String> {
    if config.smtp_url.is_none() {
        return Ok(format!("PORTICO_SMTP_URL is not set: mails are written to {}", config.data_dir.join("mail").display()));
    }
    let site = Site { base_url: String::new(), gateway_url: String::new(), origins: Vec::new() };
    // What is wrong with them is told where they are looked at.
    let authorities = tls::authorities(config.ca_file.as_deref()).unwrap_or_default();
    let mailer = Mailer::new(mail_settings(config, &site, None, &authorities)).map_err(|error| error.to_string())?;
    let said = mailer.check().await.map_err(|wrong| format!("{wrong}: check PORTICO_SMTP_URL"))?;
    Ok(format!("{said}; from {}", config.mail_from))
}

/// Whether people and programs can open the addresses, and whether every process that serves was given the same.
async fn addresses(config: &Config, db: Option<&DatabaseConnection>) -> (Result<String, String>, Result<String, String>) {
    let secure = match Secure::load(config, Vec::new()) {
        Ok(secure) => secure,
        Err(error) => return (Err(error.to_string()), Err("unknown while the gateway's TLS is wrong".to_owned())),
    };
    let addresses = Addresses::expected(config, Role::All, &secure);
    let Process { base_url, portal_url, gateway_url, .. } = &addresses.process;
    let said = format!("portal {base_url}, its pages {portal_url}, gateway {gateway_url}");
    let said = none_or(addresses.unusable(), || said);
    let others = match db {
        // A database without tables has none.
        Some(db) => processes::alive(db, &Env::system()).await.unwrap_or_default(),
        None => Vec::new(),
    };
    let serving = || match others.len() {
        0 => "none serves now".to_owned(),
        1 => "one serves, with the same addresses".to_owned(),
        several => format!("{several} serve, with the same addresses"),
    };
    (said, none_or(addresses.differences(&others), serving))
}

fn none_or(wrong: Vec<String>, said: impl FnOnce() -> String) -> Result<String, String> {
    if wrong.is_empty() { Ok(said()) } else { Err(wrong.join("; ")) }
}

fn gateway_tls(config: &Config) -> Result<String, String> {
    let secure = Secure::load(config, Vec::new()).map_err(|error| error.to_string())?;
    Ok(if secure.served.is_some() { "from PORTICO_GATEWAY_TLS_CERT" } else { "none: plain text" }.to_owned())
}

fn staff_sign_in(config: &Config) -> Result<String, String> {
    match staff_sso(config).map_err(|error| error.to_string())? {
        Some(sso) => Ok(format!("by {}", sso.issuer)),
        None => Ok("by mail".to_owned()),
    }
}

/// Free, or ours already.
async fn listener(addr: SocketAddr, setting: &'static str, (scheme, health): (&str, &str)) -> Result<String, String> {
    let source = match std::net::TcpListener::bind(addr) {
        Ok(_) => return Ok(format!("{addr} is free")),
        Err(source) => source,
    };
    // Whether anybody answers there, by whichever certificate.
    let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).danger_accept_invalid_certs(true).build();
    let answers = match http {
        Ok(http) => http.get(format!("{scheme}://{addr}{health}")).send().await.is_ok_and(|answer| answer.status().is_success()),
        Err(_) => false,
    };
    if answers { Ok(format!("{addr} is served already")) } else { Err(StartError::Listen { addr, setting, source }.to_string()) }
}
