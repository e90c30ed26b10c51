//! A token for scripts and server-side frontends; it may what its owner may.

use sea_orm::entity::prelude::*;

use crate::id::{AccessTokenId, UserId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "access_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccessTokenId,
    pub user_id: UserId,
    pub name: String,
    /// The token's first characters, to tell one from another.
    pub prefix: String,
    /// SHA-256 of the token.
    pub token_hash: Vec<u8>,
    pub created_at: DateTimeUtc,
    pub last_used_at: Option<DateTimeUtc>,
    pub expires_at: Option<DateTimeUtc>,
    pub revoked_at: Option<DateTimeUtc>,
    /// Whether it was made in a session that had proven a second factor, or from the command line.
    pub second_factor: bool,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// What this person owns; every query of a person's things starts here.
    pub fn for_user(user: UserId) -> Select<Self> {
        Self::find().filter(Column::UserId.eq(user))
    }
}
