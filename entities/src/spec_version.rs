//! A version of a product's OpenAPI document; the document itself is in `spec_document`.

use sea_orm::entity::prelude::*;

use crate::{
    columns::Environments,
    enums::SpecStatus,
    id::{ProductId, SpecVersionId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "spec_versions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SpecVersionId,
    pub product_id: ProductId,
    pub version: String,
    pub openapi: String,
    pub status: SpecStatus,
    /// What stands between the base path and the document's paths: empty, or `/v2`.
    pub path_prefix: String,
    pub served_by: Environments,
    pub release_notes: Option<String>,
    /// SHA-256 of the document as published, hex; the ETag of its downloads.
    pub digest: String,
    pub published_at: DateTimeUtc,
    /// When those who use the product were told of it.
    pub told_at: Option<DateTimeUtc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
