//! A provider's product and a partner's client on a database of their own, put there row by row.

use std::{
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, Utc};
use domain::{
    Domain,
    env::Env,
    keyring::{Keyring, Purpose},
    rules::{
        credential::{self, SecretKind},
        openapi,
    },
};
use entities::{
    client,
    columns::{HeaderContent, Pricing, UpstreamHeader},
    credential as credential_row, credential_secret, endpoint,
    enums::{
        ApprovalLevel, AuthMethod, Backend, CredentialStatus, EndpointStatus, Environment, LeakedKeyAction, LogSink, PlanStatus,
        PricingModel, ProductStatus, QuotaPeriod, RateWindow, SpecStatus, SubscriptionStatus, TeamStatus, Visibility,
    },
    id::{ClientId, CredentialId, PlanId, ProductId, ProfileId, SpecVersionId, SubscriptionId, TeamId},
    plan, plan_environment, product, product_environment, profile, spec_document, spec_version, subscription, team,
};
use flate2::{Compression, write::GzEncoder};
use sea_orm::{
    ActiveModelTrait, ConnectOptions, Database, EntityTrait,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};
use secrecy::ExposeSecret;

/// A folder that goes when this goes.
pub struct Files(PathBuf);

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// An empty, migrated SQLite database.
pub async fn database() -> (Domain, Files) {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let name = format!("portico-gateway-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let files = Files(std::env::temp_dir().join(name));
    std::fs::create_dir_all(&files.0).unwrap();
    (open(&files.0).await, files)
}

/// The database in a folder, made where it is not there.
pub async fn open(folder: &Path) -> Domain {
    let mut options = ConnectOptions::new(format!("sqlite://{}?mode=rwc", folder.join("portico.db").display()));
    options.max_connections(8).sqlx_logging(false).map_sqlx_sqlite_opts(|o| {
        o.journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(std::time::Duration::from_secs(5))
            .foreign_keys(true)
    });
    let db = Database::connect(options).await.unwrap();
    migration::up(&db).await.unwrap();
    let keys = Keyring::parse(&"a-key-for-tests-of-thirty-two-letters".to_owned().into()).unwrap();
    Domain::new(db, Env::system(), keys)
}

/// What a plan allows in production.
#[derive(Clone, Copy, Default)]
pub struct PlanLimits {
    pub rate: Option<(i32, RateWindow)>,
    pub quota: Option<(i64, QuotaPeriod)>,
}

/// A product behind the base path `pay`, and a client that holds it.
pub struct Catalog {
    pub product: ProductId,
    pub team: TeamId,
    pub client: ClientId,
    pub plan: PlanId,
    pub key: String,
    pub key_id: CredentialId,
    pub key_profile: ProfileId,
    pub token: String,
    pub sandbox_key: String,
    /// One whose profiles ask for nothing.
    pub open_client: ClientId,
}

/// Methods and templates that `pay` publishes; `admin` requires a scope that nobody holds.
pub const ENDPOINTS: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/echo"),
    ("HEAD", "/echo"),
    ("POST", "/echo"),
    ("PUT", "/echo"),
    ("GET", "/echo/{a}"),
    ("DELETE", "/echo/{a}"),
    ("GET", "/echo/{a}/{b}"),
    ("OPTIONS", "/echo/{a}/{b}"),
    ("GET", "/admin"),
    ("GET", "/download/{bytes}"),
    ("POST", "/upload"),
    ("GET", "/events"),
    ("GET", "/socket"),
    ("GET", "/slow"),
    ("POST", "/slow"),
    ("GET", "/odd"),
    ("GET", "/trailing"),
    ("GET", "/wide"),
    ("QUERY", "/echo"),
    ("GET", "/upload"),
    ("HEAD", "/upload"),
    ("DELETE", "/upload"),
    ("QUERY", "/upload"),
    ("GET", "/places/{kind}"),
    ("POST", "/places"),
    ("GET", "/pages"),
    ("TRACE", "/traced"),
];

fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

/// Where calls of `pay` go and how.
pub struct Behind {
    pub upstream: String,
    pub timeout_ms: i32,
    pub log_sink: LogSink,
    /// The OpenAPI document that answers where nothing is behind.
    pub mock: Option<serde_json::Value>,
    /// Pages that may call.
    pub allowed_origins: &'static [&'static str],
}

impl Behind {
    /// Nothing: the environments are MOCK ones.
    pub fn nothing(document: serde_json::Value) -> Self {
        Self {
            upstream: String::new(),
            timeout_ms: 2_000,
            log_sink: LogSink::Database,
            mock: Some(document),
            allowed_origins: &[],
        }
    }

    pub fn at(address: SocketAddr) -> Self {
        Self {
            upstream: format!("http://{address}"),
            timeout_ms: 2_000,
            log_sink: LogSink::Database,
            mock: None,
            allowed_origins: &[],
        }
    }
}

/// Writes a model as a new row.
macro_rules! put {
    ($ctx:expr, $table:ident { $($fields:tt)* }) => {{
        let row = $table::ActiveModel::from($table::Model { $($fields)* }).reset_all();
        $table::Entity::insert(row).exec_without_returning(&$ctx.db).await.unwrap();
    }};
}

