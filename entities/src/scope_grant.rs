//! A scope that a subscription holds.

use sea_orm::entity::prelude::*;

use crate::id::{ScopeGrantId, SubscriptionId, TeamId, UserId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "scope_grants")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ScopeGrantId,
    pub subscription_id: SubscriptionId,
    pub team_id: TeamId,
    pub scope: String,
    pub granted_at: DateTimeUtc,
    pub granted_by: Option<UserId>,
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
