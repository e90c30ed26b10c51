//! Looks again at the DNS records of proven domains. A second run finds those that are left.

use domain::{Domain, ops::domain_rechecks};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain) -> Outcome {
    let lost = domain_rechecks::recheck(&domain).await?;
    if lost > 0 {
        tracing::info!(domains = lost, "domains are no longer proven: their records were gone for a week");
    }
    Ok(Success::Done)
}
