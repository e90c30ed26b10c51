//! What a gateway has to know to decide on a call: the shapes that it keeps in memory by the million, and how a decision
//! looks into them.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use entities::{
    enums::{AuthMethod, Backend, CredentialStatus, Environment, LogSink, PipelinePhase, SubscriptionStatus},
    id::{ClientId, CredentialId, CredentialSecretId, PlanId, PolicyId, ProductId, ProfileId, TeamId, TierId, TokenId},
};
use ipnet::IpNet;
use secrecy::SecretString;
use url::Url;

use super::{
    cors::Origins, credential::Lookup, jose::KeySet, key_source::KeySource, limits::Limits, method::Methods, routes::Routes,
};

/// Where decisions look things up. All of it is in memory.
pub trait View {
    fn product(&self, base_path: &str) -> Option<Arc<Product>>;
    fn client(&self, id: ClientId) -> Option<Arc<Client>>;
    /// The client that an API key's lookup part belongs to, and the place of its credential among the client's.
    fn key(&self, lookup: &Lookup) -> Option<(ClientId, u32)>;
    /// The client of an OAuth 2.0 client id, which is a credential's, and the credential's place among the client's.
    fn oauth_client(&self, id: CredentialId) -> Option<(ClientId, u32)>;
    /// The public keys of access tokens of our own.
    fn token_keys(&self) -> KeySet;
    /// Keys that are published outside, as far as they are known now.
    fn outside_keys(&self, source: &KeySource, now: DateTime<Utc>) -> Option<KeySet>;
    /// All there are; no call asks for them.
    fn products(&self) -> Vec<Arc<Product>>;
    /// `None` for a team without a tier and assignments of its own.
    fn team(&self, id: TeamId) -> Option<Arc<Team>>;
    /// `None` where the policy is disabled or gone.
    fn policy(&self, id: PolicyId) -> Option<Limits>;
    fn plan(&self, id: PlanId, environment: Environment) -> Limits;
}

/// Microseconds since 1970, UTC; [`Moment::NEVER`] for what has no end. Half the size of an optional `DateTime`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

/// Scopes in order, shared by all that hold the same ones.
pub type Scopes = Arc<[Box<str>]>;

#[derive(Debug)]
pub struct Product {
    pub id: ProductId,
    pub base_path: Box<str>,
    /// Whether a parameter of a path may hold an encoded slash.
    pub encoded_slashes: bool,
    /// Published or deprecated: others are not there for callers.
    pub callable: bool,
    /// The tiers it is assigned to, and the scopes that each is given; `None`: all.
    pub tiers: Box<[(TierId, Option<Scopes>)]>,
    /// All that its operations ask for.
    pub scopes: Scopes,
    /// By [`place`]; `None` where the product has no such environment.
    pub upstreams: [Option<Upstream>; 2],
    /// By [`place`]; the same `Arc` where both serve the same versions.
    pub routes: [Arc<Routes>; 2],
}

/// Where an environment's index is in an array of two.
pub fn place(environment: Environment) -> usize {
    match environment {
        Environment::Sandbox => 0,
        Environment::Production => 1,
    }
}

impl Client {
    /// The place of a credential; the hint is right unless the client is changing just now.
    pub fn credential_at(&self, id: CredentialId, hint: u32) -> Option<usize> {
        let hint = hint as usize;
        if self.credentials.get(hint).is_some_and(|c| c.id == id) {
            return Some(hint);
        }
        self.credentials.iter().position(|c| c.id == id)
    }
}

impl Product {
    pub fn upstream(&self, environment: Environment) -> Option<&Upstream> {
        self.upstreams[place(environment)].as_ref()
    }

    pub fn routes(&self, environment: Environment) -> &Arc<Routes> {
        &self.routes[place(environment)]
    }
}

/// Where calls of one environment go.
#[derive(Debug)]
pub struct Upstream {
    pub backend: Backend,
    /// `None` for a mock. What follows the base path in a call's path is appended to it as it is.
    pub url: Option<Url>,
    /// Added to each call; opened, so that no call waits for a cipher.
    pub headers: Box<[(Box<str>, SecretString)]>,
    pub timeout: Duration,
    pub log_sink: LogSink,
    /// Whose pages may call.
    pub origins: Origins,
}

