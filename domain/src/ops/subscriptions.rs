//! Subscriptions: a team's hold on a plan, from subscribing to the end.

use entities::{
    assignment, client,
    columns::{Answer, Answers},
    enums::{ApprovalLevel, Environment, PlanStatus, ProductStatus, QueueKind, SubscriptionStatus, TeamStatus},
    id::{AssignmentId, CredentialId, PlanId, ProfileId, ScopeGrantId, SubscriptionId, TeamId, TypedId, UserId},
    plan, plan_environment, product, profile, scope_grant,
    subscription::{Column, Entity, Model},
    team,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Serialize;

use super::{
    clients::{self, NewClient},
    credentials::{self, Details, Made, named},
    endings, held,
    idempotency::Claim,
    plans,
    proofs::Proof,
    quota, review_queue,
};
use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::{require_member, require_somebody, require_staff},
    audit::{Action, Audit},
    error::Problems,
    notices,
    read::catalog::team_may_see,
    rules::{
        credential::{self, RANDOM_BYTES, SecretKind},
        custom_property::{self, Hand},
        notice::{Held, Notice},
        policy::{MemberRight, StaffRight},
        pricing,
        subscription::{self, Event, FINAL, Facts},
        text,
    },
    tx::{Touch, retrying},
    updates::Update,
};

#[derive(Debug, Clone, Serialize)]
pub struct Subscribe {
    pub plan: PlanId,
    pub team: TeamId,
    pub name: String,
    pub custom_properties: Vec<Answer>,
    #[serde(skip)]
    pub idempotency_key: Option<String>,
}

/// A new subscription, and the sandbox credential that comes with it where its kind has a secret.
#[derive(Debug)]
pub struct Subscribed {
    pub subscription: Model,
    pub secret: Option<Made>,
}

/// A member subscribes their team to a plan.
pub async fn subscribe(ctx: &Domain, actor: &Actor, cmd: Subscribe) -> Result<Subscribed> {
    require_somebody(actor)?;
    let claim = Claim::new(actor, "subscribe", cmd.idempotency_key.as_deref(), &cmd)?;
    retrying(|| subscribe_once(ctx, actor, &cmd, claim.as_ref())).await
}

async fn subscribe_once(ctx: &Domain, actor: &Actor, cmd: &Subscribe, claim: Option<&Claim>) -> Result<Subscribed> {
    let tx = Tx::begin(ctx).await?;
    require_member(tx.db(), actor, cmd.team, MemberRight::ManageCredentials).await?;
    let team = locked_team(&tx, cmd.team).await?.ok_or(DomainError::NotFound("team"))?;
    if let Some(claim) = claim
        && let Some(made) = claim.recall(&tx).await?
    {
        return subscribed_before(&tx, claim, SubscriptionId::from_uuid(made)).await;
    }
    let name = text::name("name", &cmd.name, 80)?;
    let (plan, product) = offered(&tx, cmd.plan).await?;
    if !team_may_see(tx.db(), team.id, &product).await? {
        return Err(no_such_plan());
    }
    room_for_one(&tx, &plan, &team, None).await?;
    let given = custom_property::on_subscribing(&plan.custom_properties, &cmd.custom_properties);
    let custom_properties = given.map_err(DomainError::Refused)?;
    let new = NewSubscription { owner: actor.user_id(), name, custom_properties };
    let made = insert(&tx, &team, &plan, new).await?;
    await_approval(&tx, actor, &made.subscription, &plan).await?;
    let secret = match made.profiles.iter().find(|p| p.environment == Environment::Sandbox) {
        Some(profile) => sandbox_secret(&tx, actor, &plan, profile, claim).await?,
        None => None,
    };
    if let Some(claim) = claim {
        claim.remember(&tx, made.subscription.id).await?;
    }
    let entry = Audit::of(actor, Action::Subscribed, made.subscription.id).team(team.id);
    let entry = described(entry, &made).set("credential", secret.as_ref().map(|made| made.credential.id));
    tx.commit(entry).await?;
    Ok(Subscribed { subscription: made.subscription, secret })
}

