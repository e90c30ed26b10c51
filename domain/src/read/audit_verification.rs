//! Whether the audit log is what was written: every row walked, a stretch on each of a few tasks.

use std::ops::RangeInclusive;

use entities::{
    audit_chain,
    audit_event::{Column, Entity},
    id::AuditEventId,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, Query},
};

use crate::{
    Actor, Domain, DomainError, ProblemCode, Result,
    access::require_staff,
    audit::chain::{self, State},
    rules::{
        audit_chain::{ChainKey, Fault, Hash, Kept, Mark, START, Walk},
        policy::StaffRight,
    },
};

/// Rows of one stretch, and how many stretches are walked at a time.
const STRETCH: i64 = 10_000;
const AT_ONCE: usize = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// How many events there are.
    pub events: i64,
    /// Of the last one.
    pub head: Mark,
    pub fault: Option<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub fault: Fault,
    /// The event that shows it, where there is one.
    pub event: Option<AuditEventId>,
}

/// Walks the log, from its beginning or from behind a mark that somebody kept elsewhere.
pub async fn verify(ctx: &Domain, actor: &Actor, from: Option<Mark>) -> Result<Verification> {
    require_staff(actor, StaffRight::ReadAudit)?;
    let mut walked = walk(ctx, from).await?;
    // Retention may have moved the beginning meanwhile.
    if walked.fault.is_some() {
        walked = walk(ctx, from).await?;
    }
    Ok(walked)
}

async fn walk(ctx: &Domain, from: Option<Mark>) -> Result<Verification> {
    let Some(state) = chain::state(ctx, &ctx.db).await? else {
        let event = stray(ctx).await?;
        let fault = event.map(|event| Found { fault: Fault::Added, event: Some(event) });
        return Ok(Verification { events: 0, head: START, fault });
    };
    let events = state.head.position - state.anchor.position;
    let fault = match faults(ctx, &state, from).await {
        Ok(()) => stray(ctx).await?.map(|event| Found { fault: Fault::Added, event: Some(event) }),
        Err(Stop::Found(found)) => Some(found),
        Err(Stop::Failed(error)) => return Err(error),
    };
    Ok(Verification { events, head: state.head, fault })
}

enum Stop {
    Found(Found),
    Failed(DomainError),
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Found(Found { fault, event: None })
    }
}

impl From<DomainError> for Stop {
    fn from(error: DomainError) -> Self {
        Self::Failed(error)
    }
}

impl From<sea_orm::DbErr> for Stop {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Failed(error.into())
    }
}

async fn faults(ctx: &Domain, state: &State, from: Option<Mark>) -> Result<(), Stop> {
    let State { key, row, anchor, head } = state;
    if !key.sealed(Kept::Head, *head, &row.head_seal) {
        return Err(Fault::Head.into());
    }
    if !key.sealed(Kept::Anchor, *anchor, &row.anchor_seal) {
        return Err(Fault::Anchor.into());
    }
    let start = match from {
        Some(mark) if mark.position < anchor.position => {
            let gone = format!("events up to {} are older than the log is kept: leave it out", anchor.position);
            return Err(DomainError::refused(ProblemCode::Invalid, "from", gone).into());
        }
        Some(mark) if mark.position > anchor.position => checkpoint(ctx, mark).await?,
        Some(mark) if mark != *anchor => return Err(Fault::Checkpoint(mark.position).into()),
        _ => *anchor,
    };
    let stretches = (start.position..head.position).step_by(STRETCH as usize);
    let walks = stretches.map(|before| {
        let (ctx, key) = (ctx.clone(), key.clone());
        let known = (before == start.position).then_some(start.hash);
        let upto = Ord::min(head.position, before + STRETCH);
        async move {
            let task = tokio::spawn(async move { stretch(&ctx, &key, known, before..=upto).await });
            task.await.map_err(|_| Stop::from(DomainError::internal("a task that walked the audit log broke off")))?
        }
    });
    // In order: the first fault of the log is the one that is told.
    let end = stream::iter(walks).buffered(AT_ONCE).try_fold(start, |_, mark| async move { Ok(mark) }).await?;
    if end == *head { Ok(()) } else { Err(Fault::Head.into()) }
}

/// The mark, if the log has it.
async fn checkpoint(ctx: &Domain, mark: Mark) -> Result<Mark, Stop> {
    let row = Entity::find().filter(Column::Position.eq(mark.position)).one(&ctx.db).await?;
    match row {
        Some(row) if row.hash.as_deref() == Some(&mark.hash[..]) => Ok(mark),
        Some(row) => Err(Stop::Found(Found { fault: Fault::Checkpoint(mark.position), event: Some(row.id) })),
        None => Err(Fault::Missing(mark.position, mark.position).into()),
    }
}

/// Walks from behind `range.start()`, whose hash is known or is that of its row, to `range.end()`.
async fn stretch(ctx: &Domain, key: &ChainKey, known: Option<Hash>, range: RangeInclusive<i64>) -> Result<Mark, Stop> {
    let (before, upto) = range.into_inner();
    let first = if known.is_some() { before + 1 } else { before };
    let rows = Entity::find().filter(Column::Position.between(first, upto)).order_by_asc(Column::Position).all(&ctx.db).await?;
    let mut rows = rows.iter();
    let hash = match known {
        Some(hash) => hash,
        // That this one is right is for the stretch before to say.
        None => match rows.next() {
            Some(row) if row.position == Some(before) => chain::mark(before, row.hash.as_deref().unwrap_or_default())?.hash,
            _ => return Err(Fault::Missing(before, before).into()),
        },
    };
    let mut walk = Walk::from(key, Mark { position: before, hash });
    for row in rows {
        walk.step(row).map_err(|fault| Stop::Found(Found { fault, event: Some(row.id) }))?;
    }
    match walk.at() {
        mark if mark.position == upto => Ok(mark),
        mark => Err(Fault::Missing(mark.position + 1, upto).into()),
    }
}

/// An event that has no place in the log, as it is now.
async fn stray(ctx: &Domain) -> Result<Option<AuditEventId>> {
    let head = Query::select().column(audit_chain::Column::HeadPosition).from(audit_chain::Entity).to_owned();
    let outside = Condition::any()
        .add(Column::Position.is_null())
        .add(Expr::col(Column::Position).gt(Expr::SubQuery(None, Box::new(head.into()))));
    let found = Entity::find().filter(outside).order_by_asc(Column::Id).limit(1).one(&ctx.db).await?;
    Ok(found.map(|row| row.id))
}
