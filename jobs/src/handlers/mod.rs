//! Which handler runs which kind of job. Each has a file of its own here, may run twice, and says so in how it is written.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    Domain,
    outbox::{
        EndOverdueSubscriptions, EndSilentOverlap, EndSubscription, Job, KeepSigningKeys, PruneRecords, RecheckDomains,
        SendInvitation, SendMagicLink, SendNotification, SendSupportRequest, TellOfSpec, WarnOfExpiry, WarnOfOverlapEnd,
    },
};
use entities::outbox_job;
use futures_util::future::BoxFuture;
use serde_json::Value;
use tokio::task::{AbortHandle, JoinHandle};

use crate::{
    Mailer,
    outcome::{Failure, Outcome},
};

mod end_overdue_subscriptions;
mod end_silent_overlap;
mod end_subscription;
mod keep_signing_keys;
mod prune_records;
mod recheck_domains;
mod send_invitation;
mod send_magic_link;
mod send_notification;
mod send_support_request;
mod tell_of_spec;
mod warn_of_expiry;
mod warn_of_overlap_end;

/// Within which a mail is handed over, waiting for others included.
const MAIL_LIMIT: Duration = Duration::from_secs(120);
const PRUNE_LIMIT: Duration = Duration::from_secs(600);
/// For one subscription, or one credential.
const END_LIMIT: Duration = Duration::from_secs(60);
/// For all that it concerns: after long downtime, or of a product that many use, that may be much.
const SWEEP_LIMIT: Duration = Duration::from_secs(600);

type Run = Box<dyn Fn(Domain, Value) -> BoxFuture<'static, Outcome> + Send + Sync>;

struct Handler {
    limit: Duration,
    run: Run,
}

/// The handlers by kind.
#[derive(Default)]
pub struct Handlers(HashMap<&'static str, Handler>);

impl Handlers {
    /// All that Portico enqueues.
    pub fn standard(mailer: &Mailer) -> Self {
        let (sign_in, invitation, support, notification) = (mailer.clone(), mailer.clone(), mailer.clone(), mailer.clone());
        Self::default()
            .on(MAIL_LIMIT, move |domain, job: SendMagicLink| send_magic_link::run(domain, sign_in.clone(), job))
            .on(MAIL_LIMIT, move |domain, job: SendInvitation| send_invitation::run(domain, invitation.clone(), job))
            .on(MAIL_LIMIT, move |domain, job: SendSupportRequest| send_support_request::run(domain, support.clone(), job))
            .on(MAIL_LIMIT, move |domain, job: SendNotification| send_notification::run(domain, notification.clone(), job))
            .on(PRUNE_LIMIT, |domain, _: PruneRecords| prune_records::run(domain))
            .on(END_LIMIT, |domain, job: EndSubscription| end_subscription::run(domain, job))
            .on(END_LIMIT, |domain, job: EndSilentOverlap| end_silent_overlap::run(domain, job))
            .on(END_LIMIT, |domain, job: WarnOfOverlapEnd| warn_of_overlap_end::run(domain, job))
            .on(END_LIMIT, |domain, _: KeepSigningKeys| keep_signing_keys::run(domain))
            .on(SWEEP_LIMIT, |domain, _: EndOverdueSubscriptions| end_overdue_subscriptions::run(domain))
            .on(SWEEP_LIMIT, |domain, _: RecheckDomains| recheck_domains::run(domain))
            .on(SWEEP_LIMIT, |domain, _: WarnOfExpiry| warn_of_expiry::run(domain))
            .on(SWEEP_LIMIT, |domain, job: TellOfSpec| tell_of_spec::run(domain, job))
    }

    /// Adds a kind; a run that takes longer than `limit` is ended and counts as failed.
    pub fn on<J, F, R>(mut self, limit: Duration, handler: F) -> Self
    where
        J: Job,
        F: Fn(Domain, J) -> R + Send + Sync + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let run: Run = Box::new(move |domain, payload| {
            let handler = handler.clone();
            Box::pin(async move {
                match serde_json::from_value::<J>(payload) {
                    Ok(job) => handler(domain, job).await,
                    Err(error) => Err(Failure::Park(format!("the payload is not a {}: {error}", J::KIND))),
                }
            })
        });
        self.0.insert(J::KIND, Handler { limit, run });
        self
    }

    /// Runs a job in a task of its own, so that a panic ends the job and not the worker.
    pub(crate) fn spawn(&self, domain: &Domain, job: &outbox_job::Model) -> UnderWay {
        let Some(handler) = self.0.get(job.kind.as_str()) else {
            let unknown = format!("this version has no handler for jobs of kind {:?}", job.kind);
            return UnderWay { task: tokio::spawn(async { Err(Failure::Park(unknown)) }), limit: MAIL_LIMIT };
        };
        UnderWay { task: tokio::spawn((handler.run)(domain.clone(), job.payload.clone())), limit: handler.limit }
    }
}

/// A run under way; dropped, it ends.
pub(crate) struct UnderWay {
    task: JoinHandle<Outcome>,
    limit: Duration,
}

impl UnderWay {
    pub(crate) fn abort_handle(&self) -> AbortHandle {
        self.task.abort_handle()
    }

    pub(crate) async fn outcome(mut self) -> Outcome {
        match tokio::time::timeout(self.limit, &mut self.task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(ended)) if ended.is_panic() => Err(Failure::Retry("the handler panicked".to_owned())),
            Ok(Err(_)) => Err(Failure::Retry("the run was ended".to_owned())),
            Err(_) => Err(Failure::Retry(format!("took longer than {} s", self.limit.as_secs_f32()))),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
