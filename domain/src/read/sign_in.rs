//! Who a session or an access token stands for, and who may have a sign-in link.

use chrono::{DateTime, Utc};
use entities::{
    access_token, authorized_email, client,
    enums::InvitationStatus,
    id::{AccessTokenId, MagicLinkId, SessionId, UserId},
    invitation, magic_link, portal, session, user,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, sea_query::IntoCondition};

use crate::{
    Domain, Result,
    keyring::{Purpose, sha256},
    read::{domains, sso},
    rules::{
        access_token::is_well_formed,
        mail_domain::of_address,
        second_factor::{Facts, Standing, of_access_token, of_session},
        session::ends_at,
        sign_in::{Refusal, usable},
    },
};

/// A person who proved who they are, and how.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub user: user::Model,
    pub by: Proof,
    /// What they may do by it.
    pub standing: Standing,
}

#[derive(Debug, Clone)]
pub enum Proof {
    Session(session::Model),
    AccessToken(access_token::Model),
}

/// The person behind a session cookie; `None` once it has expired or was revoked.
pub async fn by_session(ctx: &Domain, token: &str) -> Result<Option<SignedIn>> {
    in_session(ctx, session::Column::TokenHash.eq(sha256(token).to_vec())).await
}

/// The same session as it is now.
pub async fn by_session_id(ctx: &Domain, id: SessionId) -> Result<Option<SignedIn>> {
    in_session(ctx, session::Column::Id.eq(id)).await
}

async fn in_session(ctx: &Domain, which: impl IntoCondition) -> Result<Option<SignedIn>> {
    let found = session::Entity::find()
        .filter(which)
        .filter(session::Column::RevokedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(ctx.now()))
        .one(&ctx.db)
        .await?;
    let Some(found) = found else { return Ok(None) };
    let user = async { Ok(user::Entity::find_by_id(found.user_id).one(&ctx.db).await?) };
    let factor = super::second_factor::enabled_at(&ctx.db, found.user_id);
    let (portal, user, enabled_at) = tokio::try_join!(super::portal::load(ctx), user, factor)?;
    let Some(session) = unless_idle(found, portal.session_idle_hours, ctx.now()) else { return Ok(None) };
    Ok(user.map(|user| {
        let (is_staff, proven_at) = (user.staff_role.is_some(), session.second_factor_at);
        let facts = Facts { enabled_at, proven_at, is_staff, staff_needs_it: portal.staff_second_factor };
        SignedIn { user, by: Proof::Session(session), standing: of_session(facts) }
    }))
}

/// With its end as it is: the earlier of its last moment and of when it has lain unused for too long. `None` once that is over.
fn unless_idle(session: session::Model, idle_hours: Option<i32>, now: DateTime<Utc>) -> Option<session::Model> {
    let expires_at = ends_at(session.expires_at, session.last_seen_at, idle_hours);
    (expires_at > now).then_some(session::Model { expires_at, ..session })
}

/// The person behind an access token; `None` once it has expired or was revoked.
pub async fn by_access_token(ctx: &Domain, token: &str) -> Result<Option<SignedIn>> {
    if !is_well_formed(token) {
        return Ok(None);
    }
    let now = ctx.now();
    let found = access_token::Entity::find()
        .filter(access_token::Column::TokenHash.eq(sha256(token).to_vec()))
        .filter(access_token::Column::RevokedAt.is_null())
        .one(&ctx.db)
        .await?
        .filter(|token| token.expires_at.is_none_or(|at| at > now));
    let Some(token) = found else { return Ok(None) };
    let Some(user) = user::Entity::find_by_id(token.user_id).one(&ctx.db).await? else { return Ok(None) };
    // What has no staff role has nothing that could be withheld.
    let is_staff = user.staff_role.is_some();
    let needed = is_staff && super::portal::load(ctx).await?.staff_second_factor;
    let standing = of_access_token(token.second_factor, is_staff, needed);
    Ok(Some(SignedIn { user, by: Proof::AccessToken(token), standing }))
}

