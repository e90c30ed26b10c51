//! A level of partnership: products are assigned to tiers, a team belongs to one at most.

use sea_orm::entity::prelude::*;

use crate::id::TierId;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "tiers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TierId,
    pub name: String,
    pub description: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
