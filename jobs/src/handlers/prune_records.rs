//! Deletes what is older than its retention. A second run finds less to do.

use domain::{Domain, ops::retention};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain) -> Outcome {
    let gone = retention::prune(&domain).await?;
    tracing::info!(
        request_log = gone.request_log,
        jobs = gone.jobs,
        gateway_changes = gone.gateway_changes,
        magic_links = gone.magic_links,
        sessions = gone.sessions,
        idempotency_keys = gone.idempotency_keys,
        notifications = gone.notifications,
        "old records deleted"
    );
    Ok(Success::Done)
}
