//! Work for later: a row in the same transaction as the change that asks for it.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{
    enums::JobState,
    id::{CredentialId, InvitationId, JobId, MagicLinkId, NotificationId, SpecVersionId, SubscriptionId, SupportRequestId},
    outbox_job,
};
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, TryInsertResult};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Domain, DomainError, Result};

/// Rows of one statement, within what a database takes of parameters.
const BATCH: usize = 500;
/// Jobs of one transaction that are due in the same second.
const A_SECOND: usize = 20;

/// A kind of work. The payload carries ids, never secrets; a handler may run twice.
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    const KIND: &'static str;
    /// Claims before the job is parked as dead.
    const MAX_ATTEMPTS: i32 = 12;
}

/// Mail a sign-in link, if the address may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendMagicLink {
    pub link: MagicLinkId,
}

/// Mail an invitation; one of an older generation is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendInvitation {
    pub invitation: InvitationId,
    pub generation: i32,
}

/// Mail a support request to the portal's support address, where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendSupportRequest {
    pub request: SupportRequestId,
}

/// Mail what a person was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendNotification {
    pub notification: NotificationId,
}

/// Delete what is older than its retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PruneRecords;

/// End a subscription whose time has come; one whose end was moved or taken back is left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndSubscription {
    pub subscription: SubscriptionId,
}

/// End every subscription whose time has come, also those whose own job was lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOverdueSubscriptions;

/// Warn of every expiry that has come near.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarnOfExpiry;

/// End the older secrets of a credential that nobody has used for as long as their rotation asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndSilentOverlap {
    pub credential: CredentialId,
}

/// Warn of older secrets of a credential that are in use shortly before their overlap ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarnOfOverlapEnd {
    pub credential: CredentialId,
}

/// Look again at the records of proven domains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecheckDomains;

/// See to the keys that access tokens are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepSigningKeys;

/// Tell those who use a product of a new version of its document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TellOfSpec {
    pub spec: SpecVersionId,
}

impl Job for SendMagicLink {
    const KIND: &'static str = "send_magic_link";
}
impl Job for SendInvitation {
    const KIND: &'static str = "send_invitation";
}
impl Job for SendSupportRequest {
    const KIND: &'static str = "send_support_request";
}
impl Job for SendNotification {
    const KIND: &'static str = "send_notification";
}
impl Job for PruneRecords {
    const KIND: &'static str = "prune_records";
}
impl Job for EndSubscription {
    const KIND: &'static str = "end_subscription";
}
impl Job for EndOverdueSubscriptions {
    const KIND: &'static str = "end_overdue_subscriptions";
}
impl Job for WarnOfExpiry {
    const KIND: &'static str = "warn_of_expiry";
}
impl Job for EndSilentOverlap {
    const KIND: &'static str = "end_silent_overlap";
}
impl Job for WarnOfOverlapEnd {
    const KIND: &'static str = "warn_of_overlap_end";
}
impl Job for RecheckDomains {
    const KIND: &'static str = "recheck_domains";
}
impl Job for KeepSigningKeys {
    const KIND: &'static str = "keep_signing_keys";
}
impl Job for TellOfSpec {
    const KIND: &'static str = "tell_of_spec";
}

/// When a job is due and what makes it unique.
#[derive(Debug, Clone, Default)]
pub struct When {
    pub due_at: Option<DateTime<Utc>>,
    pub dedup_key: Option<String>,
}

/// Writes the row; false where a job with the same dedup key is there already. `Tx::enqueue` is how operations call it.
pub(crate) async fn insert<J: Job>(ctx: &Domain, db: &impl ConnectionTrait, job: &J, when: When) -> Result<bool> {
    let inserted = outbox_job::Entity::insert(row(ctx, job, when)?)
        .on_conflict_do_nothing_on([outbox_job::Column::DedupKey])
        .exec_without_returning(db)
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1..)))
}

/// Writes a row for each. The first are due now and the rest in turns after them, so that a sign-in link which somebody waits for
/// does not stand behind the news of ten thousand.
pub(crate) async fn insert_all<J: Job>(ctx: &Domain, db: &impl ConnectionTrait, jobs: &[J]) -> Result<()> {
    let mut due_at = ctx.now();
    let mut rows = Vec::with_capacity(jobs.len());
    for turn in jobs.chunks(A_SECOND) {
        for job in turn {
            rows.push(row(ctx, job, When { due_at: Some(due_at), dedup_key: None })?);
        }
        due_at += TimeDelta::seconds(1);
    }
    for batch in rows.chunks(BATCH) {
        outbox_job::Entity::insert_many(batch.iter().cloned()).exec_without_returning(db).await?;
    }
    Ok(())
}

fn row<J: Job>(ctx: &Domain, job: &J, when: When) -> Result<outbox_job::ActiveModel> {
    let now = ctx.now();
    Ok(outbox_job::ActiveModel {
        id: Set(ctx.env.id::<JobId>()),
        kind: Set(J::KIND.to_owned()),
        payload: Set(serde_json::to_value(job).map_err(DomainError::internal)?),
        state: Set(JobState::Ready),
        attempts: Set(0),
        max_attempts: Set(J::MAX_ATTEMPTS),
        due_at: Set(when.due_at.unwrap_or(now)),
        lease_until: Set(None),
        fence: Set(0),
        dedup_key: Set(when.dedup_key),
        last_error: Set(None),
        created_at: Set(now),
        finished_at: Set(None),
    })
}
