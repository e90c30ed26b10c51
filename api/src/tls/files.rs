//! The files that TLS is served by: read when the process starts, and again when they change, so that a renewed certificate needs
//! no restart.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::rustls::{
    self, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    callers::{Anybody, Authority},
    provider,
};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(30);

/// A file that TLS cannot be served by.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    #[error("{setting}: {path} cannot be read: {source}", path = path.display())]
    Unreadable { setting: &'static str, path: PathBuf, source: io::Error },
    #[error("{setting}: {path} has no {what} in PEM", path = path.display())]
    Nothing { setting: &'static str, path: PathBuf, what: &'static str },
    #[error("{setting}: {path} cannot be used: {why}", path = path.display())]
    Unusable { setting: &'static str, path: PathBuf, why: rustls::Error },
}

const CERTIFICATE: &str = "PORTICO_GATEWAY_TLS_CERT";
const KEY: &str = "PORTICO_GATEWAY_TLS_KEY";
const CLIENT_CA: &str = "PORTICO_GATEWAY_TLS_CLIENT_CA";

/// Where certificate and key are.
#[derive(Debug, Clone)]
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// What is served now. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Served {
    files: Files,
    now: Arc<ArcSwap<CertifiedKey>>,
}

impl Authority {
    /// From a file of certificates.
    pub fn from_file(path: &Path) -> Result<Self, BadFile> {
        let roots = certificates(CLIENT_CA, path)?;
        let unusable = |why| BadFile::Unusable { setting: CLIENT_CA, path: path.to_owned(), why };
        Self::new(&roots).map_err(unusable)
    }
}

impl Served {
    pub fn new(files: Files) -> Result<Self, BadFile> {
        let now = Arc::new(ArcSwap::from_pointee(read(&files)?));
        Ok(Self { files, now })
    }

    /// Whether this is the certificate that callers are shown.
    pub fn shows(&self, certificate: &CertificateDer<'_>) -> bool {
        self.now.load().cert.first() == Some(certificate)
    }

    /// For HTTP/2 and HTTP/1.1.
    pub fn config(&self, authority: &Authority) -> Result<ServerConfig, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(Anybody::new(authority.clone())))
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// Takes what has become of the files, for as long as it is run. What cannot be used leaves what is served as it is.
    pub async fn keep(&self) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        loop {
            looks.tick().await;
            match read(&self.files) {
                Ok(found) => {
                    failed = false;
                    if found.cert != self.now.load().cert {
                        tracing::info!("the gateway serves a new certificate");
                        self.now.store(Arc::new(found));
                    }
                }
                // Certificate and key are written one after the other: the next look sees both.
                Err(error) if !failed => {
                    failed = true;
                    tracing::warn!(%error, "the gateway goes on with the certificate that it had");
                }
                Err(_) => {}
            }
        }
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now.load_full())
    }
}

fn read(files: &Files) -> Result<CertifiedKey, BadFile> {
    let chain = certificates(CERTIFICATE, &files.certificate)?;
    let pem = bytes(KEY, &files.key)?;
    let nothing = |_| BadFile::Nothing { setting: KEY, path: files.key.clone(), what: "private key" };
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(nothing)?;
    let unusable = |why| BadFile::Unusable { setting: KEY, path: files.key.clone(), why };
    CertifiedKey::from_der(chain, key, &provider()).map_err(unusable)
}

pub(super) fn certificates(setting: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let pem = bytes(setting, path)?;
    let found = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>().unwrap_or_default();
    if found.is_empty() { Err(BadFile::Nothing { setting, path: path.to_owned(), what: "certificate" }) } else { Ok(found) }
}

fn bytes(setting: &'static str, path: &Path) -> Result<Vec<u8>, BadFile> {
    fs::read(path).map_err(|source| BadFile::Unreadable { setting, path: path.to_owned(), source })
}
