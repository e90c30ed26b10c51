//! Published documents in memory, within a bound: reading one operation of a large document twice unpacks it once.

use std::{
    collections::HashMap,
    hash::Hash,
    io::{Read, Write},
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
};

use entities::id::{EndpointId, SpecVersionId};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use tokio::sync::{MutexGuard, Semaphore, SemaphorePermit};

use crate::{
    DomainError, Result,
    rules::{
        mock::Source,
        openapi::{Document, MAX_DOCUMENT},
    },
};

/// Bytes that indexed documents may take together; the one in use stays whatever it weighs.
const MAX_DOCUMENTS: usize = 32 << 20;
/// Bytes of rendered downloads, gzip.
const MAX_DOWNLOADS: usize = 16 << 20;
/// Bytes that the documents behind MOCK environments may take together, with what was parsed of them.
const MAX_SOURCES: usize = 96 << 20;
/// Endpoints whose place in their document is remembered.
const MAX_MOCKED: usize = 20_000;

/// One per process. What is published never changes, so nothing in here can be out of date.
pub struct Documents {
    indexed: Mutex<Recent<SpecVersionId, Arc<Document>>>,
    downloads: Mutex<Recent<String, Arc<Vec<u8>>>>,
    sources: Mutex<Recent<SpecVersionId, Arc<Source>>>,
    mocked: Mutex<Recent<EndpointId, Arc<Mocked>>>,
    reading_source: tokio::sync::Mutex<()>,
    answering: Semaphore,
}

/// Where an endpoint of a MOCK environment stands in its document.
pub(crate) struct Mocked {
    pub spec: SpecVersionId,
    /// With the version's path prefix before it.
    pub template: String,
    pub document_path: String,
    pub method: String,
}

impl Default for Documents {
    fn default() -> Self {
        Self {
            indexed: Mutex::new(Recent::new(MAX_DOCUMENTS)),
            downloads: Mutex::new(Recent::new(MAX_DOWNLOADS)),
            sources: Mutex::new(Recent::new(MAX_SOURCES)),
            mocked: Mutex::new(Recent::new(MAX_MOCKED)),
            reading_source: tokio::sync::Mutex::default(),
            answering: Semaphore::new(std::thread::available_parallelism().map_or(2, NonZero::get)),
        }
    }
}

impl Documents {
    pub(crate) fn get(&self, spec: SpecVersionId) -> Option<Arc<Document>> {
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner).get(&spec).cloned()
    }

    pub(crate) fn keep(&self, spec: SpecVersionId, document: &Arc<Document>) {
        let weight = document.weight();
        self.indexed.lock().unwrap_or_else(PoisonError::into_inner).put(spec, Arc::clone(document), weight);
    }

    pub(crate) fn download(&self, tag: &str) -> Option<Arc<Vec<u8>>> {
        self.downloads.lock().unwrap_or_else(PoisonError::into_inner).get(tag).cloned()
    }

    pub(crate) fn keep_download(&self, tag: &str, body: &Arc<Vec<u8>>) {
        self.downloads.lock().unwrap_or_else(PoisonError::into_inner).put(tag.to_owned(), Arc::clone(body), body.len());
    }

    pub(crate) fn source(&self, spec: SpecVersionId) -> Option<Arc<Source>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).get(&spec).cloned()
    }

    pub(crate) fn keep_source(&self, spec: SpecVersionId, source: &Arc<Source>) {
        let weight = source.weight();
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).put(spec, Arc::clone(source), weight);
    }

    /// Held while a document is made ready to answer from.
    pub(crate) async fn reading_source(&self) -> MutexGuard<'_, ()> {
        self.reading_source.lock().await
    }

    /// Held while an answer is made: it is work for a core, and there are only so many.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.answering.acquire().await.ok()
    }

    pub(crate) fn mocked(&self, endpoint: EndpointId) -> Option<Arc<Mocked>> {
        self.mocked.lock().unwrap_or_else(PoisonError::into_inner).get(&endpoint).cloned()
    }

    pub(crate) fn keep_mocked(&self, endpoint: EndpointId, mocked: &Arc<Mocked>) {
        self.mocked.lock().unwrap_or_else(PoisonError::into_inner).put(endpoint, Arc::clone(mocked), 1);
    }
}

/// What was used last, up to a weight.
struct Recent<K, V> {
    entries: HashMap<K, Entry<V>>,
    /// Counts uses.
    now: u64,
    weight: usize,
    max_weight: usize,
}

struct Entry<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<K: Hash + Eq + Clone, V> Recent<K, V> {
    fn new(max_weight: usize) -> Self {
        Self { entries: HashMap::new(), now: 0, weight: 0, max_weight }
    }

    fn get<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.now += 1;
        let entry = self.entries.get_mut(key)?;
        entry.used = self.now;
        Some(&entry.value)
    }

    fn put(&mut self, key: K, value: V, weight: usize) {
        self.now += 1;
        let entry = Entry { value, weight, used: self.now };
        self.weight += weight;
        if let Some(old) = self.entries.insert(key, entry) {
            self.weight -= old.weight;
        }
        while self.weight > self.max_weight && self.entries.len() > 1 {
            let Some(oldest) = self.entries.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone()) else { break };
            if let Some(old) = self.entries.remove(&oldest) {
                self.weight -= old.weight;
            }
        }
    }
}

/// gzip, without a time in it: the same text gives the same bytes.
pub(crate) fn pack(text: &str) -> Result<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text.as_bytes()).and_then(|()| packer.finish()).map_err(DomainError::internal)
}

pub fn unpack(body: &[u8]) -> Result<String> {
    // JSON may be somewhat larger than the YAML it came from.
    const MAX_UNPACKED: u64 = 4 * MAX_DOCUMENT as u64;
    let mut text = String::new();
    GzDecoder::new(body).take(MAX_UNPACKED).read_to_string(&mut text).map_err(DomainError::internal)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_goes_first() {
        let mut recent = Recent::new(10);
        for (key, weight) in [("a", 4), ("b", 4)] {
            recent.put(key, key, weight);
        }
        assert_eq!(recent.get("a"), Some(&"a"));
        recent.put("c", "c", 4);
        let left = ["a", "b", "c"].map(|key| recent.get(key).copied());
        assert_eq!(left, [Some("a"), None, Some("c")]);
        recent.put("huge", "huge", 99);
        assert_eq!((recent.entries.len(), recent.weight), (1, 99));
        recent.put("huge", "huge", 3);
        recent.put("d", "d", 7);
        assert_eq!((recent.entries.len(), recent.weight), (2, 10));
    }

    #[test]
    fn packing_is_reversible_and_repeatable() {
        let text = "{\"a\":1}".repeat(1_000);
        let packed = pack(&text).unwrap_or_default();
        assert!(packed.len() < text.len() / 10);
        assert_eq!(packed, pack(&text).unwrap_or_default());
        assert_eq!(unpack(&packed).unwrap_or_default(), text);
        assert!(unpack(b"no gzip").is_err());
    }
}