/// A sign-in link by its token, if it signs in now; else which link it claims to be, and why not.
pub async fn magic_link(
    ctx: &Domain,
    db: &impl ConnectionTrait,
    token: &str,
) -> Result<std::result::Result<magic_link::Model, (MagicLinkId, Refusal)>> {
    let claimed = ctx.keys.link_token_id::<MagicLinkId>(token);
    let id = claimed.unwrap_or(MagicLinkId(uuid::Uuid::nil()));
    if !ctx.keys.verify_link_token(Purpose::MagicLink, id, MAGIC_LINK_GENERATION, token) {
        return Ok(Err((id, Refusal::Unknown)));
    }
    let Some(link) = magic_link::Entity::find_by_id(id).one(db).await? else { return Ok(Err((id, Refusal::Unknown))) };
    if let Err(refusal) = usable(link.used_at, link.expires_at, ctx.now()) {
        return Ok(Err((id, refusal)));
    }
    if !may_sign_in(db, &link.email, ctx.now()).await? {
        return Ok(Err((id, Refusal::NotInvited)));
    }
    Ok(match sso::only_way(ctx, db, &link.email).await? {
        Some(_) => Err((id, Refusal::SingleSignOn)),
        None => Ok(link),
    })
}

/// Sign-in links are never sent again: a new request makes a new one.
const MAGIC_LINK_GENERATION: i32 = 0;

/// A person's sessions that have not ended, newest first.
pub async fn sessions(ctx: &Domain, user: UserId) -> Result<Vec<session::Model>> {
    let idle_hours = super::portal::load(ctx).await?.session_idle_hours;
    let rows = session::Entity::for_user(user)
        .filter(session::Column::RevokedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(ctx.now()))
        .order_by_desc(session::Column::Id)
        .all(&ctx.db)
        .await?;
    Ok(rows.into_iter().filter_map(|row| unless_idle(row, idle_hours, ctx.now())).collect())
}

pub async fn session(ctx: &Domain, user: UserId, id: SessionId) -> Result<Option<session::Model>> {
    Ok(sessions(ctx, user).await?.into_iter().find(|session| session.id == id))
}

pub async fn access_token(ctx: &Domain, user: UserId, id: AccessTokenId) -> Result<Option<access_token::Model>> {
    Ok(access_tokens(ctx, user).await?.into_iter().find(|token| token.id == id))
}

/// A person's access tokens that were not revoked, newest first.
pub async fn access_tokens(ctx: &Domain, user: UserId) -> Result<Vec<access_token::Model>> {
    Ok(access_token::Entity::for_user(user)
        .filter(access_token::Column::RevokedAt.is_null())
        .order_by_desc(access_token::Column::Id)
        .all(&ctx.db)
        .await?)
}

/// Whether a link may be mailed to this address, or one that was mailed be used: a known person, an invitation that waits
/// for an answer, an authorised address of a client whose portal access is on, a mailbox at a domain whose people may join its
/// team, or anyone where the portal says so.
pub async fn may_sign_in(db: &impl ConnectionTrait, email: &str, now: DateTime<Utc>) -> Result<bool> {
    let email = email.trim().to_lowercase();
    if user::Entity::by_email(&email).count(db).await? > 0 {
        return Ok(true);
    }
    if is_invited(db, &email, now).await? {
        return Ok(true);
    }
    let authorised = authorized_email::Entity::find().filter(authorized_email::Column::Email.eq(&email)).all(db).await?;
    let clients: Vec<_> = authorised.iter().map(|row| row.client_id).collect();
    if !clients.is_empty() {
        let open = client::Entity::find().filter(client::Column::Id.is_in(clients)).filter(client::Column::PortalAccess.eq(true));
        if open.count(db).await? > 0 {
            return Ok(true);
        }
    }
    if domains::open_at(db, of_address(&email)).await?.is_some() {
        return Ok(true);
    }
    Ok(portal::Entity::find_by_id(1).one(db).await?.is_some_and(|portal| portal.self_registration))
}

/// Whether an invitation to this address waits for an answer.
pub(crate) async fn is_invited(db: &impl ConnectionTrait, email: &str, now: DateTime<Utc>) -> Result<bool> {
    let waiting = invitation::Entity::find()
        .filter(invitation::Column::Email.eq(email))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .filter(invitation::Column::ExpiresAt.gt(now));
    Ok(waiting.count(db).await? > 0)
}
