//! To whom products are assigned; for staff.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::ops::assignments::{self, Target};
use entities::assignment;

use crate::graphql::{
    client::Client,
    connection::HasCursor,
    loaders::{
        found,
        lists::{GrantsOf, one},
    },
    payload::payload,
    product::{Product, ProductPayload},
    request::{RequestContext, id_of, id_referred_to},
    subscription::Subscription,
    team::Team,
    tier::Tier,
    user::User,
};

/// A product given to a tier, a team or a client, by hand or by a subscription.
#[derive(Debug, Clone)]
pub struct Assignment(pub assignment::Model);

impl HasCursor for Assignment {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Assignment {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn product(&self, ctx: &Context<'_>) -> async_graphql::Result<Product> {
        found(ctx.loaders().products.load_one(self.0.product_id).await).map(Product::from)
    }
    async fn tier(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Tier>> {
        match self.0.tier_id {
            Some(id) => found(ctx.loaders().tiers.load_one(id).await).map(|row| Some(Tier(row))),
            None => Ok(None),
        }
    }
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Team>> {
        match self.0.team_id {
            Some(id) => found(ctx.loaders().teams.load_one(id).await).map(|row| Some(Team(row))),
            None => Ok(None),
        }
    }
    async fn client(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Client>> {
        match self.0.client_id {
            Some(id) => found(ctx.loaders().clients.load_one(id).await).map(|row| Some(Client(row))),
            None => Ok(None),
        }
    }
    /// The subscription that gave it; null for one given by hand.
    async fn via(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Subscription>> {
        match self.0.subscription_id {
            Some(id) => found(ctx.loaders().subscriptions.load_one(id).await).map(|row| Some(Subscription(row))),
            None => Ok(None),
        }
    }
    /// What it gives of the product's scopes; null: all of them. By a subscription: what that was granted. One given by hand gives
    /// none to the client of a subscription to the same product.
    async fn scopes(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<String>>> {
        let Some(id) = self.0.subscription_id else { return Ok(self.0.scopes.as_ref().map(|scopes| scopes.0.clone())) };
        let grants = one(ctx, GrantsOf(id)).await?.unwrap_or_default();
        Ok(Some(grants.into_iter().map(|grant| grant.scope).collect()))
    }
    async fn since(&self) -> DateTime<Utc> {
        self.0.since
    }
    /// Null where the program did it by itself.
    async fn by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        match self.0.assigned_by {
            Some(id) => found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row))),
            None => Ok(None),
        }
    }
}

crate::connection! { AssignmentConnection AssignmentEdge Assignment }

/// A product, and exactly one of tier, team (all its clients) and client.
#[derive(InputObject)]
pub struct AssignProductInput {
    product_id: ID,
    tier_id: Option<ID>,
    team_id: Option<ID>,
    client_id: Option<ID>,
    /// A part of the scopes that the product's operations ask for; left out: all of them. Assigning again changes them. On the
    /// product of a client's own subscription the plan's grants count alone.
    scopes: Option<Vec<String>>,
}

/// A product, and exactly one of tier, team and client.
#[derive(InputObject)]
pub struct UnassignProductInput {
    product_id: ID,
    tier_id: Option<ID>,
    team_id: Option<ID>,
    client_id: Option<ID>,
}

fn target(tier: Option<&ID>, team: Option<&ID>, client: Option<&ID>) -> Target {
    Target { tier: tier.map(id_referred_to), team: team.map(id_referred_to), client: client.map(id_referred_to) }
}

#[derive(Default)]
pub struct AssignmentMutation;

#[Object]
impl AssignmentMutation {
    /// Shows an ASSIGNED product to them, and lets their calls through that no subscription covers.
    async fn assign_product(
        &self,
        ctx: &Context<'_>,
        input: AssignProductInput,
    ) -> async_graphql::Result<Option<ProductPayload>> {
        let done = async {
            let id = id_of(&input.product_id, "product")?;
            let to = target(input.tier_id.as_ref(), input.team_id.as_ref(), input.client_id.as_ref());
            assignments::assign(ctx.op(), ctx.actor(), id, to, input.scopes).await
        };
        payload(done.await.map(Product::from))
    }

    /// Takes back what was assigned by hand.
    async fn unassign_product(
        &self,
        ctx: &Context<'_>,
        input: UnassignProductInput,
    ) -> async_graphql::Result<Option<ProductPayload>> {
        let done = async {
            let id = id_of(&input.product_id, "product")?;
            let from = target(input.tier_id.as_ref(), input.team_id.as_ref(), input.client_id.as_ref());
            assignments::unassign(ctx.op(), ctx.actor(), id, from).await
        };
        payload(done.await.map(Product::from))
    }
}
