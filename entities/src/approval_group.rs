//! Reviewers that decide on the plans bound to them.

use sea_orm::entity::prelude::*;

use crate::id::ApprovalGroupId;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "approval_groups")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApprovalGroupId,
    pub name: String,
    pub created_at: DateTimeUtc,
    pub version: i32,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
