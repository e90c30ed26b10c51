//! How subscriptions end: now, at a time that was set, or when their duration is over.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    assignment,
    enums::{RequestStatus, SubscriptionStatus},
    id::SubscriptionId,
    plan,
    subscription::{Column, Entity, Model},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use super::{
    credentials, review_queue, scopes, submissions,
    subscriptions::{client_of, facts, of_member},
};
use crate::{
    Actor, Domain, Result, Tx,
    access::require_somebody,
    audit::{Action, Audit},
    notices,
    outbox::{EndSubscription, Job, When},
    rules::{
        notice::Notice,
        subscription::{self, Event},
        text,
    },
    tx::{Touch, Unaudited, retrying},
    updates::Update,
};

/// How many overdue ones are looked up at once.
const BATCH: u64 = 500;

/// A member ends a subscription now, or sets the time when it ends; its credentials end with it.
pub async fn cancel(
    ctx: &Domain,
    actor: &Actor,
    id: SubscriptionId,
    at: Option<DateTime<Utc>>,
    reason: Option<&str>,
) -> Result<Model> {
    require_somebody(actor)?;
    let reason = text::prose("reason", reason, 500)?;
    retrying(async || match at {
        Some(at) => cancel_at(ctx, actor, id, at, reason.clone()).await,
        None => {
            let tx = Tx::begin(ctx).await?;
            let before = of_member(&tx, actor, id).await?;
            end(tx, actor, before, Event::Cancel, reason.clone()).await
        }
    })
    .await
}

async fn cancel_at(ctx: &Domain, actor: &Actor, id: SubscriptionId, at: DateTime<Utc>, reason: Option<String>) -> Result<Model> {
    let tx = Tx::begin(ctx).await?;
    let before = of_member(&tx, actor, id).await?;
    let status = subscription::step(before.status, Event::CancelAt, facts(&before))?;
    subscription::cancellable_at(at, before.expires_at, tx.now())?;
    let mut row = before.clone().into_active_model();
    row.status = Set(status);
    row.status_reason = Set(reason);
    row.cancel_at = Set(Some(at));
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    await_end(&tx, &after).await?;
    tx.touch_gateway(Touch::Client(client_of(tx.db(), id).await?.id));
    notices::tell_holders(&tx, actor, &after, |held| Notice::CancellationScheduled { held, at }).await?;
    tx.commit(changed(actor, Action::SubscriptionCancellationSet, &before, &after)).await?;
    Ok(after)
}

/// A member takes back the end that was set.
pub async fn undo(ctx: &Domain, actor: &Actor, id: SubscriptionId) -> Result<Model> {
    require_somebody(actor)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = of_member(&tx, actor, id).await?;
        let status = subscription::step(before.status, Event::Undo, facts(&before))?;
        let mut row = before.clone().into_active_model();
        row.status = Set(status);
        row.status_reason = Set(None);
        row.cancel_at = Set(None);
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        tx.announce(Update::Subscription(id));
        tx.touch_gateway(Touch::Client(client_of(tx.db(), id).await?.id));
        tx.commit(changed(actor, Action::SubscriptionCancellationUndone, &before, &after)).await?;
        Ok(after)
    })
    .await
}

/// Ends a subscription whose time has come; `None` where it has not, or the subscription is over already.
pub async fn end_if_due(ctx: &Domain, id: SubscriptionId) -> Result<Option<Model>> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let held = Entity::find_by_id(id).one(tx.db()).await?;
        let due = held.and_then(|held| {
            let event = subscription::overdue(held.status, held.cancel_at, held.expires_at, tx.now())?;
            Some((held, event))
        });
        let Some((held, event)) = due else {
            tx.commit_unaudited(Unaudited::NothingChanged).await?;
            return Ok(None);
        };
        // What was said of a suspension says nothing of the end.
        let reason = held.status_reason.clone().filter(|_| held.status == SubscriptionStatus::PendingCancellation);
        let reason = reason.filter(|_| event == Event::Cancel);
        end(tx, &Actor::system(), held, event, reason).await.map(Some)
    })
    .await
}

