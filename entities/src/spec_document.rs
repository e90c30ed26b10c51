//! The text of a spec version, apart from it so that lists stay small.

use sea_orm::entity::prelude::*;

use crate::id::SpecVersionId;

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "spec_documents")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub spec_id: SpecVersionId,
    /// The document as JSON, gzip.
    pub body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
