//! Work for later, written in the transaction that asks for it.

use sea_orm::entity::prelude::*;

use crate::{enums::JobState, id::JobId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox_jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    pub kind: String,
    /// Ids, never secrets.
    pub payload: Json,
    pub state: JobState,
    pub attempts: i32,
    pub max_attempts: i32,
    pub due_at: DateTimeUtc,
    /// While running: when another worker may take it.
    pub lease_until: Option<DateTimeUtc>,
    /// Which claim holds it: raised by each, so that a worker that lost its lease cannot settle the row.
    pub fence: i64,
    /// At most one job with a key, done ones included.
    pub dedup_key: Option<String>,
    pub last_error: Option<String>,
    pub created_at: DateTimeUtc,
    pub finished_at: Option<DateTimeUtc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
