//! How much of a calendar quota gateways have taken in leases.

use sea_orm::entity::prelude::*;

use crate::{
    enums::{Environment, QuotaPeriod},
    id::ClientId,
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quota_windows")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: ClientId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub environment: Environment,
    #[sea_orm(primary_key, auto_increment = false)]
    pub period: QuotaPeriod,
    #[sea_orm(primary_key, auto_increment = false)]
    pub starts_at: DateTimeUtc,
    /// Calls leased so far, spent or not; never above the quota.
    pub leased: i64,
    /// The client that this counts for since its own ended: nothing more is leased of it.
    pub heir_id: Option<ClientId>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
