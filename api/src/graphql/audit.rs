//! The audit log.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use domain::{
    DomainError, ProblemCode,
    read::{audit, audit_verification::Verification, page::PageRequest},
    rules::audit_chain::Mark,
};
use entities::{
    audit_event,
    id::{TeamId, UserId},
};
use serde_json::Value;

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        enums::ActorKind,
        loaders::found,
        request::{OrGraphql, RequestContext},
        scalars::{BigInt, Moment},
        team::Team,
        user::User,
    },
};

/// Who did what to what, from where, and what changed.
#[derive(Debug, Clone)]
pub struct AuditEvent(pub audit_event::Model);

connection! { AuditEventConnection AuditEventEdge AuditEvent }

impl HasCursor for AuditEvent {
    fn cursor(&self) -> String {
        self.0.id.to_string()
    }
}

#[Object]
impl AuditEvent {
    pub async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }
    async fn at(&self) -> DateTime<Utc> {
        self.0.at
    }
    /// Null for what the program did itself, and for who is not known.
    async fn actor(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<User>> {
        let Some(id) = self.0.actor_id else { return Ok(None) };
        found(ctx.loaders().users.load_one(id).await).map(|row| Some(User(row)))
    }
    async fn actor_kind(&self) -> ActorKind {
        self.0.actor_kind.into()
    }
    /// Such as `credential.created`.
    async fn action(&self) -> &str {
        &self.0.action
    }
    /// The prefix of the subject's id.
    async fn subject_type(&self) -> &str {
        &self.0.subject_type
    }
    async fn subject_id(&self) -> ID {
        self.0.subject().to_string().into()
    }
    async fn team(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Team>> {
        let Some(id) = self.0.team_id else { return Ok(None) };
        found(ctx.loaders().teams.load_one(id).await).map(|row| Some(Team(row)))
    }
    async fn ip(&self) -> Option<&str> {
        self.0.ip.as_deref()
    }
    async fn user_agent(&self) -> Option<&str> {
        self.0.user_agent.as_deref()
    }
    async fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }
    /// Field name to `{before, after}`; never a secret.
    async fn changes(&self) -> Value {
        self.0.changes.clone()
    }
    /// Over the event and the hash of the one before it, by HMAC-SHA256 under a key of the instance's own; in base64url.
    async fn hash(&self) -> String {
        BASE64.encode(self.0.hash.as_deref().unwrap_or_default())
    }
}

/// Whether the audit log is what was written.
#[derive(SimpleObject)]
pub struct AuditVerification {
    whole: bool,
    /// How many there are.
    events: BigInt,
    /// The last event's; the log grows from here. Keep it elsewhere, and ask with it later.
    head_hash: String,
    /// How many were ever written, those that retention took too.
    head_position: BigInt,
    /// The first event that is not as it was written; null where all are, and where what is wrong is no event's.
    first_broken: Option<ID>,
    /// What is wrong, in words.
    fault: Option<String>,
}

impl From<Verification> for AuditVerification {
    fn from(verification: Verification) -> Self {
        let Verification { events, head, fault } = verification;
        Self {
            whole: fault.is_none(),
            events: BigInt(events),
            head_hash: BASE64.encode(head.hash),
            head_position: BigInt(head.position),
            first_broken: fault.as_ref().and_then(|found| found.event).map(|id| id.to_string().into()),
            fault: fault.map(|found| found.fault.to_string()),
        }
    }
}

/// What an earlier verification said: only what was written since is walked, and the log must still have this place.
#[derive(InputObject)]
pub struct AuditCheckpoint {
    head_position: BigInt,
    head_hash: String,
}

impl AuditCheckpoint {
    pub fn mark(&self) -> Result<Mark, DomainError> {
        let hash = BASE64.decode(&self.head_hash).ok().and_then(|bytes| bytes.try_into().ok());
        let wrong = || {
            DomainError::refused(ProblemCode::Invalid, "from.headHash", "from.headHash is not a hash: 43 characters of base64url")
        };
        Ok(Mark { position: self.head_position.0, hash: hash.ok_or_else(wrong)? })
    }
}

/// All that is given has to hold.
#[derive(InputObject)]
pub struct AuditFilter {
    actor_id: Option<ID>,
    /// As the log shows it: `credential.created`.
    action: Option<String>,
    subject_id: Option<ID>,
    team_id: Option<ID>,
    /// Inclusive.
    from: Option<Moment>,
    /// Exclusive.
    to: Option<Moment>,
    /// Words, each of which is in the action, in what changed, or in where it came from.
    text: Option<String>,
}

impl AuditFilter {
    fn parse(self) -> Result<audit::Filter, DomainError> {
        let wrong = |path: &str| DomainError::refused(ProblemCode::Invalid, path, format!("{path} is not an id"));
        Ok(audit::Filter {
            actor: self.actor_id.map(|id| id.parse::<UserId>().map_err(|_| wrong("filter.actorId"))).transpose()?,
            action: self.action,
            subject: self.subject_id.map(|id| entities::id::uuid_of(&id).ok_or_else(|| wrong("filter.subjectId"))).transpose()?,
            team: self.team_id.map(|id| id.parse::<TeamId>().map_err(|_| wrong("filter.teamId"))).transpose()?,
            from: self.from.map(|from| from.0),
            to: self.to.map(|to| to.0),
            text: self.text,
        })
    }
}

pub fn filter(given: Option<AuditFilter>) -> Result<audit::Filter, DomainError> {
    given.map(AuditFilter::parse).transpose().map(Option::unwrap_or_default)
}

/// A team's own log; null for who may not read it.
pub async fn of_team(
    ctx: &Context<'_>,
    team: TeamId,
    given: Option<AuditFilter>,
    page: PageRequest,
) -> async_graphql::Result<Option<AuditEventConnection>> {
    let filter = filter(given).or_graphql()?;
    match audit::of_team(ctx.op(), ctx.actor(), team, &filter, &page).await {
        Ok(rows) => Ok(Some(AuditEventConnection(rows.map(AuditEvent)))),
        Err(DomainError::Forbidden(_)) => Ok(None),
        Err(other) => Err(other).or_graphql(),
    }
}
