//! What a credential is proven by: a secret that is made here and shown once, or what its owner gives: public keys, a certificate,
//! or the name that an outside issuer's tokens have for it.

use chrono::{DateTime, Utc};
use entities::{
    credential_secret,
    enums::{AuthMethod, Environment},
    id::{CredentialId, CredentialSecretId},
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Domain, DomainError, Problem, ProblemCode, Result, Tx,
    keyring::{Purpose, sha256},
    rules::{
        certificate::Certificate,
        credential::{Issued, RANDOM_BYTES, SecretKind, issue},
        jose::KeySet,
        outgoing, profile, text,
    },
};

/// What the owner gives for kinds that are proven by something of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Public keys as a JWKS.
    pub jwks: Option<Value>,
    /// Where they are published.
    pub jwks_url: Option<String>,
    pub certificate_pem: Option<String>,
    /// Whom an outside issuer's tokens name.
    pub subject: Option<String>,
}

impl Given {
    /// The fields that are there, by their names in inputs.
    fn fields(&self) -> impl Iterator<Item = &'static str> {
        let there = [
            ("jwks", self.jwks.is_some()),
            ("jwksUrl", self.jwks_url.is_some()),
            ("certificatePem", self.certificate_pem.is_some()),
            ("subject", self.subject.is_some()),
        ];
        there.into_iter().filter(|(_, is_there)| *is_there).map(|(field, _)| field)
    }
}

/// New proof for a credential.
#[derive(Debug)]
pub(crate) enum Proof {
    Secret(Issued),
    Keys(KeySet),
    KeysAt(String),
    Certificate(Certificate),
    Subject(String),
}

impl Proof {
    /// Made or taken for a credential of this kind. `random` is asked for where a secret is made.
    pub fn new(
        ctx: &Domain,
        kind: AuthMethod,
        environment: Environment,
        given: &Given,
        random: impl FnOnce() -> [u8; RANDOM_BYTES],
    ) -> Result<Self> {
        let takes: &[&str] = match kind {
            AuthMethod::Oauth2PrivateKeyJwt => &["jwks", "jwksUrl"],
            AuthMethod::Mtls => &["certificatePem"],
            AuthMethod::Oidc => &["subject"],
            _ => &[],
        };
        if let Some(field) = given.fields().find(|field| !takes.contains(field)) {
            let say = format!("does not go with {}", text::word(kind));
            return Err(DomainError::refused(ProblemCode::Invalid, field, say));
        }
        if let Some(secret) = SecretKind::of(kind) {
            return Ok(Self::Secret(issue(secret, environment, &random())));
        }
        match (kind, given) {
            (AuthMethod::Oauth2PrivateKeyJwt, Given { jwks: Some(jwks), jwks_url: None, .. }) => {
                KeySet::registered(jwks, "jwks").map(Self::Keys).map_err(DomainError::Refused)
            }
            (AuthMethod::Oauth2PrivateKeyJwt, Given { jwks: None, jwks_url: Some(url), .. }) => {
                Ok(Self::KeysAt(outgoing::url("jwksUrl", url, ctx.outgoing.reach())?.into()))
            }
            (AuthMethod::Oauth2PrivateKeyJwt, Given { jwks: Some(_), .. }) => {
                Err(Problem::new(ProblemCode::Invalid, "jwksUrl", "give the keys or where they are published, not both").into())
            }
            (AuthMethod::Oauth2PrivateKeyJwt, _) => Err(required(
                "jwks",
                "give the public keys that assertions are verified with, or jwksUrl: where they are published",
            )),
            (AuthMethod::Mtls, Given { certificate_pem: Some(pem), .. }) => {
                Ok(Self::Certificate(Certificate::registered("certificatePem", pem, ctx.now())?))
            }
            (AuthMethod::Mtls, _) => Err(required("certificatePem", "give the certificate that the caller shows")),
            (AuthMethod::Oidc, Given { subject: Some(subject), .. }) => Ok(Self::Subject(profile::named("subject", subject)?)),
            (AuthMethod::Oidc, _) => {
                Err(required("subject", "give what your tokens name you by: the claim azp, client_id or sub"))
            }
            _ => {
                let say = format!("a profile with {} takes no credentials", text::word(kind));
                Err(DomainError::refused(ProblemCode::Invalid, "profileId", say))
            }
        }
    }

    /// The part that people recognise it by; a key set's are the names of its keys.
    pub fn masked(&self) -> Option<String> {
        match self {
            Self::Secret(issued) => Some(issued.masked.clone()),
            Self::Keys(keys) => Some(keys.keys().iter().map(|key| key.name()).collect::<Vec<_>>().join(", ")),
            Self::KeysAt(url) => Some(url.clone()),
            Self::Certificate(certificate) => Some(certificate.shown()),
            Self::Subject(subject) => Some(subject.clone()),
        }
    }

    pub fn jwks_url(&self) -> Option<String> {
        match self {
            Self::KeysAt(url) => Some(url.clone()),
            Self::Secret(_) | Self::Keys(_) | Self::Certificate(_) | Self::Subject(_) => None,
        }
    }

    /// When a credential ends that is proven by this: with its certificate at the latest.
    pub fn ends(&self, asked: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        match self {
            Self::Certificate(certificate) => Some(asked.map_or(certificate.not_after, |at| at.min(certificate.not_after))),
            Self::Secret(_) | Self::Keys(_) | Self::KeysAt(_) | Self::Subject(_) => asked,
        }
    }

    /// What is shown this once.
    pub fn into_secret(self) -> Option<SecretString> {
        match self {
            Self::Secret(issued) => Some(issued.secret),
            Self::Keys(_) | Self::KeysAt(_) | Self::Certificate(_) | Self::Subject(_) => None,
        }
    }

    /// Writes what verifying needs, and the secret itself, sealed, where it is kept.
    pub async fn insert(&self, tx: &Tx<'_>, id: CredentialSecretId, credential: CredentialId) -> Result<()> {
        let blank = credential_secret::Model {
            id,
            credential_id: credential,
            lookup: None,
            hash: Vec::new(),
            sealed: None,
            jwks: None,
            jwks_url: None,
            valid_from: tx.now(),
            valid_until: None,
            end_when_silent_minutes: None,
            last_used_at: None,
            end_warned_at: None,
        };
        let ctx = tx.ctx();
        let row = match self {
            Self::Secret(issued) => credential_secret::Model {
                lookup: issued.lookup.clone(),
                hash: issued.hash.to_vec(),
                sealed: issued.kept.then(|| ctx.keys.seal(&ctx.env, Purpose::CredentialSecret, issued.secret.expose_secret())),
                ..blank
            },
            Self::Keys(keys) => {
                let jwks = keys.to_json();
                credential_secret::Model { hash: sha256(jwks.to_string()).to_vec(), jwks: Some(jwks), ..blank }
            }
            Self::KeysAt(url) => credential_secret::Model { hash: sha256(url).to_vec(), jwks_url: Some(url.clone()), ..blank },
            Self::Certificate(certificate) => credential_secret::Model { hash: certificate.thumbprint.to_vec(), ..blank },
            Self::Subject(subject) => credential_secret::Model { hash: sha256(subject).to_vec(), ..blank },
        };
        tx.insert(row).await.map(drop)
    }
}

fn required(field: &str, say: &str) -> DomainError {
    Problem::new(ProblemCode::Required, field, say).into()
}
