//! Telling teams in time that a subscription is about to expire.

use chrono::{DateTime, Utc};
use entities::{
    enums::SubscriptionStatus,
    id::SubscriptionId,
    subscription::{Column, Entity, Model},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    Actor, Domain, Result, Tx, notices,
    rules::{expiry, notice::Notice},
    tx::{Unaudited, retrying},
};

/// How many are looked up at once.
const BATCH: u64 = 500;

/// Warns of every expiry that has come near since it was last warned of; how many. After downtime one warning makes up for those
/// that were missed.
pub async fn warn(ctx: &Domain) -> Result<u64> {
    let (mut warned, mut failed, mut last) = (0, None, None);
    loop {
        let rows = near_after(ctx, last).await?;
        for row in rows.iter().filter(|row| due(row, ctx.now()).is_some()) {
            match warn_of(ctx, row.id).await {
                Ok(told) => warned += u64::from(told),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        last = rows.last().map(|row| row.id);
        if last.is_none() {
            return failed.map_or(Ok(warned), Err);
        }
    }
}

async fn warn_of(ctx: &Domain, id: SubscriptionId) -> Result<bool> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let held = Entity::find_by_id(id).one(tx.db()).await?;
        let due = held.and_then(|held| {
            let (days, at) = due(&held, tx.now())?;
            Some((held, days, at))
        });
        let Some((held, days, at)) = due else {
            tx.commit_unaudited(Unaudited::NothingChanged).await?;
            return Ok(false);
        };
        let mut row = held.clone().into_active_model();
        row.expiry_warned_days = Set(Some(days));
        tx.update::<Entity>(row, Column::Version, held.version).await?;
        let left = expiry::days_left(at, tx.now());
        notices::tell_holders(&tx, &Actor::system(), &held, |held| Notice::SubscriptionExpiring { held, days: left, at }).await?;
        tx.commit_unaudited(Unaudited::Mark).await?;
        Ok(true)
    })
    .await
}

/// The warning that is due, by its days, and when the subscription expires.
fn due(held: &Model, now: DateTime<Utc>) -> Option<(i32, DateTime<Utc>)> {
    if !matches!(held.status, SubscriptionStatus::Active | SubscriptionStatus::Suspended) {
        return None;
    }
    let (started, ends) = (held.activated_at.unwrap_or(held.created_at), held.expires_at?);
    Some((expiry::warning(started, ends, held.expiry_warned_days, now)?, ends))
}

async fn near_after(ctx: &Domain, last: Option<SubscriptionId>) -> Result<Vec<Model>> {
    let now = ctx.now();
    let mut list = Entity::find()
        .filter(Column::Status.is_in([SubscriptionStatus::Active, SubscriptionStatus::Suspended]))
        .filter(Column::ExpiresAt.gt(now))
        .filter(Column::ExpiresAt.lte(now + expiry::FIRST))
        .filter(Condition::any().add(Column::ExpiryWarnedDays.is_null()).add(Column::ExpiryWarnedDays.gt(expiry::LAST_DAYS)));
    if let Some(last) = last {
        list = list.filter(Column::Id.gt(last));
    }
    Ok(list.order_by_asc(Column::Id).limit(BATCH).all(&ctx.db).await?)
}
