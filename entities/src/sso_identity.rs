//! Whom a subject of an identity provider is here. Addresses change hands; (provider, issuer, subject) does not.

use sea_orm::entity::prelude::*;

use crate::id::{SsoIdentityId, SsoProviderId, UserId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sso_identities")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SsoIdentityId,
    /// None: the provider of the portal's staff.
    pub provider_id: Option<SsoProviderId>,
    pub issuer: String,
    pub subject: String,
    pub user_id: UserId,
    pub created_at: DateTimeUtc,
    pub last_sign_in_at: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
