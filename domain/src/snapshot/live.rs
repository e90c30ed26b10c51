//! Keeps the snapshot up to date. It is poked on commit and looks every 250 ms; it goes back where the database did, and not
//! otherwise; and while the database is away, it stays what it was.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use entities::{
    enums::{AuthMethod, GatewaySubject},
    gateway_change, gateway_revision,
    id::{ClientId, CredentialId, GatewayNodeId, PlanId, PolicyId, ProductId, TeamId},
};
use sea_orm::{
    AccessMode, ColumnTrait, ConnectionTrait, DatabaseBackend, EntityTrait, IsolationLevel, QueryFilter, QueryOrder, QuerySelect,
    TransactionTrait,
};
use tokio::time::{sleep, timeout};

use super::{
    Catalog, Snapshot,
    clients::{self, Parts, Which},
    followers::{self, Change, Ended, Follower, Followers},
    node::{self, Node},
    products,
    restored::raise_revision,
    rows::Interner,
    shards::{Sharded, Spread},
    signing,
};
use crate::{
    Domain, DomainError, Result, listening,
    rules::view::{Client, Credential},
    wake::GATEWAY_CHANNEL,
};

/// How long a change can go unnoticed when its hint is lost.
const POLL: Duration = Duration::from_millis(250);
/// How long one round waits for those who keep calls open. A gateway shows signs of life where they need longer, too.
const SETTLING: Duration = Duration::from_millis(500);
/// Most subjects that one query names.
const CHUNK: usize = 500;

/// The process's view of the database, shared by all that decide on calls. Cheap to clone; refreshing ends with the last clone.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

struct Shared {
    snapshot: Snapshot,
    applied: AtomicI64,
    followers: Arc<Followers>,
    ctx: Domain,
    node: Option<GatewayNodeId>,
    started: Instant,
    /// When the snapshot was last known to be current, and for how long after that calls are decided on: milliseconds from
    /// `started` on.
    good_until: AtomicU64,
}

/// The revision that a snapshot is at; what it has interned.
struct Refresher {
    ctx: Domain,
    applied: i64,
    interner: Interner,
    /// What is applied, and not confirmed yet.
    unconfirmed: Vec<Change>,
}

impl Live {
    /// Loads everything, then keeps it up to date by a task on the runtime that this is called on. Where calls are decided on: the
    /// process is on the list of gateways.
    pub async fn start(ctx: Domain) -> Result<Self> {
        let node = Node::new(&ctx);
        Self::start_as(ctx, Some(node)).await
    }

    /// The same in a process that decides on no calls.
    pub async fn start_unlisted(ctx: Domain) -> Result<Self> {
        Self::start_as(ctx, None).await
    }

