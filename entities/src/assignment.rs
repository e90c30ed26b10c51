//! A product given to a tier, a team or a client; `subscription_id` where a subscription gave it.

use sea_orm::entity::prelude::*;

use crate::{
    columns::Strings,
    id::{AssignmentId, ClientId, ProductId, SubscriptionId, TeamId, TierId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "assignments")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AssignmentId,
    pub product_id: ProductId,
    pub tier_id: Option<TierId>,
    pub team_id: Option<TeamId>,
    pub client_id: Option<ClientId>,
    pub subscription_id: Option<SubscriptionId>,
    pub since: DateTimeUtc,
    pub assigned_by: Option<UserId>,
    /// What it gives of the product's scopes where no subscription does; `None`: all of them.
    pub scopes: Option<Strings>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