/// Staff stop a subscription's calls; its credentials work again once it is reinstated.
pub async fn suspend(ctx: &Domain, actor: &Actor, id: SubscriptionId, notes: Option<&str>) -> Result<Model> {
    decide(ctx, actor, id, notes, Event::Suspend, Action::SubscriptionSuspended, |held, notes| Notice::SubscriptionSuspended {
        held,
        notes,
    })
    .await
}

/// Staff undo a suspension.
pub async fn reinstate(ctx: &Domain, actor: &Actor, id: SubscriptionId, notes: Option<&str>) -> Result<Model> {
    decide(ctx, actor, id, notes, Event::Reinstate, Action::SubscriptionReinstated, |held, notes| {
        Notice::SubscriptionReinstated { held, notes }
    })
    .await
}

async fn decide(
    ctx: &Domain,
    actor: &Actor,
    id: SubscriptionId,
    notes: Option<&str>,
    event: Event,
    action: Action,
    notice: fn(Held, Option<String>) -> Notice,
) -> Result<Model> {
    require_staff(actor, StaffRight::Edit)?;
    let notes = text::prose("notes", notes, 500)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("subscription"))?;
        let status = subscription::step(before.status, event, facts(&before))?;
        let mut row = before.clone().into_active_model();
        row.status = Set(status);
        row.status_reason = Set(notes.clone());
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        tx.touch_gateway(Touch::Client(client_of(tx.db(), id).await?.id));
        notices::tell_holders(&tx, actor, &after, |held| notice(held, notes.clone())).await?;
        let entry = Audit::of(actor, action, id).team(after.team_id).change("status", before.status, after.status).change(
            "statusReason",
            &before.status_reason,
            &after.status_reason,
        );
        tx.commit(entry).await?;
        Ok(after)
    })
    .await
}

/// What is to change; what is left out stays.
#[derive(Debug, Clone, Default)]
pub struct UpdateSubscription {
    pub name: Option<String>,
    pub custom_properties: Option<Vec<Answer>>,
}

/// A member renames a subscription and says anew what the plan asks for. Staff set custom properties, read-only ones too; the
/// name is the team's own.
pub async fn update(ctx: &Domain, actor: &Actor, id: SubscriptionId, cmd: UpdateSubscription) -> Result<Model> {
    require_somebody(actor)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let (before, by) = of_member_or_staff(&tx, actor, id, cmd.name.is_some()).await?;
        let mut problems = Problems::default();
        let mut row = before.clone().into_active_model();
        if let Some(name) = &cmd.name {
            row.name = Set(problems.take(text::name("name", name, 80)).unwrap_or_default());
        }
        if let Some(given) = &cmd.custom_properties {
            let plan = plan::Entity::find_by_id(before.plan_id).one(tx.db()).await?.ok_or(DomainError::NotFound("plan"))?;
            let changed = custom_property::on_change(&plan.custom_properties, &before.custom_properties, given, by);
            row.custom_properties = Set(problems.take_all(changed).unwrap_or_default());
        }
        problems.into_result()?;
        if cmd.name.is_none() && cmd.custom_properties.is_none() {
            return Ok(before);
        }
        let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
        tx.announce(Update::Subscription(id));
        let entry = Audit::of(actor, Action::SubscriptionUpdated, id)
            .team(after.team_id)
            .change("name", &before.name, &after.name)
            .change("customProperties", &before.custom_properties, &after.custom_properties);
        tx.commit(entry).await?;
        Ok(after)
    })
    .await
}

pub(super) async fn of_member_or_staff(tx: &Tx<'_>, actor: &Actor, id: SubscriptionId, names: bool) -> Result<(Model, Hand)> {
    match of_member(tx, actor, id).await {
        Err(DomainError::Forbidden(_)) if !names => {
            with_right(tx, actor, id, MemberRight::AdjustSubscription).await.map(|held| (held, Hand::Staff))
        }
        other => other.map(|held| (held, Hand::Team)),
    }
}

