//! Lists and reports. Every read starts inside the tenant, or at what the viewer may see.

pub mod access_explanation;
pub mod access_history;
pub mod approval_groups;
pub mod assignments;
pub mod audit;
pub mod audit_verification;
pub mod catalog;
pub mod clients;
pub mod domains;
pub mod endpoints;
pub mod evidence;
pub mod gateways;
pub mod invitations;
pub mod lanes;
pub mod leaks;
pub mod mail;
pub mod mock;
pub mod notifications;
pub mod onboarding;
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
pub mod second_factor;
pub mod sign_in;
pub mod spec_audience;
pub mod spec_changes;
pub mod specs;
pub mod sso;
pub mod submissions;
pub mod subscriptions;
pub mod support;
pub mod teams;

use sea_orm::{AccessMode, DatabaseBackend, DatabaseTransaction, IsolationLevel, TransactionTrait};

use crate::{Domain, Result};

/// A transaction in which all is read as it is at one moment: PostgreSQL takes its snapshot at the first read, SQLite does anyway.
pub(crate) async fn at_once(ctx: &Domain) -> Result<DatabaseTransaction> {
    let isolation = (ctx.db.get_database_backend() == DatabaseBackend::Postgres).then_some(IsolationLevel::RepeatableRead);
    Ok(ctx.db.begin_with_config(isolation, isolation.map(|_| AccessMode::ReadOnly)).await?)
}
