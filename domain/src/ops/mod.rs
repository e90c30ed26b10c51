//! Operations: one public function per use case, one transaction, one audit row.

pub mod access_tokens;
pub mod invitations;
pub mod members;
pub mod portal;
pub mod sessions;
pub mod sign_in;
pub mod staff;
pub mod teams;
pub mod tiers;
pub mod viewer;
pub mod assignments;
pub mod categories;
pub mod quota;
pub mod retention;
pub mod product_environments;
pub mod products;
pub mod specs;
