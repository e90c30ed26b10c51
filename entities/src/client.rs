//! The gateway's identity for a caller.

use sea_orm::entity::prelude::*;

use crate::id::{ClientId, PolicyId, SubscriptionId, TeamId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "clients")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ClientId,
    pub team_id: TeamId,
    /// `None` for one that staff made by hand.
    pub subscription_id: Option<SubscriptionId>,
    pub name: String,
    pub description: Option<String>,
    pub enabled: bool,
    /// Whether its authorised addresses may ask for a sign-in link; independent of `enabled`.
    pub portal_access: bool,
    pub policy_id: Option<PolicyId>,
    pub created_at: DateTimeUtc,
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
