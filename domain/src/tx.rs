//! One operation's transaction. It is the only way to enqueue work, and it cannot be committed without saying what goes
//! into the audit log.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use chrono::{DateTime, Utc};
use entities::{
    client,
    enums::GatewaySubject,
    gateway_change, gateway_revision,
    id::{ClientId, PlanId, PolicyId, ProductId, TeamId},
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DatabaseBackend, DatabaseTransaction, EntityTrait,
    ExprTrait, IntoActiveModel, ModelTrait, QueryFilter, QuerySelect, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait, sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    Domain, DomainError, Result,
    audit::Audit,
    enforcement,
    outbox::{self, Job, When},
    receipt::Enforcement,
    updates::Update,
    wake::{GATEWAY_CHANNEL, JOBS_CHANNEL},
};

/// A transaction that will write. Dropped without a commit, it leaves nothing behind.
pub struct Tx<'a> {
    ctx: &'a Domain,
    db: DatabaseTransaction,
    now: DateTime<Utc>,
    touched: Mutex<BTreeSet<(GatewaySubject, Uuid)>>,
    announced: Mutex<BTreeSet<Update>>,
    enqueued: AtomicBool,
}

/// Something that gateways keep in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// With its environments, versions, endpoints, and the tiers that it is assigned to.
    Product(ProductId),
    /// With its profiles, credentials, assignments of its own, and subscription.
    Client(ClientId),
    Plan(PlanId),
    Policy(PolicyId),
    /// Its tier, and what is assigned to the team itself.
    Team(TeamId),
    /// What gateways do that cannot confirm what they know.
    Portal,
    /// The keys that access tokens are signed with.
    SigningKeys,
}

/// Why a transaction changes nobody's access, and so has no audit row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unaudited {
    /// Marks such as "last used" and counters.
    Mark,
    /// The log of calls, written in batches.
    LogFlush,
    /// The queue's own bookkeeping.
    Queue,
    /// What retention deletes.
    Retention,
    /// A request for a link: nothing changes until the link is used.
    LinkRequested,
    /// An access token that its own client gave up, minutes before its end.
    TokenRevoked,
    /// Keys of our own, which nobody holds.
    SigningKeys,
    /// A second factor that is not asked for until a code of it was given.
    SecondFactorBegun,
    /// A request that found everything as it asked for.
    NothingChanged,
}

impl<'a> Tx<'a> {
    pub async fn begin(ctx: &'a Domain) -> Result<Self> {
        // A deferred transaction that reads first and writes later fails on SQLite when another wrote in between.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let db = ctx.db.begin_with_options(options).await?;
        if let Some(receipt) = &ctx.receipt {
            receipt.note(None);
        }
        Ok(Self {
            ctx,
            db,
            now: ctx.now(),
            touched: Mutex::default(),
            announced: Mutex::default(),
            enqueued: AtomicBool::new(false),
        })
    }

    pub fn db(&self) -> &DatabaseTransaction {
        &self.db
    }

