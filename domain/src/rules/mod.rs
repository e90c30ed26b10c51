//! Pure rules: facts in, verdict out. No database, no clock, nothing that waits.

pub mod backoff;
pub mod policy;
pub mod text;
