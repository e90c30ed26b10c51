//! Operations on a real database: a SQLite file, and PostgreSQL where `PORTICO_TEST_DATABASE_URL` names one.

#![allow(clippy::unwrap_used, reason = "what a test cannot set up fails it")]

mod access_history;
mod audit_chain;
mod fixture;
mod gateway;
mod leases;
mod log;
mod onboarding;
mod snapshot;
mod specs;
mod updates;
mod visibility;
