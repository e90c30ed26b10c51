//! The processes that decide on calls, and how far behind each is.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    gateway_change, gateway_node,
    gateway_node::{Column, Entity},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{Actor, Domain, Result, access::require_staff, rules::policy::StaffRight};

/// How long after its last sign of life a gateway is shown.
const SHOWN: TimeDelta = TimeDelta::hours(1);

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
