//! A browser that is signed in.

use sea_orm::entity::prelude::*;

use crate::{
    enums::SignInMethod,
    id::{SessionId, UserId},
};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sessions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SessionId,
    pub user_id: UserId,
    /// SHA-256 of the cookie's value.
    pub token_hash: Vec<u8>,
    pub method: SignInMethod,
    /// Of the latest use, as the user agent.
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub created_at: DateTimeUtc,
    pub last_seen_at: DateTimeUtc,
    pub expires_at: DateTimeUtc,
    pub revoked_at: Option<DateTimeUtc>,
    /// When its person proved the second factor in it.
    pub second_factor_at: Option<DateTimeUtc>,
    /// Wrong codes since then.
    pub second_factor_failures: i32,
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
