//! What the gateways said of a change. An operation whose context has one waits, after its commit, until the gateways follow: the
//! operations of those who are told that something was done. What jobs and the command line do is followed within a second.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How many gateways follow a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Enforcement {
    pub revision: i64,
    /// Those that gave a sign of life within the portal's `gatewayStaleSeconds`.
    pub gateways: u64,
    pub confirmed: u64,
    /// From the change until the last of them confirmed it; `None` where one has not.
    pub took: Option<Duration>,
    /// Calls that were open, and that gateways ended because of the change.
    pub streams_ended: u64,
}

/// What became of the last operation.
#[derive(Debug, Default)]
pub struct Receipt(Mutex<Option<Enforcement>>);

impl Receipt {
    /// `None` where it changed nothing at the gateway.
    pub fn last(&self) -> Option<Enforcement> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note(&self, seen: Option<Enforcement>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}
