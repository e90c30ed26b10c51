//! Invitations, for the team, for the invited, and by the mailed token.

use chrono::{DateTime, Utc};
use entities::{
    enums::InvitationStatus,
    id::{InvitationId, TeamId},
    invitation, team, user,
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::page::{Page, PageRequest, newest_first};
use crate::{
    Actor, Domain, DomainError, Problem, Result, access,
    keyring::Purpose,
    rules::{
        invitation::{Step, link_signs_in, next, status_at},
        person,
        policy::MemberRight,
        sign_in::Refusal,
    },
};

/// What a mailed token says before anything is done with it.
#[derive(Debug, Clone)]
pub struct Preview {
    pub row: invitation::Model,
    pub team: String,
    pub invited_by: Option<String>,
    pub status: InvitationStatus,
    /// Why it cannot be accepted any more.
    pub over: Option<Problem>,
    /// Whether the link signs in by itself; else the invited has to sign in first.
    pub signs_in: bool,
}

/// The invitation that a token was made for; else the one it claims, and why it is not good.
pub async fn by_token(ctx: &Domain, token: &str) -> Result<std::result::Result<invitation::Model, (InvitationId, Refusal)>> {
    let id = ctx.keys.link_token_id(token).unwrap_or(InvitationId(Uuid::nil()));
    let found = invitation::Entity::find_by_id(id).one(&ctx.db).await?;
    let made_for = |generation| ctx.keys.verify_link_token(Purpose::Invitation, id, generation, token);
    Ok(match found {
        Some(row) if made_for(row.generation) => Ok(row),
        Some(row) if (1..row.generation).rev().any(made_for) => Err((id, Refusal::Replaced)),
        Some(_) | None => Err((id, Refusal::Unknown)),
    })
}

/// What the token's holder is told; refused for a token that was never ours, or was replaced by a newer mail.
pub async fn preview(ctx: &Domain, token: &str) -> Result<std::result::Result<Preview, Refusal>> {
    let row = match by_token(ctx, token).await? {
        Ok(row) => row,
        Err((_, refusal)) => return Ok(Err(refusal)),
    };
    let status = status_at(row.status, row.expires_at, ctx.now());
    let team = team::Entity::find_by_id(row.team_id).one(&ctx.db).await?.ok_or(DomainError::NotFound("team"))?;
    let inviter = match row.invited_by {
        Some(id) => user::Entity::find_by_id(id).one(&ctx.db).await?,
        None => None,
    };
    let minutes = super::portal::load(ctx).await?.magic_link_minutes;
    Ok(Ok(Preview {
        team: team.name,
        invited_by: inviter.map(|user| person::display_name(user.name.as_deref(), Some(&user.email), user.staff_role)),
        status,
        over: next(status, Step::Accept).err(),
        signs_in: link_signs_in(row.sent_at, row.link_used_at, minutes, ctx.now())
            && super::sso::only_way(ctx, &ctx.db, &row.email).await?.is_none(),
        row,
    }))
}

/// A team's invitations, newest first; `None` for who may not read its team area.
pub async fn of_team(
    ctx: &Domain,
    actor: &Actor,
    team: TeamId,
    status: Option<InvitationStatus>,
    page: &PageRequest,
) -> Result<Option<Page<invitation::Model>>> {
    if !access::allowed(&ctx.db, actor, team, MemberRight::ReadTeam).await? {
        return Ok(None);
    }
    let mut list = invitation::Entity::for_team(team);
    if let Some(status) = status {
        list = list.filter(has_status(status, ctx.now()));
    }
    newest_first::<_, InvitationId>(ctx, list, invitation::Column::Id, page).await.map(Some)
}

/// What an invitation has become by now.
pub fn status(ctx: &Domain, row: &invitation::Model) -> InvitationStatus {
    status_at(row.status, row.expires_at, ctx.now())
}

/// `rules::invitation::status_at`, as a condition.
fn has_status(status: InvitationStatus, now: DateTime<Utc>) -> Condition {
    let stored = |status: InvitationStatus| invitation::Column::Status.eq(status);
    match status {
        InvitationStatus::Pending => {
            Condition::all().add(stored(InvitationStatus::Pending)).add(invitation::Column::ExpiresAt.gt(now))
        }
        InvitationStatus::Expired => Condition::any()
            .add(stored(InvitationStatus::Expired))
            .add(Condition::all().add(stored(InvitationStatus::Pending)).add(invitation::Column::ExpiresAt.lte(now))),
        InvitationStatus::Accepted | InvitationStatus::Revoked => Condition::all().add(stored(status)),
    }
}

/// What waits for this person's answer, newest first.
pub async fn pending_for(ctx: &Domain, email: &str) -> Result<Vec<invitation::Model>> {
    Ok(invitation::Entity::find()
        .filter(invitation::Column::Email.eq(email))
        .filter(has_status(InvitationStatus::Pending, ctx.now()))
        .order_by_desc(invitation::Column::Id)
        .all(&ctx.db)
        .await?)
}

/// For the invited, and for who may read the team area; `None` for others.
pub async fn visible(ctx: &Domain, actor: &Actor, id: InvitationId) -> Result<Option<invitation::Model>> {
    let Some(row) = invitation::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    if let Some(user) = actor.user_id()
        && user::Entity::find_by_id(user).one(&ctx.db).await?.is_some_and(|user| user.email == row.email)
    {
        return Ok(Some(row));
    }
    Ok(access::allowed(&ctx.db, actor, row.team_id, MemberRight::ReadTeam).await?.then_some(row))
}
