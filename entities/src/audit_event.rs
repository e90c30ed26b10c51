//! A change to who may do what: one row per operation, in its transaction.

use std::fmt;

use sea_orm::entity::prelude::*;

use crate::{
    enums::ActorKind,
    id::{self, AuditEventId, TeamId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_events")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditEventId,
    pub at: DateTimeUtc,
    pub actor_id: Option<UserId>,
    pub actor_kind: ActorKind,
    pub action: String,
    pub subject_type: String,
    pub subject_id: Uuid,
    pub team_id: Option<TeamId>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub request_id: Option<String>,
    /// Field name to `{before, after}`; never a secret.
    pub changes: Json,
    /// Its place in the chain; `None` for a moment only, where an earlier version wrote it.
    pub position: Option<i64>,
    /// Over the row and the hash before it.
    pub hash: Option<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl Model {
    /// The subject's id as the outside sees it.
    pub fn subject(&self) -> impl fmt::Display + use<'_> {
        fmt::from_fn(|f| id::format(&self.subject_type, self.subject_id, f))
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// What this team owns; every query of a team's things starts here.
    pub fn for_team(team: TeamId) -> Select<Self> {
        Self::find().filter(Column::TeamId.eq(team))
    }
}
