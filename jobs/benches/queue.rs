//! How fast the queue drains no-op jobs, and how soon it starts one: on SQLite, on PostgreSQL, and beside graphile-worker on
//! the same PostgreSQL in the same run.
//!
//! `PORTICO_TEST_DATABASE_URL` names a PostgreSQL server whose databases may be made and dropped; `GRAPHILE_WORKER_DIR` a
//! directory in which `npm install graphile-worker` was run. Without one, its part is left out. Rounds are interleaved; the
//! medians of the rounds are printed, and the percentiles of all starts.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads its settings itself")]

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{Domain, Tx, outbox::Job, tx::Unaudited};
use entities::outbox_job;
use jobs::{Handlers, Settings, Success, start_with};
use sea_orm::{ConnectionTrait, Database, EntityTrait, PaginatorTrait};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

#[path = "../tests/work/fixture.rs"]
#[expect(dead_code, reason = "shared with the tests, which use all of it")]
mod fixture;

use fixture::Fixture;

const ROUNDS: usize = 3;
const DRAINED: usize = 20_000;
/// Jobs of one transaction.
const TOGETHER: usize = 500;
const SINGLE: usize = 300;

#[derive(Serialize, Deserialize)]
struct Noop;
impl Job for Noop {
    const KIND: &'static str = "noop";
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    enqueued: f64,
    per_second: f64,
    /// Milliseconds from before the enqueue to the handler's first line.
    starts: Vec<f64>,
    /// The same from after the enqueue.
    wakes: Vec<f64>,
}

fn main() {
    // `cargo test` builds and starts benchmarks too.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    // A number: so many jobs are drained.
    let drained = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(DRAINED);
    runtime.block_on(compare(drained.next_multiple_of(TOGETHER)));
}

async fn compare(drained: usize) {
    let server = std::env::var("PORTICO_TEST_DATABASE_URL").ok();
    let node = std::env::var("GRAPHILE_WORKER_DIR").ok();
    let mut table: Vec<(&str, Vec<Figures>)> = vec![("Portico, SQLite", Vec::new())];
    if server.is_some() {
        table.push(("Portico, PostgreSQL", Vec::new()));
        table.push(("Portico, PostgreSQL, enqueued by another process", Vec::new()));
    }
    if server.is_some() && node.is_some() {
        table.push(("graphile-worker", Vec::new()));
        table.push(("graphile-worker, local queue of 500", Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (name, rounds) in &mut table {
            rounds.push(match (*name, &server) {
                ("Portico, SQLite", _) => portico(Fixture::on_sqlite().await, drained, false).await,
                ("Portico, PostgreSQL", _) => portico(Fixture::in_real_time().await, drained, false).await,
                ("graphile-worker", Some(server)) => graphile_worker(server, drained, "plain").await,
                ("graphile-worker, local queue of 500", Some(server)) => graphile_worker(server, drained, "batched").await,
                _ => portico(Fixture::in_real_time().await, drained, true).await,
            });
        }
    }
    println!("{ROUNDS} rounds, {drained} no-op jobs drained and {SINGLE} started one by one in each, 64 at a time");
    println!(
        "{:50} {:>12} {:>12} {:>10} {:>10} {:>10} {:>10}",
        "", "enqueued/s", "drained/s", "start p50", "p99", "wake p50", "p99"
    );
    for (name, rounds) in table {
        let all = |of: fn(&Figures) -> &Vec<f64>| percentiles(rounds.iter().flat_map(of).copied().collect(), [0.5, 0.99]);
        let ([start50, start99], [wake50, wake99]) = (all(|round| &round.starts), all(|round| &round.wakes));
        let [enqueued] = percentiles(rounds.iter().map(|round| round.enqueued).collect(), [0.5]);
        let [drained] = percentiles(rounds.iter().map(|round| round.per_second).collect(), [0.5]);
        println!(
            "{name:50} {enqueued:>12.0} {drained:>12.0} {start50:>7.2} ms {start99:>7.2} ms {wake50:>7.2} ms {wake99:>7.2} ms"
        );
    }
}

fn percentiles<const N: usize>(mut of: Vec<f64>, at: [f64; N]) -> [f64; N] {
    of.sort_by(f64::total_cmp);
    at.map(|part| of[((of.len() - 1) as f64 * part).round() as usize])
}

async fn portico(fixture: Fixture, drained: usize, from_outside: bool) -> Figures {
    let domain = &fixture.domain;
    let start = Instant::now();
    for _ in 0..drained / TOGETHER {
        let tx = Tx::begin(domain).await.expect("begin");
        for _ in 0..TOGETHER {
            tx.enqueue(Noop).await.expect("enqueue");
        }
        tx.commit_unaudited(Unaudited::Queue).await.expect("commit");
    }
    let enqueued = drained as f64 / start.elapsed().as_secs_f64();

    let ran = Arc::new(AtomicUsize::new(0));
    let (begun, mut begins) = mpsc::unbounded_channel();
    let counted = ran.clone();
    let handlers = Handlers::default().on(Duration::from_secs(60), move |_, Noop| {
        if counted.fetch_add(1, Ordering::Relaxed) >= drained {
            let _ = begun.send(Instant::now());
        }
        async { Ok(Success::Done) }
    });
    let start = Instant::now();
    let worker = start_with(domain.clone(), handlers, &Settings { schedule: false, ..Settings::default() });
    while ran.load(Ordering::Relaxed) < drained || outbox_job::Entity::find().count(&domain.db).await.expect("count") > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let per_second = drained as f64 / start.elapsed().as_secs_f64();

    let (mut starts, mut wakes) = (Vec::new(), Vec::new());
    // Another process shares the database and nothing else.
    let enqueuer = match from_outside {
        true => fixture::domain(fixture::connect(&fixture.url).await, domain.env.clone()),
        false => domain.clone(),
    };
    for _ in 0..SINGLE {
        tokio::time::sleep(Duration::from_millis(7)).await;
        let (start, wake) = start_one(&enqueuer, &mut begins).await;
        starts.push(start);
        wakes.push(wake);
    }
    worker.stop().await;
    if from_outside {
        enqueuer.db.close().await.expect("closed");
    }
    fixture.close().await;
    Figures { enqueued, per_second, starts, wakes }
}

async fn start_one(domain: &Domain, begins: &mut mpsc::UnboundedReceiver<Instant>) -> (f64, f64) {
    let asked = Instant::now();
    fixture::enqueue(domain, Noop, domain::outbox::When::default()).await;
    let enqueued = Instant::now();
    let begun = begins.recv().await.expect("the worker is there");
    let since = |then: Instant| begun.saturating_duration_since(then).as_secs_f64() * 1_000.0;
    (since(asked), since(enqueued))
}

async fn graphile_worker(server: &str, drained: usize, mode: &str) -> Figures {
    let name = "portico_bench_graphile_worker";
    let db = Database::connect(server).await.expect("the server");
    db.execute_unprepared(&format!("drop database if exists {name} with (force)")).await.expect("dropped");
    db.execute_unprepared(&format!("create database {name}")).await.expect("made");
    let (base, _) = server.rsplit_once('/').expect("postgres://…/database");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/graphile_worker.mjs");
    let mut node = Command::new("node");
    node.args([script, &drained.to_string(), &SINGLE.to_string(), mode]).env("DATABASE_URL", format!("{base}/{name}"));
    let output = tokio::task::spawn_blocking(move || node.output()).await.expect("joined").expect("node runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    db.execute_unprepared(&format!("drop database {name} with (force)")).await.expect("dropped");
    serde_json::from_slice(&output.stdout).expect("figures")
}
