//! The checks one by one, in their order.

use std::{borrow::Cow, sync::Arc};

use entities::{
    enums::{AuthMethod, DenialReason, Environment, PipelinePhase, SubscriptionStatus},
    id::{ClientId, CredentialSecretId, ProductId},
};

use super::{Admitted, Call, Check, Known, granted::granted, token};
use crate::{
    keyring::sha256,
    rules::{
        credential::{self, Lookup},
        denial::Lack,
        jose::{Algorithm, Jws, Shown, Typ},
        key_source::KeySource,
        limits::Limits,
        method::{Method, Methods},
        path,
        routes::{Endpoint, Found},
        view::{Allowlist, Assigned, Client, Credential, Moment, Product, Profile, Scopes, View, place},
    },
};

/// One call's decision.
pub(super) struct Decision<'a, V> {
    pub view: &'a V,
    pub call: &'a Call<'a>,
    pub now: Moment,
}

pub(super) struct Refusal {
    pub check: Check,
    pub reason: DenialReason,
    pub about: Option<Cow<'static, str>>,
    pub allow: Methods,
    pub wants: Option<KeySource>,
}

fn refuse(check: Check, reason: DenialReason) -> Refusal {
    Refusal { check, reason, about: None, allow: Methods::NONE, wants: None }
}

impl Refusal {
    fn about(self, about: impl Into<Cow<'static, str>>) -> Self {
        Self { about: Some(about.into()), ..self }
    }

    fn allow(self, allow: Methods) -> Self {
        Self { allow, ..self }.about(allow.to_string())
    }
}

