//! What was used and is not taken again: a client's assertion, a start of single sign-on.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "used_assertions")]
pub struct Model {
    /// SHA-256 over what tells it from others: the client's id and the assertion's `jti`, or the start's state.
    #[sea_orm(primary_key, auto_increment = false)]
    pub digest: Vec<u8>,
    pub expires_at: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