/// Ends every subscription whose time has come; how many. One that cannot be ended does not keep the others.
pub async fn end_overdue(ctx: &Domain) -> Result<u64> {
    let (mut ended, mut failed, mut last) = (0, None, None);
    loop {
        let ids = overdue_after(ctx, last).await?;
        for id in &ids {
            match end_if_due(ctx, *id).await {
                Ok(outcome) => ended += u64::from(outcome.is_some()),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        last = ids.last().copied();
        if last.is_none() {
            return failed.map_or(Ok(ended), Err);
        }
    }
}

async fn overdue_after(ctx: &Domain, last: Option<SubscriptionId>) -> Result<Vec<SubscriptionId>> {
    let now = ctx.now();
    let in_force = [SubscriptionStatus::Active, SubscriptionStatus::Suspended, SubscriptionStatus::PendingCancellation];
    let passed = Condition::any().add(Column::CancelAt.lte(now)).add(Column::ExpiresAt.lte(now));
    let mut list = Entity::find().filter(Column::Status.is_in(in_force)).filter(passed);
    if let Some(last) = last {
        list = list.filter(Column::Id.gt(last));
    }
    let list = list.order_by_asc(Column::Id).limit(BATCH).select_only().column(Column::Id);
    Ok(list.into_tuple().all(&ctx.db).await?)
}

/// When a subscription to this plan that starts now is over; `None`: it does not expire.
pub(crate) fn expiry(plan: &plan::Model, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    plan.duration_days.map(|days| now + TimeDelta::days(days.into()))
}

/// Enqueues what ends a subscription at its next end. A job for an end that was moved since finds nothing to do.
pub(crate) async fn await_end(tx: &Tx<'_>, held: &Model) -> Result<()> {
    let Some(at) = held.cancel_at.into_iter().chain(held.expires_at).min() else { return Ok(()) };
    let key = format!("{}:{}:{}", EndSubscription::KIND, held.id, at.timestamp_micros());
    let when = When { due_at: Some(at), dedup_key: Some(key) };
    tx.enqueue_when(EndSubscription { subscription: held.id }, when).await.map(drop)
}

/// Ends a subscription, by Cancel or Expire: its credentials are revoked, and what it assigned is taken away.
async fn end(tx: Tx<'_>, actor: &Actor, before: Model, event: Event, reason: Option<String>) -> Result<Model> {
    let status = subscription::step(before.status, event, facts(&before))?;
    let action = match status {
        SubscriptionStatus::Expired => Action::SubscriptionExpired,
        _ => Action::SubscriptionCancelled,
    };
    let client = client_of(tx.db(), before.id).await?;
    let mut row = before.clone().into_active_model();
    row.status = Set(status);
    row.status_reason = Set(reason);
    row.pending_plan_id = Set(None);
    if status == SubscriptionStatus::Cancelled {
        row.cancel_at = Set(before.cancel_at.filter(|at| *at <= tx.now()).or(Some(tx.now())));
    }
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    let revoked = credentials::revoke_all(&tx, client.id).await?;
    submissions::close_open(&tx, before.id).await?;
    scopes::close_open(&tx, before.id).await?;
    review_queue::settle(&tx, before.id.0, RequestStatus::Withdrawn, None).await?;
    assignment::Entity::delete_many().filter(assignment::Column::SubscriptionId.eq(before.id)).exec(tx.db()).await?;
    let reason = after.status_reason.clone();
    let notice = |held| match after.status {
        SubscriptionStatus::Expired => Notice::SubscriptionExpired { held },
        _ => Notice::SubscriptionCancelled { held, reason },
    };
    notices::tell_holders(&tx, actor, &after, notice).await?;
    tx.commit(changed(actor, action, &before, &after).set("credentialsRevoked", revoked)).await?;
    Ok(after)
}

fn changed(actor: &Actor, action: Action, before: &Model, after: &Model) -> Audit {
    Audit::of(actor, action, after.id)
        .team(after.team_id)
        .change("status", before.status, after.status)
        .change("statusReason", &before.status_reason, &after.status_reason)
        .change("cancelAt", before.cancel_at, after.cancel_at)
}
