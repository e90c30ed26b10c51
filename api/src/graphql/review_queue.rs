//! The inbox of all that waits for a decision.

use async_graphql::{Context, ID, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{DomainError, read};
use entities::{
    enums,
    id::{CredentialId, ScopeRequestId, SubmissionId, SubscriptionId, TeamId, TypedId},
    plan, queue_item,
};

use crate::{
    connection,
    error::to_graphql,
    graphql::{
        approval_group::ApprovalGroup,
        connection::HasCursor,
        credential::Credential,
        enums::{QueueKind, RequestStatus},
        loaders::lists::{GroupsOf, one},
        loaders::{MemberOf, found, loaded},
        node::Node,
        plan::Plan,
        product::Product,
        request::{OrGraphql, RequestContext, page},
        scope::ScopeRequest,
        submission::Submission,
        subscription::Subscription,
        team::Team,
        user::User,
    },
};

/// One request for a decision, whatever it is about.
pub struct QueueItem(pub queue_item::Model);

connection! { QueueConnection QueueEdge QueueItem }

impl HasCursor for QueueItem {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

impl QueueItem {
    async fn plan_asked(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<plan::Model>> {
        let Some(id) = self.0.plan_id else { return Ok(None) };
        found(ctx.loaders().plans.load_one(id).await).map(Some)
    }
}

#[Object]
impl QueueItem {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn kind(&self) -> QueueKind {
        self.0.kind.into()
    }
    async fn state(&self) -> RequestStatus {
        self.0.state.into()
    }
    /// Null of a team that registers; so is the product.
    async fn plan(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Plan>> {
        Ok(self.plan_asked(ctx).await?.map(Plan::from))
    }
    async fn product(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Product>> {
        let Some(id) = self.0.product_id else { return Ok(None) };
        found(ctx.loaders().products.load_one(id).await).map(|row| Some(Product::from(row)))
    }
    /// Who took it, then who decided.
    async fn assignee(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.0.assignee_id else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row)))
    }
    /// Null where any reviewer decides.
    async fn approval_group(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<ApprovalGroup>> {
        let Some(group) = self.plan_asked(ctx).await?.and_then(|plan| plan.approval_group_id) else { return Ok(None) };
        Ok(loaded(ctx.loaders().approval_groups.load_one(group).await)?.map(ApprovalGroup))
    }
    async fn viewer_can_decide(&self, ctx: &Context<'_>) -> async_graphql::Result<bool> {
        let Some(user) = ctx.actor().user_id() else { return Ok(false) };
        let group = self.plan_asked(ctx).await?.and_then(|plan| plan.approval_group_id);
        let groups = one(ctx, GroupsOf(user)).await?.unwrap_or_default();
        let own_team = loaded(ctx.loaders().teams.load_one(MemberOf { team: self.0.team_id, user }).await)?.is_some();
        let waits = self.0.state == enums::RequestStatus::Pending;
        Ok(waits && read::review_queue::may_decide(ctx.actor(), &groups, group, own_team))
    }
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        found(ctx.loaders().teams.load_one(self.0.team_id).await).map(Team)
    }
    async fn requested_by(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        found(ctx.loaders().users.load_one(self.0.requested_by).await).map(User)
    }
    async fn requested_at(&self) -> DateTime<Utc> {
        self.0.requested_at
    }
    async fn due_at(&self) -> Option<DateTime<Utc>> {
        Some(self.0.due_at)
    }
    /// It waits, and the time within which it was to be decided is over.
    async fn overdue(&self, ctx: &Context<'_>) -> bool {
        self.0.state == enums::RequestStatus::Pending && self.0.due_at < ctx.op().now()
    }
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }
    /// The team, the subscription, the submission, the scope request or the credential to rotate.
    async fn subject(&self, ctx: &Context<'_>) -> async_graphql::Result<Node> {
        let id = self.0.subject_id;
        let loaders = ctx.loaders();
        match self.0.kind {
            enums::QueueKind::Registration => {
                found(loaders.teams.load_one(TeamId::from_uuid(id)).await).map(|row| Node::Team(Team(row)))
            }
            enums::QueueKind::Subscription => {
                let row = loaders.subscriptions.load_one(SubscriptionId::from_uuid(id)).await;
                found(row).map(|row| Node::Subscription(Subscription(row)))
            }
            enums::QueueKind::Submission => {
                let row = loaders.submissions.load_one(SubmissionId::from_uuid(id)).await;
                found(row).map(|row| Node::Submission(Submission(row)))
            }
            enums::QueueKind::Scope => {
                let row = loaders.scope_requests.load_one(ScopeRequestId::from_uuid(id)).await;
                found(row).map(|row| Node::ScopeRequest(ScopeRequest(row)))
            }
            enums::QueueKind::Rotation => {
                let row = loaders.credentials.load_one(CredentialId::from_uuid(id)).await;
                found(row).map(|row| Node::Credential(Credential(row)))
            }
        }
    }
}

/// How many wait.
#[derive(SimpleObject)]
pub struct QueueCount {
    kind: QueueKind,
    pending: i32,
}

#[derive(Default)]
pub struct ProviderQueue;

#[Object]
impl ProviderQueue {
    /// What waits for a decision, newest first.
    async fn queue(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        kind: Option<QueueKind>,
    ) -> async_graphql::Result<QueueConnection> {
        let page = page(ctx, first, after, last, before);
        let rows = read::review_queue::waiting(ctx.op(), ctx.actor(), kind.map(Into::into), &page).await.or_graphql()?;
        Ok(QueueConnection(rows.map(QueueItem)))
    }
    async fn queue_counts(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<QueueCount>> {
        let counts = read::review_queue::counts(ctx.op(), ctx.actor()).await.or_graphql()?;
        let count = |(kind, pending): (enums::QueueKind, u64)| {
            let pending = i32::try_from(pending).map_err(|_| to_graphql(DomainError::internal("more wait than can be told")))?;
            Ok(QueueCount { kind: kind.into(), pending })
        };
        counts.into_iter().map(count).collect()
    }
}
