//! A team's member asks the provider's support.

use chrono::{DateTime, Utc};
use entities::{
    enums::SupportTopic,
    id::{RequestId, RequestLogId, TeamId, UserId},
    request_log,
    support_request::{Column, Entity, Model},
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::membership,
    audit::{Action, Audit},
    error::Problems,
    outbox::SendSupportRequest,
    read,
    rules::{policy::MemberRight, support, text},
    tx::retrying,
};

#[derive(Debug, Clone)]
pub struct ContactSupport {
    pub team: TeamId,
    pub topic: SupportTopic,
    pub subject: String,
    pub body: String,
    /// The call that it is about, as its answer's `X-Request-ID` said.
    pub request_id: Option<String>,
}

/// Keeps the request, and has it mailed where the portal has a support address. What it says stays out of the audit log:
/// people paste secrets.
pub async fn contact(ctx: &Domain, actor: &Actor, cmd: ContactSupport) -> Result<Model> {
    let asker = actor.signed_in()?;
    retrying(|| contact_once(ctx, actor, asker, &cmd)).await
}

async fn contact_once(ctx: &Domain, actor: &Actor, asker: UserId, cmd: &ContactSupport) -> Result<Model> {
    let tx = Tx::begin(ctx).await?;
    require_own_team(tx.db(), actor, cmd.team).await?;
    let (subject, body, request_id) = check(&tx, cmd).await?;
    tx.alone("support requests of", asker).await?;
    if let Some(retry_after) = support::wait(&sent_lately(&tx, asker).await?, tx.now()) {
        return Err(DomainError::RateLimited { retry_after });
    }
    let row = tx
        .insert(Model {
            id: ctx.env.id(),
            team_id: cmd.team,
            user_id: asker,
            reference: support::reference(ctx.env.random()),
            topic: cmd.topic,
            subject,
            body,
            request_id,
            created_at: tx.now(),
        })
        .await?;
    if read::portal::load_from(tx.db()).await?.support_email.is_some() {
        tx.enqueue(SendSupportRequest { request: row.id }).await?;
    }
    let entry = Audit::of(actor, Action::SupportRequested, row.id)
        .team(row.team_id)
        .set("reference", &row.reference)
        .set("topic", row.topic)
        .set("requestId", row.request_id);
    tx.commit(entry).await?;
    Ok(row)
}

/// Members only, whatever their access: staff do not ask themselves.
async fn require_own_team(db: &impl ConnectionTrait, actor: &Actor, team: TeamId) -> Result<()> {
    match membership(db, actor, team).await? {
        Some(_) => Ok(()),
        None if actor.staff_role().is_some() => Err(DomainError::Forbidden(MemberRight::SeeTeam.needs())),
        None => Err(DomainError::NotFound("team")),
    }
}

async fn check(tx: &Tx<'_>, cmd: &ContactSupport) -> Result<(String, String, Option<RequestId>)> {
    let mut problems = Problems::default();
    let subject = problems.take(text::name("subject", &cmd.subject, 200));
    let body = problems.take(text::prose("body", Some(&cmd.body), 10_000));
    if body == Some(None) {
        problems.add(ProblemCode::Required, "body", "must not be empty");
    }
    let mut request = None;
    if let Some(given) = cmd.request_id.as_deref().map(str::trim).filter(|given| !given.is_empty()) {
        request = call(tx.db(), cmd.team, given).await?;
        if request.is_none() {
            let say = "the log has no such call of your team: take the id from the answer's X-Request-ID header, or leave it out";
            problems.add(ProblemCode::NotFound, "requestId", say);
        }
    }
    problems.into_result()?;
    Ok((subject.unwrap_or_default(), body.flatten().unwrap_or_default(), request))
}

/// One of the team's calls, or one that nobody was recognised in: only who made it knows its id.
async fn call(db: &impl ConnectionTrait, team: TeamId, id: &str) -> Result<Option<RequestId>> {
    let Ok(id) = id.parse::<RequestId>() else { return Ok(None) };
    let own = Condition::any().add(request_log::Column::TeamId.eq(team)).add(request_log::Column::TeamId.is_null());
    let found = request_log::Entity::find_by_id(RequestLogId(id.0)).filter(own).count(db).await?;
    Ok((found > 0).then_some(id))
}

async fn sent_lately(tx: &Tx<'_>, asker: UserId) -> Result<Vec<DateTime<Utc>>> {
    let recent = Entity::find().filter(Column::UserId.eq(asker)).filter(Column::CreatedAt.gt(tx.now() - support::WINDOW));
    Ok(recent.select_only().column(Column::CreatedAt).into_tuple().all(tx.db()).await?)
}
