//! Teams.

use async_graphql::{Context, ID, Object};
use chrono::{DateTime, Utc};
use domain::{
    read::{self, request_log::Calls},
    rules::policy::MemberRight,
};
use entities::team;

use crate::graphql::{
    audit::{self, AuditEventConnection, AuditFilter},
    client::{Client, ClientConnection},
    connection::HasCursor,
    enums::{SubscriptionStatus, TeamStatus},
    lists::may,
    request::{OrGraphql, RequestContext, page},
    request_log::{RequestLogConnection, RequestLogFilter, log},
    subscription::{Subscription, SubscriptionConnection},
};

/// A partner organisation.
#[derive(Debug, Clone)]
pub struct Team(pub team::Model);

impl HasCursor for Team {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Team {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn slug(&self) -> &str {
        &self.0.slug
    }
    async fn internal(&self) -> bool {
        self.0.internal
    }
    async fn status(&self) -> TeamStatus {
        self.0.status.into()
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
    /// Newest first.
    #[expect(clippy::too_many_arguments, reason = "the field's arguments")]
    async fn subscriptions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        status: Option<SubscriptionStatus>,
    ) -> async_graphql::Result<SubscriptionConnection> {
        let page = page(ctx, first, after, last, before);
        let held = read::subscriptions::of_team(ctx.op(), self.0.id, status.map(Into::into), &page).await.or_graphql()?;
        Ok(SubscriptionConnection(held.map(Subscription)))
    }
    /// Newest first. Needs READ access to the credentials area.
    async fn clients(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<ClientConnection>> {
        if !may(ctx, self.0.id, MemberRight::ReadCredentials).await? {
            return Ok(None);
        }
        let page = page(ctx, first, after, last, before);
        let clients = read::clients::of_team(ctx.op(), self.0.id, &page).await.or_graphql()?;
        Ok(Some(ClientConnection(clients.map(Client))))
    }
    /// Its clients' calls, newest first. Needs READ access to the credentials area.
    #[expect(clippy::too_many_arguments, reason = "the field's arguments")]
    async fn request_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<RequestLogFilter>,
    ) -> async_graphql::Result<Option<RequestLogConnection>> {
        log(ctx, Calls::OfTeam(self.0.id), filter, page(ctx, first, after, last, before)).await
    }
    /// Every change of who may do what in the team, newest first. Needs READ access to the team area.
    #[expect(clippy::too_many_arguments, reason = "the field's arguments")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<AuditFilter>,
    ) -> async_graphql::Result<Option<AuditEventConnection>> {
        audit::of_team(ctx, self.0.id, filter, page(ctx, first, after, last, before)).await
    }
}

// TEMP
use async_graphql::{InputObject, SimpleObject};
use domain::rules::policy::Access;
use crate::graphql::enums::{AccessLevel, TeamRole};
#[derive(SimpleObject)]
pub struct MemberAccess {
    team: AccessLevel,
    credentials: AccessLevel,
    billing: AccessLevel,
    role: TeamRole,
}
impl From<Access> for MemberAccess {
    fn from(a: Access) -> Self {
        Self { team: a.team.into(), credentials: a.credentials.into(), billing: a.billing.into(), role: a.role().into() }
    }
}
#[derive(InputObject)]
pub struct MemberAccessInput {
    team: AccessLevel,
    credentials: AccessLevel,
    billing: AccessLevel,
}
impl From<MemberAccessInput> for Access {
    fn from(a: MemberAccessInput) -> Self {
        Self { team: a.team.into(), credentials: a.credentials.into(), billing: a.billing.into() }
    }
}
