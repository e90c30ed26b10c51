//! A team's own identity provider, by OpenID Connect.

use sea_orm::entity::prelude::*;

use crate::id::{SsoProviderId, TeamId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sso_providers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SsoProviderId,
    pub team_id: TeamId,
    pub name: String,
    /// As its tokens spell it.
    pub issuer: String,
    pub client_id: String,
    /// None: a public client.
    pub sealed_secret: Option<String>,
    /// Whether its people have no other way in.
    pub enforced: bool,
    pub created_at: DateTimeUtc,
    pub last_sign_in_at: Option<DateTimeUtc>,
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