impl Catalog {
    pub async fn fill(ctx: &Domain, behind: Behind, limits: PlanLimits) -> Self {
        let made = Made { ctx, now: ctx.now(), product: ctx.env.id(), plan: ctx.env.id(), team: ctx.env.id() };
        made.product(behind).await;
        made.plan(limits).await;
        made.team().await;
        let client = made.client().await;
        let key_profile = made.profile(client, "production", Environment::Production, AuthMethod::ApiKey).await;
        let sandbox = made.profile(client, "sandbox", Environment::Sandbox, AuthMethod::ApiKey).await;
        let tokens = made.profile(client, "tokens", Environment::Production, AuthMethod::Token).await;
        let (key_id, key) = made.credential(client, key_profile, SecretKind::ApiKey, Environment::Production).await;
        let (_, sandbox_key) = made.credential(client, sandbox, SecretKind::ApiKey, Environment::Sandbox).await;
        let (_, token) = made.credential(client, tokens, SecretKind::Token, Environment::Production).await;
        let open_client = made.client().await;
        made.profile(open_client, "open", Environment::Production, AuthMethod::None).await;
        let Made { product, plan, team, .. } = made;
        Self { product, team, client, plan, key, key_id, key_profile, token, sandbox_key, open_client }
    }

    /// Another client of the same team and plan: its API key.
    pub async fn another_key(&self, ctx: &Domain) -> String {
        let made = Made { ctx, now: ctx.now(), product: self.product, plan: self.plan, team: self.team };
        let client = made.client().await;
        let profile = made.profile(client, "production", Environment::Production, AuthMethod::ApiKey).await;
        made.credential(client, profile, SecretKind::ApiKey, Environment::Production).await.1
    }
}

/// What is being put there, and when.
struct Made<'a> {
    ctx: &'a Domain,
    now: DateTime<Utc>,
    product: ProductId,
    plan: PlanId,
    team: TeamId,
}

