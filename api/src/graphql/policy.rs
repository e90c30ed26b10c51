//! Policies: named limits that go before a plan's.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use domain::{ops::policies, read};
use entities::policy;

use crate::{
    connection,
    graphql::{
        call_limits::{QuotaLimit, QuotaLimitInput, RateLimit, RateLimitInput, draft},
        client::{Client, ClientConnection, ClientPayload},
        connection::HasCursor,
        payload::{DeletePayload, payload},
        portal::change,
        request::{OrGraphql, RequestContext, id_of, id_referred_to, page},
    },
    payload_type,
};

/// A named rate limit and quota. A profile's goes before its client's, that before the plan's limits.
#[derive(Debug, Clone)]
pub struct Policy(pub policy::Model);

connection! { PolicyConnection PolicyEdge Policy }

impl HasCursor for Policy {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Policy {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }
    /// Null: unlimited.
    async fn rate_limit(&self) -> Option<RateLimit> {
        RateLimit::from_columns(self.0.rate_requests, self.0.rate_window)
    }
    /// Null: unlimited.
    async fn quota(&self) -> Option<QuotaLimit> {
        QuotaLimit::from_columns(self.0.quota_requests, self.0.quota_period)
    }
    /// A disabled policy limits nothing: what comes after it applies.
    async fn enabled(&self) -> bool {
        self.0.enabled
    }
    /// The clients that it is attached to, as far as the viewer sees them.
    async fn clients(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<ClientConnection> {
        let page = page(ctx, first, after, last, before);
        let clients = read::policies::clients_of(ctx.op(), ctx.actor(), self.0.id, &page).await.or_graphql()?;
        Ok(ClientConnection(clients.map(Client)))
    }
}

#[derive(InputObject)]
pub struct CreatePolicyInput {
    name: String,
    description: Option<String>,
    rate_limit: Option<RateLimitInput>,
    quota: Option<QuotaLimitInput>,
    /// True unless given.
    enabled: Option<bool>,
}

/// An omitted field stays; null clears it.
#[derive(InputObject)]
pub struct UpdatePolicyInput {
    policy_id: ID,
    name: Option<String>,
    #[graphql(default)]
    description: MaybeUndefined<String>,
    #[graphql(default)]
    rate_limit: MaybeUndefined<RateLimitInput>,
    #[graphql(default)]
    quota: MaybeUndefined<QuotaLimitInput>,
    enabled: Option<bool>,
}

#[derive(InputObject)]
pub struct PolicyIdInput {
    policy_id: ID,
}

/// `profileId`: one of the client's, else the client itself. `policyId` null: detach.
#[derive(InputObject)]
pub struct AttachPolicyInput {
    client_id: ID,
    profile_id: Option<ID>,
    policy_id: Option<ID>,
}

payload_type! { #[graphql(complex)] PolicyPayload { policy: Policy } }
crate::enforced! { PolicyPayload }

#[derive(Default)]
pub struct PolicyMutation;

#[Object]
impl PolicyMutation {
    async fn create_policy(&self, ctx: &Context<'_>, input: CreatePolicyInput) -> async_graphql::Result<Option<PolicyPayload>> {
        let cmd = policies::CreatePolicy {
            name: input.name,
            description: input.description,
            limits: draft(input.rate_limit, input.quota),
            enabled: input.enabled.unwrap_or(true),
        };
        payload(policies::create(ctx.op(), ctx.actor(), cmd).await.map(Policy))
    }
    /// In force for all that it is attached to within a second.
    async fn update_policy(&self, ctx: &Context<'_>, input: UpdatePolicyInput) -> async_graphql::Result<Option<PolicyPayload>> {
        payload(update(ctx, input).await)
    }
    /// Refused while a client or a profile uses it.
    async fn delete_policy(&self, ctx: &Context<'_>, input: PolicyIdInput) -> async_graphql::Result<Option<DeletePayload>> {
        payload(delete(ctx, &input).await)
    }
    async fn attach_policy(&self, ctx: &Context<'_>, input: AttachPolicyInput) -> async_graphql::Result<Option<ClientPayload>> {
        payload(attach(ctx, &input).await)
    }
}

async fn update(ctx: &Context<'_>, input: UpdatePolicyInput) -> domain::Result<Policy> {
    let cmd = policies::UpdatePolicy {
        name: input.name,
        description: change(input.description, |text| text),
        rate: change(input.rate_limit, RateLimitInput::draft),
        quota: change(input.quota, QuotaLimitInput::draft),
        enabled: input.enabled,
    };
    policies::update(ctx.op(), ctx.actor(), id_of(&input.policy_id, "policy")?, cmd).await.map(Policy)
}

async fn delete(ctx: &Context<'_>, input: &PolicyIdInput) -> domain::Result<ID> {
    let id = id_of(&input.policy_id, "policy")?;
    Ok(policies::delete(ctx.op(), ctx.actor(), id).await?.to_string().into())
}

async fn attach(ctx: &Context<'_>, input: &AttachPolicyInput) -> domain::Result<Client> {
    let cmd = policies::AttachPolicy {
        client: id_of(&input.client_id, "client")?,
        profile: input.profile_id.as_ref().map(id_referred_to),
        policy: input.policy_id.as_ref().map(id_referred_to),
    };
    policies::attach(ctx.op(), ctx.actor(), cmd).await.map(Client)
}
