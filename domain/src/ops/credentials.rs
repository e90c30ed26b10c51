//! Credentials: made for a profile, shown once, revoked.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entities::{
    client,
    columns::Strings,
    credential::{Column, Entity, Model},
    credential_secret,
    enums::CredentialStatus,
    id::{ClientId, CredentialId, ProfileId, TypedId, UserId},
    profile, scope_grant,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect, sea_query::Expr,
};
use secrecy::SecretString;
use serde::Serialize;

use super::{
    held::{Held, held_by, lifetime_end},
    idempotency::Claim,
    onboarding_stages,
    proofs::{Given, Proof},
    rotation_requests,
};
use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::{require_member, require_somebody},
    audit::{Action, Audit},
    error::Problems,
    read::{assignments::scopes_by_hand, lanes::standing, scopes::counts_in},
    rules::{
        credential::{self, RANDOM_BYTES, SecretKind},
        expiry,
        policy::MemberRight,
        profile::MAX_LIVE_CREDENTIALS,
        subscription::may_issue,
        text,
    },
    tx::{Touch, retrying},
};

#[derive(Debug, Clone, Serialize)]
pub struct CreateCredential {
    pub profile: ProfileId,
    pub name: Option<String>,
    /// A part of the client's grants; `None`: all of them, also later ones.
    pub scopes: Option<Vec<String>>,
    /// `None`: at the end of the plan's lifetime, where it has one.
    pub expires_at: Option<DateTime<Utc>>,
    pub given: Given,
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// A credential that was just made, and its secret, which this answer alone shows.
#[derive(Debug)]
pub struct Made {
    pub credential: Model,
    /// `None` where it cannot be shown again: its key ring was replaced since.
    pub secret: Option<SecretString>,
}

/// A team's member makes a credential. Staff do not: secrets are the team's own.
pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreateCredential) -> Result<Made> {
    let claim = Claim::new(actor, "createCredential", cmd.idempotency_key.as_deref(), &cmd)?;
    retrying(|| create_once(ctx, actor, &cmd, claim.as_ref())).await
}

async fn create_once(ctx: &Domain, actor: &Actor, cmd: &CreateCredential, claim: Option<&Claim>) -> Result<Made> {
    let tx = Tx::begin(ctx).await?;
    let profile = of_team(&tx, actor, cmd.profile).await?;
    // One at a time for each client, so that neither the cap nor a key is passed by two at once.
    let client = locked_client(&tx, profile.client_id).await?;
    if let Some(claim) = claim
        && let Some(made) = claim.recall(&tx).await?
    {
        return shown_again(&tx, claim, CredentialId::from_uuid(made)).await;
    }
    let held = held_by(&tx, &client).await?;
    may_have_secret(&profile, held.as_ref(), "profileId")?;
    let Wanted { name, scopes, expires_at } = check(&tx, cmd, &profile, held.as_ref()).await?;
    room_for_one(&tx, profile.id).await?;
    let id: CredentialId = ctx.env.id();
    let random = || claim.map_or_else(|| ctx.env.random::<RANDOM_BYTES>(), |claim| claim.secret_bytes(ctx, id.0));
    let proof = Proof::new(ctx, profile.auth_method, profile.environment, &cmd.given, random)?;
    let details = Details { id, name, scopes, expires_at, created_by: actor.user_id() };
    let row = insert(&tx, &profile, details, &proof).await?;
    if let Some(claim) = claim {
        claim.remember(&tx, id).await?;
    }
    let entry = Audit::of(actor, Action::CredentialCreated, id)
        .team(row.team_id)
        .set("profile", row.profile_id)
        .set("kind", row.kind)
        .set("environment", row.environment)
        .set("name", &row.name)
        .set("scopes", &row.scopes)
        .set("expiresAt", row.expires_at);
    tx.commit(entry).await?;
    Ok(Made { credential: row, secret: proof.into_secret() })
}

/// The team, or staff, end a credential for good.
pub async fn revoke(ctx: &Domain, actor: &Actor, id: CredentialId) -> Result<Model> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = of_member_or_staff(&tx, actor, id).await?;
        if before.status == CredentialStatus::Revoked {
            return Err(DomainError::refused(ProblemCode::AlreadyDone, "", "the credential is revoked already"));
        }
        let mut row = before.clone().into_active_model();
        row.status = Set(CredentialStatus::Revoked);
        row.revoked_at = Set(Some(tx.now()));
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        rotation_requests::close_revoked(&tx, after.client_id).await?;
        tx.touch_gateway(Touch::Client(after.client_id));
        let entry = Audit::of(actor, Action::CredentialRevoked, id)
            .team(after.team_id)
            .change("status", before.status, after.status)
            .set("masked", &after.masked);
        tx.commit(entry).await?;
        Ok(after)
    })
    .await
}

