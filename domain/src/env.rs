//! The only places where time and randomness come from, so that tests can hold both.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use entities::id::TypedId;
use rand::RngCore;
use uuid::Uuid;

pub trait Clock: Send + Sync {
    fn now(&self) -> DateTime<Utc>;
}

pub trait Randomness: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}

/// The system's clock and randomness.
pub struct System;

impl Clock for System {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

impl Randomness for System {
    #[expect(clippy::disallowed_methods, reason = "the one place that draws randomness")]
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

#[derive(Clone)]
pub struct Env {
    clock: Arc<dyn Clock>,
    randomness: Arc<dyn Randomness>,
    ids: Arc<Mutex<LastId>>,
}

/// The millisecond of the last id, and how many ids it had before that one.
#[derive(Default)]
struct LastId {
    millis: u64,
    counter: u16,
}

/// What fits into the 12 bits behind a UUIDv7's time.
const IDS_PER_MILLI: u16 = 1 << 12;

impl Env {
    pub fn system() -> Self {
        Self::new(Arc::new(System), Arc::new(System))
    }

    pub fn new(clock: Arc<dyn Clock>, randomness: Arc<dyn Randomness>) -> Self {
        Self { clock, randomness, ids: Arc::default() }
    }

    /// Now, in whole microseconds: PostgreSQL keeps no more, and a value must equal itself when read back.
    pub fn now(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        now.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(now)
    }

    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.randomness.fill(&mut bytes);
        bytes
    }

    /// A new id. Ids of one process sort in the order in which they were made.
    pub fn id<T: TypedId>(&self) -> T {
        T::from_uuid(self.uuid())
    }

    pub fn uuid(&self) -> Uuid {
        let now = u64::try_from(self.clock.now().timestamp_millis()).unwrap_or_default();
        let (millis, counter) = self.ids.lock().unwrap_or_else(PoisonError::into_inner).next(now);
        let mut bytes: [u8; 16] = self.random();
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&(0x7000 | counter).to_be_bytes());
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Uuid::from_bytes(bytes)
    }
}

impl LastId {
    fn next(&mut self, now: u64) -> (u64, u16) {
        if now > self.millis {
            *self = Self { millis: now, counter: 0 };
        } else {
            self.counter += 1;
            if self.counter == IDS_PER_MILLI {
                *self = Self { millis: self.millis + 1, counter: 0 };
            }
        }
        (self.millis, self.counter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Frozen;
    impl Clock for Frozen {
        fn now(&self) -> DateTime<Utc> {
            DateTime::from_timestamp_nanos(1_700_000_000_123_456_789)
        }
    }

    #[test]
    fn ids_of_one_moment_keep_their_order() {
        let env = Env::new(Arc::new(Frozen), Arc::new(System));
        let ids: Vec<Uuid> = (0..10_000).map(|_| env.uuid()).collect();
        assert!(ids.is_sorted() && ids.iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn now_has_whole_microseconds() {
        let env = Env::new(Arc::new(Frozen), Arc::new(System));
        assert_eq!(env.now().timestamp_subsec_nanos(), 123_456_000);
    }
}
