//! One request for a decision, whatever it is about.

use sea_orm::entity::prelude::*;

use crate::{
    enums::{QueueKind, RequestStatus},
    id::{PlanId, ProductId, QueueItemId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "queue_items")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: QueueItemId,
    pub kind: QueueKind,
    /// What is decided on: a team, a subscription, a submission or a scope request, by `kind`.
    pub subject_id: Uuid,
    pub state: RequestStatus,
    pub team_id: TeamId,
    /// `None` of a team that registers; so is the product.
    pub plan_id: Option<PlanId>,
    pub product_id: Option<ProductId>,
    pub requested_by: UserId,
    pub requested_at: DateTimeUtc,
    pub due_at: DateTimeUtc,
    pub assignee_id: Option<UserId>,
    pub reason: Option<String>,
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
