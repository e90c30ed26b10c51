//! One secret of a credential, as a hash; several are live during a rotation's overlap.

use sea_orm::entity::prelude::*;

use crate::id::{CredentialId, CredentialSecretId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "credential_secrets")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CredentialSecretId,
    pub credential_id: CredentialId,
    /// What an API key is found by; unique. `None` for kinds that are found by their client.
    pub lookup: Option<String>,
    /// SHA-256 of the whole secret, or of what was registered in its place.
    pub hash: Vec<u8>,
    /// The secret itself, sealed: where verifying needs it, and of a sandbox, where the explorer calls with it.
    pub sealed: Option<String>,
    /// The public keys of who signs.
    pub jwks: Option<Json>,
    /// Where these are published instead.
    pub jwks_url: Option<String>,
    pub valid_from: DateTimeUtc,
    pub valid_until: Option<DateTimeUtc>,
    /// Ends an older secret before, once it was not used for so long.
    pub end_when_silent_minutes: Option<i32>,
    pub last_used_at: Option<DateTimeUtc>,
    /// When the team was told that it is in use shortly before its overlap ends.
    pub end_warned_at: Option<DateTimeUtc>,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
