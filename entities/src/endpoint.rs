//! One operation of a spec version: a method on a path template.

use sea_orm::entity::prelude::*;

use crate::{
    columns::{ScopeAlternatives, Strings},
    enums::EndpointStatus,
    id::{EndpointId, ProductId, SpecVersionId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "endpoints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EndpointId,
    pub product_id: ProductId,
    pub spec_id: SpecVersionId,
    /// Its place in the document.
    pub position: i32,
    pub method: String,
    /// The template as the document has it, with the version's path prefix before it.
    pub path: String,
    /// The template's key in the document, without the prefix.
    pub document_path: String,
    pub operation_id: Option<String>,
    pub summary: Option<String>,
    pub tags: Strings,
    pub scopes: ScopeAlternatives,
    pub deprecated: bool,
    pub status: EndpointStatus,
    /// Lower case: method, path, operation id, summary, tags.
    pub search_text: String,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
