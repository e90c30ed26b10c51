//! What this process holds, and how it is settled: renewed while it runs, written off in batches when it ends.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use domain::{
    Domain,
    queue::{self, Fate, Ticket},
};
use entities::{enums::JobState, id::JobId, outbox_job};
use tokio::{
    sync::{Notify, mpsc, watch},
    task::AbortHandle,
};

use crate::{
    handlers::Handlers,
    outcome::{Failure, Outcome, Success},
    stop::stopped,
};

/// Settlements that one batch takes at most.
const BATCH: usize = 512;
/// Between two tries to write a settlement while the database is away.
const AGAIN: Duration = Duration::from_millis(500);
/// After this without a look the queue counts as not served: looks come once a second.
const SILENT: Duration = Duration::from_secs(15);
/// How often expired leases, of whichever process, are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// One process at work on the queue.
pub(crate) struct Shift {
    pub domain: Domain,
    pub handlers: Handlers,
    pub lease: TimeDelta,
    held: Mutex<HashMap<JobId, Held>>,
    /// When the queue was last looked at with success.
    looked: Mutex<Option<Instant>>,
    running: AtomicUsize,
    ended: AtomicUsize,
    /// A run ended.
    pub room: Notify,
}

struct Held {
    job: outbox_job::Model,
    /// The run, once it began.
    run: Option<AbortHandle>,
}

/// A run that ended.
pub(crate) struct Ended {
    pub job: outbox_job::Model,
    pub outcome: Outcome,
}

impl Shift {
    pub fn new(domain: Domain, handlers: Handlers, lease: TimeDelta) -> Self {
        Self {
            domain,
            handlers,
            lease,
            held: Mutex::default(),
            looked: Mutex::default(),
            running: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            room: Notify::new(),
        }
    }

    pub fn hold(&self, jobs: &[outbox_job::Model]) {
        self.held().extend(jobs.iter().map(|job| (job.id, Held { job: job.clone(), run: None })));
    }

    pub async fn run(&self, job: &outbox_job::Model) -> Outcome {
        let run = self.handlers.spawn(&self.domain, job);
        if let Some(held) = self.held().get_mut(&job.id).filter(|held| held.job.fence == job.fence) {
            held.run = Some(run.abort_handle());
        }
        let _running = Running::start(self);
        run.outcome().await
    }

