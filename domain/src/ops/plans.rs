//! Plans: what a product is offered under.

use std::collections::HashSet;

use entities::{
    columns::{
        PlanFeature, PlanFeatures, PlanScopes, Pricing, PropertyDefinition, ReviewCheck, ReviewChecklist, SandboxTestDatum,
        SubmissionForm,
    },
    endpoint,
    enums::{ApprovalLevel, LeakedKeyAction, PlanStatus, ProductStatus},
    id::{ApprovalGroupId, PlanEnvironmentId, PlanId, ProductId},
    plan::{ActiveModel, Column, Entity, Model},
    plan_environment, product, subscription,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
    QuerySelect, TryIntoModel, sea_query::Expr,
};

use super::approval_groups;
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_staff,
    audit::{Action, Audit},
    error::Problems,
    rules::{
        plan::{self, Checked, CheckedEnvironment, Draft, EnvironmentDraft, LimitDraft, ScopeDraft},
        policy::StaffRight,
        spec_changes::{identity, name},
        subscription::FINAL,
    },
    tx::{Touch, retrying},
};

/// A plan to be; it starts as DRAFT.
#[derive(Debug, Clone)]
pub struct CreatePlan {
    pub product: ProductId,
    /// `None`: any reviewer decides.
    pub approval_group: Option<ApprovalGroupId>,
    pub draft: Draft,
}

/// An omitted field stays; `Some(None)` clears it.
#[derive(Debug, Clone, Default)]
pub struct UpdatePlan {
    pub expected_version: Option<i32>,
    pub slug: Option<String>,
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub pricing: Option<Pricing>,
    pub approval: Option<ApprovalLevel>,
    pub approval_group: Option<Option<ApprovalGroupId>>,
    pub has_sandbox: Option<bool>,
    pub environments: Option<Vec<EnvironmentDraft>>,
    pub scopes: Option<Vec<ScopeDraft>>,
    pub features: Option<Vec<PlanFeature>>,
    pub submission_form: Option<Option<SubmissionForm>>,
    pub custom_properties: Option<Vec<PropertyDefinition>>,
    pub sandbox_test_data: Option<Vec<SandboxTestDatum>>,
    pub review_checklist: Option<Vec<ReviewCheck>>,
    pub duration_days: Option<Option<i32>>,
    pub max_subscriptions_per_team: Option<Option<i32>>,
    pub credential_lifetime_days: Option<Option<i32>>,
    pub rotation_overlap_hours: Option<i32>,
    pub elevated: Option<bool>,
    pub leaked_key_action: Option<LeakedKeyAction>,
    pub auto_subscribe: Option<bool>,
}

/// Staff offer a product under a new plan.
pub async fn create(ctx: &Domain, actor: &Actor, cmd: CreatePlan) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    let checked = plan::check(&cmd.draft, ctx.outgoing.reach()).map_err(DomainError::Refused)?;
    let tx = Tx::begin(ctx).await?;
    let product = product::Entity::find_by_id(cmd.product).one(tx.db()).await?;
    let product = product.filter(|p| p.status != ProductStatus::Retired);
    let product = product.ok_or_else(|| DomainError::refused(ProblemCode::NotFound, "productId", "no such product in use"))?;
    free_slug(&tx, product.id, &checked.slug, None).await?;
    approval_groups::require(&tx, cmd.approval_group).await?;
    known_operations(&tx, product.id, &checked.review_checklist).await?;
    let row = tx
        .insert(Model {
            id: ctx.env.id(),
            product_id: product.id,
            slug: checked.slug.clone(),
            name: checked.name.clone(),
            description: checked.description.clone(),
            status: PlanStatus::Draft,
            version: 1,
            pricing: checked.pricing,
            approval: cmd.draft.approval,
            approval_group_id: cmd.approval_group,
            has_sandbox: cmd.draft.has_sandbox,
            scopes: PlanScopes(checked.scopes.clone()),
            features: PlanFeatures(checked.features.clone()),
            submission_form: checked.submission_form.clone(),
            custom_properties: checked.custom_properties,
            sandbox_test_data: checked.sandbox_test_data,
            review_checklist: ReviewChecklist(checked.review_checklist),
            duration_days: cmd.draft.duration_days,
            max_subscriptions_per_team: cmd.draft.max_subscriptions_per_team,
            credential_lifetime_days: cmd.draft.credential_lifetime_days,
            rotation_overlap_hours: cmd.draft.rotation_overlap_hours,
            elevated: cmd.draft.elevated,
            leaked_key_action: cmd.draft.leaked_key_action,
            auto_subscribe: cmd.draft.auto_subscribe,
            superseded_by: None,
            created_at: tx.now(),
        })
        .await?;
    let environments = insert_environments(&tx, row.id, checked.environments).await?;
    let entry = Audit::of(actor, Action::PlanCreated, row.id)
        .set("product", row.product_id)
        .set("slug", &row.slug)
        .set("name", &row.name)
        .set("approval", row.approval)
        .set("approvalGroup", row.approval_group_id)
        .set("pricing", &row.pricing)
        .set("scopes", &row.scopes)
        .set("durationDays", row.duration_days)
        .set("credentialLifetimeDays", row.credential_lifetime_days)
        .set("rotationOverlapHours", row.rotation_overlap_hours)
        .set("elevated", row.elevated)
        .set("leakedKeyAction", row.leaked_key_action)
        .set("autoSubscribe", row.auto_subscribe)
        .set("environments", environments.iter().map(shown).collect::<Vec<_>>());
    // Its limits: a gateway that did not know them would let its subscribers call without any.
    tx.touch_gateway(Touch::Plan(row.id));
    tx.commit(entry).await?;
    Ok(row)
}

