//! Warns of expiries that have come near. A second run finds none that was not warned of.

use domain::{
    Domain,
    ops::{credential_warnings, expiry_warnings},
};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain) -> Outcome {
    let subscriptions = expiry_warnings::warn(&domain).await;
    // Those of the one kind are not kept back by a fault in the other.
    credential_warnings::warn(&domain).await?;
    subscriptions?;
    Ok(Success::Done)
}
