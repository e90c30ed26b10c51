//! The worker of this process: apalis' monitor over the outbox, and what keeps it going.

use std::{sync::Arc, time::Duration};

use apalis::prelude::{Data, Monitor, WorkerBuilder, WorkerBuilderExt};
use chrono::TimeDelta;
use domain::Domain;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    Handlers, Mailer,
    queue::{self, Claimed, Outbox},
    schedule,
    settle::{Ended, Shift},
    stop::stopped,
};

/// Runs that ended and are not written yet, at most: beyond that, runs wait.
const ENDED: usize = 1_024;
/// After the drain: time to write what ended.
const LAST_WRITES: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub struct Settings {
    /// Jobs that run at the same time.
    pub slots: usize,
    /// How long a claim holds without being renewed: after that another process takes what a killed one held.
    pub lease: TimeDelta,
    /// How long a stop waits for what runs.
    pub drain: Duration,
    /// Whether work that comes with the clock is enqueued.
    pub schedule: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { slots: 64, lease: TimeDelta::seconds(20), drain: Duration::from_secs(30), schedule: true }
    }
}

/// The running worker. Dropped without a stop, it winds down by itself, unwaited for.
pub struct JobsHandle {
    stop: watch::Sender<bool>,
    keep: watch::Sender<bool>,
    monitor: JoinHandle<()>,
    settler: JoinHandle<()>,
    shift: Arc<Shift>,
    slots: usize,
}

/// Starts to work off the queue.
pub fn start(domain: Domain, mailer: &Mailer, settings: &Settings) -> JobsHandle {
    start_with(domain, Handlers::standard(mailer), settings)
}

/// The same, with handlers of the caller's.
pub fn start_with(domain: Domain, handlers: Handlers, settings: &Settings) -> JobsHandle {
    let (stop, stopping) = watch::channel(false);
    let (keep, kept) = watch::channel(false);
    let (ended, endings) = mpsc::channel(ENDED);
    let shift = Arc::new(Shift::new(domain.clone(), handlers, settings.lease));
    let settler = tokio::spawn(shift.clone().settle(endings));
    tokio::spawn(shift.clone().keep(kept));
    tokio::spawn(queue::listen(domain.clone(), stopping.clone()));
    if settings.schedule {
        tokio::spawn(schedule::run(domain, stopping.clone()));
    }
    let slots = settings.slots.max(1);
    let monitor = tokio::spawn(work(Work { shift: shift.clone(), ended }, slots, settings.drain, stopping));
    JobsHandle { stop, keep, monitor, settler, shift, slots }
}

/// Tells whether the worker serves the queue.
#[derive(Clone)]
pub struct Pulse {
    shift: Arc<Shift>,
    slots: usize,
}

impl Pulse {
    pub fn is_served(&self) -> bool {
        self.shift.is_served(self.slots)
    }
}

impl JobsHandle {
    pub fn pulse(&self) -> Pulse {
        Pulse { shift: self.shift.clone(), slots: self.slots }
    }

    /// Stops claiming, gives back what was not begun, waits for what runs, and ends what takes longer than the drain.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        if self.monitor.await.is_err() {
            tracing::error!("the worker's task panicked");
        }
        // With the monitor the last sender is gone: the settler ends when it has written everything.
        let writes = async {
            let _ = self.settler.await;
            self.shift.abandon().await;
        };
        if tokio::time::timeout(LAST_WRITES, writes).await.is_err() {
            tracing::warn!("the last jobs could not be settled: they are due again when their lease ends");
        }
        self.keep.send_replace(true);
    }
}

#[derive(Clone)]
struct Work {
    shift: Arc<Shift>,
    ended: mpsc::Sender<Ended>,
}

async fn work(work: Work, slots: usize, drain: Duration, mut stop: watch::Receiver<bool>) {
    let monitor = Monitor::new()
        .register(move |restarts| {
            let outbox = Outbox::open(work.shift.clone(), slots);
            WorkerBuilder::new(format!("outbox-{restarts}").as_str())
                .backend(outbox)
                .data(work.clone())
                .concurrency(slots)
                .build(run_one)
        })
        .should_restart(|_, _| true)
        // Its time starts when it is first polled, which is after the signal.
        .with_terminator(async move { tokio::time::sleep(drain).await });
    let ended = monitor
        .run_with_signal(async move {
            stopped(&mut stop).await;
            Ok(())
        })
        .await;
    if let Err(error) = ended {
        tracing::error!(error = &error as &dyn std::error::Error, "the worker ended with an error");
    }
}

async fn run_one(Claimed(job): Claimed, work: Data<Work>) {
    let outcome = work.shift.run(&job).await;
    // Fails only when the settler is gone, which outlives every sender.
    let _ = work.ended.send(Ended { job, outcome }).await;
}
