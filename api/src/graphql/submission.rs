//! The road from the sandbox to production: submissions, and what reviewers decide on them.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    ops::{reviews, submissions},
    read,
    rules::{evidence, pipeline, policy::MemberRight},
};
use entities::{columns::Answer, submission, subscription};

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        custom_property::{CustomPropertyInput, CustomPropertyValue},
        enums::{PipelinePhase, StepState, SubmissionStatus},
        evidence::Evidence,
        loaders::found,
        loaders::lists::{LatestSubmissionOf, SeenOf, may, one},
        payload::payload,
        request::{OrGraphql, RequestContext, id_of, page},
        subscription::{Subscription, SubscriptionIdInput, SubscriptionPayload},
        user::User,
    },
};

/// How far a subscription is on the road to production.
pub struct Pipeline {
    held: subscription::Model,
    phase: entities::enums::PipelinePhase,
}

impl Pipeline {
    /// `None` where the plan has no sandbox.
    pub fn of(held: &subscription::Model) -> Option<Self> {
        Some(Self { phase: held.phase?, held: held.clone() })
    }

    async fn latest(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<submission::Model>> {
        one(ctx, LatestSubmissionOf(self.held.id)).await
    }
}

#[Object]
impl Pipeline {
    async fn phase(&self) -> PipelinePhase {
        self.phase.into()
    }
    /// The last submission was sent back, and its notes say what has to change.
    async fn changes_requested(&self) -> bool {
        self.held.changes_requested
    }
    /// Sandbox, review, production.
    async fn steps(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<PipelineStep>> {
        let latest = self.latest(ctx).await?;
        let (submitted, decided) = latest.map(|row| (row.submitted_at, row.decided_at)).unzip();
        let steps = pipeline::steps(self.phase, self.held.created_at, submitted, decided.flatten());
        let shown = |step: pipeline::Step| PipelineStep { phase: step.phase.into(), state: step.state.into(), at: step.at };
        Ok(steps.into_iter().map(shown).collect())
    }
    /// The last one.
    async fn submission(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Submission>> {
        Ok(self.latest(ctx).await?.map(Submission))
    }
    /// All submissions, newest first.
    async fn history(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
    ) -> async_graphql::Result<SubmissionConnection> {
        let page = page(ctx, first, after, last, before);
        let rows = read::submissions::of_subscription(ctx.op(), self.held.id, &page).await.or_graphql()?;
        Ok(SubmissionConnection(rows.map(Submission)))
    }
    /// Whether the state allows it; that there is a sandbox credential is checked when it is submitted.
    async fn can_submit(&self) -> bool {
        pipeline::can_submit(self.held.status, self.held.phase).is_ok()
    }
    /// What the sandbox traffic of the last 90 days shows of the plan's checklist by now; a submission keeps what it showed then.
    /// For those who may see credentials and logs; empty for others. An environment whose log goes elsewhere shows no calls.
    async fn evidence(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Evidence>> {
        let plan = found(ctx.loaders().plans.load_one(self.held.plan_id).await)?;
        if plan.review_checklist.is_empty() || !may(ctx, self.held.team_id, MemberRight::ReadCredentials).await? {
            return Ok(Vec::new());
        }
        let seen = one(ctx, SeenOf(self.held.id)).await?.unwrap_or_default();
        Ok(evidence::judge(&plan.review_checklist, &seen, ctx.op().now()).into_iter().map(Into::into).collect())
    }
    /// Null where nothing is under review.
    async fn review_due_at(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DateTime<Utc>>> {
        if self.phase != entities::enums::PipelinePhase::InReview {
            return Ok(None);
        }
        Ok(self.latest(ctx).await?.map(|row| row.due_at))
    }
}

#[derive(SimpleObject)]
pub struct PipelineStep {
    phase: PipelinePhase,
    state: StepState,
    /// Since when.
    at: Option<DateTime<Utc>>,
}

/// Sandbox work, handed in for review.
pub struct Submission(pub submission::Model);

connection! { SubmissionConnection SubmissionEdge Submission }

impl HasCursor for Submission {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Submission {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn status(&self) -> SubmissionStatus {
        self.0.status.into()
    }
    /// In the order of the form's fields.
    async fn answers(&self) -> Vec<CustomPropertyValue> {
        self.0.answers.iter().cloned().map(Into::into).collect()
    }
    /// What the sandbox traffic showed of the plan's checklist when it was submitted.
    /// For those who may see credentials and logs; empty for others. An environment whose log goes elsewhere shows no calls.
    async fn evidence(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Evidence>> {
        let shown = !self.0.evidence.is_empty() && may(ctx, self.0.team_id, MemberRight::ReadCredentials).await?;
        Ok(self.0.evidence.iter().filter(|_| shown).cloned().map(Into::into).collect())
    }
    async fn submitted_by(&self, ctx: &Context<'_>) -> async_graphql::Result<User> {
        found(ctx.loaders().users.load_one(self.0.submitted_by).await).map(User)
    }
    async fn submitted_at(&self) -> DateTime<Utc> {
        self.0.submitted_at
    }
    /// Who took it, then who decided; null for an automatic approval.
    async fn reviewer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.0.reviewer_id else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row)))
    }
    async fn decided_at(&self) -> Option<DateTime<Utc>> {
        self.0.decided_at
    }
    /// What the reviewer said.
    async fn notes(&self) -> Option<&str> {
        self.0.notes.as_deref()
    }
    async fn due_at(&self) -> DateTime<Utc> {
        self.0.due_at
    }
}

#[derive(InputObject)]
pub struct SubmitForReviewInput {
    subscription_id: ID,
    /// To the plan's form.
    answers: Option<Vec<CustomPropertyInput>>,
}

#[derive(InputObject)]
pub struct SubmissionIdInput {
    submission_id: ID,
}

#[derive(InputObject)]
pub struct DecideSubmissionInput {
    /// The one that was read: another handed in since cannot be decided by mistake.
    submission_id: ID,
    /// Shown to the team.
    notes: Option<String>,
}

type Decided = async_graphql::Result<Option<SubscriptionPayload>>;

#[derive(Default)]
pub struct SubmissionMutation;

#[Object]
impl SubmissionMutation {
    /// Needs a sandbox credential, and the plan's form filled in. Under an AUTOMATIC plan it is approved at once.
    async fn submit_for_review(&self, ctx: &Context<'_>, input: SubmitForReviewInput) -> Decided {
        payload(submit(ctx, input).await.map(Subscription))
    }
    /// Back to the sandbox; it may be submitted again.
    async fn withdraw_submission(&self, ctx: &Context<'_>, input: SubscriptionIdInput) -> Decided {
        payload(withdraw(ctx, &input).await.map(Subscription))
    }
    /// Reviewers: takes it; the team sees that it is looked at, and by whom.
    async fn start_review(&self, ctx: &Context<'_>, input: SubmissionIdInput) -> Decided {
        payload(start(ctx, &input).await.map(Subscription))
    }
    /// Reviewers: opens production. Its credential is issued, and claimed by a developer of the team.
    async fn approve_submission(&self, ctx: &Context<'_>, input: DecideSubmissionInput) -> Decided {
        payload(approve(ctx, &input).await.map(Subscription))
    }
    /// Reviewers: production stays closed.
    async fn reject_submission(&self, ctx: &Context<'_>, input: DecideSubmissionInput) -> Decided {
        payload(reject(ctx, &input).await.map(Subscription))
    }
    /// Reviewers: sends it back; notes say what has to change. Reopens a rejected one.
    async fn request_changes(&self, ctx: &Context<'_>, input: DecideSubmissionInput) -> Decided {
        payload(request_changes(ctx, &input).await.map(Subscription))
    }
}

async fn submit(ctx: &Context<'_>, input: SubmitForReviewInput) -> domain::Result<subscription::Model> {
    let id = id_of(&input.subscription_id, "subscription")?;
    let answers: Vec<Answer> = input.answers.unwrap_or_default().into_iter().map(Into::into).collect();
    submissions::submit(ctx.op(), ctx.actor(), id, &answers).await
}

async fn withdraw(ctx: &Context<'_>, input: &SubscriptionIdInput) -> domain::Result<subscription::Model> {
    submissions::withdraw(ctx.op(), ctx.actor(), id_of(&input.subscription_id, "subscription")?).await
}

async fn start(ctx: &Context<'_>, input: &SubmissionIdInput) -> domain::Result<subscription::Model> {
    reviews::start(ctx.op(), ctx.actor(), id_of(&input.submission_id, "submission")?).await
}

async fn approve(ctx: &Context<'_>, input: &DecideSubmissionInput) -> domain::Result<subscription::Model> {
    let id = id_of(&input.submission_id, "submission")?;
    reviews::approve(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await
}

async fn reject(ctx: &Context<'_>, input: &DecideSubmissionInput) -> domain::Result<subscription::Model> {
    let id = id_of(&input.submission_id, "submission")?;
    reviews::reject(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await
}

async fn request_changes(ctx: &Context<'_>, input: &DecideSubmissionInput) -> domain::Result<subscription::Model> {
    let id = id_of(&input.submission_id, "submission")?;
    reviews::request_changes(ctx.op(), ctx.actor(), id, input.notes.as_deref()).await
}
