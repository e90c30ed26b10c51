//! A person who can sign in.

use sea_orm::entity::prelude::*;

use crate::{enums::StaffRole, id::UserId};

#[derive(Debug, Clone, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// Lower case, trimmed; unique.
    pub email: String,
    pub name: Option<String>,
    pub staff_role: Option<StaffRole>,
    pub created_at: DateTimeUtc,
}

#[derive(Debug, Clone, Copy, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Entity {
    /// The person behind an address, however its letters were typed.
    pub fn by_email(email: &str) -> Select<Self> {
        Self::find().filter(Column::Email.eq(email.trim().to_lowercase()))
    }
}
