//! How the tables came to be. One process migrates at a time: the others wait, then find nothing left to do.

use std::{fs::File, os::unix::fs::OpenOptionsExt, path::Path};

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement, TransactionTrait},
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
mod m0018_streams_ended;
mod m0024_storage;
mod m0025_paths_and_ends;
mod m0026_quota_heirs;
mod m0027_allowed_origins;
mod m0028_processes;
mod m0029_assignment_scopes;
mod shape;

pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let all: Vec<Box<dyn MigrationTrait>> = vec![
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
            Box::new(m0018_streams_ended::Migration),
            Box::new(m0024_storage::Migration),
            Box::new(m0025_paths_and_ends::Migration),
            Box::new(m0026_quota_heirs::Migration),
            Box::new(m0027_allowed_origins::Migration),
            Box::new(m0028_processes::Migration),
            Box::new(m0029_assignment_scopes::Migration),
        ];
        all.into_iter().map(|migration| Box::new(Whole(migration)) as Box<dyn MigrationTrait>).collect()
    }
}

/// One transaction with the row that says it is applied, on SQLite too: where the process is killed, it is done or not begun.
struct Whole(Box<dyn MigrationTrait>);

impl MigrationName for Whole {
    fn name(&self) -> &str {
        self.0.name()
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Whole {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.up(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        self.0.down(manager).await
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// Names PostgreSQL's advisory lock that a migrating process holds.
const LOCK: i64 = 0x706f_7274_6963_6f00;

/// Brings the database up to date. On SQLite the caller keeps other processes out, by [`alone`]; PostgreSQL has locks of its own.
///
/// # Errors
/// What the database says; a sentence with what to do, where a later version has changed it or an earlier one left it half
/// changed.
pub async fn up(db: &DatabaseConnection) -> Result<(), DbErr> {
    match db.get_database_backend() {
        DatabaseBackend::Postgres => {
            let holder = db.begin().await?;
            holder.execute_unprepared(&format!("select pg_advisory_xact_lock({LOCK})")).await?;
            known(db).await?;
            Migrator::up(db, None).await?;
            holder.commit().await
        }
        _ => {
            known(db).await?;
            let Err(error) = Migrator::up(db, None).await else { return Ok(()) };
            Err(if is_half_done(&error) { half_done(db).await? } else { error })
        }
    }
}

/// The names of the migrations that are not applied yet. It changes nothing.
pub async fn pending(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    known(db).await?;
    let pending = Migrator::get_pending_migrations_read_only(db).await?;
    Ok(pending.iter().map(|m| m.name().to_owned()).collect())
}

/// Refuses what a later version has changed.
async fn known(db: &DatabaseConnection) -> Result<(), DbErr> {
    if !SchemaManager::new(db).has_table("seaql_migrations").await? {
        return Ok(());
    }
    let ours = Migrator::migrations();
    let applied = Migrator::get_migration_models(db).await?;
    match applied.iter().find(|row| ours.iter().all(|migration| migration.name() != row.version)) {
        Some(row) => Err(DbErr::Custom(format!(
            "a later version of Portico has changed it ({}): run that version, or put back the copy from before the upgrade",
            row.version
        ))),
        None => Ok(()),
    }
}

/// Whether something is there that a migration was about to make.
fn is_half_done(error: &DbErr) -> bool {
    let said = error.to_string();
    said.contains("already exists") || said.contains("duplicate column name") || said.contains("no such index")
}

/// Versions before migrations were transactions on SQLite left that, where they were killed.
async fn half_done(db: &DatabaseConnection) -> Result<DbErr, DbErr> {
    let name = pending(db).await?.into_iter().next().unwrap_or_default();
    let people = "select exists (select 1 from users) as used";
    let asked = Statement::from_string(DatabaseBackend::Sqlite, people);
    let used = match db.query_one_raw(asked).await {
        Ok(Some(row)) => row.try_get::<bool>("", "used")?,
        Ok(None) | Err(_) => false,
    };
    let remedy = if used {
        "put back the copy from before that upgrade and start this version on it"
    } else {
        "nobody has used it yet: move portico.db, portico.db-wal and portico.db-shm out of the data directory and start again"
    };
    Ok(DbErr::Custom(format!("an earlier version was killed while it applied {name}, and left that half done; {remedy}")))
}

/// Waits until no other process opens the same SQLite file for the first time or migrates it, and keeps them out until the
/// file is dropped. Taken before connecting: the switch to write-ahead logging does not wait for another's.
pub fn alone(path: &Path) -> Result<File, DbErr> {
    let refused = |e: std::io::Error| DbErr::Custom(format!("cannot lock {}: {e}", path.display()));
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(refused)?;
    file.lock().map_err(refused)?;
    Ok(file)
}
