//! What a person was told.

use sea_orm::entity::prelude::*;

use crate::{
    enums::NotificationKind,
    id::{NotificationId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "notifications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: NotificationId,
    pub user_id: UserId,
    pub kind: NotificationKind,
    pub title: String,
    pub body: String,
    /// The prefix of the id of what it is about.
    pub subject_kind: String,
    pub subject_id: Uuid,
    pub at: DateTimeUtc,
    pub read_at: Option<DateTimeUtc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// What this person was told; every query starts here.
    pub fn for_user(user: UserId) -> Select<Self> {
        Self::find().filter(Column::UserId.eq(user))
    }
}
