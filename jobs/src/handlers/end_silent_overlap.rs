//! Ends older secrets that fell silent. A second run finds none; for those that are in use another job comes.

use domain::{Domain, ops::overlaps, outbox::EndSilentOverlap};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain, job: EndSilentOverlap) -> Outcome {
    match overlaps::end_silent(&domain, job.credential).await? {
        0 => Ok(Success::Dropped("no older secret is silent for long enough")),
        _ => Ok(Success::Done),
    }
}
