//! Handing sandbox work in for review, and taking it back.

use entities::{
    columns::{Answer, Answers, EvidenceList},
    credential,
    enums::{
        ApprovalLevel, CredentialStatus, Environment, OnboardingStage, PipelinePhase, QueueKind, RequestStatus, SubmissionStatus,
    },
    id::{ClientId, SubscriptionId},
    plan, profile,
    submission::{Column, Entity, Model},
    subscription,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::{
    onboarding_stages, production, review_queue,
    subscriptions::{client_of, level, of_member},
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::{membership, require_somebody},
    audit::{Action, Audit},
    notices, read,
    rules::{
        credential::has_credentials,
        evidence, form,
        notice::Notice,
        pipeline::{self, Event},
    },
    tx::retrying,
    updates::Update,
};

/// A member submits a subscription's sandbox work. Under an AUTOMATIC plan a form that is filled in right is the approval.
pub async fn submit(ctx: &Domain, actor: &Actor, id: SubscriptionId, answers: &[Answer]) -> Result<subscription::Model> {
    require_somebody(actor)?;
    let evidence = evidence_of(ctx, actor, id).await?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let held = of_member(&tx, actor, id).await?;
        pipeline::can_submit(held.status, held.phase)?;
        let plan = plan::Entity::find_by_id(held.plan_id).one(tx.db()).await?.ok_or(DomainError::NotFound("plan"))?;
        let client = client_of(tx.db(), id).await?;
        require_sandbox_credential(&tx, client.id).await?;
        let fields = plan.submission_form.iter().flat_map(|form| form.fields());
        let answers = form::answers("answers", fields, answers, ctx.outgoing.reach()).map_err(DomainError::Refused)?;
        let automatic = level(&plan) == ApprovalLevel::Automatic;
        let due_at = review_queue::due(&tx, plan.approval).await?;
        let row = tx.insert(new(&tx, actor, &held, (answers, evidence.clone()), automatic, due_at)?).await?;
        onboarding_stages::reached(&tx, held.team_id, OnboardingStage::Submitted).await?;
        let entry = Audit::of(actor, Action::SubmissionSent, row.id).team(held.team_id);
        let entry = entry.set("subscription", id).set("answers", &row.answers).set("status", row.status);
        let (phase, entry) = if automatic {
            let opened = production::open(&tx, &client, plan.submission_form.as_ref(), &row.answers).await?;
            (PipelinePhase::Production, opened.noted(entry))
        } else {
            let request = review_queue::Request {
                kind: QueueKind::Submission,
                subject: row.id.0,
                team: held.team_id,
                plan: Some(&plan),
                by: row.submitted_by,
                reason: None,
            };
            review_queue::open(&tx, request, due_at).await?;
            let received = |held| Notice::SubmissionReceived { held, due_at };
            notices::tell_reviewers(&tx, actor, plan.approval_group_id, &held, received).await?;
            (PipelinePhase::InReview, entry)
        };
        let after = set_phase(&tx, &held, phase, false).await?;
        tx.commit(entry.change("phase", held.phase, after.phase)).await?;
        Ok(after)
    })
    .await
}

/// What the sandbox traffic shows of the plan's checklist by now. Read before anything is locked: the log may be long.
async fn evidence_of(ctx: &Domain, actor: &Actor, id: SubscriptionId) -> Result<EvidenceList> {
    let Some(held) = subscription::Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(EvidenceList::default()) };
    let member = membership(&ctx.db, actor, held.team_id).await?;
    let plan = plan::Entity::find_by_id(held.plan_id).one(&ctx.db).await?;
    let Some(plan) = plan.filter(|plan| member.is_some() && !plan.review_checklist.is_empty()) else {
        return Ok(EvidenceList::default());
    };
    let seen = read::evidence::seen_of(ctx, &[id]).await?.remove(&id).unwrap_or_default();
    Ok(EvidenceList(evidence::judge(&plan.review_checklist, &seen, ctx.now())))
}

