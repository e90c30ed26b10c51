//! Ends every subscription whose time has come, so that a lost job does not matter. A second run finds none.

use domain::{Domain, ops::endings};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain) -> Outcome {
    let ended = endings::end_overdue(&domain).await?;
    if ended > 0 {
        tracing::warn!(subscriptions = ended, "overdue subscriptions ended that their own jobs had left");
    }
    Ok(Success::Done)
}
