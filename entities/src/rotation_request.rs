//! A team's request to give a credential a new secret, where the plan has rotations decided on.

use sea_orm::entity::prelude::*;

use crate::{
    enums::RequestStatus,
    id::{CredentialId, RotationRequestId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "rotation_requests")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RotationRequestId,
    pub credential_id: CredentialId,
    pub team_id: TeamId,
    pub status: RequestStatus,
    /// How long the secret before works from the claim on.
    pub overlap_hours: i32,
    pub end_when_silent_minutes: Option<i32>,
    /// The next keys, for kinds that are proven by what the owner gives.
    pub given: Option<Json>,
    pub requested_by: UserId,
    pub requested_at: DateTimeUtc,
    pub decided_by: Option<UserId>,
    pub decided_at: Option<DateTimeUtc>,
    pub notes: Option<String>,
    /// When the new secret was made and shown.
    pub claimed_at: Option<DateTimeUtc>,
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
