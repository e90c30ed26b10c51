//! Whether the database can be written: it is tried, and the outcome holds for a moment, however often it is asked for.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DatabaseBackend, Statement};

use crate::{Domain, Result, Tx, tx::Unaudited};

/// How long an outcome holds.
const HOLDS: Duration = Duration::from_secs(2);
/// A write that takes longer is none that somebody waits for.
const PATIENCE: Duration = Duration::from_secs(2);
/// As much as a larger change takes: a full disk may have room for a few bytes.
const ROOM: usize = 128 << 10;

/// What was found last.
#[derive(Debug, Default)]
pub struct Writable {
    found: Mutex<Option<(Instant, bool)>>,
    /// One tries at a time.
    trying: tokio::sync::Mutex<()>,
}

impl Writable {
    /// Whether a change would be stored now.
    pub async fn ask(&self, ctx: &Domain) -> bool {
        if let Some(found) = self.found() {
            return found;
        }
        let _alone = self.trying.lock().await;
        if let Some(found) = self.found() {
            return found;
        }
        let tried = match tokio::time::timeout(PATIENCE, write(ctx)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()),
            Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        if let Err(reason) = &tried {
            tracing::warn!(reason, "the database cannot be written");
        }
        *self.lock() = Some((Instant::now(), tried.is_ok()));
        tried.is_ok()
    }

    /// Where a change was not stored, what was found before says nothing.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }

    fn found(&self) -> Option<bool> {
        self.lock().filter(|(at, _)| at.elapsed() < HOLDS).map(|(_, found)| found)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(Instant, bool)>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(ctx: &Domain) -> Result<()> {
    let tx = Tx::begin(ctx).await?;
    let backend = tx.db().get_database_backend();
    let room = (backend == DatabaseBackend::Sqlite).then(|| vec![0_u8; ROOM]);
    let change = "update write_tries set at = $1, room = $2 where id = 1";
    tx.db().execute_raw(Statement::from_sql_and_values(backend, change, [tx.now().into(), room.into()])).await?;
    tx.commit_unaudited(Unaudited::Mark).await
}
