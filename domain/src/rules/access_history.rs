//! What a team could do at an earlier moment: what holds now, with every change since then undone, the newest first.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entities::{
    enums::{AccessLevel, AuthMethod, CredentialStatus, Environment, PipelinePhase, QuotaPeriod, RateWindow, SubscriptionStatus},
    id::{ClientId, CredentialId, PlanId, PolicyId, ProductId, ProfileId, SubscriptionId, TeamId, TierId, UserId},
};

use super::policy::Access;

/// Calls in a window, and in a calendar period; `None`: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    pub rate: Option<(i32, RateWindow)>,
    pub quota: Option<(i64, QuotaPeriod)>,
}

/// What decides what a team can do. Undoing changes leads from now to earlier moments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    pub team: TeamId,
    pub tier: Option<TierId>,
    pub members: BTreeMap<UserId, Access>,
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
    pub clients: BTreeMap<ClientId, Client>,
    pub profiles: BTreeMap<ProfileId, Profile>,
    pub credentials: BTreeMap<CredentialId, Credential>,
    /// What was given by hand to the team, its clients and any tier.
    pub assigned: BTreeSet<(Recipient, ProductId)>,
    pub policies: BTreeMap<PolicyId, Policy>,
    pub plans: BTreeMap<(PlanId, Environment), Limits>,
    /// The environments that plans name for their scopes; one of which nothing is known counts in all.
    pub scopes: BTreeMap<(PlanId, String), Vec<Environment>>,
    /// Members who left, and since when they had been there is not said.
    unsure: BTreeMap<UserId, String>,
    unsaid: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub plan: PlanId,
    pub product: ProductId,
    pub status: SubscriptionStatus,
    pub phase: Option<PipelinePhase>,
    pub scopes: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub subscription: Option<SubscriptionId>,
    pub enabled: bool,
    pub policy: Option<PolicyId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    pub client: ClientId,
    pub environment: Environment,
    pub enabled: bool,
    pub policy: Option<PolicyId>,
    /// Addresses and CIDR ranges; empty: from anywhere.
    pub allowlist: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    pub client: ClientId,
    pub environment: Environment,
    pub kind: AuthMethod,
    pub status: CredentialStatus,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// A disabled one counts as none.
    pub enabled: bool,
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Recipient {
    Tier(TierId),
    Team(TeamId),
    Client(ClientId),
}

/// What an event changed, by what was before it. `None` in a field: that stayed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Joined(UserId),
    Left {
        user: UserId,
        access: Access,
        since: Option<DateTime<Utc>>,
        /// When they left, as it is said where `since` is not known.
        at: DateTime<Utc>,
    },
    AccessSet {
        user: UserId,
        team: Option<AccessLevel>,
        credentials: Option<AccessLevel>,
        billing: Option<AccessLevel>,
    },
    Tier(Option<TierId>),
    Subscription {
        id: SubscriptionId,
        status: Option<SubscriptionStatus>,
        phase: Option<Option<PipelinePhase>>,
        plan: Option<PlanId>,
        scopes: Option<BTreeSet<String>>,
    },
    ScopeGiven(SubscriptionId, String),
    ScopeTaken(SubscriptionId, String),
    Client {
        id: ClientId,
        enabled: Option<bool>,
        policy: Option<Option<PolicyId>>,
    },
    Profile {
        id: ProfileId,
        enabled: Option<bool>,
        policy: Option<Option<PolicyId>>,
        allowlist: Option<Vec<String>>,
    },
    Claimed(CredentialId),
    Expiry(CredentialId, Option<DateTime<Utc>>),
    Assigned(Recipient, ProductId),
    Unassigned(Recipient, ProductId),
    Policy {
        id: PolicyId,
        enabled: Option<bool>,
        rate: Option<Option<(i32, RateWindow)>>,
        quota: Option<Option<(i64, QuotaPeriod)>>,
    },
    /// A policy that is gone: what it said, where that was kept.
    PolicyDeleted(PolicyId, Option<Policy>),
    PlanLimits(PlanId, Vec<(Environment, Limits)>),
    /// The event does not say enough: a sentence, and the subscription that has to have been there for it to matter.
    Unsaid(Option<SubscriptionId>, String),
}

