//! The queue's bookkeeping over the outbox: who holds which job until when, and what became of it.
//!
//! A claim counts the attempt and raises the row's fence; everything that settles a row compares that fence, so that a
//! worker that lost its lease changes nothing. Every function here is one statement, which is a transaction of its own.

use chrono::{DateTime, TimeDelta, Utc};
use entities::{enums::JobState, id::JobId, outbox_job};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement, Value,
    sea_query::Expr,
};

use crate::{
    Domain, DomainError, Problem, ProblemCode, Result, Tx,
    rules::{backoff, text::cut},
    tx::Unaudited,
};

/// Rows that one statement settles at most.
const CHUNK: usize = 512;
/// Characters of a failure's reason that are kept.
const REASON: usize = 500;

/// What a claim got.
#[derive(Debug, Default)]
pub struct Claims {
    /// To be run, in the order in which they were due.
    pub held: Vec<outbox_job::Model>,
    /// Out of attempts, and now dead: each was claimed as often as it may be and nobody lived to say how it went.
    pub dead: Vec<outbox_job::Model>,
}

/// A claim, as those who settle it name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub id: JobId,
    pub fence: i64,
    /// Whether it has a dedup key, which stays taken when it is done.
    pub keyed: bool,
}

impl From<&outbox_job::Model> for Ticket {
    fn from(job: &outbox_job::Model) -> Self {
        Self { id: job.id, fence: job.fence, keyed: job.dedup_key.is_some() }
    }
}

/// What becomes of a job that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Tried again after a wait, unless it is out of attempts.
    Retry,
    /// Parked: trying again would not help.
    Park,
}

/// Takes up to `limit` jobs that are due and holds them for `lease`.
pub async fn claim(ctx: &Domain, limit: u64, lease: TimeDelta) -> Result<Claims> {
    let now = ctx.now();
    // Claimers on PostgreSQL pass each other's rows by; on SQLite the statement has the one write lock from its start.
    // A claim need not reach the disk before its jobs start: a server that fails and forgets it makes them due again, as
    // the end of a lease would. What settles a job is written with all care.
    let (lock, unwaited) = match ctx.db.get_database_backend() {
        DatabaseBackend::Postgres => {
            ("for update skip locked", "and (select set_config('synchronous_commit', 'off', true)) = 'off'")
        }
        _ => ("", ""),
    };
    let sql = format!(
        "with picked as materialized (
            select id from outbox_jobs where state = $1 and due_at <= $2 order by due_at, id limit $3 {lock}
        )
        update outbox_jobs set
            state = case when attempts < max_attempts then $4 else $5 end,
            lease_until = case when attempts < max_attempts then $6 end,
            finished_at = case when attempts < max_attempts then null else $2 end,
            attempts = case when attempts < max_attempts then attempts + 1 else attempts end,
            fence = fence + 1
        where id in (select id from picked) {unwaited}
        returning *"
    );
    let values: [Value; 6] = [
        JobState::Ready.into(),
        now.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
        JobState::Running.into(),
        JobState::Dead.into(),
        (now + lease).into(),
    ];
    let mut jobs = outbox_job::Entity::find().from_raw_sql(statement(ctx, sql, values)).all(&ctx.db).await?;
    jobs.sort_by_key(|job| (job.due_at, job.id));
    let (held, dead) = jobs.into_iter().partition(|job| job.state == JobState::Running);
    Ok(Claims { held, dead })
}

/// Makes claimable what is held beyond its lease: its worker stopped, or could not reach the database. Returns how many.
pub async fn release_expired(ctx: &Domain) -> Result<u64> {
    let released = outbox_job::Entity::update_many()
        .col_expr(outbox_job::Column::State, Expr::value(JobState::Ready))
        .col_expr(outbox_job::Column::LeaseUntil, Expr::value(None::<DateTime<Utc>>))
        .col_expr(outbox_job::Column::LastError, Expr::value("its worker stopped before it was done"))
        .filter(outbox_job::Column::State.eq(JobState::Running))
        .filter(outbox_job::Column::LeaseUntil.lt(ctx.now()))
        .exec(&ctx.db)
        .await?;
    Ok(released.rows_affected)
}

/// Holds what is claimed for another `lease`. Returns what is still held; the rest was lost to somebody.
pub async fn renew(ctx: &Domain, tickets: &[Ticket], lease: TimeDelta) -> Result<Vec<JobId>> {
    let mut held = Vec::with_capacity(tickets.len());
    for chunk in tickets.chunks(CHUNK) {
        let mut values: Vec<Value> = vec![(ctx.now() + lease).into(), JobState::Running.into()];
        let these = these(chunk, &mut values);
        let sql = format!("update outbox_jobs set lease_until = $1 where state = $2 and {these} returning *");
        let rows = outbox_job::Entity::find().from_raw_sql(statement(ctx, sql, values)).all(&ctx.db).await?;
        held.extend(rows.iter().map(|row| row.id));
    }
    Ok(held)
}

