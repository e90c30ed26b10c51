//! When the gateways follow a change.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entities::{gateway_change, gateway_node, gateway_revision, portal};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use tokio::time::timeout;

use crate::{Domain, DomainError, Result, receipt::Enforcement};

/// How long a receipt waits for gateways.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// How long after its last sign of life, which comes every two seconds, a gateway is waited for: one that died holds nobody up for
/// longer, though it counts as one that does not follow.
const WAITED_FOR: TimeDelta = TimeDelta::seconds(6);

/// Waits, a second at most, until every gateway follows this revision. `changed`: when the change was made.
pub async fn awaited(ctx: &Domain, revision: i64, changed: Instant) -> Result<Enforcement> {
    let mut within = None;
    loop {
        // Listens before it looks.
        let mut told = std::pin::pin!(ctx.wake.followed.notified());
        told.as_mut().enable();
        let mut alive = gateway_node::Entity::find().all(&ctx.db).await?;
        if !alive.is_empty() {
            let within = match within {
                Some(within) => within,
                None => *within.insert(stale_after(ctx).await?),
            };
            alive.retain(|node| node.last_seen_at > ctx.now() - within);
        }
        let confirmed = alive.iter().filter(|node| node.applied_revision >= revision).count();
        let (gateways, complete) = (alive.len(), confirmed == alive.len());
        let missing = alive.iter().filter(|node| node.applied_revision < revision);
        let awaited = missing.filter(|node| node.last_seen_at > ctx.now() - WAITED_FOR).count();
        let took = changed.elapsed();
        if awaited == 0 || took >= PATIENCE {
            let took = complete.then_some(took);
            let streams_ended = streams_ended(ctx, revision).await?;
            return Ok(Enforcement { revision, gateways: gateways as u64, confirmed: confirmed as u64, took, streams_ended });
        }
        // An error: another process may have told by now.
        let _ = timeout(BETWEEN_LOOKS, told).await;
    }
}

async fn stale_after(ctx: &Domain) -> Result<TimeDelta> {
    let portal =
        portal::Entity::find().one(&ctx.db).await?.ok_or_else(|| DomainError::internal("the portal's row is missing"))?;
    Ok(TimeDelta::seconds(portal.gateway_stale_seconds.into()))
}

async fn streams_ended(ctx: &Domain, revision: i64) -> Result<u64> {
    use gateway_change::Column as C;
    let counts = gateway_change::Entity::find().select_only().column(C::StreamsEnded).filter(C::Revision.eq(revision));
    let counts: Vec<i32> = counts.into_tuple().all(&ctx.db).await?;
    Ok(counts.into_iter().map(|count| u64::try_from(count).unwrap_or_default()).sum())
}

/// Waits, a second at most, until every gateway follows all that has changed up to now.
pub async fn all_follow(ctx: &Domain) -> Result<()> {
    awaited(ctx, revision(ctx).await?, Instant::now()).await.map(drop)
}

async fn revision(ctx: &Domain) -> Result<i64> {
    let row = gateway_revision::Entity::find_by_id(1).one(&ctx.db).await?;
    row.map(|row| row.revision).ok_or_else(|| DomainError::internal("the gateway revision's row is missing"))
}
