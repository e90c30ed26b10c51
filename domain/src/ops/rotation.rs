//! Giving a credential a new secret: beside the one before for a while, or in its place at once.

use chrono::{DateTime, Utc};
use entities::{
    client,
    credential::{Column, Entity, Model},
    credential_secret::{self, Column as Secret},
    enums::CredentialStatus,
    id::{CredentialId, CredentialSecretId, TypedId},
    profile,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::Expr};
use serde::Serialize;

use super::{
    credentials::{self, Details, Held, Made, held_by, lifetime_end, may_have_secret, named},
    idempotency::Claim,
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{require_member, require_somebody},
    audit::{Action, Audit},
    outbox::{EndSilentOverlap, When},
    rules::{
        credential::{self, RANDOM_BYTES, SecretKind, state_at},
        policy::MemberRight,
        rotation::{MAX_OLDER, Overlap, USUAL_OVERLAP, silent_from},
        text,
    },
    tx::{Touch, Unaudited, retrying},
};

#[derive(Debug, Clone, Serialize)]
pub struct RotateSecret {
    pub credential: CredentialId,
    /// `None`: as long as the plan allows.
    pub overlap_hours: Option<i32>,
    pub end_when_silent_minutes: Option<i32>,
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// A member gives a credential a new secret. Its id stays, and those before work until the overlap ends.
pub async fn rotate(ctx: &Domain, actor: &Actor, cmd: RotateSecret) -> Result<Made> {
    let claim = Claim::new(actor, "rotateSecret", cmd.idempotency_key.as_deref(), &cmd)?;
    retrying(|| rotate_once(ctx, actor, &cmd, claim.as_ref())).await
}

async fn rotate_once(ctx: &Domain, actor: &Actor, cmd: &RotateSecret, claim: Option<&Claim>) -> Result<Made> {
    let tx = Tx::begin(ctx).await?;
    let (before, client) = of_member(&tx, actor, cmd.credential).await?;
    if let Some(claim) = claim
        && let Some(made) = claim.recall(&tx).await?
    {
        return shown_again(&tx, claim, before, CredentialSecretId::from_uuid(made)).await;
    }
    let Ready { kind, held, .. } = ready(&tx, &before, &client).await?;
    let allowed = held.as_ref().map_or(USUAL_OVERLAP, |(_, plan)| plan.rotation_overlap_hours);
    let overlap = Overlap::of(cmd.overlap_hours, cmd.end_when_silent_minutes, allowed, tx.now());
    let overlap = overlap.map_err(DomainError::Refused)?;
    let (newest, older) = live_secrets(&tx, &before).await?;
    if older.len() >= MAX_OLDER {
        let say = format!("{MAX_OLDER} older secrets work still: end their overlap first");
        return Err(DomainError::refused(ProblemCode::LimitReached, "credentialId", say));
    }
    for secret in older.into_iter().chain(newest) {
        let until = overlap.until(secret.valid_until, before.expires_at);
        let mut row = secret.into_active_model();
        row.valid_until = Set(Some(until));
        row.end_when_silent_minutes = Set(overlap.silent_minutes);
        credential_secret::Entity::update(row).exec(tx.db()).await?;
    }
    let id: CredentialSecretId = ctx.env.id();
    let random = claim.map_or_else(|| ctx.env.random::<RANDOM_BYTES>(), |claim| claim.secret_bytes(ctx, id.0));
    let issued = credential::issue(kind, before.environment, &random);
    credentials::insert_secret(&tx, id, before.id, &issued).await?;
    let mut row = before.clone().into_active_model();
    row.masked = Set(Some(issued.masked.clone()));
    row.expires_at = Set(renewed(held.as_ref(), &before, tx.now()));
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    if let Some(claim) = claim {
        claim.remember(&tx, id).await?;
    }
    if let Some(minutes) = overlap.silent_minutes {
        let due_at = Some(silent_from(tx.now(), None, minutes));
        tx.enqueue_when(EndSilentOverlap { credential: after.id }, When { due_at, dedup_key: None }).await?;
    }
    tx.touch_gateway(Touch::Client(after.client_id));
    let entry = Audit::of(actor, Action::CredentialRotated, after.id)
        .team(after.team_id)
        .change("masked", &before.masked, &after.masked)
        .change("expiresAt", before.expires_at, after.expires_at)
        .set("overlapEndsAt", overlap.ends_at)
        .set("endWhenSilentForMinutes", overlap.silent_minutes);
    tx.commit(entry).await?;
    Ok(Made { credential: after, secret: Some(issued.secret) })
}

/// A member replaces a credential by a new one like it: another id, and the old one stops now.
pub async fn regenerate(ctx: &Domain, actor: &Actor, id: CredentialId) -> Result<Made> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let (before, client) = of_member(&tx, actor, id).await?;
        let Ready { kind, held, profile } = ready(&tx, &before, &client).await?;
        let issued = credential::issue(kind, before.environment, &ctx.env.random::<RANDOM_BYTES>());
        let details = Details {
            id: ctx.env.id(),
            name: before.name.clone(),
            scopes: before.scopes.clone(),
            expires_at: renewed(held.as_ref(), &before, tx.now()),
            created_by: actor.user_id(),
        };
        let mut row = before.clone().into_active_model();
        row.status = Set(CredentialStatus::Revoked);
        row.revoked_at = Set(Some(tx.now()));
        tx.update::<Entity>(row, Column::Version, before.version).await?;
        let after = credentials::insert(&tx, &profile, details, &issued).await?;
        let entry = Audit::of(actor, Action::CredentialRegenerated, after.id)
            .team(after.team_id)
            .change("credential", before.id, after.id)
            .change("masked", &before.masked, &after.masked)
            .change("expiresAt", before.expires_at, after.expires_at);
        tx.commit(entry).await?;
        Ok(Made { credential: after, secret: Some(issued.secret) })
    })
    .await
}

