//! A process that serves, and the addresses by which it believes that the outside reaches the instance.

use sea_orm::entity::prelude::*;

use crate::id::ProcessId;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "processes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProcessId,
    /// As `--role` takes it.
    pub role: String,
    pub base_url: String,
    pub portal_url: String,
    pub gateway_url: String,
    pub started_at: DateTimeUtc,
    pub last_seen_at: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
