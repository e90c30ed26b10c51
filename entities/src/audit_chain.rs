//! One row: the key that the audit log is chained under, where the log begins and where it ends.

use sea_orm::entity::prelude::*;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_chains")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: i32,
    pub sealed_key: String,
    /// How many rows were ever written, and the hash of the last.
    pub head_position: i64,
    pub head_hash: Vec<u8>,
    pub head_seal: Vec<u8>,
    /// How many of them retention took, and the hash of the last.
    pub anchor_position: i64,
    pub anchor_hash: Vec<u8>,
    pub anchor_seal: Vec<u8>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