/// What decides where an event leads.
pub(crate) fn facts(held: &Model) -> Facts {
    Facts { ending: held.cancel_at.is_some(), priced: held.awaits_payment }
}

/// A subscription and what came with it.
pub(crate) struct Inserted {
    pub subscription: Model,
    pub client: client::Model,
    pub profiles: Vec<profile::Model>,
}

/// An offer that can be taken: an ACTIVE plan of a PUBLISHED product.
pub(crate) async fn offered(tx: &Tx<'_>, id: PlanId) -> Result<(plan::Model, product::Model)> {
    // Held, so that it does not change its kind of authentication meanwhile.
    let plan = plan::Entity::find_by_id(id).lock_shared().one(tx.db()).await?.ok_or_else(no_such_plan)?;
    let product = product::Entity::find_by_id(plan.product_id).one(tx.db()).await?.ok_or_else(no_such_plan)?;
    if plan.superseded_by.is_some() {
        let say = "a newer version took the plan's place: read the product's plans again";
        return Err(DomainError::refused(ProblemCode::WrongState, "planId", say));
    }
    match (plan.status, product.status) {
        (PlanStatus::Draft | PlanStatus::Archived, _) | (_, ProductStatus::Draft | ProductStatus::Retired) => Err(no_such_plan()),
        (PlanStatus::Inactive | PlanStatus::Deprecated, _) => Err(closed("plan", text::word(plan.status))),
        (PlanStatus::Active, ProductStatus::Deprecated) => Err(closed("product", text::word(product.status))),
        (PlanStatus::Active, ProductStatus::Published) if !plan.has_sandbox && pricing::recurring(plan.pricing.model) => {
            let say = "payment is not set up: a plan with a price can only be subscribed to where it has a sandbox";
            Err(DomainError::refused(ProblemCode::PaymentProvider, "planId", say))
        }
        (PlanStatus::Active, ProductStatus::Published) => Ok((plan, product)),
    }
}

fn closed(what: &str, status: String) -> DomainError {
    let say = format!("the {what} takes no new subscriptions while {status}");
    DomainError::refused(ProblemCode::WrongState, "planId", say)
}

fn no_such_plan() -> DomainError {
    Problem::new(ProblemCode::NotFound, "planId", "no such plan").into()
}

/// Refuses where the team is not active or holds as many subscriptions to the plan, in any version, as it may. `moved`: one that
/// does not count, since it comes there.
pub(crate) async fn room_for_one(
    tx: &Tx<'_>,
    plan: &plan::Model,
    team: &team::Model,
    moved: Option<SubscriptionId>,
) -> Result<()> {
    if team.status != TeamStatus::Active {
        let say = format!("the team cannot subscribe while {}", text::word(team.status));
        return Err(DomainError::refused(ProblemCode::WrongState, "teamId", say));
    }
    let Some(cap) = plan.max_subscriptions_per_team else { return Ok(()) };
    let versions = plans::versions(tx.db(), plan).await?;
    let held = Entity::for_team(team.id).filter(Column::PlanId.is_in(versions)).filter(Column::Status.is_not_in(FINAL));
    let held = match moved {
        Some(moved) => held.filter(Column::Id.ne(moved)),
        None => held,
    };
    if held.count(tx.db()).await? < u64::try_from(cap).unwrap_or(0) {
        return Ok(());
    }
    let say = format!("a team can hold {cap} subscriptions to this plan: cancel one first");
    Err(DomainError::refused(ProblemCode::LimitReached, "planId", say))
}

/// The team, held so that one of its caps is not passed by two at once.
pub(crate) async fn locked_team(tx: &Tx<'_>, id: TeamId) -> Result<Option<team::Model>> {
    Ok(team::Entity::find_by_id(id).lock_exclusive().one(tx.db()).await?)
}