    /// The queue was looked at: the database answered.
    pub fn looked(&self) {
        *self.looked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether the queue was looked at lately, or all slots are at work.
    pub fn is_served(&self, slots: usize) -> bool {
        let looked = *self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        looked.is_some_and(|at| at.elapsed() < SILENT) || self.running() >= slots
    }

    /// How many run now.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// How many have ended since this was asked last.
    pub fn ended(&self) -> usize {
        self.ended.swap(0, Ordering::Relaxed)
    }

    /// Returns what was not begun to the queue. Where the database is away, its lease does so later.
    pub async fn give_back(&self, jobs: &[outbox_job::Model]) {
        let tickets: Vec<Ticket> = jobs.iter().map(Ticket::from).collect();
        if let Err(error) = queue::give_back(&self.domain, &tickets).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "claimed jobs wait for the end of their lease");
        }
        self.forget(jobs.iter());
    }

    /// Settles what a worker left that was cut off: begun or not.
    pub async fn abandon(&self) {
        let left: Vec<Held> = self.held().drain().map(|(_, held)| held).collect();
        let (begun, unbegun): (Vec<_>, Vec<_>) = left.into_iter().partition(|held| held.run.is_some());
        let unbegun: Vec<_> = unbegun.into_iter().map(|held| held.job).collect();
        self.give_back(&unbegun).await;
        for Held { job, run } in begun {
            run.iter().for_each(AbortHandle::abort);
            self.failed(&job, Failure::Retry("the process stopped before it was done".to_owned())).await;
        }
    }

    /// Writes what ended, as it comes, until all senders are gone.
    pub async fn settle(self: Arc<Self>, mut ended: mpsc::Receiver<Ended>) {
        let mut batch = Vec::with_capacity(BATCH);
        while ended.recv_many(&mut batch, BATCH).await > 0 {
            let mut done = Vec::with_capacity(batch.len());
            for Ended { job, outcome } in batch.drain(..) {
                match outcome {
                    Ok(success) => {
                        if let Success::Dropped(reason) = success {
                            tracing::info!(job.id = %job.id, job.kind, reason, "a job had nothing left to do");
                        }
                        done.push(job);
                    }
                    Err(failure) => {
                        self.failed(&job, failure).await;
                        self.forget([&job]);
                    }
                }
            }
            if !done.is_empty() {
                self.done(&done).await;
                self.forget(&done);
            }
        }
    }

    async fn done(&self, jobs: &[outbox_job::Model]) {
        let tickets: Vec<Ticket> = jobs.iter().map(Ticket::from).collect();
        let settled = until_written(|| queue::complete(&self.domain, &tickets)).await;
        let lost = (tickets.len() as u64).saturating_sub(settled);
        if lost > 0 {
            tracing::warn!(lost, "jobs were done after their lease had ended, and run again");
        }
    }

    async fn failed(&self, job: &outbox_job::Model, failure: Failure) {
        let (fate, reason) = match failure {
            Failure::Retry(reason) => (Fate::Retry, reason),
            Failure::Park(reason) => (Fate::Park, reason),
        };
        match until_written(|| queue::fail(&self.domain, job, fate, &reason)).await {
            Some(JobState::Dead) => {
                tracing::error!(job.id = %job.id, job.kind, attempts = job.attempts, reason, "a job is dead: portico jobs shows it");
            }
            Some(_) => {
                tracing::warn!(job.id = %job.id, job.kind, attempt = job.attempts, reason, "a job failed, and is tried again")
            }
            None => tracing::warn!(job.id = %job.id, job.kind, reason, "a job failed after its lease had ended"),
        }
    }

    /// Keeps leases alive, ends runs whose lease was lost, and frees what stopped processes held.
    pub async fn keep(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let renew_every = (self.lease / 3).to_std().unwrap_or(SWEEP);
        let mut renew = tokio::time::interval(renew_every);
        let mut sweep = tokio::time::interval(SWEEP.min(renew_every));
        renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let kept = tokio::select! {
                () = stopped(&mut stop) => return,
                _ = renew.tick() => self.renew().await,
                _ = sweep.tick() => self.sweep().await,
            };
            if let Err(error) = kept {
                tracing::warn!(error = &error as &dyn std::error::Error, "leases of jobs cannot be kept: trying again");
            }
        }
    }

    async fn renew(&self) -> domain::Result<()> {
        let tickets: Vec<Ticket> = self.held().values().map(|held| Ticket::from(&held.job)).collect();
        if tickets.is_empty() {
            return Ok(());
        }
        let kept = queue::renew(&self.domain, &tickets, self.lease).await?;
        let kept: HashSet<JobId> = kept.into_iter().collect();
        let held = self.held();
        for ticket in tickets.iter().filter(|ticket| !kept.contains(&ticket.id)) {
            // Settled in between, or claimed anew by this process: then it is not the run that was asked about.
            let lost = held.get(&ticket.id).is_some_and(|held| held.job.fence == ticket.fence);
            if lost && let Some(Held { run: Some(run), .. }) = held.get(&ticket.id) {
                tracing::warn!(job.id = %ticket.id, "the lease of a running job was lost: its run is ended");
                run.abort();
            }
        }
        Ok(())
    }

    async fn sweep(&self) -> domain::Result<()> {
        let freed = queue::release_expired(&self.domain).await?;
        if freed > 0 {
            tracing::warn!(jobs = freed, "jobs of a worker that stopped are due again");
            self.domain.wake.jobs.notify_waiters();
        }
        Ok(())
    }

    fn forget<'a>(&self, jobs: impl IntoIterator<Item = &'a outbox_job::Model>) {
        let mut held = self.held();
        for job in jobs {
            if held.get(&job.id).is_some_and(|held| held.job.fence == job.fence) {
                held.remove(&job.id);
            }
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<JobId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a run, however it ends.
struct Running<'a>(&'a Shift);

impl<'a> Running<'a> {
    fn start(shift: &'a Shift) -> Self {
        shift.running.fetch_add(1, Ordering::Relaxed);
        Self(shift)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.fetch_add(1, Ordering::Relaxed);
        self.0.room.notify_one();
    }
}

/// A settlement may be written late, never dropped: while it waits the lease is renewed.
async fn until_written<T, F: Future<Output = domain::Result<T>>>(write: impl Fn() -> F) -> T {
    loop {
        match write().await {
            Ok(written) => return written,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a job cannot be settled: trying again");
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
