//! A partner organisation. It owns subscriptions, clients and credentials; people come and go.

use sea_orm::entity::prelude::*;

use crate::{
    enums::TeamStatus,
    id::{TeamId, TierId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "teams")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TeamId,
    pub name: String,
    pub slug: String,
    pub internal: bool,
    pub status: TeamStatus,
    pub tier_id: Option<TierId>,
    pub created_at: DateTimeUtc,
    pub version: i32,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
