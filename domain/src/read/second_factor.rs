//! What a person sees of their own second factor.

use chrono::{DateTime, Utc};
use entities::{id::UserId, recovery_code, second_factor, user};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use super::portal;
use crate::{Domain, DomainError, Result};

/// A person's second factor; never its secret.
#[derive(Debug, Clone, Copy)]
pub struct Status {
    /// `None` where there is none.
    pub since: Option<DateTime<Utc>>,
    pub recovery_codes_left: u64,
    /// Whether their staff role works with one only.
    pub required: bool,
}

pub async fn of_user(ctx: &Domain, user: UserId) -> Result<Status> {
    let portal = portal::load(ctx).await?;
    let person = user::Entity::find_by_id(user).one(&ctx.db).await?.ok_or(DomainError::NotFound("person"))?;
    let left = recovery_code::Entity::for_user(user).filter(recovery_code::Column::UsedAt.is_null());
    Ok(Status {
        since: enabled_at(&ctx.db, user).await?,
        recovery_codes_left: left.count(&ctx.db).await?,
        required: portal.staff_second_factor && person.staff_role.is_some(),
    })
}

/// Since when a person has a second factor.
pub(crate) async fn enabled_at(db: &impl ConnectionTrait, user: UserId) -> Result<Option<DateTime<Utc>>> {
    let since = second_factor::Entity::find_by_id(user).select_only().column(second_factor::Column::EnabledAt);
    Ok(since.into_tuple::<Option<DateTime<Utc>>>().one(db).await?.flatten())
}
