//! Operations: one public function per use case, one transaction, one audit row.

pub mod portal;
pub mod quota;
pub mod retention;
