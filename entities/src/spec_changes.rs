//! What changed from the version before to a spec version; made when it is published.

use sea_orm::entity::prelude::*;

use crate::id::SpecVersionId;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "spec_changes")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub spec_id: SpecVersionId,
    /// What it was compared with; `None` for the first version.
    pub previous_id: Option<SpecVersionId>,
    pub breaking: bool,
    /// The changes as JSON, gzip.
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
