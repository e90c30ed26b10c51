//! Pure rules: facts in, verdict out. No database, no clock, nothing that waits.

pub mod admission;
pub mod backoff;
pub mod credential;
pub mod denial;
pub mod limits;
pub mod method;
pub mod openapi;
pub mod path;
pub mod policy;
pub mod product;
pub mod quota;
pub mod rate;
pub mod routes;
pub mod spec_version;
pub mod text;
pub mod upstream;
pub mod view;
pub mod visibility;
