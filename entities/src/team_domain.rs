//! A mail domain that a team has claimed; proven by a DNS record, its people may join by themselves or sign in by the team's
//! own identity provider.

use sea_orm::entity::prelude::*;

use crate::{
    enums::AccessLevel,
    id::{SsoProviderId, TeamDomainId, TeamId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "team_domains")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TeamDomainId,
    pub team_id: TeamId,
    /// In lower case, as DNS has it (punycode).
    pub domain: String,
    /// What the DNS record has to say.
    pub token: String,
    pub auto_join: bool,
    /// What who joins by the domain may do.
    pub access_team: AccessLevel,
    pub access_credentials: AccessLevel,
    pub access_billing: AccessLevel,
    /// Who may sign in by it; none: mailed links alone.
    pub sso_provider_id: Option<SsoProviderId>,
    pub created_at: DateTimeUtc,
    /// One team at most has a domain proven.
    pub verified_at: Option<DateTimeUtc>,
    /// When DNS last answered.
    pub checked_at: Option<DateTimeUtc>,
    /// Since when a proven domain's record is gone.
    pub missing_since: Option<DateTimeUtc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// What this team owns; every query of a team's things starts here.
    pub fn for_team(team: TeamId) -> Select<Self> {
        Self::find().filter(Column::TeamId.eq(team))
    }

    /// The claim that holds.
    pub fn proven(domain: &str) -> Select<Self> {
        Self::find().filter(Column::Domain.eq(domain)).filter(Column::VerifiedAt.is_not_null())
    }
}
