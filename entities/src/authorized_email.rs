//! An address that may sign in for a client, and the access it joins the client's team with.

use sea_orm::entity::prelude::*;

use crate::{
    enums::AccessLevel,
    id::{AuthorizedEmailId, ClientId, TeamId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "authorized_emails")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuthorizedEmailId,
    pub team_id: TeamId,
    pub client_id: ClientId,
    pub email: String,
    pub access_team: AccessLevel,
    pub access_credentials: AccessLevel,
    pub access_billing: AccessLevel,
    pub invited_at: DateTimeUtc,
    pub last_sign_in_at: Option<DateTimeUtc>,
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
