//! What may happen: pure rules, one operation per use case, reads that stay inside their tenant, ports to the outside.

pub mod access;
pub mod actor;
pub mod audit;
pub mod context;
pub mod dns;
pub mod documents;
pub mod enforcement;
pub mod env;
pub mod error;
pub mod identity;
pub mod itself;
pub mod key_sets;
pub mod keyring;
pub mod limits;
pub mod listening;
pub mod notices;
pub mod oauth;
pub mod ops;
pub mod outbox;
pub mod outgoing;
pub mod processes;
pub mod queue;
pub mod read;
pub mod receipt;
pub mod rules;
pub mod snapshot;
pub mod tx;
pub mod updates;
pub mod wake;
pub mod writable;

pub use actor::Actor;
pub use context::Domain;
pub use error::{DomainError, Problem, ProblemCode};
pub use tx::Tx;

/// The result of an operation or a read.
pub type Result<T, E = DomainError> = std::result::Result<T, E>;
