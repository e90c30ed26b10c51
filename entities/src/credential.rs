//! A way to prove who calls. Its secrets are in `credential_secret`.

use sea_orm::entity::prelude::*;

use crate::{
    columns::Strings,
    enums::{AuthMethod, CredentialStatus, Environment},
    id::{ClientId, CredentialId, ProfileId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "credentials")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CredentialId,
    pub team_id: TeamId,
    pub client_id: ClientId,
    pub profile_id: ProfileId,
    pub kind: AuthMethod,
    pub environment: Environment,
    /// Expiry is read from `expires_at`, not from here.
    pub status: CredentialStatus,
    pub name: Option<String>,
    /// A subset of the subscription's grants; `None`: all of them.
    pub scopes: Option<Strings>,
    /// The secret's recognisable part, its rest as dots.
    pub masked: Option<String>,
    /// Where its newest keys are published.
    pub jwks_url: Option<String>,
    pub created_at: DateTimeUtc,
    pub created_by: Option<UserId>,
    pub last_used_at: Option<DateTimeUtc>,
    pub expires_at: Option<DateTimeUtc>,
    /// Days of the last warning that came before `expires_at`.
    pub expiry_warned_days: Option<i32>,
    pub revoked_at: Option<DateTimeUtc>,
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
