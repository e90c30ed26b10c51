//! Where an instance keeps what it has: gone with the test, so that a run needs the room of a few databases only.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbErr};
use tempfile::TempDir;

/// A data directory and, where the environment names a PostgreSQL server, a database on it.
pub struct Home {
    directory: TempDir,
    database: Option<OnServer>,
}

struct OnServer {
    server: String,
    name: String,
}

impl Home {
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
    pub async fn new() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let Ok(server) = std::env::var("PORTICO_TEST_DATABASE_URL") else { return Self { directory, database: None } };
        let name = format!("journey_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        tell(&server, &format!("create database {name}")).await.expect("a new database");
        Self { directory, database: Some(OnServer { server, name }) }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// `None`: SQLite in the directory.
    pub fn database_url(&self) -> Option<String> {
        let OnServer { server, name } = self.database.as_ref()?;
        let (base, _) = server.rsplit_once('/').expect("a database in the URL");
        Some(format!("{base}/{name}"))
    }

    /// A connection beside the instance's own.
    pub async fn open(&self) -> DatabaseConnection {
        let file = || format!("sqlite://{}", self.path().join("portico.db").display());
        Database::connect(self.database_url().unwrap_or_else(file)).await.expect("the instance's database")
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let Some(OnServer { server, name }) = self.database.take() else { return };
        // The instance may still hold connections. A database that stays is no reason for a test to fail.
        let drop = async move { tell(&server, &format!("drop database if exists {name} with (force)")).await };
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
        let _ = thread::spawn(move || runtime().map(|runtime| runtime.block_on(drop))).join();
    }
}

async fn tell(server: &str, statement: &str) -> Result<(), DbErr> {
    let admin = Database::connect(server).await?;
    admin.execute_unprepared(statement).await?;
    admin.close().await
}
