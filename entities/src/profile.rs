//! How a client calls in one environment.

use sea_orm::entity::prelude::*;

use crate::{
    columns::Strings,
    enums::{AuthMethod, Environment},
    id::{ClientId, PolicyId, ProfileId, TeamId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "profiles")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProfileId,
    pub team_id: TeamId,
    pub client_id: ClientId,
    pub name: String,
    pub environment: Environment,
    pub auth_method: AuthMethod,
    /// Empty allows all.
    pub allowed_methods: Strings,
    /// Addresses and CIDR ranges; empty allows all.
    pub ip_allowlist: Strings,
    /// Whose tokens are taken, for OIDC.
    pub issuer: Option<String>,
    /// Whom these tokens are for.
    pub audience: Option<String>,
    pub policy_id: Option<PolicyId>,
    pub enabled: bool,
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
