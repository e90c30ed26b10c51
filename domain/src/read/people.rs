//! People, as far as a viewer may see them: themselves, their team mates, and everyone for staff.

use std::collections::HashSet;

use entities::{
    id::{MembershipId, TeamId, UserId},
    membership, user,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::page::{Page, PageRequest, newest_first};
use crate::{
    Actor, Domain, Result, access,
    rules::policy::{MemberRight, StaffRight},
};

/// Which of these people share a team with the viewer.
pub async fn mates(ctx: &Domain, viewer: UserId, people: &[UserId]) -> Result<HashSet<UserId>> {
    let own = membership::Entity::for_user(viewer).select_only().column(membership::Column::TeamId);
    let found: Vec<UserId> = membership::Entity::find()
        .filter(membership::Column::UserId.is_in(people.iter().copied()))
        .filter(membership::Column::TeamId.in_subquery(sea_orm::QueryTrait::into_query(own)))
        .select_only()
        .column(membership::Column::UserId)
        .distinct()
        .into_tuple()
        .all(&ctx.db)
        .await?;
    Ok(found.into_iter().collect())
}

/// Whether the actor sees this person's address without sharing a team with them.
pub fn sees_everyone(actor: &Actor) -> bool {
    access::require_staff(actor, StaffRight::Read).is_ok()
}

/// A person by id; `None` for who is nothing to the viewer.
pub async fn visible(ctx: &Domain, actor: &Actor, id: UserId) -> Result<Option<user::Model>> {
    let Some(viewer) = actor.user_id() else { return Ok(None) };
    let seen = viewer == id || sees_everyone(actor) || mates(ctx, viewer, &[id]).await?.contains(&id);
    if seen { Ok(user::Entity::find_by_id(id).one(&ctx.db).await?) } else { Ok(None) }
}

/// A team's members, newest first; nobody for who may not see the team.
pub async fn members(ctx: &Domain, actor: &Actor, team: TeamId, page: &PageRequest) -> Result<Page<membership::Model>> {
    if !access::allowed(&ctx.db, actor, team, MemberRight::SeeTeam).await? {
        return Ok(Page::empty(page));
    }
    newest_first::<_, MembershipId>(ctx, membership::Entity::for_team(team), membership::Column::Id, page).await
}

pub async fn membership(ctx: &Domain, actor: &Actor, id: MembershipId) -> Result<Option<membership::Model>> {
    let Some(row) = membership::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    Ok(access::allowed(&ctx.db, actor, row.team_id, MemberRight::SeeTeam).await?.then_some(row))
}

/// Everyone with a staff role, oldest first.
pub async fn staff(ctx: &Domain, actor: &Actor) -> Result<Vec<user::Model>> {
    access::require_staff(actor, StaffRight::Read)?;
    let with_role = user::Entity::find().filter(user::Column::StaffRole.is_not_null());
    Ok(with_role.order_by_asc(user::Column::Id).all(&ctx.db).await?)
}
