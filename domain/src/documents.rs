//! Published documents in memory, within a bound: reading one operation of a large document twice unpacks it once.

use std::{
    collections::HashMap,
    hash::Hash,
    io::{self, Cursor, Read, Take, Write},
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
};

use entities::id::{EndpointId, SpecVersionId};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    DomainError, Result,
    rules::{
        mock::Source,
        openapi::{Document, MAX_DOCUMENT},
    },
};

/// Bytes that indexed documents may take together; the one in use stays whatever it weighs.
const MAX_DOCUMENTS: usize = 32 << 20;
/// Bytes of operations with their references resolved.
const MAX_OPERATIONS: usize = 16 << 20;
/// Bytes of rendered downloads, gzip.
const MAX_DOWNLOADS: usize = 16 << 20;
/// Bytes that the documents behind MOCK environments may take together, with what was parsed of them.
const MAX_SOURCES: usize = 96 << 20;
/// Endpoints whose place in their document is remembered.
const MAX_MOCKED: usize = 20_000;

/// One per process. What is published never changes, so nothing in here can be out of date.
pub struct Documents {
    indexed: Mutex<Recent<SpecVersionId, Arc<Document>>>,
    operations: Mutex<Recent<EndpointId, Arc<str>>>,
    downloads: Mutex<Recent<String, Arc<Vec<u8>>>>,
    sources: Mutex<Recent<SpecVersionId, Arc<Source>>>,
    mocked: Mutex<Recent<EndpointId, Arc<Mocked>>>,
    reading: Flights<SpecVersionId>,
    writing: Flights<String>,
    reading_source: Flights<SpecVersionId>,
    answering: Arc<Semaphore>,
    resolving: Arc<Semaphore>,
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
        let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
        Self {
            indexed: Mutex::new(Recent::new(MAX_DOCUMENTS)),
            downloads: Mutex::new(Recent::new(MAX_DOWNLOADS)),
            sources: Mutex::new(Recent::new(MAX_SOURCES)),
            mocked: Mutex::new(Recent::new(MAX_MOCKED)),
            operations: Mutex::new(Recent::new(MAX_OPERATIONS)),
            reading: Flights::default(),
            writing: Flights::default(),
            reading_source: Flights::default(),
            answering: Arc::new(Semaphore::new(cores)),
            resolving: Arc::new(Semaphore::new(cores)),
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

    pub(crate) fn operation(&self, endpoint: EndpointId) -> Option<Arc<str>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).get(&endpoint).cloned()
    }

    pub(crate) fn keep_operation(&self, endpoint: EndpointId, text: &Arc<str>) {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).put(endpoint, Arc::clone(text), text.len());
    }

    /// Held while a document is unpacked: who asks for it meanwhile waits, and finds it.
    pub(crate) async fn reading(&self, spec: SpecVersionId) -> Flight<'_, SpecVersionId> {
        self.reading.join(spec).await
    }

    /// Held while a download is made.
    pub(crate) async fn writing(&self, tag: &str) -> Flight<'_, String> {
        self.writing.join(tag.to_owned()).await
    }

    /// Held while a document is made ready to answer from.
    pub(crate) async fn reading_source(&self, spec: SpecVersionId) -> Flight<'_, SpecVersionId> {
        self.reading_source.join(spec).await
    }

    /// Held by the work itself while an answer is made: it is for a core, and there are only so many.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.answering).acquire_owned().await.ok()
    }

    /// As [`Self::turn`], of what the portal asks for: callers of the gateway do not wait for it.
    pub(crate) async fn turn_of_the_portal(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.resolving).acquire_owned().await.ok()
    }

    pub(crate) fn mocked(&self, endpoint: EndpointId) -> Option<Arc<Mocked>> {
        self.mocked.lock().unwrap_or_else(PoisonError::into_inner).get(&endpoint).cloned()
    }

    pub(crate) fn keep_mocked(&self, endpoint: EndpointId, mocked: &Arc<Mocked>) {
        self.mocked.lock().unwrap_or_else(PoisonError::into_inner).put(endpoint, Arc::clone(mocked), 1);
    }
}

/// Work of which one is enough for all who wait for it, by what it is about.
struct Flights<K>(Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>);

impl<K> Default for Flights<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// One's turn: what was made by the one before is found first.
pub(crate) struct Flight<'f, K: Hash + Eq> {
    flights: &'f Flights<K>,
    key: K,
    _turn: tokio::sync::OwnedMutexGuard<()>,
}

impl<K: Hash + Eq + Clone> Flights<K> {
    async fn join(&self, key: K) -> Flight<'_, K> {
        let one = Arc::clone(self.lock().entry(key.clone()).or_default());
        let turn = one.lock_owned().await;
        Flight { flights: self, key, _turn: turn }
    }
}

impl<K> Flights<K> {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<K, Arc<tokio::sync::Mutex<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq> Drop for Flight<'_, K> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        // Ours and the map's: nobody waits. Who joins after this finds what was made.
        if flights.get(&self.key).is_some_and(|one| Arc::strong_count(one) <= 2) {
            flights.remove(&self.key);
        }
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

pub(crate) fn unpack(body: &[u8]) -> Result<String> {
    let mut text = String::new();
    Unpacker::new(body).read_to_string(&mut text).map_err(DomainError::internal)?;
    Ok(text)
}

/// Reads what was packed, piece by piece.
pub struct Unpacker<B: AsRef<[u8]>>(Take<GzDecoder<Cursor<B>>>);

impl<B: AsRef<[u8]>> Unpacker<B> {
    pub fn new(body: B) -> Self {
        // JSON may be somewhat larger than the YAML it came from.
        const MAX_UNPACKED: u64 = 4 * MAX_DOCUMENT as u64;
        Self(GzDecoder::new(Cursor::new(body)).take(MAX_UNPACKED))
    }
}

impl<B: AsRef<[u8]>> Read for Unpacker<B> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
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

    /// Whether it is done at once.
    fn is_ready<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        std::pin::Pin::new(future).poll(&mut context).is_ready()
    }

    #[tokio::test]
    async fn one_at_a_time_and_nothing_is_left() {
        let flights = Flights::<u8>::default();
        let first = flights.join(1).await;
        let mut second = Box::pin(flights.join(1));
        assert!(!is_ready(&mut second) && is_ready(&mut Box::pin(flights.join(2))));
        drop(first);
        drop(second.await);
        // One that waited and was given up.
        let first = flights.join(1).await;
        let mut given_up = Box::pin(flights.join(1));
        assert!(!is_ready(&mut given_up));
        drop(given_up);
        drop(first);
        assert!(flights.lock().is_empty());
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
