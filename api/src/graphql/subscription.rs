//! Subscriptions: a team's hold on a plan.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    ops::{
        endings, plan_changes, reviews,
        subscriptions::{self, Subscribed, UpdateSubscription},
    },
    read::{
        lanes::{self, Lane},
        request_log::Calls,
    },
    rules::policy::MemberRight,
};
use entities::{columns, scope_grant, subscription};

use crate::{
    connection,
    graphql::{
        client::Client,
        connection::HasCursor,
        credential::{Credential, IssuedSecret},
        custom_property::{CustomPropertyInput, CustomPropertyValue, values},
        enums::{Environment, LaneLock, NextStep, RequestStatus, SubscriptionStatus},
        loaders::found,
        loaders::lists::{ClientOf, CredentialsOf, GrantsOf, ProfilesOf, may, one},
        payload::{Payload, UserError, payload},
        plan::{Plan, PlanScope},
        profile::Profile,
        request::{OrGraphql, RequestContext, id_of, id_referred_to, page},
        request_log::{RequestLogConnection, RequestLogFilter, log},
        scalars::Moment,
        scope::{ScopeRequest, ScopeRequestConnection},
        submission::Pipeline,
        team::Team,
        user::User,
    },
    payload_type,
};

/// A team's hold on a plan, with a client of its own for the gateway.
#[derive(Debug, Clone)]
pub struct Subscription(pub subscription::Model);

connection! { SubscriptionConnection SubscriptionEdge Subscription }

