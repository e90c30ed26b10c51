//! The keys that our own tokens are signed with: ES256, named by their thumbprint.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use secrecy::{ExposeSecret, SecretSlice};
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Algorithm, Typ,
    public_key::{Material, PublicKey},
};

/// Characters of a signature of 64 bytes.
const SIGNATURE: usize = 86;

pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    /// Encoded, each with its dot; in the order of [`Typ::ALL`].
    headers: [Box<str>; 3],
}

/// A stored key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSigningKey {
    #[error("the signing key is not a private key of P-256 in PKCS#8")]
    Unreadable,
    #[error("the signing key is not the one that its kid names")]
    OtherKid,
}

#[derive(Debug, thiserror::Error)]
pub enum CannotSign {
    #[error("a token's payload cannot be written as JSON")]
    Payload(#[from] serde_json::Error),
    #[error("the system gives no randomness, which a signature needs")]
    Randomness,
}

impl SigningKey {
    /// A new key, and its PKCS#8 to be kept sealed. ring takes randomness from the system only.
    pub fn generate() -> Result<(Self, SecretSlice<u8>), CannotSign> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let pkcs8: SecretSlice<u8> = pkcs8.map_err(|_| CannotSign::Randomness)?.as_ref().to_vec().into();
        let key = Self::read(pkcs8.expose_secret()).map_err(|_| CannotSign::Randomness)?;
        Ok((key, pkcs8))
    }

    /// A key that was kept, with the name that it was kept under.
    pub fn from_pkcs8(kid: &str, pkcs8: &[u8]) -> Result<Self, BadSigningKey> {
        let key = Self::read(pkcs8)?;
        if key.kid() == kid { Ok(key) } else { Err(BadSigningKey::OtherKid) }
    }

    fn read(pkcs8: &[u8]) -> Result<Self, BadSigningKey> {
        let unreadable = || BadSigningKey::Unreadable;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).map_err(|_| unreadable())?;
        let point = pair.public_key().as_ref().try_into().map_err(|_| unreadable())?;
        let public = PublicKey::named_by_thumbprint(&[Algorithm::Es256], Material::P256(Box::new(point)));
        let header = |typ: Typ| {
            let header = json!({ "alg": Algorithm::Es256.name(), "typ": typ.name(), "kid": public.name() });
            format!("{}.", BASE64.encode(header.to_string())).into()
        };
        let headers = Typ::ALL.map(header);
        Ok(Self { pair, public, headers })
    }

    /// The key's thumbprint (RFC 7638).
    pub fn kid(&self) -> &str {
        self.public.name()
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub fn public_jwk(&self) -> Value {
        self.public.to_json()
    }

    /// A token in the compact serialisation.
    pub fn sign(&self, typ: Typ, payload: &impl Serialize) -> Result<String, CannotSign> {
        let [jwt, access_token, client_authentication] = &self.headers;
        let header = match typ {
            Typ::Jwt => jwt,
            Typ::AccessToken => access_token,
            Typ::ClientAuthentication => client_authentication,
        };
        let payload = serde_json::to_vec(payload)?;
        let mut token = String::with_capacity(header.len() + payload.len().div_ceil(3) * 4 + 1 + SIGNATURE);
        token.push_str(header);
        BASE64.encode_string(payload, &mut token);
        let signature = self.pair.sign(&SystemRandom::new(), token.as_bytes()).map_err(|_| CannotSign::Randomness)?;
        token.push('.');
        BASE64.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}
