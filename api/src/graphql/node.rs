//! `node(id:)`: any object by its id, for who may see it.

use async_graphql::{Context, ID, Interface, Object};
use domain::{access, rules::policy::MemberRight};
use entities::{
    id::{TeamId, TypedId, prefix_of},
    team,
};
use sea_orm::EntityTrait;

use crate::graphql::{product::Product, request::RequestContext, team::Team, user::User};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    Product(Product),
    Team(Team),
    User(User),
}

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Null for what does not exist or the viewer may not see.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Node>> {
        match prefix_of(&id) {
            Some(TeamId::PREFIX) => Ok(team(ctx, &id).await.map(Node::Team)),
            _ => Ok(None),
        }
    }
}

async fn team(ctx: &Context<'_>, id: &ID) -> Option<Team> {
    let id: TeamId = id.parse().ok()?;
    access::require_member(&ctx.op().db, ctx.actor(), id, MemberRight::SeeTeam).await.ok()?;
    team::Entity::find_by_id(id).one(&ctx.op().db).await.ok()?.map(Team)
}
