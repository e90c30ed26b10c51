//! A person in a team, with an access level per area.

use sea_orm::entity::prelude::*;

use crate::{
    enums::{AccessLevel, JoinMethod},
    id::{MembershipId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "memberships")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MembershipId,
    pub team_id: TeamId,
    pub user_id: UserId,
    pub access_team: AccessLevel,
    pub access_credentials: AccessLevel,
    pub access_billing: AccessLevel,
    pub joined_by: JoinMethod,
    pub joined_at: DateTimeUtc,
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

impl Entity {
    pub fn for_user(user: UserId) -> Select<Self> {
        Self::find().filter(Column::UserId.eq(user))
    }
}
