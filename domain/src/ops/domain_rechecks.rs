//! Looking again at the records of proven domains: a domain changes hands, and its new owner must not inherit a team.

use entities::{
    id::TeamDomainId,
    team,
    team_domain::{ActiveModel, Column, Entity, Model},
};
use futures_util::{StreamExt, stream};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    Actor, Domain, DomainError, Result, Tx,
    audit::{Action, Audit},
    notices::{To, tell},
    rules::{
        mail_domain::{GRACE, RECHECK_AFTER, Standing, proves, record_name, record_value, standing},
        notice::{DomainRecord, Notice},
        policy::MemberRight,
    },
    tx::{Unaudited, retrying},
};

/// Rows that are read at once, and how many of them are looked up at the same time.
const BATCH: u64 = 500;
const AT_ONCE: usize = 8;

/// Looks at every proven domain whose turn it is; how many were lost. Where DNS does not answer, the next hour tries again.
pub async fn recheck(ctx: &Domain) -> Result<u64> {
    let (mut lost, mut failed, mut last) = (0, None, None);
    loop {
        let rows = due_after(ctx, last).await?;
        last = rows.last().map(|row| row.id);
        let mut looks = stream::iter(rows).map(|row| look(ctx, row)).buffer_unordered(AT_ONCE);
        while let Some(looked) = looks.next().await {
            match looked {
                Ok(gone) => lost += u64::from(gone),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if last.is_none() {
            return failed.map_or(Ok(lost), Err);
        }
    }
}

async fn due_after(ctx: &Domain, last: Option<TeamDomainId>) -> Result<Vec<Model>> {
    let looked = Condition::any().add(Column::CheckedAt.is_null()).add(Column::CheckedAt.lte(ctx.now() - RECHECK_AFTER));
    let mut list = Entity::find().filter(Column::VerifiedAt.is_not_null()).filter(looked).order_by_asc(Column::Id).limit(BATCH);
    if let Some(last) = last {
        list = list.filter(Column::Id.gt(last));
    }
    Ok(list.all(&ctx.db).await?)
}

/// Whether it is lost now.
async fn look(ctx: &Domain, row: Model) -> Result<bool> {
    match ctx.dns.txt(&record_name(&row.domain)).await {
        Ok(records) => retrying(async || settle(ctx, &row, proves(&records, &row.token)).await).await,
        Err(error) => {
            tracing::warn!(domain = row.domain, %error, "a proven domain's record cannot be looked up: trying again in an hour");
            Ok(false)
        }
    }
}

async fn settle(ctx: &Domain, looked_at: &Model, found: bool) -> Result<bool> {
    let tx = Tx::begin(ctx).await?;
    tx.alone("domain", &looked_at.domain).await?;
    // Removed, claimed anew or looked at by another process meanwhile: what was seen is no longer news.
    let same = |row: &Model| row.verified_at.is_some() && row.checked_at == looked_at.checked_at;
    let Some(before) = Entity::find_by_id(looked_at.id).one(tx.db()).await?.filter(same) else {
        tx.commit_unaudited(Unaudited::NothingChanged).await?;
        return Ok(false);
    };
    let now = standing(found, before.missing_since, tx.now());
    let missing_since = match now {
        Standing::Missing { since } => Some(since),
        Standing::Holds | Standing::Lost => None,
    };
    let lost = now == Standing::Lost;
    let row = ActiveModel {
        id: Set(before.id),
        verified_at: Set(before.verified_at.filter(|_| !lost)),
        checked_at: Set(Some(tx.now())),
        missing_since: Set(missing_since),
        ..Default::default()
    };
    Entity::update(row).exec(tx.db()).await?;
    let told = match missing_since {
        _ if lost => Some(Notice::DomainLost(record(&tx, &before).await?)),
        Some(since) if before.missing_since.is_none() => {
            Some(Notice::DomainMissing { record: record(&tx, &before).await?, until: since + GRACE })
        }
        _ => None,
    };
    if let Some(notice) = told {
        tell(&tx, &Actor::system(), To::Team(before.team_id, MemberRight::ManageTeam), &notice).await?;
    }
    if lost {
        let entry = Audit::of(&Actor::system(), Action::DomainLost, before.id).team(before.team_id);
        tx.commit(entry.set("domain", &before.domain).change("verified", true, false)).await?;
    } else {
        tx.commit_unaudited(Unaudited::Mark).await?;
    }
    Ok(lost)
}

async fn record(tx: &Tx<'_>, row: &Model) -> Result<DomainRecord> {
    let team = team::Entity::find_by_id(row.team_id).one(tx.db()).await?;
    let team = team.ok_or_else(|| DomainError::internal("a domain has no team"))?;
    Ok(DomainRecord {
        team_id: team.id,
        team: team.name,
        domain: row.domain.clone(),
        name: record_name(&row.domain),
        value: record_value(&row.token),
    })
}
