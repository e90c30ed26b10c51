//! Deletes what is older than its retention, a batch at a time, so that nobody waits long for the writer's lock.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    audit_event, credential, credential_secret,
    enums::{CredentialStatus, JobState},
    gateway_change, gateway_node,
    id::NotificationId,
    idempotency_key, magic_link, notification, outbox_job, portal, request_log, revoked_token, session, used_assertion,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, IntoColumnRef, Query},
};

use crate::{Domain, DomainError, Result, Tx, audit::chain, read::request_log::first_id, tx::Unaudited};

/// Rows that one statement deletes at most.
const BATCH: u64 = 1_000;
/// Left to others between two batches.
const PAUSE: Duration = Duration::from_millis(20);
/// How long what has no setting is kept after it ended.
const KEPT: TimeDelta = TimeDelta::days(1);
/// How long people find what they were told.
const TOLD: TimeDelta = TimeDelta::days(365);

/// How many rows went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    pub audit_events: u64,
    pub request_log: u64,
    pub jobs: u64,
    pub gateway_changes: u64,
    pub magic_links: u64,
    pub sessions: u64,
    pub idempotency_keys: u64,
    pub notifications: u64,
    pub used_assertions: u64,
    pub revoked_tokens: u64,
    pub gateway_nodes: u64,
    /// Copies of secrets that work no longer; their hashes stay.
    pub sealed_secrets: u64,
}

/// Deletes requests and audit events older than the portal keeps them, and a day after their end: jobs that are done, gateway revisions,
/// sign-in links, sessions, idempotency keys, used assertions, revoked tokens and gateways that are gone. Copies of secrets go
/// with their end. What people were told stays a year. Dead jobs stay until somebody looks.
pub async fn prune(ctx: &Domain) -> Result<Pruned> {
    let now = ctx.now();
    let portal = portal::Entity::find_by_id(1).one(&ctx.db).await?;
    let portal = portal.ok_or_else(|| DomainError::internal("the portal's row is missing"))?;
    let days = portal.request_log_days;
    let ended = now - KEPT;
    let done = outbox_job::Column::State.eq(JobState::Done).and(outbox_job::Column::FinishedAt.lt(ended));
    let over = Condition::any().add(session::Column::ExpiresAt.lt(ended)).add(session::Column::RevokedAt.lt(ended));
    Ok(Pruned {
        audit_events: match portal.audit_days {
            Some(days) => audit_events(ctx, now - TimeDelta::days(days.into())).await?,
            None => 0,
        },
        request_log: delete::<request_log::Entity, _>(
            ctx,
            request_log::Column::Id,
            request_log::Column::At.lt(now - TimeDelta::days(days.into())).into(),
        )
        .await?,
        jobs: delete::<outbox_job::Entity, _>(ctx, outbox_job::Column::Id, Condition::all().add(done)).await?,
        gateway_changes: changes(ctx, ended).await?,
        magic_links: delete::<magic_link::Entity, _>(ctx, magic_link::Column::Id, magic_link::Column::ExpiresAt.lt(ended).into())
            .await?,
        sessions: delete::<session::Entity, _>(ctx, session::Column::Id, over).await?,
        idempotency_keys: delete::<idempotency_key::Entity, _>(
            ctx,
            idempotency_key::Column::Id,
            idempotency_key::Column::CreatedAt.lt(ended).into(),
        )
        .await?,
        notifications: delete::<notification::Entity, _>(
            ctx,
            notification::Column::Id,
            notification::Column::Id.lt(NotificationId(first_id(now - TOLD))).into(),
        )
        .await?,
        used_assertions: delete::<used_assertion::Entity, _>(
            ctx,
            used_assertion::Column::Digest,
            used_assertion::Column::ExpiresAt.lt(ended).into(),
        )
        .await?,
        revoked_tokens: delete::<revoked_token::Entity, _>(
            ctx,
            revoked_token::Column::Id,
            revoked_token::Column::ExpiresAt.lt(ended).into(),
        )
        .await?,
        gateway_nodes: delete::<gateway_node::Entity, _>(
            ctx,
            gateway_node::Column::Id,
            gateway_node::Column::LastSeenAt.lt(ended).into(),
        )
        .await?,
        sealed_secrets: forget_ended(ctx, now).await?,
    })
}

/// Takes the log's oldest events, up to the first that stays. The chain begins behind them then, in the same transaction.
async fn audit_events(ctx: &Domain, before: DateTime<Utc>) -> Result<u64> {
    use audit_event::Column::{At, Position};
    let stays = audit_event::Entity::find().filter(At.gte(before)).filter(Position.is_not_null()).order_by_asc(Position);
    let stays = stays.one(&ctx.db).await?.and_then(|row| row.position).unwrap_or(i64::MAX);
    let mut gone = 0;
    loop {
        let tx = Tx::begin(ctx).await?;
        let Some(chain) = chain::state(ctx, tx.db()).await? else { return Ok(gone) };
        let batch = Ord::min(chain.anchor.position + BATCH as i64, stays - 1);
        let upto = Ord::min(chain.head.position, batch);
        let last = audit_event::Entity::find().filter(Position.eq(upto)).filter(Position.gt(chain.anchor.position));
        // Where it is missing, the log is broken: what is left of it stays for who looks into it.
        let Some(last) = last.one(tx.db()).await? else { return Ok(gone) };
        chain::anchor(ctx, tx.db(), chain::mark(upto, last.hash.as_deref().unwrap_or_default())?).await?;
        gone += audit_event::Entity::delete_many().filter(Position.lte(upto)).exec(tx.db()).await?.rows_affected;
        tx.commit_unaudited(Unaudited::Retention).await?;
        tokio::time::sleep(PAUSE).await;
    }
}

/// Takes away the copies of secrets whose time is over, or whose credential was revoked.
async fn forget_ended(ctx: &Domain, now: DateTime<Utc>) -> Result<u64> {
    use credential_secret::Column as S;
    let mut revoked = Query::select();
    revoked
        .column(credential::Column::Id)
        .from(credential::Entity)
        .and_where(credential::Column::Status.eq(CredentialStatus::Revoked));
    let over = Condition::any().add(S::ValidUntil.lt(now)).add(S::CredentialId.in_subquery(revoked));
    let forgotten = credential_secret::Entity::update_many()
        .col_expr(S::Sealed, Expr::value(None::<String>))
        .filter(S::Sealed.is_not_null())
        .filter(over)
        .exec(&ctx.db)
        .await?;
    Ok(forgotten.rows_affected)
}

/// Revisions go whole: a gateway that finds one finds all that it touched.
async fn changes(ctx: &Domain, before: DateTime<Utc>) -> Result<u64> {
    use gateway_change::Column::{At, Revision};
    delete::<gateway_change::Entity, _>(ctx, Revision, At.lt(before).into()).await
}

async fn delete<E, C>(ctx: &Domain, key: C, which: Condition) -> Result<u64>
where
    E: EntityTrait,
    C: ColumnTrait + IntoColumnRef,
{
    let mut gone = 0;
    loop {
        let some = E::find().select_only().column(key).filter(which.clone()).limit(BATCH).into_query();
        let deleted = E::delete_many().filter(Expr::col(key).in_subquery(some)).exec(&ctx.db).await?.rows_affected;
        gone += deleted;
        if deleted < BATCH {
            return Ok(gone);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
