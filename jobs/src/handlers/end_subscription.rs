//! Ends a subscription whose time has come. A second run, or one whose end was moved or taken back, finds nothing to do.

use domain::{Domain, ops::endings, outbox::EndSubscription};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain, job: EndSubscription) -> Outcome {
    match endings::end_if_due(&domain, job.subscription).await? {
        Some(_) => Ok(Success::Done),
        None => Ok(Success::Dropped("it is not the time, or the subscription is over")),
    }
}
