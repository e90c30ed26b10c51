//! A key that access tokens of our own are signed with.

use sea_orm::entity::prelude::*;

use crate::id::SigningKeyId;

#[derive(Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_keys")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SigningKeyId,
    /// Its public half's thumbprint (RFC 7638).
    pub kid: String,
    /// The private key in PKCS#8, base64, sealed.
    pub sealed: String,
    pub created_at: DateTimeUtc,
    /// Published before, so that who verifies knows it by then.
    pub signs_from: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("signing_key::Model").field("kid", &self.kid).finish_non_exhaustive()
    }
}