/// What a call presents.
#[derive(Clone, Copy)]
enum Presented<'a> {
    Key(&'a str),
    Token(&'a str),
    /// An access token of our own, by what it says of itself.
    AccessToken(&'a Jws<'a>),
    /// Another signed token.
    Signed(&'a str, &'a Jws<'a>),
    Nothing,
}

/// Whom a call claims to come from. A profile that was named and is not there is for step 4 to refuse.
struct Identity {
    client: Arc<Client>,
    profile: Option<usize>,
    /// Where an API key or an access token names one.
    credential: Option<usize>,
}

/// What step 8 found.
#[derive(Default)]
struct Proven {
    /// `None` where the profile asks for none.
    credential: Option<usize>,
    secret: Option<CredentialSecretId>,
    token_scope: Option<Box<str>>,
}

impl<V: View> Decision<'_, V> {
    pub fn decide(&self, known: &mut Known) -> Result<Admitted, Refusal> {
        let (product, found, rest_at) = self.route(known)?;
        let jws = self.call.bearer.filter(|token| looks_signed(token)).and_then(|token| Jws::parse(token).ok());
        let presented = self.presented(jws.as_ref())?;
        let who = self.identify(presented, known)?;
        let client = who.client;
        enabled(&client)?;
        let Some(at) = who.profile else {
            return Err(refuse(Check::Profile, DenialReason::ProfileUnknown));
        };
        let profile = &client.profiles[at];
        usable(profile)?;
        let environment = profile.environment;
        self.subscription(&client, environment)?;
        self.holds(&client, &product)?;
        known.endpoint = None;
        let endpoint = self.served(&product, found[place(environment)], environment)?;
        known.endpoint = Some((environment, endpoint));
        self.network(profile)?;
        allowed(profile, Method::parse(self.call.method))?;
        let Proven { credential, secret, token_scope } = self.credential(&client, at, who.credential, presented)?;
        known.credential = credential;
        let route = product.routes(environment).endpoint(endpoint);
        let holder = credential.map(|at| &client.credentials[at]);
        let granted = granted(self.view, &client, &product, environment);
        let holds = Holds { granted: &granted, credential: holder, secret, token_scope: token_scope.as_deref() };
        route.map_or(Ok(()), |endpoint| in_scope(endpoint, &client, product.id, holds))?;
        let limits = self.limits(&client, profile);
        let profile = at;
        Ok(Admitted {
            environment,
            limits,
            rest_at,
            profile,
            credential,
            secret,
            granted,
            token_scope,
            endpoint,
            product,
            client,
        })
    }

    /// Step 1. Which environment will serve the call is not known yet: it has to be an endpoint of one of them.
    fn route(&self, known: &mut Known) -> Result<(Arc<Product>, [Found; 2], usize), Refusal> {
        let ambiguous = |e: path::Ambiguous| refuse(Check::Route, DenialReason::MalformedRequest).about(e.0);
        let read = path::read(self.call.path).map_err(ambiguous)?;
        let nothing = || refuse(Check::Route, DenialReason::RouteNotFound);
        let product = self.view.product(read.base).filter(|product| product.callable).ok_or_else(nothing)?;
        known.product = Some(product.clone());
        read.fit(product.encoded_slashes).map_err(ambiguous)?;
        let method = Method::parse(self.call.method);
        let mut found = [Found::Nothing; 2];
        for environment in Environment::ALL {
            let at = place(environment);
            if product.upstreams[at].is_none() {
                continue;
            }
            let same = at > 0 && product.upstreams[0].is_some() && Arc::ptr_eq(&product.routes[0], &product.routes[at]);
            found[at] = if same { found[0] } else { product.routes[at].find(read.rest, method).map_err(ambiguous)? };
            if let Found::Endpoint(endpoint) = found[at] {
                known.endpoint = Some((environment, endpoint));
            }
        }
        if known.endpoint.is_none() {
            let other = found.iter().filter_map(|f| if let Found::OtherMethods(m) = f { Some(*m) } else { None });
            let allow = other.fold(Methods::NONE, Methods::union);
            return Err(if allow.is_empty() {
                nothing()
            } else {
                refuse(Check::Route, DenialReason::MethodNotAllowed).allow(allow)
            });
        }
        let rest_at = (1 + read.base.len()).min(self.call.path.len());
        Ok((product, found, rest_at))
    }

    /// Step 2, the form of the request and what it presents. Two credentials at once are refused (RFC 6750 section 2).
    fn presented<'p>(&'p self, jws: Option<&'p Jws<'p>>) -> Result<Presented<'p>, Refusal> {
        let malformed = |about| Err(refuse(Check::Identity, DenialReason::MalformedRequest).about(about));
        if let Some(fault) = self.call.framing {
            return malformed(fault);
        }
        match (self.call.api_key, self.call.bearer) {
            (Some(_), Some(_)) => malformed("X-API-Key and Authorization: one credential at a time"),
            (Some(key), None) => Ok(Presented::Key(key)),
            (None, Some(token)) if token.starts_with("ptk_") => Ok(Presented::Key(token)),
            (None, Some(token)) => Ok(match jws {
                Some(jws) if jws.typ() == Some(Typ::AccessToken) && jws.claimed_issuer() == Some(self.call.tokens.issuer) => {
                    Presented::AccessToken(jws)
                }
                Some(jws) => Presented::Signed(token, jws),
                None => Presented::Token(token),
            }),
            (None, None) => Ok(Presented::Nothing),
        }
    }

    /// Step 2, whose call it is, and step 3's "known".
    fn identify(&self, presented: Presented<'_>, known: &mut Known) -> Result<Identity, Refusal> {
        let who = match presented {
            Presented::Key(key) => return self.identify_key(key, known),
            Presented::AccessToken(jws) => return self.identify_access_token(jws, known),
            Presented::Token(_) | Presented::Signed(..) => self.call.client_id.ok_or(DenialReason::ClientIdMissing),
            Presented::Nothing if self.call.certificate.is_some() => self.call.client_id.ok_or(DenialReason::ClientIdMissing),
            Presented::Nothing => self.call.client_id.ok_or(DenialReason::CredentialMissing),
        };
        let id = who.map_err(|reason| refuse(Check::Identity, reason))?;
        let unknown = || refuse(Check::Client, DenialReason::ClientUnknown).about("X-Client-ID");
        let client = id.parse().ok().and_then(|id: ClientId| self.view.client(id)).ok_or_else(unknown)?;
        known.client = Some(client.clone());
        let profile = match self.call.profile_id {
            Some(named) => profile_named(&client, named),
            None => Some(self.only_profile(&client, presented)?),
        };
        known.profile = profile;
        Ok(Identity { client, profile, credential: None })
    }

    fn identify_key(&self, key: &str, known: &mut Known) -> Result<Identity, Refusal> {
        let invalid = || refuse(Check::Identity, DenialReason::CredentialInvalid);
        let parsed = credential::parse_api_key(key).map_err(|e| invalid().about(e.to_string()))?;
        let (id, hint) = self.view.key(&parsed.lookup).ok_or_else(invalid)?;
        let client = self.view.client(id).ok_or_else(invalid)?;
        let at = credential_of(&client, hint, &parsed.lookup).ok_or_else(invalid)?;
        self.identified(client, at, known)
    }

    fn identify_access_token(&self, jws: &Jws<'_>, known: &mut Known) -> Result<Identity, Refusal> {
        let unknown = || refuse(Check::Identity, DenialReason::CredentialInvalid).about("the access token's client is unknown");
        let (client, at) = token::named_by(self.view, jws).ok_or_else(unknown)?;
        self.identified(client, at, known)
    }

    /// A credential identifies its client and profile alone; headers that say otherwise are refused.
    fn identified(&self, client: Arc<Client>, at: usize, known: &mut Known) -> Result<Identity, Refusal> {
        let profile = usize::from(client.credentials[at].profile);
        let mismatch = |header: &'static str| Err(refuse(Check::Identity, DenialReason::IdentityMismatch).about(header));
        *known = Known { product: known.product.take(), endpoint: known.endpoint, ..Known::of(&client, at) };
        if self.call.client_id.is_some_and(|claimed| claimed.parse() != Ok(client.id)) {
            return mismatch("X-Client-ID");
        }
        if self.call.profile_id.is_some_and(|claimed| profile_named(&client, claimed) != Some(profile)) {
            return mismatch("X-Profile-ID");
        }
        Ok(Identity { client, profile: Some(profile), credential: Some(at) })
    }

    /// The profile of a call that names none: the one of its kind in the environment that its token's prefix gives, or else
    /// the client's only one of that kind.
    fn only_profile(&self, client: &Client, presented: Presented<'_>) -> Result<usize, Refusal> {
        let (kind, environment) = match presented {
            Presented::Signed(_, jws) if takes_signed(client, jws) => (AuthMethod::SignedJwt, None),
            Presented::Signed(_, jws) if takes_outside(client, jws) => (AuthMethod::Oidc, None),
            Presented::Nothing if self.call.certificate.is_some() && takes_certificates(client) => (AuthMethod::Mtls, None),
            Presented::Token(token) | Presented::Signed(token, _) => (AuthMethod::Token, credential::token_environment(token)),
            Presented::Key(_) | Presented::AccessToken(_) | Presented::Nothing => (AuthMethod::None, None),
        };
        let of_kind =
            || client.profiles.iter().enumerate().filter(|(_, p)| p.auth_method == kind).map(|(at, p)| (at, p.environment));
        if kind == AuthMethod::None && of_kind().next().is_none() {
            return Err(refuse(Check::Identity, DenialReason::CredentialMissing));
        }
        let only = |mut places: &mut dyn Iterator<Item = usize>| {
            let first = places.next()?;
            (&mut places).next().is_none().then_some(first)
        };
        let in_lane = environment.and_then(|e| only(&mut of_kind().filter(|(_, pe)| *pe == e).map(|(at, _)| at)));
        in_lane
            .or_else(|| only(&mut of_kind().map(|(at, _)| at)))
            .ok_or_else(|| refuse(Check::Identity, DenialReason::ProfileRequired).about("X-Profile-ID"))
    }

    /// Step 4's second half: the subscription is in force and its lane open.
    pub(super) fn subscription(&self, client: &Client, environment: Environment) -> Result<(), Refusal> {
        let Some(held) = &client.subscription else { return Ok(()) };
        let inactive = |about: &'static str| Err(refuse(Check::Subscription, DenialReason::SubscriptionInactive).about(about));
        match held.status {
            SubscriptionStatus::Active | SubscriptionStatus::PendingCancellation => {}
            SubscriptionStatus::PendingApproval => return inactive("it waits for approval"),
            SubscriptionStatus::PendingPayment => return inactive("it waits for payment"),
            SubscriptionStatus::PaymentFailed => return inactive("its payment failed"),
            SubscriptionStatus::Suspended => return inactive("it is suspended"),
            SubscriptionStatus::Cancelled => return inactive("it was cancelled"),
            SubscriptionStatus::Expired => return inactive("it has expired"),
            SubscriptionStatus::Rejected => return inactive("it was rejected"),
        }
        if held.expires_at <= self.now {
            return inactive("it has expired");
        }
        // Its job may be late: the end that was set counts.
        if held.cancel_at <= self.now {
            return inactive("it was cancelled");
        }
        match (environment, held.phase) {
            (Environment::Sandbox, _) => Ok(()),
            (Environment::Production, None | Some(PipelinePhase::Production)) if held.awaits_payment => {
                inactive("production waits for payment")
            }
            (Environment::Production, None | Some(PipelinePhase::Production)) => Ok(()),
            (Environment::Production, Some(PipelinePhase::Sandbox | PipelinePhase::InReview | PipelinePhase::Rejected)) => {
                inactive("production is not approved yet")
            }
        }
    }

    /// Step 5.
    pub(super) fn holds(&self, client: &Client, product: &Product) -> Result<(), Refusal> {
        let by_client = || subscribed(client, product.id) || gives(&client.products, product.id);
        let by_team = || {
            self.view.team(client.team).is_some_and(|team| {
                gives(&team.products, product.id)
                    || team.tier.is_some_and(|tier| product.tiers.iter().any(|(assigned, _)| *assigned == tier))
            })
        };
        if by_client() || by_team() { Ok(()) } else { Err(refuse(Check::Product, DenialReason::ProductNotAssigned)) }
    }

    /// Step 1 again, now that the environment is known; after step 5, so that only who holds the product learns of it.
    pub(super) fn served(&self, product: &Product, found: Found, environment: Environment) -> Result<u32, Refusal> {
        match found {
            Found::Endpoint(endpoint) => Ok(endpoint),
            Found::OtherMethods(allow) => Err(refuse(Check::Route, DenialReason::MethodNotAllowed).allow(allow)),
            Found::Nothing => {
                let about = match (environment, product.upstream(environment)) {
                    (Environment::Sandbox, None) => "the product has no sandbox",
                    (Environment::Production, None) => "the product has no production",
                    (Environment::Sandbox, Some(_)) => "the endpoint is not served in the sandbox",
                    (Environment::Production, Some(_)) => "the endpoint is not served in production",
                };
                Err(refuse(Check::Route, DenialReason::RouteNotFound).about(about))
            }
        }
    }

    /// Step 6, before any secret is looked at.
    fn network(&self, profile: &Profile) -> Result<(), Refusal> {
        let peer = self.call.peer.to_canonical();
        match &profile.allowlist {
            Allowlist::Anywhere => Ok(()),
            Allowlist::Only(nets) if nets.iter().any(|net| net.contains(&peer)) => Ok(()),
            Allowlist::Only(_) => Err(refuse(Check::Network, DenialReason::IpNotAllowed).about(peer.to_string())),
        }
    }

    /// Step 8.
    fn credential(
        &self,
        client: &Client,
        profile: usize,
        named: Option<usize>,
        presented: Presented<'_>,
    ) -> Result<Proven, Refusal> {
        let refused = |reason| refuse(Check::Credential, reason);
        let told = |(reason, about): (DenialReason, Cow<'static, str>)| refused(reason).about(about);
        let method = client.profiles[profile].auth_method;
        match (method, presented, named) {
            (AuthMethod::None, Presented::Nothing, _) => Ok(Proven::default()),
            (AuthMethod::ApiKey, Presented::Key(key), Some(at)) => self.by_hash(client, profile, Some(at), &sha256(key)),
            (AuthMethod::Token, Presented::Token(token) | Presented::Signed(token, _), _) => {
                let hash = sha256(token);
                self.by_hash(client, profile, holder(client, profile, method, &hash), &hash)
            }
            (AuthMethod::SignedJwt, Presented::Signed(_, jws), _) => {
                let (at, secret) = token::prove_signed_jwt(self.call, jws, (client, profile)).map_err(told)?;
                Ok(Proven { credential: Some(at), secret: Some(secret), token_scope: None })
            }
            (AuthMethod::Oidc, Presented::Signed(_, jws), _) => self.outside(client, profile, jws),
            (AuthMethod::Mtls, Presented::Nothing, _) => self.certificate(client, profile),
            (
                AuthMethod::Oauth2ClientSecret | AuthMethod::Oauth2PrivateKeyJwt | AuthMethod::Mtls,
                Presented::AccessToken(jws),
                Some(at),
            ) => {
                let proven = token::prove_access_token(self.view, self.call, jws, (client, at)).map_err(told)?;
                self.is_active(client, profile, at)?;
                Ok(Proven { credential: Some(at), secret: Some(proven.secret), token_scope: Some(proven.scope) })
            }
            (_, Presented::Nothing, _) => Err(refused(DenialReason::CredentialMissing)),
            (
                AuthMethod::Oauth2ClientSecret | AuthMethod::Oauth2PrivateKeyJwt,
                Presented::Key(_) | Presented::Token(_) | Presented::Signed(..) | Presented::AccessToken(_),
                _,
            ) => {
                let say = "the profile takes access tokens of the portal's token endpoint";
                Err(refused(DenialReason::CredentialInvalid).about(say))
            }
            (_, Presented::Key(_) | Presented::Token(_) | Presented::Signed(..) | Presented::AccessToken(_), _) => {
                Err(refused(DenialReason::CredentialInvalid).about("the profile takes another kind of credential"))
            }
        }
    }

    /// A token of the profile's issuer. Who else has its audience is told apart by the subject that the credential names; a
    /// client made by hand has the profile's to itself.
    fn outside(&self, client: &Client, profile: usize, jws: &Jws<'_>) -> Result<Proven, Refusal> {
        let expected = client.profiles[profile].outside.as_ref();
        let expected = expected.ok_or_else(|| refuse(Check::Credential, DenialReason::CredentialInvalid))?;
        let told = |(wants, (reason, about))| Refusal { wants, ..refuse(Check::Credential, reason).about(about) };
        let token = token::prove_outside_token(self.view, self.call, jws, expected).map_err(told)?;
        if client.subscription.is_none() {
            return Ok(Proven::default());
        }
        let names = [("azp", token.azp), ("client_id", token.client_id), ("sub", token.sub)];
        let mut hashes = names.iter().filter_map(|(_, name)| *name).map(sha256);
        let known = hashes.find_map(|hash| Some((holder(client, profile, AuthMethod::Oidc, &hash)?, hash)));
        let (at, hash) = known.ok_or_else(|| {
            let told = names.iter().filter_map(|(claim, name)| Some(format!("{claim} ({})", Shown::of((*name)?))));
            let told: Vec<_> = told.collect();
            let told = if told.is_empty() { "azp, client_id or sub, of which it has none".to_owned() } else { told.join(", ") };
            let say = format!("no credential of the client names the token's {told} as its subject: make one that does");
            refuse(Check::Credential, DenialReason::CredentialInvalid).about(say)
        })?;
        self.by_hash(client, profile, Some(at), &hash)
    }

    fn certificate(&self, client: &Client, profile: usize) -> Result<Proven, Refusal> {
        let refused = |reason, say: &'static str| Err(refuse(Check::Credential, reason).about(say));
        let Some(shown) = self.call.certificate else {
            return refused(DenialReason::CredentialMissing, "show the client certificate that is registered");
        };
        if !shown.trusted {
            return refused(
                DenialReason::CredentialInvalid,
                "the certificate is not of the authority that this gateway believes",
            );
        }
        if !shown.certificate.is_in_force(self.call.now) {
            return refused(DenialReason::CredentialExpired, "the certificate is not in force: it has ended or not begun");
        }
        let hash = &shown.certificate.thumbprint;
        let Some(at) = holder(client, profile, AuthMethod::Mtls, hash) else {
            return refused(DenialReason::CredentialInvalid, "the certificate is not registered for this client");
        };
        self.by_hash(client, profile, Some(at), hash)
    }

    /// The credential at this place has a secret with this hash that works.
    fn by_hash(&self, client: &Client, profile: usize, at: Option<usize>, hash: &[u8; 32]) -> Result<Proven, Refusal> {
        let invalid = || refuse(Check::Credential, DenialReason::CredentialInvalid);
        let at = at.ok_or_else(invalid)?;
        let found = &client.credentials[at];
        let secret = found.secrets.iter().find(|s| credential::matches(&s.hash, hash)).ok_or_else(invalid)?;
        self.is_active(client, profile, at)?;
        if secret.valid_until <= self.now {
            return Err(refuse(Check::Credential, DenialReason::CredentialExpired));
        }
        if credential::is_live(secret, self.now) {
            Ok(Proven { credential: Some(at), secret: Some(secret.id), token_scope: None })
        } else {
            Err(invalid())
        }
    }

    pub(super) fn is_active(&self, client: &Client, profile: usize, at: usize) -> Result<(), Refusal> {
        let found = &client.credentials[at];
        if found.environment != client.profiles[profile].environment {
            return Err(refuse(Check::Credential, DenialReason::WrongEnvironment));
        }
        token::credential_state(found, self.now).map_err(|reason| refuse(Check::Credential, reason))
    }

    /// A profile's policy, else its client's, else what the plan says of the environment. A disabled policy counts as none.
    fn limits(&self, client: &Client, profile: &Profile) -> Limits {
        let policy = |id: Option<_>| id.and_then(|id| self.view.policy(id));
        policy(profile.policy)
            .or_else(|| policy(client.policy))
            .or_else(|| client.subscription.map(|s| self.view.plan(s.plan, profile.environment)))
            .unwrap_or(Limits::UNLIMITED)
    }
}

