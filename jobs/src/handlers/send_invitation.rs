//! Mails an invitation. A second run sends a second copy with the same link and Message-ID.

use domain::{Domain, outbox::SendInvitation, read};

use crate::outcome::{Outcome, Success};
use crate::{Mailer, mail};

pub async fn run(domain: Domain, mailer: Mailer, job: SendInvitation) -> Outcome {
    let Some(facts) = read::mail::invitation(&domain, job.invitation, job.generation).await? else {
        return Ok(Success::Dropped("the invitation is answered, revoked, expired, or was sent again"));
    };
    mailer.send(mail::invitation(&mailer, job.invitation, job.generation, &facts)?).await?;
    Ok(Success::Done)
}
