//! Submissions, for the team that made them and for staff.

use std::collections::HashMap;

use entities::{
    id::{SubmissionId, SubscriptionId},
    submission,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::page::{Page, PageRequest, newest_first};
use crate::{
    Actor, Domain, Result,
    access::{may, membership as membership_in},
    rules::policy::MemberRight,
};

pub async fn by_id(ctx: &Domain, actor: &Actor, id: SubmissionId) -> Result<Option<submission::Model>> {
    let Some(row) = submission::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    let membership = membership_in(&ctx.db, actor, row.team_id).await?;
    Ok(may(actor, membership.as_ref(), MemberRight::SeeTeam).then_some(row))
}

/// A subscription's submissions, newest first; the caller has checked that the viewer sees the subscription.
pub async fn of_subscription(ctx: &Domain, held: SubscriptionId, page: &PageRequest) -> Result<Page<submission::Model>> {
    let list = submission::Entity::find().filter(submission::Column::SubscriptionId.eq(held));
    newest_first::<_, SubmissionId>(ctx, list, submission::Column::Id, page).await
}

/// The last submission of each.
pub async fn latest(ctx: &Domain, held: &[SubscriptionId]) -> Result<HashMap<SubscriptionId, submission::Model>> {
    let newest: Vec<SubmissionId> = submission::Entity::find()
        .filter(submission::Column::SubscriptionId.is_in(held.iter().copied()))
        .select_only()
        .column(submission::Column::SubscriptionId)
        .column(submission::Column::Id)
        .into_tuple::<(SubscriptionId, SubmissionId)>()
        .all(&ctx.db)
        .await?
        .into_iter()
        .fold(HashMap::new(), |mut newest: HashMap<SubscriptionId, SubmissionId>, (held, id)| {
            newest.entry(held).and_modify(|last| *last = (*last).max(id)).or_insert(id);
            newest
        })
        .into_values()
        .collect();
    let rows = submission::Entity::find().filter(submission::Column::Id.is_in(newest)).all(&ctx.db).await?;
    Ok(rows.into_iter().map(|row| (row.subscription_id, row)).collect())
}
