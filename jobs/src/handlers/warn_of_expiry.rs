//! Warns of expiries that have come near. A second run finds none that was not warned of.

use domain::{Domain, ops::expiry_warnings};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain) -> Outcome {
    expiry_warnings::warn(&domain).await?;
    Ok(Success::Done)
}
