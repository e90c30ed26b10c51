//! The audit log, newest first.

use chrono::{DateTime, Utc};
use entities::{
    audit_event::{Column, Entity, Model},
    id::{AuditEventId, TeamId, UserId},
};
use futures_util::{Stream, stream};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, Func},
};
use uuid::Uuid;

use super::{
    page::{Page, PageRequest, count_up_to, newest_first},
    request_log::{MOST_COUNTED, SLACK, first_id},
    search,
};
use crate::{
    Actor, Domain, DomainError, Result,
    access::{allowed, require_somebody, require_staff},
    rules::policy::{MemberRight, StaffRight},
};

/// Events of one read of an export.
const EXPORTED: u64 = 1_000;

#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub actor: Option<UserId>,
    /// As the log shows it: `credential.created`.
    pub action: Option<String>,
    pub subject: Option<Uuid>,
    pub team: Option<TeamId>,
    /// Inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Exclusive.
    pub to: Option<DateTime<Utc>>,
    /// Words, each of which is in the action, in what changed, or in where it came from.
    pub text: Option<String>,
}

/// An event by its id, for who may read the log that it is in.
pub async fn by_id(ctx: &Domain, actor: &Actor, id: AuditEventId) -> Result<Option<Model>> {
    let Some(row) = Entity::find_by_id(id).one(&ctx.db).await? else { return Ok(None) };
    let seen = match row.team_id {
        Some(team) => may_read(ctx, actor, team).await?,
        None => require_staff(actor, StaffRight::ReadAudit).is_ok(),
    };
    Ok(seen.then_some(row))
}

/// A team's own log: for members with the team area, and staff who may read audit.
pub async fn may_read(ctx: &Domain, actor: &Actor, team: TeamId) -> Result<bool> {
    allowed(&ctx.db, actor, team, MemberRight::ReadAudit).await
}

pub async fn of_team(ctx: &Domain, actor: &Actor, team: TeamId, filter: &Filter, page: &PageRequest) -> Result<Page<Model>> {
    if !may_read(ctx, actor, team).await? {
        return Err(DomainError::Forbidden(MemberRight::ReadAudit.needs()));
    }
    list(ctx, filtered(Entity::for_team(team), filter), page).await
}

pub async fn all(ctx: &Domain, actor: &Actor, filter: &Filter, page: &PageRequest) -> Result<Page<Model>> {
    require_staff(actor, StaffRight::ReadAudit)?;
    list(ctx, filtered(Entity::find(), filter), page).await
}

/// Whether an export may go on: of a team's events, or of all.
pub async fn may_export(ctx: &Domain, actor: &Actor, team: Option<TeamId>) -> Result<()> {
    let Some(team) = team else { return require_staff(actor, StaffRight::ReadAudit) };
    // Who has to sign in, or to prove a second factor, hears so; a team that is not theirs is as one that there is not.
    require_somebody(actor)?;
    if may_read(ctx, actor, team).await? { Ok(()) } else { Err(DomainError::Forbidden(MemberRight::ReadAudit.needs())) }
}

/// The events in the order in which they were written, a page at a time. Whoever sends them asks [`may_export`] before each.
pub async fn export(
    ctx: &Domain,
    actor: &Actor,
    filter: &Filter,
) -> Result<impl Stream<Item = Result<Vec<Model>>> + Send + use<>> {
    may_export(ctx, actor, filter.team).await?;
    let list = match filter.team {
        Some(team) => filtered(Entity::for_team(team), filter),
        None => filtered(Entity::find(), filter),
    };
    let db = ctx.db.clone();
    Ok(stream::try_unfold(None, move |after: Option<AuditEventId>| {
        let (db, mut next) = (db.clone(), list.clone().order_by_asc(Column::Id).limit(EXPORTED));
        async move {
            if let Some(after) = after {
                next = next.filter(Column::Id.gt(after));
            }
            let rows = next.all(&db).await?;
            Ok(rows.last().map(|row| row.id).map(|last| (rows, Some(last))))
        }
    }))
}

async fn list(ctx: &Domain, list: Select<Entity>, page: &PageRequest) -> Result<Page<Model>> {
    let total = if page.with_total { count_up_to(ctx, list.clone(), Column::Id, MOST_COUNTED).await? } else { None };
    let uncounted = PageRequest { with_total: false, ..page.clone() };
    let read = newest_first::<_, AuditEventId>(ctx, list, Column::Id, &uncounted).await?;
    Ok(Page { total, ..read })
}

fn filtered(mut list: Select<Entity>, filter: &Filter) -> Select<Entity> {
    if let Some(actor) = filter.actor {
        list = list.filter(Column::ActorId.eq(actor));
    }
    if let Some(action) = &filter.action {
        list = list.filter(Column::Action.eq(action));
    }
    if let Some(subject) = filter.subject {
        list = list.filter(Column::SubjectId.eq(subject));
    }
    if let Some(team) = filter.team {
        list = list.filter(Column::TeamId.eq(team));
    }
    for word in search::words(filter.text.as_deref()) {
        let texts = [Column::Action, Column::Changes, Column::Ip, Column::UserAgent, Column::RequestId];
        let folded = texts.map(|column| Func::lower(Expr::col(column).cast_as("text")));
        list = list.filter(
            folded.into_iter().fold(Condition::any(), |any, text| any.add(Expr::expr(text).like(search::containing(&word)))),
        );
    }
    // Ids begin with their time, a little ahead of it at most: bounds on them let the order's index serve a range of time too.
    if let Some(from) = filter.from {
        list = list.filter(Column::At.gte(from)).filter(Column::Id.gte(first_id(from - SLACK)));
    }
    if let Some(to) = filter.to {
        list = list.filter(Column::At.lt(to)).filter(Column::Id.lt(first_id(to + SLACK)));
    }
    list
}
