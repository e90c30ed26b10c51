//! Lists and reports. Every read starts inside the tenant, or at what the viewer may see.

pub mod page;
pub mod request_log;
