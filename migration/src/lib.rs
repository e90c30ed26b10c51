//! How the tables came to be. One process migrates at a time: the others wait, then find nothing left to do.

use std::{fs::File, path::Path};

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, TransactionTrait},
};

mod m0001_first_tables;
mod m0002_spec_changes;
mod m0003_support;
mod m0004_reviews;
mod m0005_plans_in_full;
mod m0006_notices;
mod m0007_evidence_and_registrations;
mod m0008_rotation;
mod m0009_rotation_requests;
mod m0010_gateway_nodes;
mod m0011_credential_kinds;
mod m0012_leaks;
mod m0013_audit_chain;
mod m0014_domains;
mod m0015_sessions;
mod m0016_one_identity;
mod m0021_quota_heirs;
mod m0022_assignment_scopes;
mod shape;

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first_tables::Migration),
            Box::new(m0002_spec_changes::Migration),
            Box::new(m0003_support::Migration),
            Box::new(m0004_reviews::Migration),
            Box::new(m0005_plans_in_full::Migration),
            Box::new(m0006_notices::Migration),
            Box::new(m0007_evidence_and_registrations::Migration),
            Box::new(m0008_rotation::Migration),
            Box::new(m0009_rotation_requests::Migration),
            Box::new(m0010_gateway_nodes::Migration),
            Box::new(m0011_credential_kinds::Migration),
            Box::new(m0012_leaks::Migration),
            Box::new(m0013_audit_chain::Migration),
            Box::new(m0014_domains::Migration),
            Box::new(m0015_sessions::Migration),
            Box::new(m0016_one_identity::Migration),
            Box::new(m0021_quota_heirs::Migration),
            Box::new(m0022_assignment_scopes::Migration),
        ]
    }
}

/// Names PostgreSQL's advisory lock that a migrating process holds.
const LOCK: i64 = 0x706f_7274_6963_6f00;

/// Brings the database up to date. On SQLite the caller keeps other processes out, by [`alone`]; PostgreSQL has locks of its own.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    match db.get_database_backend() {
        DatabaseBackend::Postgres => {
            let holder = db.begin().await?;
            holder.execute_unprepared(&format!("select pg_advisory_xact_lock({LOCK})")).await?;
            Migrator::up(db, None).await?;
            holder.commit().await
        }
        _ => Migrator::up(db, None).await,
    }
}

/// The names of the migrations that are not applied yet.
pub async fn pending(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let pending = Migrator::get_pending_migrations(db).await?;
    Ok(pending.iter().map(|m| m.name().to_owned()).collect())
}

/// Waits until no other process opens the same SQLite file for the first time or migrates it, and keeps them out until the
/// file is dropped. Taken before connecting: the switch to write-ahead logging does not wait for another's.
pub fn alone(path: &Path) -> Result<File, DbErr> {
    let refused = |e: std::io::Error| DbErr::Custom(format!("cannot lock {}: {e}", path.display()));
    let file = File::create(path).map_err(refused)?;
    file.lock().map_err(refused)?;
    Ok(file)
}
