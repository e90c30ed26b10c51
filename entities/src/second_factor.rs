//! What a person proves beside their mailbox: an authenticator app's secret.

use sea_orm::entity::prelude::*;

use crate::id::UserId;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "second_factors")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The secret in base32, sealed with the instance's key.
    pub sealed: String,
    pub created_at: DateTimeUtc,
    /// `None` until a code of it was given: it is not asked for before.
    pub enabled_at: Option<DateTimeUtc>,
    /// Of the latest code that was taken: none of it or before it is taken again.
    pub last_step: Option<i64>,
    /// Wrong codes since the last right one, and when the last of them came.
    pub failures: i32,
    pub failed_at: Option<DateTimeUtc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
