//! Mails a support request. A second run sends a second copy with the same Message-ID.

use domain::{Domain, outbox::SendSupportRequest, read};

use crate::outcome::{Outcome, Success};
use crate::{Mailer, mail};

pub async fn run(domain: Domain, mailer: Mailer, job: SendSupportRequest) -> Outcome {
    let Some(facts) = read::mail::support_request(&domain, job.request).await? else {
        return Ok(Success::Dropped("the portal has no support address any more"));
    };
    mailer.send(mail::support_request(&mailer, &facts)?).await?;
    Ok(Success::Done)
}
