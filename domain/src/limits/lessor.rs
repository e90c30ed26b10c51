//! Fetches leases and gives them back, many in one transaction; the only part of the limits that waits for the database.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Errand, Key, Shards, account::Wanted};
use crate::{
    Domain, DomainError,
    ops::quota::{self, Ask, Grant, Unspent, Window},
};

/// How often idle leases are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// Most errands that one transaction settles.
const BATCH: usize = 1_024;

pub(super) async fn run(ctx: Domain, shards: Arc<Shards>, mut errands: mpsc::UnboundedReceiver<Errand>) {
    let mut lessor = Lessor { ctx, shards, away: false };
    let mut sweep = interval(SWEEP);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            received = errands.recv_many(&mut batch, BATCH) => {
                if received == 0 {
                    return;
                }
                lessor.work(batch.drain(..)).await;
            }
            _ = sweep.tick() => lessor.sweep().await,
        }
    }
}

struct Lessor {
    ctx: Domain,
    shards: Arc<Shards>,
    /// The database did not answer last time.
    away: bool,
}

impl Lessor {
    async fn work(&mut self, errands: impl Iterator<Item = Errand>) {
        let (mut wanted, mut unspent, mut closing) = (Vec::new(), Vec::new(), Vec::new());
        for errand in errands {
            match errand {
                Errand::Lease(key, want) => wanted.push((key, want)),
                Errand::GiveBack(back) => unspent.push(back),
                Errand::Close(done) => closing.push(done),
            }
        }
        if !wanted.is_empty() || !unspent.is_empty() {
            self.settle(&unspent, &wanted).await;
        }
        if !closing.is_empty() {
            let all = self.release(|_| true);
            self.give_back(&all).await;
        }
        for done in closing {
            // Nobody waits any more: the close was given up.
            let _ = done.send(());
        }
    }

    async fn settle(&mut self, unspent: &[Unspent], wanted: &[(Key, Wanted)]) {
        let asks: Vec<Ask> = wanted.iter().map(|(key, want)| ask(key, want)).collect();
        match quota::settle(&self.ctx, unspent, &asks).await {
            Ok(grants) => {
                self.log_return();
                self.hand_out(wanted, &grants).await;
            }
            Err(error) => {
                self.log_away(&error);
                for (key, _) in wanted {
                    if let Some(account) = self.shards.lock(key).get_mut(key) {
                        account.not_granted();
                    }
                }
            }
        }
    }

    async fn hand_out(&mut self, wanted: &[(Key, Wanted)], grants: &[Grant]) {
        let now = self.ctx.now();
        let mut unfit = Vec::new();
        for ((key, want), grant) in wanted.iter().zip(grants) {
            match self.shards.lock(key).get_mut(key) {
                Some(account) => unfit.extend(account.granted(now, key, want, *grant)),
                None => unfit.push(Unspent { window: ask(key, want).window, calls: grant.calls }),
            }
            self.shards.of(key).answered.notify_waiters();
        }
        self.give_back(&unfit).await;
    }

    /// Gives back the leases of accounts without calls, and forgets those in which nothing counts any more.
    async fn sweep(&mut self) {
        let now = self.ctx.now();
        let idle = self.release(|account| account.is_idle(now));
        for shard in &self.shards.0 {
            shard.lock().retain(|_, account| !account.is_idle(now) || !account.is_spent(now));
        }
        self.give_back(&idle).await;
    }

    fn release(&self, which: impl Fn(&super::account::Account) -> bool) -> Vec<Unspent> {
        let now = self.ctx.now();
        let mut released = Vec::new();
        for shard in &self.shards.0 {
            let mut accounts = shard.lock();
            released.extend(accounts.iter_mut().filter(|(_, a)| which(a)).filter_map(|(key, account)| account.release(now, key)));
        }
        released
    }

    /// Once: what could not be given back is lost.
    async fn give_back(&mut self, unspent: &[Unspent]) {
        for some in unspent.chunks(BATCH) {
            match quota::settle(&self.ctx, some, &[]).await {
                Ok(_) => self.log_return(),
                Err(error) => self.log_away(&error),
            }
        }
    }

    fn log_away(&mut self, error: &DomainError) {
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "quota leases cannot be fetched: calls that need one are refused"
            );
        }
    }

    fn log_return(&mut self) {
        if std::mem::replace(&mut self.away, false) {
            tracing::info!("quota leases are fetched again");
        }
    }
}

fn ask(key: &Key, want: &Wanted) -> Ask {
    let (client, environment) = *key;
    let window = Window { client, environment, period: want.limit.period, starts_at: want.period.starts_at };
    Ask { window, limit: want.limit.requests, last: want.last }
}
