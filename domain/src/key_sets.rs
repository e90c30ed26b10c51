//! Key sets of others, kept in memory: read when they are first needed, again before they are stale, and soon after a token
//! names a key that is not among them.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use tokio::sync::{Mutex, Notify};
use url::Url;

use crate::{
    env::Env,
    outgoing::{Fetched, NotFetched, Outgoing},
    rules::{
        jose::{BadKeySet, KeySet, MAX_PUBLISHED_BYTES},
        key_source::{BadDiscovery, KeySource, Known, discovered, discovery},
        outgoing,
    },
};

/// Bytes of a discovery document.
const MAX_DISCOVERY: usize = 64 << 10;
/// Sources that are kept; where there are more, the one that is needed anew takes the place of another.
const MAX_SOURCES: usize = 10_000;

pub struct KeySets {
    env: Env,
    outgoing: Arc<dyn Outgoing>,
    known: ArcSwap<HashMap<KeySource, Arc<Entry>>>,
    /// Something is due.
    due: Notify,
}

#[derive(Default)]
struct Entry {
    known: ArcSwap<Known>,
    is_due: AtomicBool,
    /// One asks, the others wait for what it finds.
    asking: Mutex<()>,
}

#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error("its address may not be asked")]
    Address,
    #[error(transparent)]
    NotFetched(#[from] NotFetched),
    #[error(transparent)]
    Discovery(#[from] BadDiscovery),
    #[error(transparent)]
    KeySet(#[from] BadKeySet),
}

impl KeySets {
    pub fn new(env: Env, outgoing: Arc<dyn Outgoing>) -> Self {
        Self { env, outgoing, known: ArcSwap::default(), due: Notify::new() }
    }

    /// What is known now. Does not wait: what is no longer fresh is read again behind.
    pub fn get(&self, source: &KeySource, now: DateTime<Utc>) -> Option<KeySet> {
        let known = self.known.load();
        let entry = known.get(source)?;
        let held = entry.known.load();
        if held.is_due(now) && !entry.is_due.swap(true, Ordering::Relaxed) {
            self.due.notify_one();
        }
        held.keys(now).cloned()
    }

    /// Asks a source whose keys do not fit a token, unless it was asked a moment ago. Whether what is known has changed.
    pub async fn refresh(&self, source: &KeySource) -> bool {
        let entry = self.entry(source);
        let before = entry.known.load_full();
        let _one = entry.asking.lock().await;
        let now = self.env.now();
        let held = entry.known.load_full();
        if !Arc::ptr_eq(&before, &held) {
            // Another call has asked while this one waited.
            return true;
        }
        if !held.may_be_asked(now) {
            return false;
        }
        match self.read(source).await {
            Ok((keys, fresh_for)) => {
                entry.known.store(Arc::new(held.read_again(keys, fresh_for, now)));
                true
            }
            Err(error) => {
                tracing::warn!(%source, %error, "keys that are published outside cannot be read");
                entry.known.store(Arc::new(held.not_read(now)));
                false
            }
        }
    }

    /// Reads again what is due, for as long as it is run.
    pub async fn keep(&self) {
        loop {
            self.due.notified().await;
            let known = self.known.load_full();
            for (source, _) in known.iter().filter(|(_, entry)| entry.is_due.swap(false, Ordering::Relaxed)) {
                self.refresh(source).await;
            }
        }
    }

    fn entry(&self, source: &KeySource) -> Arc<Entry> {
        if let Some(entry) = self.known.load().get(source) {
            return entry.clone();
        }
        let fresh = Arc::new(Entry::default());
        let before = self.known.rcu(|known| {
            let mut known = HashMap::clone(known);
            if known.len() >= MAX_SOURCES
                && let Some(other) = known.keys().next().cloned()
            {
                known.remove(&other);
            }
            known.entry(source.clone()).or_insert_with(|| fresh.clone());
            known
        });
        before.get(source).cloned().unwrap_or(fresh)
    }

    async fn read(&self, source: &KeySource) -> Result<(KeySet, Option<std::time::Duration>), Unreadable> {
        let at = match source {
            KeySource::At(url) => url.to_string(),
            KeySource::Issuer(issuer) => {
                let document = self.fetch(&discovery(issuer), MAX_DISCOVERY).await?;
                discovered(issuer, &document.text)?
            }
        };
        let Fetched { text, fresh_for } = self.fetch(&at, MAX_PUBLISHED_BYTES).await?;
        Ok((KeySet::published(&text)?, fresh_for))
    }

    async fn fetch(&self, url: &str, limit: usize) -> Result<Fetched, Unreadable> {
        let url: Url = outgoing::url("", url, self.outgoing.reach()).map_err(|_| Unreadable::Address)?;
        Ok(self.outgoing.get(&url, limit).await?)
    }
}

impl fmt::Debug for KeySets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySets").field("sources", &self.known.load().len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
