//! Processes that are killed at any moment: nothing is lost, and nothing is done twice with effect.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use chrono::TimeDelta;
use domain::{Domain, env::Env, outbox::Job};
use entities::enums::JobState;
use jobs::{Handlers, JobsHandle, Settings, Success, start_with};
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde::{Deserialize, Serialize};

use crate::fixture::{self, Fixture, until};

const JOBS: i64 = 200;
const KILLS: u64 = 30;
/// Which database a killed process works on.
const VICTIM: &str = "PORTICO_TEST_VICTIM";

/// Has an effect that is keyed: a row under the job's number.
#[derive(Serialize, Deserialize)]
struct Effect(i64);
impl Job for Effect {
    const KIND: &'static str = "effect";
    const MAX_ATTEMPTS: i32 = 100;
}

/// Takes its whole process with it.
#[derive(Serialize, Deserialize)]
struct Poison;
impl Job for Poison {
    const KIND: &'static str = "poison";
    const MAX_ATTEMPTS: i32 = 3;
}

async fn execute(domain: &Domain, sql: &str) -> domain::Result<()> {
    Ok(domain.db.execute_unprepared(sql).await.map(drop)?)
}

fn work(domain: Domain) -> JobsHandle {
    let handlers = Handlers::default()
        .on(Duration::from_secs(10), |domain: Domain, Effect(n)| async move {
            execute(&domain, &format!("insert into runs (n) values ({n})")).await?;
            tokio::time::sleep(Duration::from_millis(n.unsigned_abs() % 7 * 5)).await;
            execute(&domain, &format!("insert into effects (n) values ({n}) on conflict do nothing")).await?;
            Ok(Success::Done)
        })
        .on(Duration::from_secs(10), |domain, Poison| async move {
            execute(&domain, "insert into runs (n) values (0)").await?;
            std::process::abort()
        });
    let lease = TimeDelta::milliseconds(400);
    start_with(domain, handlers, &Settings { slots: 6, lease, drain: Duration::from_secs(10), schedule: false })
}

/// The process that is killed: this test program, told to run the one below.
fn victim(f: &Fixture) -> Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.args(["--exact", "crash::a_process_that_works_until_it_is_killed", "--ignored"]);
    command.env(VICTIM, &f.url).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by the tests below, in a process of its own"]
async fn a_process_that_works_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "how the tests below say which database")]
    let Ok(url) = std::env::var(VICTIM) else { return };
    let _worker = work(fixture::domain(fixture::connect(&url).await, Env::system()));
    std::future::pending::<()>().await;
}

#[derive(FromQueryResult)]
struct Count {
    rows: i64,
    numbers: i64,
}

async fn count(f: &Fixture, table: &str) -> (i64, i64) {
    let sql = format!("select count(*) as rows, count(distinct n) as numbers from {table}");
    let statement = Statement::from_string(f.domain.db.get_database_backend(), sql);
    let count = Count::find_by_statement(statement).one(&f.domain.db).await.expect("count").expect("a row");
    (count.rows, count.numbers)
}

async fn tables(f: &Fixture) {
    execute(&f.domain, "create table runs (n bigint not null)").await.expect("runs");
    execute(&f.domain, "create table effects (n bigint primary key)").await.expect("effects");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_any_moment_lose_nothing_and_do_nothing_twice() {
    let f = Fixture::in_real_time().await;
    tables(&f).await;
    let mut asked = 0;
    for kill in 0..KILLS {
        while asked < JOBS * (i64::try_from(kill).expect("small") + 1) / KILLS as i64 {
            f.enqueue(Effect(asked)).await;
            asked += 1;
        }
        let mut process = victim(&f);
        // At another moment of its life each time: 20 to 310 ms.
        tokio::time::sleep(Duration::from_millis(20 + kill * 73 % 290)).await;
        process.kill().expect("killed");
        process.wait().expect("gone");
    }
    let cut_short = f.jobs().await.iter().filter(|job| job.state == JobState::Running).count();
    let worker = work(f.domain.clone());
    until("the queue is empty", async || f.jobs().await.is_empty()).await;
    worker.stop().await;
    let (runs, effects) = (count(&f, "runs").await, count(&f, "effects").await);
    println!("{KILLS} kills, the last with {cut_short} under way: {} runs of {JOBS} jobs, {} effects", runs.0, effects.0);
    assert_eq!(effects, (JOBS, JOBS), "each has its effect, once");
    assert_eq!(runs.1, JOBS);
    assert!(runs.0 > JOBS, "no kill met a job under way: the test shows nothing");
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_kills_its_process_is_parked_after_its_last_claim() {
    let f = Fixture::in_real_time().await;
    tables(&f).await;
    f.enqueue(Poison).await;
    f.enqueue(Effect(1)).await;
    for _ in 0..3 {
        let mut process = victim(&f);
        tokio::task::spawn_blocking(move || process.wait()).await.expect("joined").expect("it ends by itself");
    }
    let mut process = victim(&f);
    until("it is dead", async || f.jobs().await.iter().any(|job| job.state == JobState::Dead)).await;
    until("the other is done", async || count(&f, "effects").await == (1, 1)).await;
    process.kill().expect("it still runs");
    process.wait().expect("gone");
    let runs = Statement::from_string(
        f.domain.db.get_database_backend(),
        "select count(*) as rows, count(distinct n) as numbers from runs where n = 0",
    );
    let runs = Count::find_by_statement(runs).one(&f.domain.db).await.expect("count").expect("a row");
    assert_eq!(runs.rows, 3);
    let job = f.jobs().await.into_iter().find(|job| job.kind == Poison::KIND).expect("parked");
    assert_eq!((job.attempts, job.last_error.as_deref()), (3, Some("its worker stopped before it was done")));
    f.close().await;
}
