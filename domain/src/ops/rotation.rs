//! Giving a credential a new secret: beside the one before for a while, or in its place at once.

use chrono::{DateTime, Utc};
use entities::{
    client,
    credential::{Column, Entity, Model},
    credential_secret,
    enums::CredentialStatus,
    id::{CredentialId, CredentialSecretId, TypedId},
    profile,
};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};
use serde::Serialize;

use super::{
    credentials::{self, Details, Made, may_have_secret, named},
    held::{Held, held_by, lifetime_end},
    idempotency::Claim,
    leaks,
    overlaps::{self, live_secrets},
    proofs::{Given, Proof},
    rotation_requests,
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{require_member, require_somebody},
    audit::{Action, Audit},
    rules::{
        credential::{self, RANDOM_BYTES, SecretKind, state_at},
        expiry,
        policy::MemberRight,
        rotation::{MAX_OLDER, Terms, USUAL_OVERLAP},
        text,
    },
    tx::{Touch, retrying},
};

#[derive(Debug, Clone, Serialize)]
pub struct RotateSecret {
    pub credential: CredentialId,
    /// `None`: as long as the plan allows.
    pub overlap_hours: Option<i32>,
    pub end_when_silent_minutes: Option<i32>,
    /// The next keys, for kinds that are proven by what the owner gives.
    pub given: Given,
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
    let Ready { held, .. } = ready(&tx, &before, &client).await?;
    let terms =
        Terms::of(cmd.overlap_hours, cmd.end_when_silent_minutes, allowed(held.as_ref())).map_err(DomainError::Refused)?;
    let id: CredentialSecretId = ctx.env.id();
    let random = || claim.map_or_else(|| ctx.env.random::<RANDOM_BYTES>(), |claim| claim.secret_bytes(ctx, id.0));
    let proof = Proof::new(ctx, before.kind, before.environment, &cmd.given, random)?;
    if let Some((_, plan)) = held.as_ref().filter(|held| rotation_requests::is_decided_on(&before, Some(held))) {
        let request = rotation_requests::ask(&tx, actor, &before, plan, (terms, &cmd.given)).await?;
        if let Some(claim) = claim {
            claim.remember(&tx, request.id).await?;
        }
        let entry = Audit::of(actor, Action::RotationRequested, before.id)
            .team(before.team_id)
            .set("request", request.id)
            .set("overlapHours", terms.hours)
            .set("endWhenSilentForMinutes", terms.silent_minutes);
        tx.commit(entry).await?;
        return Ok(Made { credential: before, secret: None });
    }
    let expires_at = renewed(held.as_ref(), &before, tx.now());
    let (after, entry) = replace(&tx, actor, &before, terms, expires_at, (id, &proof)).await?;
    if let Some(claim) = claim {
        claim.remember(&tx, id).await?;
    }
    tx.commit(entry).await?;
    Ok(Made { credential: after, secret: proof.into_secret() })
}

/// Puts a new secret beside those that work, which end with the overlap.
async fn replace(
    tx: &Tx<'_>,
    actor: &Actor,
    before: &Model,
    terms: Terms,
    expires_at: Option<DateTime<Utc>>,
    (id, proof): (CredentialSecretId, &Proof),
) -> Result<(Model, Audit)> {
    let overlap = terms.from(tx.now());
    let (newest, older) = live_secrets(tx, before).await?;
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
    proof.insert(tx, id, before.id).await?;
    let mut row = before.clone().into_active_model();
    let expires_at = proof.ends(expires_at);
    row.masked = Set(proof.masked());
    row.jwks_url = Set(proof.jwks_url());
    row.expires_at = Set(expires_at);
    row.expiry_warned_days = Set(expiry::warned_from(expires_at, tx.now()));
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    overlaps::watch(tx, after.id, overlap).await?;
    tx.touch_gateway(Touch::Client(after.client_id));
    let entry = Audit::of(actor, Action::CredentialRotated, after.id)
        .team(after.team_id)
        .change("masked", &before.masked, &after.masked)
        .change("expiresAt", before.expires_at, after.expires_at)
        .set("overlapEndsAt", overlap.ends_at)
        .set("endWhenSilentForMinutes", overlap.silent_minutes);
    Ok((after, entry))
}