/// Step 3's "enabled".
pub(super) fn enabled(client: &Client) -> Result<(), Refusal> {
    if client.enabled { Ok(()) } else { Err(refuse(Check::Client, DenialReason::ClientDisabled)) }
}

/// Step 4's "enabled".
pub(super) fn usable(profile: &Profile) -> Result<(), Refusal> {
    let disabled = || refuse(Check::Profile, DenialReason::ProfileDisabled).about(profile.name.to_string());
    if profile.enabled { Ok(()) } else { Err(disabled()) }
}

/// Step 7.
pub(super) fn allowed(profile: &Profile, method: Option<Method>) -> Result<(), Refusal> {
    let refused = || refuse(Check::Method, DenialReason::MethodNotAllowed).allow(profile.methods);
    if method.is_some_and(|method| profile.methods.allows(method)) { Ok(()) } else { Err(refused()) }
}

fn gives(assigned: &[Assigned], product: ProductId) -> bool {
    assigned.iter().any(|assigned| assigned.product == product)
}

/// Step 9.
pub(super) fn in_scope(endpoint: &Endpoint, client: &Client, product: ProductId, holds: Holds<'_>) -> Result<(), Refusal> {
    let missing = |scope: &str| {
        let about = lack(client, product, holds, scope).about(scope);
        Err(refuse(Check::Scopes, DenialReason::ScopeMissing).about(about))
    };
    missing_scope(endpoint, client, holds).map_or(Ok(()), missing)
}