/// For members who manage the team's credentials, and staff who may edit.
pub(super) async fn of_member_or_staff(tx: &Tx<'_>, actor: &Actor, id: CredentialId) -> Result<Model> {
    require_somebody(actor)?;
    let row = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("credential"))?;
    let allowed = require_member(tx.db(), actor, row.team_id, MemberRight::EndCredentials).await;
    allowed.map_err(|error| named(error, "credential"))?;
    Ok(row)
}

/// One operation at a time works on a client's credentials, so that neither a cap nor a key is passed by two at once.
pub(super) async fn locked_client(tx: &Tx<'_>, id: ClientId) -> Result<client::Model> {
    let client = client::Entity::find_by_id(id).lock_exclusive().one(tx.db()).await?;
    client.ok_or_else(|| DomainError::internal("a credential has no client"))
}

/// Whether a secret that is made now could be called with.
pub(super) fn may_have_secret(profile: &profile::Model, held: Option<&Held>, path: &str) -> Result<()> {
    if !profile.enabled {
        let say = "the profile is disabled, and calls through it are refused: use another one, or ask the provider to enable it";
        return Err(DomainError::refused(ProblemCode::WrongState, path, say));
    }
    if let Some((held, _)) = held {
        may_issue(standing(held), profile.environment)?;
    }
    Ok(())
}

/// What a stranger hears of a thing: that there is none.
pub(crate) fn named(error: DomainError, what: &'static str) -> DomainError {
    match error {
        DomainError::NotFound(_) => DomainError::NotFound(what),
        other => other,
    }
}

/// What a new credential is to say.
pub(crate) struct Details {
    pub id: CredentialId,
    pub name: Option<String>,
    pub scopes: Option<Strings>,
    pub expires_at: Option<DateTime<Utc>>,
    pub created_by: Option<UserId>,
}

/// Writes a credential and what it is proven by; gateways load the client anew.
pub(crate) async fn insert(tx: &Tx<'_>, profile: &profile::Model, details: Details, proof: &Proof) -> Result<Model> {
    let expires_at = proof.ends(details.expires_at);
    let row = tx
        .insert(Model {
            id: details.id,
            team_id: profile.team_id,
            client_id: profile.client_id,
            profile_id: profile.id,
            kind: profile.auth_method,
            environment: profile.environment,
            status: CredentialStatus::Active,
            name: details.name,
            scopes: details.scopes,
            masked: proof.masked(),
            jwks_url: proof.jwks_url(),
            created_at: tx.now(),
            created_by: details.created_by,
            last_used_at: None,
            expires_at,
            expiry_warned_days: expiry::warned_from(expires_at, tx.now()),
            revoked_at: None,
            version: 1,
        })
        .await?;
    proof.insert(tx, tx.ctx().env.id(), row.id).await?;
    onboarding_stages::has_credential(tx, row.team_id, row.environment).await?;
    tx.touch_gateway(Touch::Client(profile.client_id));
    Ok(row)
}

/// Ends all of a client's credentials; how many there were.
pub(crate) async fn revoke_all(tx: &Tx<'_>, client: ClientId) -> Result<u64> {
    revoke_where(tx, client, Column::ClientId.eq(client)).await
}

async fn revoke_where(tx: &Tx<'_>, client: ClientId, which: Expr) -> Result<u64> {
    let revoked = Entity::update_many()
        .col_expr(Column::Status, Expr::value(CredentialStatus::Revoked))
        .col_expr(Column::RevokedAt, Expr::value(Some(tx.now())))
        .col_expr(Column::Version, Expr::col(Column::Version).add(1))
        .filter(which)
        .filter(Column::Status.is_in([CredentialStatus::Active, CredentialStatus::Unclaimed]))
        .exec(tx.db())
        .await?;
    rotation_requests::close_revoked(tx, client).await?;
    tx.touch_gateway(Touch::Client(client));
    Ok(revoked.rows_affected)
}

