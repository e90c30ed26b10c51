//! The instance's secret keys: what seals stored secrets and what mailed tokens are derived from.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chacha20poly1305::{AeadInPlace, KeyInit, XChaCha20Poly1305, XNonce};
use entities::id::TypedId;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::env::Env;

/// Shorter keys are refused: 32 characters.
pub const MIN_KEY_LENGTH: usize = 32;

const NONCE: usize = 24;

/// One or more keys. The first seals and signs, all of them open and verify, so that a key can be replaced without a gap.
pub struct Keyring(Vec<SecretString>);

/// What a derived key is for: nothing made for one purpose is accepted for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    UpstreamHeader,
    MagicLink,
    Invitation,
    IdempotentSecret,
    CredentialSecret,
    SigningKey,
    Explorer,
    Cursor,
    AuditChain,
    SingleSignOn,
    SsoAttempt,
    SecondFactor,
    Via,
}

impl Purpose {
    fn label(self) -> &'static str {
        match self {
            Self::UpstreamHeader => "upstream-header",
            Self::MagicLink => "magic-link",
            Self::Invitation => "invitation",
            Self::IdempotentSecret => "idempotent-secret",
            Self::CredentialSecret => "credential-secret",
            Self::SigningKey => "signing-key",
            Self::Explorer => "explorer",
            Self::Cursor => "cursor",
            Self::AuditChain => "audit-chain",
            Self::SingleSignOn => "single-sign-on",
            Self::SsoAttempt => "sso-attempt",
            Self::SecondFactor => "second-factor",
            Self::Via => "via",
        }
    }
}

/// The sealed text was not made by one of these keys for this purpose, or was changed.
#[derive(Debug, thiserror::Error)]
#[error("a stored secret cannot be opened with the keys given")]
pub struct CannotOpen;

impl Keyring {
    /// From a comma list; each key has [`MIN_KEY_LENGTH`] characters at least.
    pub fn parse(list: &SecretString) -> Result<Self, String> {
        let keys: Vec<_> = list.expose_secret().split(',').map(str::trim).collect();
        if let Some(short) = keys.iter().find(|key| key.len() < MIN_KEY_LENGTH) {
            return Err(format!("a key of {} characters; at least {MIN_KEY_LENGTH} are needed", short.len()));
        }
        Ok(Self(keys.into_iter().map(SecretString::from).collect()))
    }

    /// Tells one set of keys from another without telling the keys: of the last one, which stays longest in a rotation.
    pub fn fingerprints(&self) -> Vec<String> {
        self.0.iter().map(|key| BASE64.encode(&derive(key, "fingerprint", &[])[..12])).collect()
    }

    pub fn seal(&self, env: &Env, purpose: Purpose, plain: &str) -> String {
        let nonce: [u8; NONCE] = env.random();
        let mut body = plain.as_bytes().to_vec();
        let cipher = XChaCha20Poly1305::new(&derive(&self.0[0], purpose.label(), b"seal").into());
        // Fails only for messages beyond 256 GiB.
        if cipher.encrypt_in_place(XNonce::from_slice(&nonce), b"", &mut body).is_err() {
            body.clear();
        }
        BASE64.encode([&nonce[..], &body].concat())
    }

    pub fn open(&self, purpose: Purpose, sealed: &str) -> Result<SecretString, CannotOpen> {
        let bytes = BASE64.decode(sealed).map_err(|_| CannotOpen)?;
        let (nonce, body) = bytes.split_at_checked(NONCE).ok_or(CannotOpen)?;
        self.0
            .iter()
            .find_map(|key| {
                let mut plain = body.to_vec();
                let cipher = XChaCha20Poly1305::new(&derive(key, purpose.label(), b"seal").into());
                cipher.decrypt_in_place(XNonce::from_slice(nonce), b"", &mut plain).ok()?;
                String::from_utf8(plain).ok()
            })
            .map(SecretString::from)
            .ok_or(CannotOpen)
    }

