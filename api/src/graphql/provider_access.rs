//! What staff read of access: clients, subscriptions, policies, logs.

use async_graphql::{Context, ID, Object};
use domain::read::{self, request_log::Scope};

use crate::graphql::{
    audit::{self, AuditEvent, AuditEventConnection, AuditFilter},
    client::{Client, ClientConnection},
    enums::{PipelinePhase, SubscriptionStatus},
    policy::{Policy, PolicyConnection},
    request::{OrGraphql, RequestContext, page, referred},
    request_log::{RequestLogConnection, RequestLogFilter, staff_log},
    subscription::{Subscription, SubscriptionConnection},
};

/// Part of `Provider`, which is there for staff only.
#[derive(Default)]
pub struct ProviderAccess;

#[Object]
impl ProviderAccess {
    /// All partners' clients; `search` is part of a name.
    async fn clients(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        search: Option<String>,
    ) -> async_graphql::Result<ClientConnection> {
        let page = page(ctx, first, after, last, before);
        let rows = read::clients::all(ctx.op(), ctx.actor(), search.as_deref(), &page).await.or_graphql()?;
        Ok(ClientConnection(rows.map(Client)))
    }

    /// All partners' subscriptions; `search` is part of a name.
    #[allow(clippy::too_many_arguments)]
    async fn subscriptions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        status: Option<SubscriptionStatus>,
        phase: Option<PipelinePhase>,
        plan_id: Option<ID>,
        search: Option<String>,
    ) -> async_graphql::Result<SubscriptionConnection> {
        let plan = plan_id.map(|id| referred(&id, "planId", "plan")).transpose().or_graphql()?;
        let filter = read::subscriptions::Filter { status: status.map(Into::into), phase: phase.map(Into::into), plan, search };
        let page = page(ctx, first, after, last, before);
        let rows = read::subscriptions::all(ctx.op(), ctx.actor(), &filter, &page).await.or_graphql()?;
        Ok(SubscriptionConnection(rows.map(Subscription)))
    }

    async fn policies(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<PolicyConnection> {
        let page = page(ctx, first, after, last, before);
        let rows = read::policies::all(ctx.op(), ctx.actor(), &page).await.or_graphql()?;
        Ok(PolicyConnection(rows.map(Policy)))
    }

    /// All calls that reached the gateway, newest first.
    #[allow(clippy::too_many_arguments)]
    async fn request_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        client_id: Option<ID>,
        team_id: Option<ID>,
        product_id: Option<ID>,
        filter: Option<RequestLogFilter>,
    ) -> async_graphql::Result<RequestLogConnection> {
        let scope = Scope::Everything {
            client: client_id.map(|id| referred(&id, "clientId", "client")).transpose().or_graphql()?,
            team: team_id.map(|id| referred(&id, "teamId", "team")).transpose().or_graphql()?,
            product: product_id.map(|id| referred(&id, "productId", "product")).transpose().or_graphql()?,
        };
        staff_log(ctx, scope, filter, page(ctx, first, after, last, before)).await
    }

    /// Every change of access, newest first. Needs the role AUDITOR, ADMIN or OWNER.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<AuditFilter>,
    ) -> async_graphql::Result<AuditEventConnection> {
        let filter = audit::filter(filter).or_graphql()?;
        let page = page(ctx, first, after, last, before);
        let rows = read::audit::all(ctx.op(), ctx.actor(), &filter, &page).await.or_graphql()?;
        Ok(AuditEventConnection(rows.map(AuditEvent)))
    }
}
