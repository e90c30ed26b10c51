//! What a partner could do at an earlier moment.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    read::access_history,
    rules::{
        access_history::{self as rule, Snapshot},
        policy::Access,
    },
};
use entities::id::{ProductId, UserId};

use crate::graphql::{
    call_limits::{QuotaLimit, RateLimit},
    client::Client,
    enums::{AuthMethod, Environment, PipelinePhase, SubscriptionStatus},
    loaders::{found, loaded},
    product::Product,
    request::{OrGraphql, RequestContext, id_of},
    subscription::Subscription,
    team::MemberAccess,
    user::User,
};

/// What a partner could do at a moment. The things that are named are shown as they are now; what stands beside them is as it
/// was then.
pub struct AccessSnapshot {
    at: DateTime<Utc>,
    snapshot: Snapshot,
}

#[Object]
impl AccessSnapshot {
    async fn at(&self) -> DateTime<Utc> {
        self.at
    }
    async fn members(&self) -> Vec<MemberAccessAt> {
        self.snapshot.members.iter().map(|(user, access)| MemberAccessAt { user: *user, access: *access }).collect()
    }
    /// All that there were, oldest first, those too that had ended.
    async fn subscriptions(&self) -> Vec<SubscriptionAccess> {
        self.snapshot.subscriptions.iter().cloned().map(SubscriptionAccess).collect()
    }
    /// Oldest first; a subscription's are among them.
    async fn clients(&self) -> Vec<ClientAccess> {
        self.snapshot.clients.iter().cloned().map(ClientAccess).collect()
    }
    /// What the audit log does not say about the time since, as sentences: events of earlier versions say less, and old ones may
    /// be gone. Empty: the answer is exact.
    async fn gaps(&self) -> &[String] {
        &self.snapshot.gaps
    }
}

/// A person who was in the team.
pub struct MemberAccessAt {
    user: UserId,
    access: Access,
}

#[Object]
impl MemberAccessAt {
    async fn user(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        found(ctx.loaders().users.load_one(self.user).await).map(User)
    }
    async fn access(&self) -> MemberAccess {
        self.access.into()
    }
}

/// A subscription, as it was.
pub struct SubscriptionAccess(rule::SubscriptionAccess);

#[Object]
impl SubscriptionAccess {
    async fn subscription(&self, ctx: &Context<'_>) -> async_graphql::Result<Subscription> {
        found(ctx.loaders().subscriptions.load_one(self.0.id).await).map(Subscription)
    }
    /// Its calls passed in ACTIVE and PENDING_CANCELLATION only.
    async fn status(&self) -> SubscriptionStatus {
        self.0.status.into()
    }
    /// Production was open in PRODUCTION only; null where the plan has no sandbox.
    async fn phase(&self) -> Option<PipelinePhase> {
        self.0.phase.map(Into::into)
    }
    /// Those that it held for an environment that was open.
    async fn scopes(&self) -> &[String] {
        &self.0.scopes
    }
    /// Those that worked: neither revoked nor expired, and collected.
    async fn credentials(&self) -> Vec<CredentialAccess> {
        self.0.credentials.iter().copied().map(Into::into).collect()
    }
    async fn products(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Product>> {
        products(ctx, &self.0.products).await
    }
}

/// A client, as it was.
pub struct ClientAccess(rule::ClientAccess);

#[Object]
impl ClientAccess {
    async fn client(&self, ctx: &Context<'_>) -> async_graphql::Result<Client> {
        found(ctx.loaders().clients.load_one(self.0.id).await).map(Client)
    }
    async fn enabled(&self) -> bool {
        self.0.enabled
    }
    /// By its subscription, and assigned to it, its team and the tier that the team was in.
    async fn products(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Product>> {
        products(ctx, &self.0.products).await
    }
    /// Those that worked: neither revoked nor expired, and collected.
    async fn credentials(&self) -> Vec<CredentialAccess> {
        self.0.credentials.iter().copied().map(Into::into).collect()
    }
    /// Of the environment that it was furthest in: production where that was open, else the sandbox. Null: unlimited.
    async fn rate_limit(&self) -> Option<RateLimit> {
        let (requests, window) = self.0.limits.rate.unzip();
        RateLimit::from_columns(requests, window)
    }
    /// Of the same environment. Null: unlimited.
    async fn quota(&self) -> Option<QuotaLimit> {
        let (requests, period) = self.0.limits.quota.unzip();
        QuotaLimit::from_columns(requests, period)
    }
    /// Of the same environment; empty: calls came from anywhere.
    async fn ip_allowlist(&self) -> &[String] {
        &self.0.allowlist
    }
}

/// A credential that worked.
#[derive(SimpleObject)]
pub struct CredentialAccess {
    credential_id: ID,
    environment: Environment,
    kind: AuthMethod,
    issued_at: DateTime<Utc>,
}

impl From<rule::CredentialAccess> for CredentialAccess {
    fn from(access: rule::CredentialAccess) -> Self {
        Self {
            credential_id: access.id.to_string().into(),
            environment: access.environment.into(),
            kind: access.kind.into(),
            issued_at: access.issued_at,
        }
    }
}

async fn products(ctx: &Context<'_>, ids: &[ProductId]) -> async_graphql::Result<Vec<Product>> {
    let rows = ctx.loaders().products.load_many(ids.iter().copied()).await;
    let mut rows = loaded(rows.map(Some))?.unwrap_or_default();
    Ok(ids.iter().filter_map(|id| rows.remove(id)).map(Product::from).collect())
}

/// For the provider's field.
pub async fn on(ctx: &Context<'_>, team_id: &ID, at: DateTime<Utc>) -> async_graphql::Result<AccessSnapshot> {
    let team = id_of(team_id, "team").or_graphql()?;
    let snapshot = access_history::on(ctx.op(), ctx.actor(), team, at).await.or_graphql()?;
    Ok(AccessSnapshot { at, snapshot })
}
