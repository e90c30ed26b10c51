//! A process that decides on calls, and the last change that its decisions follow.

use sea_orm::entity::prelude::*;

use crate::id::GatewayNodeId;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "gateway_nodes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: GatewayNodeId,
    pub started_at: DateTimeUtc,
    pub last_seen_at: DateTimeUtc,
    pub applied_revision: i64,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
