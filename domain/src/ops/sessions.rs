//! Sessions: opened by a sign-in, ended by signing out, by hand, or by time.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    enums::SignInMethod,
    id::{SessionId, UserId},
    session, user,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter,
    sea_query::{Expr, IntoCondition},
};
use secrecy::SecretString;

use crate::{
    Actor, Domain, DomainError, Result, Tx,
    access::require_staff,
    actor::{Origin, SignedBy},
    audit::{Action, Audit},
    keyring::sha256,
    ops::access_tokens,
    read::{portal, second_factor::enabled_at},
    rules::{
        policy::StaffRight,
        second_factor::{self, Facts, Standing},
        session::MARK_EVERY,
        staff,
    },
    tx::Unaudited,
    updates::Update,
};

/// A session just opened, or given a new token. The token is shown this once.
pub struct NewSession {
    pub user: user::Model,
    pub row: session::Model,
    pub token: SecretString,
    /// The session that it takes the place of in the browser that signed in; it has ended.
    pub replaced: Option<SessionId>,
    /// What its person may do by it: where they have a second factor, no more than prove it.
    pub standing: Standing,
}

impl NewSession {
    /// The person it stands for, from where the sign-in came.
    pub fn actor(&self, by: &Actor) -> Actor {
        let origin = Origin { signed_by: Some(SignedBy::Session(self.row.id)), ..by.origin.clone() };
        Actor::standing(&self.user, self.standing, origin)
    }

    pub fn is_unproven(&self) -> bool {
        self.standing == Standing::Unproven
    }
}

/// Opens a session. The one that the same browser had ends with it, whoever's it was: nothing is left behind that could sign a
/// request.
pub(crate) async fn insert(tx: &Tx<'_>, actor: &Actor, user: user::Model, method: SignInMethod) -> Result<NewSession> {
    let replaced = end_replaced(tx, actor).await?;
    let portal = portal::load_from(tx.db()).await?;
    let standing = second_factor::of_session(Facts {
        enabled_at: enabled_at(tx.db(), user.id).await?,
        proven_at: None,
        is_staff: user.staff_role.is_some(),
        staff_needs_it: portal.staff_second_factor,
    });
    let token = BASE64.encode(tx.ctx().env.random::<32>());
    let row = session::Model {
        id: tx.ctx().env.id(),
        user_id: user.id,
        token_hash: sha256(&token).to_vec(),
        method,
        ip: actor.origin.ip.clone(),
        user_agent: actor.origin.user_agent.clone(),
        created_at: tx.now(),
        last_seen_at: tx.now(),
        expires_at: tx.now() + TimeDelta::hours(portal.session_hours.into()),
        revoked_at: None,
        second_factor_at: None,
        second_factor_failures: 0,
    };
    session::Entity::insert(session::ActiveModel::from(row.clone())).exec_without_returning(tx.db()).await?;
    Ok(NewSession { user, row, token: token.into(), replaced, standing })
}

/// Gives a session whose person has just proven a second factor a new token; the one before opens nothing any more.
pub(crate) async fn renew(tx: &Tx<'_>, user: user::Model, session: SessionId) -> Result<NewSession> {
    let token = BASE64.encode(tx.ctx().env.random::<32>());
    let row = session::ActiveModel { id: Set(session), token_hash: Set(sha256(&token).to_vec()), ..Default::default() };
    let row = session::Entity::update(row).exec(tx.db()).await?;
    Ok(NewSession { user, row, token: token.into(), replaced: None, standing: Standing::Full })
}

async fn end_replaced(tx: &Tx<'_>, actor: &Actor) -> Result<Option<SessionId>> {
    let Some(SignedBy::Session(id)) = actor.origin.signed_by else { return Ok(None) };
    let ended = end_all(tx, session::Column::Id.eq(id)).await?;
    Ok((ended > 0).then_some(id))
}

/// Ends those that have not ended yet, and says how many.
pub(crate) async fn end_all(tx: &Tx<'_>, which: impl IntoCondition) -> Result<u64> {
    let ended = session::Entity::update_many()
        .col_expr(session::Column::RevokedAt, Expr::value(tx.now()))
        .filter(which)
        .filter(session::Column::RevokedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(tx.now()))
        .exec(tx.db())
        .await?;
    Ok(ended.rows_affected)
}

