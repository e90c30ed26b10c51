//! What staff read of access: clients, subscriptions, policies, logs.

use async_graphql::{Context, ID, Object};
use domain::read::{self, request_log::Calls};

use crate::graphql::{
    audit::{self, AuditCheckpoint, AuditEvent, AuditEventConnection, AuditFilter, AuditVerification},
    client::{Client, ClientConnection},
    enums::{PipelinePhase, SubscriptionStatus},
    policy::{Policy, PolicyConnection},
    request::{OrGraphql, RequestContext, id_referred_to, page},
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
    #[expect(clippy::too_many_arguments, reason = "the field's arguments")]
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
        let plan = plan_id.as_ref().map(id_referred_to);
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
    #[expect(clippy::too_many_arguments, reason = "the field's arguments")]
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
        let calls = Calls::All {
            client: client_id.as_ref().map(id_referred_to),
            team: team_id.as_ref().map(id_referred_to),
            product: product_id.as_ref().map(id_referred_to),
        };
        staff_log(ctx, calls, filter, page(ctx, first, after, last, before)).await
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

    /// Walks the whole audit log, or what was written since a checkpoint. Needs the role AUDITOR, ADMIN or OWNER.
    async fn audit_verification(
        &self,
        ctx: &Context<'_>,
        from: Option<AuditCheckpoint>,
    ) -> async_graphql::Result<AuditVerification> {
        let from = from.map(|checkpoint| checkpoint.mark()).transpose().or_graphql()?;
        read::audit_verification::verify(ctx.op(), ctx.actor(), from).await.map(AuditVerification::from).or_graphql()
    }
}
