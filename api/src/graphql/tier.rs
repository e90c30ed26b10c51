//! Tiers.

use async_graphql::{Context, ID, InputObject, Object};
use domain::ops::tiers;
use entities::tier;

use crate::{
    graphql::{payload::payload, request::RequestContext},
    payload_type,
};

/// A level of partnership: products are assigned to tiers, a team belongs to one at most.
#[derive(Debug, Clone)]
pub struct Tier(pub tier::Model);

#[Object]
impl Tier {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }
}

#[derive(InputObject)]
pub struct CreateTierInput {
    name: String,
    description: Option<String>,
}

payload_type! { TierPayload { tier: Tier } }

#[derive(Default)]
pub struct TierMutation;

#[Object]
impl TierMutation {
    /// Staff: a new level of partnership.
    async fn create_tier(&self, ctx: &Context<'_>, input: CreateTierInput) -> async_graphql::Result<Option<TierPayload>> {
        let cmd = tiers::CreateTier { name: input.name, description: input.description };
        payload(tiers::create(ctx.op(), ctx.actor(), cmd).await.map(Tier))
    }
}
