//! Tells a team of older secrets that are in use still. A second run finds them told of.

use domain::{Domain, ops::overlaps, outbox::WarnOfOverlapEnd};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain, job: WarnOfOverlapEnd) -> Outcome {
    match overlaps::warn_of_end(&domain, job.credential).await? {
        false => Ok(Success::Dropped("no older secret is in use")),
        true => Ok(Success::Done),
    }
}
