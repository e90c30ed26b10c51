//! The limits of one process: rates in memory, quotas from leases. A call takes all of its limits or none, without waiting;
//! only one that finds no lease waits for one, 50 ms at most.

mod account;
mod lessor;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use entities::{
    enums::{DenialReason, Environment},
    id::ClientId,
};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

use self::account::{Account, Verdict};
use crate::{
    Domain,
    ops::quota::Unspent,
    rules::limits::{Limits, Standing},
};

/// Longest that a call waits for a lease.
pub const LEASE_WAIT: Duration = Duration::from_millis(50);

const SHARDS: usize = 64;

/// Counts calls; one per process, shared by all that serve.
#[derive(Debug)]
pub struct Keeper {
    shards: Arc<Shards>,
    lessor: mpsc::UnboundedSender<Errand>,
}

/// What became of a call that wanted to take its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    Taken(Standing),
    Refused(Refused),
    /// Nothing was taken; a lease has been asked for.
    NeedsLease,
}

/// A call that its limits do not let through. It cost nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// `RATE_LIMITED`, `QUOTA_EXHAUSTED`, or `UNAVAILABLE` where no lease came in time and none was refused before.
    pub reason: DenialReason,
    /// Seconds.
    pub retry_after: u64,
    pub standing: Standing,
}

/// What accounts are kept by.
type Key = (ClientId, Environment);

#[derive(Debug)]
struct Shards([Shard; SHARDS]);

#[derive(Debug, Default)]
struct Shard {
    accounts: Mutex<HashMap<Key, Account>>,
    /// Some lease of this shard was answered.
    answered: Notify,
}

/// Work for the lessor, which alone talks to the database.
#[derive(Debug)]
enum Errand {
    Lease(Key, account::Wanted),
    GiveBack(Unspent),
    /// Give everything back, then answer.
    Close(oneshot::Sender<()>),
}

impl Shards {
    fn of(&self, key: &Key) -> &Shard {
        // The last bytes of a UUIDv7 are random.
        &self.0[usize::from(key.0.0.as_bytes()[15]) % SHARDS]
    }

    fn lock(&self, key: &Key) -> MutexGuard<'_, HashMap<Key, Account>> {
        self.of(key).lock()
    }
}

impl Shard {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper {
    /// Starts counting. Leases are fetched by a task on the runtime that this is called on; it ends with the keeper.
    pub fn start(ctx: Domain) -> Self {
        let shards = Arc::new(Shards(std::array::from_fn(|_| Shard::default())));
        let (lessor, errands) = mpsc::unbounded_channel();
        tokio::spawn(lessor::run(ctx, shards.clone(), errands));
        Self { shards, lessor }
    }

    /// Takes a call's limits, all or none, without waiting.
    pub fn try_take(&self, now: DateTime<Utc>, client: ClientId, environment: Environment, limits: &Limits) -> Take {
        if *limits == Limits::UNLIMITED {
            return Take::Taken(Standing::default());
        }
        let key = (client, environment);
        let mut accounts = self.shards.lock(&key);
        let account = accounts.entry(key).or_insert_with(|| Account::new(now));
        let Verdict { take, unspent, wanted } = account.take(now, &key, limits);
        drop(accounts);
        // The lessor is gone only when the process is about to be: then leases are not given back, and calls wait in vain.
        if let Some(unspent) = unspent {
            let _ = self.lessor.send(Errand::GiveBack(unspent));
        }
        if let Some(wanted) = wanted {
            let _ = self.lessor.send(Errand::Lease(key, wanted));
        }
        take
    }

    /// [`Self::try_take`], and where a lease is needed, waits for it up to [`LEASE_WAIT`].
    pub async fn take(
        &self,
        now: DateTime<Utc>,
        client: ClientId,
        environment: Environment,
        limits: &Limits,
    ) -> Result<Standing, Refused> {
        match self.try_take(now, client, environment, limits) {
            Take::Taken(standing) => Ok(standing),
            Take::Refused(refused) => Err(refused),
            // In a box: few calls wait, and the others need no room for it.
            Take::NeedsLease => Box::pin(timeout(LEASE_WAIT, self.take_when_leased(now, client, environment, limits)))
                .await
                .unwrap_or_else(|_| Err(self.refuse_without_lease(now, client, environment, limits))),
        }
    }

    fn refuse_without_lease(&self, now: DateTime<Utc>, client: ClientId, environment: Environment, limits: &Limits) -> Refused {
        let key = (client, environment);
        self.shards.lock(&key).entry(key).or_insert_with(|| Account::new(now)).refuse_without_lease(now, limits)
    }

    async fn take_when_leased(
        &self,
        now: DateTime<Utc>,
        client: ClientId,
        environment: Environment,
        limits: &Limits,
    ) -> Result<Standing, Refused> {
        let shard = self.shards.of(&(client, environment));
        loop {
            let mut answered = std::pin::pin!(shard.answered.notified());
            answered.as_mut().enable();
            match self.try_take(now, client, environment, limits) {
                Take::Taken(standing) => return Ok(standing),
                Take::Refused(refused) => return Err(refused),
                Take::NeedsLease => answered.await,
            }
        }
    }

    /// Gives back every lease. Calls that come later find none and are refused.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.lessor.send(Errand::Close(done)).is_ok() {
            // An error: the lessor ended without answering, and there is nobody left to give anything back.
            let _ = closed.await;
        }
    }
}
