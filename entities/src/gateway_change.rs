//! What each revision touched, and what it ended.

use sea_orm::entity::prelude::*;

use crate::enums::GatewaySubject;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "gateway_changes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub revision: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject: GatewaySubject,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    pub at: DateTimeUtc,
    /// Calls that were open, and that gateways ended because of this.
    pub streams_ended: i32,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
