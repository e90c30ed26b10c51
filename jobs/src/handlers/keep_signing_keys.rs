//! Makes the next key to sign tokens with, in time. A second run finds it made.

use domain::{Domain, ops::signing_keys};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain) -> Outcome {
    match signing_keys::keep(&domain).await? {
        false => Ok(Success::Dropped("the keys are in order")),
        true => Ok(Success::Done),
    }
}
