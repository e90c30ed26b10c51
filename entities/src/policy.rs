//! A named rate limit and quota, attached to clients and profiles.

use sea_orm::entity::prelude::*;

use crate::{
    enums::{QuotaPeriod, RateWindow},
    id::PolicyId,
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "policies")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PolicyId,
    pub name: String,
    pub description: Option<String>,
    pub rate_requests: Option<i32>,
    pub rate_window: Option<RateWindow>,
    pub quota_requests: Option<i64>,
    pub quota_period: Option<QuotaPeriod>,
    pub enabled: bool,
    pub created_at: DateTimeUtc,
    pub version: i32,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