    async fn start_as(ctx: Domain, mut node: Option<Node>) -> Result<Self> {
        let started = Instant::now();
        let live = Self(Arc::new(Shared {
            snapshot: Snapshot::new(Arc::clone(&ctx.key_sets)),
            applied: AtomicI64::new(-1),
            followers: Arc::new(Followers::new()),
            ctx: ctx.clone(),
            node: node.as_ref().map(Node::id),
            started,
            good_until: AtomicU64::new(u64::MAX),
        }));
        let mut refresher = Refresher { ctx: ctx.clone(), applied: -1, interner: Interner::default(), unconfirmed: Vec::new() };
        refresher.load_all(&live.0.snapshot).await?;
        refresher.refresh(&live.0.snapshot).await?;
        live.0.confirm(refresher.applied);
        if let Some(node) = &mut node {
            node.tell(&ctx, refresher.applied, &HashMap::new()).await?;
        }
        refresher.unconfirmed.clear();
        let size = live.0.snapshot.size();
        let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            products = size.products,
            clients = size.clients,
            keys = size.keys,
            duration_ms,
            "gateway snapshot loaded"
        );
        if ctx.db.get_database_backend() == DatabaseBackend::Postgres {
            tokio::spawn(listen(ctx, Arc::downgrade(&live.0)));
        }
        tokio::spawn(follow(refresher, node, Arc::downgrade(&live.0)));
        Ok(live)
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }

    /// For one who keeps calls open: a gateway confirms no revision that this one has not settled.
    pub fn follower(&self) -> Follower {
        self.0.followers.add()
    }

    /// The last change that decisions follow.
    pub fn applied_revision(&self) -> i64 {
        self.0.applied.load(Ordering::Acquire)
    }

    /// Where no change waits for this process, as it decides on no calls: waits until it knows all that has changed up to now, a
    /// second at most; while the database is away, not at all.
    pub async fn catch_up(&self) {
        if self.0.node.is_some() {
            return;
        }
        let Ok(wanted) = revision(&self.0.ctx.db).await else { return };
        let caught_up = async {
            while self.applied_revision() < wanted {
                let mut followed = std::pin::pin!(self.0.ctx.wake.followed.notified());
                followed.as_mut().enable();
                self.0.ctx.wake.gateway.notify_waiters();
                let _ = timeout(POLL, followed).await;
            }
        };
        let _ = timeout(Duration::from_secs(1), caught_up).await;
    }

    /// Whether calls may be decided on at this moment: not where the portal fails closed and what is known could not be confirmed
    /// for too long.
    pub fn is_current(&self, at: Instant) -> bool {
        self.0.since_start(at) <= self.0.good_until.load(Ordering::Relaxed)
    }

    /// Takes this process off the list of gateways, as it stops.
    pub async fn leave(&self) {
        let Some(node) = self.0.node else { return };
        if let Err(error) = node::leave(&self.0.ctx, node).await {
            tracing::debug!(%error, "this gateway stays on the list until it is taken for gone");
        }
    }
}

impl Shared {
    fn since_start(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// The snapshot is current, at this revision.
    fn confirm(&self, applied: i64) {
        self.applied.store(applied, Ordering::Release);
        let good_for = self.snapshot.catalog.load().fails_closed_after;
        let until = good_for.map_or(u64::MAX, |good_for| self.since_start(Instant::now() + good_for));
        self.good_until.store(until, Ordering::Relaxed);
        self.followers.tell(applied);
    }
}

async fn follow(mut refresher: Refresher, mut node: Option<Node>, shared: Weak<Shared>) {
    let wake = refresher.ctx.wake.clone();
    let mut ended = Vec::new();
    let mut away = false;
    loop {
        // Listens before it looks, so that a change in between is not missed.
        let mut poked = std::pin::pin!(wake.gateway.notified());
        poked.as_mut().enable();
        let Some(live) = shared.upgrade() else { return };
        let mut followed = refresher.refresh(&live.snapshot).await;
        if followed.is_ok() {
            live.confirm(refresher.applied);
            followed = refresher.confirm(&live.followers, &mut ended, node.as_mut()).await;
        }
        match followed {
            Ok(()) => {
                wake.followed.notify_waiters();
                if std::mem::replace(&mut away, false) {
                    tracing::info!(revision = refresher.applied, "the gateway follows changes again");
                }
            }
            Err(error) if !std::mem::replace(&mut away, true) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    revision = refresher.applied,
                    error,
                    "changes cannot be read: the gateway decides on what it knows"
                );
            }
            Err(_) => {}
        }
        drop(live);
        // An error: nobody poked, and it is time to look anyway.
        let _ = timeout(POLL, poked).await;
    }
}

