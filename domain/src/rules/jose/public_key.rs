//! A public key that signatures are verified with. It says itself which algorithms it may be used for, so that no header can
//! choose another (RFC 8725 §3.1).

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Value, json};

use super::Algorithm;
use crate::keyring::sha256;

/// Bytes of an uncompressed point of P-256.
pub const POINT: usize = 65;

#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    kid: Option<Box<str>>,
    thumbprint: Box<str>,
    algorithms: &'static [Algorithm],
    material: Material,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Material {
    /// Both big-endian, without zero bytes in front.
    Rsa {
        n: Box<[u8]>,
        e: Box<[u8]>,
    },
    /// 4, x, y.
    P256(Box<[u8; POINT]>),
    Ed25519([u8; 32]),
}

impl PublicKey {
    pub(super) fn new(kid: Option<Box<str>>, algorithms: &'static [Algorithm], material: Material) -> Self {
        let thumbprint = BASE64.encode(sha256(material.canonical())).into();
        Self { kid, thumbprint, algorithms, material }
    }

    pub(super) fn named_by_thumbprint(algorithms: &'static [Algorithm], material: Material) -> Self {
        let key = Self::new(None, algorithms, material);
        Self { kid: Some(key.thumbprint.clone()), ..key }
    }

    /// What a token's `kid` must be to mean this key: the key's own `kid`, or its thumbprint where it has none.
    pub fn name(&self) -> &str {
        self.kid.as_deref().unwrap_or(&self.thumbprint)
    }

    pub(super) fn has_kid(&self) -> bool {
        self.kid.is_some()
    }

    /// SHA-256 in base64url (RFC 7638).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// One, or RS256 and PS256 for an RSA key that does not say which.
    pub fn algorithms(&self) -> &'static [Algorithm] {
        self.algorithms
    }

    /// Whether this key has signed these bytes in this way. Of each ECDSA signature (r, s) there is a twin (r, -s), and the
    /// standard takes both: a token's text is not an id of it, its `jti` is.
    pub fn verify(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.algorithms.contains(&algorithm) {
            return false;
        }
        match (&self.material, algorithm) {
            (Material::Rsa { n, e }, Algorithm::Rs256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Material::Rsa { n, e }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, signed, signature).is_ok()
            }
            (Material::P256(point), Algorithm::Es256) => holds(&ECDSA_P256_SHA256_FIXED, point.as_ref(), signed, signature),
            (Material::Ed25519(x), Algorithm::EdDsa) => holds(&ED25519, x, signed, signature),
            (Material::Rsa { .. } | Material::P256(_) | Material::Ed25519(_), _) => false,
        }
    }

    /// The key as a JWK that anyone may see.
    pub fn to_json(&self) -> Value {
        let mut jwk = self.material.members();
        if let Value::Object(members) = &mut jwk {
            members.extend(self.kid.as_deref().map(|kid| ("kid".to_owned(), kid.into())));
            members.insert("use".to_owned(), "sig".into());
            if let [only] = self.algorithms {
                members.insert("alg".to_owned(), only.name().into());
            }
        }
        jwk
    }
}

/// Without the key itself, which is long and says nothing.
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kid, thumbprint, algorithms, material: _ } = self;
        f.debug_struct("PublicKey")
            .field("kid", kid)
            .field("thumbprint", thumbprint)
            .field("algorithms", algorithms)
            .finish_non_exhaustive()
    }
}

impl Material {
    /// The members that make the key, by their names' order (RFC 7638 §3.2, RFC 8037 §2).
    fn members(&self) -> Value {
        match self {
            Self::Rsa { n, e } => json!({ "e": BASE64.encode(e), "kty": "RSA", "n": BASE64.encode(n) }),
            Self::P256(point) => {
                let (x, y) = point[1..].split_at(32);
                json!({ "crv": "P-256", "kty": "EC", "x": BASE64.encode(x), "y": BASE64.encode(y) })
            }
            Self::Ed25519(x) => json!({ "crv": "Ed25519", "kty": "OKP", "x": BASE64.encode(x) }),
        }
    }

    fn canonical(&self) -> String {
        self.members().to_string()
    }
}

fn holds(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
}
