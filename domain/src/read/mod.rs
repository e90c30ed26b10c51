//! Lists and reports. Every read starts inside the tenant, or at what the viewer may see.

pub mod audit;
pub mod clients;
pub mod invitations;
pub mod lanes;
pub mod page;
pub mod people;
pub mod plans;
pub mod policies;
pub mod sample_request;
pub mod sign_in;
pub mod subscriptions;
pub mod teams;
pub mod page;
pub mod request_log;