/// What a team could do at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub members: Vec<(UserId, Access)>,
    pub subscriptions: Vec<SubscriptionAccess>,
    pub clients: Vec<ClientAccess>,
    /// What is not known for sure, as sentences; empty: all of it is.
    pub gaps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionAccess {
    pub id: SubscriptionId,
    pub status: SubscriptionStatus,
    pub phase: Option<PipelinePhase>,
    pub scopes: Vec<String>,
    pub credentials: Vec<CredentialAccess>,
    pub products: Vec<ProductId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAccess {
    pub id: ClientId,
    pub enabled: bool,
    pub products: Vec<ProductId>,
    pub credentials: Vec<CredentialAccess>,
    /// These two are of the environment that it was furthest in: of production where that was open, else of the sandbox.
    pub limits: Limits,
    pub allowlist: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialAccess {
    pub id: CredentialId,
    pub environment: Environment,
    pub kind: AuthMethod,
    pub issued_at: DateTime<Utc>,
}

impl State {
    pub fn new(team: TeamId, tier: Option<TierId>) -> Self {
        Self {
            team,
            tier,
            members: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            clients: BTreeMap::new(),
            profiles: BTreeMap::new(),
            credentials: BTreeMap::new(),
            assigned: BTreeSet::new(),
            policies: BTreeMap::new(),
            plans: BTreeMap::new(),
            scopes: BTreeMap::new(),
            unsure: BTreeMap::new(),
            unsaid: BTreeSet::new(),
        }
    }

    /// Takes back a change that came after `at`. What a thing that was not there yet at that moment went through changes nothing.
    pub fn undo(&mut self, change: Change, at: DateTime<Utc>) {
        match change {
            Change::Joined(_) | Change::Left { .. } | Change::AccessSet { .. } => self.undo_of_member(change, at),
            Change::Tier(before) => self.tier = before,
            Change::Subscription { id, status, phase, plan, scopes } => {
                if let Some(held) = self.subscriptions.get_mut(&id) {
                    set(&mut held.status, status);
                    set(&mut held.phase, phase);
                    set(&mut held.plan, plan);
                    set(&mut held.scopes, scopes);
                }
            }
            Change::ScopeGiven(id, scope) => {
                self.subscriptions.get_mut(&id).map(|held| held.scopes.remove(&scope));
            }
            Change::ScopeTaken(id, scope) => {
                self.subscriptions.get_mut(&id).map(|held| held.scopes.insert(scope));
            }
            Change::Client { id, enabled, policy } => {
                if let Some(client) = self.clients.get_mut(&id) {
                    set(&mut client.enabled, enabled);
                    set(&mut client.policy, policy);
                }
            }
            Change::Profile { id, enabled, policy, allowlist } => {
                if let Some(profile) = self.profiles.get_mut(&id) {
                    set(&mut profile.enabled, enabled);
                    set(&mut profile.policy, policy);
                    set(&mut profile.allowlist, allowlist);
                }
            }
            Change::Claimed(id) => {
                if let Some(credential) = self.credentials.get_mut(&id) {
                    credential.status = CredentialStatus::Unclaimed;
                }
            }
            Change::Expiry(id, before) => {
                if let Some(credential) = self.credentials.get_mut(&id) {
                    credential.expires_at = before;
                }
            }
            Change::Assigned(to, product) => drop(self.assigned.remove(&(to, product))),
            Change::Unassigned(to, product) => drop(self.assigned.insert((to, product))),
            Change::Policy { .. } | Change::PolicyDeleted(..) | Change::PlanLimits(..) => self.undo_of_limits(change),
            Change::Unsaid(of, what) => {
                if of.is_none_or(|id| self.subscriptions.contains_key(&id)) {
                    self.unsaid.insert(what);
                }
            }
        }
    }

    fn undo_of_member(&mut self, change: Change, at: DateTime<Utc>) {
        match change {
            Change::Joined(user) => {
                self.members.remove(&user);
                self.unsure.remove(&user);
            }
            Change::Left { user, access, since, at: left } => {
                if since.is_none_or(|since| since <= at) {
                    self.members.insert(user, access);
                }
                if since.is_none() {
                    let say = format!("{user} left the team on {left}, and the log does not say since when they had been in it.");
                    self.unsure.insert(user, say);
                }
            }
            Change::AccessSet { user, team, credentials, billing } => {
                if let Some(access) = self.members.get_mut(&user) {
                    set(&mut access.team, team);
                    set(&mut access.credentials, credentials);
                    set(&mut access.billing, billing);
                }
            }
            _ => {}
        }
    }

    fn undo_of_limits(&mut self, change: Change) {
        match change {
            Change::Policy { id, enabled, rate, quota } => {
                if let Some(policy) = self.policies.get_mut(&id) {
                    set(&mut policy.enabled, enabled);
                    set(&mut policy.limits.rate, rate);
                    set(&mut policy.limits.quota, quota);
                }
            }
            Change::PolicyDeleted(id, Some(before)) => drop(self.policies.insert(id, before)),
            Change::PlanLimits(plan, before) => {
                self.plans.retain(|(of, _), _| *of != plan);
                self.plans.extend(before.into_iter().map(|(environment, limits)| ((plan, environment), limits)));
            }
            _ => {}
        }
    }

    /// What the team could do in this state, which was that of `at`.
    pub fn snapshot(&self, at: DateTime<Utc>) -> Snapshot {
        let mut gaps: Vec<String> = self.unsure.values().chain(&self.unsaid).cloned().collect();
        let subscriptions = self.subscriptions.iter().map(|(id, held)| {
            let clients: Vec<ClientId> =
                self.clients.iter().filter(|(_, client)| client.subscription == Some(*id)).map(|(client, _)| *client).collect();
            SubscriptionAccess {
                id: *id,
                status: held.status,
                phase: held.phase,
                scopes: held.scopes.iter().filter(|scope| self.counts(held, scope)).cloned().collect(),
                credentials: self.credentials_of(|client| clients.contains(&client), at),
                products: held.gives().into_iter().collect(),
            }
        });
        let clients = self.clients.iter().map(|(id, client)| {
            let furthest = self.furthest(*id, client);
            ClientAccess {
                id: *id,
                enabled: client.enabled,
                products: self.products_of(*id, client).into_iter().collect(),
                credentials: self.credentials_of(|of| of == *id, at),
                limits: self.limits_of(client, furthest, &mut gaps),
                allowlist: furthest.1.map(|profile| profile.allowlist.clone()).unwrap_or_default(),
            }
        });
        let (clients, subscriptions) = (clients.collect(), subscriptions.collect());
        let members = self.members.iter().map(|(user, access)| (*user, *access)).collect();
        Snapshot { members, subscriptions, clients, gaps }
    }

    /// Whether a scope that was granted could be used: in an environment that the plan names for it, and that was open.
    fn counts(&self, held: &Subscription, scope: &str) -> bool {
        let named = self.scopes.get(&(held.plan, scope.to_owned()));
        named.is_none_or(|environments| environments.iter().any(|environment| held.opens(*environment)))
    }

    fn credentials_of(&self, of: impl Fn(ClientId) -> bool, at: DateTime<Utc>) -> Vec<CredentialAccess> {
        let in_force = |credential: &Credential| {
            credential.status == CredentialStatus::Active && credential.expires_at.is_none_or(|expires| expires > at)
        };
        let held = self.credentials.iter().filter(|(_, credential)| of(credential.client) && in_force(credential));
        let access = |(id, credential): (&CredentialId, &Credential)| {
            let Credential { environment, kind, created_at, .. } = *credential;
            CredentialAccess { id: *id, environment, kind, issued_at: created_at }
        };
        held.map(access).collect()
    }

    fn products_of(&self, id: ClientId, client: &Client) -> BTreeSet<ProductId> {
        let reaches = |to: Recipient| match to {
            Recipient::Tier(tier) => self.tier == Some(tier),
            Recipient::Team(team) => self.team == team,
            Recipient::Client(client) => client == id,
        };
        let by_hand = self.assigned.iter().filter(|(to, _)| reaches(*to)).map(|(_, product)| *product);
        let held = client.subscription.and_then(|held| self.subscriptions.get(&held)).and_then(Subscription::gives);
        by_hand.chain(held).collect()
    }

    /// The environment that a client was furthest in, and its profile there.
    fn furthest(&self, id: ClientId, client: &Client) -> (Environment, Option<&Profile>) {
        let phase = client.subscription.and_then(|held| self.subscriptions.get(&held)).and_then(|held| held.phase);
        let of_client = || self.profiles.values().filter(|profile| profile.client == id);
        let environment = match phase {
            Some(PipelinePhase::Sandbox | PipelinePhase::InReview | PipelinePhase::Rejected) => Environment::Sandbox,
            Some(PipelinePhase::Production) | None => Environment::Production,
        };
        let profile = of_client().find(|profile| profile.environment == environment).or_else(|| of_client().next());
        (profile.map_or(environment, |profile| profile.environment), profile)
    }

    /// A profile's policy, else its client's, else what the plan says.
    fn limits_of(
        &self,
        client: &Client,
        (environment, profile): (Environment, Option<&Profile>),
        gaps: &mut Vec<String>,
    ) -> Limits {
        for id in [profile.and_then(|profile| profile.policy), client.policy].into_iter().flatten() {
            match self.policies.get(&id) {
                Some(Policy { enabled: true, limits }) => return *limits,
                Some(_) => {}
                None => {
                    gaps.push(format!("Limits came from {id}, which was deleted since: the log does not say what it allowed."))
                }
            }
        }
        let held = client.subscription.and_then(|held| self.subscriptions.get(&held));
        held.and_then(|held| self.plans.get(&(held.plan, environment))).copied().unwrap_or_default()
    }
}

impl Subscription {
    /// Whether the lane of an environment was open.
    fn opens(&self, environment: Environment) -> bool {
        match (environment, self.phase) {
            (Environment::Sandbox, _) | (Environment::Production, None | Some(PipelinePhase::Production)) => true,
            (Environment::Production, Some(PipelinePhase::Sandbox | PipelinePhase::InReview | PipelinePhase::Rejected)) => false,
        }
    }

    /// The product that its client can call, as long as it has not ended.
    fn gives(&self) -> Option<ProductId> {
        use SubscriptionStatus::{
            Active, Cancelled, Expired, PaymentFailed, PendingApproval, PendingCancellation, PendingPayment, Rejected, Suspended,
        };
        match self.status {
            Cancelled | Expired => None,
            Active | PaymentFailed | PendingApproval | PendingCancellation | PendingPayment | Rejected | Suspended => {
                Some(self.product)
            }
        }
    }
}

fn set<T>(field: &mut T, before: Option<T>) {
    if let Some(before) = before {
        *field = before;
    }
}

#[cfg(test)]
mod tests;
