//! One product with a client that calls it, written as rows: what gateways read.

use domain::{
    Domain, Tx,
    rules::{
        admission::{Admitted, Call, Denial, admit},
        credential::{RANDOM_BYTES, SecretKind, issue},
        jose::access_token::Expected,
    },
    snapshot::Live,
    tx::{Touch, Unaudited},
};
use entities::{
    client,
    columns::{HeaderContent, PlanFeatures, PlanScopes, Pricing, ScopeAlternatives, Strings, UpstreamHeader},
    credential, credential_secret, endpoint,
    enums::{
        ApprovalLevel, AuthMethod, Backend, CredentialStatus, EndpointStatus, Environment, LeakedKeyAction, LogSink, PlanStatus,
        PricingModel, ProductStatus, QuotaPeriod, RateWindow, SpecStatus, SubscriptionStatus, TeamStatus, Visibility,
    },
    id::{ClientId, CredentialId, PlanId, ProductId, ProfileId, SubscriptionId, TeamId},
    plan, plan_environment, product, product_environment, profile, scope_grant, spec_version, subscription, team,
};
use sea_orm::{ActiveModelTrait, ConnectionTrait, IntoActiveModel};
use secrecy::ExposeSecret;

pub struct Seeded {
    pub team: TeamId,
    pub product: ProductId,
    pub plan: PlanId,
    pub subscription: SubscriptionId,
    pub client: ClientId,
    pub profile: ProfileId,
    pub credential: CredentialId,
    pub key: String,
}

/// Inserts a row as it is.
pub async fn put<M>(db: &impl ConnectionTrait, row: M) -> M
where
    M: IntoActiveModel<<M::Entity as sea_orm::EntityTrait>::ActiveModel> + sea_orm::ModelTrait,
    <M::Entity as sea_orm::EntityTrait>::ActiveModel: ActiveModelTrait<Entity = M::Entity> + Send + sea_orm::ActiveModelBehavior,
    M: sea_orm::FromQueryResult,
    M::Entity: sea_orm::EntityTrait<Model = M>,
{
    row.into_active_model().insert(db).await.unwrap()
}

/// Everything that a call of one client to one endpoint, `GET /pay/charges/{id}` with the scope `read`, needs.
pub async fn seed(ctx: &Domain) -> Seeded {
    let tx = Tx::begin(ctx).await.unwrap();
    let (db, env, now) = (tx.db(), &ctx.env, tx.now());
    let slug = env.uuid().to_string();
    let team = team::Model {
        id: env.id(),
        name: "Acme".into(),
        slug,
        internal: false,
        status: TeamStatus::Active,
        tier_id: None,
        created_at: now,
        version: 1,
    };
    let team = put(db, team).await.id;
    let product = seed_product(ctx, &tx, "pay").await;
    let plan = plan::Model {
        id: env.id(),
        product_id: product,
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
        scopes: PlanScopes::default(),
        features: PlanFeatures::default(),
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
        created_at: now,
    };
    let plan = put(db, plan).await.id;
    let limits = plan_environment::Model {
        id: env.id(),
        plan_id: plan,
        environment: Environment::Production,
        auth_method: AuthMethod::ApiKey,
        issuer: None,
        audience: None,
        allowed_methods: Strings::default(),
        rate_requests: Some(100),
        rate_window: Some(RateWindow::Minute),
        quota_requests: Some(1_000),
        quota_period: Some(QuotaPeriod::Day),
        documentation: None,
    };
    put(db, limits).await;
    let subscription = subscription::Model {
        id: env.id(),
        team_id: team,
        plan_id: plan,
        product_id: product,
        name: "Pay".into(),
        owner_id: None,
        status: SubscriptionStatus::Active,
        phase: None,
        changes_requested: false,
        awaits_payment: false,
        status_reason: None,
        created_at: now,
        activated_at: Some(now),
        cancel_at: None,
        pending_plan_id: None,
        expires_at: None,
        expiry_warned_days: None,
        custom_properties: Vec::new().into_iter().collect(),
        version: 1,
    };
    let subscription = put(db, subscription).await.id;
    let grant = scope_grant::Model {
        id: env.id(),
        subscription_id: subscription,
        team_id: team,
        scope: "read".into(),
        granted_at: now,
        granted_by: None,
    };
    put(db, grant).await;
    let client = client::Model {
        id: env.id(),
        team_id: team,
        subscription_id: Some(subscription),
        name: "Acme".into(),
        description: None,
        enabled: true,
        portal_access: false,
        policy_id: None,
        created_at: now,
        version: 1,
    };
    let client = put(db, client).await.id;
    let profile = profile::Model {
        id: env.id(),
        team_id: team,
        client_id: client,
        name: "production".into(),
        environment: Environment::Production,
        auth_method: AuthMethod::ApiKey,
        issuer: None,
        audience: None,
        allowed_methods: Strings::default(),
        ip_allowlist: ["192.0.2.0/24".to_owned()].into_iter().collect(),
        policy_id: None,
        enabled: true,
        created_at: now,
        version: 1,
    };
    let profile = put(db, profile).await.id;
    let (credential, key) = seed_key(ctx, &tx, team, client, profile).await;
    tx.touch_gateway(Touch::Plan(plan));
    tx.commit_unaudited(Unaudited::Mark).await.unwrap();
    Seeded { team, product, plan, subscription, client, profile, credential, key }
}

