//! Members: the people in a team, and what each may do there. Credentials are the team's: nothing here touches them.

use entities::{
    authorized_email,
    enums::{AccessLevel, InvitationStatus, JoinMethod, OnboardingStage},
    id::{TeamId, UserId},
    invitation, membership, removed_member, team, user,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ModelTrait, PaginatorTrait, QueryFilter, sea_query::Expr,
};

use crate::{
    Actor, Domain, DomainError, Result, Tx,
    access::{held, require_member},
    audit::{Action, Audit},
    ops::{identities, invitations::recall, onboarding_stages, teams},
    rules::{
        policy::{Access, MemberRight},
        team::{Full, keeps_each_area, may_give},
    },
};

#[derive(Debug, Clone, Copy)]
pub struct SetMemberAccess {
    pub team: TeamId,
    pub user: UserId,
    pub access: Access,
}

pub(crate) async fn find(db: &impl ConnectionTrait, team: TeamId, user: UserId) -> Result<Option<membership::Model>> {
    Ok(membership::Entity::for_team(team).filter(membership::Column::UserId.eq(user)).one(db).await?)
}

/// Brings a person into a team: by themselves, signed in.
pub(crate) async fn insert(
    tx: &Tx<'_>,
    team: TeamId,
    user: UserId,
    access: Access,
    joined_by: JoinMethod,
) -> Result<membership::Model> {
    let row = membership::Model {
        id: tx.ctx().env.id(),
        team_id: team,
        user_id: user,
        access_team: access.team,
        access_credentials: access.credentials,
        access_billing: access.billing,
        joined_by,
        joined_at: tx.now(),
    };
    membership::Entity::insert(membership::ActiveModel::from(row.clone())).exec_without_returning(tx.db()).await?;
    removed_member::Entity::delete_by_id((team, user)).exec(tx.db()).await?;
    onboarding_stages::reached(tx, team, OnboardingStage::SignedIn).await?;
    Ok(row)
}

/// That somebody came into a team otherwise than by an invitation of their own.
pub(crate) fn joined(by: &Actor, row: &membership::Model) -> Audit {
    let entry = Audit::of(by, Action::MemberJoined, row.id).team(row.team_id).set("user", row.user_id).set("by", row.joined_by);
    entry.access(None, Some(Access::of(row)))
}

/// Changes what a member may do: within what the actor holds, and never the last with full access to an area. What the member has
/// given and nobody has accepted yet becomes no more than what they hold then.
pub async fn set_access(ctx: &Domain, actor: &Actor, cmd: SetMemberAccess) -> Result<team::Model> {
    let tx = Tx::begin(ctx).await?;
    // Before rights are looked at: two who reduce each other at once must not both pass.
    tx.alone("members of", cmd.team).await?;
    require_member(tx.db(), actor, cmd.team, MemberRight::ManageTeam).await?;
    let team = teams::find(tx.db(), cmd.team).await?;
    let (member, others) = member_and_others(&tx, cmd.team, cmd.user).await?;
    let before = Access::of(&member);
    may_give(held(tx.db(), actor, cmd.team).await?, Some(before), cmd.access)?;
    keeps_each_area(others, before, Some(cmd.access))?;
    let row = membership::ActiveModel {
        id: Set(member.id),
        access_team: Set(cmd.access.team),
        access_credentials: Set(cmd.access.credentials),
        access_billing: Set(cmd.access.billing),
        ..Default::default()
    };
    membership::Entity::update(row).exec(tx.db()).await?;
    let recalled = recall(&tx, cmd.user, Some(cmd.team)).await?;
    let entry = Audit::of(actor, Action::MemberAccessSet, member.id).team(cmd.team).set("user", cmd.user);
    tx.commit(recalled.noted(entry.access(Some(before), Some(cmd.access)))).await?;
    Ok(team)
}

/// Takes a person out of a team, or lets them leave. Their ways back in, an authorised address or an open invitation, close
/// with it, as do the invitations that they gave; to who was put out, so does the team's domain. Whom the team's identity provider
/// vouched for is signed out.
pub async fn remove(ctx: &Domain, actor: &Actor, team: TeamId, user: UserId) -> Result<team::Model> {
    let tx = Tx::begin(ctx).await?;
    tx.alone("members of", team).await?;
    let right = if actor.user_id() == Some(user) { MemberRight::Belong } else { MemberRight::ManageTeam };
    require_member(tx.db(), actor, team, right).await?;
    let row = teams::find(tx.db(), team).await?;
    let (member, others) = member_and_others(&tx, team, user).await?;
    let before = Access::of(&member);
    keeps_each_area(others, before, None)?;
    close_ways_back(&tx, team, user).await?;
    let unlinked = identities::unlink_from_team(&tx, team, user).await?;
    if actor.user_id() != Some(user) {
        tx.insert(removed_member::Model { team_id: team, user_id: user, removed_at: tx.now() }).await?;
    }
    let (id, joined_at) = (member.id, member.joined_at);
    member.delete(tx.db()).await?;
    let recalled = recall(&tx, user, Some(team)).await?;
    let entry = Audit::of(actor, Action::MemberRemoved, id).team(team).change("user", user, None::<UserId>);
    let entry = entry.set("joinedAt", joined_at).change("ssoLinked", unlinked, false);
    tx.commit(recalled.noted(entry.access(Some(before), None))).await?;
    Ok(row)
}

/// The member, and how many others have full access to each area. The caller is alone, so that two cannot step down at once.
async fn member_and_others(tx: &Tx<'_>, team: TeamId, user: UserId) -> Result<(membership::Model, Full)> {
    use membership::Column::{AccessBilling, AccessCredentials, AccessTeam, UserId};
    let member = find(tx.db(), team, user).await?.ok_or(DomainError::NotFound("member"))?;
    let others = async |area: membership::Column| {
        let full = membership::Entity::for_team(team).filter(area.eq(AccessLevel::Full)).filter(UserId.ne(user));
        full.count(tx.db()).await
    };
    let (team, credentials, billing) =
        (others(AccessTeam).await?, others(AccessCredentials).await?, others(AccessBilling).await?);
    Ok((member, Full { team, credentials, billing }))
}

async fn close_ways_back(tx: &Tx<'_>, team: TeamId, user: UserId) -> Result<()> {
    let Some(person) = user::Entity::find_by_id(user).one(tx.db()).await? else { return Ok(()) };
    authorized_email::Entity::delete_many()
        .filter(authorized_email::Column::TeamId.eq(team))
        .filter(authorized_email::Column::Email.eq(&person.email))
        .exec(tx.db())
        .await?;
    invitation::Entity::update_many()
        .col_expr(invitation::Column::Status, Expr::value(InvitationStatus::Revoked))
        .filter(invitation::Column::TeamId.eq(team))
        .filter(invitation::Column::Email.eq(&person.email))
        .filter(invitation::Column::Status.eq(InvitationStatus::Pending))
        .exec(tx.db())
        .await?;
    Ok(())
}