/// A member takes a submission back; it may be submitted again.
pub async fn withdraw(ctx: &Domain, actor: &Actor, id: SubscriptionId) -> Result<subscription::Model> {
    require_somebody(actor)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let held = of_member(&tx, actor, id).await?;
        let phase = held.phase.ok_or_else(|| {
            DomainError::refused(ProblemCode::WrongState, "", "the plan has no sandbox: there is no submission")
        })?;
        let phase = pipeline::step(phase, Event::Withdraw)?;
        let row = latest(tx.db(), id).await?.ok_or_else(|| DomainError::internal("in review without a submission"))?;
        let status = pipeline::decide(row.status, Event::Withdraw)?;
        close(&tx, &row, status).await?;
        let after = set_phase(&tx, &held, phase, false).await?;
        let plan = plan::Entity::find_by_id(held.plan_id).one(tx.db()).await?.ok_or(DomainError::NotFound("plan"))?;
        let withdrawn = |held| Notice::SubmissionWithdrawn { held };
        notices::tell_reviewers(&tx, actor, plan.approval_group_id, &held, withdrawn).await?;
        let entry = Audit::of(actor, Action::SubmissionWithdrawn, row.id).team(held.team_id).set("subscription", id);
        tx.commit(entry.change("status", row.status, status).change("phase", held.phase, after.phase)).await?;
        Ok(after)
    })
    .await
}

/// Closes what a subscription that ends has under review.
pub(super) async fn close_open(tx: &Tx<'_>, id: SubscriptionId) -> Result<()> {
    match latest(tx.db(), id).await? {
        Some(row) if matches!(row.status, SubmissionStatus::Received | SubmissionStatus::InReview) => {
            close(tx, &row, SubmissionStatus::Withdrawn).await
        }
        _ => Ok(()),
    }
}

async fn close(tx: &Tx<'_>, before: &Model, status: SubmissionStatus) -> Result<()> {
    let mut row = before.clone().into_active_model();
    row.status = Set(status);
    row.decided_at = Set(Some(tx.now()));
    tx.update::<Entity>(row, Column::Version, before.version).await?;
    review_queue::settle(tx, before.id.0, RequestStatus::Withdrawn, None).await
}

/// The last one that was handed in.
pub(super) async fn latest(db: &impl ConnectionTrait, id: SubscriptionId) -> Result<Option<Model>> {
    Ok(Entity::find().filter(Column::SubscriptionId.eq(id)).order_by_desc(Column::Id).one(db).await?)
}

pub(super) async fn set_phase(
    tx: &Tx<'_>,
    held: &subscription::Model,
    phase: PipelinePhase,
    changes_requested: bool,
) -> Result<subscription::Model> {
    let mut row = held.clone().into_active_model();
    row.phase = Set(Some(phase));
    row.changes_requested = Set(changes_requested);
    tx.announce(Update::Subscription(held.id));
    tx.update::<subscription::Entity>(row, subscription::Column::Version, held.version).await
}

fn new(
    tx: &Tx<'_>,
    actor: &Actor,
    held: &subscription::Model,
    (answers, evidence): (Answers, EvidenceList),
    automatic: bool,
    due_at: chrono::DateTime<chrono::Utc>,
) -> Result<Model> {
    Ok(Model {
        id: tx.ctx().env.id(),
        subscription_id: held.id,
        team_id: held.team_id,
        plan_id: held.plan_id,
        status: if automatic { SubmissionStatus::Approved } else { SubmissionStatus::Received },
        answers,
        evidence,
        submitted_by: actor.signed_in()?,
        submitted_at: tx.now(),
        due_at,
        reviewer_id: None,
        decided_at: automatic.then_some(tx.now()),
        notes: None,
        version: 1,
    })
}

/// Work in a sandbox that nobody could call is not there to be reviewed.
async fn require_sandbox_credential(tx: &Tx<'_>, client: ClientId) -> Result<()> {
    let profile = profile::Entity::find()
        .filter(profile::Column::ClientId.eq(client))
        .filter(profile::Column::Environment.eq(Environment::Sandbox))
        .one(tx.db())
        .await?;
    let Some(profile) = profile.filter(|profile| has_credentials(profile.auth_method)) else { return Ok(()) };
    let live = credential::Entity::find()
        .filter(credential::Column::ProfileId.eq(profile.id))
        .filter(credential::Column::Status.eq(CredentialStatus::Active))
        .filter(credential::Column::ExpiresAt.is_null().or(credential::Column::ExpiresAt.gt(tx.now())));
    if live.one(tx.db()).await?.is_some() {
        return Ok(());
    }
    let say = "submitting needs a sandbox credential: make one and try your calls first";
    Err(DomainError::refused(ProblemCode::CredentialsRequired, "subscriptionId", say))
}