/// Why a scope is not held: of several reasons, the one that has to be put right first.
pub(super) fn lack(client: &Client, product: ProductId, holds: Holds<'_>, scope: &str) -> Lack {
    let Holds { granted, credential, secret, token_scope: _ } = holds;
    let without = |holds: Holds<'_>| !held(client, holds).any(|held| held == scope);
    let grant = Holds { granted, credential: None, secret: None, token_scope: None };
    if without(grant) {
        return if subscribed(client, product) { Lack::Grant } else { Lack::Assignment };
    }
    if without(Holds { credential, ..grant }) {
        return Lack::Credential;
    }
    if without(Holds { credential, secret, ..grant }) { Lack::Secret } else { Lack::Token }
}

/// Whether the client's own subscription is to the product.
pub(super) fn subscribed(client: &Client, product: ProductId) -> bool {
    client.subscription.is_some_and(|held| held.product == product)
}

fn profile_named(client: &Client, named: &str) -> Option<usize> {
    let id = named.parse().ok();
    client.profiles.iter().position(|profile| Some(profile.id) == id || *profile.name == *named)
}

/// The place of the credential that a lookup part belongs to; the hint is right unless the client is changing just now.
fn credential_of(client: &Client, hint: u32, lookup: &Lookup) -> Option<usize> {
    let has = |credential: &Credential| credential.secrets.iter().any(|secret| secret.lookup.as_ref() == Some(lookup));
    let hint = hint as usize;
    if client.credentials.get(hint).is_some_and(has) { Some(hint) } else { client.credentials.iter().position(has) }
}

