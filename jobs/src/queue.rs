//! apalis' backend over the outbox table.
//!
//! A claimer takes what is due for the slots that are free, and more where jobs end faster than it asks, and offers it to the
//! worker. It looks when a commit in this process says so, when PostgreSQL's channel does, and once a second whatever happened.
//! Its error is `Infallible`: a fault of the database is logged, and tried again after a wait. Closing gives back what was
//! claimed and not begun.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use apalis_core::{
    backend::{Backend, BackendConfig, finalize::Ephemeral},
    task::{Task, task_id::RandomId},
    worker::context::WorkerContext,
};
use domain::{Domain, listening, queue, wake::JOBS_CHANNEL};
use entities::outbox_job;
use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::DatabaseBackend;
use tokio::sync::{mpsc, watch};
use tower::layer::util::Identity;

use crate::{settle::Shift, stop::stopped};

/// How often the table is looked at whatever hints came.
const POLL: Duration = Duration::from_secs(1);
/// The longest wait after faults of the database.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Jobs that are claimed and not begun, at most.
const AHEAD: usize = 512;

/// A job that this process holds.
pub struct Claimed(pub outbox_job::Model);

/// The queue as apalis polls it. Dropped, it stops claiming.
pub struct Outbox {
    offers: mpsc::Receiver<Claimed>,
    stop: watch::Sender<bool>,
    shift: Arc<Shift>,
    closing: Option<BoxFuture<'static, ()>>,
    unbegun: Vec<outbox_job::Model>,
}

impl Outbox {
    /// Starts to claim for `shift`, which runs `slots` jobs at a time.
    pub(crate) fn open(shift: Arc<Shift>, slots: usize) -> Self {
        let (offer, offers) = mpsc::channel(AHEAD.max(slots));
        let (stop, stopped) = watch::channel(false);
        let claimer = Claimer { shift: shift.clone(), slots, offer };
        tokio::spawn(claimer.run(stopped));
        Self { offers, stop, shift, closing: None, unbegun: Vec::new() }
    }
}

impl Backend for Outbox {
    type Task = Task<Claimed>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        self.offers.poll_recv(cx).map(|claimed| claimed.map(|claimed| Ok(Task::new(claimed))))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        if self.closing.is_none() {
            self.stop.send_replace(true);
            // Ends when the claimer has: a claim under way is waited for, or its rows would be held until their lease ends.
            while let Some(Claimed(job)) = ready!(self.offers.poll_recv(cx)) {
                self.unbegun.push(job);
            }
            let (shift, unbegun) = (self.shift.clone(), std::mem::take(&mut self.unbegun));
            self.closing = Some(async move { shift.give_back(&unbegun).await }.boxed());
        }
        match &mut self.closing {
            Some(closing) => closing.poll_unpin(cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl BackendConfig for Outbox {
    type Args = Claimed;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}

struct Claimer {
    shift: Arc<Shift>,
    slots: usize,
    offer: mpsc::Sender<Claimed>,
}

impl Claimer {
    async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut faults = 0;
        loop {
            // Registered before the look, so that a commit during it is not missed.
            let woken = self.shift.domain.wake.jobs.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let wanted = tokio::select! {
                () = stopped(&mut stop) => return,
                wanted = self.wanted() => wanted,
            };
            let wait = match self.claim(wanted).await {
                Ok(true) => continue,
                Ok(false) => {
                    faults = 0;
                    POLL
                }
                Err(error) => {
                    faults += 1;
                    tracing::warn!(error = &error as &dyn std::error::Error, faults, "jobs cannot be claimed: trying again");
                    LONGEST_WAIT.min(POLL * faults)
                }
            };
            tokio::select! {
                () = stopped(&mut stop) => return,
                () = &mut woken, if faults == 0 => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Waits until there is room. Slow jobs are claimed for free slots alone, so that no job waits here while another process
    /// could run it; quick ones twice as many as ended since the last claim, so that claiming keeps up.
    async fn wanted(&self) -> usize {
        loop {
            let waiting = self.offer.max_capacity() - self.offer.capacity();
            let free = self.slots.saturating_sub(self.shift.running());
            let wanted = free.max(2 * self.shift.ended()).min(AHEAD).saturating_sub(waiting);
            if wanted > 0 {
                return wanted;
            }
            self.shift.room.notified().await;
        }
    }

    /// Whether there may be more.
    async fn claim(&self, wanted: usize) -> domain::Result<bool> {
        let claims = queue::claim(&self.shift.domain, wanted as u64, self.shift.lease).await?;
        self.shift.looked();
        for dead in &claims.dead {
            tracing::error!(job.id = %dead.id, job.kind = dead.kind, attempts = dead.attempts, "a job is dead: its workers stopped before it was done");
        }
        let full = claims.held.len() + claims.dead.len() == wanted;
        self.shift.hold(&claims.held);
        let mut refused = Vec::new();
        for job in claims.held {
            if let Err(mpsc::error::SendError(Claimed(job))) = self.offer.send(Claimed(job)).await {
                refused.push(job);
            }
        }
        if !refused.is_empty() {
            self.shift.give_back(&refused).await;
        }
        Ok(full)
    }
}

/// Passes on what other processes say over PostgreSQL's channel; returns at once on SQLite.
pub(crate) async fn listen(domain: Domain, mut stop: watch::Receiver<bool>) {
    if domain.db.get_database_backend() != DatabaseBackend::Postgres {
        return;
    }
    loop {
        let listening = async {
            let Some(mut listener) = listening::to(&domain, JOBS_CHANNEL).await? else { return Ok(()) };
            loop {
                listener.recv().await?;
                domain.wake.jobs.notify_waiters();
            }
        };
        let lost: Result<(), sea_orm::sqlx::Error> = tokio::select! {
            () = stopped(&mut stop) => return,
            lost = listening => lost,
        };
        let Err(error) = lost else { return };
        tracing::warn!(error = &error as &dyn std::error::Error, "not listening for jobs: polling until the database is back");
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(LONGEST_WAIT) => {}
        }
    }
}
