//! How the gateway's listener is secured, by the settings.

use std::net::SocketAddr;

use domain::oauth::Certificates;
use tokio_rustls::rustls::pki_types::CertificateDer;

use super::{StartError, url};
use crate::{
    config::Config,
    tls::{Authority, Files, Served},
};

pub struct Secure {
    /// `None`: plain text.
    pub served: Option<Served>,
    pub authority: Authority,
    /// A proxy in front says which certificates callers have shown.
    told: bool,
    /// Who is believed besides the public authorities, by those who call out.
    pub authorities: Vec<CertificateDer<'static>>,
}

impl Secure {
    pub fn load(config: &Config, authorities: Vec<CertificateDer<'static>>) -> Result<Self, StartError> {
        const CERT: &str = "PORTICO_GATEWAY_TLS_CERT";
        const KEY: &str = "PORTICO_GATEWAY_TLS_KEY";
        let served = match (&config.gateway_tls_cert, &config.gateway_tls_key) {
            (Some(certificate), Some(key)) => Some(Served::new(Files { certificate: certificate.clone(), key: key.clone() })?),
            (Some(_), None) => return Err(StartError::HalfOfTls { given: CERT, missing: KEY }),
            (None, Some(_)) => return Err(StartError::HalfOfTls { given: KEY, missing: CERT }),
            (None, None) => None,
        };
        let told = config.client_cert_header.is_some();
        if told && config.trusted_proxies.is_empty() {
            return Err(StartError::CertificateOfNobody);
        }
        let authority = config.gateway_tls_client_ca.as_deref().map(Authority::from_file).transpose()?.unwrap_or_default();
        Ok(Self { served, authority, told, authorities })
    }

    pub fn scheme(&self) -> &'static str {
        if self.served.is_some() { "https" } else { "http" }
    }

    /// Where callers reach the gateway.
    pub fn gateway_url(&self, config: &Config, listener: SocketAddr) -> String {
        match &config.gateway_url {
            Some(given) => url(Some(given), listener),
            None => format!("{}://{listener}", self.scheme()),
        }
    }

    /// How clients may authenticate by certificates; `None`: the gateway sees none.
    pub fn certificates(&self) -> Option<Certificates> {
        let kind = if self.authority.is_some() { Certificates::OfAuthority } else { Certificates::Registered };
        (self.served.is_some() || self.told).then_some(kind)
    }
}
