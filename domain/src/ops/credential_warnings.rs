//! Telling teams in time that a credential is about to expire.

use chrono::{DateTime, Utc};
use entities::{
    credential::{Column, Entity, Model},
    enums::CredentialStatus,
    id::CredentialId,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};

use super::{held::held_by, rotation_requests::notice};
use crate::{
    Actor, Domain, DomainError, Result, Tx,
    notices::{self, To},
    rules::{expiry, notice::CredentialNotice, policy::MemberRight},
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

async fn warn_of(ctx: &Domain, id: CredentialId) -> Result<bool> {
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let row = Entity::find_by_id(id).one(tx.db()).await?;
        let due = row.and_then(|row| {
            let (days, at) = due(&row, tx.now())?;
            Some((row, days, at))
        });
        let Some((before, days, at)) = due else {
            tx.commit_unaudited(Unaudited::NothingChanged).await?;
            return Ok(false);
        };
        let client = entities::client::Entity::find_by_id(before.client_id).one(tx.db()).await?;
        let client = client.ok_or_else(|| DomainError::internal("a credential has no client"))?;
        let held = held_by(&tx, &client).await?;
        let renewed = held.is_some_and(|(_, plan)| plan.credential_lifetime_days.is_some());
        let mut row = before.clone().into_active_model();
        row.expiry_warned_days = Set(Some(days));
        tx.update::<Entity>(row, Column::Version, before.version).await?;
        let what = CredentialNotice::Expiring { days: expiry::days_left(at, tx.now()), at, renewed };
        let told = notice(tx.db(), &before, what).await?;
        notices::tell(&tx, &Actor::system(), To::Team(before.team_id, MemberRight::ReadCredentials), &told).await?;
        tx.commit_unaudited(Unaudited::Mark).await?;
        Ok(true)
    })
    .await
}

/// The warning that is due, by its days, and when the credential expires.
fn due(row: &Model, now: DateTime<Utc>) -> Option<(i32, DateTime<Utc>)> {
    if row.status != CredentialStatus::Active {
        return None;
    }
    let ends = row.expires_at?;
    Some((expiry::warning(row.created_at, ends, row.expiry_warned_days, now)?, ends))
}

async fn near_after(ctx: &Domain, last: Option<CredentialId>) -> Result<Vec<Model>> {
    let now = ctx.now();
    let mut list = Entity::find()
        .filter(Column::Status.eq(CredentialStatus::Active))
        .filter(Column::ExpiresAt.gt(now))
        .filter(Column::ExpiresAt.lte(now + expiry::FIRST))
        .filter(Condition::any().add(Column::ExpiryWarnedDays.is_null()).add(Column::ExpiryWarnedDays.gt(expiry::LAST_DAYS)));
    if let Some(last) = last {
        list = list.filter(Column::Id.gt(last));
    }
    Ok(list.order_by_asc(Column::Id).limit(BATCH).all(&ctx.db).await?)
}