/// The client's credential of a kind that has this hash: one of the profile's first, or else one of another environment, which
/// the next check refuses by its name.
fn holder(client: &Client, profile: usize, kind: AuthMethod, hash: &[u8; 32]) -> Option<usize> {
    let environment = client.profiles[profile].environment;
    let find = |here: bool| {
        client.credentials.iter().position(|c| {
            let fits = if here { usize::from(c.profile) == profile } else { c.environment != environment };
            fits && c.kind == kind && c.secrets.iter().any(|s| credential::matches(&s.hash, hash))
        })
    };
    find(true).or_else(|| find(false))
}

/// Whether a bearer token has the look of a signed one: three parts, of which the first is a JSON object.
fn looks_signed(token: &str) -> bool {
    token.starts_with("eyJ") && token.bytes().filter(|b| *b == b'.').count() == 2
}

/// Whether one of the client's profiles takes tokens that are signed like this.
fn takes_signed(client: &Client, jws: &Jws<'_>) -> bool {
    jws.algorithm() == Algorithm::Hs256 && client.profiles.iter().any(|profile| profile.auth_method == AuthMethod::SignedJwt)
}

/// Whether one of the client's profiles takes tokens of the issuer that this one names.
fn takes_outside(client: &Client, jws: &Jws<'_>) -> bool {
    let issuer = jws.claimed_issuer();
    client.profiles.iter().filter_map(|profile| profile.outside.as_ref()).any(|outside| Some(outside.issuer.as_str()) == issuer)
}

