//! Operations: one public function per use case, one transaction, one audit row.

pub mod access_tokens;
pub mod assignments;
pub mod categories;
pub mod invitations;
pub mod members;
pub mod portal;
pub mod product_environments;
pub mod products;
pub mod quota;
pub mod retention;
pub mod sessions;
pub mod sign_in;
pub mod specs;
pub mod staff;
pub mod teams;
pub mod tiers;
pub mod viewer;
