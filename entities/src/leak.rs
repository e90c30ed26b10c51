//! A secret of ours that a scanner found in public, and what was done about it.

use sea_orm::entity::prelude::*;

use crate::{
    columns::Strings,
    enums::LeakedKeyAction,
    id::{ClientId, CredentialId, CredentialSecretId, LeakId, TeamId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "leaks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LeakId,
    pub team_id: TeamId,
    pub client_id: ClientId,
    pub credential_id: CredentialId,
    /// Unique: what was told once is not told again.
    pub credential_secret_id: CredentialSecretId,
    pub action: LeakedKeyAction,
    /// Of NARROW: the scopes that the secret may use still, where they are held.
    pub scopes: Option<Strings>,
    /// Where it was found, as the scanner says. Never with the secret in it.
    pub url: Option<String>,
    /// What it was found in: a commit, an issue.
    pub source: Option<String>,
    pub reported_at: DateTimeUtc,
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
