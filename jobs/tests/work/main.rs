//! The queue, its worker and its mails, on SQLite and, where a server is named, on PostgreSQL.

mod claims;
mod crash;
mod fixture;
mod mails;
mod retention;
mod smtp;
mod worker;
