//! The inbox of all that waits for a decision. An item is written, taken and settled in the transaction of what it is about.

use chrono::{DateTime, Utc};
use entities::{
    enums::{ApprovalLevel, QueueKind, RequestStatus},
    id::{QueueItemId, TeamId, UserId},
    plan,
    queue_item::{Column, Entity, Model},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use crate::{Result, Tx, read::portal::load_from, rules::business_time::BusinessHours, updates::Update};

/// What a decision is asked for.
pub(super) struct Request<'a> {
    pub kind: QueueKind,
    pub subject: Uuid,
    pub team: TeamId,
    /// `None` of a team that registers.
    pub plan: Option<&'a plan::Model>,
    pub by: UserId,
    pub reason: Option<String>,
}

/// When something that is asked for now is due.
pub(super) async fn due(tx: &Tx<'_>, level: ApprovalLevel) -> Result<DateTime<Utc>> {
    let portal = load_from(tx.db()).await?;
    let hours = BusinessHours::parse(&portal.time_zone, &portal.business_hours)?;
    Ok(hours.due(tx.now(), level, portal.standard_review_hours, portal.formal_review_days))
}

pub(super) async fn open(tx: &Tx<'_>, request: Request<'_>, due_at: DateTime<Utc>) -> Result<()> {
    let id: QueueItemId = tx.ctx().env.id();
    tx.insert(Model {
        id,
        kind: request.kind,
        subject_id: request.subject,
        state: RequestStatus::Pending,
        team_id: request.team,
        plan_id: request.plan.map(|plan| plan.id),
        product_id: request.plan.map(|plan| plan.product_id),
        requested_by: request.by,
        requested_at: tx.now(),
        due_at,
        assignee_id: None,
        reason: request.reason,
    })
    .await?;
    tx.announce(Update::QueueItem(id));
    Ok(())
}

/// Somebody takes it.
pub(super) async fn take(tx: &Tx<'_>, subject: Uuid, by: UserId) -> Result<()> {
    change(tx, subject, [(Column::AssigneeId, Expr::value(Some(by)))]).await
}

/// It waits no longer. `by`: who decided.
pub(super) async fn settle(tx: &Tx<'_>, subject: Uuid, state: RequestStatus, by: Option<UserId>) -> Result<()> {
    let assignee = match by {
        Some(by) => Expr::value(Some(by)),
        None => Expr::col(Column::AssigneeId),
    };
    change(tx, subject, [(Column::State, Expr::value(state)), (Column::AssigneeId, assignee)]).await
}

async fn change(tx: &Tx<'_>, subject: Uuid, to: impl IntoIterator<Item = (Column, Expr)>) -> Result<()> {
    let mut waiting =
        Entity::update_many().filter(Column::SubjectId.eq(subject)).filter(Column::State.eq(RequestStatus::Pending));
    for (column, value) in to {
        waiting = waiting.col_expr(column, value);
    }
    for item in waiting.exec_with_returning(tx.db()).await? {
        tx.announce(Update::QueueItem(item.id));
    }
    Ok(())
}
