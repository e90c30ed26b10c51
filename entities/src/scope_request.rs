//! A team's request for a scope.

use sea_orm::entity::prelude::*;

use crate::{
    enums::RequestStatus,
    id::{ScopeRequestId, SubscriptionId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "scope_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ScopeRequestId,
    pub subscription_id: SubscriptionId,
    pub team_id: TeamId,
    pub scope: String,
    pub reason: Option<String>,
    pub status: RequestStatus,
    pub requested_by: UserId,
    pub requested_at: DateTimeUtc,
    pub decided_by: Option<UserId>,
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
