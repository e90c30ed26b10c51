//! `node(id:)`: any object by its id, for who may see it.

use async_graphql::{Context, ID, Interface, Object};
use domain::read::{self, assignments, catalog, endpoints, specs};
use entities::id::{
    AccessTokenId, AssignmentId, CategoryId, EndpointId, InvitationId, MembershipId, ProductId, SessionId, SpecVersionId, TeamId,
    TierId, TypedId, UserId, prefix_of,
};

use crate::graphql::{
    assignment::Assignment,
    category::Category,
    endpoint::Endpoint,
    invitation::Invitation,
    product::Product,
    request::{OrGraphql, RequestContext},
    session::{AccessToken, Session},
    spec::SpecVersion,
    team::{Membership, Team},
    tier::Tier,
    user::User,
};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    AccessToken(AccessToken),
    Assignment(Assignment),
    Category(Category),
    Endpoint(Endpoint),
    Invitation(Invitation),
    Membership(Membership),
    Product(Product),
    Session(Session),
    SpecVersion(SpecVersion),
    Team(Team),
    Tier(Tier),
    User(User),
}

#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Null for what does not exist or the viewer may not see.
    async fn node(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Node>> {
        let (op, actor, viewer) = (ctx.op(), ctx.actor(), ctx.actor().user_id());
        match (prefix_of(&id), viewer) {
            (Some(ProductId::PREFIX), _) => found(&id, async |id| catalog::product(op, actor, id).await, Product).await,
            (Some(CategoryId::PREFIX), _) => found(&id, async |id| catalog::category(op, actor, id).await, Category).await,
            (Some(EndpointId::PREFIX), _) => found(&id, async |id| endpoints::endpoint(op, actor, id).await, Endpoint).await,
            (Some(SpecVersionId::PREFIX), _) => found(&id, async |id| specs::spec(op, actor, id).await, SpecVersion).await,
            (Some(AssignmentId::PREFIX), _) => {
                found(&id, async |id| assignments::assignment(op, actor, id).await, Assignment).await
            }
            (Some(AccessTokenId::PREFIX), Some(viewer)) => {
                found(&id, async |id| read::sign_in::access_token(op, viewer, id).await, AccessToken).await
            }
            (Some(SessionId::PREFIX), Some(viewer)) => {
                found(&id, async |id| read::sign_in::session(op, viewer, id).await, Session).await
            }
            (Some(InvitationId::PREFIX), _) => {
                found(&id, async |id| read::invitations::visible(op, actor, id).await, Invitation).await
            }
            (Some(MembershipId::PREFIX), _) => {
                found(&id, async |id| read::people::membership(op, actor, id).await, Membership).await
            }
            (Some(TeamId::PREFIX), _) => found(&id, async |id| read::teams::visible(op, actor, id).await, Team).await,
            (Some(TierId::PREFIX), _) => found(&id, async |id| read::teams::tier(op, actor, id).await, Tier).await,
            (Some(UserId::PREFIX), _) => found(&id, async |id| read::people::visible(op, actor, id).await, User).await,
            _ => Ok(None),
        }
    }
}

/// What the id stands for; a malformed id is as unknown as a wrong one.
async fn found<I: TypedId, Row, T: Into<Node>>(
    id: &ID,
    read: impl AsyncFnOnce(I) -> domain::Result<Option<Row>>,
    wrap: impl FnOnce(Row) -> T,
) -> async_graphql::Result<Option<Node>> {
    let Ok(id) = id.parse() else { return Ok(None) };
    Ok(read(id).await.or_graphql()?.map(|row| wrap(row).into()))
}
