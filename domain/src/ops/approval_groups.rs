//! Approval groups: the reviewers that decide on the plans bound to them.

use entities::{
    approval_group::{Column, Entity, Model},
    approval_group_member,
    id::{ApprovalGroupId, ApprovalGroupMemberId, UserId},
    plan, user,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    rules::{
        policy::{StaffRight, staff_may},
        text,
    },
    tx::retrying,
};

const MAX_MEMBERS: usize = 100;

/// Whose decision it is, is for those to say who manage the staff.
pub async fn create(ctx: &Domain, actor: &Actor, name: &str, members: &[UserId]) -> Result<Model> {
    require_staff(actor, StaffRight::ManageStaff)?;
    let tx = Tx::begin(ctx).await?;
    let name = text::name("name", name, 80)?;
    free_name(&tx, &name, None).await?;
    let members = reviewers(&tx, members).await?;
    let row = tx.insert(Model { id: ctx.env.id(), name, created_at: tx.now(), version: 1 }).await?;
    put_members(&tx, row.id, &members).await?;
    let entry = Audit::of(actor, Action::ApprovalGroupCreated, row.id).set("name", &row.name).set("members", &members);
    tx.commit(entry).await?;
    Ok(row)
}

/// What is omitted stays.
pub async fn update(
    ctx: &Domain,
    actor: &Actor,
    id: ApprovalGroupId,
    name: Option<&str>,
    members: Option<&[UserId]>,
) -> Result<Model> {
    require_staff(actor, StaffRight::ManageStaff)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("approval group"))?;
        let mut row = before.clone().into_active_model();
        if let Some(name) = name {
            let name = text::name("name", name, 80)?;
            free_name(&tx, &name, Some(id)).await?;
            row.name = Set(name);
        }
        let held = members_of(tx.db(), id).await?;
        let wanted = match members {
            Some(members) => reviewers(&tx, members).await?,
            None => held.clone(),
        };
        if wanted != held {
            let members = approval_group_member::Entity::delete_many().filter(approval_group_member::Column::GroupId.eq(id));
            members.exec(tx.db()).await?;
            put_members(&tx, id, &wanted).await?;
        }
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        let entry = Audit::of(actor, Action::ApprovalGroupUpdated, id);
        tx.commit(entry.change("name", &before.name, &after.name).change("members", &held, &wanted)).await?;
        Ok(after)
    })
    .await
}

/// Refused while a plan is bound to it.
pub async fn delete(ctx: &Domain, actor: &Actor, id: ApprovalGroupId) -> Result<ApprovalGroupId> {
    require_staff(actor, StaffRight::ManageStaff)?;
    let tx = Tx::begin(ctx).await?;
    tx.alone("approval group", id).await?;
    let row = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("approval group"))?;
    let bound = plan::Entity::find().filter(plan::Column::ApprovalGroupId.eq(id)).count(tx.db()).await?;
    if bound > 0 {
        let say = format!("{bound} plans are bound to the group: bind them to another first");
        return Err(DomainError::refused(ProblemCode::WrongState, "groupId", say));
    }
    let held = members_of(tx.db(), id).await?;
    let members = approval_group_member::Entity::delete_many().filter(approval_group_member::Column::GroupId.eq(id));
    members.exec(tx.db()).await?;
    Entity::delete_by_id(id).exec(tx.db()).await?;
    let entry = Audit::of(actor, Action::ApprovalGroupDeleted, id);
    tx.commit(entry.change("name", &row.name, ()).change("members", &held, ())).await?;
    Ok(id)
}

/// Refuses a group that is not there; held, so that it is not deleted meanwhile.
pub(crate) async fn require(tx: &Tx<'_>, id: Option<ApprovalGroupId>) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    tx.alone("approval group", id).await?;
    match Entity::find_by_id(id).one(tx.db()).await? {
        Some(_) => Ok(()),
        None => Err(DomainError::refused(ProblemCode::NotFound, "approvalGroupId", "no such approval group")),
    }
}

/// In the order of their ids.
async fn members_of(db: &impl ConnectionTrait, id: ApprovalGroupId) -> Result<Vec<UserId>> {
    let rows = approval_group_member::Entity::find()
        .filter(approval_group_member::Column::GroupId.eq(id))
        .order_by_asc(approval_group_member::Column::UserId)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.user_id).collect())
}

async fn put_members(tx: &Tx<'_>, group: ApprovalGroupId, members: &[UserId]) -> Result<()> {
    let rows = members.iter().map(|user| {
        let id = tx.ctx().env.id::<ApprovalGroupMemberId>();
        approval_group_member::Model { id, group_id: group, user_id: *user }.into_active_model()
    });
    approval_group_member::Entity::insert_many(rows).exec_without_returning(tx.db()).await?;
    Ok(())
}

async fn free_name(tx: &Tx<'_>, name: &str, own: Option<ApprovalGroupId>) -> Result<()> {
    let taken = Entity::find().filter(Column::Name.eq(name)).one(tx.db()).await?;
    match taken.filter(|other| Some(other.id) != own) {
        Some(_) => Err(DomainError::refused(ProblemCode::Taken, "name", "another approval group has this name")),
        None => Ok(()),
    }
}

/// Those who can review, each once, in the order of their ids.
async fn reviewers(tx: &Tx<'_>, given: &[UserId]) -> Result<Vec<UserId>> {
    let mut problems = Problems::default();
    if given.is_empty() {
        problems.add(ProblemCode::Required, "memberIds", "a group has one member at least");
    }
    if given.len() > MAX_MEMBERS {
        return Err(DomainError::refused(ProblemCode::LimitReached, "memberIds", format!("at most {MAX_MEMBERS} members")));
    }
    let people = user::Entity::find().filter(user::Column::Id.is_in(given.iter().copied())).all(tx.db()).await?;
    for (i, id) in given.iter().enumerate() {
        let person = people.iter().find(|person| person.id == *id);
        if !person.and_then(|person| person.staff_role).is_some_and(|role| staff_may(role, StaffRight::Review)) {
            let say = "must be a member of the staff with the role REVIEWER, ADMIN or OWNER";
            problems.add(ProblemCode::NotFound, &format!("memberIds.{i}"), say);
        }
    }
    problems.into_result()?;
    let mut members = given.to_vec();
    members.sort_unstable();
    members.dedup();
    Ok(members)
}