impl Made<'_> {
    async fn product(&self, behind: Behind) {
        put!(
            self.ctx,
            product {
                id: self.product,
                slug: "pay".into(),
                name: "Payments".into(),
                summary: String::new(),
                description: None,
                icon_url: None,
                status: ProductStatus::Published,
                visibility: Visibility::Members,
                base_path: "pay".into(),
                encoded_slashes: false,
                created_at: self.now,
                version: 1,
            }
        );
        for environment in Environment::ALL {
            let sealed = self.ctx.keys.seal(&self.ctx.env, Purpose::UpstreamHeader, "upstream-secret");
            let headers = [
                UpstreamHeader { name: "X-Upstream-Key".into(), value: HeaderContent::Sealed(sealed) },
                UpstreamHeader { name: "X-Region".into(), value: HeaderContent::Plain("eu".into()) },
            ];
            put!(
                self.ctx,
                product_environment {
                    id: self.ctx.env.id(),
                    product_id: self.product,
                    environment,
                    backend: if behind.mock.is_some() { Backend::Mock } else { Backend::Upstream },
                    upstream_url: Some(behind.upstream.clone()),
                    headers: headers.into_iter().collect(),
                    timeout_ms: behind.timeout_ms,
                    log_sink: behind.log_sink,
                    allowed_origins: behind.allowed_origins.iter().map(|o| (*o).to_owned()).collect(),
                }
            );
        }
        self.spec(behind.mock.as_ref()).await;
    }

    async fn spec(&self, mock: Option<&serde_json::Value>) {
        let spec: SpecVersionId = self.ctx.env.id();
        put!(
            self.ctx,
            spec_version {
                id: spec,
                product_id: self.product,
                version: "1.0.0".into(),
                openapi: "3.1.0".into(),
                status: SpecStatus::Current,
                path_prefix: String::new(),
                served_by: Environment::ALL.into_iter().collect(),
                release_notes: None,
                digest: String::new(),
                published_at: self.now,
                told_at: None,
            }
        );
        let mut endpoints: Vec<(String, String)> = ENDPOINTS.iter().map(|(m, p)| ((*m).to_owned(), (*p).to_owned())).collect();
        if let Some(document) = mock {
            let text = document.to_string();
            endpoints = openapi::read(&text).unwrap().operations.into_iter().map(|o| (o.method, o.path)).collect();
            put!(self.ctx, spec_document { spec_id: spec, body: packed(&text) });
        }
        for (position, (method, path)) in (0..).zip(&endpoints) {
            let scopes = if path == "/admin" { vec![vec!["admin".to_owned()]] } else { Vec::new() };
            put!(
                self.ctx,
                endpoint {
                    id: self.ctx.env.id(),
                    product_id: self.product,
                    spec_id: spec,
                    position,
                    method: method.clone(),
                    path: path.clone(),
                    document_path: path.clone(),
                    operation_id: None,
                    summary: None,
                    tags: Vec::new().into_iter().collect(),
                    scopes: scopes.into_iter().collect(),
                    deprecated: false,
                    status: EndpointStatus::Published,
                    search_text: String::new(),
                }
            );
        }
    }

    async fn plan(&self, limits: PlanLimits) {
        put!(
            self.ctx,
            plan {
                id: self.plan,
                product_id: self.product,
                slug: "free".into(),
                name: "Free".into(),
                description: None,
                status: PlanStatus::Active,
                version: 1,
                pricing: Pricing::of(PricingModel::Free),
                approval: ApprovalLevel::Automatic,
                approval_group_id: None,
                submission_form: None,
                has_sandbox: false,
                scopes: Vec::new().into_iter().collect(),
                features: Vec::new().into_iter().collect(),
                custom_properties: Vec::new().into_iter().collect(),
                sandbox_test_data: Vec::new().into_iter().collect(),
                review_checklist: Default::default(),
                duration_days: None,
                max_subscriptions_per_team: None,
                credential_lifetime_days: None,
                rotation_overlap_hours: 24,
                elevated: false,
                leaked_key_action: LeakedKeyAction::Notify,
                auto_subscribe: false,
                superseded_by: None,
                created_at: self.now,
            }
        );
        for environment in Environment::ALL {
            put!(
                self.ctx,
                plan_environment {
                    id: self.ctx.env.id(),
                    plan_id: self.plan,
                    environment,
                    auth_method: AuthMethod::ApiKey,
                    issuer: None,
                    audience: None,
                    allowed_methods: Vec::new().into_iter().collect(),
                    rate_requests: limits.rate.map(|(n, _)| n),
                    rate_window: limits.rate.map(|(_, window)| window),
                    quota_requests: limits.quota.map(|(n, _)| n),
                    quota_period: limits.quota.map(|(_, period)| period),
                    documentation: None,
                }
            );
        }
    }

    async fn team(&self) {
        put!(
            self.ctx,
            team {
                id: self.team,
                name: "Acme".into(),
                slug: "acme".into(),
                internal: false,
                status: TeamStatus::Active,
                tier_id: None,
                created_at: self.now,
                version: 1,
            }
        );
    }

    async fn client(&self) -> ClientId {
        let (subscription, client): (SubscriptionId, ClientId) = (self.ctx.env.id(), self.ctx.env.id());
        put!(
            self.ctx,
            subscription {
                id: subscription,
                team_id: self.team,
                plan_id: self.plan,
                product_id: self.product,
                name: "Acme pays".into(),
                owner_id: None,
                status: SubscriptionStatus::Active,
                phase: None,
                changes_requested: false,
                awaits_payment: false,
                status_reason: None,
                created_at: self.now,
                activated_at: Some(self.now),
                cancel_at: None,
                pending_plan_id: None,
                expires_at: None,
                expiry_warned_days: None,
                custom_properties: Vec::new().into_iter().collect(),
                version: 1,
            }
        );
        put!(
            self.ctx,
            client {
                id: client,
                team_id: self.team,
                subscription_id: Some(subscription),
                name: "Acme".into(),
                description: None,
                enabled: true,
                portal_access: false,
                policy_id: None,
                created_at: self.now,
                version: 1,
            }
        );
        client
    }

    async fn profile(&self, client: ClientId, name: &str, environment: Environment, auth_method: AuthMethod) -> ProfileId {
        let id = self.ctx.env.id();
        put!(
            self.ctx,
            profile {
                id,
                team_id: self.team,
                client_id: client,
                name: name.to_owned(),
                environment,
                auth_method,
                issuer: None,
                audience: None,
                allowed_methods: Vec::new().into_iter().collect(),
                ip_allowlist: Vec::new().into_iter().collect(),
                policy_id: None,
                enabled: true,
                created_at: self.now,
                version: 1,
            }
        );
        id
    }

    async fn credential(
        &self,
        client: ClientId,
        profile: ProfileId,
        kind: SecretKind,
        environment: Environment,
    ) -> (CredentialId, String) {
        let issued = credential::issue(kind, environment, &self.ctx.env.random());
        let id = self.ctx.env.id();
        put!(
            self.ctx,
            credential_row {
                id,
                team_id: self.team,
                client_id: client,
                profile_id: profile,
                kind: match kind {
                    SecretKind::ApiKey => AuthMethod::ApiKey,
                    SecretKind::Token => AuthMethod::Token,
                    SecretKind::ClientSecret => AuthMethod::Oauth2ClientSecret,
                    SecretKind::SigningSecret => AuthMethod::SignedJwt,
                },
                environment,
                status: CredentialStatus::Active,
                name: None,
                scopes: None,
                masked: Some(issued.masked.clone()),
                jwks_url: None,
                created_at: self.now,
                created_by: None,
                last_used_at: None,
                expires_at: None,
                expiry_warned_days: None,
                revoked_at: None,
                version: 1,
            }
        );
        put!(
            self.ctx,
            credential_secret {
                id: self.ctx.env.id(),
                credential_id: id,
                lookup: issued.lookup.clone(),
                hash: issued.hash.to_vec(),
                sealed: None,
                jwks: None,
                jwks_url: None,
                valid_from: self.now,
                valid_until: None,
                end_when_silent_minutes: None,
                last_used_at: None,
                end_warned_at: None,
            }
        );
        (id, issued.secret.expose_secret().to_owned())
    }
}
