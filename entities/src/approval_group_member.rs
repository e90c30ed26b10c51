//! A reviewer in an approval group.

use sea_orm::entity::prelude::*;

use crate::id::{ApprovalGroupId, ApprovalGroupMemberId, UserId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "approval_group_members")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApprovalGroupMemberId,
    pub group_id: ApprovalGroupId,
    pub user_id: UserId,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