/// The team, or staff, end the overlap of a rotation now.
pub async fn end_overlap(ctx: &Domain, actor: &Actor, id: CredentialId) -> Result<Model> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let row = credentials::of_member_or_staff(&tx, actor, id).await?;
        credentials::locked_client(&tx, row.client_id).await?;
        let (_, older) = live_secrets(&tx, &row).await?;
        if older.is_empty() {
            let say = "no older secret works: there is no overlap to end";
            return Err(DomainError::refused(ProblemCode::WrongState, "", say));
        }
        let entry = end(&tx, actor, &row, &older).await?;
        tx.commit(entry).await?;
        Ok(row)
    })
    .await
}

/// Ends older secrets that were silent for as long as their rotation asked for; how many. Comes back for those that were not.
pub async fn end_silent(ctx: &Domain, id: CredentialId) -> Result<usize> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let Some(row) = Entity::find_by_id(id).one(tx.db()).await? else { return Ok(0) };
        credentials::locked_client(&tx, row.client_id).await?;
        let (newest, older) = live_secrets(&tx, &row).await?;
        let replaced_at = newest.map_or(tx.now(), |newest| newest.valid_from);
        let timed = older.into_iter().filter_map(|secret| {
            let minutes = secret.end_when_silent_minutes?;
            Some((silent_from(replaced_at, secret.last_used_at, minutes), secret))
        });
        let (silent, busy): (Vec<_>, Vec<_>) = timed.partition(|(at, _)| *at <= tx.now());
        // One that ends before it could be silent needs nobody to come back.
        let next = busy.iter().filter(|(at, secret)| secret.valid_until.is_none_or(|end| *at < end)).map(|(at, _)| *at).min();
        if let Some(due_at) = next {
            tx.enqueue_when(EndSilentOverlap { credential: id }, When { due_at: Some(due_at), dedup_key: None }).await?;
        }
        let silent: Vec<_> = silent.into_iter().map(|(_, secret)| secret).collect();
        if silent.is_empty() {
            tx.commit_unaudited(Unaudited::Queue).await?;
            return Ok(0);
        }
        let entry = end(&tx, &Actor::system(), &row, &silent).await?;
        tx.commit(entry).await?;
        Ok(silent.len())
    })
    .await
}

/// What a credential needs to get a new secret.
struct Ready {
    kind: SecretKind,
    profile: profile::Model,
    held: Option<Held>,
}

