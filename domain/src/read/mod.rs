//! Lists and reports. Every read starts inside the tenant, or at what the viewer may see.

pub mod approval_groups;
pub mod assignments;
pub mod audit;
pub mod catalog;
pub mod clients;
pub mod endpoints;
pub mod invitations;
pub mod lanes;
pub mod mail;
pub mod page;
pub mod people;
pub mod plans;
pub mod policies;
pub mod portal;
pub mod request_log;
pub mod review_queue;
pub mod sample_request;
pub mod scopes;
pub mod search;
pub mod sign_in;
pub mod spec_audience;
pub mod spec_changes;
pub mod specs;
pub mod submissions;
pub mod subscriptions;
pub mod teams;
