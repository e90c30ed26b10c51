//! Certificates that callers show: read, judged before they are registered, and compared by their thumbprint.

use chrono::{DateTime, Utc};
use x509_parser::{certificate::X509Certificate, pem::Pem, prelude::FromDer, public_key::PublicKey, time::ASN1Time};

use crate::{Problem, ProblemCode, keyring::sha256};

/// Bytes of what is given as PEM.
const MAX_PEM: usize = 16 << 10;
/// Bits.
const SHORTEST_RSA: usize = 2_048;

/// What of a certificate decisions need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-256 of its DER, as in `x5t#S256` (RFC 8705 section 3.1).
    pub thumbprint: [u8; 32],
    pub not_before: DateTime<Utc>,
    pub not_after: DateTime<Utc>,
}

/// A certificate that a caller has proven to hold the key of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    pub certificate: Certificate,
    /// Issued by the client authority of the settings, or there is none.
    pub trusted: bool,
}

impl Certificate {
    /// `None`: the bytes are no certificate.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let (rest, read) = X509Certificate::from_der(der).ok()?;
        rest.is_empty().then(|| Self::of(der, &read)).flatten()
    }

    fn of(der: &[u8], read: &X509Certificate<'_>) -> Option<Self> {
        let at = |time: ASN1Time| DateTime::from_timestamp(time.timestamp(), 0);
        let (not_before, not_after) = (at(read.validity.not_before)?, at(read.validity.not_after)?);
        Some(Self { thumbprint: sha256(der), not_before, not_after })
    }

    /// One that a partner registers: alone, without its key, of a key that is strong enough, and in force for a while yet.
    pub fn registered(path: &str, pem: &str, now: DateTime<Utc>) -> Result<Self, Problem> {
        let invalid = |say: &str| Problem::new(ProblemCode::Invalid, path, say);
        if pem.len() > MAX_PEM {
            return Err(Problem::new(ProblemCode::TooLong, path, format!("must have at most {MAX_PEM} bytes")));
        }
        if pem.contains("PRIVATE KEY") {
            return Err(invalid("holds a private key: keep it to yourself, it may be known now; give the certificate alone"));
        }
        let blocks = Pem::iter_from_buffer(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
        let blocks = blocks.map_err(|_| invalid("must be a certificate as PEM: -----BEGIN CERTIFICATE----- …"))?;
        let [block] = blocks.as_slice() else {
            return Err(invalid(match blocks.len() {
                0 => "must be a certificate as PEM: -----BEGIN CERTIFICATE----- …",
                _ => "must be one certificate: leave out those of its authorities",
            }));
        };
        if block.label != "CERTIFICATE" {
            return Err(invalid("must be a certificate as PEM: -----BEGIN CERTIFICATE----- …"));
        }
        let unreadable = || invalid("cannot be read as an X.509 certificate");
        let (rest, read) = X509Certificate::from_der(&block.contents).map_err(|_| unreadable())?;
        if !rest.is_empty() {
            return Err(unreadable());
        }
        let is_authority = read.basic_constraints().ok().flatten().is_some_and(|basic| basic.value.ca);
        if is_authority && read.subject().as_raw() != read.issuer().as_raw() {
            return Err(invalid("is an authority's certificate: give the one that the caller shows"));
        }
        weak_key(&read).map_or(Ok(()), |say| Err(invalid(say)))?;
        let certificate = Self::of(&block.contents, &read).ok_or_else(unreadable)?;
        if certificate.not_after <= now {
            return Err(invalid(&format!("ended on {}: give one that is in force", certificate.not_after.format("%Y-%m-%d"))));
        }
        Ok(certificate)
    }

    /// Whether it is in force at a moment.
    pub fn is_in_force(&self, now: DateTime<Utc>) -> bool {
        self.not_before <= now && now < self.not_after
    }

    /// The thumbprint as people compare it: in hexadecimal.
    pub fn shown(&self) -> String {
        self.thumbprint.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn weak_key(read: &X509Certificate<'_>) -> Option<&'static str> {
    match read.public_key().parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() < SHORTEST_RSA => Some("has an RSA key of less than 2048 bits"),
        Ok(PublicKey::RSA(_) | PublicKey::EC(_)) => None,
        // Ed25519 (RFC 8410), which the parser knows by its name alone.
        Ok(PublicKey::Unknown(_)) if read.public_key().algorithm.algorithm.to_id_string() == "1.3.101.112" => None,
        Ok(_) | Err(_) => Some("has a key of a kind that is not taken: use RSA, P-256, P-384 or Ed25519"),
    }
}

#[cfg(test)]
mod tests;
