//! What each may have so many of at a time: counted by whom it is for, and given back when it is dropped.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

#[derive(Debug)]
pub struct Seats<K>(Mutex<HashMap<K, u32>>);

/// One of them, until this is dropped.
#[derive(Debug)]
pub struct Seat<K: Copy + Eq + Hash> {
    of: Arc<Seats<K>>,
    key: K,
}

impl<K> Default for Seats<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Copy + Eq + Hash> Seats<K> {
    /// `None`: there are `most` already.
    pub fn take(self: &Arc<Self>, key: K, most: u32) -> Option<Seat<K>> {
        let mut seats = self.taken();
        if seats.get(&key).is_some_and(|taken| *taken >= most) || most == 0 {
            return None;
        }
        *seats.entry(key).or_default() += 1;
        Some(Seat { of: Arc::clone(self), key })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<K, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for Seat<K> {
    fn drop(&mut self) {
        let mut seats = self.of.taken();
        if let Some(taken) = seats.get_mut(&self.key) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_and_gives_them_back() {
        let seats = Arc::new(Seats::default());
        let mut taken: Vec<_> = (0..3).map(|_| seats.take("a", 3).unwrap()).collect();
        assert!(seats.take("a", 3).is_none());
        let other = seats.take("b", 3).unwrap();
        taken.pop();
        taken.push(seats.take("a", 3).unwrap());
        assert!(seats.take("a", 3).is_none() && seats.take("c", 0).is_none());
        drop((taken, other));
        assert!(seats.taken().is_empty());
    }
}
