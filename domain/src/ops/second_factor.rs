//! The second factor: set up by its owner, proven in a session, removed by a proof, reset by staff. Its secret is shown once,
//! recovery codes are shown once and work once.

use entities::{
    id::{SessionId, UserId},
    recovery_code, second_factor, session, user,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, sea_query::Expr};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_staff,
    actor::SignedBy,
    audit::{Action, Audit},
    keyring::{Purpose, sha256},
    notices::{To, tell},
    ops::sessions::{self, NewSession},
    read,
    rules::{
        notice::{Notice, SecondFactorNotice},
        policy::StaffRight,
        second_factor::{self as rule, Given, RECOVERY_CODES},
        staff, totp,
    },
    tx::Unaudited,
    updates::Update,
};

/// A factor to be; shown this once.
pub struct Enrolment {
    /// In base32.
    pub secret: SecretString,
    /// What an app's QR code has in it.
    pub uri: SecretString,
}

/// Recovery codes just made; shown this once.
pub type RecoveryCodes = Vec<SecretString>;

/// What was given in proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Code,
    RecoveryCode,
}

impl Proof {
    fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::RecoveryCode => "recovery_code",
        }
    }
}

/// Makes a secret, in the place of one that was never confirmed. It is asked for once a code of it was given.
pub async fn begin(ctx: &Domain, actor: &Actor) -> Result<Enrolment> {
    actor.session()?;
    let user = actor.signed_in()?;
    let tx = Tx::begin(ctx).await?;
    let person = user::Entity::find_by_id(user).one(tx.db()).await?.ok_or(DomainError::Unauthenticated)?;
    if held(&tx, user).await?.is_some_and(|row| row.enabled_at.is_some()) {
        let message = "you have a second factor: remove it first";
        return Err(DomainError::refused(ProblemCode::WrongState, "", message));
    }
    let secret = totp::base32(&ctx.env.random());
    let row = second_factor::Model {
        user_id: user,
        sealed: ctx.keys.seal(&ctx.env, Purpose::SecondFactor, &secret),
        created_at: tx.now(),
        enabled_at: None,
        last_step: None,
        failures: 0,
        failed_at: None,
    };
    second_factor::Entity::delete_by_id(user).exec(tx.db()).await?;
    tx.insert(row).await?;
    let issuer = read::portal::load_from(tx.db()).await?.name;
    tx.commit_unaudited(Unaudited::SecondFactorBegun).await?;
    Ok(Enrolment { uri: totp::uri(&issuer, &person.email, &secret).into(), secret: secret.into() })
}

/// Turns it on by a code of it, which proves it in this session. The person's other sessions have to prove it from now on.
pub async fn confirm(ctx: &Domain, actor: &Actor, code: &str) -> Result<RecoveryCodes> {
    let (user, session) = (actor.signed_in()?, actor.session()?);
    let given = rule::read(code)?;
    let tx = Tx::begin(ctx).await?;
    let row = match held(&tx, user).await? {
        Some(row) if row.enabled_at.is_none() => row,
        Some(_) => return Err(DomainError::refused(ProblemCode::AlreadyDone, "", "your second factor is confirmed already")),
        None => {
            let message = "there is nothing to confirm: begin with beginSecondFactor";
            return Err(DomainError::refused(ProblemCode::WrongState, "", message));
        }
    };
    let step = match &given {
        Given::Code(code) => totp::accepted(&secret(ctx, &row)?, code, tx.now(), None),
        Given::Recovery(_) => None,
    };
    let Some(step) = step else {
        let message = "this is not the code that the app shows now: check that the device's clock is right, and try the next one";
        return Err(DomainError::refused(ProblemCode::Invalid, "code", message));
    };
    let on = second_factor::ActiveModel {
        user_id: Set(user),
        enabled_at: Set(Some(tx.now())),
        last_step: Set(Some(step)),
        ..Default::default()
    };
    second_factor::Entity::update(on).exec(tx.db()).await?;
    let codes = new_codes(&tx, user).await?;
    mark_proven(&tx, session).await?;
    tell_owner(&tx, user, SecondFactorNotice::TurnedOn).await?;
    tx.commit(Audit::of(actor, Action::SecondFactorEnabled, user).change("enabled", false, true)).await?;
    Ok(codes)
}

/// Proves it in the session that asks, by a code or a recovery code. The session goes on under a new token: what was known of it
/// before the proof opens nothing.
pub async fn prove(ctx: &Domain, actor: &Actor, code: &str) -> Result<NewSession> {
    let (user, session) = of_session(actor)?;
    let (tx, proof) = proven(ctx, actor, user, session, code).await?;
    mark_proven(&tx, session).await?;
    if proof == Proof::RecoveryCode {
        let left = left(&tx, user).await?;
        tell_owner(&tx, user, SecondFactorNotice::RecoveryCodeUsed { left }).await?;
    }
    let user = user::Entity::find_by_id(user).one(tx.db()).await?.ok_or(DomainError::Unauthenticated)?;
    let renewed = sessions::renew(&tx, user, session).await?;
    tx.commit(Audit::of(actor, Action::SecondFactorProven, session).set("by", proof.as_str())).await?;
    Ok(renewed)
}

