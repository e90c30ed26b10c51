//! Pure rules: facts in, verdict out. No database, no clock, nothing that waits.

pub mod access_token;
pub mod admission;
pub mod base62;
pub mod credential;
pub mod decision;
pub mod denial;
pub mod invitation;
pub mod limits;
pub mod method;
pub mod path;
pub mod plan;
pub mod person;
pub mod policy;
pub mod profile;
pub mod quota;
pub mod rate;
pub mod return_url;
pub mod routes;
pub mod sample_request;
pub mod subscription;
pub mod sign_in;
pub mod staff;
pub mod team;
pub mod text;
pub mod view;
