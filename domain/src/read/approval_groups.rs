//! Approval groups, for staff.

use std::collections::{HashMap, HashSet};

use entities::{
    approval_group, approval_group_member as member,
    id::{ApprovalGroupId, UserId},
    user,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{Actor, Domain, Result, access::require_staff, rules::policy::StaffRight};

/// All groups, by name.
pub async fn all(ctx: &Domain, actor: &Actor) -> Result<Vec<approval_group::Model>> {
    require_staff(actor, StaffRight::Read)?;
    Ok(approval_group::Entity::find().order_by_asc(approval_group::Column::Name).all(&ctx.db).await?)
}

pub async fn by_id(ctx: &Domain, actor: &Actor, id: ApprovalGroupId) -> Result<Option<approval_group::Model>> {
    if require_staff(actor, StaffRight::Read).is_err() {
        return Ok(None);
    }
    Ok(approval_group::Entity::find_by_id(id).one(&ctx.db).await?)
}

/// The members of each, by id.
pub async fn members(ctx: &Domain, groups: &[ApprovalGroupId]) -> Result<HashMap<ApprovalGroupId, Vec<user::Model>>> {
    let rows = member::Entity::find().filter(member::Column::GroupId.is_in(groups.iter().copied())).all(&ctx.db).await?;
    let people = user::Entity::find().filter(user::Column::Id.is_in(rows.iter().map(|row| row.user_id))).all(&ctx.db).await?;
    let people: HashMap<UserId, user::Model> = people.into_iter().map(|person| (person.id, person)).collect();
    let mut by_group: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        by_group.entry(row.group_id).or_default().extend(people.get(&row.user_id).cloned());
    }
    by_group.values_mut().for_each(|members: &mut Vec<user::Model>| members.sort_by_key(|person| person.id));
    Ok(by_group)
}

/// The groups that each person is in.
pub async fn of_people(ctx: &Domain, people: &[UserId]) -> Result<HashMap<UserId, HashSet<ApprovalGroupId>>> {
    let rows = member::Entity::find().filter(member::Column::UserId.is_in(people.iter().copied())).all(&ctx.db).await?;
    let mut by_person: HashMap<_, HashSet<_>> = HashMap::new();
    for row in rows {
        by_person.entry(row.user_id).or_default().insert(row.group_id);
    }
    Ok(by_person)
}
