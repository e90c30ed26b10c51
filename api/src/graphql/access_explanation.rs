//! Why a team sees a product and whether it can call it, for people who are asked.

use async_graphql::{Context, ID, Object, SimpleObject};
use domain::{
    DomainError,
    read::access_explanation::{self, of_endpoint},
    rules::access_explanation::Explanation,
};
use entities::{endpoint, id::TeamId};

use crate::graphql::{
    access_history::{self, AccessSnapshot},
    loaders::lists::{AccessFacts, one},
    request::{OrGraphql, RequestContext, id_of},
    scalars::Moment,
};

/// What a team sees and can call now, and why.
#[derive(SimpleObject)]
pub struct AccessExplanation {
    /// Whether the team's members see it in the catalog.
    visible: bool,
    /// Whether calls by the team pass: by some credential of it, or without one where a profile asks for none. Limits are not
    /// counted.
    callable: bool,
    /// Every reason for and against, as sentences; what is decisive first.
    because: Vec<String>,
}

impl From<Explanation> for AccessExplanation {
    fn from(explanation: Explanation) -> Self {
        let Explanation { visible, callable, because } = explanation;
        Self { visible, callable, because }
    }
}

/// How one endpoint stands for a team.
pub async fn callable(ctx: &Context<'_>, row: &endpoint::Model, team_id: &ID) -> async_graphql::Result<AccessExplanation> {
    let team: TeamId = id_of(team_id, "team").or_graphql()?;
    access_explanation::require(ctx.op(), ctx.actor(), team).await.or_graphql()?;
    let facts = one(ctx, AccessFacts { team, product: row.product_id }).await?;
    let facts = facts.ok_or(DomainError::NotFound("product")).or_graphql()?;
    Ok(of_endpoint(ctx.op(), &facts, row).into())
}

/// What staff ask about partners.
#[derive(Default)]
pub struct ProviderInsight;

#[Object]
impl ProviderInsight {
    /// Why a team sees a product or does not, and whether it can call it.
    async fn explain_access(&self, ctx: &Context<'_>, team_id: ID, product_id: ID) -> async_graphql::Result<AccessExplanation> {
        let team = id_of(&team_id, "team").or_graphql()?;
        let product = id_of(&product_id, "product").or_graphql()?;
        let explained = access_explanation::of_product(ctx.op(), ctx.actor(), team, product).await.or_graphql()?;
        Ok(explained.into())
    }

    /// What a partner could do on this date, by the audit log; for staff who may read that.
    async fn access_on(&self, ctx: &Context<'_>, team_id: ID, at: Moment) -> async_graphql::Result<AccessSnapshot> {
        access_history::on(ctx, &team_id, at.0).await
    }
}