#[derive(Debug)]
pub struct Client {
    pub id: ClientId,
    pub team: TeamId,
    pub enabled: bool,
    pub policy: Option<PolicyId>,
    /// `None` for one that staff made by hand.
    pub subscription: Option<Subscription>,
    /// What it is assigned itself, by hand or by a subscription.
    pub products: Box<[Assigned]>,
    /// The scopes that its subscription was granted, of which each environment has those that the plan names it for: by [`place`].
    pub grants: [Scopes; 2],
    pub profiles: Box<[Profile]>,
    /// In the order of their ids.
    pub credentials: Box<[Credential]>,
    /// Access tokens that were revoked before their time.
    pub revoked_tokens: Box<[TokenId]>,
    /// Secrets that were found in public and may use no scopes but these.
    pub narrowed: Box<[(CredentialSecretId, Scopes)]>,
}

#[derive(Debug, Clone, Copy)]
pub struct Subscription {
    pub plan: PlanId,
    pub product: ProductId,
    pub status: SubscriptionStatus,
    pub phase: Option<PipelinePhase>,
    /// Production stays locked until it is paid.
    pub awaits_payment: bool,
    pub cancel_at: Moment,
    pub expires_at: Moment,
}

#[derive(Debug, Clone)]
pub struct Profile {
    pub id: ProfileId,
    pub name: Arc<str>,
    pub environment: Environment,
    pub auth_method: AuthMethod,
    pub enabled: bool,
    /// An allow list: see [`Methods::allows`].
    pub methods: Methods,
    /// Empty allows all.
    pub allowlist: Allowlist,
    pub policy: Option<PolicyId>,
    /// Whose tokens are taken, for OIDC.
    pub outside: Option<Arc<Outside>>,
}

/// An outside issuer, and whom its tokens have to be for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Outside {
    pub issuer: String,
    pub audience: String,
}

/// Networks that calls may come from.
#[derive(Debug, Clone)]
pub enum Allowlist {
    Anywhere,
    /// Also where none of the stored ranges could be read: then it is empty, and lets nobody through.
    Only(Box<[IpNet]>),
}

#[derive(Debug, Clone)]
pub struct Credential {
    pub id: CredentialId,
    /// Its profile's place among the client's.
    pub profile: u16,
    pub kind: AuthMethod,
    pub environment: Environment,
    pub status: CredentialStatus,
    pub expires_at: Moment,
    /// A part of the client's grants; `None`: all of them.
    pub scopes: Option<Scopes>,
    pub secrets: Box<[Secret]>,
}

#[derive(Debug, Clone)]
pub struct Secret {
    pub id: CredentialSecretId,
    pub lookup: Option<Lookup>,
    /// SHA-256.
    pub hash: [u8; 32],
    pub valid_from: Moment,
    pub valid_until: Moment,
    /// `None` where the hash is enough.
    pub proof: Option<Box<Proof>>,
}

/// What a signature is verified with.
#[derive(Debug, Clone)]
pub enum Proof {
    /// The secret that both sides have.
    Shared(SecretString),
    /// The partner's public keys.
    Keys(KeySet),
    /// Where the partner publishes them.
    KeysAt(KeySource),
}

#[derive(Debug)]
pub struct Team {
    pub tier: Option<TierId>,
    /// Assigned to the team itself.
    pub products: Box<[Assigned]>,
}

/// A product that is given, and by hand all of its scopes or a part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Assigned {
    pub product: ProductId,
    /// `None`: all. On the product of a client's own subscription the plan's grants count alone.
    pub scopes: Option<Scopes>,
}

impl Assigned {
    pub fn whole(product: ProductId) -> Self {
        Self { product, scopes: None }
    }
}

impl Moment {
    pub const NEVER: Self = Self(i64::MAX);

    pub fn end(at: Option<DateTime<Utc>>) -> Self {
        at.map_or(Self::NEVER, Self::from)
    }
}

impl From<DateTime<Utc>> for Moment {
    fn from(at: DateTime<Utc>) -> Self {
        Self(at.timestamp_micros())
    }
}