/// Turns it off, by a proof. Sessions that never proved it end: they would be let in otherwise.
pub async fn remove(ctx: &Domain, actor: &Actor, code: &str) -> Result<()> {
    let (user, own) = (actor.signed_in()?, actor.session()?);
    let (tx, proof) = proven(ctx, actor, user, own, code).await?;
    let since = read::second_factor::enabled_at(tx.db(), user).await?;
    delete(&tx, user).await?;
    let never = Condition::any().add(session::Column::SecondFactorAt.is_null()).add(session::Column::SecondFactorAt.lt(since));
    let others = Condition::all().add(session::Column::UserId.eq(user)).add(session::Column::Id.ne(own)).add(never);
    let ended = sessions::end_all(&tx, others).await?;
    tx.announce(Update::Person(user));
    tell_owner(&tx, user, SecondFactorNotice::TurnedOff).await?;
    let entry = Audit::of(actor, Action::SecondFactorDisabled, user).change("enabled", true, false);
    tx.commit(entry.set("by", proof.as_str()).change("endedSessions", 0, ended)).await
}

/// New recovery codes in the place of all before, by a proof.
pub async fn regenerate_codes(ctx: &Domain, actor: &Actor, code: &str) -> Result<RecoveryCodes> {
    let (user, session) = (actor.signed_in()?, actor.session()?);
    let (tx, proof) = proven(ctx, actor, user, session, code).await?;
    let codes = new_codes(&tx, user).await?;
    tx.commit(Audit::of(actor, Action::RecoveryCodesMade, user).set("by", proof.as_str())).await?;
    Ok(codes)
}

/// Staff take away the factor of somebody who has lost it. All of that person's sessions end: one that could not prove the factor
/// would be let in otherwise.
pub async fn reset(ctx: &Domain, actor: &Actor, user: UserId) -> Result<user::Model> {
    require_staff(actor, StaffRight::ManageStaff)?;
    let tx = Tx::begin(ctx).await?;
    let person = user::Entity::find_by_id(user).one(tx.db()).await?.ok_or(DomainError::NotFound("person"))?;
    rule::resettable(actor.user_id() == Some(user))?;
    require_staff(actor, staff::right_over(person.staff_role))?;
    if held(&tx, user).await?.is_none_or(|row| row.enabled_at.is_none()) {
        let message = "this person has no second factor: there is nothing to reset";
        return Err(DomainError::refused(ProblemCode::WrongState, "userId", message));
    }
    delete(&tx, user).await?;
    let ended = sessions::end_all(&tx, session::Column::UserId.eq(user)).await?;
    tx.announce(Update::Person(user));
    tell_owner(&tx, user, SecondFactorNotice::Reset).await?;
    let entry = Audit::of(actor, Action::SecondFactorReset, user).change("enabled", true, false);
    tx.commit(entry.change("endedSessions", 0, ended)).await?;
    Ok(person)
}

/// As [`reset`], from the command line.
pub async fn reset_for(ctx: &Domain, email: &str) -> Result<user::Model> {
    let email = crate::rules::text::email("email", email)?;
    let person = user::Entity::by_email(&email).one(&ctx.db).await?.ok_or(DomainError::NotFound("person"))?;
    reset(ctx, &Actor::system(), person.id).await
}

/// The person and the session, proven or not.
fn of_session(actor: &Actor) -> Result<(UserId, SessionId)> {
    match (actor.person(), actor.origin.signed_by) {
        (Some(user), Some(SignedBy::Session(session))) => Ok((user, session)),
        _ => actor.session().and_then(|_| Err(DomainError::Unauthenticated)),
    }
}

/// The factor's row, alone with it: two requests do not take the same code.
async fn held(tx: &Tx<'_>, user: UserId) -> Result<Option<second_factor::Model>> {
    tx.alone("second factor of", user).await?;
    Ok(second_factor::Entity::find_by_id(user).one(tx.db()).await?)
}

fn secret(ctx: &Domain, row: &second_factor::Model) -> Result<Vec<u8>> {
    let opened = ctx.keys.open(Purpose::SecondFactor, &row.sealed).map_err(DomainError::internal)?;
    totp::from_base32(opened.expose_secret()).ok_or_else(|| DomainError::internal("a second factor's secret is malformed"))
}

