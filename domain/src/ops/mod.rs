//! Operations: one public function per use case, one transaction, one audit row.

pub mod assignments;
pub mod categories;
pub mod portal;
pub mod quota;
pub mod retention;
pub mod product_environments;
pub mod products;
pub mod specs;
