//! What a team's member asked the provider's support.

use sea_orm::entity::prelude::*;

use crate::{
    enums::SupportTopic,
    id::{RequestId, SupportRequestId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "support_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SupportRequestId,
    pub team_id: TeamId,
    pub user_id: UserId,
    /// What people call it by; unique.
    pub reference: String,
    pub topic: SupportTopic,
    pub subject: String,
    pub body: String,
    /// The call that it is about.
    pub request_id: Option<RequestId>,
    pub created_at: DateTimeUtc,
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
