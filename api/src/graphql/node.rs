//! `node(id:)`: any object by its id, for who may see it.

use async_graphql::{Context, ID, Interface, Object};
use domain::read::{self, assignments, catalog, endpoints, specs};
use entities::id::{
    AccessTokenId, ApprovalGroupId, AssignmentId, AuditEventId, CategoryId, ClientId, CredentialId, EndpointId, InvitationId,
    MembershipId, NotificationId, PlanId, PolicyId, ProductId, ProfileId, QueueItemId, RequestLogId, ScopeRequestId, SessionId,
    SpecVersionId, SsoProviderId, SubmissionId, SubscriptionId, SupportRequestId, TeamDomainId, TeamId, TierId, TypedId, UserId,
    prefix_of,
};

use crate::graphql::{
    approval_group::ApprovalGroup,
    assignment::Assignment,
    audit::AuditEvent,
    category::Category,
    client::Client,
    credential::Credential,
    domain::TeamDomain,
    endpoint::Endpoint,
    invitation::Invitation,
    notification::Notification,
    plan::Plan,
    policy::Policy,
    product::Product,
    profile::Profile,
    request::{OrGraphql, RequestContext},
    request_log::RequestLogEntry,
    review_queue::QueueItem,
    scope::ScopeRequest,
    session::{AccessToken, Session},
    spec::SpecVersion,
    sso::SsoProvider,
    submission::Submission,
    subscription::Subscription,
    support::SupportRequest,
    team::{Membership, Team},
    tier::Tier,
    user::User,
};

/// Anything with an id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
pub enum Node {
    Subscription(Subscription),
    RequestLogEntry(RequestLogEntry),
    ApprovalGroup(ApprovalGroup),
    QueueItem(QueueItem),
    ScopeRequest(ScopeRequest),
    Submission(Submission),
    Profile(Profile),
    Policy(Policy),
    Plan(Plan),
    Credential(Credential),
    Client(Client),
    AuditEvent(AuditEvent),
    AccessToken(AccessToken),
    Assignment(Assignment),
    Category(Category),
    Endpoint(Endpoint),
    Invitation(Invitation),
    Membership(Membership),
    Notification(Notification),
    Product(Product),
    Session(Session),
    SpecVersion(SpecVersion),
    SsoProvider(SsoProvider),
    SupportRequest(SupportRequest),
    Team(Team),
    TeamDomain(TeamDomain),
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
            (Some(ProductId::PREFIX), _) => found(&id, async |id| catalog::product(op, actor, id).await, Product::from).await,
            (Some(CategoryId::PREFIX), _) => found(&id, async |id| catalog::category(op, actor, id).await, Category).await,
            (Some(EndpointId::PREFIX), _) => found(&id, async |id| endpoints::endpoint(op, actor, id).await, Endpoint).await,
            (Some(SpecVersionId::PREFIX), _) => found(&id, async |id| specs::spec(op, actor, id).await, SpecVersion::from).await,
            (Some(AssignmentId::PREFIX), _) => {
                found(&id, async |id| assignments::assignment(op, actor, id).await, Assignment).await
            }
            (Some(AccessTokenId::PREFIX), Some(viewer)) => {
                found(&id, async |id| read::sign_in::access_token(op, viewer, id).await, AccessToken).await
            }
            (Some(SessionId::PREFIX), Some(viewer)) => {
                found(&id, async |id| read::sign_in::session(op, viewer, id).await, Session).await
            }
            (Some(NotificationId::PREFIX), Some(viewer)) => {
                found(&id, async |id| read::notifications::by_id(op, viewer, id).await, Notification).await
            }
            (Some(InvitationId::PREFIX), _) => {
                found(&id, async |id| read::invitations::visible(op, actor, id).await, Invitation).await
            }
            (Some(MembershipId::PREFIX), _) => {
                found(&id, async |id| read::people::membership(op, actor, id).await, Membership).await
            }
            (Some(SupportRequestId::PREFIX), _) => {
                found(&id, async |id| read::support::by_id(op, actor, id).await, SupportRequest).await
            }
            (Some(SsoProviderId::PREFIX), _) => found(&id, async |id| read::sso::by_id(op, actor, id).await, SsoProvider).await,
            (Some(TeamDomainId::PREFIX), _) => found(&id, async |id| read::domains::by_id(op, actor, id).await, TeamDomain).await,
            (Some(TeamId::PREFIX), _) => found(&id, async |id| read::teams::visible(op, actor, id).await, Team).await,
            (Some(TierId::PREFIX), _) => found(&id, async |id| read::teams::tier(op, actor, id).await, Tier).await,
            (Some(UserId::PREFIX), _) => found(&id, async |id| read::people::visible(op, actor, id).await, User).await,
            (Some(PlanId::PREFIX), _) => found(&id, async |id| read::plans::by_id(op, actor, id).await, Plan::from).await,
            (Some(PolicyId::PREFIX), _) => found(&id, async |id| read::policies::by_id(op, actor, id).await, Policy).await,
            (Some(SubscriptionId::PREFIX), _) => {
                found(&id, async |id| read::subscriptions::by_id(op, actor, id).await, Subscription).await
            }
            (Some(ApprovalGroupId::PREFIX), _) => {
                found(&id, async |id| read::approval_groups::by_id(op, actor, id).await, ApprovalGroup).await
            }
            (Some(QueueItemId::PREFIX), _) => {
                found(&id, async |id| read::review_queue::by_id(op, actor, id).await, QueueItem).await
            }
            (Some(ScopeRequestId::PREFIX), _) => {
                found(&id, async |id| read::scopes::by_id(op, actor, id).await, ScopeRequest).await
            }
            (Some(SubmissionId::PREFIX), _) => {
                found(&id, async |id| read::submissions::by_id(op, actor, id).await, Submission).await
            }
            (Some(ClientId::PREFIX), _) => found(&id, async |id| read::clients::by_id(op, actor, id).await, Client).await,
            (Some(ProfileId::PREFIX), _) => {
                found(&id, async |id| read::clients::profile_by_id(op, actor, id).await, Profile).await
            }
            (Some(CredentialId::PREFIX), _) => {
                found(&id, async |id| read::clients::credential_by_id(op, actor, id).await, Credential).await
            }
            (Some(AuditEventId::PREFIX), _) => found(&id, async |id| read::audit::by_id(op, actor, id).await, AuditEvent).await,
            (Some(RequestLogId::PREFIX), _) => {
                found(&id, async |id| read::request_log::by_id(op, actor, id).await, RequestLogEntry).await
            }
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