fn takes_certificates(client: &Client) -> bool {
    client.profiles.iter().any(|profile| profile.auth_method == AuthMethod::Mtls)
}

/// What a caller's client was granted, and by what it proved itself: a credential, its secret, and an access token's part of the
/// scopes.
#[derive(Clone, Copy)]
pub(super) struct Holds<'a> {
    pub granted: &'a Scopes,
    pub credential: Option<&'a Credential>,
    pub secret: Option<CredentialSecretId>,
    pub token_scope: Option<&'a str>,
}

/// The grants, of which the credential may name a part, a secret that was found in public has a part, and the access
/// token a part of that.
pub(super) fn held<'a>(client: &'a Client, holds: Holds<'a>) -> impl Iterator<Item = &'a str> {
    let Holds { granted, credential, secret, token_scope } = holds;
    let part = credential.and_then(|c| c.scopes.as_ref());
    let in_credential = move |scope: &&str| part.is_none_or(|part| part.iter().any(|s| **s == **scope));
    let left = secret.and_then(|id| client.narrowed.iter().find(|(narrowed, _)| *narrowed == id)).map(|(_, scopes)| scopes);
    let in_secret = move |scope: &&str| left.is_none_or(|left| left.iter().any(|s| **s == **scope));
    let in_token = move |scope: &&str| token_scope.is_none_or(|text| text.split(' ').any(|s| s == *scope));
    granted.iter().map(AsRef::as_ref).filter(in_credential).filter(in_secret).filter(in_token)
}

/// The scope to name where no alternative is held in full: the first that the nearest alternative lacks.
fn missing_scope<'e>(endpoint: &'e Endpoint, client: &Client, holds: Holds<'_>) -> Option<&'e str> {
    let lacks = |scope: &&str| !held(client, holds).any(|h| h == *scope);
    let missing = |set: &'e Scopes| set.iter().map(AsRef::as_ref).filter(lacks).collect::<Vec<&'e str>>();
    if endpoint.scopes.is_empty() || endpoint.scopes.iter().any(|set| set.iter().map(AsRef::as_ref).all(|s| !lacks(&s))) {
        return None;
    }
    endpoint.scopes.iter().map(missing).min_by_key(Vec::len).and_then(|set| set.first().copied())
}
