//! Teams and their members.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    ops::{members, registrations, teams},
    read::{self, page::Page, request_log::Calls},
    rules::policy::{Access, MemberRight},
};
use entities::{membership, team};

use crate::{
    connection,
    graphql::{
        audit::{self, AuditEventConnection, AuditFilter},
        client::{Client, ClientConnection},
        connection::HasCursor,
        domain::TeamDomain,
        enums::{AccessLevel, InvitationStatus, JoinMethod, SubscriptionStatus, TeamRole, TeamStatus},
        invitation::{Invitation, InvitationConnection},
        loaders::lists::{DomainsOf, SsoOf, may, one},
        loaders::{MemberOf, found, loaded},
        onboarding_view::Onboarding,
        payload::payload,
        request::{OrGraphql, RequestContext, id_of, id_referred_to, page},
        request_log::{RequestLogConnection, RequestLogFilter, log},
        sso::SsoProvider,
        subscription::{Subscription, SubscriptionConnection},
        tier::Tier,
        user::User,
    },
    payload_type,
};

/// A partner organisation. It owns subscriptions, clients and credentials; people come and go.
#[derive(Debug, Clone)]
pub struct Team(pub team::Model);

impl HasCursor for Team {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Team {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// The name in addresses; it stays when the team is renamed.
    async fn slug(&self) -> &str {
        &self.0.slug
    }
    /// Whether it is one of the provider's own.
    async fn internal(&self) -> bool {
        self.0.internal
    }
    async fn status(&self) -> TeamStatus {
        self.0.status.into()
    }
    /// The level of partnership, for members and staff.
    async fn tier(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Tier>> {
        let Some(id) = self.0.tier_id else { return Ok(None) };
        if !may(ctx, self.0.id, MemberRight::SeeTeam).await? {
            return Ok(None);
        }
        Ok(Some(Tier(found(ctx.loaders().tiers.load_one(id).await)?)))
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
    /// Identity providers by name. Needs READ access to the team area.
    async fn sso(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<SsoProvider>>> {
        if !may(ctx, self.0.id, MemberRight::ReadTeam).await? {
            return Ok(None);
        }
        let rows = one(ctx, SsoOf(self.0.id)).await?.unwrap_or_default();
        Ok(Some(rows.into_iter().map(SsoProvider).collect()))
    }
    /// Newest first; empty for who is not in the team yet.
    async fn members(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<MembershipConnection> {
        let page = page(ctx, first, after, last, before);
        let members = read::people::members(ctx.op(), ctx.actor(), self.0.id, &page).await.or_graphql()?;
        Ok(MembershipConnection(members.map(Membership)))
    }
    /// Newest first; null without READ access to the team area.
    async fn invitations(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        status: Option<InvitationStatus>,
    ) -> async_graphql::Result<Option<InvitationConnection>> {
        let page = page(ctx, first, after, last, before);
        let status = status.map(Into::into);
        let list = read::invitations::of_team(ctx.op(), ctx.actor(), self.0.id, status, &page).await.or_graphql()?;
        Ok(list.map(|list| InvitationConnection(list.map(Invitation))))
    }
    /// What you may do in it; null for staff who are no members.
    async fn viewer_access(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<MemberAccess>> {
        let Some(user) = ctx.actor().user_id() else { return Ok(None) };
        let member = loaded(ctx.loaders().teams.load_one(MemberOf { team: self.0.id, user }).await)?;
        Ok(member.map(|member| Access::of(&member).into()))
    }
    /// Mail domains by name. Needs READ access to the team area.
    async fn domains(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<TeamDomain>>> {
        if !may(ctx, self.0.id, MemberRight::ReadTeam).await? {
            return Ok(None);
        }
        let rows = one(ctx, DomainsOf(self.0.id)).await?.unwrap_or_default();
        Ok(Some(rows.into_iter().map(TeamDomain).collect()))
    }
    /// Newest first; empty for who is not in the team yet.
    async fn subscriptions(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        status: Option<SubscriptionStatus>,
    ) -> async_graphql::Result<SubscriptionConnection> {
        let page = page(ctx, first, after, last, before);
        if !may(ctx, self.0.id, MemberRight::SeeTeam).await? {
            return Ok(SubscriptionConnection(Page::empty(&page)));
        }
        let held = read::subscriptions::of_team(ctx.op(), self.0.id, status.map(Into::into), &page).await.or_graphql()?;
        Ok(SubscriptionConnection(held.map(Subscription)))
    }
    /// Newest first. Needs READ access to the credentials area.
    async fn clients(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<Option<ClientConnection>> {
        if !may(ctx, self.0.id, MemberRight::ReadCredentials).await? {
            return Ok(None);
        }
        let page = page(ctx, first, after, last, before);
        let clients = read::clients::of_team(ctx.op(), self.0.id, &page).await.or_graphql()?;
        Ok(Some(ClientConnection(clients.map(Client))))
    }
    /// Its clients' calls, newest first. Needs READ access to the credentials area.
    async fn request_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<RequestLogFilter>,
    ) -> async_graphql::Result<Option<RequestLogConnection>> {
        log(ctx, Calls::OfTeam(self.0.id), filter, page(ctx, first, after, last, before)).await
    }
    /// How far it got on its way to production.
    async fn onboarding(&self) -> Onboarding {
        Onboarding(self.0.clone())
    }
    /// Every change of who may do what in the team, newest first. Needs READ access to the team area.
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        filter: Option<AuditFilter>,
    ) -> async_graphql::Result<Option<AuditEventConnection>> {
        audit::of_team(ctx, self.0.id, filter, page(ctx, first, after, last, before)).await
    }
}

/// What a member may do, by area.
#[derive(SimpleObject, Debug, Clone, Copy)]
pub struct MemberAccess {
    /// People, invitations, audit.
    team: AccessLevel,
    /// Subscriptions, credentials, usage, logs.
    credentials: AccessLevel,
    billing: AccessLevel,
    /// ADMIN: all FULL; READ_ONLY: all READ; RESTRICTED: anything else.
    role: TeamRole,
}

impl From<Access> for MemberAccess {
    fn from(access: Access) -> Self {
        Self {
            team: access.team.into(),
            credentials: access.credentials.into(),
            billing: access.billing.into(),
            role: access.role().into(),
        }
    }
}

#[derive(InputObject, Debug, Clone, Copy)]
pub struct MemberAccessInput {
    team: AccessLevel,
    credentials: AccessLevel,
    billing: AccessLevel,
}

impl From<MemberAccessInput> for Access {
    fn from(input: MemberAccessInput) -> Self {
        Self { team: input.team.into(), credentials: input.credentials.into(), billing: input.billing.into() }
    }
}

/// A person in a team.
#[derive(Debug, Clone)]
pub struct Membership(pub membership::Model);

impl HasCursor for Membership {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Membership {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn user(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        found(ctx.loaders().users.load_one(self.0.user_id).await).map(User)
    }
    async fn access(&self) -> MemberAccess {
        Access::of(&self.0).into()
    }
    async fn joined_at(&self) -> DateTime<Utc> {
        self.0.joined_at
    }
    async fn joined_by(&self) -> JoinMethod {
        self.0.joined_by.into()
    }
}

connection! {
    TeamConnection TeamEdge Team
    MembershipConnection MembershipEdge Membership
}

#[derive(Default)]
pub struct TeamQuery;

#[Object]
impl TeamQuery {
    /// Null for who is neither a member nor staff.
    async fn team(&self, ctx: &Context<'_>, id: ID) -> async_graphql::Result<Option<Team>> {
        let Ok(id) = id.parse() else { return Ok(None) };
        Ok(read::teams::visible(ctx.op(), ctx.actor(), id).await.or_graphql()?.map(Team))
    }
}

#[derive(InputObject)]
pub struct CreateTeamInput {
    name: String,
}

#[derive(InputObject)]
pub struct UpdateTeamInput {
    team_id: ID,
    name: Option<String>,
}

#[derive(InputObject)]
pub struct CreatePartnerTeamInput {
    name: String,
    tier_id: Option<ID>,
    /// One of the provider's own; false unless given.
    internal: Option<bool>,
}

#[derive(InputObject)]
pub struct SetTeamTierInput {
    team_id: ID,
    /// Null: no tier.
    tier_id: Option<ID>,
}

#[derive(InputObject)]
pub struct SetMemberAccessInput {
    team_id: ID,
    user_id: ID,
    access: MemberAccessInput,
}

#[derive(InputObject)]
pub struct RemoveMemberInput {
    team_id: ID,
    user_id: ID,
}

#[derive(InputObject)]
pub struct DecideTeamInput {
    team_id: ID,
    /// Shown to the team.
    notes: Option<String>,
}

payload_type! { #[graphql(complex)] TeamPayload { team: Team } }
crate::enforced! { TeamPayload }

#[derive(Default)]
pub struct TeamMutation;

#[Object]
impl TeamMutation {
    /// Founds a team, with you as its first member. Where `registrationNeedsApproval`, it is PENDING until a reviewer lets it in.
    async fn create_team(&self, ctx: &Context<'_>, input: CreateTeamInput) -> async_graphql::Result<Option<TeamPayload>> {
        payload(teams::create(ctx.op(), ctx.actor(), &input.name).await.map(Team))
    }

    async fn update_team(&self, ctx: &Context<'_>, input: UpdateTeamInput) -> async_graphql::Result<Option<TeamPayload>> {
        let renamed = async { teams::rename(ctx.op(), ctx.actor(), id_of(&input.team_id, "team")?, input.name.as_deref()).await };
        payload(renamed.await.map(Team))
    }

    /// Reviewers: lets a PENDING team in. It holds at once what comes by itself.
    async fn approve_registration(
        &self,
        ctx: &Context<'_>,
        input: DecideTeamInput,
    ) -> async_graphql::Result<Option<TeamPayload>> {
        let decided =
            async { registrations::approve(ctx.op(), ctx.actor(), id_of(&input.team_id, "team")?, input.notes.as_deref()).await };
        payload(decided.await.map(Team))
    }

    /// Reviewers: keeps a PENDING team out.
    async fn decline_registration(
        &self,
        ctx: &Context<'_>,
        input: DecideTeamInput,
    ) -> async_graphql::Result<Option<TeamPayload>> {
        let decided =
            async { registrations::decline(ctx.op(), ctx.actor(), id_of(&input.team_id, "team")?, input.notes.as_deref()).await };
        payload(decided.await.map(Team))
    }

    /// Staff: a team for a partner, whose people are invited next.
    async fn create_partner_team(
        &self,
        ctx: &Context<'_>,
        input: CreatePartnerTeamInput,
    ) -> async_graphql::Result<Option<TeamPayload>> {
        let made = async {
            let tier = input.tier_id.map(|id| id_referred_to(&id));
            let cmd = teams::CreatePartnerTeam { name: input.name, tier, internal: input.internal.unwrap_or_default() };
            teams::create_for_partner(ctx.op(), ctx.actor(), cmd).await
        };
        payload(made.await.map(Team))
    }

    /// Staff: puts a team into a tier, or into none.
    async fn set_team_tier(&self, ctx: &Context<'_>, input: SetTeamTierInput) -> async_graphql::Result<Option<TeamPayload>> {
        let set = async {
            let team = id_of(&input.team_id, "team")?;
            let tier = input.tier_id.map(|id| id_referred_to(&id));
            teams::set_tier(ctx.op(), ctx.actor(), team, tier).await
        };
        payload(set.await.map(Team))
    }

    /// Changes what a member may do; you can give no more than you hold.
    async fn set_member_access(
        &self,
        ctx: &Context<'_>,
        input: SetMemberAccessInput,
    ) -> async_graphql::Result<Option<TeamPayload>> {
        let set = async {
            let cmd = members::SetMemberAccess {
                team: id_of(&input.team_id, "team")?,
                user: id_of(&input.user_id, "member")?,
                access: input.access.into(),
            };
            members::set_access(ctx.op(), ctx.actor(), cmd).await
        };
        payload(set.await.map(Team))
    }

    /// Takes a member out, or lets you leave. The team's credentials stay as they are.
    async fn remove_member(&self, ctx: &Context<'_>, input: RemoveMemberInput) -> async_graphql::Result<Option<TeamPayload>> {
        let removed = async {
            let (team, user) = (id_of(&input.team_id, "team")?, id_of(&input.user_id, "member")?);
            members::remove(ctx.op(), ctx.actor(), team, user).await
        };
        payload(removed.await.map(Team))
    }
}
