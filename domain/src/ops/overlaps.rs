//! Overlaps of rotations: what ends them before their time, and who is told that they end.

use entities::{
    credential::{Entity, Model},
    credential_secret::{self, Column as Secret},
    enums::CredentialStatus,
    id::CredentialId,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};

use super::{credentials, rotation_requests::notice};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    audit::{Action, Audit},
    notices::{self, To},
    outbox::{EndSilentOverlap, WarnOfOverlapEnd, When},
    rules::{
        credential::state_at,
        notice::CredentialNotice,
        policy::MemberRight,
        rotation::{Overlap, is_busy, look_at, silent_from},
    },
    tx::{Touch, Unaudited, retrying},
};

/// Has somebody look, in time, whether older secrets fell silent, or are in use shortly before they end.
pub(super) async fn watch(tx: &Tx<'_>, credential: CredentialId, overlap: Overlap) -> Result<()> {
    if let Some(minutes) = overlap.silent_minutes {
        let due_at = Some(silent_from(tx.now(), None, minutes));
        tx.enqueue_when(EndSilentOverlap { credential }, When { due_at, dedup_key: None }).await?;
    }
    if let Some(due_at) = look_at(overlap.ends_at, tx.now()) {
        tx.enqueue_when(WarnOfOverlapEnd { credential }, When { due_at: Some(due_at), dedup_key: None }).await?;
    }
    Ok(())
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

/// Tells the team of older secrets that are in use shortly before their overlap ends, once of each; whether anybody was told.
/// Comes back for those that are not in use now.
pub async fn warn_of_end(ctx: &Domain, id: CredentialId) -> Result<bool> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let Some(row) = Entity::find_by_id(id).one(tx.db()).await? else { return Ok(false) };
        credentials::locked_client(&tx, row.client_id).await?;
        let (newest, older) = live_secrets(&tx, &row).await?;
        let replaced_at = newest.map_or(tx.now(), |newest| newest.valid_from);
        let unwarned = older.into_iter().filter(|secret| secret.end_warned_at.is_none());
        let (busy, quiet): (Vec<_>, Vec<_>) = unwarned.partition(|secret| is_busy(replaced_at, secret.last_used_at, tx.now()));
        let looks = quiet.iter().filter_map(|secret| look_at(secret.valid_until?, tx.now()));
        if let Some(due_at) = looks.min() {
            tx.enqueue_when(WarnOfOverlapEnd { credential: id }, When { due_at: Some(due_at), dedup_key: None }).await?;
        }
        let ends = busy.iter().filter_map(|secret| secret.valid_until).min();
        let used = busy.iter().filter_map(|secret| secret.last_used_at).max();
        let (Some(at), Some(last_used_at)) = (ends, used) else {
            tx.commit_unaudited(Unaudited::Queue).await?;
            return Ok(false);
        };
        credential_secret::Entity::update_many()
            .col_expr(Secret::EndWarnedAt, Expr::value(Some(tx.now())))
            .filter(Secret::Id.is_in(busy.iter().map(|secret| secret.id)))
            .exec(tx.db())
            .await?;
        let told = notice(tx.db(), &row, CredentialNotice::OverlapEnding { at, last_used_at }).await?;
        notices::tell(&tx, &Actor::system(), To::Team(row.team_id, MemberRight::ReadCredentials), &told).await?;
        tx.commit_unaudited(Unaudited::Mark).await?;
        Ok(true)
    })
    .await
}

/// The newest secret, and those before it that work still.
pub(super) async fn live_secrets(
    tx: &Tx<'_>,
    row: &Model,
) -> Result<(Option<credential_secret::Model>, Vec<credential_secret::Model>)> {
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
