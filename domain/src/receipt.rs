//! What the gateways said of a change. An operation whose context has one waits, after its commit, until the gateways follow: the
//! operations of those who are told that something was done. What jobs and the command line do is followed within a second.

use std::sync::{Mutex, PoisonError};

use crate::{Domain, read::gateways::Enforcement};

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

impl Domain {
    /// For one who is answered: an operation is done when the gateways follow it, a second after its commit at the latest.
    #[must_use]
    pub fn answering(&self) -> Self {
        Self { receipt: Some(std::sync::Arc::default()), ..self.clone() }
    }
}
