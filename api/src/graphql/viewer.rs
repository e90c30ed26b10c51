//! Who asks: their teams, sessions, tokens and invitations.

use async_graphql::{Context, InputObject, Object};
use domain::{
    DomainError,
    ops::{notifications, viewer},
    read::{self, sign_in::Proof},
};

use crate::{
    auth::Caller,
    error::to_graphql,
    graphql::{
        enums::StaffRole,
        invitation::Invitation,
        notification::{MarkNotificationsReadInput, Notification, NotificationConnection, NotificationsPayload},
        payload::{UserError, payload},
        request::{OrGraphql, RequestContext, id_of, page},
        second_factor::SecondFactor,
        session::{AccessToken, Session},
        team::Team,
        user::User,
    },
    payload_type,
};

/// The person who is signed in.
pub struct Viewer {
    user: entities::user::Model,
    by: Proof,
}

impl Viewer {
    /// `None` when signed out.
    pub fn of(caller: &Caller) -> Option<Self> {
        caller.signed_in.as_ref().map(|who| Self { user: who.user.clone(), by: who.by.clone() })
    }
}

#[Object]
impl Viewer {
    async fn user(&self) -> User {
        User(self.user.clone())
    }
    /// The teams they are in, oldest first.
    async fn teams(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Team>> {
        let teams = read::teams::of_user(ctx.op(), self.user.id).await.or_graphql()?;
        Ok(teams.into_iter().map(Team).collect())
    }
    /// The session that this request is part of; an error with an access token, which has none.
    async fn active_session(&self) -> async_graphql::Result<Session> {
        match &self.by {
            Proof::Session(session) => Ok(Session(session.clone())),
            Proof::AccessToken(_) => Err(to_graphql(DomainError::NotFound("session: this request brings an access token"))),
        }
    }
    /// Sessions that have not ended, newest first.
    async fn sessions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Session>> {
        let sessions = read::sign_in::sessions(ctx.op(), self.user.id).await.or_graphql()?;
        Ok(sessions.into_iter().map(Session).collect())
    }
    /// Access tokens that were not revoked, newest first.
    async fn access_tokens(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<AccessToken>> {
        let tokens = read::sign_in::access_tokens(ctx.op(), self.user.id).await.or_graphql()?;
        Ok(tokens.into_iter().map(AccessToken).collect())
    }
    /// Teams that the domain of their address opens to them, and that they are not in.
    async fn joinable_teams(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Team>> {
        let teams = read::domains::joinable(ctx.op(), self.user.id).await.or_graphql()?;
        Ok(teams.into_iter().map(Team).collect())
    }
    /// Invitations to their address that wait for an answer, newest first.
    async fn pending_invitations(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Invitation>> {
        let rows = read::invitations::pending_for(ctx.op(), &self.user.email).await.or_graphql()?;
        Ok(rows.into_iter().map(Invitation).collect())
    }
    /// What they were told, newest first.
    async fn notifications(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        unread_only: Option<bool>,
    ) -> async_graphql::Result<NotificationConnection> {
        let page = page(ctx, first, after, last, before);
        let unread = unread_only.unwrap_or(false);
        let rows = read::notifications::of_user(ctx.op(), self.user.id, unread, &page).await.or_graphql()?;
        Ok(NotificationConnection(rows.map(Notification)))
    }
    /// Their authenticator app.
    async fn second_factor(&self, ctx: &Context<'_>) -> async_graphql::Result<SecondFactor> {
        read::second_factor::of_user(ctx.op(), self.user.id).await.map(SecondFactor::from).or_graphql()
    }
    /// Their role on the provider's side, if any.
    async fn staff_role(&self) -> Option<StaffRole> {
        self.user.staff_role.map(StaffRole::from)
    }
}

#[derive(Default)]
pub struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Null when signed out; SECOND_FACTOR_REQUIRED where this session has to prove one first.
    async fn viewer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Viewer>> {
        match ctx.caller().unproven {
            Some(_) => ctx.actor().signed_in().map(|_| None).or_graphql(),
            None => Ok(Viewer::of(ctx.caller())),
        }
    }
}

#[derive(InputObject)]
pub struct UpdateViewerInput {
    /// What others see; 1 to 80 characters.
    name: String,
}

payload_type! { UpdateViewerPayload { user: User } }

#[derive(Default)]
pub struct ViewerMutation;

#[Object]
impl ViewerMutation {
    async fn update_viewer(
        &self,
        ctx: &Context<'_>,
        input: UpdateViewerInput,
    ) -> async_graphql::Result<Option<UpdateViewerPayload>> {
        payload(viewer::update(ctx.op(), ctx.actor(), &input.name).await.map(User))
    }
    /// Other people's are not touched.
    async fn mark_notifications_read(
        &self,
        ctx: &Context<'_>,
        input: MarkNotificationsReadInput,
    ) -> async_graphql::Result<Option<NotificationsPayload>> {
        let marked = async {
            let ids = input.ids.as_ref().map(|ids| ids.iter().map(|id| id_of(id, "notification")).collect::<Result<Vec<_>, _>>());
            notifications::mark_read(ctx.op(), ctx.actor(), ids.transpose()?.as_deref()).await
        };
        let (unread, problems) = match marked.await {
            Err(DomainError::Refused(problems)) => {
                (read::notifications::unread(ctx.op(), ctx.actor()).await.or_graphql()?, problems)
            }
            marked => (marked.or_graphql()?, Vec::new()),
        };
        let user_errors = problems.into_iter().map(UserError::from).collect();
        Ok(Some(NotificationsPayload { unread: i32::try_from(unread).unwrap_or(i32::MAX), user_errors }))
    }
}
