//! Batched look-ups of what belongs to a row: one statement or a few for all rows of a page.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
};

use async_graphql::{Context, dataloader::Loader};
use domain::{
    Actor, Domain, DomainError, access,
    actor::{Origin, Who},
    read::{
        access_explanation, approval_groups,
        catalog::{self, Teams},
        clients, domains, evidence, leaks, onboarding, plans, sample_request, spec_changes, sso, submissions, subscriptions,
    },
    rules::{access_explanation::Facts, evidence::Seen, policy::MemberRight, spec_changes::SpecChange},
};
use entities::{
    authorized_email, client, credential,
    id::{
        ApprovalGroupId, ClientId, CredentialId, PlanId, ProductId, ProfileId, SpecVersionId, SsoProviderId, SubscriptionId,
        TeamId, UserId,
    },
    onboarding_stage, plan, plan_environment, product, profile, rotation_request, scope_grant, sso_provider, submission,
    subscription, team_domain, user,
};

use crate::graphql::{
    loaders::{MemberOf, loaded},
    request::RequestContext,
};

/// Looks things up for many rows at once.
pub struct Lists(pub(super) Domain);

macro_rules! list_loaders {
    ($($(#[$meta:meta])* $key:ident($id:ty) => $value:ty: $read:expr;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $key(pub $id);

        impl Loader<$key> for Lists {
            type Value = $value;
            type Error = Arc<DomainError>;

            async fn load(&self, keys: &[$key]) -> Result<HashMap<$key, Self::Value>, Self::Error> {
                let ids: Vec<$id> = keys.iter().map(|key| key.0).collect();
                let rows = $read(&self.0, &ids).await.map_err(Arc::new)?;
                Ok(rows.into_iter().map(|(id, value)| ($key(id), value)).collect())
            }
        }
    )*};
}

list_loaders! {
    EnvironmentsOf(PlanId) => Vec<plan_environment::Model>: plans::environments;
    ProfilesOf(ClientId) => Vec<profile::Model>: clients::profiles_of;
    CredentialsOf(ProfileId) => Vec<credential::Model>: clients::credentials_of;
    /// What a credential's older secrets still do.
    OverlapOf(CredentialId) => clients::Overlap: clients::overlaps_of;
    RotationOf(CredentialId) => rotation_request::Model: clients::rotations_of;
    OpenLeakOf(CredentialId) => leaks::OpenLeak: leaks::open_of;
    AuthorizedOf(ClientId) => Vec<authorized_email::Model>: clients::authorized_of;
    ProductsOf(ClientId) => Vec<product::Model>: clients::products_of;
    ClientOf(SubscriptionId) => client::Model: subscriptions::clients_of;
    LatestSubmissionOf(SubscriptionId) => submission::Model: submissions::latest;
    /// What a subscription did in its sandbox.
    SeenOf(SubscriptionId) => Seen: evidence::seen_of;
    ReviewersOf(ApprovalGroupId) => Vec<user::Model>: approval_groups::members;
    /// The approval groups that a person is in.
    GroupsOf(UserId) => HashSet<ApprovalGroupId>: approval_groups::of_people;
    GrantsOf(SubscriptionId) => Vec<scope_grant::Model>: subscriptions::grants_of;
    StagesOf(TeamId) => Vec<onboarding_stage::Model>: onboarding::stages_of;
    DomainsOf(TeamId) => Vec<team_domain::Model>: domains::of_teams;
    SsoOf(TeamId) => Vec<sso_provider::Model>: sso::of_teams;
    DomainsBy(SsoProviderId) => Vec<team_domain::Model>: domains::of_providers;
    SupportRequestsOf(TeamId) => i64: onboarding::support_requests_of;
    /// Where a profile's first call can go.
    TargetOf(ProfileId) => sample_request::Target: sample_request::targets;
}

/// A product's plans; for staff those that are not offered too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlansOf {
    pub product: ProductId,
    pub all: bool,
}

impl Loader<PlansOf> for Lists {
    type Value = Vec<plan::Model>;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[PlansOf]) -> Result<HashMap<PlansOf, Self::Value>, Self::Error> {
        let mut found = HashMap::new();
        for (all, products) in grouped(keys, |key| (key.all, key.product)) {
            let rows = plans::of_products(&self.0, all, &products).await.map_err(Arc::new)?;
            found.extend(rows.into_iter().map(|(product, plans)| (PlansOf { product, all }, plans)));
        }
        Ok(found)
    }
}

/// What a version changed; for staff what it changed of drafts too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChangesOf {
    pub spec: SpecVersionId,
    pub all: bool,
}

