//! Access tokens, for scripts and server-side frontends.

use chrono::TimeDelta;
use entities::{
    access_token,
    id::{AccessTokenId, SessionId, UserId},
    session, user,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    actor::SignedBy,
    audit::{Action, Audit},
    error::Problems,
    keyring::sha256,
    read::second_factor::enabled_at,
    rules::{
        access_token::{MAX_DAYS, issue},
        text,
    },
    tx::Unaudited,
    updates::Update,
};

/// How much older a "last used" may be than the truth.
const MARK_EVERY: TimeDelta = TimeDelta::minutes(1);

#[derive(Debug, Clone)]
pub struct CreateAccessToken {
    pub name: String,
    /// `None`: until it is revoked.
    pub expires_in_days: Option<i32>,
}

/// A token just made; the secret is shown this once.
pub struct NewAccessToken {
    pub row: access_token::Model,
    pub secret: SecretString,
}

/// Makes a token that may what the actor may, at each moment. A token makes no other tokens.
pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreateAccessToken) -> Result<NewAccessToken> {
    let (owner, session) = (actor.signed_in()?, actor.session()?);
    insert(ctx, actor, owner, Some(session), cmd).await
}

/// Makes a token for somebody, from the command line.
pub async fn create_for(ctx: &Domain, email: &str, cmd: CreateAccessToken) -> Result<NewAccessToken> {
    let email = text::email("email", email)?;
    let owner = user::Entity::by_email(&email).one(&ctx.db).await?.ok_or(DomainError::NotFound("person"))?;
    insert(ctx, &Actor::system(), owner.id, None, cmd).await
}

/// `session`: the one in which it is made; `None` from the command line, which proves as much as a second factor.
async fn insert(
    ctx: &Domain,
    actor: &Actor,
    owner: UserId,
    session: Option<SessionId>,
    cmd: CreateAccessToken,
) -> Result<NewAccessToken> {
    let mut problems = Problems::default();
    let name = problems.take(text::name("name", &cmd.name, 80));
    if cmd.expires_in_days.is_some_and(|days| !(1..=MAX_DAYS).contains(&days)) {
        problems.add(ProblemCode::Invalid, "expiresInDays", format!("must be from 1 to {MAX_DAYS}"));
    }
    problems.into_result()?;
    let tx = Tx::begin(ctx).await?;
    let (secret, prefix) = issue(ctx.env.random());
    let row = access_token::Model {
        id: ctx.env.id(),
        user_id: owner,
        name: name.unwrap_or_default(),
        prefix,
        token_hash: sha256(secret.expose_secret()).to_vec(),
        created_at: tx.now(),
        last_used_at: None,
        expires_at: cmd.expires_in_days.map(|days| tx.now() + TimeDelta::days(days.into())),
        revoked_at: None,
        second_factor: match session {
            Some(session) => is_proven(&tx, owner, session).await?,
            None => true,
        },
    };
    access_token::Entity::insert(access_token::ActiveModel::from(row.clone())).exec_without_returning(tx.db()).await?;
    let entry = Audit::of(actor, Action::AccessTokenCreated, row.id)
        .set("name", &row.name)
        .set("owner", owner)
        .set("expiresAt", row.expires_at);
    tx.commit(entry).await?;
    Ok(NewAccessToken { row, secret })
}

/// Whether the second factor that the owner has was proven in this session.
async fn is_proven(tx: &Tx<'_>, owner: UserId, session: SessionId) -> Result<bool> {
    let since = enabled_at(tx.db(), owner).await?;
    let made_in = session::Entity::for_user(owner).filter(session::Column::Id.eq(session)).one(tx.db()).await?;
    let proven_at = made_in.and_then(|session| session.second_factor_at);
    Ok(since.is_some_and(|since| proven_at.is_some_and(|at| at >= since)))
}

/// Ends one of the actor's own tokens, at once; a token itself alone. One that has ended already stays so.
pub async fn revoke(ctx: &Domain, actor: &Actor, token: AccessTokenId) -> Result<()> {
    if actor.origin.signed_by != Some(SignedBy::AccessToken(token)) {
        actor.session()?;
    }
    let owner = actor.signed_in()?;
    let tx = Tx::begin(ctx).await?;
    let own = access_token::Entity::for_user(owner).filter(access_token::Column::Id.eq(token)).one(tx.db()).await?;
    let before = own.ok_or(DomainError::NotFound("access token"))?;
    if before.revoked_at.is_some() {
        return tx.commit_unaudited(Unaudited::NothingChanged).await;
    }
    let row = access_token::ActiveModel { id: Set(token), revoked_at: Set(Some(tx.now())), ..Default::default() };
    access_token::Entity::update(row).exec(tx.db()).await?;
    tx.announce(Update::Person(owner));
    let entry = Audit::of(actor, Action::AccessTokenRevoked, token).set("revokedAt", tx.now());
    tx.commit(entry).await
}

/// Ends all of a person's tokens that have not ended yet, and says how many.
pub(crate) async fn end_all(tx: &Tx<'_>, owner: UserId) -> Result<u64> {
    let ended = access_token::Entity::update_many()
        .col_expr(access_token::Column::RevokedAt, Expr::value(tx.now()))
        .filter(access_token::Column::UserId.eq(owner))
        .filter(access_token::Column::RevokedAt.is_null())
        .exec(tx.db())
        .await?;
    tx.announce(Update::Person(owner));
    Ok(ended.rows_affected)
}

/// Whether it is time to note that a token was used: once a minute.
pub fn is_mark_due(ctx: &Domain, token: &access_token::Model) -> bool {
    token.last_used_at.is_none_or(|at| ctx.now() >= at + MARK_EVERY)
}

/// Notes that a token was used.
pub async fn mark_used(ctx: &Domain, token: &access_token::Model) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    access_token::Entity::update_many()
        .col_expr(access_token::Column::LastUsedAt, Expr::value(tx.now()))
        .filter(access_token::Column::Id.eq(token.id))
        .exec(tx.db())
        .await?;
    tx.commit_unaudited(Unaudited::Mark).await
}
