//! What a plan says of one environment.

use sea_orm::entity::prelude::*;

use crate::{
    columns::Strings,
    enums::{AuthMethod, Environment, QuotaPeriod, RateWindow},
    id::{PlanEnvironmentId, PlanId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plan_environments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PlanEnvironmentId,
    pub plan_id: PlanId,
    pub environment: Environment,
    pub auth_method: AuthMethod,
    /// Whose tokens are taken, for OIDC.
    pub issuer: Option<String>,
    /// Whom these tokens are for.
    pub audience: Option<String>,
    /// Empty allows all.
    pub allowed_methods: Strings,
    pub rate_requests: Option<i32>,
    pub rate_window: Option<RateWindow>,
    pub quota_requests: Option<i64>,
    pub quota_period: Option<QuotaPeriod>,
    pub documentation: Option<String>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
