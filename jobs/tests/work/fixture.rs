//! A database of its own for each test: a SQLite file, or one on the server that `PORTICO_TEST_DATABASE_URL` names.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use domain::{
    Domain, Tx,
    env::{Clock, Env, Randomness},
    keyring::Keyring,
    outbox::{Job, When},
    tx::Unaudited,
};
use entities::outbox_job;
use jobs::mail::{Delivery, MailSettings, Mailer, SentMails};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, EntityTrait, QueryOrder,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

/// A clock that moves only when told.
pub struct StillClock(Mutex<DateTime<Utc>>);

impl StillClock {
    pub fn advance(&self, by: TimeDelta) {
        *self.0.lock().expect("clock") += by;
    }
}

impl Clock for StillClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("clock")
    }
}

/// The same numbers in every run (SplitMix64).
struct Seeded(Mutex<u64>);

impl Randomness for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().expect("randomness");
        for byte in bytes {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            *byte = (mixed >> 56) as u8;
        }
    }
}

pub struct Fixture {
    pub domain: Domain,
    pub clock: Arc<StillClock>,
    /// What another process connects to.
    pub url: String,
    directory: PathBuf,
    server: Option<String>,
}

pub const PORTAL_URL: &str = "https://portal.acme.example";

impl Fixture {
    /// With a clock that stands on 3 May 2026, 14:05 UTC.
    pub async fn new() -> Self {
        let start = Utc.with_ymd_and_hms(2026, 5, 3, 14, 5, 0).single().expect("a date");
        let clock = Arc::new(StillClock(Mutex::new(start)));
        let env = Env::new(clock.clone(), Arc::new(Seeded(Mutex::new(7))));
        Self::open(env, clock, server()).await
    }

    /// With the system's clock: for what waits for real.
    pub async fn in_real_time() -> Self {
        Self::open(Env::system(), still(), server()).await
    }

    /// The same on SQLite, whichever server is named.
    #[allow(dead_code, reason = "the benchmark's")]
    pub async fn on_sqlite() -> Self {
        Self::open(Env::system(), still(), None).await
    }

    async fn open(env: Env, clock: Arc<StillClock>, server: Option<String>) -> Self {
        let name = format!("portico_jobs_{}", Env::system().uuid().simple());
        let directory = std::env::temp_dir().join(&name);
        std::fs::create_dir_all(&directory).expect("a directory");
        let url = match &server {
            Some(server) => {
                execute(server, &format!("create database {name}")).await;
                let (base, _) = server.rsplit_once('/').expect("postgres://…/database");
                format!("{base}/{name}")
            }
            None => format!("sqlite://{}?mode=rwc", directory.join("portico.db").display()),
        };
        let db = connect(&url).await;
        migration::up(&db).await.expect("migrations");
        Self { domain: domain(db, env), clock, url, directory, server }
    }

    pub async fn enqueue<J: Job>(&self, job: J) {
        enqueue(&self.domain, job, When::default()).await;
    }

    pub async fn jobs(&self) -> Vec<outbox_job::Model> {
        outbox_job::Entity::find().order_by_asc(outbox_job::Column::Id).all(&self.domain.db).await.expect("jobs")
    }

    pub fn mailer(&self, delivery: Delivery) -> Mailer {
        let from = "noreply@acme.example".to_owned();
        Mailer::new(MailSettings {
            from,
            portal_url: PORTAL_URL.to_owned(),
            base_url: PORTAL_URL.to_owned(),
            delivery,
            authorities: Vec::new(),
        })
        .expect("mail settings")
    }

    /// A mailer whose mails stay here.
    pub fn memory(&self) -> (Mailer, SentMails) {
        let mails = SentMails::default();
        (self.mailer(Delivery::Memory(mails.clone())), mails)
    }

    pub fn directory(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub async fn close(self) {
        let Self { domain, directory, server, url, .. } = self;
        domain.db.close().await.expect("closed");
        if let (Some(server), Some((_, name))) = (server, url.rsplit_once('/')) {
            execute(&server, &format!("drop database {name} with (force)")).await;
        }
        std::fs::remove_dir_all(directory).expect("removed");
    }
}

#[allow(clippy::disallowed_methods, reason = "tests have no settings of their own")]
fn server() -> Option<String> {
    std::env::var("PORTICO_TEST_DATABASE_URL").ok()
}

/// For where the system's clock is used instead.
fn still() -> Arc<StillClock> {
    Arc::new(StillClock(Mutex::new(DateTime::UNIX_EPOCH)))
}

pub fn domain(db: DatabaseConnection, env: Env) -> Domain {
    let keys = Keyring::parse(&"a-key-of-thirty-two-letters-only".to_owned().into()).expect("a key");
    Domain::new(db, env, keys)
}

pub async fn connect(url: &str) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(10).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|sqlite| {
        sqlite
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(10))
            .foreign_keys(true)
    });
    Database::connect(options).await.expect("a database")
}

pub async fn enqueue<J: Job>(domain: &Domain, job: J, when: When) -> bool {
    let tx = Tx::begin(domain).await.expect("begin");
    let added = tx.enqueue_when(job, when).await.expect("enqueue");
    tx.commit_unaudited(Unaudited::Queue).await.expect("commit");
    added
}

async fn execute(url: &str, sql: &str) {
    let db = Database::connect(url).await.expect("the test server");
    db.execute_unprepared(sql).await.expect(sql);
    db.close().await.expect("closed");
}

/// Waits until it holds; a minute at most.
pub async fn until<F: AsyncFn() -> bool>(what: &str, holds: F) {
    for _ in 0..6_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never: {what}");
}
