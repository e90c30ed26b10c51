//! What the mails say. A fact that makes a mail pointless by the time it would go out is `None`: it is not sent.

use chrono::{DateTime, Utc};
use entities::{
    credential,
    enums::InvitationStatus,
    id::{InvitationId, MagicLinkId, NotificationId, SupportRequestId},
    invitation, magic_link, membership, notification, portal, subscription, support_request, team, user,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use secrecy::SecretString;

use super::{sign_in, sso};
use crate::{
    Domain, DomainError, Result,
    keyring::Purpose,
    rules::{
        notice::Subject,
        text::{has_address, inert},
    },
};

/// A way to sign in, to be mailed.
pub struct SignInMail {
    pub portal: portal::Model,
    pub to: String,
    pub way: WayIn,
    pub asked_at: DateTime<Utc>,
    pub valid_until: DateTime<Utc>,
}

pub enum WayIn {
    /// The token of a link.
    Link(SecretString),
    /// The address's organisation lets its people in by its identity provider alone.
    SingleSignOn {
        provider: String,
        /// Where the sign-in leads.
        then: Option<Onward>,
    },
}

pub enum Onward {
    /// As was asked for with the link.
    To(String),
    /// To the page of the invitation that the link was asked for with, by its token.
    Invitation(SecretString),
}

/// An invitation to be mailed.
pub struct InvitationMail {
    pub portal: portal::Model,
    pub to: String,
    pub token: SecretString,
    /// So that nothing in it becomes a link.
    pub team: String,
    /// `None` where the name holds an address: it is no subject.
    pub team_in_subject: Option<String>,
    /// The inviter's name, likewise, or address; `None` where the portal itself invites.
    pub invited_by: Option<String>,
    pub message: Option<String>,
    pub invited_at: DateTime<Utc>,
    pub valid_until: DateTime<Utc>,
}

/// A support request to be mailed.
pub struct SupportMail {
    pub portal: portal::Model,
    /// The portal's support address.
    pub to: String,
    pub request: support_request::Model,
    pub team: String,
    /// The asker's address, and name where they gave one.
    pub from: String,
    pub from_name: Option<String>,
}

/// What a person was told, to be mailed.
pub struct NotificationMail {
    pub portal: portal::Model,
    pub to: String,
    pub notification: notification::Model,
}

/// `None` where the link is gone, used or expired, or its address may not sign in.
pub async fn sign_in_link(ctx: &Domain, id: MagicLinkId) -> Result<Option<SignInMail>> {
    let now = ctx.now();
    let Some(link) = magic_link::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    if link.used_at.is_some() || link.expires_at <= now || !sign_in::may_sign_in(&ctx.db, &link.email, now).await? {
        return Ok(None);
    }
    let way = match sso::only_way(ctx, &ctx.db, &link.email).await? {
        Some(provider) => WayIn::SingleSignOn { provider: inert(provider.name()).into_owned(), then: onward(ctx, &link).await? },
        None => WayIn::Link(ctx.keys.link_token(Purpose::MagicLink, id, 0)),
    };
    let (asked_at, valid_until) = (link.created_at, link.expires_at);
    Ok(Some(SignInMail { portal: portal(ctx).await?, to: link.email, way, asked_at, valid_until }))
}

async fn onward(ctx: &Domain, link: &magic_link::Model) -> Result<Option<Onward>> {
    let invitation = match link.invitation_id {
        Some(id) => invitation::Entity::find_by_id(id).one(&ctx.db).await?,
        None => None,
    };
    let token = |row: invitation::Model| ctx.keys.link_token(Purpose::Invitation, row.id, row.generation);
    Ok(match invitation {
        Some(row) => Some(Onward::Invitation(token(row))),
        None => link.redirect_to.clone().map(Onward::To),
    })
}

/// `None` where the invitation is answered, revoked or expired, or was sent again since.
pub async fn invitation(ctx: &Domain, id: InvitationId, generation: i32) -> Result<Option<InvitationMail>> {
    let Some(row) = invitation::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    if row.status != InvitationStatus::Pending || row.generation != generation || row.expires_at <= ctx.now() {
        return Ok(None);
    }
    let team = team::Entity::find_by_id(row.team_id).one(&ctx.db).await?;
    let team = team.ok_or_else(|| DomainError::internal("an invitation's team is missing"))?;
    let inviter = match row.invited_by {
        Some(id) => user::Entity::find_by_id(id).one(&ctx.db).await?,
        None => None,
    };
    Ok(Some(InvitationMail {
        portal: portal(ctx).await?,
        token: ctx.keys.link_token(Purpose::Invitation, id, generation),
        to: row.email,
        team: inert(&team.name).into_owned(),
        team_in_subject: Some(team.name).filter(|name| !has_address(name)),
        invited_by: inviter.map(|user| user.name.map_or(user.email, |name| inert(&name).into_owned())),
        message: row.message,
        invited_at: row.created_at,
        valid_until: row.expires_at,
    }))
}

/// `None` where the request is gone or the portal has no support address any more.
pub async fn support_request(ctx: &Domain, id: SupportRequestId) -> Result<Option<SupportMail>> {
    let Some(request) = support_request::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    let portal = portal(ctx).await?;
    let Some(to) = portal.support_email.clone() else { return Ok(None) };
    let team = team::Entity::find_by_id(request.team_id).one(&ctx.db).await?;
    let asker = user::Entity::find_by_id(request.user_id).one(&ctx.db).await?;
    let asker = asker.ok_or_else(|| DomainError::internal("a support request's asker is missing"))?;
    Ok(Some(SupportMail {
        portal,
        to,
        team: inert(&team.ok_or_else(|| DomainError::internal("a support request's team is missing"))?.name).into_owned(),
        from: asker.email,
        from_name: asker.name.map(|name| inert(&name).into_owned()),
        request,
    }))
}

/// `None` where it is gone, or was read in the portal before the mail went out, or its reader has left the team meanwhile.
pub async fn notification(ctx: &Domain, id: NotificationId) -> Result<Option<NotificationMail>> {
    let Some(notification) = notification::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    if notification.read_at.is_some() {
        return Ok(None);
    }
    let told = user::Entity::find_by_id(notification.user_id).one(&ctx.db).await?;
    let told = told.ok_or_else(|| DomainError::internal("a notification's reader is missing"))?;
    if told.staff_role.is_none() && !is_still_in(ctx, &notification).await? {
        return Ok(None);
    }
    Ok(Some(NotificationMail { portal: portal(ctx).await?, to: told.email, notification }))
}

/// Whether the reader is in the team that it is about; in any, where it is about no team.
async fn is_still_in(ctx: &Domain, told: &notification::Model) -> Result<bool> {
    let team = match Subject::read(&told.subject_kind, told.subject_id) {
        Some(Subject::Team(id)) => Some(id),
        Some(Subject::Subscription(id)) => subscription::Entity::find_by_id(id).one(&ctx.db).await?.map(|held| held.team_id),
        Some(Subject::Credential(id)) => credential::Entity::find_by_id(id).one(&ctx.db).await?.map(|row| row.team_id),
        // Its owner's alone, in a team or in none.
        Some(Subject::AccessToken(_) | Subject::Person(_)) => return Ok(true),
        Some(Subject::Product(_)) | None => None,
    };
    let mut own = membership::Entity::for_user(told.user_id);
    if let Some(team) = team {
        own = own.filter(membership::Column::TeamId.eq(team));
    }
    Ok(own.one(&ctx.db).await?.is_some())
}

async fn portal(ctx: &Domain) -> Result<portal::Model> {
    let row = portal::Entity::find_by_id(1).one(&ctx.db).await?;
    row.ok_or_else(|| DomainError::internal("the portal's row is missing"))
}
