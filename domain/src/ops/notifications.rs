//! What people did with what they were told.

use entities::{
    id::NotificationId,
    notification::{Column, Entity},
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};

use crate::{Actor, Domain, DomainError, ProblemCode, Result, Tx, tx::Unaudited};

/// Ids of one request.
const MOST: usize = 500;

/// Marks the actor's notifications read: these, or all. Answers how many are unread then. Other people's are not touched.
pub async fn mark_read(ctx: &Domain, actor: &Actor, ids: Option<&[NotificationId]>) -> Result<u64> {
    let user = actor.signed_in()?;
    if ids.is_some_and(|ids| ids.len() > MOST) {
        let say = format!("at most {MOST} at a time: leave ids out to mark all");
        return Err(DomainError::refused(ProblemCode::LimitReached, "ids", say));
    }
    let tx = Tx::begin(ctx).await?;
    let mut unread = Entity::update_many().filter(Column::UserId.eq(user)).filter(Column::ReadAt.is_null());
    if let Some(ids) = ids {
        unread = unread.filter(Column::Id.is_in(ids.iter().copied()));
    }
    unread.col_expr(Column::ReadAt, Expr::value(Some(tx.now()))).exec(tx.db()).await?;
    let left = Entity::for_user(user).filter(Column::ReadAt.is_null()).count(tx.db()).await?;
    tx.commit_unaudited(Unaudited::Mark).await?;
    Ok(left)
}
