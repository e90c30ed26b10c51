//! Who may send reports: a scanner signs each with a P-256 key, of which the public half is known here.

use std::{collections::BTreeMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;

use crate::rules::jose::{POINT, on_p256};

/// What stands before the point in a P-256 key as X.509 writes it (RFC 5480 section 2).
const BEFORE_THE_POINT: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A scanner's public keys, by their identifiers: as `GET https://api.github.com/meta/public_keys/secret_scanning` answers.
#[derive(Clone, PartialEq, Eq)]
pub struct ScannerKeys(BTreeMap<String, [u8; POINT]>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    #[error("a report is signed: send the headers Github-Public-Key-Identifier and Github-Public-Key-Signature")]
    NotSigned,
    #[error("no key has this identifier: the portal's operator has to update PORTICO_LEAK_KEYS")]
    UnknownKey,
    #[error("the signature must be ECDSA in ASN.1 DER, in base64")]
    Malformed,
    #[error("the signature does not fit: sign the body's bytes as they are sent, with SHA-256")]
    Wrong,
}

#[derive(Deserialize)]
struct Listed {
    public_keys: Vec<Key>,
}

/// Keys that are not current are taken, too: what they signed may be on its way.
#[derive(Deserialize)]
struct Key {
    key_identifier: String,
    key: String,
}

impl ScannerKeys {
    /// `None` where it is no list of P-256 keys in PEM with an identifier each, or an empty one.
    pub fn parse(json: &str) -> Option<Self> {
        let listed: Listed = serde_json::from_str(json).ok()?;
        let count = listed.public_keys.len();
        let keys = listed.public_keys.into_iter().map(|key| {
            let fits = !key.key_identifier.is_empty();
            Some((key.key_identifier, point(&key.key).filter(|_| fits)?))
        });
        let keys: BTreeMap<_, _> = keys.collect::<Option<_>>()?;
        (count > 0 && keys.len() == count).then_some(Self(keys))
    }

    /// Whether a scanner sent these bytes.
    pub fn verify(&self, identifier: Option<&str>, signature: Option<&str>, body: &[u8]) -> Result<(), Unsigned> {
        let (identifier, signature) = identifier.zip(signature).ok_or(Unsigned::NotSigned)?;
        let point = self.0.get(identifier).ok_or(Unsigned::UnknownKey)?;
        let signature = BASE64.decode(signature).map_err(|_| Unsigned::Malformed)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(body, &signature).map_err(|_| Unsigned::Wrong)
    }
}

/// By their identifiers alone.
impl fmt::Debug for ScannerKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn point(pem: &str) -> Option<[u8; POINT]> {
    let inner = pem.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?.strip_suffix("-----END PUBLIC KEY-----")?;
    let der = BASE64.decode(inner.split_whitespace().collect::<String>()).ok()?;
    let point = der.strip_prefix(&BEFORE_THE_POINT)?.try_into().ok()?;
    on_p256(&point).then_some(point)
}
