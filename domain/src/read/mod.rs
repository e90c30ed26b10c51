//! Lists and reports. Every read starts inside the tenant, or at what the viewer may see.

pub mod assignments;
pub mod audit;
pub mod catalog;
pub mod clients;
pub mod endpoints;
pub mod invitations;
pub mod lanes;
pub mod mail;
pub mod mock;
pub mod page;
pub mod people;
pub mod plans;
pub mod policies;
pub mod portal;
pub mod request_log;
pub mod sample_request;
pub mod search;
pub mod sign_in;
pub mod specs;
pub mod subscriptions;
pub mod teams;
