//! The settings: from the environment (`PORTICO_…`), else `portico.toml`, else defaults that need nothing installed.

use std::{net::SocketAddr, path::PathBuf};

use secrecy::SecretString;
use url::Url;

/// What a process runs with.
#[derive(Debug, Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    /// `None`: `portico.db` in the data directory.
    pub database_url: Option<SecretString>,
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
    /// Made OWNER on start.
    pub admin_email: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("data"),
            database_url: None,
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
            admin_email: None,
        }
    }
}
