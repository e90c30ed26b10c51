//! Work that comes with the clock. Every process enqueues it, under a key for its slot of time: the first one wins, and nobody
//! has to lead. A slot in which no process ran is not made up for.

use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::{
    Domain, Tx,
    outbox::{EndOverdueSubscriptions, Job, KeepSigningKeys, PruneRecords, RecheckDomains, WarnOfExpiry, When},
    tx::Unaudited,
};
use tokio::sync::watch;

use crate::stop::stopped;

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_secs(30);

pub(crate) async fn run(domain: Domain, mut stop: watch::Receiver<bool>) {
    let mut last = None;
    loop {
        let slot = hour(domain.now());
        if last != Some(slot) {
            match enqueue(&domain, slot).await {
                Ok(()) => last = Some(slot),
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "hourly work cannot be enqueued: trying again")
                }
            }
        }
        tokio::select! {
            () = stopped(&mut stop) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Enqueues what this hour brings, unless another process did.
pub(crate) async fn enqueue(domain: &Domain, slot: DateTime<Utc>) -> domain::Result<()> {
    let tx = Tx::begin(domain).await?;
    hourly(&tx, PruneRecords, slot).await?;
    hourly(&tx, EndOverdueSubscriptions, slot).await?;
    hourly(&tx, WarnOfExpiry, slot).await?;
    hourly(&tx, KeepSigningKeys, slot).await?;
    hourly(&tx, RecheckDomains, slot).await?;
    tx.commit_unaudited(Unaudited::Queue).await
}

async fn hourly<J: Job>(tx: &Tx<'_>, job: J, slot: DateTime<Utc>) -> domain::Result<()> {
    let key = format!("{}:{}", J::KIND, slot.format("%Y-%m-%dT%H"));
    tx.enqueue_when(job, When { dedup_key: Some(key), ..When::default() }).await.map(drop)
}

fn hour(now: DateTime<Utc>) -> DateTime<Utc> {
    now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now)
}