/// Staff change what a plan says. Where somebody holds it and the terms change, that makes a new version, which is what is given
/// back: those who hold the old one keep its terms until they are moved.
pub async fn update(ctx: &Domain, actor: &Actor, id: PlanId, cmd: UpdatePlan) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(|| update_once(ctx, actor, id, &cmd)).await
}

async fn update_once(ctx: &Domain, actor: &Actor, id: PlanId, cmd: &UpdatePlan) -> Result<Model> {
    let tx = Tx::begin(ctx).await?;
    let before = locked(&tx, id).await?;
    if cmd.expected_version.is_some_and(|version| version != before.version) {
        let say = format!("the plan is at version {}: read it again", before.version);
        return Err(DomainError::refused(ProblemCode::Stale, "expectedVersion", say));
    }
    if before.superseded_by.is_some() {
        return Err(superseded());
    }
    let environments = environments(tx.db(), id).await?;
    let draft = overlay(&before, &environments, cmd);
    let mut checked = plan::check(&draft, ctx.outgoing.reach()).map_err(DomainError::Refused)?;
    free_slug(&tx, before.product_id, &checked.slug, Some(id)).await?;
    let approval_group = cmd.approval_group.unwrap_or(before.approval_group_id);
    approval_groups::require(&tx, approval_group).await?;
    if cmd.review_checklist.is_some() {
        known_operations(&tx, before.product_id, &checked.review_checklist).await?;
    }
    let anew = other_terms(&before, &environments, &draft, &checked) && held(tx.db(), id).await? > 0;
    let wanted = std::mem::take(&mut checked.environments);
    if before.slug != checked.slug {
        rename_versions(&tx, &before, &checked.slug).await?;
    }
    let row = rewritten(&before, draft, checked, approval_group);
    let after = if anew {
        let new = tx.ctx().env.id();
        supersede(&tx, &before, new).await?;
        let version = before.version + 1;
        tx.insert(Model { id: new, version, created_at: tx.now(), ..row.try_into_model()? }).await?
    } else {
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        plan_environment::Entity::delete_many().filter(plan_environment::Column::PlanId.eq(id)).exec(tx.db()).await?;
        after
    };
    let replaced = insert_environments(&tx, after.id, wanted).await?;
    tx.touch_gateway(Touch::Plan(after.id));
    tx.commit(updated(actor, (&before, &environments), (&after, &replaced))).await?;
    Ok(after)
}

fn rewritten(before: &Model, draft: Draft, checked: Checked, approval_group: Option<ApprovalGroupId>) -> ActiveModel {
    let mut row = before.clone().into_active_model();
    row.slug = Set(checked.slug);
    row.name = Set(checked.name);
    row.description = Set(checked.description);
    row.pricing = Set(checked.pricing);
    row.approval = Set(draft.approval);
    row.approval_group_id = Set(approval_group);
    row.submission_form = Set(checked.submission_form);
    row.has_sandbox = Set(draft.has_sandbox);
    row.scopes = Set(PlanScopes(checked.scopes));
    row.features = Set(PlanFeatures(checked.features));
    row.custom_properties = Set(checked.custom_properties);
    row.sandbox_test_data = Set(checked.sandbox_test_data);
    row.review_checklist = Set(ReviewChecklist(checked.review_checklist));
    row.duration_days = Set(draft.duration_days);
    row.max_subscriptions_per_team = Set(draft.max_subscriptions_per_team);
    row.credential_lifetime_days = Set(draft.credential_lifetime_days);
    row.rotation_overlap_hours = Set(draft.rotation_overlap_hours);
    row.elevated = Set(draft.elevated);
    row.leaked_key_action = Set(draft.leaked_key_action);
    row.auto_subscribe = Set(draft.auto_subscribe);
    row
}

