//! Scopes on request.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::ops::scopes;
use entities::{scope_request, subscription};

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        enums::RequestStatus,
        loaders::found,
        payload::{Payload, UserError, payload},
        plan::PlanScope,
        request::{RequestContext, id_of},
        subscription::{Subscription, SubscriptionPayload},
        user::User,
    },
    payload_type,
};

/// A team's request for a scope.
pub struct ScopeRequest(pub scope_request::Model);

connection! { ScopeRequestConnection ScopeRequestEdge ScopeRequest }

impl HasCursor for ScopeRequest {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl ScopeRequest {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn subscription(&self, ctx: &Context<'_>) -> async_graphql::Result<Subscription> {
        found(ctx.loaders().subscriptions.load_one(self.0.subscription_id).await).map(Subscription)
    }
    async fn scope(&self, ctx: &Context<'_>) -> async_graphql::Result<PlanScope> {
        let held = found(ctx.loaders().subscriptions.load_one(self.0.subscription_id).await)?;
        let plan = found(ctx.loaders().plans.load_one(held.plan_id).await)?;
        Ok(PlanScope::named(&plan, &self.0.scope))
    }
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
    async fn status(&self) -> RequestStatus {
        self.0.status.into()
    }
    async fn requested_by(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        found(ctx.loaders().users.load_one(self.0.requested_by).await).map(User)
    }
    async fn requested_at(&self) -> DateTime<Utc> {
        self.0.requested_at
    }
    async fn decided_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.0.decided_by else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row)))
    }
    async fn decided_at(&self) -> Option<DateTime<Utc>> {
        self.0.decided_at
    }
    /// What the reviewer said.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }
}

#[derive(InputObject)]
pub struct RequestScopesInput {
    subscription_id: ID,
    scopes: Vec<String>,
    /// Needed for RESTRICTED ones.
    reason: Option<String>,
}

#[derive(InputObject)]
pub struct ScopeRequestIdInput {
    scope_request_id: ID,
}

#[derive(InputObject)]
pub struct DecideScopeRequestInput {
    scope_request_id: ID,
    /// Shown to the team.
    notes: Option<String>,
}

#[derive(InputObject)]
pub struct RenounceScopeInput {
    subscription_id: ID,
    scope: String,
}

#[derive(InputObject)]
pub struct RevokeScopeInput {
    subscription_id: ID,
    scope: String,
    notes: Option<String>,
}

payload_type! { #[graphql(complex)] ScopeRequestPayload { request: ScopeRequest } }
crate::enforced! { ScopeRequestPayload }

#[derive(SimpleObject)]
pub struct ScopeRequestsPayload {
    requests: Vec<ScopeRequest>,
    user_errors: Vec<UserError>,
}

impl Payload for ScopeRequestsPayload {
    type Done = Vec<ScopeRequest>;
    fn done(requests: Vec<ScopeRequest>) -> Self {
        Self { requests, user_errors: Vec::new() }
    }
    fn refused(user_errors: Vec<UserError>) -> Self {
        Self { requests: Vec::new(), user_errors }
    }
}

#[derive(Default)]
pub struct ScopeMutation;

#[Object]
impl ScopeMutation {
    /// Asks for scopes that the plan offers: for all of them, or for none where one cannot be asked for.
    async fn request_scopes(
        &self,
        ctx: &Context<'_>,
        input: RequestScopesInput,
    ) -> async_graphql::Result<Option<ScopeRequestsPayload>> {
        payload(request(ctx, &input).await)
    }
    async fn withdraw_scope_request(
        &self,
        ctx: &Context<'_>,
        input: ScopeRequestIdInput,
    ) -> async_graphql::Result<Option<ScopeRequestPayload>> {
        payload(withdraw(ctx, &input).await)
    }
    /// Gives a scope up; calls that need it are refused within a second.
    async fn renounce_scope(
        &self,
        ctx: &Context<'_>,
        input: RenounceScopeInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(renounce(ctx, &input).await.map(Subscription))
    }
    /// Reviewers: in force within a second, for the credentials that there are.
    async fn approve_scope_request(
        &self,
        ctx: &Context<'_>,
        input: DecideScopeRequestInput,
    ) -> async_graphql::Result<Option<ScopeRequestPayload>> {
        payload(approve(ctx, &input).await)
    }
    async fn decline_scope_request(
        &self,
        ctx: &Context<'_>,
        input: DecideScopeRequestInput,
    ) -> async_graphql::Result<Option<ScopeRequestPayload>> {
        payload(decline(ctx, &input).await)
    }
    /// Reviewers: takes a scope back; calls that need it are refused within a second.
    async fn revoke_scope(
        &self,
        ctx: &Context<'_>,
        input: RevokeScopeInput,
    ) -> async_graphql::Result<Option<SubscriptionPayload>> {
        payload(revoke(ctx, &input).await.map(Subscription))
    }
}

async fn request(ctx: &Context<'_>, input: &RequestScopesInput) -> domain::Result<Vec<ScopeRequest>> {
    let id = id_of(&input.subscription_id, "subscription")?;
    let rows = scopes::request(ctx.op(), ctx.actor(), id, &input.scopes, input.reason.as_deref()).await?;
    Ok(rows.into_iter().map(ScopeRequest).collect())
}

async fn withdraw(ctx: &Context<'_>, input: &ScopeRequestIdInput) -> domain::Result<ScopeRequest> {
    scopes::withdraw(ctx.op(), ctx.actor(), id_of(&input.scope_request_id, "scope request")?).await.map(ScopeRequest)
}

async fn renounce(ctx: &Context<'_>, input: &RenounceScopeInput) -> domain::Result<subscription::Model> {
    scopes::renounce(ctx.op(), ctx.actor(), id_of(&input.subscription_id, "subscription")?, &input.scope).await
}

async fn approve(ctx: &Context<'_>, input: &DecideScopeRequestInput) -> domain::Result<ScopeRequest> {
    let id = id_of(&input.scope_request_id, "scope request")?;
    scopes::approve(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await.map(ScopeRequest)
}

async fn decline(ctx: &Context<'_>, input: &DecideScopeRequestInput) -> domain::Result<ScopeRequest> {
    let id = id_of(&input.scope_request_id, "scope request")?;
    scopes::decline(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await.map(ScopeRequest)
}

async fn revoke(ctx: &Context<'_>, input: &RevokeScopeInput) -> domain::Result<subscription::Model> {
    let id = id_of(&input.subscription_id, "subscription")?;
    scopes::revoke(ctx.op(), ctx.actor(), id, &input.scope, input.notes.as_deref()).await
}
