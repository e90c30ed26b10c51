//! `node(id:)`: any object by its id, for who may see it.

use async_graphql::{Context, ID, Interface, Object};
use domain::{
    access,
    read::{assignments, audit, catalog, clients, endpoints, plans, policies, request_log, specs, subscriptions},
    rules::policy::MemberRight,
};
use entities::{
    id::{
        AssignmentId, AuditEventId, CategoryId, ClientId, CredentialId, EndpointId, PlanId, PolicyId, ProductId, ProfileId,
        RequestLogId, SpecVersionId, SubscriptionId, TeamId, TypedId, prefix_of,
    },
    team,
};
use sea_orm::EntityTrait;

use crate::graphql::{
    assignment::Assignment,
    audit::AuditEvent,
    category::Category,
    client::Client,
    credential::Credential,
    endpoint::Endpoint,
    plan::Plan,
    policy::Policy,
    product::Product,
    profile::Profile,
    request::{OrGraphql, RequestContext},
    request_log::RequestLogEntry,
    spec::SpecVersion,
    subscription::Subscription,
    team::Team,
    user::User,
};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    Assignment(Assignment),
    AuditEvent(AuditEvent),
    Category(Category),
    Client(Client),
    Credential(Credential),
    Endpoint(Endpoint),
    Plan(Plan),
    Policy(Policy),
    Product(Product),
    Profile(Profile),
    RequestLogEntry(RequestLogEntry),
    SpecVersion(SpecVersion),
    Subscription(Subscription),
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
            _ => of_access(ctx, &id).await.or_graphql(),
        }
    }
}

async fn of_access(ctx: &Context<'_>, id: &ID) -> domain::Result<Option<Node>> {
    let (op, actor) = (ctx.op(), ctx.actor());
    Ok(if let Ok(id) = id.parse::<PlanId>() {
        plans::by_id(op, actor, id).await?.map(|row| Node::Plan(Plan(row)))
    } else if let Ok(id) = id.parse::<PolicyId>() {
        policies::by_id(op, actor, id).await?.map(|row| Node::Policy(Policy(row)))
    } else if let Ok(id) = id.parse::<SubscriptionId>() {
        subscriptions::by_id(op, actor, id).await?.map(|row| Node::Subscription(Subscription(row)))
    } else if let Ok(id) = id.parse::<ClientId>() {
        clients::by_id(op, actor, id).await?.map(|row| Node::Client(Client(row)))
    } else if let Ok(id) = id.parse::<ProfileId>() {
        clients::profile_by_id(op, actor, id).await?.map(|row| Node::Profile(Profile(row)))
    } else if let Ok(id) = id.parse::<CredentialId>() {
        clients::credential_by_id(op, actor, id).await?.map(|row| Node::Credential(Credential(row)))
    } else if let Ok(id) = id.parse::<AuditEventId>() {
        audit::by_id(op, actor, id).await?.map(|row| Node::AuditEvent(AuditEvent(row)))
    } else if let Ok(id) = id.parse::<RequestLogId>() {
        request_log::by_id(op, actor, id).await?.map(|row| Node::RequestLogEntry(RequestLogEntry(row)))
    } else {
        None
    })
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
