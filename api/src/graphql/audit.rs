//! The audit log.

use std::fmt;

use async_graphql::{Context, ID, InputObject, Object};
use chrono::{DateTime, Utc};
use domain::{
    DomainError, ProblemCode,
    read::{audit, page::PageRequest},
};
use entities::{
    audit_event,
    id::{TeamId, UserId},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    connection,
    graphql::{
        connection::HasCursor,
        enums::ActorKind,
        loaders::found,
        request::{OrGraphql, RequestContext},
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

/// An id by its prefix, where the kind is only known as text.
struct Shown<'a>(&'a str, Uuid);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        entities::id::format(self.0, self.1, f)
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
        Shown(&self.0.subject_type, self.0.subject_id).to_string().into()
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
    from: Option<DateTime<Utc>>,
    /// Exclusive.
    to: Option<DateTime<Utc>>,
}

impl AuditFilter {
    fn parse(self) -> Result<audit::Filter, DomainError> {
        let wrong = |path: &str| DomainError::refused(ProblemCode::Invalid, path, format!("{path} is not an id"));
        Ok(audit::Filter {
            actor: self.actor_id.map(|id| id.parse::<UserId>().map_err(|_| wrong("filter.actorId"))).transpose()?,
            action: self.action,
            subject: self.subject_id.map(|id| entities::id::uuid_of(&id).ok_or_else(|| wrong("filter.subjectId"))).transpose()?,
            team: self.team_id.map(|id| id.parse::<TeamId>().map_err(|_| wrong("filter.teamId"))).transpose()?,
            from: self.from,
            to: self.to,
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
