//! A request's id: a UUIDv7 that the log's row shares. Each core makes its own, without a lock.

use std::{cell::Cell, fmt::Write};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::env::Env;
use entities::id::{RequestId, TypedId};
use http::HeaderValue;
use uuid::Uuid;

/// What fits into the 12 bits behind a UUIDv7's time.
const PER_MILLI: u16 = 1 << 12;

/// Makes the ids of one core; they sort in the order in which they were made.
pub struct RequestIds {
    env: Env,
    last: Cell<(u64, u16)>,
}

impl RequestIds {
    pub fn new(env: Env) -> Self {
        Self { env, last: Cell::new((0, 0)) }
    }

    /// A new id for a call that came at `now`.
    pub fn next(&self, now: DateTime<Utc>) -> RequestId {
        let now = u64::try_from(now.timestamp_millis()).unwrap_or_default();
        let (millis, counter) = match self.last.get() {
            (last, _) if now > last => (now, 0),
            (last, counter) if counter + 1 < PER_MILLI => (last, counter + 1),
            (last, _) => (last + 1, 0),
        };
        self.last.set((millis, counter));
        let mut bytes: [u8; 16] = self.env.random();
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&(0x7000 | counter).to_be_bytes());
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        RequestId(Uuid::from_bytes(bytes))
    }
}

/// An id as a header's value.
pub fn header(id: impl TypedId) -> HeaderValue {
    let mut text = String::with_capacity(48);
    // Neither fails: strings take what is written, and ids are ASCII.
    let _ = write!(text, "{id}");
    HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap_or_else(|_| HeaderValue::from_static(""))
}
