//! A team's hold on a plan.

use sea_orm::entity::prelude::*;

use crate::{
    columns::Answers,
    enums::{PipelinePhase, SubscriptionStatus},
    id::{PlanId, ProductId, SubscriptionId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "subscriptions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SubscriptionId,
    pub team_id: TeamId,
    pub plan_id: PlanId,
    pub product_id: ProductId,
    pub name: String,
    pub owner_id: Option<UserId>,
    pub status: SubscriptionStatus,
    /// `None` where the plan has no sandbox.
    pub phase: Option<PipelinePhase>,
    /// A reviewer sent the last submission back.
    pub changes_requested: bool,
    /// Production stays locked until it is paid, also once it is approved.
    pub awaits_payment: bool,
    pub status_reason: Option<String>,
    pub created_at: DateTimeUtc,
    pub activated_at: Option<DateTimeUtc>,
    pub cancel_at: Option<DateTimeUtc>,
    pub expires_at: Option<DateTimeUtc>,
    /// How many days before it expires the last warning came.
    pub expiry_warned_days: Option<i32>,
    /// Asked for, and waiting for an approval.
    pub pending_plan_id: Option<PlanId>,
    /// The answers to the plan's custom properties.
    pub custom_properties: Answers,
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
