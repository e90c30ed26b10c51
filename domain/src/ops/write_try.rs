//! A change of nothing that anybody sees, to learn whether changes are stored.

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

use crate::{Domain, Result, Tx, tx::Unaudited};

/// Bytes, as much as a larger change takes: a full disk may have room for a few.
const ROOM: usize = 128 << 10;

/// Whether a change would be stored now. What was found holds for two seconds, however often it is asked for.
pub async fn is_writable(ctx: &Domain) -> bool {
    ctx.writable.ask(write(ctx)).await
}

async fn write(ctx: &Domain) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    let backend = tx.db().get_database_backend();
    let room = (backend == DatabaseBackend::Sqlite).then(|| vec![0_u8; ROOM]);
    let change = "update write_tries set at = $1, room = $2 where id = 1";
    tx.db().execute_raw(Statement::from_sql_and_values(backend, change, [tx.now().into(), room.into()])).await?;
    tx.commit_unaudited(Unaudited::Mark).await
}
