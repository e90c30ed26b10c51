//! How the audit log begins.

use entities::audit_event::{ActiveModel, Column, Entity};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{Domain, Result, Tx, audit::chain::Chain, rules::audit_chain::START, tx::Unaudited};

/// Rows from before the chain that are read at a time.
const BATCH: u64 = 500;

/// Begins the chain with what an earlier version wrote, and seals its key with the instance's current one. For every start, before
/// anything is served.
pub async fn begin(ctx: &Domain) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    let mut chain = Chain::hold(ctx, tx.db()).await?;
    chain.seal_again(ctx)?;
    // Once only: a row without a place that comes later is nothing that we wrote.
    if chain.head == START {
        while link_older(&mut chain, &tx).await? {}
    }
    chain.keep(tx.db()).await?;
    tx.commit_unaudited(Unaudited::Mark).await
}

/// Whether there were any.
async fn link_older(chain: &mut Chain, tx: &Tx<'_>) -> Result<bool> {
    let older = Entity::find().filter(Column::Position.is_null()).order_by_asc(Column::Id).limit(BATCH);
    let rows = older.all(tx.db()).await?;
    let any = !rows.is_empty();
    for mut row in rows {
        chain.link(&mut row);
        let place = ActiveModel { id: Set(row.id), position: Set(row.position), hash: Set(row.hash), ..Default::default() };
        Entity::update(place).exec(tx.db()).await?;
    }
    Ok(any)
}
