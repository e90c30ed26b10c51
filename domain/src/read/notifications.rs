//! What a person was told: their own only.

use entities::{
    id::{NotificationId, UserId},
    notification::{Column, Entity, Model},
};
use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};

use super::page::{Page, PageRequest, newest_first};
use crate::{Actor, Domain, Result};

/// Newest first.
pub async fn of_user(ctx: &Domain, user: UserId, unread_only: bool, page: &PageRequest) -> Result<Page<Model>> {
    let mut list = Entity::for_user(user);
    if unread_only {
        list = list.filter(Column::ReadAt.is_null());
    }
    newest_first::<_, NotificationId>(ctx, list, Column::Id, page).await
}

pub async fn by_id(ctx: &Domain, user: UserId, id: NotificationId) -> Result<Option<Model>> {
    Ok(Entity::for_user(user).filter(Column::Id.eq(id)).one(&ctx.db).await?)
}

/// How many the actor has not read.
pub async fn unread(ctx: &Domain, actor: &Actor) -> Result<u64> {
    Ok(Entity::for_user(actor.signed_in()?).filter(Column::ReadAt.is_null()).count(&ctx.db).await?)
}
