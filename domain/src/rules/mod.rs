//! Pure rules: facts in, verdict out. No database, no clock, nothing that waits.

pub mod admission;
pub mod credential;
pub mod decision;
pub mod denial;
pub mod limits;
pub mod method;
pub mod path;
pub mod policy;
pub mod quota;
pub mod rate;
pub mod routes;
pub mod text;
pub mod view;
