//! What the checks say of a team's clients before anybody calls: the same checks on the same facts, for who asks why a call
//! passes or would be refused. Where a call decides (the caller's address, what it presents, the limits), nothing is said.

use std::{borrow::Cow, sync::Arc};

use chrono::{DateTime, Utc};
use entities::{
    enums::{AuthMethod, DenialReason, Environment},
    id::{ClientId, CredentialId, EndpointId, PlanId, PolicyId, TeamId},
};

use super::{
    Call,
    checks::{Decision, Holds, Refusal, allowed, enabled, in_scope, usable},
    granted::granted,
};
use crate::rules::{
    credential::{self, Lookup},
    jose::KeySet,
    key_source::KeySource,
    limits::Limits,
    routes::Found,
    view::{Allowlist, Client, Credential, Product, Profile, Secret, Team, View},
};

/// What is known of one team and one product: as gateways know it.
#[derive(Debug, Clone)]
pub struct Standing {
    pub product: Arc<Product>,
    /// `None` for a team without a tier and assignments of its own.
    pub team: Option<Arc<Team>>,
    pub clients: Vec<Arc<Client>>,
}

/// Something that stands against calls, as the gateway would say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    pub reason: DenialReason,
    /// What the check was about: a scope, methods. Never a secret.
    pub about: Option<Cow<'static, str>>,
}

impl From<Refusal> for Obstacle {
    fn from(refusal: Refusal) -> Self {
        Self { reason: refusal.reason, about: refusal.about }
    }
}

/// What a profile leads to: the places of the endpoints, of those that are asked for, that its calls reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub environment: Environment,
    pub against: Vec<Obstacle>,
    reached: Vec<u32>,
}

/// By what a caller proves itself on a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A credential is needed.
    Credential,
    /// No credential of ours is: the profile asks for none, or takes the tokens of its issuer.
    None,
}

impl View for Standing {
    fn product(&self, base_path: &str) -> Option<Arc<Product>> {
        Some(&self.product).filter(|product| *product.base_path == *base_path).cloned()
    }

    fn client(&self, id: ClientId) -> Option<Arc<Client>> {
        self.clients.iter().find(|client| client.id == id).cloned()
    }

    fn key(&self, _: &Lookup) -> Option<(ClientId, u32)> {
        None
    }

    fn oauth_client(&self, _: CredentialId) -> Option<(ClientId, u32)> {
        None
    }

    fn token_keys(&self) -> KeySet {
        KeySet::default()
    }

    fn outside_keys(&self, _: &KeySource, _: DateTime<Utc>) -> Option<KeySet> {
        None
    }

    fn products(&self) -> Vec<Arc<Product>> {
        vec![self.product.clone()]
    }

    fn team(&self, _: TeamId) -> Option<Arc<Team>> {
        self.team.clone()
    }

    fn policy(&self, _: PolicyId) -> Option<Limits> {
        None
    }

    fn plan(&self, _: PlanId, _: Environment) -> Limits {
        Limits::UNLIMITED
    }
}

/// A profile's proof, by steps 2 and 8.
pub fn proof(client: &Client, profile: &Profile) -> Proof {
    match profile.auth_method {
        AuthMethod::None => Proof::None,
        // A client made by hand has its issuer's audience to itself.
        AuthMethod::Oidc if client.subscription.is_none() && profile.outside.is_some() => Proof::None,
        _ => Proof::Credential,
    }
}

/// Step 6, where it refuses every address.
fn from_nowhere(profile: &Profile) -> Option<Obstacle> {
    match &profile.allowlist {
        Allowlist::Only(nets) if nets.is_empty() => {
            Some(Obstacle { reason: DenialReason::IpNotAllowed, about: Some("no range of the allowlist can be read".into()) })
        }
        Allowlist::Anywhere | Allowlist::Only(_) => None,
    }
}

/// Whether a credential's secret can be shown, or proven, at all.
fn can_be_proven(credential: &Credential, secret: &Secret) -> bool {
    match credential.kind {
        AuthMethod::SignedJwt | AuthMethod::Oauth2PrivateKeyJwt => secret.proof.is_some(),
        _ => true,
    }
}

impl Standing {
    /// Steps 3 and 5: what stands against every call of a client's.
    pub fn of_client(&self, client: &Client, now: DateTime<Utc>) -> Vec<Obstacle> {
        let held = self.ask(now, |decision| decision.holds(client, &self.product));
        [enabled(client), held].into_iter().filter_map(Result::err).map(Obstacle::from).collect()
    }

