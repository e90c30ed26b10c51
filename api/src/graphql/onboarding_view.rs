//! Where partners stand on their way to production.

use async_graphql::{Context, Object, SimpleObject};
use chrono::{DateTime, Utc};
use domain::{
    read,
    rules::{
        onboarding::{Metrics, furthest},
        policy::MemberRight,
    },
};
use entities::{onboarding_stage, team};

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        enums::{OnboardingStage, SupportTopic},
        loaders::lists::{StagesOf, SupportRequestsOf, may, one},
        request::{OrGraphql, RequestContext, page},
        scalars::Moment,
        team::Team,
    },
};

/// How far a team got.
#[derive(Debug, Clone)]
pub struct Onboarding(pub team::Model);

connection! { OnboardingConnection OnboardingEdge Onboarding }

impl HasCursor for Onboarding {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl Onboarding {
    async fn team(&self) -> Team {
        Team(self.0.clone())
    }
    /// The last on the way of the stages it reached. For who is not in the team yet: INVITED.
    async fn stage(&self, ctx: &Context<'_>) -> async_graphql::Result<OnboardingStage> {
        Ok(furthest(self.stages(ctx).await?.into_iter().map(|row| row.stage)).into())
    }
    /// In the order of the way; a team may pass without a stage. Empty for who is not in the team yet.
    async fn reached(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<StageReached>> {
        let reached = |row: onboarding_stage::Model| StageReached { stage: row.stage.into(), at: row.at };
        Ok(self.stages(ctx).await?.into_iter().map(reached).collect())
    }
    /// How many requests the team sent to support.
    async fn support_requests(&self, ctx: &Context<'_>) -> async_graphql::Result<i32> {
        if !self.sees(ctx).await? {
            return Ok(0);
        }
        let count = one(ctx, SupportRequestsOf(self.0.id)).await?.unwrap_or_default();
        Ok(i32::try_from(count).unwrap_or(i32::MAX))
    }
}

impl Onboarding {
    /// Members, staff, and who reads the audit log, which tells as much.
    async fn sees(&self, ctx: &Context<'_>) -> async_graphql::Result<bool> {
        may(ctx, self.0.id, MemberRight::SeeProgress).await
    }

    async fn stages(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<onboarding_stage::Model>> {
        if !self.sees(ctx).await? {
            return Ok(Vec::new());
        }
        Ok(one(ctx, StagesOf(self.0.id)).await?.unwrap_or_default())
    }
}

/// A stage and when a team first reached it.
#[derive(SimpleObject)]
pub struct StageReached {
    stage: OnboardingStage,
    at: DateTime<Utc>,
}

/// How the partners invited within a range of time fared. Times count from the invitation; null where nobody got that far.
#[derive(SimpleObject)]
pub struct OnboardingMetrics {
    partners: i32,
    median_seconds_to_first_sandbox_call: Option<f64>,
    median_seconds_to_first_production_call: Option<f64>,
    p90_seconds_to_first_production_call: Option<f64>,
    /// From a submission to a reviewer's decision; null where nothing was reviewed.
    median_review_seconds: Option<f64>,
    /// 0 without partners.
    support_requests_per_partner_first_30_days: f64,
    /// Of those requests, the most frequent topic first.
    support_by_topic: Vec<SupportCount>,
    /// All stages in the order of the way.
    funnel: Vec<FunnelStep>,
}

#[derive(SimpleObject)]
pub struct SupportCount {
    topic: SupportTopic,
    count: i32,
}

/// How many of the partners reached a stage. One may pass without: not every plan has a sandbox.
#[derive(SimpleObject)]
pub struct FunnelStep {
    stage: OnboardingStage,
    teams: i32,
}

impl From<Metrics> for OnboardingMetrics {
    fn from(seen: Metrics) -> Self {
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let count =
            |(topic, count): (entities::enums::SupportTopic, usize)| SupportCount { topic: topic.into(), count: number(count) };
        let step =
            |(stage, teams): (entities::enums::OnboardingStage, usize)| FunnelStep { stage: stage.into(), teams: number(teams) };
        Self {
            partners: number(seen.partners),
            median_seconds_to_first_sandbox_call: seen.median_to_first_sandbox_call,
            median_seconds_to_first_production_call: seen.median_to_first_production_call,
            p90_seconds_to_first_production_call: seen.p90_to_first_production_call,
            median_review_seconds: seen.median_review,
            support_requests_per_partner_first_30_days: seen.support_requests_per_partner,
            support_by_topic: seen.support_by_topic.into_iter().map(count).collect(),
            funnel: seen.funnel.into_iter().map(step).collect(),
        }
    }
}

/// Part of `Provider`, which is there for staff only.
#[derive(Default)]
pub struct ProviderOnboarding;

#[Object]
impl ProviderOnboarding {
    /// Partners' teams, newest first: those that stand at `stage`, or all. The provider's own teams are left out.
    async fn onboarding_pipeline(
        &self,
        ctx: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        stage: Option<OnboardingStage>,
    ) -> async_graphql::Result<OnboardingConnection> {
        let page = page(ctx, first, after, last, before);
        let teams = read::onboarding::pipeline(ctx.op(), ctx.actor(), stage.map(Into::into), &page).await.or_graphql()?;
        Ok(OnboardingConnection(teams.map(Onboarding)))
    }

    /// How the partners fared that were invited from `from` until just before `to`.
    async fn onboarding_metrics(&self, ctx: &Context<'_>, from: Moment, to: Moment) -> async_graphql::Result<OnboardingMetrics> {
        Ok(read::onboarding::metrics(ctx.op(), ctx.actor(), from.0, to.0).await.or_graphql()?.into())
    }
}
