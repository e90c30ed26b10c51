//! How far each team got on its way to production: a stage is noted the first time it is reached, in the transaction of what
//! reached it, because years of audit and log rows cannot be searched for it.

use chrono::{DateTime, Utc};
use entities::{
    enums::{Environment, OnboardingStage},
    id::TeamId,
    invitation,
    onboarding_stage::{Column, Entity, Model},
};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    sea_query::{Alias, Expr, OnConflict},
};

use crate::{Result, Tx};

/// Rows of one statement.
const ROWS: usize = 1_000;

/// A call of a team's that was answered with 2xx; there may have been others before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FirstCall {
    pub team: TeamId,
    pub environment: Environment,
    pub at: DateTime<Utc>,
}

/// Notes that a team reached a stage; later times leave the first as it is.
pub(crate) async fn reached(tx: &Tx<'_>, team: TeamId, stage: OnboardingStage) -> Result<()> {
    Entity::insert(Model { team_id: team, stage, at: tx.now() }.into_active_model())
        .on_conflict_do_nothing_on([Column::TeamId, Column::Stage])
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

/// Notes the first invitation to a team that staff made for a partner: its way starts with that, not with the team's row.
pub(crate) async fn invited(tx: &Tx<'_>, team: TeamId) -> Result<()> {
    let joined = Entity::find_by_id((team, OnboardingStage::SignedIn)).one(tx.db()).await?.is_some();
    let before = invitation::Entity::for_team(team).count(tx.db()).await? > 0;
    if joined || before {
        return Ok(());
    }
    let started = Entity::update_many().filter(Column::TeamId.eq(team)).filter(Column::Stage.eq(OnboardingStage::Invited));
    started.col_expr(Column::At, Expr::value(tx.now())).exec(tx.db()).await?;
    Ok(())
}

/// Notes that a team got a credential that it can call with.
pub(crate) async fn has_credential(tx: &Tx<'_>, team: TeamId, environment: Environment) -> Result<()> {
    let stage = match environment {
        Environment::Sandbox => OnboardingStage::SandboxCredential,
        Environment::Production => OnboardingStage::ProductionCredential,
    };
    reached(tx, team, stage).await
}

/// Notes which teams' calls got through.
pub(crate) async fn has_called(tx: &Tx<'_>, calls: &[FirstCall]) -> Result<()> {
    // Rows are written in one order by all, so that two writers never wait for each other; of two, the earlier one stays.
    let mut calls = calls.to_vec();
    calls.sort_unstable();
    calls.dedup_by_key(|call| (call.team, call.environment));
    let rows: Vec<_> = calls
        .iter()
        .map(|call| {
            let stage = match call.environment {
                Environment::Sandbox => OnboardingStage::FirstSandboxCall,
                Environment::Production => OnboardingStage::FirstProductionCall,
            };
            Model { team_id: call.team, stage, at: call.at }
        })
        .collect();
    // Gateways write at different times: what is written later may have been called earlier.
    let excluded = Expr::col((Alias::new("excluded"), Column::At));
    let earlier = excluded.lt(Expr::col((Entity, Column::At)));
    let first =
        OnConflict::columns([Column::TeamId, Column::Stage]).update_column(Column::At).action_and_where(earlier).to_owned();
    for rows in rows.chunks(ROWS) {
        let rows = Entity::insert_many(rows.iter().map(|row| row.clone().into_active_model()));
        rows.on_conflict(first.clone()).exec_without_returning(tx.db()).await?;
    }
    Ok(())
}