type WithEnvironments<'a> = (&'a Model, &'a [plan_environment::Model]);

fn updated(actor: &Actor, (before, environments): WithEnvironments<'_>, (after, replaced): WithEnvironments<'_>) -> Audit {
    let list = |rows: &[plan_environment::Model]| rows.iter().map(shown).collect::<Vec<_>>();
    let action = if before.id == after.id { Action::PlanUpdated } else { Action::PlanSuperseded };
    Audit::of(actor, action, after.id)
        .change("plan", before.id, after.id)
        .change("slug", &before.slug, &after.slug)
        .change("name", &before.name, &after.name)
        .change("description", &before.description, &after.description)
        .change("approval", before.approval, after.approval)
        .change("approvalGroup", before.approval_group_id, after.approval_group_id)
        .change("submissionForm", &before.submission_form, &after.submission_form)
        .change("pricing", &before.pricing, &after.pricing)
        .change("hasSandbox", before.has_sandbox, after.has_sandbox)
        .change("scopes", &before.scopes, &after.scopes)
        .change("features", &before.features, &after.features)
        .change("customProperties", &before.custom_properties, &after.custom_properties)
        .change("sandboxTestData", test_data(before), test_data(after))
        .change("reviewChecklist", &before.review_checklist, &after.review_checklist)
        .change("durationDays", before.duration_days, after.duration_days)
        .change("credentialLifetimeDays", before.credential_lifetime_days, after.credential_lifetime_days)
        .change("rotationOverlapHours", before.rotation_overlap_hours, after.rotation_overlap_hours)
        .change("elevated", before.elevated, after.elevated)
        .change("leakedKeyAction", before.leaked_key_action, after.leaked_key_action)
        .change("autoSubscribe", before.auto_subscribe, after.auto_subscribe)
        .change("maxSubscriptionsPerTeam", before.max_subscriptions_per_team, after.max_subscriptions_per_team)
        .change("environments", list(environments), list(replaced))
}

/// Staff open a plan for subscriptions, close it, or put it away.
pub async fn set_status(ctx: &Domain, actor: &Actor, id: PlanId, to: PlanStatus) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = locked(&tx, id).await?;
        if before.superseded_by.is_some() {
            return Err(superseded());
        }
        plan::set_status(before.status, to, held(tx.db(), id).await?)?;
        let mut row = before.clone().into_active_model();
        row.status = Set(to);
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        tx.commit(Audit::of(actor, Action::PlanStatusSet, id).change("status", before.status, to)).await?;
        Ok(after)
    })
    .await
}

/// The plan, held so that nobody subscribes to it meanwhile (SQLite has one writer anyway).
async fn locked(tx: &Tx<'_>, id: PlanId) -> Result<Model> {
    Entity::find_by_id(id).lock_exclusive().one(tx.db()).await?.ok_or(DomainError::NotFound("plan"))
}

/// A plan's environments, sandbox first.
pub(crate) async fn environments(db: &impl ConnectionTrait, plan: PlanId) -> Result<Vec<plan_environment::Model>> {
    let rows = plan_environment::Entity::find().filter(plan_environment::Column::PlanId.eq(plan)).all(db).await?;
    Ok(crate::read::plans::in_order(rows))
}

/// How many subscriptions to it are not over, with those that wait to be moved to it.
async fn held(db: &impl ConnectionTrait, plan: PlanId) -> Result<u64> {
    let holds = subscription::Column::PlanId.eq(plan).or(subscription::Column::PendingPlanId.eq(plan));
    let held = subscription::Entity::find().filter(holds).filter(subscription::Column::Status.is_not_in(FINAL));
    Ok(held.count(db).await?)
}