impl Loader<ChangesOf> for Lists {
    type Value = Vec<SpecChange>;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[ChangesOf]) -> Result<HashMap<ChangesOf, Self::Value>, Self::Error> {
        let mut found = HashMap::new();
        for (all, specs) in grouped(keys, |key| (key.all, key.spec)) {
            let rows = spec_changes::of_specs(&self.0, all, &specs).await.map_err(Arc::new)?;
            found.extend(rows.into_iter().map(|(spec, changes)| (ChangesOf { spec, all }, changes)));
        }
        Ok(found)
    }
}

/// Whether a version breaks callers; for staff counting drafts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Breaks {
    pub spec: SpecVersionId,
    pub all: bool,
}

impl Loader<Breaks> for Lists {
    type Value = bool;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[Breaks]) -> Result<HashMap<Breaks, bool>, Self::Error> {
        let mut found = HashMap::new();
        for (all, specs) in grouped(keys, |key| (key.all, key.spec)) {
            let rows = spec_changes::breaking(&self.0, all, &specs).await.map_err(Arc::new)?;
            found.extend(rows.into_iter().map(|(spec, breaking)| (Breaks { spec, all }, breaking)));
        }
        Ok(found)
    }
}

/// What teams hold of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeldOf(pub Teams, pub ProductId);

impl Loader<HeldOf> for Lists {
    type Value = Vec<subscription::Model>;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[HeldOf]) -> Result<HashMap<HeldOf, Self::Value>, Self::Error> {
        let mut found = HashMap::new();
        for (teams, products) in grouped(keys, |key| (key.0, key.1)) {
            let rows = subscriptions::of_products(&self.0, teams, &products).await.map_err(Arc::new)?;
            found.extend(rows.into_iter().map(|(product, held)| (HeldOf(teams, product), held)));
        }
        Ok(found)
    }
}

/// Whether teams hold a plan, not counting what is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HeldPlan(pub Teams, pub PlanId);

impl Loader<HeldPlan> for Lists {
    type Value = ();
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[HeldPlan]) -> Result<HashMap<HeldPlan, ()>, Self::Error> {
        let mut found = HashMap::new();
        for (teams, plans) in grouped(keys, |key| (key.0, key.1)) {
            let held = plans::held_of(&self.0, teams, &plans).await.map_err(Arc::new)?;
            found.extend(held.into_iter().map(|plan| (HeldPlan(teams, plan), ())));
        }
        Ok(found)
    }
}

/// What decides whether a team sees and can call a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AccessFacts {
    pub team: TeamId,
    pub product: ProductId,
}

impl Loader<AccessFacts> for Lists {
    type Value = Arc<Facts>;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[AccessFacts]) -> Result<HashMap<AccessFacts, Arc<Facts>>, Self::Error> {
        let mut found = HashMap::new();
        for (team, products) in grouped(keys, |key| (key.team, key.product)) {
            let facts = access_explanation::facts(&self.0, team, &products).await.map_err(Arc::new)?;
            found.extend(facts.into_iter().map(|(product, facts)| (AccessFacts { team, product }, facts)));
        }
        Ok(found)
    }
}

/// A product, where this person sees it in the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SeenProduct {
    pub by: Who,
    pub id: ProductId,
}

impl Loader<SeenProduct> for Lists {
    type Value = product::Model;
    type Error = Arc<DomainError>;

    async fn load(&self, keys: &[SeenProduct]) -> Result<HashMap<SeenProduct, Self::Value>, Self::Error> {
        let Some(SeenProduct { by, .. }) = keys.first().copied() else { return Ok(HashMap::new()) };
        let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        let actor = Actor { who: by, origin: Origin::default() };
        let rows = catalog::products_by_id(&self.0, &actor, &ids).await.map_err(Arc::new)?;
        Ok(rows.into_iter().map(|row| (SeenProduct { by, id: row.id }, row)).collect())
    }
}

/// What is looked up together, by what it has in common.
fn grouped<K, G: Eq + Hash, I>(keys: &[K], parts: impl Fn(&K) -> (G, I)) -> HashMap<G, Vec<I>> {
    let mut groups: HashMap<G, Vec<I>> = HashMap::new();
    for (group, id) in keys.iter().map(parts) {
        groups.entry(group).or_default().push(id);
    }
    groups
}

/// One key's value; `None` where there is nothing.
pub async fn one<K>(ctx: &Context<'_>, key: K) -> async_graphql::Result<Option<<Lists as Loader<K>>::Value>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Lists: Loader<K, Error = Arc<DomainError>>,
{
    loaded(ctx.loaders().lists.load_one(key).await)
}

/// Whether the viewer may do this for a team: decides which fields answer and which are null.
pub async fn may(ctx: &Context<'_>, team: TeamId, right: MemberRight) -> async_graphql::Result<bool> {
    let member = match ctx.actor().user_id() {
        Some(user) => loaded(ctx.loaders().teams.load_one(MemberOf { team, user }).await)?,
        None => None,
    };
    Ok(access::may(ctx.actor(), member.as_ref(), right))
}
