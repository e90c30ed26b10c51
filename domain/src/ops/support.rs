//! A team's member asks the provider's support.

use chrono::{DateTime, Utc};
use entities::{
    enums::SupportTopic,
    id::{RequestId, TeamId, UserId},
    support_request::{Column, Entity, Model},
    team, user,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_member,
    audit::{Action, Audit},
    error::Problems,
    notices::{To, tell},
    outbox::SendSupportRequest,
    read,
    rules::{
        notice::Notice,
        policy::{MemberRight, StaffRight},
        support, text,
    },
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
    // Staff do not ask themselves.
    require_member(tx.db(), actor, cmd.team, MemberRight::Belong).await?;
    let (subject, body, request_id) = check(cmd)?;
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
    match read::portal::load_from(tx.db()).await?.support_email {
        Some(_) => tx.enqueue(SendSupportRequest { request: row.id }).await?,
        None => tell_staff(&tx, actor, &row).await?,
    }
    let entry = Audit::of(actor, Action::SupportRequested, row.id)
        .team(row.team_id)
        .set("reference", &row.reference)
        .set("topic", row.topic)
        .set("requestId", row.request_id);
    tx.commit(entry).await?;
    Ok(row)
}

/// Where no address takes requests, those who look after partners are told.
async fn tell_staff(tx: &Tx<'_>, actor: &Actor, row: &Model) -> Result<()> {
    let team = team::Entity::find_by_id(row.team_id).one(tx.db()).await?;
    let asker = user::Entity::find_by_id(row.user_id).one(tx.db()).await?;
    let (Some(team), Some(asker)) = (team, asker) else {
        return Err(DomainError::internal("a support request's team or asker is missing"));
    };
    let notice = Notice::SupportRequested {
        id: team.id,
        team: team.name,
        by: asker.email,
        subject: format!("[{}] {}", row.reference, row.subject),
        body: row.body.clone(),
    };
    tell(tx, actor, To::Staff(StaffRight::Edit), &notice).await
}

fn check(cmd: &ContactSupport) -> Result<(String, String, Option<RequestId>)> {
    let mut problems = Problems::default();
    let subject = problems.take(text::name("subject", &cmd.subject, 200));
    let body = problems.take(text::prose("body", Some(&cmd.body), 10_000));
    if body == Some(None) {
        problems.add(ProblemCode::Required, "body", "must not be empty");
    }
    // A call may be asked about before its row is in the log, and after: an id is kept as it was given.
    let given = cmd.request_id.as_deref().map(str::trim).filter(|given| !given.is_empty());
    let request = given.and_then(|given| given.parse::<RequestId>().ok());
    if given.is_some() && request.is_none() {
        let say = "is no request id: take it from the answer's X-Request-ID header, or leave it out";
        problems.add(ProblemCode::Invalid, "requestId", say);
    }
    problems.into_result()?;
    Ok((subject.unwrap_or_default(), body.flatten().unwrap_or_default(), request))
}

async fn sent_lately(tx: &Tx<'_>, asker: UserId) -> Result<Vec<DateTime<Utc>>> {
    let recent = Entity::find().filter(Column::UserId.eq(asker)).filter(Column::CreatedAt.gt(tx.now() - support::WINDOW));
    Ok(recent.select_only().column(Column::CreatedAt).into_tuple().all(tx.db()).await?)
}
