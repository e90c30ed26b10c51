//! Who a session or an access token stands for.

use entities::{access_token, session, user};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

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
