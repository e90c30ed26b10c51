//! Mails a sign-in link. A second run sends a second copy with the same link and Message-ID.

use domain::{Domain, outbox::SendMagicLink, read};

use crate::outcome::{Outcome, Success};
use crate::{Mailer, mail};

pub async fn run(domain: Domain, mailer: Mailer, job: SendMagicLink) -> Outcome {
    let Some(facts) = read::mail::sign_in_link(&domain, job.link).await? else {
        return Ok(Success::Dropped("the link is used or expired, or its address may not sign in"));
    };
    mailer.send(mail::sign_in(&mailer, job.link, &facts)?).await?;
    Ok(Success::Done)
}
