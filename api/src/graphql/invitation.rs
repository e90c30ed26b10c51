//! Invitations.

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::{
    DomainError,
    ops::invitations,
    read,
    rules::{policy::Access, second_factor::PROVE},
};
use entities::invitation;

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        enums::InvitationStatus,
        loaders::found,
        payload::payload,
        request::{OrGraphql, RequestContext, id_of},
        scalars::EmailAddress,
        team::{MemberAccess, MemberAccessInput, Team, TeamPayload},
        user::User,
    },
    payload_type,
};

/// An invitation to a team, by mail.
#[derive(Debug, Clone)]
pub struct Invitation(pub invitation::Model);

impl HasCursor for Invitation {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Invitation {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Team> {
        found(ctx.loaders().teams.load_one(self.0.team_id).await).map(Team)
    }
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.email.clone())
    }
    /// What the invited may do once they accepted.
    async fn access(&self) -> MemberAccess {
        Access::of(&self.0).into()
    }
    async fn invited_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.0.invited_by else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|user| Some(User(user)))
    }
    async fn status(&self, ctx: &Context<'_>) -> InvitationStatus {
        read::invitations::status(ctx.op(), &self.0).into()
    }
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.expires_at
    }
}

connection! { InvitationConnection InvitationEdge Invitation }

/// What the holder of a mailed invitation sees before accepting it.
pub struct InvitationPreview(read::invitations::Preview);

#[Object]
impl InvitationPreview {
    async fn team_name(&self) -> &str {
        &self.0.team
    }
    async fn invited_by(&self) -> Option<&str> {
        self.0.invited_by.as_deref()
    }
    /// Who is invited: accepting needs a sign-in with this address.
    async fn email(&self) -> EmailAddress {
        EmailAddress(self.0.row.email.clone())
    }
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.row.expires_at
    }
    async fn status(&self) -> InvitationStatus {
        self.0.status.into()
    }
}

#[derive(Default)]
pub struct InvitationQuery;

#[Object]
impl InvitationQuery {
    /// By the token from the mail, signed in or not; null for a token that is not ours or was replaced by a newer mail.
    async fn invitation(&self, ctx: &Context<'_>, token: String) -> async_graphql::Result<Option<InvitationPreview>> {
        Ok(read::invitations::preview(ctx.op(), &token).await.or_graphql()?.ok().map(InvitationPreview))
    }
}

#[derive(InputObject)]
pub struct InviteMemberInput {
    team_id: ID,
    email: EmailAddress,
    access: MemberAccessInput,
}

#[derive(InputObject)]
pub struct InvitationIdInput {
    invitation_id: ID,
}

#[derive(InputObject)]
pub struct AcceptInvitationInput {
    /// From the mailed link.
    token: String,
}

payload_type! { InvitationPayload { invitation: Invitation } }

#[derive(Default)]
pub struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Invites somebody to a team; you can give no more access than you hold.
    async fn invite_member(
        &self,
        ctx: &Context<'_>,
        input: InviteMemberInput,
    ) -> async_graphql::Result<Option<InvitationPayload>> {
        let invited = async {
            let team = id_of(&input.team_id, "team")?;
            let cmd = invitations::InviteMember { team, email: input.email.0, access: input.access.into() };
            invitations::invite(ctx.op(), ctx.actor(), cmd).await
        };
        payload(invited.await.map(Invitation))
    }

    /// Mails an invitation again; the link mailed before stops working.
    async fn resend_invitation(
        &self,
        ctx: &Context<'_>,
        input: InvitationIdInput,
    ) -> async_graphql::Result<Option<InvitationPayload>> {
        let sent = async { invitations::resend(ctx.op(), ctx.actor(), id_of(&input.invitation_id, "invitation")?).await };
        payload(sent.await.map(Invitation))
    }

    async fn revoke_invitation(
        &self,
        ctx: &Context<'_>,
        input: InvitationIdInput,
    ) -> async_graphql::Result<Option<InvitationPayload>> {
        let revoked = async { invitations::revoke(ctx.op(), ctx.actor(), id_of(&input.invitation_id, "invitation")?).await };
        payload(revoked.await.map(Invitation))
    }

    /// Joins the team as the invited. Signed out, a link that was mailed just now signs in too; after that it answers
    /// UNAUTHENTICATED: sign in with the invited address first. Who has a second factor hears SECOND_FACTOR_REQUIRED, and accepts
    /// once it is proven.
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        input: AcceptInvitationInput,
    ) -> async_graphql::Result<Option<TeamPayload>> {
        let accepted = invitations::accept(ctx.op(), ctx.actor(), &input.token).await;
        payload(accepted.and_then(|accepted| {
            accepted.session.map(|session| ctx.sign_in(session));
            accepted.team.map(Team).ok_or(DomainError::SecondFactorRequired(PROVE))
        }))
    }
}
