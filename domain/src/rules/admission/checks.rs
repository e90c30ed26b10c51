//! The checks one by one, in their order.

use std::{borrow::Cow, sync::Arc};

use entities::{
    enums::{AuthMethod, CredentialStatus, DenialReason, Environment, PipelinePhase, SubscriptionStatus},
    id::{ClientId, CredentialSecretId},
};

use super::{Admitted, Call, Check, Known};
use crate::{
    keyring::sha256,
    rules::{
        credential::{self, Lookup},
        limits::Limits,
        method::{Method, Methods},
        path,
        routes::{Endpoint, Found},
        view::{Allowlist, Client, Credential, Moment, Product, Profile, Scopes, View, place},
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
}

fn refuse(check: Check, reason: DenialReason) -> Refusal {
    Refusal { check, reason, about: None, allow: Methods::NONE }
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
    Nothing,
}

/// Whom a call claims to come from. A profile that was named and is not there is for step 4 to refuse.
struct Identity {
    client: Arc<Client>,
    profile: Option<usize>,
    /// Where an API key names one.
    credential: Option<(usize, Lookup)>,
}

impl<V: View> Decision<'_, V> {
    pub fn decide(&self, known: &mut Known) -> Result<Admitted, Refusal> {
        let (product, found, rest_at) = self.route(known)?;
        let presented = self.presented()?;
        let who = self.identify(presented, known)?;
        let client = who.client;
        if !client.enabled {
            return Err(refuse(Check::Client, DenialReason::ClientDisabled));
        }
        let Some(at) = who.profile else {
            return Err(refuse(Check::Profile, DenialReason::ProfileUnknown));
        };
        let profile = &client.profiles[at];
        if !profile.enabled {
            return Err(refuse(Check::Profile, DenialReason::ProfileDisabled).about(profile.name.to_string()));
        }
        let environment = profile.environment;
        self.subscription(&client, environment)?;
        self.holds(&client, &product)?;
        known.endpoint = None;
        let endpoint = self.served(&product, found[place(environment)], environment)?;
        known.endpoint = Some((environment, endpoint));
        self.network(profile)?;
        let method = Method::parse(self.call.method);
        if !method.is_some_and(|method| profile.methods.allows(method)) {
            return Err(refuse(Check::Method, DenialReason::MethodNotAllowed).allow(profile.methods));
        }
        let proven = self.credential(&client, at, who.credential, presented)?;
        let credential = proven.map(|(place, _)| place);
        known.credential = credential;
        let route = product.routes(environment).endpoint(endpoint);
        if let Some(missing) = route.and_then(|e| missing_scope(e, &client, credential.map(|at| &client.credentials[at]))) {
            return Err(refuse(Check::Scopes, DenialReason::ScopeMissing).about(missing.to_owned()));
        }
        let limits = self.limits(&client, profile);
        Ok(Admitted {
            environment,
            limits,
            rest_at,
            profile: at,
            credential,
            secret: proven.map(|(_, secret)| secret),
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
    fn presented(&self) -> Result<Presented<'_>, Refusal> {
        let malformed = |about| Err(refuse(Check::Identity, DenialReason::MalformedRequest).about(about));
        if let Some(fault) = self.call.framing {
            return malformed(fault);
        }
        match (self.call.api_key, self.call.bearer) {
            (Some(_), Some(_)) => malformed("X-API-Key and Authorization: one credential at a time"),
            (Some(key), None) => Ok(Presented::Key(key)),
            (None, Some(token)) if token.starts_with("ptk_") => Ok(Presented::Key(token)),
            (None, Some(token)) => Ok(Presented::Token(token)),
            (None, None) => Ok(Presented::Nothing),
        }
    }

    /// Step 2, whose call it is, and step 3's "known".
    fn identify(&self, presented: Presented<'_>, known: &mut Known) -> Result<Identity, Refusal> {
        let who = match presented {
            Presented::Key(key) => return self.identify_key(key, known),
            Presented::Token(_) => self.call.client_id.ok_or(DenialReason::ClientIdMissing),
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
        let profile = usize::from(client.credentials[at].profile);
        let mismatch = |header: &'static str| Err(refuse(Check::Identity, DenialReason::IdentityMismatch).about(header));
        known.client = Some(client.clone());
        known.profile = Some(profile);
        known.credential = Some(at);
        if self.call.client_id.is_some_and(|claimed| claimed.parse() != Ok(client.id)) {
            return mismatch("X-Client-ID");
        }
        if self.call.profile_id.is_some_and(|claimed| profile_named(&client, claimed) != Some(profile)) {
            return mismatch("X-Profile-ID");
        }
        Ok(Identity { client, profile: Some(profile), credential: Some((at, parsed.lookup)) })
    }

    /// The profile of a call that names none: the one of its kind in the environment that its token's prefix gives, or else
    /// the client's only one of that kind.
    fn only_profile(&self, client: &Client, presented: Presented<'_>) -> Result<usize, Refusal> {
        let (kind, environment) = match presented {
            Presented::Token(token) => (AuthMethod::Token, credential::token_environment(token)),
            Presented::Key(_) | Presented::Nothing => (AuthMethod::None, None),
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
    fn subscription(&self, client: &Client, environment: Environment) -> Result<(), Refusal> {
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
    fn holds(&self, client: &Client, product: &Product) -> Result<(), Refusal> {
        let by_client = || client.subscription.is_some_and(|s| s.product == product.id) || client.products.contains(&product.id);
        let by_team = || {
            self.view.team(client.team).is_some_and(|team| {
                team.products.contains(&product.id) || team.tier.is_some_and(|tier| product.tiers.contains(&tier))
            })
        };
        if by_client() || by_team() { Ok(()) } else { Err(refuse(Check::Product, DenialReason::ProductNotAssigned)) }
    }

    /// Step 1 again, now that the environment is known; after step 5, so that only who holds the product learns of it.
    fn served(&self, product: &Product, found: Found, environment: Environment) -> Result<u32, Refusal> {
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

    /// Step 8: the credential's and its secret's place, or `None` where the profile asks for none.
    fn credential(
        &self,
        client: &Client,
        profile: usize,
        named: Option<(usize, Lookup)>,
        presented: Presented<'_>,
    ) -> Result<Option<(usize, CredentialSecretId)>, Refusal> {
        let refused = |reason| refuse(Check::Credential, reason);
        let method = client.profiles[profile].auth_method;
        let (at, hash) = match (method, presented, named) {
            (AuthMethod::None, Presented::Nothing, _) => return Ok(None),
            (AuthMethod::ApiKey, Presented::Key(key), Some((at, _))) => (Some(at), sha256(key)),
            (AuthMethod::Token, Presented::Token(token), _) => {
                let hash = sha256(token);
                (token_credential(client, profile, &hash), hash)
            }
            (_, Presented::Nothing, _) => return Err(refused(DenialReason::CredentialMissing)),
            (_, Presented::Key(_) | Presented::Token(_), _) => {
                return Err(refused(DenialReason::CredentialInvalid).about("the profile takes another kind of credential"));
            }
        };
        let invalid = || refused(DenialReason::CredentialInvalid);
        let at = at.ok_or_else(invalid)?;
        let found = &client.credentials[at];
        let secret = found.secrets.iter().find(|s| credential::matches(&s.hash, &hash)).ok_or_else(invalid)?;
        if found.environment != client.profiles[profile].environment {
            return Err(refused(DenialReason::WrongEnvironment));
        }
        match credential::state(found.status, found.expires_at, self.now) {
            CredentialStatus::Revoked => return Err(refused(DenialReason::CredentialRevoked)),
            CredentialStatus::Expired => return Err(refused(DenialReason::CredentialExpired)),
            CredentialStatus::Unclaimed => return Err(invalid()),
            CredentialStatus::Active => {}
        }
        if secret.valid_until <= self.now {
            return Err(refused(DenialReason::CredentialExpired));
        }
        if credential::is_live(secret, self.now) { Ok(Some((at, secret.id))) } else { Err(invalid()) }
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

/// The client's token with this hash: one of the profile's first, or else one of another environment, which the next check
/// refuses by its name.
fn token_credential(client: &Client, profile: usize, hash: &[u8; 32]) -> Option<usize> {
    let environment = client.profiles[profile].environment;
    let find = |here: bool| {
        client.credentials.iter().position(|c| {
            let fits = if here { usize::from(c.profile) == profile } else { c.environment != environment };
            fits && c.kind == AuthMethod::Token && c.secrets.iter().any(|s| credential::matches(&s.hash, hash))
        })
    };
    find(true).or_else(|| find(false))
}

/// Grants, of which the credential may name a part.
pub(super) fn held<'a>(client: &'a Client, credential: Option<&'a Credential>) -> impl Iterator<Item = &'a str> {
    let part = credential.and_then(|c| c.scopes.as_ref());
    client.grants.iter().map(AsRef::as_ref).filter(move |scope| part.is_none_or(|part| part.iter().any(|s| **s == **scope)))
}

/// The scope to name where no alternative is held in full: the first that the nearest alternative lacks.
fn missing_scope<'e>(endpoint: &'e Endpoint, client: &Client, credential: Option<&Credential>) -> Option<&'e str> {
    let lacks = |scope: &&str| !held(client, credential).any(|h| h == *scope);
    let missing = |set: &'e Scopes| set.iter().map(AsRef::as_ref).filter(lacks).collect::<Vec<&'e str>>();
    if endpoint.scopes.is_empty() || endpoint.scopes.iter().any(|set| set.iter().map(AsRef::as_ref).all(|s| !lacks(&s))) {
        return None;
    }
    endpoint.scopes.iter().map(missing).min_by_key(Vec::len).and_then(|set| set.first().copied())
}