/// Settles jobs that are done: the row goes, or stays as long as its dedup key has to. Returns how many were still held.
pub async fn complete(ctx: &Domain, tickets: &[Ticket]) -> Result<u64> {
    let (keyed, plain): (Vec<_>, Vec<_>) = tickets.iter().copied().partition(|ticket| ticket.keyed);
    let mut settled = 0;
    for chunk in plain.chunks(CHUNK) {
        let mut values: Vec<Value> = vec![JobState::Running.into()];
        let these = these(chunk, &mut values);
        let sql = format!("delete from outbox_jobs where state = $1 and {these}");
        settled += ctx.db.execute_raw(statement(ctx, sql, values)).await?.rows_affected();
    }
    for chunk in keyed.chunks(CHUNK) {
        let mut values: Vec<Value> = vec![JobState::Running.into(), JobState::Done.into(), ctx.now().into()];
        let these = these(chunk, &mut values);
        let sql = format!(
            "update outbox_jobs set state = $2, finished_at = $3, lease_until = null, last_error = null
            where state = $1 and {these}"
        );
        settled += ctx.db.execute_raw(statement(ctx, sql, values)).await?.rows_affected();
    }
    Ok(settled)
}

/// Gives back what was claimed and not begun: it is due at once, and the attempt does not count.
pub async fn give_back(ctx: &Domain, tickets: &[Ticket]) -> Result<u64> {
    let mut given = 0;
    for chunk in tickets.chunks(CHUNK) {
        let mut values: Vec<Value> = vec![JobState::Running.into(), JobState::Ready.into()];
        let these = these(chunk, &mut values);
        let sql = format!(
            "update outbox_jobs set state = $2, attempts = attempts - 1, lease_until = null
            where state = $1 and {these}"
        );
        given += ctx.db.execute_raw(statement(ctx, sql, values)).await?.rows_affected();
    }
    Ok(given)
}

/// Settles a job that failed. `reason` must hold no secret; it is cut at 500 characters. Returns the state it is in now, or
/// `None` where it was no longer held.
pub async fn fail(ctx: &Domain, job: &outbox_job::Model, fate: Fate, reason: &str) -> Result<Option<JobState>> {
    let now = ctx.now();
    let dead = fate == Fate::Park || job.attempts >= job.max_attempts;
    let state = if dead { JobState::Dead } else { JobState::Ready };
    let due_at = if dead { job.due_at } else { now + backoff::wait(job.attempts, u32::from_be_bytes(ctx.env.random())) };
    let settled = outbox_job::Entity::update_many()
        .col_expr(outbox_job::Column::State, Expr::value(state))
        .col_expr(outbox_job::Column::DueAt, Expr::value(due_at))
        .col_expr(outbox_job::Column::LeaseUntil, Expr::value(None::<DateTime<Utc>>))
        .col_expr(outbox_job::Column::LastError, Expr::value(one_line(reason)))
        .col_expr(outbox_job::Column::FinishedAt, Expr::value(dead.then_some(now)))
        .filter(outbox_job::Column::Id.eq(job.id))
        .filter(outbox_job::Column::Fence.eq(job.fence))
        .filter(outbox_job::Column::State.eq(JobState::Running))
        .exec(&ctx.db)
        .await?;
    Ok((settled.rows_affected > 0).then_some(state))
}

/// What is in the queue, the dead first, then what is due soonest; without what is done.
pub async fn list(ctx: &Domain, limit: u64) -> Result<Vec<outbox_job::Model>> {
    let dead_first: Expr = Expr::case(outbox_job::Column::State.eq(JobState::Dead), 0).finally(1).into();
    Ok(outbox_job::Entity::find()
        .filter(outbox_job::Column::State.ne(JobState::Done))
        .order_by_asc(dead_first)
        .order_by_asc(outbox_job::Column::DueAt)
        .order_by_asc(outbox_job::Column::Id)
        .limit(limit)
        .all(&ctx.db)
        .await?)
}

