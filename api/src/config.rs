//! The settings: from the environment (`PORTICO_…`), else `portico.toml`, else defaults that need nothing installed.

mod read;
mod table;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use domain::rules::leak::ScannerKeys;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::listen::Limits;

pub use read::{ConfigError, FILE};
pub use table::is_everywhere;

/// What a process runs with.
#[derive(Debug, Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    /// `None`: `portico.db` in the data directory.
    pub database_url: Option<SecretString>,
    /// How long one waits for a connection to it, before the answer is 503. No setting: only tests, on busy machines, wait longer.
    pub database_wait: Duration,
    pub listen: SocketAddr,
    pub gateway_listen: SocketAddr,
    /// `None`: the listener's own address.
    pub base_url: Option<Url>,
    pub gateway_url: Option<Url>,
    /// `None`: made on first start in the data directory.
    pub secret_key: Option<SecretString>,
    pub smtp_url: Option<SecretString>,
    pub mail_from: String,
    /// Where the links in mails lead; `None`: the base URL.
    pub portal_url: Option<Url>,
    /// Browsers' origins that may use the API and be returned to.
    pub allowed_origins: Vec<String>,
    pub graphiql: bool,
    pub introspection: bool,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    /// The one header in which a trusted proxy says which certificate a caller has shown; `None`: none is believed.
    pub client_cert_header: Option<http::HeaderName>,
    /// Requests that are taken within a minute from one source that nobody is signed in at; 0: any number.
    pub stranger_requests: u32,
    /// Connections of one source that are open on a listener; 0: any number.
    pub source_connections: u32,
    /// How long callers' connections are kept open between two requests, on both listeners.
    pub keep_alive: Duration,
    /// Whether what people outside name may be this machine, a private network or plain http.
    pub outgoing_private: bool,
    /// Who is asked for the records of mail domains; none: the system's.
    pub dns_servers: Vec<SocketAddr>,
    pub staff_sso: StaffSsoSettings,
    /// The gateway serves TLS by these: the certificate with what leads to its authority, and its key.
    pub gateway_tls_cert: Option<PathBuf>,
    pub gateway_tls_key: Option<PathBuf>,
    /// Whose certificates callers have to show where a profile asks for one; `None`: those that are registered.
    pub gateway_tls_client_ca: Option<PathBuf>,
    /// Certificate authorities that are believed besides the public ones by all that calls out: a file, or `system`.
    pub ca_file: Option<PathBuf>,
    /// Who may report leaked keys; `None`: nobody.
    pub leak_keys: Option<ScannerKeys>,
    /// Where counters are read, by whoever reaches it; `None`: there is no such listener.
    pub metrics_listen: Option<SocketAddr>,
    /// By which they are read on the API listener; `None`: they are not.
    pub metrics_token: Option<SecretString>,
    /// Made OWNER on start.
    pub admin_email: Option<String>,
    /// A level, or directives such as `info,api=debug`.
    pub log: String,
    pub log_format: LogFormat,
}

/// The staff's own identity provider, as far as it was set.
#[derive(Debug, Clone, Default)]
pub struct StaffSsoSettings {
    /// As its tokens spell it.
    pub issuer: Option<String>,
    pub client_id: Option<String>,
    /// `None`: a public client.
    pub client_secret: Option<SecretString>,
    /// Whose staff sign in by it.
    pub domains: Vec<String>,
    /// Whether staff there have no other way in.
    pub enforced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            database_url: None,
            database_wait: Duration::from_secs(2),
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            gateway_listen: SocketAddr::from(([127, 0, 0, 1], 8081)),
            base_url: None,
            gateway_url: None,
            secret_key: None,
            smtp_url: None,
            mail_from: "portico@localhost".to_owned(),
            portal_url: None,
            allowed_origins: Vec::new(),
            graphiql: true,
            introspection: true,
            trusted_proxies: Vec::new(),
            client_cert_header: None,
            stranger_requests: 1_200,
            source_connections: 1_000,
            keep_alive: Limits::default().idle,
            outgoing_private: false,
            dns_servers: Vec::new(),
            staff_sso: StaffSsoSettings::default(),
            gateway_tls_cert: None,
            gateway_tls_key: None,
            gateway_tls_client_ca: None,
            ca_file: None,
            leak_keys: None,
            metrics_listen: None,
            metrics_token: None,
            admin_email: None,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

impl Config {
    /// What the process was started with: its environment, and [`FILE`] where it was started.
    pub fn load() -> Result<Self, ConfigError> {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        read::load(environment, names, read::file()?.as_deref())
    }

    /// The log's format where another setting may be wrong: text unless it can be read and says JSON.
    pub fn log_format_alone() -> LogFormat {
        read::log_format(environment, read::file().ok().flatten().as_deref())
    }

    pub fn uses_postgres(&self) -> bool {
        self.database_url.as_ref().is_some_and(|url| url.expose_secret().starts_with("postgres"))
    }
}

#[cfg(test)]
mod tests;