pub async fn seed_product(ctx: &Domain, tx: &Tx<'_>, base_path: &str) -> ProductId {
    let (db, env, now) = (tx.db(), &ctx.env, tx.now());
    let product = product::Model {
        id: env.id(),
        slug: base_path.into(),
        name: "Pay".into(),
        summary: String::new(),
        description: None,
        icon_url: None,
        status: ProductStatus::Published,
        visibility: Visibility::Public,
        base_path: base_path.into(),
        encoded_slashes: false,
        created_at: now,
        version: 1,
    };
    let product = put(db, product).await.id;
    let sealed = ctx.keys.seal(env, domain::keyring::Purpose::UpstreamHeader, "Bearer upstream");
    let environment = product_environment::Model {
        id: env.id(),
        product_id: product,
        environment: Environment::Production,
        backend: Backend::Upstream,
        upstream_url: Some("http://upstream.test/api".into()),
        headers: [UpstreamHeader { name: "authorization".into(), value: HeaderContent::Sealed(sealed) }].into_iter().collect(),
        timeout_ms: 1_000,
        log_sink: LogSink::Database,
        allowed_origins: Default::default(),
    };
    put(db, environment).await;
    let spec = spec_version::Model {
        id: env.id(),
        product_id: product,
        version: "1".into(),
        openapi: "3.1.0".into(),
        status: SpecStatus::Current,
        path_prefix: String::new(),
        served_by: Environment::ALL.into_iter().collect(),
        release_notes: None,
        digest: String::new(),
        published_at: now,
        told_at: None,
    };
    let spec = put(db, spec).await.id;
    let endpoint = endpoint::Model {
        id: env.id(),
        product_id: product,
        spec_id: spec,
        position: 0,
        method: "GET".into(),
        path: "/charges/{id}".into(),
        document_path: "/charges/{id}".into(),
        operation_id: None,
        summary: None,
        tags: Strings::default(),
        scopes: ScopeAlternatives(vec![vec!["read".into()]]),
        deprecated: false,
        status: EndpointStatus::Published,
        search_text: String::new(),
    };
    put(db, endpoint).await;
    tx.touch_gateway(Touch::Product(product));
    product
}

/// One more API key of a production profile.
pub async fn seed_key(ctx: &Domain, tx: &Tx<'_>, team: TeamId, client: ClientId, profile: ProfileId) -> (CredentialId, String) {
    let issued = issue(SecretKind::ApiKey, Environment::Production, &ctx.env.random::<RANDOM_BYTES>());
    let credential = credential::Model {
        id: ctx.env.id(),
        team_id: team,
        client_id: client,
        profile_id: profile,
        kind: AuthMethod::ApiKey,
        environment: Environment::Production,
        status: CredentialStatus::Active,
        name: None,
        scopes: None,
        masked: Some(issued.masked),
        jwks_url: None,
        created_at: tx.now(),
        created_by: None,
        last_used_at: None,
        expires_at: None,
        expiry_warned_days: None,
        revoked_at: None,
        version: 1,
    };
    let credential = put(tx.db(), credential).await.id;
    let secret = credential_secret::Model {
        id: ctx.env.id(),
        credential_id: credential,
        lookup: issued.lookup,
        hash: issued.hash.to_vec(),
        sealed: None,
        jwks: None,
        jwks_url: None,
        valid_from: tx.now(),
        valid_until: None,
        end_when_silent_minutes: None,
        last_used_at: None,
        end_warned_at: None,
    };
    put(tx.db(), secret).await;
    tx.touch_gateway(Touch::Client(client));
    (credential, issued.secret.expose_secret().to_owned())
}

/// Decides on `GET /pay/charges/1` with this key.
pub fn call(ctx: &Domain, live: &Live, key: &str) -> Result<Admitted, Box<Denial>> {
    let call = Call {
        method: "GET",
        path: "/pay/charges/1",
        framing: None,
        client_id: None,
        profile_id: None,
        api_key: Some(key),
        bearer: None,
        certificate: None,
        peer: [192, 0, 2, 1].into(),
        now: ctx.now(),
        tokens: Expected { issuer: "https://portal.example", audience: "https://gateway.example" },
    };
    admit(live.snapshot(), &call)
}
