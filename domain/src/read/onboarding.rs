//! Where partners stand on their way to production, and how they fare.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use entities::{
    enums::{OnboardingStage, SubmissionStatus, SupportTopic},
    id::TeamId,
    onboarding_stage, submission, support_request, team,
};
use sea_orm::{
    ActiveEnum, ColumnTrait, EntityTrait, FromQueryResult, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Query, SelectStatement, SimpleExpr},
};

use super::page::{Page, PageRequest, newest_first};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result,
    access::require_staff,
    rules::{
        onboarding::{self, Metrics, Partner, SUPPORT_COUNTED},
        policy::StaffRight,
    },
};

/// Partners' teams, newest first, for staff; those that stand at `stage`, or all. The provider's own are left out.
pub async fn pipeline(
    ctx: &Domain,
    actor: &Actor,
    stage: Option<OnboardingStage>,
    page: &PageRequest,
) -> Result<Page<team::Model>> {
    require_staff(actor, StaffRight::Read)?;
    let mut list = team::Entity::find().filter(team::Column::Internal.eq(false));
    if let Some(stage) = stage {
        // No team is without an invitation.
        if stage > OnboardingStage::Invited {
            list = list.filter(reached_one_of(vec![stage]));
        }
        let later = onboarding::later(stage);
        if !later.is_empty() {
            list = list.filter(reached_one_of(later).not());
        }
    }
    newest_first::<_, TeamId>(ctx, list, team::Column::Id, page).await
}

/// Two look-ups in an index a team: the page ends when it is full. The stages stand in the statement itself: few are at some and
/// nearly all at others, and PostgreSQL plans by what it knows.
fn reached_one_of(stages: Vec<OnboardingStage>) -> SimpleExpr {
    use onboarding_stage::{Column, Entity};
    let stages = stages.into_iter().map(|stage| SimpleExpr::Constant(stage.to_value().into()));
    let reached = Query::select()
        .expr(Expr::val(1))
        .from(Entity)
        .and_where(Expr::col((Entity, Column::TeamId)).equals((team::Entity, team::Column::Id)))
        .and_where(Expr::col((Entity, Column::Stage)).is_in(stages))
        .to_owned();
    Expr::exists(reached)
}

/// What teams reached, in the order of the way.
pub async fn stages_of(ctx: &Domain, teams: &[TeamId]) -> Result<HashMap<TeamId, Vec<onboarding_stage::Model>>> {
    use onboarding_stage::Column;
    let rows = onboarding_stage::Entity::find().filter(Column::TeamId.is_in(teams.iter().map(|id| id.0))).all(&ctx.db).await?;
    let mut stages: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        stages.entry(row.team_id).or_default().push(row);
    }
    stages.values_mut().for_each(|rows| rows.sort_by_key(|row| row.stage));
    Ok(stages)
}

/// How many requests teams sent to support; no entry where none.
pub async fn support_requests_of(ctx: &Domain, teams: &[TeamId]) -> Result<HashMap<TeamId, i64>> {
    use support_request::Column;
    let counts: Vec<(TeamId, i64)> = support_request::Entity::find()
        .filter(Column::TeamId.is_in(teams.iter().map(|id| id.0)))
        .select_only()
        .column(Column::TeamId)
        .column_as(Column::Id.count(), "requests")
        .group_by(Column::TeamId)
        .into_tuple()
        .all(&ctx.db)
        .await?;
    Ok(counts.into_iter().collect())
}

/// How the partners that were invited from `from` until just before `to` fared, for staff.
pub async fn metrics(ctx: &Domain, actor: &Actor, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Metrics> {
    require_staff(actor, StaffRight::Read)?;
    if from >= to {
        let say = "from must be before to: from is the first moment that counts, to the first that does not";
        return Err(DomainError::refused(ProblemCode::Invalid, "from", say));
    }
    let mut partners = reached(ctx, from, to).await?;
    for request in asked(ctx, from, to).await? {
        if let Some(partner) = partners.get_mut(&request.team_id) {
            partner.support_requests.push((request.topic, request.created_at));
        }
    }
    for (team, submitted_at, decided_at) in reviewed(ctx, from, to).await? {
        if let Some(partner) = partners.get_mut(&team) {
            partner.reviews.push(decided_at - submitted_at);
        }
    }
    Ok(onboarding::metrics(&partners.into_values().collect::<Vec<_>>()))
}

/// Partners that were invited within these times.
fn invited(from: DateTime<Utc>, to: DateTime<Utc>) -> SelectStatement {
    use onboarding_stage::Column;
    let partners = team::Entity::find().filter(team::Column::Internal.eq(false)).select_only().column(team::Column::Id);
    onboarding_stage::Entity::find()
        .filter(Column::Stage.eq(OnboardingStage::Invited))
        .filter(Column::At.gte(from))
        .filter(Column::At.lt(to))
        .filter(Column::TeamId.in_subquery(partners.into_query()))
        .select_only()
        .column(Column::TeamId)
        .into_query()
}

async fn reached(ctx: &Domain, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<HashMap<TeamId, Partner>> {
    let rows = onboarding_stage::Entity::find()
        .filter(onboarding_stage::Column::TeamId.in_subquery(invited(from, to)))
        .all(&ctx.db)
        .await?;
    let mut stages: HashMap<TeamId, BTreeMap<_, _>> = HashMap::new();
    for row in rows {
        stages.entry(row.team_id).or_default().insert(row.stage, row.at);
    }
    let partner = |reached: BTreeMap<_, _>| {
        let invited_at = *reached.get(&OnboardingStage::Invited)?;
        Some(Partner { invited_at, reached, support_requests: Vec::new(), reviews: Vec::new() })
    };
    Ok(stages.into_iter().filter_map(|(team, reached)| Some((team, partner(reached)?))).collect())
}

/// Submissions that a reviewer decided on: team, when it was submitted, when decided.
async fn reviewed(ctx: &Domain, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<(TeamId, DateTime<Utc>, DateTime<Utc>)>> {
    use submission::Column;
    let decided = [SubmissionStatus::Approved, SubmissionStatus::Rejected, SubmissionStatus::ChangesRequested];
    Ok(submission::Entity::find()
        .filter(Column::TeamId.in_subquery(invited(from, to)))
        .filter(Column::Status.is_in(decided))
        .filter(Column::ReviewerId.is_not_null())
        .filter(Column::DecidedAt.is_not_null())
        .select_only()
        .columns([Column::TeamId, Column::SubmittedAt, Column::DecidedAt])
        .into_tuple()
        .all(&ctx.db)
        .await?)
}

#[derive(FromQueryResult)]
struct Asked {
    team_id: TeamId,
    topic: SupportTopic,
    created_at: DateTime<Utc>,
}

async fn asked(ctx: &Domain, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Vec<Asked>> {
    use support_request::Column;
    Ok(support_request::Entity::find()
        .filter(Column::TeamId.in_subquery(invited(from, to)))
        .filter(Column::CreatedAt.lt(to.checked_add_signed(SUPPORT_COUNTED).unwrap_or(to)))
        .select_only()
        .columns([Column::TeamId, Column::Topic, Column::CreatedAt])
        .into_model()
        .all(&ctx.db)
        .await?)
}
