//! A domain on an empty database: a SQLite file that goes with the run, or the PostgreSQL that the environment names.

use std::{path::PathBuf, time::Duration};

use domain::{Domain, env::Env, keyring::Keyring};
use sea_orm::{ConnectOptions, Database, sqlx::sqlite::SqliteJournalMode};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub struct Scratch {
    pub ctx: Domain,
    directory: PathBuf,
}

impl Scratch {
    #[expect(clippy::disallowed_methods, reason = "the one setting that benchmarks have")]
    pub async fn new() -> Outcome<Self> {
        let directory = std::env::temp_dir().join(format!("portico-bench-{}", std::process::id()));
        std::fs::create_dir_all(&directory)?;
        let file = format!("sqlite://{}?mode=rwc", directory.join("portico.db").display());
        let mut options = ConnectOptions::new(std::env::var("PORTICO_TEST_DATABASE_URL").unwrap_or(file));
        options.max_connections(8).sqlx_logging(false);
        options.map_sqlx_sqlite_opts(|o| o.journal_mode(SqliteJournalMode::Wal).busy_timeout(Duration::from_secs(5)));
        let db = Database::connect(options).await?;
        migration::up(&db).await?;
        let keys = Keyring::parse(&"a-key-for-benchmarks-of-thirty-two".to_owned().into())?;
        Ok(Self { ctx: Domain::new(db, Env::system(), keys), directory })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// How many: the program's argument.
pub fn asked(usual: u64) -> u64 {
    std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(usual)
}
