//! A call that reached the gateway. Its id and the request's id share one UUID.

use sea_orm::entity::prelude::*;

use crate::{
    columns::LoggedHeaders,
    enums::{DenialReason, Environment},
    id::{ClientId, CredentialId, EndpointId, ProductId, ProfileId, RequestLogId, TeamId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "request_log")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RequestLogId,
    pub at: DateTimeUtc,
    pub team_id: Option<TeamId>,
    pub client_id: Option<ClientId>,
    pub profile_id: Option<ProfileId>,
    pub credential_id: Option<CredentialId>,
    pub product_id: Option<ProductId>,
    pub endpoint_id: Option<EndpointId>,
    /// The endpoint's template.
    pub endpoint: Option<String>,
    pub environment: Option<Environment>,
    pub method: String,
    /// Without the query, which may hold secrets.
    pub path: String,
    pub status: i16,
    /// Microseconds from the request's head to the answer's end.
    pub latency_us: i64,
    pub denial: Option<DenialReason>,
    /// What the refused check was about: a scope, a header, a method. Never a secret.
    pub denial_detail: Option<String>,
    pub ip: String,
    pub user_agent: Option<String>,
    pub request_headers: LoggedHeaders,
    pub response_headers: LoggedHeaders,
    pub via_explorer: bool,
    /// Whether the answer came to its end.
    pub completed: bool,
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