    pub fn ctx(&self) -> &'a Domain {
        self.ctx
    }

    /// One moment for the whole operation.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    pub async fn enqueue<J: Job>(&self, job: J) -> Result<()> {
        self.enqueue_when(job, When::default()).await.map(drop)
    }

    /// False where a job with the same dedup key was there already.
    pub async fn enqueue_when<J: Job>(&self, job: J, when: When) -> Result<bool> {
        self.enqueued.store(true, Ordering::Relaxed);
        outbox::insert(self.ctx, &self.db, &job, when).await
    }

    pub async fn enqueue_all<J: Job>(&self, jobs: &[J]) -> Result<()> {
        if !jobs.is_empty() {
            self.enqueued.store(true, Ordering::Relaxed);
        }
        outbox::insert_all(self.ctx, &self.db, jobs).await
    }

    /// Writes a new row.
    pub async fn insert<M>(&self, row: M) -> Result<M>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel> + Clone,
    {
        M::Entity::insert(row.clone().into_active_model()).exec_without_returning(&self.db).await?;
        Ok(row)
    }

    /// Writes a row if nobody changed it since its `version` was read, and raises the version; else `Conflict`.
    pub async fn update<E>(&self, mut row: E::ActiveModel, column: E::Column, version: i32) -> Result<E::Model>
    where
        E: EntityTrait<Model: IntoActiveModel<E::ActiveModel>>,
    {
        row.set(column, (version + 1).into());
        Ok(E::update(row).validate()?.filter(column.eq(version)).exec(&self.db).await?)
    }

    /// Notes that a job became due otherwise than by `enqueue`, so that workers look.
    pub(crate) fn job_is_due(&self) {
        self.enqueued.store(true, Ordering::Relaxed);
    }

    /// Waits until no other transaction works on the same thing, for rules that look at more rows than they write. On SQLite
    /// a writer is alone as it is.
    pub async fn alone(&self, what: &str, key: impl std::fmt::Display) -> Result<()> {
        if self.db.get_database_backend() == DatabaseBackend::Postgres {
            let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            let name = format!("{what} {key}");
            self.db.execute_raw(Statement::from_sql_and_values(DatabaseBackend::Postgres, lock, [name.into()])).await?;
        }
        Ok(())
    }

    /// Notes that gateways have to load this anew; `commit` takes the revision.
    pub fn touch_gateway(&self, what: Touch) {
        let key = match what {
            Touch::Product(id) => (GatewaySubject::Product, id.0),
            Touch::Client(id) => (GatewaySubject::Client, id.0),
            Touch::Plan(id) => (GatewaySubject::Plan, id.0),
            Touch::Policy(id) => (GatewaySubject::Policy, id.0),
            Touch::Team(id) => (GatewaySubject::Team, id.0),
            Touch::Portal => (GatewaySubject::Portal, Uuid::nil()),
            Touch::SigningKeys => (GatewaySubject::SigningKeys, Uuid::nil()),
        };
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
    }

    /// Notes what those who watch are to be told once this has committed.
    pub fn announce(&self, update: Update) {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).insert(update);
    }

    pub async fn commit(self, entry: Audit) -> Result<()> {
        self.commit_all([entry]).await
    }

    /// For what is more than one event: each has its row.
    pub async fn commit_all(self, entries: impl IntoIterator<Item = Audit>) -> Result<()> {
        // Revision before audit, both last: every operation takes the two global rows in this order and holds them briefly.
        let revision = self.stamp().await?;
        for entry in entries {
            entry.write(self.ctx, &self.db).await?;
        }
        self.finish(revision).await
    }

    pub async fn commit_unaudited(self, _reason: Unaudited) -> Result<()> {
        let revision = self.stamp().await?;
        self.finish(revision).await
    }

    /// The gateway's new revision; `None` where nothing of it was touched.
    async fn stamp(&self) -> Result<Option<i64>> {
        let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        if touched.is_empty() {
            return Ok(None);
        }
        let raised = gateway_revision::Entity::update_many()
            .col_expr(gateway_revision::Column::Revision, Expr::col(gateway_revision::Column::Revision).add(1))
            .filter(gateway_revision::Column::Id.eq(1))
            .exec_with_returning(&self.db)
            .await?;
        let revision = raised.first().ok_or_else(|| DomainError::internal("the gateway revision's row is missing"))?.revision;
        let clients: Vec<_> =
            touched.iter().filter(|(subject, _)| *subject == GatewaySubject::Client).map(|(_, id)| *id).collect();
        let rows = touched.into_iter().map(|(subject, id)| gateway_change::ActiveModel {
            revision: Set(revision),
            subject: Set(subject),
            subject_id: Set(id),
            at: Set(self.now),
            streams_ended: Set(0),
        });
        gateway_change::Entity::insert_many(rows).exec_without_returning(&self.db).await?;
        self.announce_subscriptions(&clients).await?;
        self.tell(GATEWAY_CHANNEL).await?;
        Ok(Some(revision))
    }

    /// What changes for a client's calls shows on its subscription.
    async fn announce_subscriptions(&self, clients: &[Uuid]) -> Result<()> {
        if clients.is_empty() {
            return Ok(());
        }
        let rows = client::Entity::find()
            .filter(client::Column::Id.is_in(clients.iter().copied()))
            .filter(client::Column::SubscriptionId.is_not_null())
            .select_only()
            .column(client::Column::SubscriptionId);
        for id in rows.into_tuple().all(&self.db).await? {
            self.announce(Update::Subscription(id));
        }
        Ok(())
    }

    async fn finish(self, revision: Option<i64>) -> Result<()> {
        let enqueued = self.enqueued.load(Ordering::Relaxed);
        if enqueued {
            self.tell(JOBS_CHANNEL).await?;
        }
        let announced = std::mem::take(&mut *self.announced.lock().unwrap_or_else(PoisonError::into_inner));
        let announced: Vec<_> = announced.into_iter().collect();
        if self.db.get_database_backend() == DatabaseBackend::Postgres {
            self.ctx.updates.tell_others(&self.db, &announced).await?;
        }
        if let Err(error) = self.db.commit().await {
            self.ctx.writable.forget();
            return Err(error.into());
        }
        // After the commit, and only hints: whoever misses one polls.
        self.ctx.wake.gateway.notify_waiters();
        if enqueued {
            self.ctx.wake.jobs.notify_waiters();
        }
        self.ctx.updates.say(&announced);
        if let (Some(receipt), Some(revision)) = (&self.ctx.receipt, revision) {
            receipt.note(followed(self.ctx, revision, Instant::now()).await);
        }
        Ok(())
    }

    /// Tells other processes, when this commits.
    async fn tell(&self, channel: &str) -> Result<()> {
        if self.db.get_database_backend() == DatabaseBackend::Postgres {
            self.db.execute_unprepared(&format!("NOTIFY {channel}")).await?;
        }
        Ok(())
    }
}

/// Waits until the gateways have it. What is committed stays so, whether they can be asked or not.
async fn followed(ctx: &Domain, revision: i64, changed: Instant) -> Option<Enforcement> {
    let seen = Box::pin(enforcement::awaited(ctx, revision, changed)).await;
    seen.inspect_err(|error| {
        let error = error as &dyn std::error::Error;
        tracing::warn!(revision, error, "it is not known whether the gateways follow a change");
    })
    .ok()
}

/// Runs an operation again, once, where it lost a race. Operations are large futures: on the heap, they do not add up to more than a
/// thread's stack.
pub async fn retrying<T, W: Future<Output = Result<T>>>(operation: impl Fn() -> W) -> Result<T> {
    match Box::pin(operation()).await {
        Err(DomainError::Conflict) => Box::pin(operation()).await,
        outcome => outcome,
    }
}
