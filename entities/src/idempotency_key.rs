//! A mutation that was carried out under a caller's key, so that it is not carried out twice.

use sea_orm::entity::prelude::*;

use crate::id::{IdempotencyKeyId, UserId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "idempotency_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IdempotencyKeyId,
    pub user_id: UserId,
    pub operation: String,
    /// SHA-256 of the caller's key.
    pub key_hash: Vec<u8>,
    /// SHA-256 of the input; the same key with another input is refused.
    pub input_hash: Vec<u8>,
    /// What the first run made.
    pub subject_id: Uuid,
    pub created_at: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
