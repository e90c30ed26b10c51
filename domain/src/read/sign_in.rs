//! Who a session or an access token stands for, and who may have a sign-in link.

use chrono::{DateTime, Utc};
use entities::{access_token, authorized_email, client, enums::InvitationStatus, invitation, portal, session, user};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};

use crate::{Domain, Result, keyring::sha256};

/// A person who proved who they are, and how.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: user::Model,
    pub by: Proof,
}

#[derive(Debug, Clone)]
pub enum Proof {
    Session(session::Model),
    AccessToken(access_token::Model),
}

/// The person behind a session cookie; `None` once it has expired or was revoked.
pub async fn by_session(ctx: &Domain, token: &str) -> Result<Option<SignedIn>> {
    let found = session::Entity::find()
        .filter(session::Column::TokenHash.eq(sha256(token).to_vec()))
        .filter(session::Column::RevokedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(ctx.now()))
        .one(&ctx.db)
        .await?;
    let Some(session) = found else { return Ok(None) };
    let user = user::Entity::find_by_id(session.user_id).one(&ctx.db).await?;
    Ok(user.map(|user| SignedIn { user, by: Proof::Session(session) }))
}

/// The person behind an access token; `None` once it has expired or was revoked.
pub async fn by_access_token(ctx: &Domain, token: &str) -> Result<Option<SignedIn>> {
    let now = ctx.now();
    let found = access_token::Entity::find()
        .filter(access_token::Column::TokenHash.eq(sha256(token).to_vec()))
        .filter(access_token::Column::RevokedAt.is_null())
        .one(&ctx.db)
        .await?
        .filter(|token| token.expires_at.is_none_or(|at| at > now));
    let Some(token) = found else { return Ok(None) };
    let user = user::Entity::find_by_id(token.user_id).one(&ctx.db).await?;
    Ok(user.map(|user| SignedIn { user, by: Proof::AccessToken(token) }))
}

/// Whether a link may be mailed to this address, or one that was mailed be used: a known person, an invitation that waits
/// for an answer, an authorised address of a client whose portal access is on, or anyone where the portal says so.
pub async fn may_sign_in(db: &impl ConnectionTrait, email: &str, now: DateTime<Utc>) -> Result<bool> {
    let email = email.trim().to_lowercase();
    if user::Entity::by_email(&email).count(db).await? > 0 {
        return Ok(true);
    }
    let invited = invitation::Entity::find()
        .filter(invitation::Column::Email.eq(&email))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .filter(invitation::Column::ExpiresAt.gt(now));
    if invited.count(db).await? > 0 {
        return Ok(true);
    }
    let authorised = authorized_email::Entity::find().filter(authorized_email::Column::Email.eq(&email)).all(db).await?;
    let clients: Vec<_> = authorised.iter().map(|row| row.client_id).collect();
    if !clients.is_empty() {
        let open =
            client::Entity::find().filter(client::Column::Id.is_in(clients)).filter(client::Column::PortalAccess.eq(true));
        if open.count(db).await? > 0 {
            return Ok(true);
        }
    }
    Ok(portal::Entity::find_by_id(1).one(db).await?.is_some_and(|portal| portal.self_registration))
}
