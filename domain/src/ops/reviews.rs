//! What reviewers decide: on submissions, and on subscriptions that wait for approval. Deciding twice is refused by state: of
//! two at the same instant one finds the row changed, reads it again, and is refused.

use entities::{
    columns::Answers,
    enums::{PipelinePhase, RequestStatus, SubscriptionStatus},
    id::{SubmissionId, SubscriptionId, UserId},
    plan,
    submission::{Column, Entity, Model},
    subscription, user,
};
use sea_orm::{ActiveValue::Set, EntityTrait, IntoActiveModel};

use super::{
    endings, plan_changes, production, review_queue, submissions,
    subscriptions::{client_of, facts},
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{require_reviewer, require_staff},
    audit::{Action, Audit},
    notices,
    rules::{
        notice::Notice,
        pipeline::{self, Event},
        policy::{MemberRight, StaffRight},
        subscription as rule, text,
    },
    tx::retrying,
    updates::Update,
};

const NOTES_MAX: usize = 2000;

/// A reviewer takes a submission: the team sees that it is looked at, and by whom.
pub async fn start(ctx: &Domain, actor: &Actor, id: SubmissionId) -> Result<subscription::Model> {
    decide(ctx, actor, id, None, Event::Start).await
}

/// Opens production: its credential is issued, unclaimed, and answers that have a target are applied.
pub async fn approve(ctx: &Domain, actor: &Actor, id: SubmissionId, notes: Option<&str>) -> Result<subscription::Model> {
    decide(ctx, actor, id, notes, Event::Approve).await
}

pub async fn reject(ctx: &Domain, actor: &Actor, id: SubmissionId, notes: Option<&str>) -> Result<subscription::Model> {
    decide(ctx, actor, id, notes, Event::Reject).await
}

/// Sends a submission back, with notes that say what to change; a rejected one is reopened by it.
pub async fn request_changes(ctx: &Domain, actor: &Actor, id: SubmissionId, notes: Option<&str>) -> Result<subscription::Model> {
    decide(ctx, actor, id, notes, Event::RequestChanges).await
}

async fn decide(ctx: &Domain, actor: &Actor, id: SubmissionId, notes: Option<&str>, event: Event) -> Result<subscription::Model> {
    require_staff(actor, StaffRight::Review)?;
    let notes = text::prose("notes", notes, NOTES_MAX)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let (row, held, plan) = load(&tx, id).await?;
        let reviewer = require_reviewer(tx.db(), actor, plan.approval_group_id, row.team_id).await?;
        if event == Event::RequestChanges && notes.is_none() {
            return Err(DomainError::refused(ProblemCode::NotesRequired, "notes", "say what has to change"));
        }
        let status = pipeline::decide(row.status, event)?;
        only_the_last(&tx, &row).await?;
        let phase = pipeline::step(still_on_the_road(&held)?, event)?;
        let after = write(&tx, &row, status, reviewer, notes.clone(), event).await?;
        let held_after = submissions::set_phase(&tx, &held, phase, event == Event::RequestChanges).await?;
        let mut entry = Audit::of(actor, action(event), id).team(held.team_id).set("subscription", held.id);
        entry = entry.change("status", row.status, after.status).change("phase", held.phase, held_after.phase);
        entry = entry.set("notes", &notes);
        if event == Event::Approve {
            let client = client_of(tx.db(), held.id).await?;
            let opened = production::open(&tx, &client, plan.submission_form.as_ref(), &row.answers).await?;
            entry = opened.noted(entry);
        }
        tell_of(&tx, actor, &held_after, event, notes.clone()).await?;
        tx.commit(entry).await?;
        Ok(held_after)
    })
    .await
}

/// The team is told of what was decided.
async fn tell_of(tx: &Tx<'_>, actor: &Actor, held: &subscription::Model, event: Event, notes: Option<String>) -> Result<()> {
    let reviewer = match event {
        Event::Start => named(tx, actor).await?,
        _ => String::new(),
    };
    let notice = |held| match event {
        Event::Start => Some(Notice::ReviewStarted { held, reviewer }),
        Event::Approve => Some(Notice::SubmissionApproved { held, notes }),
        Event::Reject => Some(Notice::SubmissionRejected { held, notes }),
        Event::RequestChanges => Some(Notice::ChangesRequested { held, notes: notes.unwrap_or_default() }),
        Event::Submit | Event::Withdraw => None,
    };
    match notice(notices::held(tx, held).await?) {
        Some(notice) => notices::tell(tx, actor, notices::To::Team(held.team_id, MemberRight::ReadCredentials), &notice).await,
        None => Ok(()),
    }
}

/// How a reviewer is named to teams.
async fn named(tx: &Tx<'_>, actor: &Actor) -> Result<String> {
    let user = user::Entity::find_by_id(actor.signed_in()?).one(tx.db()).await?;
    Ok(user.and_then(|user| user.name).unwrap_or_else(|| "A reviewer".to_owned()))
}

fn action(event: Event) -> Action {
    match event {
        Event::Start => Action::ReviewStarted,
        Event::Approve => Action::SubmissionApproved,
        Event::Reject => Action::SubmissionRejected,
        Event::RequestChanges => Action::ChangesRequested,
        Event::Submit => Action::SubmissionSent,
        Event::Withdraw => Action::SubmissionWithdrawn,
    }
}

