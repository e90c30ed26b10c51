//! The gateway's decision on one call: its checks in their order; the first failure answers.
//! Pure, and on the path of every call: an admitted one copies nothing but a few counted references.

mod checks;
mod granted;
pub mod standing;
mod token;

use std::{borrow::Cow, net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use entities::{
    enums::{DenialReason, Environment},
    id::CredentialSecretId,
};

use self::checks::{Decision, Holds, Refusal, held, lack};
pub use self::{
    granted::granted_in_all,
    token::{Caller, may_call, token_caller},
};
use super::{
    certificate::Shown,
    jose::access_token::Expected,
    key_source::KeySource,
    limits::Limits,
    method::Methods,
    routes::Endpoint,
    view::{Client, Credential, Moment, Product, Profile, Scopes, Upstream, View},
};

/// What is known of a call before anything is looked up. Header values are as they came; the caller of [`admit`] has made sure
/// that each of these headers occurs once at most, or says so in `framing`.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    pub method: &'a str,
    /// The raw path without the query: the bytes that will be forwarded.
    pub path: &'a str,
    /// What is wrong with the request's form, for people: `two Host headers`.
    pub framing: Option<&'static str>,
    /// `X-Client-ID`
    pub client_id: Option<&'a str>,
    /// `X-Profile-ID`
    pub profile_id: Option<&'a str>,
    /// `X-API-Key`
    pub api_key: Option<&'a str>,
    /// What follows `Bearer` in `Authorization`.
    pub bearer: Option<&'a str>,
    /// What the caller has shown for its connection.
    pub certificate: Option<&'a Shown>,
    pub peer: IpAddr,
    pub now: DateTime<Utc>,
    /// What access tokens of our own have to say of us.
    pub tokens: Expected<'a>,
}

/// The checks, in their order. `Limits` and `Forward` come after [`admit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    Route,
    Identity,
    Client,
    Profile,
    Subscription,
    Product,
    Network,
    Method,
    Credential,
    Scopes,
    Limits,
    Forward,
}

impl Check {
    pub const ALL: [Self; 12] = [
        Self::Route,
        Self::Identity,
        Self::Client,
        Self::Profile,
        Self::Subscription,
        Self::Product,
        Self::Network,
        Self::Method,
        Self::Credential,
        Self::Scopes,
        Self::Limits,
        Self::Forward,
    ];
}

/// A call that may go on to its limits.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub product: Arc<Product>,
    pub client: Arc<Client>,
    pub environment: Environment,
    /// All of them have to be taken before the call is forwarded.
    pub limits: Limits,
    /// Where in the call's path that begins which is appended to the upstream's URL; the path's length where nothing follows
    /// the base path.
    pub rest_at: usize,
    profile: usize,
    credential: Option<usize>,
    secret: Option<CredentialSecretId>,
    /// What the client was granted of the product.
    granted: Scopes,
    /// The part of the held scopes that an access token was issued for.
    token_scope: Option<Box<str>>,
    endpoint: u32,
}

/// A refused call.
#[derive(Debug)]
pub struct Denial {
    pub reason: DenialReason,
    pub check: Check,
    /// What the check was about: a scope, a header, methods. Never a secret; fit for the log and the answer.
    pub about: Option<Cow<'static, str>>,
    /// For `METHOD_NOT_ALLOWED`: what the `Allow` header says.
    pub allow: Methods,
    /// Keys that may be out of date: where reading them anew changes them, the decision may be another.
    pub wants: Option<KeySource>,
    /// What the log can say of the call: claimed by the caller up to the check of the credential.
    pub known: Known,
}

/// What was found of a call's route and identity so far.
#[derive(Debug, Default)]
pub struct Known {
    pub product: Option<Arc<Product>>,
    pub client: Option<Arc<Client>>,
    profile: Option<usize>,
    credential: Option<usize>,
    endpoint: Option<(Environment, u32)>,
}

impl Call<'_> {
    /// For decisions that depend on no call.
    fn of_nobody(now: DateTime<Utc>) -> Self {
        Self {
            method: "",
            path: "",
            framing: None,
            client_id: None,
            profile_id: None,
            api_key: None,
            bearer: None,
            certificate: None,
            peer: IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
            now,
            tokens: Expected { issuer: "", audience: "" },
        }
    }
}

impl Admitted {
    pub fn profile(&self) -> &Profile {
        &self.client.profiles[self.profile]
    }

    /// `None` where the profile asks for none.
    pub fn credential(&self) -> Option<&Credential> {
        self.client.credentials.get(self.credential?)
    }

    /// Which of the credential's secrets was presented.
    pub fn secret(&self) -> Option<CredentialSecretId> {
        self.secret
    }

    /// The part of the held scopes that an access token was issued for; `None` where the call came without one.
    pub fn token_scope(&self) -> Option<&str> {
        self.token_scope.as_deref()
    }

    /// What the client was granted of the product.
    pub fn granted(&self) -> &Scopes {
        &self.granted
    }

    /// When what let the call in ends by itself: its subscription, its credential, or the secret that was presented. A token's
    /// own end is not known here.
    pub fn ends_at(&self) -> Moment {
        let secret =
            |credential: &Credential| credential.secrets.iter().find(|s| Some(s.id) == self.secret).map(|s| s.valid_until);
        let credential = self.credential().map(|c| secret(c).unwrap_or(Moment::NEVER).min(c.expires_at));
        let subscription = self.client.subscription.map(|s| s.cancel_at.min(s.expires_at));
        credential.unwrap_or(Moment::NEVER).min(subscription.unwrap_or(Moment::NEVER))
    }

    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.product.routes(self.environment).endpoint(self.endpoint)
    }

    pub fn upstream(&self) -> Option<&Upstream> {
        self.product.upstream(self.environment)
    }

    /// The scopes that the call may use.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        held(&self.client, self.holds())
    }

    /// What a refusal is about for a scope that the call may not use.
    pub fn lacks(&self, scope: &str) -> String {
        lack(&self.client, self.product.id, self.holds(), scope).about(scope)
    }

    fn holds(&self) -> Holds<'_> {
        let (secret, token_scope) = (self.secret, self.token_scope.as_deref());
        Holds { granted: &self.granted, credential: self.credential(), secret, token_scope }
    }
}

impl Known {
    pub fn profile(&self) -> Option<&Profile> {
        self.client.as_ref()?.profiles.get(self.profile?)
    }

    pub fn credential(&self) -> Option<&Credential> {
        self.client.as_ref()?.credentials.get(self.credential?)
    }

    pub fn environment(&self) -> Option<Environment> {
        self.profile().map(|profile| profile.environment)
    }

    pub fn endpoint(&self) -> Option<&Endpoint> {
        let (environment, place) = self.endpoint?;
        self.product.as_ref()?.routes(environment).endpoint(place)
    }
}

/// Decides on a call: steps 1 to 9. What it admits has still to take its limits.
pub fn admit(view: &impl View, call: &Call<'_>) -> Result<Admitted, Box<Denial>> {
    let mut known = Known::default();
    match (Decision { view, call, now: call.now.into() }).decide(&mut known) {
        Ok(admitted) => Ok(admitted),
        Err(Refusal { check, reason, about, allow, wants }) => {
            Err(Box::new(Denial { reason, check, about, allow, wants, known }))
        }
    }
}

#[cfg(test)]
mod tests;
