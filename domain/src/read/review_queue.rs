//! The inbox of all that waits for a decision, for staff.

use std::collections::HashSet;

use entities::{
    enums::{QueueKind, RequestStatus},
    id::{ApprovalGroupId, QueueItemId},
    queue_item,
};
use sea_orm::{ColumnTrait, EntityTrait, FromQueryResult, Iterable, QueryFilter, QueryOrder, QuerySelect};

use super::page::{Page, PageRequest, newest_first};
use crate::{
    Actor, Domain, Result,
    access::{self, require_staff},
    rules::policy::{Group, StaffRight},
};

/// What waits, newest first.
pub async fn waiting(
    ctx: &Domain,
    actor: &Actor,
    kind: Option<QueueKind>,
    page: &PageRequest,
) -> Result<Page<queue_item::Model>> {
    require_staff(actor, StaffRight::Read)?;
    let mut list = queue_item::Entity::find().filter(queue_item::Column::State.eq(RequestStatus::Pending));
    if let Some(kind) = kind {
        list = list.filter(queue_item::Column::Kind.eq(kind));
    }
    newest_first::<_, QueueItemId>(ctx, list, queue_item::Column::Id, page).await
}

pub async fn by_id(ctx: &Domain, actor: &Actor, id: QueueItemId) -> Result<Option<queue_item::Model>> {
    if require_staff(actor, StaffRight::Read).is_err() {
        return Ok(None);
    }
    Ok(queue_item::Entity::find_by_id(id).one(&ctx.db).await?)
}

#[derive(Debug, FromQueryResult)]
struct Counted {
    kind: QueueKind,
    pending: i64,
}

/// How many of each kind wait.
pub async fn counts(ctx: &Domain, actor: &Actor) -> Result<Vec<(QueueKind, u64)>> {
    require_staff(actor, StaffRight::Read)?;
    let rows: Vec<Counted> = queue_item::Entity::find()
        .filter(queue_item::Column::State.eq(RequestStatus::Pending))
        .select_only()
        .column(queue_item::Column::Kind)
        .column_as(queue_item::Column::Id.count(), "pending")
        .group_by(queue_item::Column::Kind)
        .order_by_asc(queue_item::Column::Kind)
        .into_model()
        .all(&ctx.db)
        .await?;
    let pending = |kind| rows.iter().find(|row| row.kind == kind).map_or(0, |row| u64::try_from(row.pending).unwrap_or(0));
    Ok(QueueKind::iter().map(|kind| (kind, pending(kind))).collect())
}

/// Whether the viewer decides on what is bound to this group. `groups`: the viewer's own; `own_team`: the viewer is a member of
/// the team that asks.
pub fn may_decide(actor: &Actor, groups: &HashSet<ApprovalGroupId>, group: Option<ApprovalGroupId>, own_team: bool) -> bool {
    let group = match group {
        None => Group::Unbound,
        Some(group) if groups.contains(&group) => Group::Member,
        Some(_) => Group::Outsider,
    };
    access::decides(actor, group, own_team)
}