    /// Steps 1, 4, 6 and 7: what stands against the calls of one of its profiles, to one endpoint or to all.
    pub fn of_profile(&self, client: &Client, profile: &Profile, to: Option<EndpointId>, now: DateTime<Utc>) -> Lane {
        let environment = profile.environment;
        let routes = self.product.routes(environment);
        let served = routes.endpoints().filter(|(_, endpoint)| to.is_none_or(|to| endpoint.id == to));
        let served: Vec<_> = served.filter(|_| self.product.callable && self.product.upstream(environment).is_some()).collect();
        let found = served.first().map_or(Found::Nothing, |(place, _)| Found::Endpoint(*place));
        let reached = served.iter().filter(|(_, endpoint)| allowed(profile, Some(endpoint.method)).is_ok());
        let reached: Vec<u32> = reached.map(|(place, _)| *place).collect();
        let method = match served.first() {
            Some((_, endpoint)) if reached.is_empty() => allowed(profile, Some(endpoint.method)),
            _ => Ok(()),
        };
        let open = self.ask(now, |decision| decision.subscription(client, environment));
        let there = self.ask(now, |decision| decision.served(&self.product, found, environment)).map(drop);
        let against = [usable(profile), open, there].into_iter().filter_map(Result::err).map(Obstacle::from);
        let network = from_nowhere(profile).into_iter();
        let against = against.chain(network).chain(method.err().map(Obstacle::from));
        Lane { environment, against: against.collect(), reached }
    }

    /// Steps 8 and 9 for a credential of the profile's that the lane belongs to.
    pub fn of_credential(&self, client: &Client, at: usize, lane: &Lane, now: DateTime<Utc>) -> Vec<Obstacle> {
        let credential = &client.credentials[at];
        let profile = usize::from(credential.profile);
        let mut against = Vec::new();
        if credential.kind != client.profiles[profile].auth_method {
            let about = Some("the profile takes another kind of credential".into());
            against.push(Obstacle { reason: DenialReason::CredentialInvalid, about });
        }
        if credential.kind == AuthMethod::Oidc && client.profiles[profile].outside.is_none() {
            let about = Some("the profile names no issuer whose tokens it takes".into());
            against.push(Obstacle { reason: DenialReason::CredentialInvalid, about });
        }
        match self.ask(now, |decision| decision.is_active(client, profile, at)) {
            Err(Refusal { reason: DenialReason::CredentialInvalid, .. }) => {
                let about = Some("nobody has collected its secret yet".into());
                against.push(Obstacle { reason: DenialReason::CredentialInvalid, about });
            }
            Err(refusal) => against.push(refusal.into()),
            Ok(()) => {
                let live = credential::live(&credential.secrets, now.into());
                let live: Vec<_> = live.filter(|secret| can_be_proven(credential, secret)).collect();
                if live.is_empty() {
                    against.push(Obstacle { reason: DenialReason::CredentialExpired, about: None });
                }
                let granted = granted(self, client, &self.product, lane.environment);
                let nobody = Holds { granted: &granted, credential: None, secret: None, token_scope: None };
                let by = |secret: &&Secret| Holds { credential: Some(credential), secret: Some(secret.id), ..nobody };
                let holds: Vec<Holds<'_>> = live.iter().map(by).collect();
                against.extend(self.out_of_scope(client, lane, &holds));
            }
        }
        against
    }

    /// Step 9 for calls that need no credential of ours.
    pub fn of_nobody(&self, client: &Client, lane: &Lane) -> Vec<Obstacle> {
        let granted = granted(self, client, &self.product, lane.environment);
        let nobody = Holds { granted: &granted, credential: None, secret: None, token_scope: None };
        self.out_of_scope(client, lane, &[nobody]).into_iter().collect()
    }

    /// The scope that is lacking, where none of these callers may call any of the endpoints that the lane reaches.
    fn out_of_scope(&self, client: &Client, lane: &Lane, callers: &[Holds<'_>]) -> Option<Obstacle> {
        let routes = self.product.routes(lane.environment);
        let endpoints = lane.reached.iter().filter_map(|place| routes.endpoint(*place));
        let calls =
            endpoints.flat_map(|endpoint| callers.iter().map(move |holds| in_scope(endpoint, client, self.product.id, *holds)));
        let mut first = None;
        for call in calls {
            match call {
                Ok(()) => return None,
                Err(refusal) => first = first.or(Some(refusal.into())),
            }
        }
        first
    }

    /// One check on what is known, without a call.
    fn ask<T>(&self, now: DateTime<Utc>, check: impl FnOnce(&Decision<'_, Self>) -> T) -> T {
        check(&Decision { view: self, call: &Call::of_nobody(now), now: now.into() })
    }
}

#[cfg(test)]
mod tests;