/// The credential, for a member who manages the team's, with its client, held so that one rotation at a time works on it.
async fn of_member(tx: &Tx<'_>, actor: &Actor, id: CredentialId) -> Result<(Model, client::Model)> {
    require_somebody(actor)?;
    let row = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("credential"))?;
    let allowed = require_member(tx.db(), actor, row.team_id, MemberRight::ManageCredentials).await;
    allowed.map_err(|error| named(error, "credential"))?;
    let client = credentials::locked_client(tx, row.client_id).await?;
    // As it is now that nobody else works on it.
    let row = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("credential"))?;
    Ok((row, client))
}

async fn ready(tx: &Tx<'_>, row: &Model, client: &client::Model) -> Result<Ready> {
    let Some(kind) = SecretKind::of(row.kind) else {
        let say = format!("a credential with {} has no secret of ours", text::word(row.kind));
        return Err(DomainError::refused(ProblemCode::Invalid, "credentialId", say));
    };
    let next = match state_at(row.status, row.expires_at, tx.now()) {
        CredentialStatus::Active => None,
        CredentialStatus::Unclaimed => Some("claim it: that makes its first secret"),
        CredentialStatus::Revoked | CredentialStatus::Expired => Some("make a new one"),
    };
    if let Some(next) = next {
        let say = format!("the credential is {}: {next}", text::word(state_at(row.status, row.expires_at, tx.now())));
        return Err(DomainError::refused(ProblemCode::WrongState, "", say));
    }
    let profile = profile::Entity::find_by_id(row.profile_id).one(tx.db()).await?;
    let profile = profile.ok_or_else(|| DomainError::internal("a credential has no profile"))?;
    let held = held_by(tx, client).await?;
    may_have_secret(&profile, held.as_ref(), "credentialId")?;
    Ok(Ready { kind, profile, held })
}

/// The newest secret, and those before it that work still.
async fn live_secrets(tx: &Tx<'_>, row: &Model) -> Result<(Option<credential_secret::Model>, Vec<credential_secret::Model>)> {
    if state_at(row.status, row.expires_at, tx.now()) != CredentialStatus::Active {
        return Ok((None, Vec::new()));
    }
    let live = Condition::any().add(Secret::ValidUntil.is_null()).add(Secret::ValidUntil.gt(tx.now()));
    let mut secrets = credential_secret::Entity::find()
        .filter(Secret::CredentialId.eq(row.id))
        .filter(live)
        .order_by_asc(Secret::ValidFrom)
        .order_by_asc(Secret::Id)
        .all(tx.db())
        .await?;
    let newest = secrets.pop();
    Ok((newest, secrets))
}

async fn end(tx: &Tx<'_>, actor: &Actor, row: &Model, secrets: &[credential_secret::Model]) -> Result<Audit> {
    credential_secret::Entity::update_many()
        .col_expr(Secret::ValidUntil, Expr::value(Some(tx.now())))
        .filter(Secret::Id.is_in(secrets.iter().map(|secret| secret.id)))
        .exec(tx.db())
        .await?;
    tx.touch_gateway(Touch::Client(row.client_id));
    let until = secrets.iter().filter_map(|secret| secret.valid_until).max();
    let entry = Audit::of(actor, Action::CredentialOverlapEnded, row.id).team(row.team_id);
    Ok(entry.change("overlapEndsAt", until, tx.now()))
}

/// A new secret lives as long as the plan lets it; without a plan's lifetime, to the end that the credential has.
fn renewed(held: Option<&Held>, before: &Model, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    held.and_then(|(_, plan)| lifetime_end(plan, now)).or(before.expires_at)
}

/// The answer of the first run: the secret is made again from the caller's key, and shown if it is the stored one.
async fn shown_again(tx: &Tx<'_>, claim: &Claim, credential: Model, made: CredentialSecretId) -> Result<Made> {
    let Some(kind) = SecretKind::of(credential.kind) else { return Ok(Made { credential, secret: None }) };
    let issued = credential::issue(kind, credential.environment, &claim.secret_bytes(tx.ctx(), made.0));
    let stored = credential_secret::Entity::find_by_id(made).one(tx.db()).await?;
    let secret = stored.filter(|stored| stored.hash == issued.hash).map(|_| issued.secret);
    Ok(Made { credential, secret })
}
