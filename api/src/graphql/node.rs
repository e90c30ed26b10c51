//! `node(id:)`: any object by its id, for who may see it.

use async_graphql::{Context, ID, Interface, Object};
use domain::{
    access,
    read::{assignments, catalog, endpoints, specs},
    rules::policy::MemberRight,
};
use entities::{
    id::{AssignmentId, CategoryId, EndpointId, ProductId, SpecVersionId, TeamId, TypedId, prefix_of},
    team,
};
use sea_orm::EntityTrait;

use crate::graphql::{
    assignment::Assignment,
    category::Category,
    endpoint::Endpoint,
    product::Product,
    request::{OrGraphql, RequestContext},
    spec::SpecVersion,
    team::Team,
    user::User,
};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    Assignment(Assignment),
    Category(Category),
    Endpoint(Endpoint),
    Product(Product),
    SpecVersion(SpecVersion),
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
            Some(ProductId::PREFIX | CategoryId::PREFIX | EndpointId::PREFIX | SpecVersionId::PREFIX | AssignmentId::PREFIX) => {
                of_catalog(ctx, &id).await
            }
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

async fn of_catalog(ctx: &Context<'_>, id: &ID) -> async_graphql::Result<Option<Node>> {
    let (op, actor) = (ctx.op(), ctx.actor());
    if let Ok(id) = id.parse::<ProductId>() {
        return Ok(catalog::product(op, actor, id).await.or_graphql()?.map(|row| Node::Product(Product(row))));
    }
    if let Ok(id) = id.parse::<CategoryId>() {
        return Ok(catalog::category(op, actor, id).await.or_graphql()?.map(|row| Node::Category(Category(row))));
    }
    if let Ok(id) = id.parse::<EndpointId>() {
        return Ok(endpoints::endpoint(op, actor, id).await.or_graphql()?.map(|row| Node::Endpoint(Endpoint(row))));
    }
    if let Ok(id) = id.parse::<SpecVersionId>() {
        return Ok(specs::spec(op, actor, id).await.or_graphql()?.map(|row| Node::SpecVersion(SpecVersion(row))));
    }
    if let Ok(id) = id.parse::<AssignmentId>() {
        return Ok(assignments::assignment(op, actor, id).await.or_graphql()?.map(|row| Node::Assignment(Assignment(row))));
    }
    Ok(None)
}
