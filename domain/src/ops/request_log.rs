//! Writing the log of calls: in batches, off the path of calls.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    credential, credential_secret,
    id::{CredentialId, CredentialSecretId},
    request_log,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, sea_query::Expr};

use super::onboarding_stages::{self, FirstCall};
use crate::{Domain, Result, Tx, tx::Unaudited};

/// Rows of one statement: 22 columns each, and SQLite binds 32,766 values at most.
const ROWS: usize = 1_000;
/// "Last used" is this exact: a key that is used all the time is not written all the time.
const MARK_EVERY: TimeDelta = TimeDelta::seconds(10);

/// A credential that let a call through, and the secret that it was proven with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Used {
    pub credential: CredentialId,
    pub secret: Option<CredentialSecretId>,
}

/// Appends calls to the log, marks what they used and which teams got through for the first time, in one transaction. A batch may
/// come again when it is not known whether it was written: rows that are there already stay.
pub async fn append(ctx: &Domain, rows: &[request_log::Model], used: &[Used], first: &[FirstCall]) -> Result<()> {
    if rows.is_empty() && used.is_empty() && first.is_empty() {
        return Ok(());
    }
    let tx = Tx::begin(ctx).await?;
    for rows in rows.chunks(ROWS) {
        request_log::Entity::insert_many(rows.iter().map(|row| row.clone().into_active_model()))
            .on_conflict_do_nothing_on([request_log::Column::Id])
            .exec_without_returning(tx.db())
            .await?;
    }
    mark(&tx, used).await?;
    onboarding_stages::has_called(&tx, first).await?;
    tx.commit_unaudited(Unaudited::LogFlush).await
}

async fn mark(tx: &Tx<'_>, used: &[Used]) -> Result<()> {
    // Rows are taken in one order by all, so that two writers never wait for each other.
    let mut credentials: Vec<CredentialId> = used.iter().map(|used| used.credential).collect();
    credentials.sort_unstable();
    credentials.dedup();
    let mut secrets: Vec<CredentialSecretId> = used.iter().filter_map(|used| used.secret).collect();
    secrets.sort_unstable();
    secrets.dedup();
    let now = tx.now();
    for ids in credentials.chunks(ROWS) {
        credential::Entity::update_many()
            .col_expr(credential::Column::LastUsedAt, Expr::val(now))
            .filter(credential::Column::Id.is_in(ids.iter().copied()))
            .filter(before(credential::Column::LastUsedAt, now))
            .exec(tx.db())
            .await?;
    }
    for ids in secrets.chunks(ROWS) {
        credential_secret::Entity::update_many()
            .col_expr(credential_secret::Column::LastUsedAt, Expr::val(now))
            .filter(credential_secret::Column::Id.is_in(ids.iter().copied()))
            .filter(before(credential_secret::Column::LastUsedAt, now))
            .exec(tx.db())
            .await?;
    }
    Ok(())
}

fn before(column: impl ColumnTrait, now: DateTime<Utc>) -> Condition {
    Condition::any().add(column.is_null()).add(column.lte(now - MARK_EVERY))
}
