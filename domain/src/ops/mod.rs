//! Operations: one public function per use case, one transaction, one audit row.

pub mod clients;
pub mod credentials;
mod idempotency;
pub mod onboarding;
pub mod plans;
pub mod policies;
pub mod portal;
pub mod portal_access;
pub mod profiles;
pub mod subscriptions;
