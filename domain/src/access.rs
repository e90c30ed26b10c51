//! Whether an actor may do a thing: loads the facts, asks `rules::policy`. Outsiders learn nothing: for them it does not exist.

use entities::{
    approval_group_member as group_member,
    id::{ApprovalGroupId, TeamId, UserId},
    membership,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::{
    Actor, DomainError, Result,
    actor::Who,
    rules::{
        policy::{self, Access, MemberRight, StaffRight},
        review::{self, Group},
    },
};

/// Refuses who has no staff role with this right. The program itself may everything.
pub fn require_staff(actor: &Actor, right: StaffRight) -> Result<()> {
    match actor.who {
        Who::System => Ok(()),
        Who::Nobody => Err(DomainError::Unauthenticated),
        Who::User { staff, .. } if staff.is_some_and(|role| policy::staff_may(role, right)) => Ok(()),
        Who::User { .. } | Who::MemberOf(_) => Err(DomainError::Forbidden(right.needs())),
    }
}

/// Refuses who is not signed in, before anything is looked up for them.
pub fn require_somebody(actor: &Actor) -> Result<()> {
    match actor.who {
        Who::Nobody | Who::MemberOf(_) => Err(DomainError::Unauthenticated),
        Who::User { .. } | Who::System => Ok(()),
    }
}

/// Whether an actor may do this for a team, given their membership in it.
pub fn may(actor: &Actor, membership: Option<&membership::Model>, right: MemberRight) -> bool {
    actor.who == Who::System
        || actor.staff_role().is_some_and(|role| policy::staff_may_for_team(role, right))
        || membership.is_some_and(|member| policy::member_may(policy::Access::of(member), right))
}

/// The actor's membership in a team, if any.
pub async fn membership(db: &impl ConnectionTrait, actor: &Actor, team: TeamId) -> Result<Option<membership::Model>> {
    let Some(user) = actor.user_id() else { return Ok(None) };
    Ok(membership::Entity::for_team(team).filter(membership::Column::UserId.eq(user)).one(db).await?)
}

/// Refuses who may not do this for this team: outsiders with `NotFound`, members with `Forbidden`.
/// Staff may where the right has a staff counterpart.
pub async fn require_member(db: &impl ConnectionTrait, actor: &Actor, team: TeamId, right: MemberRight) -> Result<()> {
    if actor.who == Who::System {
        return Ok(());
    }
    if actor.who == Who::Nobody {
        return Err(DomainError::Unauthenticated);
    }
    if actor.staff_role().is_some_and(|role| policy::staff_may_for_team(role, right)) {
        return Ok(());
    }
    match membership(db, actor, team).await? {
        Some(member) if policy::member_may(policy::Access::of(&member), right) => Ok(()),
        Some(_) => Err(DomainError::Forbidden(right.needs())),
        None if actor.staff_role().is_some() => Err(DomainError::Forbidden(right.needs())),
        None => Err(DomainError::NotFound("team")),
    }
}

/// What the actor holds in a team, and so may give: staff who may manage teams hold everything.
pub async fn held(db: &impl ConnectionTrait, actor: &Actor, team: TeamId) -> Result<Access> {
    let for_the_provider = |role| policy::staff_may_for_team(role, MemberRight::ManageTeam);
    if actor.who == Who::System || actor.staff_role().is_some_and(for_the_provider) {
        return Ok(Access::FULL);
    }
    membership(db, actor, team).await?.map(|member| Access::of(&member)).ok_or(DomainError::NotFound("team"))
}

/// As `require_member`, for reads: false where it would refuse.
pub async fn allowed(db: &impl ConnectionTrait, actor: &Actor, team: TeamId, right: MemberRight) -> Result<bool> {
    match require_member(db, actor, team, right).await {
        Ok(()) => Ok(true),
        Err(DomainError::NotFound(_) | DomainError::Forbidden(_) | DomainError::Unauthenticated) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Refuses who may not decide on what this team asks for under a plan with this approval group.
pub async fn require_reviewer(
    db: &impl ConnectionTrait,
    actor: &Actor,
    group: Option<ApprovalGroupId>,
    team: TeamId,
) -> Result<UserId> {
    let user = actor.signed_in()?;
    let group = match group {
        None => Group::Unbound,
        Some(group) => {
            let member = group_member::Entity::find()
                .filter(group_member::Column::GroupId.eq(group))
                .filter(group_member::Column::UserId.eq(user));
            if member.one(db).await?.is_some() { Group::Member } else { Group::Outsider }
        }
    };
    let own_team = membership(db, actor, team).await?.is_some();
    review::may_decide(actor.staff_role(), group, own_team).map_err(DomainError::Forbidden)?;
    Ok(user)
}