/// A plan with an approval group is STANDARD at least.
pub(super) fn level(plan: &plan::Model) -> ApprovalLevel {
    match (plan.approval, plan.approval_group_id) {
        (ApprovalLevel::Automatic, Some(_)) => ApprovalLevel::Standard,
        (level, _) => level,
    }
}

/// What a new subscription says beside its plan's terms.
pub(crate) struct NewSubscription {
    /// `None` where nobody subscribed, but the plan came by itself.
    pub owner: Option<UserId>,
    pub name: String,
    pub custom_properties: Answers,
}

/// Writes a subscription with its client, a profile for each of the plan's environments, its grants and its assignment.
pub(crate) async fn insert(tx: &Tx<'_>, team: &team::Model, plan: &plan::Model, new: NewSubscription) -> Result<Inserted> {
    let NewSubscription { owner, name, custom_properties } = new;
    let (status, phase) = subscription::first(level(plan), plan.pricing.model, plan.has_sandbox);
    let awaits_payment = pricing::recurring(plan.pricing.model);
    let open = status == SubscriptionStatus::Active;
    let row = tx
        .insert(Model {
            id: tx.ctx().env.id(),
            team_id: team.id,
            plan_id: plan.id,
            product_id: plan.product_id,
            name: name.clone(),
            owner_id: owner,
            status,
            phase,
            changes_requested: false,
            awaits_payment,
            status_reason: None,
            created_at: tx.now(),
            activated_at: open.then_some(tx.now()),
            cancel_at: None,
            expires_at: open.then(|| endings::expiry(plan, tx.now())).flatten(),
            expiry_warned_days: None,
            pending_plan_id: None,
            custom_properties,
            version: 1,
        })
        .await?;
    endings::await_end(tx, &row).await?;
    let new = NewClient { team: team.id, subscription: Some(row.id), name, description: None, enabled: true };
    let client = clients::insert(tx, new).await?;
    quota::inherit(tx, &row, client.id).await?;
    let mut profiles = Vec::new();
    for environment in plans::environments(tx.db(), plan.id).await? {
        profiles.push(tx.insert(profile_for(tx.ctx().env.id(), &client, environment, tx.now())).await?);
    }
    for scope in plan.scopes.iter().filter(|s| s.grant == entities::enums::ScopeGrantKind::Default) {
        grant(tx, &row, &scope.name).await?;
    }
    tx.insert(assignment::Model {
        id: tx.ctx().env.id::<AssignmentId>(),
        product_id: plan.product_id,
        tier_id: None,
        team_id: None,
        client_id: Some(client.id),
        subscription_id: Some(row.id),
        since: tx.now(),
        assigned_by: owner,
        scopes: None,
    })
    .await?;
    Ok(Inserted { subscription: row, client, profiles })
}

/// Gives a scope that the plan gives to all.
pub(super) async fn grant(tx: &Tx<'_>, held: &Model, scope: &str) -> Result<()> {
    tx.insert(scope_grant::Model {
        id: tx.ctx().env.id::<ScopeGrantId>(),
        subscription_id: held.id,
        team_id: held.team_id,
        scope: scope.to_owned(),
        granted_at: tx.now(),
        granted_by: None,
    })
    .await?;
    Ok(())
}

/// Puts a subscription that needs an approval before it begins into the queue.
pub(crate) async fn await_approval(tx: &Tx<'_>, actor: &Actor, row: &Model, plan: &plan::Model) -> Result<()> {
    if row.status == SubscriptionStatus::PendingApproval { ask_for_approval(tx, actor, row, plan).await } else { Ok(()) }
}

/// Puts it into the queue, and tells those who decide.
pub(super) async fn ask_for_approval(tx: &Tx<'_>, actor: &Actor, row: &Model, plan: &plan::Model) -> Result<()> {
    let request = review_queue::Request {
        kind: QueueKind::Subscription,
        subject: row.id.0,
        team: row.team_id,
        plan: Some(plan),
        by: actor.signed_in()?,
        reason: None,
    };
    review_queue::open(tx, request, review_queue::due(tx, level(plan)).await?).await?;
    notices::tell_reviewers(tx, actor, plan.approval_group_id, row, |held| Notice::SubscriptionWaiting { held }).await
}

