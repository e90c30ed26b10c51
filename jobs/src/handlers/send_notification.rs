//! Mails what a person was told. A second run sends a second copy with the same Message-ID.

use domain::{Domain, outbox::SendNotification, read};

use crate::outcome::{Outcome, Success};
use crate::{Mailer, mail};

pub async fn run(domain: Domain, mailer: Mailer, job: SendNotification) -> Outcome {
    let Some(facts) = read::mail::notification(&domain, job.notification).await? else {
        return Ok(Success::Dropped("it was read in the portal already, or is gone"));
    };
    mailer.send(mail::notification(&mailer, &facts)?).await?;
    Ok(Success::Done)
}