/// Passes other processes' hints on. Without it they are found by polling.
async fn listen(ctx: Domain, shared: Weak<Shared>) {
    while shared.strong_count() > 0 {
        let listener = listening::to(&ctx, GATEWAY_CHANNEL).await;
        if matches!(listener, Ok(None)) {
            return;
        }
        if let Ok(Some(mut listener)) = listener {
            while shared.strong_count() > 0 {
                match timeout(Duration::from_secs(1), listener.recv()).await {
                    Ok(Ok(_)) => ctx.wake.gateway.notify_waiters(),
                    Ok(Err(_)) => break,
                    Err(_) => {}
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// What changed, by subject.
#[derive(Default)]
struct Touched {
    products: BTreeSet<ProductId>,
    clients: BTreeSet<ClientId>,
    plans: BTreeSet<PlanId>,
    policies: BTreeSet<PolicyId>,
    teams: BTreeSet<TeamId>,
    portal: bool,
    signing_keys: bool,
}

impl Refresher {
    /// Reads everything, several tables at once. What changes meanwhile has a later revision than the one noted first, and is
    /// read again by the delta that follows.
    async fn load_all(&mut self, snapshot: &Snapshot) -> Result<()> {
        let db = &self.ctx.db;
        let revision = revision(db).await?;
        let mut interner = Interner::default();
        let parts = self.read_all_clients().await?;
        let catalog = catalog(&self.ctx, db, &mut interner).await?;
        let teams = clients::teams(db, Which::All).await?;
        let keys = parts.secrets.len();
        let clients = tokio::task::spawn_blocking(|| {
            let clients = parts.assemble(&mut interner);
            (clients, interner)
        });
        let (clients, interner) = clients.await.map_err(DomainError::internal)?;
        snapshot.catalog.store(Arc::new(catalog));
        snapshot.teams.replace_all(teams.len(), teams.into_iter());
        thread::scope(|scope| {
            scope.spawn(|| snapshot.keys.replace_all(keys, clients.iter().flat_map(|client| keys_of(client))));
            scope.spawn(|| snapshot.oauth.replace_all(0, clients.iter().flat_map(|client| oauth_of(client))));
            snapshot.clients.replace_all(clients.len(), clients.iter().map(|client| (client.id, client.clone())));
        });
        (self.applied, self.interner) = (revision, interner);
        Ok(())
    }

    /// The tables of clients, each by a task of its own.
    async fn read_all_clients(&self) -> Result<Parts> {
        macro_rules! spawn {
            ($($table:ident)*) => { $(
                let db = self.ctx.db.clone();
                let $table = tokio::spawn(async move { clients::$table(&db, Which::All).await });
            )* };
        }
        spawn! { clients profiles credentials secrets grants elsewhere assignments revoked_tokens narrowed }
        let proofs = clients::proofs(&self.ctx.db, &self.ctx.keys, Which::All).await?;
        Ok(Parts {
            clients: clients.await.map_err(DomainError::internal)??,
            profiles: profiles.await.map_err(DomainError::internal)??,
            credentials: credentials.await.map_err(DomainError::internal)??,
            secrets: secrets.await.map_err(DomainError::internal)??,
            grants: grants.await.map_err(DomainError::internal)??,
            elsewhere: elsewhere.await.map_err(DomainError::internal)??,
            assignments: assignments.await.map_err(DomainError::internal)??,
            revoked_tokens: revoked_tokens.await.map_err(DomainError::internal)??,
            narrowed: narrowed.await.map_err(DomainError::internal)??,
            proofs,
        })
    }

    /// Reads what changed since the revision that is applied; everything, where what changed is no longer kept.
    async fn refresh(&mut self, snapshot: &Snapshot) -> Result<()> {
        let current = revision(&self.ctx.db).await?;
        if current < self.applied {
            // A copy from before took the database's place. Changes on it would count from there, unseen for long.
            tracing::warn!(
                from = self.applied,
                to = current,
                "the database went back: the gateway follows it and loads everything"
            );
            raise_revision(&self.ctx, self.applied).await?;
            return self.load_all(snapshot).await;
        }
        if current == self.applied {
            return Ok(());
        }
        // Of one moment: PostgreSQL takes its snapshot at the first read, SQLite does anyway.
        let isolation =
            (self.ctx.db.get_database_backend() == DatabaseBackend::Postgres).then_some(IsolationLevel::RepeatableRead);
        let access = isolation.map(|_| AccessMode::ReadOnly);
        let db = self.ctx.db.begin_with_config(isolation, access).await?;
        let revision = revision(&db).await?;
        let Some(changes) = changes_since(&db, self.applied, revision).await? else {
            db.rollback().await?;
            tracing::info!(from = self.applied, to = revision, "the gateway missed changes: it loads everything");
            return self.load_all(snapshot).await;
        };
        self.apply(&db, snapshot, Touched::by(&changes)).await?;
        db.rollback().await?;
        self.applied = revision;
        self.unconfirmed.extend(changes);
        Ok(())
    }

    /// Tells what is applied and was settled by those who keep calls open, with what ended by which change. `ended` is kept until
    /// it was told.
    async fn confirm(&mut self, followers: &Followers, ended: &mut Vec<Ended>, node: Option<&mut Node>) -> Result<()> {
        let (settled, new) = followers.settled(self.applied, SETTLING).await;
        ended.extend(new);
        if let Some(node) = node {
            node.tell(&self.ctx, settled, &followers::by_change(&self.unconfirmed, ended)).await?;
        }
        ended.clear();
        self.unconfirmed.retain(|(revision, ..)| *revision > settled);
        Ok(())
    }

    async fn apply(&mut self, db: &impl ConnectionTrait, snapshot: &Snapshot, touched: Touched) -> Result<()> {
        self.apply_catalog(db, snapshot, &touched).await?;
        let teams: Vec<TeamId> = touched.teams.into_iter().collect();
        for ids in teams.chunks(CHUNK) {
            let found = clients::teams(db, Which::Only(ids)).await?;
            let gone = ids.iter().map(|id| (*id, None));
            snapshot.teams.change(gone.chain(found.into_iter().map(|(id, team)| (id, Some(team)))).collect());
        }
        let clients: Vec<ClientId> = touched.clients.into_iter().collect();
        for ids in clients.chunks(CHUNK) {
            let found = Parts::read(db, &self.ctx.keys, ids).await?.assemble(&mut self.interner);
            replace_clients(snapshot, ids, &found);
        }
        Ok(())
    }

    async fn apply_catalog(&mut self, db: &impl ConnectionTrait, snapshot: &Snapshot, touched: &Touched) -> Result<()> {
        let Touched { products, plans, policies, portal, signing_keys, .. } = touched;
        if products.is_empty() && plans.is_empty() && policies.is_empty() && !portal && !signing_keys {
            return Ok(());
        }
        let mut catalog = Catalog::clone(&snapshot.catalog.load());
        if touched.portal {
            catalog.fails_closed_after = products::fails_closed_after(db).await?;
        }
        if touched.signing_keys {
            catalog.signing = signing::signing(db, &self.ctx.keys).await?;
        }
        let products: Vec<ProductId> = touched.products.iter().copied().collect();
        let found = products::products(db, &self.ctx.keys, Which::Only(&products), &mut self.interner).await?;
        // All old ones first: two may have exchanged their base paths.
        products.iter().for_each(|id| catalog.put_product(*id, None));
        found.into_iter().for_each(|product| catalog.put_product(product.id, Some(Arc::new(product))));
        let plans: Vec<PlanId> = touched.plans.iter().copied().collect();
        catalog.plans.retain(|id, _| !touched.plans.contains(id));
        catalog.plans.extend(products::plans(db, Which::Only(&plans)).await?);
        let policies: Vec<PolicyId> = touched.policies.iter().copied().collect();
        catalog.policies.retain(|id, _| !touched.policies.contains(id));
        catalog.policies.extend(products::policies(db, Which::Only(&policies)).await?);
        snapshot.catalog.store(Arc::new(catalog));
        Ok(())
    }
}

async fn catalog(ctx: &Domain, db: &impl ConnectionTrait, interner: &mut Interner) -> Result<Catalog> {
    let mut catalog = Catalog {
        plans: products::plans(db, Which::All).await?,
        policies: products::policies(db, Which::All).await?,
        fails_closed_after: products::fails_closed_after(db).await?,
        signing: signing::signing(db, &ctx.keys).await?,
        ..Catalog::default()
    };
    for product in products::products(db, &ctx.keys, Which::All, interner).await? {
        catalog.put_product(product.id, Some(Arc::new(product)));
    }
    Ok(catalog)
}

fn keys_of(client: &Client) -> impl Iterator<Item = (crate::rules::credential::Lookup, (ClientId, u32))> {
    let placed = (0..).zip(&client.credentials);
    placed.flat_map(move |(at, credential)| credential.secrets.iter().filter_map(move |s| Some((s.lookup?, (client.id, at)))))
}

/// Those of a client's credentials whose ids are OAuth client ids.
fn oauth_of(client: &Client) -> impl Iterator<Item = (CredentialId, (ClientId, u32))> {
    let oauth =
        |c: &Credential| matches!(c.kind, AuthMethod::Oauth2ClientSecret | AuthMethod::Oauth2PrivateKeyJwt | AuthMethod::Mtls);
    let placed = (0..).zip(&client.credentials);
    placed.filter(move |(_, credential)| oauth(credential)).map(|(at, credential)| (credential.id, (client.id, at)))
}

/// Clients before their keys: a key never leads to a client that does not know it yet.
fn replace_clients(snapshot: &Snapshot, ids: &[ClientId], found: &[Arc<Client>]) {
    let old: Vec<Arc<Client>> = ids.iter().filter_map(|id| snapshot.clients.get(id)).collect();
    let gone = ids.iter().map(|id| (*id, None));
    snapshot.clients.change(gone.chain(found.iter().map(|client| (client.id, Some(client.clone())))).collect());
    replace_places(
        &snapshot.keys,
        old.iter().flat_map(|client| keys_of(client)),
        found.iter().flat_map(|client| keys_of(client)),
    );
    replace_places(
        &snapshot.oauth,
        old.iter().flat_map(|client| oauth_of(client)),
        found.iter().flat_map(|client| oauth_of(client)),
    );
}

fn replace_places<K: Spread>(
    map: &Sharded<K, (ClientId, u32)>,
    old: impl Iterator<Item = (K, (ClientId, u32))>,
    found: impl Iterator<Item = (K, (ClientId, u32))>,
) {
    let mut places = HashMap::new();
    places.extend(old.map(|(key, _)| (key, None)));
    places.extend(found.map(|(key, at)| (key, Some(at))));
    // What stays where it was need not be copied.
    places.retain(|key, at| map.get(key) != *at);
    map.change(places.into_iter().collect());
}

async fn revision(db: &impl ConnectionTrait) -> Result<i64> {
    let row = gateway_revision::Entity::find_by_id(1).one(db).await?;
    row.map(|row| row.revision).ok_or_else(|| DomainError::internal("the gateway revision's row is missing"))
}

/// What changed after `applied`, up to `revision`; `None` where some of it is no longer kept.
async fn changes_since(db: &impl ConnectionTrait, applied: i64, revision: i64) -> Result<Option<Vec<Change>>> {
    use gateway_change::Column as C;
    let rows: Vec<Change> = gateway_change::Entity::find()
        .select_only()
        .columns([C::Revision, C::Subject, C::SubjectId])
        .filter(C::Revision.gt(applied))
        .order_by_asc(C::Revision)
        .into_tuple()
        .all(db)
        .await?;
    let oldest = rows.first().map(|(revision, ..)| *revision);
    let is_gone = oldest.is_none_or(|oldest| oldest > applied + 1) && revision > applied;
    Ok((!is_gone).then_some(rows))
}

impl Touched {
    fn by(changes: &[Change]) -> Self {
        let mut touched = Self::default();
        for &(_, subject, id) in changes {
            match subject {
                GatewaySubject::Product => touched.products.insert(ProductId(id)),
                GatewaySubject::Client => touched.clients.insert(ClientId(id)),
                GatewaySubject::Plan => touched.plans.insert(PlanId(id)),
                GatewaySubject::Policy => touched.policies.insert(PolicyId(id)),
                GatewaySubject::Team => touched.teams.insert(TeamId(id)),
                GatewaySubject::Portal => !std::mem::replace(&mut touched.portal, true),
                GatewaySubject::SigningKeys => !std::mem::replace(&mut touched.signing_keys, true),
            };
        }
        touched
    }
}
