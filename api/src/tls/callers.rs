//! Certificates of callers. The handshake proves that a caller holds its certificate's key; whose it is, and whether that lets a
//! call in, is decided call by call.

use std::sync::Arc;

use domain::rules::certificate::{Certificate, Shown};
use tokio_rustls::rustls::{
    self, DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{self, WebPkiSupportedAlgorithms},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::provider;

/// Who issues the certificates that are believed; none: those that are registered are, whoever has issued them.
#[derive(Debug, Clone, Default)]
pub struct Authority(Option<Arc<dyn ClientCertVerifier>>);

impl Authority {
    /// By the authorities' own certificates; empty: none.
    pub fn new(roots: &[CertificateDer<'static>]) -> Result<Self, rustls::Error> {
        if roots.is_empty() {
            return Ok(Self(None));
        }
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root.clone())?;
        }
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider()).build();
        Ok(Self(Some(verifier.map_err(|error| rustls::Error::General(error.to_string()))?)))
    }

    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// A certificate whose key the caller has proven to hold, with those that lead to its authority.
    pub fn judge(&self, shown: &[CertificateDer<'_>]) -> Option<Shown> {
        let (own, between) = shown.split_first()?;
        let certificate = Certificate::of_der(own)?;
        let trusted = self.0.as_ref().is_none_or(|verifier| verifier.verify_client_cert(own, between, UnixTime::now()).is_ok());
        Some(Shown { certificate, trusted })
    }
}

/// Asks every caller for a certificate and takes any, or none.
#[derive(Debug)]
pub(super) struct Anybody {
    algorithms: WebPkiSupportedAlgorithms,
    authority: Authority,
}

impl Anybody {
    pub fn new(authority: Authority) -> Self {
        Self { algorithms: provider().signature_verification_algorithms, authority }
    }
}

impl ClientCertVerifier for Anybody {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authority.0.as_ref().map_or(&[], |verifier| verifier.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
