//! Why the program did not start: one line each, that says what to do.

use std::{error::Error, io, net::SocketAddr, path::PathBuf};

use domain::DomainError;
use jobs::mail::MailSettingError;
use sea_orm::{DbErr, RuntimeErr};

use crate::{config::ConfigError, tls::BadFile};

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the data directory {path} cannot be written ({source}): make it writable or set PORTICO_DATA_DIR")]
    DataDir { path: PathBuf, source: io::Error },
    #[error("the key file {path} can be read by others: run chmod 600 {path}")]
    KeyFileOpen { path: PathBuf },
    #[error("the key file {path} cannot be read ({source}): make it readable by whom portico runs as, or set PORTICO_SECRET_KEY")]
    KeyFile { path: PathBuf, source: io::Error },
    #[error("the key file {path} holds {reason}: put the key back that it held, or set PORTICO_SECRET_KEY")]
    KeyFileContent { path: PathBuf, reason: String },
    #[error("PORTICO_SECRET_KEY is {0}: give keys of 32 random characters or more")]
    SecretKey(String),
    #[error("PORTICO_SECRET_KEY must be given with PostgreSQL: every process needs the same one (openssl rand -base64 32)")]
    SecretKeyMissing,
    #[error("{given} is another key than this database was set up with: give the key of before, or \"new,old\" to replace it")]
    OtherKey { given: String },
    #[error("the database cannot be reached ({}): start it or set PORTICO_DATABASE_URL", reason(.0))]
    Database(DbErr),
    #[error("the database cannot be brought up to date: {}", reason(.0))]
    Migration(DbErr),
    #[error("cannot listen on {addr} ({source}): stop what uses it or set {setting}")]
    Listen { addr: SocketAddr, setting: &'static str, source: io::Error },
    #[error(transparent)]
    Tls(#[from] BadFile),
    #[error("{given} is set and {missing} is not: TLS needs both")]
    HalfOfTls { given: &'static str, missing: &'static str },
    #[error("PORTICO_CLIENT_CERT_HEADER is set and PORTICO_TRUSTED_PROXIES is not: name the proxies that send it")]
    CertificateOfNobody,
    #[error("{given} is set and {missing} is not: single sign-on of staff needs both")]
    HalfOfStaffSso { given: &'static str, missing: &'static str },
    #[error("{0}: set PORTICO_SMTP_URL or PORTICO_MAIL_FROM right")]
    Mail(#[from] MailSettingError),
    #[error("{}", with_source(.0))]
    Domain(#[from] DomainError),
    #[error("no copy was made: {0}")]
    Backup(String),
    #[error("the output cannot be written ({0}): make room, or give it a reader")]
    Output(io::Error),
    #[error("{0}")]
    Other(#[from] io::Error),
}

/// The database's own words, on one line, without the connection's address and password.
pub fn reason(error: &DbErr) -> String {
    let text = match error {
        DbErr::Conn(RuntimeErr::SqlxError(source))
        | DbErr::Exec(RuntimeErr::SqlxError(source))
        | DbErr::Query(RuntimeErr::SqlxError(source)) => source.to_string(),
        DbErr::ConnectionAcquire(_) => "it does not answer".to_owned(),
        other => other.to_string(),
    };
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

fn with_source(error: &DomainError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", source.to_string().lines().next().unwrap_or_default()),
        None => error.to_string(),
    }
}