/// A transaction in which the proof was taken, and cannot be taken again once it commits. What is wrong is counted and audited, in
/// one of its own.
async fn proven<'a>(ctx: &'a Domain, actor: &Actor, user: UserId, session: SessionId, code: &str) -> Result<(Tx<'a>, Proof)> {
    let given = rule::read(code)?;
    let tx = Tx::begin(ctx).await?;
    let Some(row) = held(&tx, user).await?.filter(|row| row.enabled_at.is_some()) else {
        let message = "you have no second factor: set one up with beginSecondFactor";
        return Err(DomainError::refused(ProblemCode::WrongState, "", message));
    };
    let (last_step, proof) = match &given {
        Given::Code(code) => {
            if let Some(until) = rule::waits_until(row.failures, row.failed_at).filter(|until| *until > tx.now()) {
                let wait = (until - tx.now()).num_seconds().unsigned_abs().max(1);
                return Err(DomainError::RateLimited { retry_after: wait });
            }
            (totp::accepted(&secret(ctx, &row)?, code, tx.now(), row.last_step), Proof::Code)
        }
        Given::Recovery(code) => {
            let used = use_recovery_code(&tx, user, code).await?;
            (used.then_some(row.last_step.unwrap_or_default()), Proof::RecoveryCode)
        }
    };
    let Some(last_step) = last_step else { return Err(wrong(tx, actor, &row, session, proof).await?) };
    let taken = second_factor::ActiveModel {
        user_id: Set(user),
        last_step: Set(Some(last_step)),
        failures: Set(0),
        failed_at: Set(None),
        ..Default::default()
    };
    second_factor::Entity::update(taken).exec(tx.db()).await?;
    Ok((tx, proof))
}

async fn use_recovery_code(tx: &Tx<'_>, user: UserId, plain: &str) -> Result<bool> {
    let used = recovery_code::Entity::update_many()
        .col_expr(recovery_code::Column::UsedAt, Expr::value(tx.now()))
        .filter(recovery_code::Column::UserId.eq(user))
        .filter(recovery_code::Column::CodeHash.eq(sha256(plain).to_vec()))
        .filter(recovery_code::Column::UsedAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(used.rows_affected > 0)
}

/// Counts a wrong code, for the person and for the session, which ends after too many.
async fn wrong(tx: Tx<'_>, actor: &Actor, row: &second_factor::Model, session: SessionId, proof: Proof) -> Result<DomainError> {
    let counted = second_factor::ActiveModel {
        user_id: Set(row.user_id),
        failures: Set(row.failures.saturating_add(1)),
        failed_at: Set(Some(tx.now())),
        ..Default::default()
    };
    second_factor::Entity::update(counted).exec(tx.db()).await?;
    let found = session::Entity::find_by_id(session).one(tx.db()).await?.ok_or(DomainError::Unauthenticated)?;
    let failures = found.second_factor_failures.saturating_add(1);
    let counted = session::ActiveModel { id: Set(session), second_factor_failures: Set(failures), ..Default::default() };
    session::Entity::update(counted).exec(tx.db()).await?;
    let ends = rule::ends_session(failures);
    if ends {
        sessions::end_all(&tx, session::Column::Id.eq(session)).await?;
    }
    let entry = Audit::of(actor, Action::SecondFactorFailed, session).set("by", proof.as_str());
    tx.commit(entry.change("sessionEnded", false, ends)).await?;
    let (code, message) = match (ends, proof) {
        (true, _) => (ProblemCode::LimitReached, "too many wrong codes: this session has ended, sign in again"),
        (false, Proof::Code) => (
            ProblemCode::Invalid,
            "this code is wrong, too old, or was used: take the one that the app shows now, each works once",
        ),
        (false, Proof::RecoveryCode) => (ProblemCode::Invalid, "this recovery code is wrong or was used: each works once"),
    };
    Ok(DomainError::refused(code, "code", message))
}

async fn mark_proven(tx: &Tx<'_>, session: SessionId) -> Result<()> {
    let row = session::ActiveModel {
        id: Set(session),
        second_factor_at: Set(Some(tx.now())),
        second_factor_failures: Set(0),
        ..Default::default()
    };
    session::Entity::update(row).exec(tx.db()).await?;
    Ok(())
}

/// In the place of all before.
async fn new_codes(tx: &Tx<'_>, user: UserId) -> Result<RecoveryCodes> {
    recovery_code::Entity::delete_many().filter(recovery_code::Column::UserId.eq(user)).exec(tx.db()).await?;
    let made: Vec<_> = (0..RECOVERY_CODES).map(|_| rule::recovery_code(tx.ctx().env.random())).collect();
    let rows = made.iter().map(|(plain, _)| recovery_code::Model {
        id: tx.ctx().env.id(),
        user_id: user,
        code_hash: sha256(plain).to_vec(),
        used_at: None,
    });
    recovery_code::Entity::insert_many(rows.map(IntoActiveModel::into_active_model)).exec_without_returning(tx.db()).await?;
    Ok(made.into_iter().map(|(_, shown)| shown.into()).collect())
}

async fn left(tx: &Tx<'_>, user: UserId) -> Result<u64> {
    let unused = recovery_code::Entity::for_user(user).filter(recovery_code::Column::UsedAt.is_null());
    Ok(unused.all(tx.db()).await?.len() as u64)
}

async fn delete(tx: &Tx<'_>, user: UserId) -> Result<()> {
    recovery_code::Entity::delete_many().filter(recovery_code::Column::UserId.eq(user)).exec(tx.db()).await?;
    second_factor::Entity::delete_by_id(user).exec(tx.db()).await?;
    Ok(())
}

/// Its owner hears of it, whoever asked: it may have been somebody else in their session.
async fn tell_owner(tx: &Tx<'_>, user: UserId, what: SecondFactorNotice) -> Result<()> {
    tell(tx, &Actor::system(), To::Person(user), &Notice::SecondFactor { owner: user, what }).await
}
