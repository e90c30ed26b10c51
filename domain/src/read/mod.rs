//! Lists and reports. Every read starts inside the tenant, or at what the viewer may see.

pub mod invitations;
pub mod page;
pub mod people;
pub mod sign_in;
pub mod teams;
pub mod mail;
pub mod assignments;
pub mod catalog;
pub mod endpoints;
pub mod search;
pub mod specs;
