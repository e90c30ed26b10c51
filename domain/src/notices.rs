//! Telling people: a notification and a mail for each recipient, in the transaction of what they are told about.

use std::collections::{BTreeMap, BTreeSet};

use entities::{
    approval_group_member,
    id::{ApprovalGroupId, NotificationId, TeamId, UserId},
    membership, notification, plan, product, subscription, team, user,
};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::{
    Actor, DomainError, Result, Tx,
    outbox::SendNotification,
    rules::{
        notice::{Held, Notice},
        policy::{Access, MemberRight, StaffRight, member_may, staff_may},
    },
    updates::Update,
};

/// Rows of one statement, within what a database takes of parameters.
const BATCH: usize = 500;

/// Who is told.
#[derive(Debug, Clone)]
pub enum To {
    /// Those who decide: a plan's approval group, else every reviewer.
    Reviewers(Option<ApprovalGroupId>),
    /// The staff with this right.
    Staff(StaffRight),
    /// The members of a team with this right.
    Team(TeamId, MemberRight),
    Person(UserId),
}

/// Writes a notification, and enqueues its mail, for each recipient but the actor, who knows.
pub async fn tell(tx: &Tx<'_>, actor: &Actor, to: To, notice: &Notice) -> Result<()> {
    let recipients = recipients(tx, to).await?;
    write(tx, actor, recipients.into_iter().map(|user| (user, notice))).await
}

/// Tells each of many teams its own; those of their members who have this right.
pub async fn tell_teams(tx: &Tx<'_>, actor: &Actor, right: MemberRight, notices: &BTreeMap<TeamId, Notice>) -> Result<()> {
    let teams: Vec<_> = notices.keys().copied().collect();
    let mut told = Vec::new();
    for some in teams.chunks(BATCH) {
        let some = some.iter().copied();
        let members = membership::Entity::find().filter(membership::Column::TeamId.is_in(some)).all(tx.db()).await?;
        let may = members.into_iter().filter(|member| member_may(Access::of(member), right));
        told.extend(may.filter_map(|member| Some((member.user_id, notices.get(&member.team_id)?))));
    }
    write(tx, actor, told.into_iter()).await
}

async fn write<'n>(tx: &Tx<'_>, actor: &Actor, told: impl Iterator<Item = (UserId, &'n Notice)>) -> Result<()> {
    let rows: Vec<_> =
        told.filter(|(user, _)| Some(*user) != actor.user_id()).map(|(user, notice)| row(tx, user, notice)).collect();
    for batch in rows.chunks(BATCH) {
        let batch = batch.iter().cloned().map(IntoActiveModel::into_active_model);
        notification::Entity::insert_many(batch).exec_without_returning(tx.db()).await?;
    }
    for row in &rows {
        tx.announce(Update::Notification(row.user_id, row.id));
    }
    let mails: Vec<_> = rows.iter().map(|row| SendNotification { notification: row.id }).collect();
    tx.enqueue_all(&mails).await
}

fn row(tx: &Tx<'_>, user_id: UserId, notice: &Notice) -> notification::Model {
    let (text, (subject_kind, subject_id)) = (notice.clone().plain_names().text(), notice.subject().stored());
    notification::Model {
        id: tx.ctx().env.id::<NotificationId>(),
        user_id,
        kind: notice.kind(),
        title: text.title,
        body: text.body,
        subject_kind: subject_kind.to_owned(),
        subject_id,
        at: tx.now(),
        read_at: None,
    }
}

async fn recipients(tx: &Tx<'_>, to: To) -> Result<BTreeSet<UserId>> {
    Ok(match to {
        To::Team(team, right) => {
            let members = membership::Entity::for_team(team).all(tx.db()).await?;
            members.iter().filter(|member| member_may(Access::of(*member), right)).map(|member| member.user_id).collect()
        }
        To::Person(id) => [id].into(),
        To::Staff(right) => staff(tx, right).await?,
        To::Reviewers(None) => staff(tx, StaffRight::Review).await?,
        To::Reviewers(Some(group)) => {
            use approval_group_member::{Column, Entity};
            let members = Entity::find().filter(Column::GroupId.eq(group)).all(tx.db()).await?;
            let members: BTreeSet<_> = members.into_iter().map(|member| member.user_id).collect();
            // Who has left the staff may still be in a group.
            staff(tx, StaffRight::Review).await?.intersection(&members).copied().collect()
        }
    })
}

async fn staff(tx: &Tx<'_>, right: StaffRight) -> Result<BTreeSet<UserId>> {
    let staff = user::Entity::find().filter(user::Column::StaffRole.is_not_null()).all(tx.db()).await?;
    let may = |user: &&user::Model| user.staff_role.is_some_and(|role| staff_may(role, right));
    Ok(staff.iter().filter(may).map(|user| user.id).collect())
}

/// Tells those of a subscription's team who see its credentials.
pub async fn tell_holders(
    tx: &Tx<'_>,
    actor: &Actor,
    row: &subscription::Model,
    notice: impl FnOnce(Held) -> Notice,
) -> Result<()> {
    let notice = notice(held(tx, row).await?);
    tell(tx, actor, To::Team(row.team_id, MemberRight::ReadCredentials), &notice).await
}

/// Tells those who decide on a subscription's plan.
pub async fn tell_reviewers(
    tx: &Tx<'_>,
    actor: &Actor,
    group: Option<ApprovalGroupId>,
    row: &subscription::Model,
    notice: impl FnOnce(Held) -> Notice,
) -> Result<()> {
    let notice = notice(held(tx, row).await?);
    tell(tx, actor, To::Reviewers(group), &notice).await
}

/// A subscription as texts name it.
pub async fn held(tx: &Tx<'_>, row: &subscription::Model) -> Result<Held> {
    let plan = plan::Entity::find_by_id(row.plan_id).one(tx.db()).await?;
    let product = product::Entity::find_by_id(row.product_id).one(tx.db()).await?;
    let team = team::Entity::find_by_id(row.team_id).one(tx.db()).await?;
    let (Some(plan), Some(product), Some(team)) = (plan, product, team) else {
        return Err(DomainError::internal("a subscription's plan, product or team is missing"));
    };
    Ok(Held { id: row.id, name: row.name.clone(), plan: plan.name, product: product.name, team: team.name })
}