/// Ends the session that asks, whatever was proven in it.
pub async fn sign_out(ctx: &Domain, actor: &Actor, session: SessionId) -> Result<()> {
    end(ctx, actor, session, Action::SignedOut).await
}

/// Ends one of the actor's own sessions. One that has ended already stays so.
pub async fn revoke(ctx: &Domain, actor: &Actor, session: SessionId) -> Result<()> {
    actor.session()?;
    end(ctx, actor, session, Action::SessionRevoked).await
}

/// Ends all of the actor's sessions but the one that asks, and says how many those were.
pub async fn revoke_others(ctx: &Domain, actor: &Actor) -> Result<u64> {
    let (user, own) = (actor.signed_in()?, actor.session()?);
    let tx = Tx::begin(ctx).await?;
    let others = Condition::all().add(session::Column::UserId.eq(user)).add(session::Column::Id.ne(own));
    let ended = end_all(&tx, others).await?;
    tx.announce(Update::Person(user));
    if ended == 0 {
        tx.commit_unaudited(Unaudited::NothingChanged).await?;
    } else {
        tx.commit(Audit::of(actor, Action::OtherSessionsRevoked, own).set("revoked", ended)).await?;
    }
    Ok(ended)
}

/// What staff have ended of a person's.
#[derive(Debug)]
pub struct Ended {
    pub person: user::Model,
    pub sessions: u64,
    pub access_tokens: u64,
}

/// Staff end all of a person's sessions, and their access tokens where these are named too. Only an owner does so to an owner.
pub async fn revoke_all(ctx: &Domain, actor: &Actor, user: UserId, access_tokens_too: bool) -> Result<Ended> {
    require_staff(actor, StaffRight::ManageStaff)?;
    let tx = Tx::begin(ctx).await?;
    let person = user::Entity::find_by_id(user).one(tx.db()).await?.ok_or(DomainError::NotFound("person"))?;
    require_staff(actor, staff::right_over(person.staff_role))?;
    let sessions = end_all(&tx, session::Column::UserId.eq(user)).await?;
    let access_tokens = if access_tokens_too { access_tokens::end_all(&tx, user).await? } else { 0 };
    tx.announce(Update::Person(user));
    if sessions + access_tokens == 0 {
        tx.commit_unaudited(Unaudited::NothingChanged).await?;
    } else {
        let entry = Audit::of(actor, Action::AllSessionsRevoked, user).set("revoked", sessions);
        tx.commit(entry.set("accessTokensRevoked", access_tokens)).await?;
    }
    Ok(Ended { person, sessions, access_tokens })
}

async fn end(ctx: &Domain, actor: &Actor, session: SessionId, action: Action) -> Result<()> {
    let user = actor.person().ok_or(DomainError::Unauthenticated)?;
    let tx = Tx::begin(ctx).await?;
    let own = session::Entity::for_user(user).filter(session::Column::Id.eq(session)).one(tx.db()).await?;
    let before = own.ok_or(DomainError::NotFound("session"))?;
    if before.revoked_at.is_some() {
        return tx.commit_unaudited(Unaudited::NothingChanged).await;
    }
    let row = session::ActiveModel { id: Set(session), revoked_at: Set(Some(tx.now())), ..Default::default() };
    session::Entity::update(row).exec(tx.db()).await?;
    tx.announce(Update::Person(user));
    let now = tx.now();
    tx.commit(Audit::of(actor, action, session).set("revokedAt", now)).await
}

/// Whether it is time to note that a session was used: once a minute.
pub fn is_mark_due(ctx: &Domain, session: &session::Model) -> bool {
    ctx.now() >= session.last_seen_at + MARK_EVERY
}

/// Notes that a session was used, when and from where. A later use that is noted already stays.
pub async fn mark_seen(ctx: &Domain, session: &session::Model, origin: &Origin, at: DateTime<Utc>) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    session::Entity::update_many()
        .col_expr(session::Column::LastSeenAt, Expr::value(at))
        .col_expr(session::Column::Ip, Expr::value(origin.ip.clone()))
        .col_expr(session::Column::UserAgent, Expr::value(origin.user_agent.clone()))
        .filter(session::Column::Id.eq(session.id))
        .filter(session::Column::LastSeenAt.lt(at))
        .exec(tx.db())
        .await?;
    tx.commit_unaudited(Unaudited::Mark).await
}