async fn load(tx: &Tx<'_>, id: SubmissionId) -> Result<(Model, subscription::Model, plan::Model)> {
    let row = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("submission"))?;
    let held = subscription::Entity::find_by_id(row.subscription_id).one(tx.db()).await?;
    let held = held.ok_or(DomainError::NotFound("submission"))?;
    let plan = plan::Entity::find_by_id(row.plan_id).one(tx.db()).await?.ok_or(DomainError::NotFound("plan"))?;
    Ok((row, held, plan))
}

/// What ended, or was moved to a plan without a sandbox, waits for no decision, though what was submitted before may be read.
fn still_on_the_road(held: &subscription::Model) -> Result<PipelinePhase> {
    let wrong = |say: &str| DomainError::refused(ProblemCode::WrongState, "submissionId", say);
    if rule::is_final(held.status) {
        return Err(wrong("the subscription has ended: there is nothing to decide"));
    }
    held.phase.ok_or_else(|| wrong("the subscription is under a plan without a sandbox now: there is nothing to decide"))
}

/// What was read has to be what is decided on.
async fn only_the_last(tx: &Tx<'_>, row: &Model) -> Result<()> {
    let latest = submissions::latest(tx.db(), row.subscription_id).await?;
    if latest.is_some_and(|latest| latest.id == row.id) {
        return Ok(());
    }
    let say = "the work was submitted again since: read the newer submission";
    Err(DomainError::refused(ProblemCode::WrongState, "submissionId", say))
}

async fn write(
    tx: &Tx<'_>,
    before: &Model,
    status: entities::enums::SubmissionStatus,
    reviewer: UserId,
    notes: Option<String>,
    event: Event,
) -> Result<Model> {
    let mut row = before.clone().into_active_model();
    row.status = Set(status);
    row.reviewer_id = Set(Some(reviewer));
    if event == Event::Start {
        review_queue::take(tx, before.id.0, reviewer).await?;
    } else {
        row.decided_at = Set(Some(tx.now()));
        row.notes = Set(notes);
        let state = if event == Event::Approve { RequestStatus::Approved } else { RequestStatus::Declined };
        review_queue::settle(tx, before.id.0, state, Some(reviewer)).await?;
    }
    tx.update::<Entity>(row, Column::Version, before.version).await
}

/// Lets a subscription to a plan without a sandbox begin, or one that is to be moved go to its new plan.
pub async fn approve_subscription(
    ctx: &Domain,
    actor: &Actor,
    id: SubscriptionId,
    notes: Option<&str>,
) -> Result<subscription::Model> {
    decide_subscription(ctx, actor, id, notes, rule::Event::Approve).await
}

pub async fn reject_subscription(
    ctx: &Domain,
    actor: &Actor,
    id: SubscriptionId,
    notes: Option<&str>,
) -> Result<subscription::Model> {
    decide_subscription(ctx, actor, id, notes, rule::Event::Reject).await
}

async fn decide_subscription(
    ctx: &Domain,
    actor: &Actor,
    id: SubscriptionId,
    notes: Option<&str>,
    event: rule::Event,
) -> Result<subscription::Model> {
    require_staff(actor, StaffRight::Review)?;
    let notes = text::prose("notes", notes, NOTES_MAX)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = subscription::Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("subscription"))?;
        let asked = before.pending_plan_id.unwrap_or(before.plan_id);
        let plan = plan::Entity::find_by_id(asked).one(tx.db()).await?.ok_or(DomainError::NotFound("plan"))?;
        let reviewer = require_reviewer(tx.db(), actor, plan.approval_group_id, before.team_id).await?;
        let approved = event == rule::Event::Approve;
        if before.pending_plan_id.is_some() {
            return plan_changes::decide(tx, actor, reviewer, (before, plan), approved, notes.clone()).await;
        }
        let status = rule::step(before.status, event, facts(&before))?;
        let mut row = before.clone().into_active_model();
        row.status = Set(status);
        row.status_reason = Set(notes.clone());
        if status == SubscriptionStatus::Active {
            row.activated_at = Set(Some(tx.now()));
            row.expires_at = Set(endings::expiry(&plan, tx.now()));
        }
        let after = tx.update::<subscription::Entity>(row, subscription::Column::Version, before.version).await?;
        tx.announce(Update::Subscription(id));
        let state = if approved { RequestStatus::Approved } else { RequestStatus::Declined };
        review_queue::settle(&tx, id.0, state, Some(reviewer)).await?;
        let what = if approved { Action::SubscriptionApproved } else { Action::SubscriptionRejected };
        let mut entry = Audit::of(actor, what, id).team(after.team_id).change("status", before.status, after.status);
        entry = entry.set("notes", &notes);
        if after.status == SubscriptionStatus::Active {
            endings::await_end(&tx, &after).await?;
            let client = client_of(tx.db(), id).await?;
            let opened = production::open(&tx, &client, None, &Answers::default()).await?;
            entry = opened.noted(entry);
        }
        let notes = notes.clone();
        let notice = |held| match approved {
            true => Notice::SubscriptionApproved { held, notes },
            false => Notice::SubscriptionRejected { held, notes },
        };
        notices::tell_holders(&tx, actor, &after, notice).await?;
        tx.commit(entry).await?;
        Ok(after)
    })
    .await
}
