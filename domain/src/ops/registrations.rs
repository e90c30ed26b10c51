//! Teams that people found themselves, where the portal lets nobody in unseen: they wait in the review queue.

use entities::{
    enums::{ApprovalLevel, QueueKind, RequestStatus, TeamStatus},
    id::{TeamId, UserId},
    queue_item,
    team::{Column, Entity, Model},
    user,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};

use super::{auto_subscribe, review_queue, teams};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{require_reviewer, require_staff},
    audit::{Action, Audit},
    notices::{To, tell},
    rules::{
        notice::Notice,
        policy::{MemberRight, StaffRight},
        team, text,
    },
    tx::retrying,
};

const NOTES_MAX: usize = 2000;
/// Teams of one founder that wait at a time.
const MOST_WAITING: u64 = 3;

/// Has reviewers decide on a team that was founded just now.
pub(super) async fn await_approval(tx: &Tx<'_>, actor: &Actor, team: &Model, founder: UserId) -> Result<()> {
    tx.alone("registrations of", founder).await?;
    if waiting_of(tx, founder).await? >= MOST_WAITING {
        let say = format!("{MOST_WAITING} teams of yours wait for approval already: wait for a decision on one of them");
        return Err(DomainError::refused(ProblemCode::LimitReached, "name", say));
    }
    let due_at = review_queue::due(tx, ApprovalLevel::Standard).await?;
    let request = review_queue::Request {
        kind: QueueKind::Registration,
        subject: team.id.0,
        team: team.id,
        plan: None,
        by: founder,
        reason: None,
    };
    review_queue::open(tx, request, due_at).await?;
    let founder = user::Entity::find_by_id(founder).one(tx.db()).await?.ok_or(DomainError::NotFound("user"))?;
    let notice = Notice::RegistrationWaiting { id: team.id, team: team.name.clone(), by: founder.email };
    tell(tx, actor, To::Reviewers(None), &notice).await
}

async fn waiting_of(tx: &Tx<'_>, founder: UserId) -> Result<u64> {
    use queue_item::Column as Q;
    let registrations = queue_item::Entity::find().filter(Q::Kind.eq(QueueKind::Registration)).filter(Q::RequestedBy.eq(founder));
    Ok(registrations.filter(Q::State.eq(RequestStatus::Pending)).count(tx.db()).await?)
}

/// Lets a team in: it holds at once what comes by itself.
pub async fn approve(ctx: &Domain, actor: &Actor, id: TeamId, notes: Option<&str>) -> Result<Model> {
    decide(ctx, actor, id, notes, TeamStatus::Active).await
}

/// Keeps a team out.
pub async fn decline(ctx: &Domain, actor: &Actor, id: TeamId, notes: Option<&str>) -> Result<Model> {
    decide(ctx, actor, id, notes, TeamStatus::Declined).await
}

async fn decide(ctx: &Domain, actor: &Actor, id: TeamId, notes: Option<&str>, to: TeamStatus) -> Result<Model> {
    require_staff(actor, StaffRight::Review)?;
    let notes = text::prose("notes", notes, NOTES_MAX)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = teams::find(tx.db(), id).await?;
        let reviewer = require_reviewer(tx.db(), actor, None, id).await?;
        team::decide(before.status)?;
        let mut row = before.clone().into_active_model();
        row.status = Set(to);
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        let approved = to == TeamStatus::Active;
        let state = if approved { RequestStatus::Approved } else { RequestStatus::Declined };
        review_queue::settle(&tx, id.0, state, Some(reviewer)).await?;
        let action = if approved { Action::RegistrationApproved } else { Action::RegistrationDeclined };
        let mut entry = Audit::of(actor, action, id).team(id).change("status", before.status, to).set("notes", &notes);
        if approved {
            entry = entry.set("subscriptions", auto_subscribe::to_all(&tx, &after).await?);
        }
        let (team, notes) = (after.name.clone(), notes.clone());
        let notice = match approved {
            true => Notice::RegistrationApproved { id, team, notes },
            false => Notice::RegistrationDeclined { id, team, notes },
        };
        tell(&tx, actor, To::Team(id, MemberRight::SeeTeam), &notice).await?;
        tx.commit(entry).await?;
        Ok(after)
    })
    .await
}
