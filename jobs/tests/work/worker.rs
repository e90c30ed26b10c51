//! The worker over the queue: what a handler does wrong ends its job, never the worker.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use domain::{
    outbox::{Job, When},
    queue,
};
use entities::enums::JobState;
use jobs::{Failure, Handlers, JobsHandle, Settings, Success, start_with};
use sea_orm::{ActiveModelTrait, IntoActiveModel, Set};
use serde::{Deserialize, Serialize};

use crate::fixture::{self, Fixture, until};

#[derive(Serialize, Deserialize)]
struct Work(usize);
impl Job for Work {
    const KIND: &'static str = "work";
}

#[derive(Serialize, Deserialize)]
struct Bad;
impl Job for Bad {
    const KIND: &'static str = "bad";
    const MAX_ATTEMPTS: i32 = 1;
}

#[derive(Serialize, Deserialize)]
struct Unknown;
impl Job for Unknown {
    const KIND: &'static str = "of_another_version";
}

fn settings() -> Settings {
    Settings { slots: 8, lease: TimeDelta::milliseconds(900), drain: Duration::from_secs(5), schedule: false }
}

fn start(f: &Fixture, handlers: Handlers) -> JobsHandle {
    start_with(f.domain.clone(), handlers, &settings())
}

/// Counts how often each number was worked on.
fn counting(runs: &Arc<Mutex<BTreeMap<usize, usize>>>) -> Handlers {
    let runs = runs.clone();
    Handlers::default().on(Duration::from_secs(5), move |_, Work(n)| {
        let runs = runs.clone();
        async move {
            *runs.lock().expect("runs").entry(n).or_default() += 1;
            Ok(Success::Done)
        }
    })
}

