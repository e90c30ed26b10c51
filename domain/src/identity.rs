//! Identity providers of others, asked by OpenID Connect: the authorization code flow with PKCE, state and nonce.

use std::fmt;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

/// Us, as a provider knows us.
#[derive(Debug, Clone)]
pub struct Registration {
    /// As its tokens spell it.
    pub issuer: String,
    pub client_id: String,
    /// None: a public client.
    pub client_secret: Option<SecretString>,
    /// Where it sends browsers back to.
    pub callback: String,
    /// Named by the settings, not by people outside: it may be in a private network.
    pub trusted: bool,
}

/// What one sign-in is told by from others.
#[derive(Clone)]
pub struct Attempt {
    pub state: String,
    pub nonce: String,
    /// PKCE's `code_verifier`.
    pub verifier: String,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").finish_non_exhaustive()
    }
}

/// What a browser brings back.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: SecretString,
    /// RFC 9207: who answers.
    pub issuer: Option<String>,
}

/// Whom a provider vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub subject: String,
    pub email: Option<String>,
    pub email_verified: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoIdentity {
    #[error("it does not answer: {0}")]
    Unreachable(String),
    #[error("its discovery document does not serve: {0}")]
    Discovery(String),
    #[error("it refuses the request for a token: {0}")]
    Refused(String),
    #[error("its token does not hold: {0}")]
    Unproven(String),
    #[error("the answer names another issuer")]
    OtherIssuer,
}

#[async_trait]
pub trait IdentityProviders: Send + Sync {
    /// Reads what it says of itself, anew.
    async fn check(&self, issuer: &str) -> Result<(), NoIdentity>;

    /// Where a browser is sent. `hint`: the address that somebody gave.
    async fn authorization_url(&self, us: &Registration, attempt: &Attempt, hint: &str) -> Result<Url, NoIdentity>;

    /// Takes the code for a token, and the token for whom it proves.
    async fn identify(&self, us: &Registration, attempt: &Attempt, answer: &Answer) -> Result<Identity, NoIdentity>;
}

/// For processes that sign nobody in.
#[derive(Debug, Clone, Copy)]
pub struct Nobody;

const NOT_HERE: &str = "this process asks no identity provider";

#[async_trait]
impl IdentityProviders for Nobody {
    async fn check(&self, _: &str) -> Result<(), NoIdentity> {
        Err(NoIdentity::Unreachable(NOT_HERE.to_owned()))
    }

    async fn authorization_url(&self, _: &Registration, _: &Attempt, _: &str) -> Result<Url, NoIdentity> {
        Err(NoIdentity::Unreachable(NOT_HERE.to_owned()))
    }

    async fn identify(&self, _: &Registration, _: &Attempt, _: &Answer) -> Result<Identity, NoIdentity> {
        Err(NoIdentity::Unreachable(NOT_HERE.to_owned()))
    }
}
