//! Tells those who use a product of a new version. A second run finds it told.

use domain::{Domain, ops::spec_news, outbox::TellOfSpec};

use crate::outcome::{Outcome, Success};

pub async fn run(domain: Domain, job: TellOfSpec) -> Outcome {
    let told = spec_news::tell(&domain, job.spec).await?;
    tracing::info!(spec = %job.spec, teams = told, "teams told of a new version");
    Ok(Success::Done)
}
