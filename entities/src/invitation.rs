//! An invitation to a team. Its token is derived from id and generation, never stored.

use sea_orm::entity::prelude::*;

use crate::{
    enums::{AccessLevel, InvitationStatus},
    id::{InvitationId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    pub team_id: TeamId,
    pub email: String,
    pub access_team: AccessLevel,
    pub access_credentials: AccessLevel,
    pub access_billing: AccessLevel,
    pub invited_by: Option<UserId>,
    /// What the inviter wrote to the invited.
    pub message: Option<String>,
    pub status: InvitationStatus,
    /// Raised by resending: links of an older generation are dead.
    pub generation: i32,
    pub created_at: DateTimeUtc,
    /// When this generation was sent: its link signs in for a short time from then.
    pub sent_at: DateTimeUtc,
    /// When this generation's link signed somebody in.
    pub link_used_at: Option<DateTimeUtc>,
    pub expires_at: DateTimeUtc,
    pub accepted_at: Option<DateTimeUtc>,
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
