//! What happens later: workers over our own transactional queue, mail, and the work that comes with the clock.

pub mod drain;
pub mod handlers;
pub mod mail;
pub mod queue;
pub mod runner;
mod schedule;
mod settle;
pub mod table;

pub use handlers::{Failure, Handlers, Outcome, Success};
pub use mail::Mailer;
pub use runner::{JobsHandle, Settings, start, start_with};
