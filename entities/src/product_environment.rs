//! Where a product's calls of one environment go.

use sea_orm::entity::prelude::*;

use crate::{
    columns::{Strings, UpstreamHeaders},
    enums::{Backend, Environment, LogSink},
    id::{ProductEnvironmentId, ProductId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "product_environments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ProductEnvironmentId,
    pub product_id: ProductId,
    pub environment: Environment,
    pub backend: Backend,
    pub upstream_url: Option<String>,
    pub headers: UpstreamHeaders,
    pub timeout_ms: i32,
    pub log_sink: LogSink,
    /// Of browsers' pages that may call; `*` alone for all of them.
    pub allowed_origins: Strings,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