/// A member collects the new secret of a rotation that was approved, or of a secret that was found in public; the overlap begins
/// now.
pub(super) async fn collect(tx: Tx<'_>, actor: &Actor, id: CredentialId) -> Result<Made> {
    let ctx = tx.ctx();
    let (before, client) = of_member(&tx, actor, id).await?;
    let request = rotation_requests::to_claim(&tx, id).await?;
    if request.is_none() && !leaks::to_claim(&tx, id).await? {
        let say = "the credential was claimed already: its secret is shown only once";
        return Err(DomainError::refused(ProblemCode::WrongState, "", say));
    }
    let Ready { held, .. } = ready(&tx, &before, &client).await?;
    let (terms, given) = match &request {
        Some(request) => {
            let terms = Terms { hours: request.overlap_hours, silent_minutes: request.end_when_silent_minutes };
            let given = request.given.clone().map(serde_json::from_value::<Given>).transpose();
            let unreadable = |_| DomainError::internal("a rotation request's keys cannot be read");
            (terms, given.map_err(unreadable)?.unwrap_or_default())
        }
        // The leaked one has an end already, which this does not bring nearer.
        None => (Terms { hours: allowed(held.as_ref()).max(1), silent_minutes: None }, Given::default()),
    };
    let proof = Proof::new(ctx, before.kind, before.environment, &given, || ctx.env.random::<RANDOM_BYTES>())?;
    let expires_at = renewed(held.as_ref(), &before, tx.now());
    let (after, entry) = replace(&tx, actor, &before, terms, expires_at, (ctx.env.id(), &proof)).await?;
    if let Some(request) = &request {
        rotation_requests::claimed(&tx, request).await?;
    }
    tx.commit(entry.set("request", request.map(|request| request.id))).await?;
    Ok(Made { credential: after, secret: proof.into_secret() })
}

/// A member replaces a credential by a new one like it: another id, and the old one stops now.
pub async fn regenerate(ctx: &Domain, actor: &Actor, id: CredentialId) -> Result<Made> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let (before, client) = of_member(&tx, actor, id).await?;
        let Ready { held, profile } = ready(&tx, &before, &client).await?;
        if rotation_requests::is_decided_on(&before, held.as_ref()) {
            let say = "the plan has new secrets decided on: rotateSecret asks for one, and revokeCredential ends this one now";
            return Err(DomainError::refused(ProblemCode::WrongState, "credentialId", say));
        }
        if SecretKind::of(before.kind).is_none() {
            let say = "the credential is proven by what you gave: revoke it, and make another one";
            return Err(DomainError::refused(ProblemCode::WrongState, "credentialId", say));
        }
        let none = Given::default();
        let proof = Proof::new(ctx, before.kind, before.environment, &none, || ctx.env.random::<RANDOM_BYTES>())?;
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
        rotation_requests::close_revoked(&tx, before.client_id).await?;
        let after = credentials::insert(&tx, &profile, details, &proof).await?;
        let entry = Audit::of(actor, Action::CredentialRegenerated, after.id)
            .team(after.team_id)
            .change("credential", before.id, after.id)
            .change("masked", &before.masked, &after.masked)
            .change("expiresAt", before.expires_at, after.expires_at);
        tx.commit(entry).await?;
        Ok(Made { credential: after, secret: proof.into_secret() })
    })
    .await
}

/// What a credential needs to get a new secret.
struct Ready {
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
    Ok(Ready { profile, held })
}

/// Hours that an older secret may work beside a newer one.
fn allowed(held: Option<&Held>) -> i32 {
    held.map_or(USUAL_OVERLAP, |(_, plan)| plan.rotation_overlap_hours)
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
