//! Leases of quota: a slice is written to the database before any of it is spent, so that what several gateways spend, crash or
//! not, is never more than the quota.

use chrono::{DateTime, Utc};
use entities::{
    enums::{Environment, QuotaPeriod},
    id::ClientId,
    quota_window,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect, Select, sea_query::Expr};

use crate::{Domain, DomainError, Result, Tx, rules::quota, tx::Unaudited};

/// One client's calendar window of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    pub client: ClientId,
    pub environment: Environment,
    pub period: QuotaPeriod,
    pub starts_at: DateTime<Utc>,
}

/// Asks for a slice of what is left.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    pub window: Window,
    pub limit: u64,
    /// The last lease's size and the milliseconds that it lasted.
    pub last: Option<(u64, i64)>,
}

/// A slice, written; empty where the quota is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    pub calls: u64,
    /// What the quota has left for others after this.
    pub beyond: u64,
}

/// Calls that were leased and not spent.
#[derive(Debug, Clone, Copy)]
pub struct Unspent {
    pub window: Window,
    pub calls: u64,
}

/// Gives back what is unspent, then grants what is asked for, in the order of the asks; all or nothing. When it is not known
/// whether it happened, it must not be repeated: then the calls are lost, where a second time they would be gained.
pub async fn settle(ctx: &Domain, unspent: &[Unspent], asks: &[Ask]) -> Result<Vec<Grant>> {
    let tx = Tx::begin(ctx).await?;
    // Rows are taken in one order by all, so that two gateways never wait for each other.
    let mut unspent = unspent.to_vec();
    unspent.sort_by_key(|back| back.window);
    let mut order: Vec<usize> = (0..asks.len()).collect();
    order.sort_by_key(|at| asks[*at].window);
    let mut grants = vec![Grant { calls: 0, beyond: 0 }; asks.len()];
    let mut backs = unspent.iter().peekable();
    for at in order {
        while let Some(back) = backs.next_if(|back| back.window <= asks[at].window) {
            give_back(&tx, back).await?;
        }
        grants[at] = grant(&tx, &asks[at]).await?;
    }
    for back in backs {
        give_back(&tx, back).await?;
    }
    tx.commit_unaudited(Unaudited::Mark).await?;
    Ok(grants)
}

async fn grant(tx: &Tx<'_>, ask: &Ask) -> Result<Grant> {
    let Window { client, environment, period, starts_at } = ask.window;
    let row = quota_window::ActiveModel {
        client_id: Set(client),
        environment: Set(environment),
        period: Set(period),
        starts_at: Set(starts_at),
        leased: Set(0),
    };
    use quota_window::Column::{ClientId, Environment, Period, StartsAt};
    quota_window::Entity::insert(row)
        .on_conflict_do_nothing_on([ClientId, Environment, Period, StartsAt])
        .exec_without_returning(tx.db())
        .await?;
    let leased: Option<i64> =
        of(ask.window).select_only().column(quota_window::Column::Leased).lock_exclusive().into_tuple().one(tx.db()).await?;
    let leased = u64::try_from(leased.unwrap_or(0)).unwrap_or(0);
    let left = ask.limit.saturating_sub(leased);
    let calls = quota::lease_size(left, ask.last);
    if calls == 0 {
        return Ok(Grant { calls: 0, beyond: 0 });
    }
    let small = |n: u64| i64::try_from(n).map_err(DomainError::internal);
    let written = quota_window::Entity::update_many()
        .col_expr(quota_window::Column::Leased, Expr::col(quota_window::Column::Leased).add(small(calls)?))
        .filter(is(ask.window))
        .filter(quota_window::Column::Leased.lte(small(ask.limit - calls)?))
        .exec(tx.db())
        .await?;
    if written.rows_affected == 1 { Ok(Grant { calls, beyond: left - calls }) } else { Err(DomainError::Conflict) }
}

async fn give_back(tx: &Tx<'_>, back: &Unspent) -> Result<()> {
    let calls = i64::try_from(back.calls).map_err(DomainError::internal)?;
    quota_window::Entity::update_many()
        .col_expr(quota_window::Column::Leased, Expr::col(quota_window::Column::Leased).sub(calls))
        .filter(is(back.window))
        .filter(quota_window::Column::Leased.gte(calls))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn of(window: Window) -> Select<quota_window::Entity> {
    quota_window::Entity::find().filter(is(window))
}

fn is(window: Window) -> sea_orm::Condition {
    sea_orm::Condition::all()
        .add(quota_window::Column::ClientId.eq(window.client))
        .add(quota_window::Column::Environment.eq(window.environment))
        .add(quota_window::Column::Period.eq(window.period))
        .add(quota_window::Column::StartsAt.eq(window.starts_at))
}
