//! Killed at any moment of its first start or of an upgrade, an instance opens the next time, with the tables of one that was not.

use std::time::{Duration, Instant};

use migration::Migrator;
use sea_orm::{ConnectionTrait, Database, DatabaseBackend, DatabaseConnection, Statement};
use sea_orm_migration::MigratorTrait;

use crate::{
    home::Home,
    instance::{Instance, Settings},
};

/// Of each kind; `PORTICO_TEST_KILLS` asks for more.
const KILLS: u32 = 8;
/// What an upgrade starts from: the first so many migrations.
const OLDER: [u32; 4] = [1, 4, 9, 13];

#[expect(clippy::disallowed_methods, reason = "the tests' own setting")]
fn kills() -> u32 {
    std::env::var("PORTICO_TEST_KILLS").ok().and_then(|given| given.parse().ok()).unwrap_or(KILLS)
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_its_first_start_it_opens_the_next_time() {
    let (whole, takes) = not_killed().await;
    for round in 0..kills() {
        let home = Home::new().await;
        kill_and_open(&home, moment(round, kills(), takes), &whole).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_in_an_upgrade_it_opens_the_next_time() {
    let (whole, takes) = not_killed().await;
    for (round, older) in (0..kills()).zip(OLDER.into_iter().cycle()) {
        let home = Home::new().await;
        let db = made(&home).await;
        Migrator::up(&db, Some(older)).await.expect("an older version's tables");
        db.close().await.expect("closed");
        kill_and_open(&home, moment(round, kills(), takes), &whole).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_version_left_half_done_is_told_with_what_to_do() {
    let home = Home::new().await;
    let db = made(&home).await;
    if db.get_database_backend() == DatabaseBackend::Postgres {
        return; // There, they were transactions always.
    }
    migration::up(&db).await.expect("tables");
    let settings = Settings::new(home.path(), home.database_url());
    let said = async |statement: &str| {
        db.execute_unprepared(statement).await.expect("a change");
        let output = settings.run(&["serve"]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("text").lines().last().expect("a line").to_owned()
    };
    // As if the bookkeeping of the last one had not been reached.
    let unused = said("delete from seaql_migrations where version = 'm0015_sessions'").await;
    assert!(unused.contains("killed while it applied m0015_sessions"), "{unused}");
    assert!(unused.contains("move portico.db, portico.db-wal and portico.db-shm out of the data directory"), "{unused}");
    let used = said("insert into users (id, email, created_at) values (x'00', 'a@b.example', '2026-01-01')").await;
    assert!(used.contains("put back the copy from before that upgrade"), "{used}");
    let later = said("insert into seaql_migrations values ('m9999_later', 0)").await;
    assert!(later.contains("a later version of Portico has changed it (m9999_later): run that version"), "{later}");
}

/// The tables of an instance that nobody killed, and how long its first start takes.
async fn not_killed() -> (Vec<String>, Duration) {
    let home = Home::new().await;
    let began = Instant::now();
    Instance::serve(&Settings::new(home.path(), home.database_url())).kill();
    let takes = began.elapsed();
    (tables(&home).await, takes)
}

/// Moments all over the start, in no order.
fn moment(round: u32, rounds: u32, takes: Duration) -> Duration {
    takes.mul_f64(f64::from(round * 37 % rounds) / f64::from(rounds))
}

async fn kill_and_open(home: &Home, moment: Duration, whole: &[String]) {
    let settings = Settings::new(home.path(), home.database_url());
    settings.kill_after(&["serve"], moment);
    Instance::serve(&settings).kill();
    assert_eq!(tables(home).await, whole, "killed after {moment:?}");
}

/// The instance's database before the instance has opened it.
async fn made(home: &Home) -> DatabaseConnection {
    let file = || format!("sqlite://{}?mode=rwc", home.path().join("portico.db").display());
    Database::connect(home.database_url().unwrap_or_else(file)).await.expect("a database")
}

/// Everything that migrations make, as the database tells it.
async fn tables(home: &Home) -> Vec<String> {
    let db = home.open().await;
    let backend = db.get_database_backend();
    let asked = match backend {
        DatabaseBackend::Postgres => {
            "select table_name || '.' || column_name || ' ' || data_type as line from information_schema.columns
             where table_schema = 'public' union all select indexdef from pg_indexes where schemaname = 'public' order by 1"
        }
        _ => "select type || ' ' || name || ' ' || coalesce(sql, '') as line from sqlite_schema order by 1",
    };
    let rows = db.query_all_raw(Statement::from_string(backend, asked)).await.expect("its tables");
    db.close().await.expect("closed");
    rows.iter().map(|row| row.try_get("", "line").expect("text")).collect()
}