pub(super) fn profile_for(
    id: ProfileId,
    client: &client::Model,
    plan: plan_environment::Model,
    now: chrono::DateTime<chrono::Utc>,
) -> profile::Model {
    let name = match plan.environment {
        Environment::Sandbox => "sandbox",
        Environment::Production => "production",
    };
    profile::Model {
        id,
        team_id: client.team_id,
        client_id: client.id,
        name: name.to_owned(),
        environment: plan.environment,
        auth_method: plan.auth_method,
        issuer: plan.issuer,
        audience: plan.audience,
        allowed_methods: plan.allowed_methods,
        ip_allowlist: entities::columns::Strings::default(),
        policy_id: None,
        enabled: true,
        created_at: now,
        version: 1,
    }
}

/// What the audit log says of a new subscription.
pub(crate) fn described(entry: Audit, made: &Inserted) -> Audit {
    entry
        .set("subscription", made.subscription.id)
        .set("plan", made.subscription.plan_id)
        .set("subscriptionName", &made.subscription.name)
        .set("status", made.subscription.status)
        .set("phase", made.subscription.phase)
        .set("subscriptionClient", made.client.id)
}

/// Sandbox work starts at once: the credential for it is made along with the subscription.
pub(super) async fn sandbox_secret(
    tx: &Tx<'_>,
    actor: &Actor,
    plan: &plan::Model,
    profile: &profile::Model,
    claim: Option<&Claim>,
) -> Result<Option<Made>> {
    let Some(kind) = SecretKind::of(profile.auth_method) else { return Ok(None) };
    let (ctx, id) = (tx.ctx(), tx.ctx().env.id::<CredentialId>());
    let random = claim.map_or_else(|| ctx.env.random::<RANDOM_BYTES>(), |claim| claim.secret_bytes(ctx, id.0));
    let issued = credential::issue(kind, profile.environment, &random);
    let expires_at = held::lifetime_end(plan, tx.now());
    let details = Details { id, name: None, scopes: None, expires_at, created_by: actor.user_id() };
    let proof = Proof::Secret(issued);
    let credential = credentials::insert(tx, profile, details, &proof).await?;
    Ok(Some(Made { credential, secret: proof.into_secret() }))
}

/// The answer of the first run.
async fn subscribed_before(tx: &Tx<'_>, claim: &Claim, id: SubscriptionId) -> Result<Subscribed> {
    let subscription = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("subscription"))?;
    let client = client_of(tx.db(), id).await?;
    // The one that came with it is the client's first in the sandbox.
    let first = entities::credential::Entity::find()
        .filter(entities::credential::Column::ClientId.eq(client.id))
        .filter(entities::credential::Column::Environment.eq(Environment::Sandbox))
        .order_by_asc(entities::credential::Column::Id)
        .one(tx.db())
        .await?;
    let secret = match first {
        Some(first) => Some(credentials::shown_again(tx, claim, first.id).await?).filter(|made| made.secret.is_some()),
        None => None,
    };
    Ok(Subscribed { subscription, secret })
}

pub(crate) async fn client_of(db: &impl ConnectionTrait, id: SubscriptionId) -> Result<client::Model> {
    let found = client::Entity::find().filter(client::Column::SubscriptionId.eq(id)).one(db).await?;
    found.ok_or_else(|| DomainError::internal("a subscription has no client"))
}

pub(crate) async fn of_member(tx: &Tx<'_>, actor: &Actor, id: SubscriptionId) -> Result<Model> {
    with_right(tx, actor, id, MemberRight::ManageCredentials).await
}

async fn with_right(tx: &Tx<'_>, actor: &Actor, id: SubscriptionId, right: MemberRight) -> Result<Model> {
    let row = Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("subscription"))?;
    require_member(tx.db(), actor, row.team_id, right).await.map_err(|error| named(error, "subscription"))?;
    Ok(row)
}
