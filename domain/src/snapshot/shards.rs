//! A map in a thousand parts, each replaced as a whole: readers never wait, and a change copies one part.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use arc_swap::ArcSwap;
use entities::id::{ClientId, CredentialId, TeamId};

use crate::rules::credential::Lookup;

const SHARDS: usize = 1024;

/// A key that says which shard it is in.
pub(super) trait Spread: Eq + Hash + Clone {
    fn spread(&self) -> usize;
}

#[derive(Debug)]
pub(super) struct Sharded<K, V>(Box<[ArcSwap<HashMap<K, V>>]>);

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| ArcSwap::default()).collect())
    }
}

impl<K: Spread, V: Clone> Sharded<K, V> {
    pub fn get(&self, key: &K) -> Option<V> {
        self.0[key.spread() % SHARDS].load().get(key).cloned()
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(|shard| shard.load().len()).sum()
    }

    /// Puts these, about as many as are `expected`, in the place of all that was there.
    pub fn replace_all(&self, expected: usize, entries: impl Iterator<Item = (K, V)>) {
        // A shard has its share, give or take: a map that grows is copied.
        let share = expected / SHARDS * 9 / 8;
        let mut maps: Vec<HashMap<K, V>> = (0..SHARDS).map(|_| HashMap::with_capacity(share)).collect();
        for (key, value) in entries {
            maps[key.spread() % SHARDS].insert(key, value);
        }
        for (shard, mut map) in self.0.iter().zip(maps) {
            map.shrink_to_fit();
            shard.store(Arc::new(map));
        }
    }

    /// Puts or removes some. There is one writer: two would lose each other's changes.
    pub fn change(&self, mut changes: Vec<(K, Option<V>)>) {
        changes.sort_by_key(|(key, _)| key.spread() % SHARDS);
        for some in changes.chunk_by(|(a, _), (b, _)| a.spread() % SHARDS == b.spread() % SHARDS) {
            let shard = &self.0[some[0].0.spread() % SHARDS];
            let mut map = HashMap::clone(&shard.load());
            for (key, value) in some {
                match value {
                    Some(value) => map.insert(key.clone(), value.clone()),
                    None => map.remove(key),
                };
            }
            shard.store(Arc::new(map));
        }
    }
}

/// The last bytes of a UUIDv7 are random.
fn tail(uuid: uuid::Uuid) -> usize {
    let bytes = uuid.as_bytes();
    usize::from(bytes[14]) << 8 | usize::from(bytes[15])
}

impl Spread for ClientId {
    fn spread(&self) -> usize {
        tail(self.0)
    }
}

impl Spread for CredentialId {
    fn spread(&self) -> usize {
        tail(self.0)
    }
}

impl Spread for TeamId {
    fn spread(&self) -> usize {
        tail(self.0)
    }
}

impl Spread for Lookup {
    fn spread(&self) -> usize {
        self.bytes()[9..].iter().fold(0, |sum, byte| sum * 62 + usize::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn changes_reach_their_keys_and_no_others() {
        let ids: Vec<ClientId> = (0..5_000u128).map(|i| ClientId(Uuid::from_u128(i * 0x9e37_79b9_7f4a_7c15))).collect();
        let map = Sharded::default();
        map.replace_all(ids.len(), ids.iter().map(|id| (*id, 1)));
        let changes = ids.iter().step_by(3).map(|id| (*id, None)).chain(ids.iter().skip(1).step_by(3).map(|id| (*id, Some(2))));
        map.change(changes.collect());
        for (i, id) in ids.iter().enumerate() {
            assert_eq!(map.get(id), [None, Some(2), Some(1)][i % 3]);
        }
        assert_eq!(map.len(), ids.len() - ids.len().div_ceil(3));
        map.replace_all(0, std::iter::empty());
        assert_eq!(map.len(), 0);
    }
}
