//! Plans: what a product is offered under.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use domain::{
    ops::plans,
    read::{catalog, plans::sees_all},
    rules::{
        plan::{Draft, EnvironmentDraft, ScopeDraft},
        rotation::USUAL_OVERLAP,
    },
};
use entities::{columns, plan, plan_environment};

use crate::{
    graphql::{
        approval_group::ApprovalGroup,
        call_limits::{QuotaLimit, QuotaLimitInput, RateLimit, RateLimitInput, draft},
        custom_property::{CustomPropertyDefinition, CustomPropertyDefinitionInput},
        enums::{ApprovalLevel, AuthMethod, Environment, LeakedKeyAction, PlanStatus, ScopeGrantKind},
        evidence::{ReviewCheck, ReviewCheckInput},
        eyes::Eyes,
        form::{SubmissionForm, SubmissionFormInput},
        loaders::lists::{EnvironmentsOf, HeldPlan, one},
        loaders::{found, loaded},
        payload::payload,
        portal::change,
        pricing::{Pricing, PricingInput},
        product::Product,
        request::{RequestContext, id_of, id_referred_to},
        scalars::Url,
    },
    payload_type,
};

/// One product's offer.
#[derive(Debug, Clone)]
pub struct Plan {
    pub row: plan::Model,
    eyes: Eyes,
}

impl Plan {
    /// As it is seen by the eyes that something it belongs to is seen by.
    pub fn seen(row: plan::Model, eyes: Eyes) -> Self {
        Self { row, eyes }
    }
}

impl From<plan::Model> for Plan {
    fn from(row: plan::Model) -> Self {
        Self::seen(row, Eyes::Own)
    }
}