/// How many jobs are in each state, and how long the oldest due one has waited, in seconds.
pub async fn counts(ctx: &Domain) -> Result<(Vec<(JobState, i64)>, i64)> {
    let counts = outbox_job::Entity::find()
        .select_only()
        .column(outbox_job::Column::State)
        .column_as(outbox_job::Column::Id.count(), "jobs")
        .group_by(outbox_job::Column::State)
        .into_tuple()
        .all(&ctx.db)
        .await?;
    let now = ctx.now();
    let oldest = outbox_job::Entity::find()
        .filter(outbox_job::Column::State.eq(JobState::Ready))
        .filter(outbox_job::Column::DueAt.lte(now))
        .order_by_asc(outbox_job::Column::DueAt)
        .one(&ctx.db)
        .await?;
    Ok((counts, oldest.map_or(0, |job| (now - job.due_at).num_seconds())))
}

/// Makes a dead or waiting job due now, with all its attempts before it.
pub async fn retry(ctx: &Domain, id: JobId) -> Result<outbox_job::Model> {
    let tx = Tx::begin(ctx).await?;
    let job = find(&tx, id).await?;
    if !matches!(job.state, JobState::Dead | JobState::Ready) {
        return Err(wrong_state(&job, "retried"));
    }
    let set = outbox_job::ActiveModel {
        state: sea_orm::Set(JobState::Ready),
        attempts: sea_orm::Set(0),
        due_at: sea_orm::Set(tx.now()),
        finished_at: sea_orm::Set(None),
        ..Default::default()
    };
    let job = change(&tx, &job, set).await?;
    tx.job_is_due();
    tx.commit_unaudited(Unaudited::Queue).await?;
    Ok(job)
}

/// Sets a waiting or running job aside; a run under way can no longer settle it.
pub async fn park(ctx: &Domain, id: JobId) -> Result<outbox_job::Model> {
    let tx = Tx::begin(ctx).await?;
    let job = find(&tx, id).await?;
    if !matches!(job.state, JobState::Ready | JobState::Running) {
        return Err(wrong_state(&job, "parked"));
    }
    let set = outbox_job::ActiveModel {
        state: sea_orm::Set(JobState::Dead),
        fence: sea_orm::Set(job.fence + 1),
        lease_until: sea_orm::Set(None),
        last_error: sea_orm::Set(Some("parked by hand".to_owned())),
        finished_at: sea_orm::Set(Some(tx.now())),
        ..Default::default()
    };
    let job = change(&tx, &job, set).await?;
    tx.commit_unaudited(Unaudited::Queue).await?;
    Ok(job)
}

async fn find(tx: &Tx<'_>, id: JobId) -> Result<outbox_job::Model> {
    outbox_job::Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("job"))
}

/// Changes the row if it is as it was read.
async fn change(tx: &Tx<'_>, was: &outbox_job::Model, set: outbox_job::ActiveModel) -> Result<outbox_job::Model> {
    let changed = outbox_job::Entity::update_many()
        .set(set)
        .filter(outbox_job::Column::Id.eq(was.id))
        .filter(outbox_job::Column::Fence.eq(was.fence))
        .filter(outbox_job::Column::State.eq(was.state))
        .exec_with_returning(tx.db())
        .await?;
    changed.into_iter().next().ok_or(DomainError::Conflict)
}

fn wrong_state(job: &outbox_job::Model, step: &str) -> DomainError {
    let state = match job.state {
        JobState::Ready => "waiting",
        JobState::Running => "running",
        JobState::Dead => "parked already",
        JobState::Done => "done",
    };
    Problem::new(ProblemCode::WrongState, "id", format!("{} cannot be {step}: it is {state}", job.id)).into()
}

/// A condition that holds for the tickets' rows as they were claimed; the values are appended. Ids stand in it a second time,
/// alone, so that PostgreSQL finds them by the primary key whatever it believes of the table's size. Filled up to a power of two
/// with the last ticket, so that there are few statements to prepare.
fn these(tickets: &[Ticket], values: &mut Vec<Value>) -> String {
    let filled = tickets.iter().chain(tickets.last().into_iter().cycle()).take(tickets.len().next_power_of_two());
    let (mut ids, mut pairs) = (Vec::new(), Vec::new());
    for ticket in filled {
        let (id, fence) = (values.len() + 1, values.len() + 2);
        ids.push(format!("${id}"));
        pairs.push(format!("(${id}, ${fence})"));
        values.extend([ticket.id.into(), ticket.fence.into()]);
    }
    format!("id in ({}) and (id, fence) in (values {})", ids.join(", "), pairs.join(", "))
}

fn one_line(reason: &str) -> String {
    cut(reason, REASON)
}

fn statement(ctx: &Domain, sql: String, values: impl IntoIterator<Item = Value>) -> Statement {
    Statement::from_sql_and_values(ctx.db.get_database_backend(), sql, values)
}
