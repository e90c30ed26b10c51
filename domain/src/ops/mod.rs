//! Operations: one public function per use case, one transaction, one audit row.

pub mod access_tokens;
pub mod assignments;
pub mod categories;
pub mod clients;
pub mod credentials;
mod idempotency;
pub mod invitations;
pub mod members;
pub mod onboarding;
pub mod plans;
pub mod policies;
pub mod portal;
pub mod portal_access;
pub mod product_environments;
pub mod products;
pub mod profiles;
pub mod quota;
pub mod request_log;
pub mod retention;
pub mod sessions;
pub mod sign_in;
pub mod specs;
pub mod staff;
pub mod subscriptions;
pub mod teams;
pub mod tiers;
pub mod viewer;
