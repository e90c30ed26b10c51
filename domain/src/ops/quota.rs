//! Leases of quota: a slice is written to the database before any of it is spent, so that what several gateways spend, crash or
//! not, is never more than the quota.

mod heirs;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use entities::{
    enums::{Environment, QuotaPeriod},
    id::ClientId,
    quota_window,
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::OnConflict,
};

pub(super) use self::heirs::inherit;
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
    if unspent.is_empty() && all_used_up(ctx, asks).await? {
        return Ok(vec![Grant { calls: 0, beyond: 0 }; asks.len()]);
    }
    let tx = Tx::begin(ctx).await?;
    let mut windows: BTreeSet<Window> = unspent.iter().map(|back| back.window).collect();
    windows.append(&mut heirs::of(&tx, windows.clone()).await?);
    windows.extend(asks.iter().map(|ask| ask.window));
    let before = lock(&tx, windows).await?;
    let mut leased = before.clone();
    for back in unspent {
        give_back(&mut leased, back);
    }
    let grants = asks.iter().map(|ask| grant(&mut leased, ask)).collect();
    leased.retain(|window, counted| before.get(window) != Some(counted));
    write(&tx, &leased).await?;
    tx.commit_unaudited(Unaudited::Mark).await?;
    Ok(grants)
}

/// Whether there is nothing to grant: then one statement says so, and nobody's writes wait.
async fn all_used_up(ctx: &Domain, asks: &[Ask]) -> Result<bool> {
    let windows: BTreeSet<Window> = asks.iter().map(|ask| ask.window).collect();
    let leased = leased(rows(&windows).all(&ctx.db).await?)?;
    Ok(asks.iter().all(|ask| leased.get(&ask.window).is_some_and(|leased| leased.left(ask.limit) == 0)))
}

/// What is leased of a window, and the client that it counts for since its own ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Leased {
    calls: u64,
    heir: Option<ClientId>,
}

impl Leased {
    fn left(self, limit: u64) -> u64 {
        if self.heir.is_some() { 0 } else { limit.saturating_sub(self.calls) }
    }
}

/// To the heirs as well: what was not spent is no use of theirs.
fn give_back(leased: &mut BTreeMap<Window, Leased>, back: &Unspent) {
    let mut window = back.window;
    // More than was leased is somebody's error, and no reason to grant more.
    while let Some(leased) = leased.get_mut(&window).filter(|leased| leased.calls >= back.calls) {
        leased.calls -= back.calls;
        match leased.heir {
            Some(heir) => window.client = heir,
            None => return,
        }
    }
}

fn grant(leased: &mut BTreeMap<Window, Leased>, ask: &Ask) -> Grant {
    let leased = leased.entry(ask.window).or_default();
    let left = leased.left(ask.limit);
    let calls = quota::lease_size(left, ask.last);
    leased.calls += calls;
    Grant { calls, beyond: left - calls }
}

/// What is leased of each window. Nobody else changes it until the transaction ends; rows are made where there are none, and
/// taken in one order by all, so that two gateways never wait for each other.
async fn lock(tx: &Tx<'_>, windows: BTreeSet<Window>) -> Result<BTreeMap<Window, Leased>> {
    use quota_window::Column::{ClientId, Environment, Period, StartsAt};
    if windows.is_empty() {
        return Ok(BTreeMap::new());
    }
    quota_window::Entity::insert_many(windows.iter().map(|window| row(window, 0)))
        .on_conflict_do_nothing_on([ClientId, Environment, Period, StartsAt])
        .exec_without_returning(tx.db())
        .await?;
    leased(rows(&windows).lock_exclusive().all(tx.db()).await?)
}

/// In the order in which all lock them; a few more than were asked for: a client's other environments.
fn rows(windows: &BTreeSet<Window>) -> Select<quota_window::Entity> {
    use quota_window::Column::{ClientId, Environment, Period, StartsAt};
    let starts: BTreeSet<DateTime<Utc>> = windows.iter().map(|window| window.starts_at).collect();
    quota_window::Entity::find()
        .filter(ClientId.is_in(windows.iter().map(|window| window.client)))
        .filter(StartsAt.is_in(starts))
        .order_by_asc(ClientId)
        .order_by_asc(Environment)
        .order_by_asc(Period)
        .order_by_asc(StartsAt)
}

fn leased(rows: Vec<quota_window::Model>) -> Result<BTreeMap<Window, Leased>> {
    let leased = rows.into_iter().map(|row| {
        let window = Window { client: row.client_id, environment: row.environment, period: row.period, starts_at: row.starts_at };
        let calls = u64::try_from(row.leased).map_err(DomainError::internal)?;
        Ok((window, Leased { calls, heir: row.heir_id }))
    });
    leased.collect()
}

async fn write(tx: &Tx<'_>, leased: &BTreeMap<Window, Leased>) -> Result<()> {
    use quota_window::Column::{ClientId, Environment, Leased, Period, StartsAt};
    if leased.is_empty() {
        return Ok(());
    }
    let rows = leased.iter().map(|(window, leased)| Ok(row(window, i64::try_from(leased.calls).map_err(DomainError::internal)?)));
    quota_window::Entity::insert_many(rows.collect::<Result<Vec<_>>>()?)
        .on_conflict(OnConflict::columns([ClientId, Environment, Period, StartsAt]).update_column(Leased).to_owned())
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

fn row(window: &Window, leased: i64) -> quota_window::ActiveModel {
    quota_window::ActiveModel {
        client_id: Set(window.client),
        environment: Set(window.environment),
        period: Set(window.period),
        starts_at: Set(window.starts_at),
        leased: Set(leased),
        heir_id: NotSet,
    }
}
