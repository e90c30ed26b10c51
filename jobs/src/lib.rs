//! What happens later: workers over our own transactional queue, mail, and the work that comes with the clock.

pub mod drain;
pub mod handlers;
pub mod mail;
pub mod outcome;
pub mod queue;
pub mod runner;
mod schedule;
mod settle;
mod stop;
pub mod table;

pub use handlers::Handlers;
pub use mail::Mailer;
pub use outcome::{Failure, Outcome, Success};
pub use runner::{JobsHandle, Pulse, Settings, start, start_with};
