//! Pure rules: facts in, verdict out. No database, no clock, nothing that waits.

pub mod openapi;
pub mod policy;
pub mod product;
pub mod spec_version;
pub mod text;
pub mod upstream;
pub mod visibility;
