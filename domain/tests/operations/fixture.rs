//! A migrated database of its own for each test, with a clock that moves when told and randomness that repeats.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Domain,
    env::{Clock, Env, Randomness},
    keyring::Keyring,
    wake::Wake,
};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, sqlx::sqlite::SqliteJournalMode};

/// Stands where it was put.
pub struct TestClock(Mutex<DateTime<Utc>>);

impl TestClock {
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }

    pub fn set(&self, to: DateTime<Utc>) {
        *self.0.lock().unwrap() = to;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

struct Seeded(Mutex<StdRng>);

impl Randomness for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(bytes);
    }
}

/// A domain on an empty, migrated database. What it made goes with it.
pub struct Fixture {
    pub ctx: Domain,
    pub clock: Arc<TestClock>,
    _place: Place,
}

/// Where its rows are: a directory, or a schema on the server.
enum Place {
    Directory(PathBuf),
    Schema { server: String, name: String },
}

impl Drop for Place {
    /// What stays behind is no reason for a test to fail.
    fn drop(&mut self) {
        match self {
            Self::Directory(directory) => {
                let _ = std::fs::remove_dir_all(directory);
            }
            Self::Schema { server, name } => {
                let (server, statement) = (std::mem::take(server), format!("drop schema {name} cascade"));
                let drop = async move { tell(&server, &statement).await };
                let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
                let _ = std::thread::spawn(move || runtime().map(|runtime| runtime.block_on(drop))).join();
            }
        }
    }
}

async fn tell(server: &str, statement: &str) -> Result<(), DbErr> {
    let admin = Database::connect(ConnectOptions::new(server).sqlx_logging(false).to_owned()).await?;
    admin.execute_unprepared(statement).await?;
    admin.close().await
}

/// Where every test begins: Thursday, 1 January 2026, noon UTC.
pub fn start() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

impl Fixture {
    /// On SQLite.
    pub async fn sqlite() -> Self {
        let dir = std::env::temp_dir().join(format!("portico-test-{}-{}", std::process::id(), serial()));
        std::fs::create_dir_all(&dir).unwrap();
        let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", dir.join("portico.db").display()));
        options.max_connections(8).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|o| o.journal_mode(SqliteJournalMode::Wal).busy_timeout(std::time::Duration::from_secs(5)));
        let db = Database::connect(options).await.unwrap();
        Self::on(db, Place::Directory(dir)).await
    }

    /// On PostgreSQL, in a schema of its own; `None` where no server was named.
    pub async fn postgres() -> Option<Self> {
        let url = server()?;
        let schema = format!("t{}_{}", std::process::id(), serial());
        tell(&url, &format!("create schema {schema}")).await.unwrap();
        let mut options = ConnectOptions::new(&url);
        options.max_connections(8).sqlx_logging(false).set_schema_search_path(schema.as_str());
        let db = Database::connect(options).await.unwrap();
        Some(Self::on(db, Place::Schema { server: url, name: schema }).await)
    }

    /// On every database there is.
    pub async fn each() -> Vec<Self> {
        let mut all = vec![Self::sqlite().await];
        all.extend(Self::postgres().await);
        all
    }

    async fn on(db: DatabaseConnection, place: Place) -> Self {
        migration::up(&db).await.unwrap();
        let clock = Arc::new(TestClock(Mutex::new(start())));
        let seeded = Seeded(Mutex::new(StdRng::seed_from_u64(7)));
        let keys = Keyring::parse(&"a-key-for-tests-of-thirty-two-letters".to_owned().into()).unwrap();
        let env = Env::new(clock.clone(), Arc::new(seeded));
        let ctx = Domain::new(db, env, keys);
        Self { ctx, clock, _place: place }
    }

    /// A second process on the same database: hints do not reach it.
    pub fn other_process(&self) -> Domain {
        Domain { wake: Arc::new(Wake::default()), ..self.ctx.clone() }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one setting that tests have")]
fn server() -> Option<String> {
    std::env::var("PORTICO_TEST_DATABASE_URL").ok()
}

fn serial() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