async fn state_of(f: &Fixture) -> (JobState, i32, Option<String>) {
    let job = f.jobs().await.remove(0);
    (job.state, job.attempts, job.last_error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_run_each_job_once() {
    let f = Fixture::in_real_time().await;
    for n in 0..300 {
        f.enqueue(Work(n)).await;
    }
    let runs = Arc::new(Mutex::new(BTreeMap::new()));
    let workers = [start(&f, counting(&runs)), start(&f, counting(&runs))];
    until("all are done", async || f.jobs().await.is_empty()).await;
    for worker in workers {
        worker.stop().await;
    }
    let runs = runs.lock().expect("runs").clone();
    assert_eq!(runs.len(), 300);
    assert!(runs.values().all(|&times| times == 1), "{runs:?}");
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_wakes_the_worker_before_its_next_poll() {
    let f = Fixture::in_real_time().await;
    let runs = Arc::new(Mutex::new(BTreeMap::new()));
    let worker = start(&f, counting(&runs));
    // Between two polls: the first look is over.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (mut slowest, asked) = (Duration::ZERO, 20);
    for n in 0..asked {
        let start = Instant::now();
        f.enqueue(Work(n)).await;
        until("it ran", async || runs.lock().expect("runs").contains_key(&n)).await;
        slowest = slowest.max(start.elapsed());
    }
    // Waiting for polls would take a second each, in the mean half.
    assert!(slowest < Duration::from_millis(900), "{slowest:?}");
    worker.stop().await;
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_a_time_limit_and_a_refusal_end_the_job_and_not_the_worker() {
    for (case, reason) in [(0, "the handler panicked"), (1, "took longer than 1.5 s"), (2, "the answer is no")] {
        let f = Fixture::in_real_time().await;
        let handlers = Handlers::default()
            .on(Duration::from_millis(1_500), move |_, Bad| async move {
                match case {
                    0 => panic!("on purpose"),
                    1 => std::future::pending().await,
                    _ => Err(Failure::Park("the answer is no".to_owned())),
                }
            })
            .on(Duration::from_secs(5), |_, Work(_)| async { Ok(Success::Done) });
        let worker = start(&f, handlers);
        f.enqueue(Bad).await;
        until("it is dead", async || state_of(&f).await.0 == JobState::Dead).await;
        assert_eq!(state_of(&f).await, (JobState::Dead, 1, Some(reason.to_owned())));
        f.enqueue(Work(1)).await;
        until("the next one is done", async || f.jobs().await.len() == 1).await;
        worker.stop().await;
        f.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_fails_is_tried_again_after_its_wait() {
    let f = Fixture::in_real_time().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let worker = start(
        &f,
        Handlers::default().on(Duration::from_secs(5), move |_, Work(_)| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if first { Err(Failure::Retry("not yet".to_owned())) } else { Ok(Success::Done) } }
        }),
    );
    f.enqueue(Work(1)).await;
    until("it failed", async || state_of(&f).await == (JobState::Ready, 1, Some("not yet".to_owned()))).await;
    // Rather than wait for two seconds.
    let job = f.jobs().await.remove(0);
    queue::retry(&f.domain, job.id).await.expect("retry");
    until("it is done", async || f.jobs().await.is_empty()).await;
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    worker.stop().await;
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_kind_and_a_wrong_payload_are_parked_with_the_reason() {
    let f = Fixture::in_real_time().await;
    let worker = start(&f, counting(&Arc::default()));
    f.enqueue(Unknown).await;
    until("it is dead", async || state_of(&f).await.0 == JobState::Dead).await;
    let reason = "this version has no handler for jobs of kind \"of_another_version\"";
    assert_eq!(state_of(&f).await.2.as_deref(), Some(reason));
    let mut row = f.jobs().await.remove(0).into_active_model();
    row.kind = Set("work".to_owned());
    row.update(&f.domain.db).await.expect("update");
    queue::retry(&f.domain, f.jobs().await[0].id).await.expect("retry");
    until("it is dead again", async || state_of(&f).await.2.is_some_and(|why| why.starts_with("the payload is not a work")))
        .await;
    worker.stop().await;
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_longer_than_its_lease_keeps_it() {
    let f = Fixture::in_real_time().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let slow = || {
        let runs = runs.clone();
        Handlers::default().on(Duration::from_secs(10), move |_, Work(_)| {
            runs.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_millis(2_500)).await;
                Ok(Success::Done)
            }
        })
    };
    let workers = [start(&f, slow()), start(&f, slow())];
    f.enqueue(Work(1)).await;
    until("it is done", async || f.jobs().await.is_empty()).await;
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    for worker in workers {
        worker.stop().await;
    }
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_job_s_run_is_ended() {
    let f = Fixture::in_real_time().await;
    let ended = Arc::new(AtomicBool::new(false));
    struct Ending(Arc<AtomicBool>);
    impl Drop for Ending {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    let seen = ended.clone();
    let worker = start(
        &f,
        Handlers::default().on(Duration::from_secs(60), move |_, Work(_)| {
            let ending = Ending(seen.clone());
            async move {
                std::future::pending::<()>().await;
                drop(ending);
                Ok(Success::Done)
            }
        }),
    );
    f.enqueue(Work(1)).await;
    until("it runs", async || state_of(&f).await.0 == JobState::Running).await;
    queue::park(&f.domain, f.jobs().await[0].id).await.expect("park");
    until("its run is ended", async || ended.load(Ordering::SeqCst)).await;
    worker.stop().await;
    assert_eq!(state_of(&f).await, (JobState::Dead, 1, Some("parked by hand".to_owned())));
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_what_runs_and_leaves_the_rest_untouched() {
    let f = Fixture::in_real_time().await;
    let finished = Arc::new(AtomicUsize::new(0));
    let counted = finished.clone();
    let handlers = Handlers::default().on(Duration::from_secs(10), move |_, Work(_)| {
        let finished = counted.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(400)).await;
            finished.fetch_add(1, Ordering::SeqCst);
            Ok(Success::Done)
        }
    });
    let worker = start(&f, handlers);
    for n in 0..40 {
        fixture::enqueue(&f.domain, Work(n), When::default()).await;
    }
    until("eight run", async || f.jobs().await.iter().filter(|job| job.state == JobState::Running).count() == 8).await;
    worker.stop().await;
    let left = f.jobs().await;
    let finished = finished.load(Ordering::SeqCst);
    assert!(finished >= 8, "{finished}");
    assert_eq!(left.len(), 40 - finished, "what ran is settled");
    assert!(left.iter().all(|job| job.state == JobState::Ready && job.attempts == 0), "{left:?}");
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_what_outlives_the_drain_and_it_is_tried_again() {
    let f = Fixture::in_real_time().await;
    let stuck = Handlers::default().on(Duration::from_secs(60), |_, Work(_)| std::future::pending());
    let worker = start_with(f.domain.clone(), stuck, &Settings { drain: Duration::from_millis(200), ..settings() });
    f.enqueue(Work(1)).await;
    until("it runs", async || state_of(&f).await.0 == JobState::Running).await;
    let start = Instant::now();
    worker.stop().await;
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let reason = "the process stopped before it was done";
    assert_eq!(state_of(&f).await, (JobState::Ready, 1, Some(reason.to_owned())));
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_another_process_enqueued_is_found() {
    let f = Fixture::in_real_time().await;
    let runs = Arc::new(Mutex::new(BTreeMap::new()));
    let worker = start(&f, counting(&runs));
    // Shares the database, and no hint within the process.
    let other = fixture::domain(fixture::connect(&f.url).await, f.domain.env.clone());
    for n in 0..3 {
        fixture::enqueue(&other, Work(n), When::default()).await;
        until("it ran", async || runs.lock().expect("runs").contains_key(&n)).await;
    }
    worker.stop().await;
    other.db.close().await.expect("closed");
    f.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_enqueue_an_hour_s_work_once() {
    let f = Fixture::in_real_time().await;
    let (mailer, _) = f.memory();
    let scheduled = Settings { schedule: true, ..settings() };
    let workers = [
        start_with(f.domain.clone(), Handlers::standard(&mailer), &scheduled),
        jobs::start(f.domain.clone(), &mailer, &scheduled),
    ];
    until("it is done", async || f.jobs().await.iter().any(|job| job.state == JobState::Done)).await;
    for worker in workers {
        worker.stop().await;
    }
    let done = f.jobs().await;
    let key = done[0].dedup_key.as_deref().unwrap_or_default();
    assert!(key.starts_with("prune_records:20"), "{key}");
    // Two where the hour struck in between.
    let keys: std::collections::BTreeSet<_> = done.iter().map(|job| job.dedup_key.clone()).collect();
    assert_eq!((keys.len(), done.iter().all(|job| job.attempts == 1)), (done.len(), true), "{done:?}");
    f.close().await;
}
