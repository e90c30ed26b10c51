//! Whether an actor may do a thing: loads the facts, asks `rules::policy`. Outsiders learn nothing: for them it does not exist.

use entities::{
    approval_group_member as group_member,
    id::{ApprovalGroupId, TeamId, UserId},
    membership,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use crate::{
    Actor, DomainError, Result,
    rules::policy::{self, Access, Action, Facts, Group, MemberRight, StaffRight, Verdict},
};

/// Refuses who has no staff role with this right. The program itself may everything.
pub fn require_staff(actor: &Actor, right: StaffRight) -> Result<()> {
    refuse(policy::may(actor.asker(), Action::Staff(right), Facts::default()))
}

/// Refuses who is not signed in, before anything is looked up for them.
pub fn require_somebody(actor: &Actor) -> Result<()> {
    refuse(policy::may(actor.asker(), Action::Own, Facts::default()))
}

/// Whether an actor may do this for a team, given their membership in it.
pub fn may(actor: &Actor, membership: Option<&membership::Model>, right: MemberRight) -> bool {
    policy::may(actor.asker(), Action::Team(right), Facts::of(membership)).allowed()
}

/// The actor's membership in a team, if any.
pub async fn membership(db: &impl ConnectionTrait, actor: &Actor, team: TeamId) -> Result<Option<membership::Model>> {
    let Some(user) = actor.user_id() else { return Ok(None) };
    Ok(membership::Entity::for_team(team).filter(membership::Column::UserId.eq(user)).one(db).await?)
}

/// Refuses who may not do this for this team: outsiders with `NotFound`, members and staff with `Forbidden`; who lacks a second
/// factor hears so.
pub async fn require_member(db: &impl ConnectionTrait, actor: &Actor, team: TeamId, right: MemberRight) -> Result<()> {
    let (asker, action) = (actor.asker(), Action::Team(right));
    // Who may, or must sign in, without being a member: nothing has to be looked up.
    match policy::may(asker, action, Facts::default()) {
        Verdict::Forbidden(_) | Verdict::Unknown | Verdict::SecondFactor(_) => {
            let member = membership(db, actor, team).await?;
            refuse(policy::may(asker, action, Facts::of(member.as_ref())))
        }
        decided => refuse(decided),
    }
}

/// What the actor holds in a team, and so may give: staff who may manage teams hold everything.
pub async fn held(db: &impl ConnectionTrait, actor: &Actor, team: TeamId) -> Result<Access> {
    if may(actor, None, MemberRight::ManageTeam) {
        return Ok(Access::FULL);
    }
    membership(db, actor, team).await?.map(|member| Access::of(&member)).ok_or(DomainError::NotFound("team"))
}

/// As `require_member`, for reads: false where it would refuse.
pub async fn allowed(db: &impl ConnectionTrait, actor: &Actor, team: TeamId, right: MemberRight) -> Result<bool> {
    match require_member(db, actor, team, right).await {
        Ok(()) => Ok(true),
        Err(
            DomainError::NotFound(_)
            | DomainError::Forbidden(_)
            | DomainError::Unauthenticated
            | DomainError::SecondFactorRequired(_),
        ) => Ok(false),
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
    let member = membership(db, actor, team).await?;
    refuse(policy::may(actor.asker(), Action::Decide, Facts { group, ..Facts::of(member.as_ref()) }))?;
    Ok(user)
}

/// Whether the actor decides on what is bound to this group. `own_team`: they are a member of the team that asks.
pub fn decides(actor: &Actor, group: Group, own_team: bool) -> bool {
    // Any access will do: what counts is that they are in the team.
    let member = own_team.then_some(Access::DEVELOPER);
    policy::may(actor.asker(), Action::Decide, Facts { member, group }).allowed()
}

fn refuse(verdict: Verdict) -> Result<()> {
    match verdict {
        Verdict::Allowed => Ok(()),
        Verdict::Unauthenticated => Err(DomainError::Unauthenticated),
        Verdict::SecondFactor(how) => Err(DomainError::SecondFactorRequired(how)),
        Verdict::Forbidden(needs) => Err(DomainError::Forbidden(needs)),
        Verdict::Unknown => Err(DomainError::NotFound("team")),
    }
}
