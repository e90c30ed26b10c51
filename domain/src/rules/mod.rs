//! Pure rules: facts in, verdict out. No database, no clock, nothing that waits.

pub mod policy;
pub mod text;
