//! `node(id:)`: any object by its id, for who may see it.

use async_graphql::{Context, ID, Interface, Object};
use domain::read;
use entities::id::{AccessTokenId, InvitationId, MembershipId, SessionId, TeamId, TierId, TypedId, UserId, prefix_of};

use crate::graphql::{
    invitation::Invitation,
    product::Product,
    request::{OrGraphql, RequestContext},
    session::{AccessToken, Session},
    team::{Membership, Team},
    tier::Tier,
    user::User,
};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    AccessToken(AccessToken),
    Invitation(Invitation),
    Membership(Membership),
    Product(Product),
    Session(Session),
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
