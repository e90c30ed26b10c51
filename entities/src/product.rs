//! An API under one gateway base path.

use sea_orm::entity::prelude::*;

use crate::{
    enums::{ProductStatus, Visibility},
    id::ProductId,
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "products")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductId,
    pub slug: String,
    pub name: String,
    pub summary: String,
    pub description: Option<String>,
    pub icon_url: Option<String>,
    pub status: ProductStatus,
    pub visibility: Visibility,
    /// The first segment of every call's path, without slashes; unique.
    pub base_path: String,
    /// Whether a parameter of a path may hold an encoded slash.
    pub encoded_slashes: bool,
    pub created_at: DateTimeUtc,
    pub version: i32,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