/// Ends all of one profile's.
pub(super) async fn revoke_of_profile(tx: &Tx<'_>, profile: &profile::Model) -> Result<()> {
    revoke_where(tx, profile.client_id, Column::ProfileId.eq(profile.id)).await.map(drop)
}

/// The answer of the first run: the secret is made again from the caller's key, and shown if it is the stored one.
pub(crate) async fn shown_again(tx: &Tx<'_>, claim: &Claim, id: CredentialId) -> Result<Made> {
    let credential = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("credential"))?;
    let Some(kind) = SecretKind::of(credential.kind) else { return Ok(Made { credential, secret: None }) };
    let issued = credential::issue(kind, credential.environment, &claim.secret_bytes(tx.ctx(), id.0));
    let stored = credential_secret::Entity::find()
        .filter(credential_secret::Column::CredentialId.eq(id))
        .filter(credential_secret::Column::Hash.eq(issued.hash.to_vec()))
        .one(tx.db())
        .await?;
    Ok(Made { credential, secret: stored.map(|_| issued.secret) })
}

async fn of_team(tx: &Tx<'_>, actor: &Actor, id: ProfileId) -> Result<profile::Model> {
    require_somebody(actor)?;
    let profile = profile::Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("profile"))?;
    let allowed = require_member(tx.db(), actor, profile.team_id, MemberRight::ManageCredentials).await;
    allowed.map_err(|error| named(error, "profile"))?;
    Ok(profile)
}

/// What was asked for, put in order.
struct Wanted {
    name: Option<String>,
    scopes: Option<Strings>,
    expires_at: Option<DateTime<Utc>>,
}

async fn check(tx: &Tx<'_>, cmd: &CreateCredential, profile: &profile::Model, held: Option<&Held>) -> Result<Wanted> {
    let mut problems = Problems::default();
    let given = cmd.name.as_deref().filter(|name| !name.trim().is_empty());
    let name = given.and_then(|name| problems.take(text::name("name", name, 80)));
    let latest = held.and_then(|(_, plan)| lifetime_end(plan, tx.now()));
    let expires_at = problems.take(credential::expiry(cmd.expires_at, latest, tx.now())).flatten();
    let scopes = match &cmd.scopes {
        None => None,
        Some(asked) => {
            let grants = grants(tx.db(), held, profile).await?;
            for (i, scope) in asked.iter().enumerate().filter(|(_, scope)| !grants.contains(scope)) {
                let say = format!("{scope} is not among the scopes granted here: {}", list(&grants));
                problems.add(ProblemCode::Invalid, &format!("scopes.{i}"), say);
            }
            let mut asked = asked.clone();
            asked.sort_unstable();
            asked.dedup();
            Some(Strings(asked))
        }
    };
    problems.into_result()?;
    Ok(Wanted { name, scopes, expires_at })
}

fn list(grants: &[String]) -> String {
    if grants.is_empty() { "none are".to_owned() } else { grants.join(", ") }
}

/// The scopes that a client holds in the profile's environment: by its subscription, and by what was assigned to it.
async fn grants(db: &impl ConnectionTrait, held: Option<&Held>, profile: &profile::Model) -> Result<Vec<String>> {
    let by_hand = scopes_by_hand(db, profile.client_id).await?;
    let Some((held, plan)) = held else { return Ok(by_hand.into_iter().collect()) };
    let rows = scope_grant::Entity::find().filter(scope_grant::Column::SubscriptionId.eq(held.id)).all(db).await?;
    let granted = rows.into_iter().map(|row| row.scope).filter(|scope| counts_in(plan, scope, profile.environment));
    Ok(granted.chain(by_hand).collect::<BTreeSet<_>>().into_iter().collect())
}

async fn room_for_one(tx: &Tx<'_>, profile: ProfileId) -> Result<()> {
    let live = Entity::find()
        .filter(Column::ProfileId.eq(profile))
        .filter(Column::Status.is_in([CredentialStatus::Active, CredentialStatus::Unclaimed]))
        .filter(Column::ExpiresAt.is_null().or(Column::ExpiresAt.gt(tx.now())))
        .count(tx.db())
        .await?;
    if usize::try_from(live).is_ok_and(|live| live < MAX_LIVE_CREDENTIALS) {
        return Ok(());
    }
    let say = format!("a profile has at most {MAX_LIVE_CREDENTIALS} credentials that work: revoke one first");
    Err(Problem::new(ProblemCode::LimitReached, "profileId", say).into())
}
