//! Works off what is due, here and now: for tests and demonstrations, which must not wait for a worker.

use chrono::TimeDelta;
use domain::{
    Domain, DomainError,
    queue::{self, Fate, Ticket},
};
use entities::enums::JobState;

use crate::{Failure, Handlers, Mailer};

/// Longer than any handler's limit.
const LEASE: TimeDelta = TimeDelta::minutes(15);
const BATCH: u64 = 64;

#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    #[error("jobs died: {}", .0.join("; "))]
    Died(Vec<String>),
    #[error(transparent)]
    Domain(#[from] DomainError),
}

/// Runs what is due, and what that makes due, one after the other. Returns how many ran. A job that is to be tried again later
/// is left; one that died is an error.
pub async fn drain(domain: &Domain, mailer: &Mailer) -> Result<usize, DrainError> {
    drain_with(domain, &Handlers::standard(mailer)).await
}

/// The same, with handlers of the caller's.
pub async fn drain_with(domain: &Domain, handlers: &Handlers) -> Result<usize, DrainError> {
    let (mut ran, mut died) = (0, Vec::new());
    queue::release_expired(domain).await?;
    loop {
        let claims = queue::claim(domain, BATCH, LEASE).await?;
        if claims.held.is_empty() && claims.dead.is_empty() {
            break;
        }
        died.extend(claims.dead.iter().map(|job| format!("{} {}: out of attempts", job.kind, job.id)));
        for job in claims.held {
            ran += 1;
            let (fate, reason) = match handlers.spawn(domain, &job).outcome().await {
                Ok(_) => {
                    queue::complete(domain, &[Ticket::from(&job)]).await?;
                    continue;
                }
                Err(Failure::Retry(reason)) => (Fate::Retry, reason),
                Err(Failure::Park(reason)) => (Fate::Park, reason),
            };
            if queue::fail(domain, &job, fate, &reason).await? == Some(JobState::Dead) {
                died.push(format!("{} {}: {reason}", job.kind, job.id));
            }
        }
    }
    if died.is_empty() { Ok(ran) } else { Err(DrainError::Died(died)) }
}