    /// 32 bytes that only this instance can make from `message`.
    pub fn derive(&self, purpose: Purpose, message: &[u8]) -> [u8; 32] {
        derive(&self.0[0], purpose.label(), message)
    }

    /// The token of a mailed link: the same each time it is asked for, so that a job that runs twice mails one link.
    pub fn link_token<T: TypedId>(&self, purpose: Purpose, id: T, generation: i32) -> SecretString {
        token(&self.0[0], purpose, id.uuid(), generation).into()
    }

    /// The id that a token claims. Nothing is proven until [`Self::verify_link_token`] agrees.
    pub fn link_token_id<T: TypedId>(&self, token: &str) -> Option<T> {
        let bytes = BASE64.decode(token).ok()?;
        Some(T::from_uuid(Uuid::from_slice(bytes.get(..16)?).ok()?))
    }

    /// Whether `token` was made by us for this id and generation; constant time.
    pub fn verify_link_token<T: TypedId>(&self, purpose: Purpose, id: T, generation: i32, given: &str) -> bool {
        self.0.iter().any(|key| token(key, purpose, id.uuid(), generation).as_bytes().ct_eq(given.as_bytes()).into())
    }
}

fn token(key: &SecretString, purpose: Purpose, id: Uuid, generation: i32) -> String {
    let mac = derive(key, purpose.label(), &[id.as_bytes(), &generation.to_be_bytes()[..]].concat());
    BASE64.encode([id.as_bytes(), &mac[..]].concat())
}

fn derive(key: &SecretString, label: &str, message: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key.expose_secret().as_bytes()).expect("any key length");
    mac.update(label.as_bytes());
    mac.update(&[0]);
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// SHA-256: what tokens and keys of 256 random bits are stored as.
pub fn sha256(bytes: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use entities::id::{InvitationId, MagicLinkId};

    use super::*;

    fn keys(list: &str) -> Keyring {
        Keyring::parse(&list.to_owned().into()).unwrap_or_else(|e| panic!("{e}"))
    }

    const OLD: &str = "an-old-key-of-thirty-two-letters";
    const NEW: &str = "a-new-key-of-thirty-two-letters!";

    #[test]
    fn what_was_sealed_opens_with_the_same_key_purpose_and_text_only() {
        let (env, ring) = (Env::system(), keys(OLD));
        let sealed = ring.seal(&env, Purpose::UpstreamHeader, "Bearer x");
        let opened = |ring: &Keyring, purpose, text: &str| ring.open(purpose, text).ok().map(|s| s.expose_secret().to_owned());
        assert_eq!(opened(&ring, Purpose::UpstreamHeader, &sealed).as_deref(), Some("Bearer x"));
        assert_eq!(opened(&keys(&format!("{NEW},{OLD}")), Purpose::UpstreamHeader, &sealed).as_deref(), Some("Bearer x"));
        assert_eq!(opened(&keys(NEW), Purpose::UpstreamHeader, &sealed), None);
        assert_eq!(opened(&ring, Purpose::Cursor, &sealed), None);
        assert_eq!(opened(&ring, Purpose::UpstreamHeader, &sealed[1..]), None);
    }

    #[test]
    fn a_link_token_is_stable_and_holds_for_its_id_purpose_and_generation_only() {
        let (env, ring) = (Env::system(), keys(OLD));
        let id: InvitationId = env.id();
        let token = ring.link_token(Purpose::Invitation, id, 1);
        let token = token.expose_secret();
        assert_eq!(ring.link_token(Purpose::Invitation, id, 1).expose_secret(), token);
        assert_eq!(ring.link_token_id::<InvitationId>(token), Some(id));
        assert!(ring.verify_link_token(Purpose::Invitation, id, 1, token));
        assert!(!ring.verify_link_token(Purpose::Invitation, id, 2, token));
        assert!(!ring.verify_link_token(Purpose::MagicLink, id, 1, token));
        assert!(!ring.verify_link_token(Purpose::Invitation, env.id::<MagicLinkId>(), 1, token));
        assert!(!ring.verify_link_token(Purpose::Invitation, id, 1, &token[1..]));
    }
}
