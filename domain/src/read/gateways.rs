//! The processes that decide on calls: how far behind each is, and when all of them follow a change.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    gateway_change, gateway_node,
    gateway_node::{Column, Entity},
    gateway_revision,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use tokio::time::timeout;

use super::portal;
use crate::{Actor, Domain, DomainError, Result, access::require_staff, rules::policy::StaffRight};

/// How long a receipt waits for gateways.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);
/// How long after its last sign of life a gateway is shown.
const SHOWN: TimeDelta = TimeDelta::hours(1);

/// How many gateways follow a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Enforcement {
    pub revision: i64,
    /// Those that gave a sign of life within the portal's `gatewayStaleSeconds`.
    pub gateways: u64,
    pub confirmed: u64,
    /// From the change until the last of them confirmed it; `None` where one has not.
    pub took: Option<Duration>,
}

/// Waits, a second at most, until every gateway follows this revision. `changed`: when the change was made.
pub async fn enforcement(ctx: &Domain, revision: i64, changed: Instant) -> Result<Enforcement> {
    let mut within = None;
    loop {
        // Listens before it looks.
        let mut told = std::pin::pin!(ctx.wake.followed.notified());
        told.as_mut().enable();
        let mut alive = Entity::find().filter(Column::LastSeenAt.gt(ctx.now() - SHOWN)).all(&ctx.db).await?;
        if !alive.is_empty() {
            let within = match within {
                Some(within) => within,
                None => *within.insert(TimeDelta::seconds(portal::load(ctx).await?.gateway_stale_seconds.into())),
            };
            alive.retain(|node| node.last_seen_at > ctx.now() - within);
        }
        let confirmed = alive.iter().filter(|node| node.applied_revision >= revision).count();
        let (gateways, complete) = (alive.len(), confirmed == alive.len());
        let took = changed.elapsed();
        if complete || took >= PATIENCE {
            let took = complete.then_some(took);
            return Ok(Enforcement { revision, gateways: gateways as u64, confirmed: confirmed as u64, took });
        }
        // An error: another process may have told by now.
        let _ = timeout(BETWEEN_LOOKS, told).await;
    }
}

/// A gateway, and for how long it has not followed what changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Gateway {
    pub node: gateway_node::Model,
    pub behind: TimeDelta,
}

/// Gateways that gave a sign of life within the last hour, oldest first; for staff.
pub async fn list(ctx: &Domain, actor: &Actor) -> Result<Vec<Gateway>> {
    require_staff(actor, StaffRight::Read)?;
    let now = ctx.now();
    let nodes =
        Entity::find().filter(Column::LastSeenAt.gt(now - SHOWN)).order_by_asc(Column::StartedAt).order_by_asc(Column::Id);
    let mut gateways = Vec::new();
    for node in nodes.all(&ctx.db).await? {
        let behind = missed_since(ctx, node.applied_revision).await?.map_or(TimeDelta::zero(), |at| now - at);
        gateways.push(Gateway { node, behind: behind.max(TimeDelta::zero()) });
    }
    Ok(gateways)
}

/// When the first change after this revision was made.
async fn missed_since(ctx: &Domain, applied: i64) -> Result<Option<DateTime<Utc>>> {
    use gateway_change::Column as C;
    let missed = gateway_change::Entity::find().select_only().column(C::At).filter(C::Revision.gt(applied));
    Ok(missed.order_by_asc(C::Revision).into_tuple().one(&ctx.db).await?)
}

/// Waits, a second at most, until every gateway follows all that has changed up to now.
pub async fn all_follow(ctx: &Domain) -> Result<()> {
    enforcement(ctx, revision(ctx).await?, Instant::now()).await.map(drop)
}

pub(crate) async fn revision(ctx: &Domain) -> Result<i64> {
    let row = gateway_revision::Entity::find_by_id(1).one(&ctx.db).await?;
    row.map(|row| row.revision).ok_or_else(|| DomainError::internal("the gateway revision's row is missing"))
}