#[Object]
impl Plan {
    pub async fn id(&self) -> ID {
        self.row.id.to_string().into()
    }
    async fn product(&self, ctx: &Context<'_>) -> async_graphql::Result<Product> {
        found(ctx.loaders().products.load_one(self.row.product_id).await).map(|row| Product::seen(row, self.eyes))
    }
    async fn slug(&self) -> &str {
        &self.row.slug
    }
    async fn name(&self) -> &str {
        &self.row.name
    }
    async fn description(&self) -> Option<&str> {
        self.row.description.as_deref()
    }
    async fn status(&self) -> PlanStatus {
        self.row.status.into()
    }
    /// Raised by every change; what `expectedVersion` of `updatePlan` is compared with.
    async fn version(&self) -> i32 {
        self.row.version
    }
    async fn pricing(&self) -> Pricing {
        self.row.pricing.clone().into()
    }
    async fn approval(&self) -> ApprovalLevel {
        self.row.approval.into()
    }
    /// Who decides; null where any reviewer does, and for who is not staff.
    async fn approval_group(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<ApprovalGroup>> {
        let Some(group) = self.row.approval_group_id.filter(|_| sees_all(&self.eyes.of(ctx))) else { return Ok(None) };
        Ok(loaded(ctx.loaders().approval_groups.load_one(group).await)?.map(ApprovalGroup))
    }
    /// With a sandbox, work there starts at once and production is locked until it is approved.
    async fn has_sandbox(&self) -> bool {
        self.row.has_sandbox
    }
    /// Sandbox first.
    async fn environments(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<PlanEnvironment>> {
        let rows = one(ctx, EnvironmentsOf(self.row.id)).await?.unwrap_or_default();
        Ok(rows.into_iter().map(PlanEnvironment).collect())
    }
    async fn scopes(&self) -> Vec<PlanScope> {
        self.row.scopes.iter().cloned().map(PlanScope).collect()
    }
    async fn features(&self) -> Vec<PlanFeature> {
        self.row.features.iter().map(|f| PlanFeature { name: f.name.clone(), value: f.value.clone() }).collect()
    }
    /// What is filled in when sandbox work is submitted for review.
    async fn submission_form(&self) -> Option<SubmissionForm> {
        self.row.submission_form.clone().map(Into::into)
    }
    /// What a team is asked for when it subscribes.
    async fn custom_properties(&self) -> Vec<CustomPropertyDefinition> {
        self.row.custom_properties.iter().cloned().map(Into::into).collect()
    }
    /// What to call the sandbox with: for those whose team holds the plan, and staff; empty for others.
    async fn sandbox_test_data(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<SandboxTestDatum>> {
        let shown = sees_all(&self.eyes.of(ctx)) || self.is_held(ctx).await?;
        let rows = self.row.sandbox_test_data.iter().filter(|_| shown).cloned();
        Ok(rows.map(Into::into).collect())
    }
    /// What reviewers want to see of the sandbox work.
    async fn review_checklist(&self) -> Vec<ReviewCheck> {
        self.row.review_checklist.iter().cloned().map(Into::into).collect()
    }
    /// A subscription's time from its start to its end; null: it does not expire.
    async fn duration_days(&self) -> Option<i32> {
        self.row.duration_days
    }
    /// Null: its credentials do not expire by themselves.
    async fn credential_lifetime_days(&self) -> Option<i32> {
        self.row.credential_lifetime_days
    }
    /// How long a secret works beside the one that a rotation puts in its place; 0: not at all.
    async fn rotation_overlap_hours(&self) -> i32 {
        self.row.rotation_overlap_hours
    }
    /// A rotation of its production credentials waits for a reviewer.
    async fn elevated(&self) -> bool {
        self.row.elevated
    }
    /// What is done about a secret that a scanner found in public. Its team is told in any case.
    async fn leaked_key_action(&self) -> LeakedKeyAction {
        self.row.leaked_key_action.into()
    }
    /// A new team that sees it holds it at once.
    async fn auto_subscribe(&self) -> bool {
        self.row.auto_subscribe
    }
    /// The version that took its place, where those who see it may see that one.
    async fn superseded_by(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Self>> {
        let Some(id) = self.row.superseded_by else { return Ok(None) };
        let newer = found(ctx.loaders().plans.load_one(id).await)?;
        let shown = sees_all(&self.eyes.of(ctx))
            || matches!(newer.status, entities::enums::PlanStatus::Active | entities::enums::PlanStatus::Deprecated);
        Ok(shown.then_some(Self::seen(newer, self.eyes)))
    }
    /// Null: no cap.
    async fn max_subscriptions_per_team(&self) -> Option<i32> {
        self.row.max_subscriptions_per_team
    }
}

impl Plan {
    async fn is_held(&self, ctx: &Context<'_>) -> async_graphql::Result<bool> {
        let Some(teams) = catalog::teams(&self.eyes.of(ctx)) else { return Ok(false) };
        Ok(one(ctx, HeldPlan(teams, self.row.id)).await?.is_some())
    }
}

/// What a plan says of one environment.
pub struct PlanEnvironment(plan_environment::Model);

#[Object]
impl PlanEnvironment {
    async fn environment(&self) -> Environment {
        self.0.environment.into()
    }
    async fn auth_method(&self) -> AuthMethod {
        self.0.auth_method.into()
    }
    /// Whose tokens are taken, for OIDC.
    async fn issuer(&self) -> Option<Url> {
        self.0.issuer.clone().map(Url)
    }
    /// Whom these tokens have to be for, for OIDC.
    async fn audience(&self) -> Option<&str> {
        self.0.audience.as_deref()
    }
    /// Empty: all methods.
    async fn allowed_methods(&self) -> &[String] {
        &self.0.allowed_methods
    }
    /// Null: unlimited.
    async fn rate_limit(&self) -> Option<RateLimit> {
        RateLimit::from_columns(self.0.rate_requests, self.0.rate_window)
    }
    /// Null: unlimited.
    async fn quota(&self) -> Option<QuotaLimit> {
        QuotaLimit::from_columns(self.0.quota_requests, self.0.quota_period)
    }
    /// Markdown.
    async fn documentation(&self) -> Option<&str> {
        self.0.documentation.as_deref()
    }
}

/// A scope that a plan can grant.
pub struct PlanScope(pub columns::PlanScope);

impl PlanScope {
    /// As the plan defines it now; by its name alone where it does not any more.
    pub fn named(plan: &plan::Model, name: &str) -> Self {
        let defined = plan.scopes.iter().find(|scope| scope.name == name).cloned();
        Self(defined.unwrap_or_else(|| columns::PlanScope {
            name: name.to_owned(),
            description: None,
            grant: entities::enums::ScopeGrantKind::Optional,
            environments: Vec::new(),
        }))
    }
}

#[Object]
impl PlanScope {
    async fn name(&self) -> &str {
        &self.0.name
    }
    async fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }
    async fn grant(&self) -> ScopeGrantKind {
        self.0.grant.into()
    }
    async fn environments(&self) -> Vec<Environment> {
        self.0.environments.iter().copied().map(Into::into).collect()
    }
}

/// A line for comparing plans.
#[derive(SimpleObject)]
pub struct PlanFeature {
    name: String,
    value: String,
}

/// Something to call the sandbox with: an account, a card, an order.
#[derive(SimpleObject)]
pub struct SandboxTestDatum {
    #[graphql(name = "type")]
    kind: String,
    name: String,
    description: Option<String>,
    value: String,
}

impl From<columns::SandboxTestDatum> for SandboxTestDatum {
    fn from(row: columns::SandboxTestDatum) -> Self {
        Self { kind: row.kind, name: row.name, description: row.description, value: row.value }
    }
}

#[derive(InputObject)]
pub struct CreatePlanInput {
    product_id: ID,
    slug: String,
    name: String,
    description: Option<String>,
    pricing: PricingInput,
    /// AUTOMATIC unless given; with an approval group it is STANDARD at least.
    approval: Option<ApprovalLevel>,
    /// Who decides; left out: any reviewer.
    approval_group_id: Option<ID>,
    has_sandbox: bool,
    environments: Vec<PlanEnvironmentInput>,
    scopes: Option<Vec<PlanScopeInput>>,
    features: Option<Vec<PlanFeatureInput>>,
    submission_form: Option<SubmissionFormInput>,
    custom_properties: Option<Vec<CustomPropertyDefinitionInput>>,
    sandbox_test_data: Option<Vec<SandboxTestDatumInput>>,
    review_checklist: Option<Vec<ReviewCheckInput>>,
    duration_days: Option<i32>,
    max_subscriptions_per_team: Option<i32>,
    credential_lifetime_days: Option<i32>,
    /// 24 unless given, 720 at most.
    rotation_overlap_hours: Option<i32>,
    /// False unless given.
    elevated: Option<bool>,
    /// NOTIFY unless given.
    leaked_key_action: Option<LeakedKeyAction>,
    /// False unless given.
    auto_subscribe: Option<bool>,
}

/// An omitted field stays; null clears it. A list that is given replaces the one there was.
#[derive(InputObject)]
pub struct UpdatePlanInput {
    plan_id: ID,
    /// Refuses with STALE when the plan was changed since it was read.
    expected_version: Option<i32>,
    slug: Option<String>,
    name: Option<String>,
    #[graphql(default)]
    description: MaybeUndefined<String>,
    pricing: Option<PricingInput>,
    approval: Option<ApprovalLevel>,
    #[graphql(default)]
    approval_group_id: MaybeUndefined<ID>,
    has_sandbox: Option<bool>,
    environments: Option<Vec<PlanEnvironmentInput>>,
    scopes: Option<Vec<PlanScopeInput>>,
    features: Option<Vec<PlanFeatureInput>>,
    custom_properties: Option<Vec<CustomPropertyDefinitionInput>>,
    sandbox_test_data: Option<Vec<SandboxTestDatumInput>>,
    review_checklist: Option<Vec<ReviewCheckInput>>,
    #[graphql(default)]
    duration_days: MaybeUndefined<i32>,
    #[graphql(default)]
    submission_form: MaybeUndefined<SubmissionFormInput>,
    #[graphql(default)]
    max_subscriptions_per_team: MaybeUndefined<i32>,
    #[graphql(default)]
    credential_lifetime_days: MaybeUndefined<i32>,
    rotation_overlap_hours: Option<i32>,
    elevated: Option<bool>,
    /// No term of those who hold the plan: it applies to them at once.
    leaked_key_action: Option<LeakedKeyAction>,
    auto_subscribe: Option<bool>,
}

#[derive(InputObject)]
pub struct PlanEnvironmentInput {
    environment: Environment,
    auth_method: AuthMethod,
    /// For OIDC, which needs it: as its discovery document and its tokens name it.
    issuer: Option<Url>,
    /// For OIDC, which needs it. Subscribers share it, and each names by a credential's `subject` whose tokens are its own.
    audience: Option<String>,
    /// Left out or empty: all methods.
    allowed_methods: Option<Vec<String>>,
    /// Left out: unlimited.
    rate_limit: Option<RateLimitInput>,
    /// Left out: unlimited.
    quota: Option<QuotaLimitInput>,
    documentation: Option<String>,
}

#[derive(InputObject)]
pub struct PlanScopeInput {
    name: String,
    description: Option<String>,
    grant: ScopeGrantKind,
    /// Left out: all of the plan's.
    environments: Option<Vec<Environment>>,
}

#[derive(InputObject)]
pub struct PlanFeatureInput {
    name: String,
    value: String,
}

#[derive(InputObject)]
pub struct SandboxTestDatumInput {
    #[graphql(name = "type")]
    kind: String,
    name: String,
    description: Option<String>,
    value: String,
}

#[derive(InputObject)]
pub struct SetPlanStatusInput {
    plan_id: ID,
    status: PlanStatus,
}

payload_type! { #[graphql(complex)] PlanPayload { plan: Plan } }
crate::enforced! { PlanPayload }

#[derive(Default)]
pub struct PlanMutation;

#[Object]
impl PlanMutation {
    /// A new plan, as DRAFT.
    async fn create_plan(&self, ctx: &Context<'_>, input: CreatePlanInput) -> async_graphql::Result<Option<PlanPayload>> {
        payload(create(ctx, input).await)
    }
    /// Where somebody holds the plan and its terms change (pricing, sandbox, environments, scopes, custom properties, how long things
    /// last), a new version is made and given back, with an id of its own: those who hold the old one keep it until they are moved.
    async fn update_plan(&self, ctx: &Context<'_>, input: UpdatePlanInput) -> async_graphql::Result<Option<PlanPayload>> {
        payload(update(ctx, input).await)
    }
    async fn set_plan_status(&self, ctx: &Context<'_>, input: SetPlanStatusInput) -> async_graphql::Result<Option<PlanPayload>> {
        let id = match id_of(&input.plan_id, "plan") {
            Ok(id) => id,
            Err(error) => return payload(Err(error)),
        };
        payload(plans::set_status(ctx.op(), ctx.actor(), id, input.status.into()).await.map(Plan::from))
    }
}

async fn create(ctx: &Context<'_>, input: CreatePlanInput) -> domain::Result<Plan> {
    let cmd = plans::CreatePlan {
        product: id_referred_to(&input.product_id),
        approval_group: input.approval_group_id.as_ref().map(id_referred_to),
        draft: Draft {
            slug: input.slug,
            name: input.name,
            description: input.description,
            pricing: input.pricing.into(),
            approval: input.approval.map_or(entities::enums::ApprovalLevel::Automatic, Into::into),
            has_sandbox: input.has_sandbox,
            environments: input.environments.into_iter().map(environment).collect(),
            scopes: input.scopes.unwrap_or_default().into_iter().map(scope).collect(),
            features: input.features.unwrap_or_default().into_iter().map(feature).collect(),
            submission_form: input.submission_form.map(Into::into),
            custom_properties: definitions(input.custom_properties.unwrap_or_default()),
            sandbox_test_data: test_data(input.sandbox_test_data.unwrap_or_default()),
            review_checklist: checklist(input.review_checklist.unwrap_or_default()),
            duration_days: input.duration_days,
            max_subscriptions_per_team: input.max_subscriptions_per_team,
            credential_lifetime_days: input.credential_lifetime_days,
            rotation_overlap_hours: input.rotation_overlap_hours.unwrap_or(USUAL_OVERLAP),
            elevated: input.elevated.unwrap_or(false),
            leaked_key_action: input.leaked_key_action.map_or(entities::enums::LeakedKeyAction::Notify, Into::into),
            auto_subscribe: input.auto_subscribe.unwrap_or(false),
        },
    };
    plans::create(ctx.op(), ctx.actor(), cmd).await.map(Plan::from)
}

async fn update(ctx: &Context<'_>, input: UpdatePlanInput) -> domain::Result<Plan> {
    let cmd = plans::UpdatePlan {
        expected_version: input.expected_version,
        slug: input.slug,
        name: input.name,
        description: change(input.description, |text| text),
        pricing: input.pricing.map(Into::into),
        approval: input.approval.map(Into::into),
        approval_group: change(input.approval_group_id, |id| id_referred_to(&id)),
        has_sandbox: input.has_sandbox,
        environments: input.environments.map(|list| list.into_iter().map(environment).collect()),
        scopes: input.scopes.map(|list| list.into_iter().map(scope).collect()),
        features: input.features.map(|list| list.into_iter().map(feature).collect()),
        submission_form: change(input.submission_form, Into::into),
        custom_properties: input.custom_properties.map(definitions),
        sandbox_test_data: input.sandbox_test_data.map(test_data),
        review_checklist: input.review_checklist.map(checklist),
        duration_days: change(input.duration_days, |days| days),
        max_subscriptions_per_team: change(input.max_subscriptions_per_team, |cap| cap),
        credential_lifetime_days: change(input.credential_lifetime_days, |days| days),
        rotation_overlap_hours: input.rotation_overlap_hours,
        elevated: input.elevated,
        leaked_key_action: input.leaked_key_action.map(Into::into),
        auto_subscribe: input.auto_subscribe,
    };
    plans::update(ctx.op(), ctx.actor(), id_of(&input.plan_id, "plan")?, cmd).await.map(Plan::from)
}

fn environment(input: PlanEnvironmentInput) -> EnvironmentDraft {
    EnvironmentDraft {
        environment: input.environment.into(),
        auth_method: input.auth_method.into(),
        issuer: input.issuer.map(|url| url.0),
        audience: input.audience,
        allowed_methods: input.allowed_methods.unwrap_or_default(),
        limits: draft(input.rate_limit, input.quota),
        documentation: input.documentation,
    }
}

fn scope(input: PlanScopeInput) -> ScopeDraft {
    ScopeDraft {
        name: input.name,
        description: input.description,
        grant: input.grant.into(),
        environments: input.environments.map(|list| list.into_iter().map(Into::into).collect()),
    }
}

fn feature(input: PlanFeatureInput) -> columns::PlanFeature {
    columns::PlanFeature { name: input.name, value: input.value }
}

fn definitions(input: Vec<CustomPropertyDefinitionInput>) -> Vec<columns::PropertyDefinition> {
    input.into_iter().map(Into::into).collect()
}

fn checklist(input: Vec<ReviewCheckInput>) -> Vec<columns::ReviewCheck> {
    input.into_iter().map(Into::into).collect()
}

fn test_data(input: Vec<SandboxTestDatumInput>) -> Vec<columns::SandboxTestDatum> {
    let datum = |d: SandboxTestDatumInput| columns::SandboxTestDatum {
        kind: d.kind,
        name: d.name,
        description: d.description,
        value: d.value,
    };
    input.into_iter().map(datum).collect()
}