async fn free_slug(tx: &Tx<'_>, product: ProductId, slug: &str, own: Option<PlanId>) -> Result<()> {
    let of_product = Entity::find().filter(Column::ProductId.eq(product)).filter(Column::SupersededBy.is_null());
    let taken = of_product.filter(Column::Slug.eq(slug)).one(tx.db()).await?;
    match taken {
        Some(other) if Some(other.id) != own => {
            Err(DomainError::refused(ProblemCode::Taken, "slug", "another plan of the product has this slug"))
        }
        _ => Ok(()),
    }
}

/// Refuses a check of an operation that no document of the product has had: it could never be met.
async fn known_operations(tx: &Tx<'_>, product: ProductId, checks: &[ReviewCheck]) -> Result<()> {
    use endpoint::Column as E;
    let named: Vec<_> = checks.iter().enumerate().filter_map(|(i, check)| Some((i, check.operation.as_deref()?))).collect();
    if named.is_empty() {
        return Ok(());
    }
    let of_product =
        endpoint::Entity::find().filter(E::ProductId.eq(product)).select_only().columns([E::Method, E::DocumentPath]);
    let rows: Vec<(String, String)> = of_product.distinct().into_tuple().all(tx.db()).await?;
    let known: HashSet<_> = rows.iter().map(|(method, path)| identity(&name(method, path))).collect();
    let mut problems = Problems::default();
    for (i, operation) in named.into_iter().filter(|(_, operation)| !known.contains(&identity(operation))) {
        let say = format!("the product has no operation {operation}: publish its document first, or name one of its operations");
        problems.add(ProblemCode::NotFound, &format!("reviewChecklist.{i}.operation"), say);
    }
    problems.into_result()
}

/// Whether the subscribers' terms differ: those who hold the plan keep theirs.
fn other_terms(before: &Model, environments: &[plan_environment::Model], draft: &Draft, checked: &Checked) -> bool {
    let same = |old: &plan_environment::Model, new: &CheckedEnvironment| {
        let limits = (old.rate_requests.zip(old.rate_window), old.quota_requests.zip(old.quota_period));
        (old.environment, old.auth_method, &old.allowed_methods, limits)
            == (new.environment, new.auth_method, &new.allowed_methods, (new.limits.rate, new.limits.quota))
    };
    before.has_sandbox != draft.has_sandbox
        || before.pricing != checked.pricing
        || before.scopes.to_vec() != checked.scopes
        || before.custom_properties != checked.custom_properties
        || before.duration_days != draft.duration_days
        || before.credential_lifetime_days != draft.credential_lifetime_days
        || before.rotation_overlap_hours != draft.rotation_overlap_hours
        || before.elevated != draft.elevated
        || environments.len() != checked.environments.len()
        || !environments.iter().zip(&checked.environments).all(|(old, new)| same(old, new))
}

/// The old version takes no more subscriptions; those who hold it stay until they are moved.
async fn supersede(tx: &Tx<'_>, before: &Model, by: PlanId) -> Result<()> {
    let mut row = before.clone().into_active_model();
    row.superseded_by = Set(Some(by));
    if before.status == PlanStatus::Active {
        row.status = Set(PlanStatus::Deprecated);
    }
    row.auto_subscribe = Set(false);
    tx.update::<Entity>(row, Column::Version, before.version).await.map(drop)
}

async fn rename_versions(tx: &Tx<'_>, plan: &Model, slug: &str) -> Result<()> {
    let versions = Entity::update_many().filter(Column::ProductId.eq(plan.product_id)).filter(Column::Slug.eq(&plan.slug));
    versions.filter(Column::SupersededBy.is_not_null()).col_expr(Column::Slug, Expr::value(slug)).exec(tx.db()).await?;
    Ok(())
}

fn superseded() -> DomainError {
    DomainError::refused(ProblemCode::WrongState, "planId", "a newer version took the plan's place: change that one")
}

/// All versions of a plan: they share its slug.
pub(crate) async fn versions(db: &impl ConnectionTrait, plan: &Model) -> Result<Vec<PlanId>> {
    let of_plan = Entity::find().filter(Column::ProductId.eq(plan.product_id)).filter(Column::Slug.eq(&plan.slug));
    Ok(of_plan.select_only().column(Column::Id).into_tuple().all(db).await?)
}

