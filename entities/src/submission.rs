//! A subscription's sandbox work, handed in for review.

use sea_orm::entity::prelude::*;

use crate::{
    columns::{Answers, EvidenceList},
    enums::SubmissionStatus,
    id::{PlanId, SubmissionId, SubscriptionId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "submissions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubmissionId,
    pub subscription_id: SubscriptionId,
    pub team_id: TeamId,
    pub plan_id: PlanId,
    pub status: SubmissionStatus,
    pub answers: Answers,
    /// What the sandbox traffic showed when it was submitted.
    pub evidence: EvidenceList,
    pub submitted_by: UserId,
    pub submitted_at: DateTimeUtc,
    pub due_at: DateTimeUtc,
    /// Who took it, then who decided.
    pub reviewer_id: Option<UserId>,
    pub decided_at: Option<DateTimeUtc>,
    pub notes: Option<String>,
    pub version: i32,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// What this team owns; every query of a team's things starts here.
    pub fn for_team(team: TeamId) -> Select<Self> {
        Self::find().filter(Column::TeamId.eq(team))
    }
}