impl HasCursor for Subscription {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Subscription {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        found(ctx.loaders().teams.load_one(self.0.team_id).await).map(Team)
    }
    async fn plan(&self, ctx: &Context<'_>) -> async_graphql::Result<Plan> {
        found(ctx.loaders().plans.load_one(self.0.plan_id).await).map(Plan::from)
    }
    /// Who subscribed.
    async fn owner(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.0.owner_id else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row)))
    }
    async fn status(&self) -> SubscriptionStatus {
        self.0.status.into()
    }
    /// What was said when it was decided on, suspended or cancelled.
    async fn status_reason(&self) -> Option<&str> {
        self.0.status_reason.as_deref()
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
    async fn activated_at(&self) -> Option<DateTime<Utc>> {
        self.0.activated_at
    }
    async fn cancel_at(&self) -> Option<DateTime<Utc>> {
        self.0.cancel_at
    }
    async fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.0.expires_at
    }
    /// The road to production; null where the plan has no sandbox.
    async fn pipeline(&self) -> Option<Pipeline> {
        Pipeline::of(&self.0)
    }
    /// Sandbox first; one lane where the plan has no sandbox. Needs READ access to the credentials area.
    async fn lanes(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<CredentialLane>>> {
        if !may(ctx, self.0.team_id, MemberRight::ReadCredentials).await? {
            return Ok(None);
        }
        Ok(Some(self.load_lanes(ctx).await?.into_iter().map(CredentialLane).collect()))
    }
    async fn client(&self, ctx: &Context<'_>) -> async_graphql::Result<Client> {
        self.load_client(ctx).await
    }
    /// The scopes that its credentials hold.
    async fn scopes(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<ScopeGrant>> {
        let plan = found(ctx.loaders().plans.load_one(self.0.plan_id).await)?;
        let grants = one(ctx, GrantsOf(self.0.id)).await?.unwrap_or_default();
        let defined = |name: &str| plan.scopes.iter().find(|scope| scope.name == name).cloned();
        Ok(grants.into_iter().filter_map(|grant| Some(ScopeGrant { scope: defined(&grant.scope)?, grant })).collect())
    }
    /// What can be asked for without a reason.
    async fn available_scopes(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<PlanScope>> {
        Ok(self.scopes_to_ask_for(ctx).await?.0.into_iter().map(PlanScope).collect())
    }
    /// What can be asked for with a reason.
    async fn restricted_scopes(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<PlanScope>> {
        Ok(self.scopes_to_ask_for(ctx).await?.1.into_iter().map(PlanScope).collect())
    }
    /// What was asked for, newest first.
    async fn scope_requests(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        status: Option<RequestStatus>,
    ) -> async_graphql::Result<ScopeRequestConnection> {
        let page = page(ctx, first, after, last, before);
        let rows =
            domain::read::scopes::of_subscription(ctx.op(), self.0.id, status.map(Into::into), &page).await.or_graphql()?;
        Ok(ScopeRequestConnection(rows.map(ScopeRequest)))
    }
    /// What it was asked to be moved to; the plan stays in force until a reviewer has decided.
    async fn pending_plan_change(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Plan>> {
        let Some(id) = self.0.pending_plan_id else { return Ok(None) };
        found(ctx.loaders().plans.load_one(id).await).map(|plan| Some(Plan::from(plan)))
    }
    /// What the plan asks for, and what was answered.
    async fn custom_properties(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<CustomPropertyValue>> {
        let plan = found(ctx.loaders().plans.load_one(self.0.plan_id).await)?;
        Ok(values(&plan.custom_properties, &self.0.custom_properties))
    }
    /// Its calls, newest first. Needs READ access to the credentials area.
    async fn request_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<RequestLogFilter>,
    ) -> async_graphql::Result<Option<RequestLogConnection>> {
        let client = self.load_client(ctx).await?.0;
        log(ctx, Calls::OfClient(client.id), filter, page(ctx, first, after, last, before)).await
    }
    /// What the developer can do now, in order.
    async fn next_steps(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<NextStep>> {
        let lanes = self.load_lanes(ctx).await?;
        Ok(lanes::steps(&self.0, &lanes, ctx.op().now()).into_iter().map(Into::into).collect())
    }
}

impl Subscription {
    async fn load_client(&self, ctx: &Context<'_>) -> async_graphql::Result<Client> {
        found(ctx.loaders().lists.load_one(ClientOf(self.0.id)).await).map(Client)
    }

    async fn scopes_to_ask_for(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<(Vec<columns::PlanScope>, Vec<columns::PlanScope>)> {
        let plan = found(ctx.loaders().plans.load_one(self.0.plan_id).await)?;
        let grants = one(ctx, GrantsOf(self.0.id)).await?.unwrap_or_default();
        Ok(domain::read::scopes::to_ask_for(&plan, &grants))
    }

    async fn load_lanes(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Lane>> {
        let client = self.load_client(ctx).await?.0;
        let profiles = one(ctx, ProfilesOf(client.id)).await?.unwrap_or_default();
        let mut credentials = HashMap::new();
        let keys = profiles.iter().map(|profile| CredentialsOf(profile.id));
        let loaded = ctx.loaders().lists.load_many(keys).await;
        for (CredentialsOf(profile), rows) in found(loaded.map(Some))? {
            credentials.insert(profile, rows);
        }
        Ok(lanes::lanes(&self.0, profiles, credentials))
    }
}

/// One environment of a subscription.
pub struct CredentialLane(Lane);

#[Object]
impl CredentialLane {
    async fn id(&self) -> ID {
        self.0.profile.id.to_string().into()
    }
    async fn environment(&self) -> Environment {
        self.0.profile.environment.into()
    }
    /// A locked lane takes no new credentials, and the gateway refuses its calls.
    async fn locked(&self) -> bool {
        !self.0.locks.is_empty()
    }
    async fn locked_reasons(&self) -> Vec<LaneLock> {
        self.0.locks.iter().copied().map(Into::into).collect()
    }
    async fn profile(&self) -> Profile {
        Profile(self.0.profile.clone())
    }
    /// Newest first.
    async fn credentials(&self) -> Vec<Credential> {
        self.0.credentials.iter().cloned().map(Credential).collect()
    }
}

/// A scope that a subscription holds.
pub struct ScopeGrant {
    scope: entities::columns::PlanScope,
    grant: scope_grant::Model,
}

#[Object]
impl ScopeGrant {
    async fn scope(&self) -> PlanScope {
        PlanScope(self.scope.clone())
    }
    async fn granted_at(&self) -> DateTime<Utc> {
        self.grant.granted_at
    }
    /// Null for one that came with the plan.
    async fn granted_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.grant.granted_by else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row)))
    }
}

#[derive(Default)]
pub struct SubscriptionQuery;

#[Object]
impl SubscriptionQuery {
    /// Null for what does not exist or the viewer may not see.
    async fn subscription(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Subscription>> {
        let Ok(id) = id.parse() else { return Ok(None) };
        let row = domain::read::subscriptions::by_id(ctx.op(), ctx.actor(), id).await.or_graphql()?;
        Ok(row.map(Subscription))
    }
}

#[derive(InputObject)]
pub struct SubscribeInput {
    plan_id: ID,
    team_id: ID,
    name: String,
    /// What the plan asks for; read-only ones are the provider's to set.
    custom_properties: Option<Vec<CustomPropertyInput>>,
    /// The same key and input within a day give the same answer, secret included, and act once.
    idempotency_key: Option<String>,
}

#[derive(InputObject)]
pub struct ChangePlanInput {
    subscription_id: ID,
    /// Of the same product.
    plan_id: ID,
}

#[derive(InputObject)]
pub struct CancelSubscriptionInput {
    subscription_id: ID,
    /// Left out: now.
    at: Option<Moment>,
    reason: Option<String>,
}

/// An omitted field stays.
#[derive(InputObject)]
pub struct UpdateSubscriptionInput {
    subscription_id: ID,
    name: Option<String>,
    /// Those left out stay; null clears. Read-only ones are for staff.
    custom_properties: Option<Vec<CustomPropertyInput>>,
}

#[derive(InputObject)]
pub struct DecideSubscriptionInput {
    subscription_id: ID,
    /// Shown to the team as the status' reason.
    notes: Option<String>,
}

#[derive(InputObject)]
pub struct SubscriptionIdInput {
    pub subscription_id: ID,
}

payload_type! { #[graphql(complex)] SubscriptionPayload { subscription: Subscription } }
crate::enforced! { SubscriptionPayload SubscribePayload }

#[derive(SimpleObject)]
#[graphql(complex)]
pub struct SubscribePayload {
    subscription: Option<Subscription>,
    /// The sandbox credential's secret, shown this once; null where the plan has no sandbox or its calls need no secret.
    issued: Option<IssuedSecret>,
    user_errors: Vec<UserError>,
}

impl Payload for SubscribePayload {
    type Done = Subscribed;
    fn done(made: Subscribed) -> Self {
        let issued = made.secret.and_then(IssuedSecret::of);
        Self { subscription: Some(Subscription(made.subscription)), issued, user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { subscription: None, issued: None, user_errors }
    }
}

#[derive(Default)]
pub struct SubscriptionMutation;

#[Object]
impl SubscriptionMutation {
    async fn subscribe(&self, ctx: &Context<'_>, input: SubscribeInput) -> async_graphql::Result<Option<SubscribePayload>> {
        payload(subscribe(ctx, input).await)
    }
    /// Moves it to another plan of the product. Where that one asks for approval and production is open, the old plan stays in force
    /// until then; moving to the plan that is held takes the wish back.
    async fn change_plan(&self, ctx: &Context<'_>, input: ChangePlanInput) -> async_graphql::Result<Option<SubscribePayload>> {
        payload(change_plan(ctx, &input).await)
    }
    /// Ends it now, or at a time to come; its credentials end with it. Given again, the time is moved.
    async fn cancel_subscription(
        &self,
        ctx: &Context<'_>,
        input: CancelSubscriptionInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(cancel(ctx, &input).await)
    }
    /// Takes back the end that was set.
    async fn undo_cancellation(
        &self,
        ctx: &Context<'_>,
        input: SubscriptionIdInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(undo(ctx, &input).await)
    }
    async fn update_subscription(
        &self,
        ctx: &Context<'_>,
        input: UpdateSubscriptionInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(update(ctx, input).await)
    }
    /// Reviewers: it begins; its production credential is issued, and claimed by a developer of the team.
    async fn approve_subscription(
        &self,
        ctx: &Context<'_>,
        input: DecideSubscriptionInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(approve(ctx, &input).await)
    }
    /// Reviewers: it does not begin.
    async fn reject_subscription(
        &self,
        ctx: &Context<'_>,
        input: DecideSubscriptionInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(reject(ctx, &input).await)
    }
    /// Staff: its credentials refuse until it is reinstated.
    async fn suspend_subscription(
        &self,
        ctx: &Context<'_>,
        input: DecideSubscriptionInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(suspend(ctx, &input).await)
    }
    /// Staff: its credentials work again.
    async fn reinstate_subscription(
        &self,
        ctx: &Context<'_>,
        input: DecideSubscriptionInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(reinstate(ctx, &input).await)
    }
}

async fn subscribe(ctx: &Context<'_>, input: SubscribeInput) -> domain::Result<Subscribed> {
    let cmd = subscriptions::Subscribe {
        team: id_of(&input.team_id, "team")?,
        plan: id_referred_to(&input.plan_id),
        name: input.name,
        custom_properties: answers(input.custom_properties.unwrap_or_default()),
        idempotency_key: input.idempotency_key,
    };
    subscriptions::subscribe(ctx.op(), ctx.actor(), cmd).await
}

async fn change_plan(ctx: &Context<'_>, input: &ChangePlanInput) -> domain::Result<Subscribed> {
    let id = id_of(&input.subscription_id, "subscription")?;
    plan_changes::change(ctx.op(), ctx.actor(), id, id_referred_to(&input.plan_id)).await
}

async fn cancel(ctx: &Context<'_>, input: &CancelSubscriptionInput) -> domain::Result<Subscription> {
    let id = id_of(&input.subscription_id, "subscription")?;
    endings::cancel(ctx.op(), ctx.actor(), id, input.at.map(|at| at.0), input.reason.as_deref()).await.map(Subscription)
}

async fn undo(ctx: &Context<'_>, input: &SubscriptionIdInput) -> domain::Result<Subscription> {
    let id = id_of(&input.subscription_id, "subscription")?;
    endings::undo(ctx.op(), ctx.actor(), id).await.map(Subscription)
}

async fn update(ctx: &Context<'_>, input: UpdateSubscriptionInput) -> domain::Result<Subscription> {
    let id = id_of(&input.subscription_id, "subscription")?;
    let cmd = UpdateSubscription { name: input.name, custom_properties: input.custom_properties.map(answers) };
    subscriptions::update(ctx.op(), ctx.actor(), id, cmd).await.map(Subscription)
}

fn answers(input: Vec<CustomPropertyInput>) -> Vec<entities::columns::Answer> {
    input.into_iter().map(Into::into).collect()
}

async fn suspend(ctx: &Context<'_>, input: &DecideSubscriptionInput) -> domain::Result<Subscription> {
    let id = id_of(&input.subscription_id, "subscription")?;
    subscriptions::suspend(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await.map(Subscription)
}

async fn reinstate(ctx: &Context<'_>, input: &DecideSubscriptionInput) -> domain::Result<Subscription> {
    let id = id_of(&input.subscription_id, "subscription")?;
    subscriptions::reinstate(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await.map(Subscription)
}

async fn approve(ctx: &Context<'_>, input: &DecideSubscriptionInput) -> domain::Result<Subscription> {
    let id = id_of(&input.subscription_id, "subscription")?;
    reviews::approve_subscription(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await.map(Subscription)
}

async fn reject(ctx: &Context<'_>, input: &DecideSubscriptionInput) -> domain::Result<Subscription> {
    let id = id_of(&input.subscription_id, "subscription")?;
    reviews::reject_subscription(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await.map(Subscription)
}
