//! Pure rules: facts in, verdict out. No database, no clock, nothing that waits.

pub mod plan;
pub mod policy;
pub mod profile;
pub mod sample_request;
pub mod subscription;
pub mod text;
