//! Whether the database can be written: it is tried, and the outcome holds for a moment, however often it is asked for.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::Result;

/// How long an outcome holds.
const HOLDS: Duration = Duration::from_secs(2);
/// A write that takes longer is none that somebody waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was found last.
#[derive(Debug, Default)]
pub struct Writable {
    found: Mutex<Option<(Instant, bool)>>,
    /// One tries at a time.
    trying: tokio::sync::Mutex<()>,
}

impl Writable {
    /// Whether a change would be stored now, as `write` finds it.
    pub(crate) async fn ask(&self, write: impl Future<Output = Result<()>>) -> bool {
        if let Some(found) = self.found() {
            return found;
        }
        let _alone = self.trying.lock().await;
        if let Some(found) = self.found() {
            return found;
        }
        let tried = match tokio::time::timeout(PATIENCE, write).await {
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
