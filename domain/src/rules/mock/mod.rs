//! A sandbox without a backend: answers to an operation's requests from the document's own examples, else made from its
//! schemas. Pure, and the same for the same request.

mod check;
mod format;
mod generate;
mod merge;
mod negotiate;
mod operation;
mod parameters;
mod pattern;
mod prefer;
mod random;
mod request;
mod respond;
mod source;

pub use check::{Direction, Fault};
pub use operation::Operation;
pub use prefer::Prefer;
pub use request::{Place, Request, Violation};
pub use respond::{Answer, Origin, Unanswered};
pub use source::Source;

#[cfg(test)]
mod tests;