async fn insert_environments(
    tx: &Tx<'_>,
    plan: PlanId,
    checked: Vec<CheckedEnvironment>,
) -> Result<Vec<plan_environment::Model>> {
    let rows: Vec<_> = checked
        .into_iter()
        .map(|e| plan_environment::Model {
            id: tx.ctx().env.id::<PlanEnvironmentId>(),
            plan_id: plan,
            environment: e.environment,
            auth_method: e.auth_method,
            issuer: e.outside.as_ref().map(|outside| outside.issuer.clone()),
            audience: e.outside.map(|outside| outside.audience),
            allowed_methods: e.allowed_methods,
            rate_requests: e.limits.rate.map(|(requests, _)| requests),
            rate_window: e.limits.rate.map(|(_, window)| window),
            quota_requests: e.limits.quota.map(|(requests, _)| requests),
            quota_period: e.limits.quota.map(|(_, period)| period),
            documentation: e.documentation,
        })
        .collect();
    let new = rows.iter().cloned().map(IntoActiveModel::into_active_model);
    plan_environment::Entity::insert_many(new).exec_without_returning(tx.db()).await?;
    Ok(rows)
}

fn overlay(before: &Model, environments: &[plan_environment::Model], cmd: &UpdatePlan) -> Draft {
    let given = cmd.environments.clone();
    let scopes = cmd.scopes.clone();
    Draft {
        slug: cmd.slug.clone().unwrap_or_else(|| before.slug.clone()),
        name: cmd.name.clone().unwrap_or_else(|| before.name.clone()),
        description: cmd.description.clone().unwrap_or_else(|| before.description.clone()),
        pricing: cmd.pricing.clone().unwrap_or_else(|| before.pricing.clone()),
        approval: cmd.approval.unwrap_or(before.approval),
        has_sandbox: cmd.has_sandbox.unwrap_or(before.has_sandbox),
        environments: given.unwrap_or_else(|| environments.iter().map(environment_draft).collect()),
        scopes: scopes.unwrap_or_else(|| before.scopes.iter().map(scope_draft).collect()),
        features: cmd.features.clone().unwrap_or_else(|| before.features.to_vec()),
        submission_form: cmd.submission_form.clone().unwrap_or_else(|| before.submission_form.clone()),
        custom_properties: cmd.custom_properties.clone().unwrap_or_else(|| before.custom_properties.to_vec()),
        sandbox_test_data: cmd.sandbox_test_data.clone().unwrap_or_else(|| before.sandbox_test_data.to_vec()),
        review_checklist: cmd.review_checklist.clone().unwrap_or_else(|| before.review_checklist.to_vec()),
        duration_days: cmd.duration_days.unwrap_or(before.duration_days),
        max_subscriptions_per_team: cmd.max_subscriptions_per_team.unwrap_or(before.max_subscriptions_per_team),
        credential_lifetime_days: cmd.credential_lifetime_days.unwrap_or(before.credential_lifetime_days),
        rotation_overlap_hours: cmd.rotation_overlap_hours.unwrap_or(before.rotation_overlap_hours),
        elevated: cmd.elevated.unwrap_or(before.elevated),
        leaked_key_action: cmd.leaked_key_action.unwrap_or(before.leaked_key_action),
        auto_subscribe: cmd.auto_subscribe.unwrap_or(before.auto_subscribe),
    }
}

fn environment_draft(row: &plan_environment::Model) -> EnvironmentDraft {
    EnvironmentDraft {
        environment: row.environment,
        auth_method: row.auth_method,
        issuer: row.issuer.clone(),
        audience: row.audience.clone(),
        allowed_methods: row.allowed_methods.to_vec(),
        limits: LimitDraft { rate: row.rate_requests.zip(row.rate_window), quota: row.quota_requests.zip(row.quota_period) },
        documentation: row.documentation.clone(),
    }
}

fn scope_draft(scope: &entities::columns::PlanScope) -> ScopeDraft {
    ScopeDraft {
        name: scope.name.clone(),
        description: scope.description.clone(),
        grant: scope.grant,
        environments: Some(scope.environments.clone()),
    }
}

/// As the audit log shows it.
fn shown(row: &plan_environment::Model) -> serde_json::Value {
    serde_json::json!({
        "environment": row.environment,
        "authMethod": row.auth_method,
        "issuer": row.issuer,
        "audience": row.audience,
        "allowedMethods": row.allowed_methods,
        "rateLimit": row.rate_requests.zip(row.rate_window),
        "quota": row.quota_requests.zip(row.quota_period),
    })
}

/// The names alone: what is tested with may be somebody's number.
fn test_data(row: &Model) -> Vec<&str> {
    row.sandbox_test_data.iter().map(|datum| datum.name.as_str()).collect()
}
