//! A database that was copied back from earlier, while gateways live that have applied what came later.

use entities::gateway_revision::{Column, Entity};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

use crate::{Domain, DomainError, Result, Tx, tx::Unaudited};

/// Raises the gateways' revision above one that some of them may have applied, so that they load everything anew, and follow what
/// changes from now on.
pub async fn raise_revision(ctx: &Domain, applied: i64) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    Entity::update_many()
        .col_expr(Column::Revision, Expr::val(applied.checked_add(1).ok_or_else(too_far)?))
        .filter(Column::Id.eq(1))
        .filter(Expr::col(Column::Revision).lte(applied))
        .exec(tx.db())
        .await?;
    tx.commit_unaudited(Unaudited::Mark).await?;
    ctx.wake.gateway.notify_waiters();
    Ok(())
}

fn too_far() -> DomainError {
    DomainError::internal("the gateway's revision has come to its end")
}
