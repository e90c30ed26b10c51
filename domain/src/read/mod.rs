//! Lists and reports. Every read starts inside the tenant, or at what the viewer may see.

pub mod assignments;
pub mod catalog;
pub mod endpoints;
pub mod invitations;
pub mod mail;
pub mod page;
pub mod people;
pub mod search;
pub mod sign_in;
pub mod specs;
pub mod teams;
