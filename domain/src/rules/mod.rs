//! Pure rules: facts in, verdict out. No database, no clock, nothing that waits.

pub mod access_token;
pub mod admission;
pub mod backoff;
pub mod base62;
pub mod credential;
pub mod denial;
pub mod invitation;
pub mod limits;
pub mod method;
pub mod openapi;
pub mod path;
pub mod person;
pub mod policy;
pub mod product;
pub mod quota;
pub mod rate;
pub mod return_url;
pub mod routes;
pub mod sign_in;
pub mod spec_version;
pub mod staff;
pub mod team;
pub mod text;
pub mod upstream;
pub mod view;
pub mod visibility;
