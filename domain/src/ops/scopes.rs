//! Scopes beyond those that come with a plan: asked for, granted, taken back. A grant is in force for the credentials that a
//! subscription has already.

use entities::{
    columns::PlanScope,
    enums::{QueueKind, RequestStatus, SubscriptionStatus},
    id::{ScopeGrantId, ScopeRequestId, SubscriptionId},
    plan, scope_grant,
    scope_request::{Column, Entity, Model},
    subscription,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::{
    credentials::named,
    review_queue,
    subscriptions::{client_of, of_member},
};
use crate::{
    Actor, Domain, DomainError, Problem, ProblemCode, Result, Tx,
    access::{require_member, require_reviewer, require_somebody, require_staff},
    audit::{Action, Audit},
    error::Problems,
    notices,
    rules::{
        notice::Notice,
        policy::{MemberRight, StaffRight},
        request::{self, Decision},
        scope,
        subscription::is_final,
        text,
    },
    tx::{Touch, retrying},
    updates::Update,
};

const REASON_MAX: usize = 2000;

/// A member asks for scopes that the plan offers: all of them, or none. OPTIONAL ones need no reason, RESTRICTED ones do.
pub async fn request(
    ctx: &Domain,
    actor: &Actor,
    id: SubscriptionId,
    scopes: &[String],
    reason: Option<&str>,
) -> Result<Vec<Model>> {
    require_somebody(actor)?;
    let reason = text::prose("reason", reason, REASON_MAX)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let held = of_member(&tx, actor, id).await?;
        // One at a time, so that a scope is not asked for twice at once.
        tx.alone("scopes of", id).await?;
        let plan = plan_of(tx.db(), &held).await?;
        if is_final(held.status) || held.status == SubscriptionStatus::Suspended {
            let say = format!("scopes cannot be requested while the subscription is {}", text::word(held.status));
            return Err(DomainError::refused(ProblemCode::WrongState, "subscriptionId", say));
        }
        let asked = check(&tx, &held, &plan, scopes, reason.as_deref()).await?;
        let due_at = review_queue::due(&tx, plan.approval).await?;
        let by = actor.signed_in()?;
        let mut rows = Vec::new();
        for scope in &asked {
            let row = Model {
                id: ctx.env.id(),
                subscription_id: id,
                team_id: held.team_id,
                scope: scope.name.clone(),
                reason: reason.clone(),
                status: RequestStatus::Pending,
                requested_by: by,
                requested_at: tx.now(),
                decided_by: None,
                decided_at: None,
                notes: None,
                version: 1,
            };
            let row = tx.insert(row).await?;
            let (kind, reason) = (QueueKind::Scope, reason.clone());
            let item = review_queue::Request { kind, subject: row.id.0, team: held.team_id, plan: Some(&plan), by, reason };
            review_queue::open(&tx, item, due_at).await?;
            rows.push(row);
        }
        let names: Vec<_> = rows.iter().map(|row| row.scope.clone()).collect();
        let asked = |held| Notice::ScopesRequested { held, scopes: names.clone(), reason: reason.clone() };
        notices::tell_reviewers(&tx, actor, plan.approval_group_id, &held, asked).await?;
        let entry = Audit::of(actor, Action::ScopesRequested, id).team(held.team_id);
        tx.announce(Update::Subscription(id));
        tx.commit(entry.set("scopes", &names).set("reason", &reason)).await?;
        Ok(rows)
    })
    .await
}

async fn check(
    tx: &Tx<'_>,
    held: &subscription::Model,
    plan: &plan::Model,
    asked: &[String],
    reason: Option<&str>,
) -> Result<Vec<PlanScope>> {
    let granted = scope_grant::Entity::find().filter(scope_grant::Column::SubscriptionId.eq(held.id)).all(tx.db()).await?;
    let waiting = Entity::find().filter(Column::SubscriptionId.eq(held.id)).filter(Column::Status.eq(RequestStatus::Pending));
    let waiting = waiting.all(tx.db()).await?;
    let mut problems = Problems::default();
    if asked.is_empty() {
        problems.add(ProblemCode::Required, "scopes", "name the scopes that are wanted");
    }
    let mut wanted = Vec::new();
    for (i, name) in asked.iter().enumerate() {
        let facts = scope::Asked {
            offered: plan.scopes.iter().find(|scope| scope.name == *name),
            granted: granted.iter().any(|grant| grant.scope == *name),
            waiting: waiting.iter().any(|request| request.scope == *name) || asked[..i].contains(name),
            reason: reason.is_some(),
        };
        if let Some(scope) = problems.take(scope::may_ask(&format!("scopes.{i}"), facts)) {
            wanted.push(scope.clone());
        }
    }
    problems.into_result()?;
    Ok(wanted)
}

/// A member takes a request back.
pub async fn withdraw(ctx: &Domain, actor: &Actor, id: ScopeRequestId) -> Result<Model> {
    require_somebody(actor)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = load(&tx, id).await?;
        let allowed = require_member(tx.db(), actor, before.team_id, MemberRight::ManageCredentials).await;
        allowed.map_err(|error| named(error, "scope request"))?;
        let after = settle(&tx, actor, &before, Decision::Withdraw, None).await?;
        let entry = Audit::of(actor, Action::ScopeRequestWithdrawn, id).team(before.team_id).set("scope", &before.scope);
        tx.commit(entry.change("status", before.status, after.status)).await?;
        Ok(after)
    })
    .await
}

pub async fn approve(ctx: &Domain, actor: &Actor, id: ScopeRequestId, notes: Option<&str>) -> Result<Model> {
    decide(ctx, actor, id, notes, Decision::Approve).await
}

pub async fn decline(ctx: &Domain, actor: &Actor, id: ScopeRequestId, notes: Option<&str>) -> Result<Model> {
    decide(ctx, actor, id, notes, Decision::Decline).await
}

async fn decide(ctx: &Domain, actor: &Actor, id: ScopeRequestId, notes: Option<&str>, decision: Decision) -> Result<Model> {
    require_staff(actor, StaffRight::Review)?;
    let notes = text::prose("notes", notes, REASON_MAX)?;
    retrying(async || {
        let tx = Tx::begin(ctx).await?;
        let before = load(&tx, id).await?;
        let held = held(tx.db(), before.subscription_id).await?;
        let plan = plan_of(tx.db(), &held).await?;
        require_reviewer(tx.db(), actor, plan.approval_group_id, before.team_id).await?;
        let after = settle(&tx, actor, &before, decision, notes.clone()).await?;
        let (scope, said) = (before.scope.clone(), notes.clone());
        let notice = |held| match decision {
            Decision::Approve => Notice::ScopeApproved { held, scope, notes: said },
            Decision::Decline | Decision::Withdraw => Notice::ScopeDeclined { held, scope, notes: said },
        };
        notices::tell_holders(&tx, actor, &held, notice).await?;
        let action = match decision {
            Decision::Approve => {
                grant(&tx, actor, &held, &plan, &before.scope).await?;
                Action::ScopeApproved
            }
            Decision::Decline => Action::ScopeDeclined,
            Decision::Withdraw => Action::ScopeRequestWithdrawn,
        };
        let entry = Audit::of(actor, action, id).team(before.team_id).set("subscription", held.id).set("scope", &before.scope);
        tx.commit(entry.change("status", before.status, after.status).set("notes", &notes)).await?;
        Ok(after)
    })
    .await
}

/// Staff take a scope back; calls that need it are refused within a second.
pub async fn revoke(
    ctx: &Domain,
    actor: &Actor,
    id: SubscriptionId,
    scope: &str,
    notes: Option<&str>,
) -> Result<subscription::Model> {
    require_staff(actor, StaffRight::Review)?;
    let notes = text::prose("notes", notes, REASON_MAX)?;
    let tx = Tx::begin(ctx).await?;
    let held = held(tx.db(), id).await?;
    let plan = plan_of(tx.db(), &held).await?;
    require_reviewer(tx.db(), actor, plan.approval_group_id, held.team_id).await?;
    take_back(&tx, &held, scope).await?;
    let (taken, said) = (scope.to_owned(), notes.clone());
    let revoked = |held| Notice::ScopeRevoked { held, scope: taken, notes: said };
    notices::tell_holders(&tx, actor, &held, revoked).await?;
    let entry = Audit::of(actor, Action::ScopeRevoked, id).team(held.team_id);
    tx.commit(entry.change("scope", scope, ()).set("notes", &notes)).await?;
    Ok(held)
}

/// A member gives a scope up.
pub async fn renounce(ctx: &Domain, actor: &Actor, id: SubscriptionId, scope: &str) -> Result<subscription::Model> {
    require_somebody(actor)?;
    let tx = Tx::begin(ctx).await?;
    let held = of_member(&tx, actor, id).await?;
    take_back(&tx, &held, scope).await?;
    tx.commit(Audit::of(actor, Action::ScopeRenounced, id).team(held.team_id).change("scope", scope, ())).await?;
    Ok(held)
}

/// Closes the requests of a subscription that ends.
pub(super) async fn close_open(tx: &Tx<'_>, id: SubscriptionId) -> Result<()> {
    let open = Entity::find().filter(Column::SubscriptionId.eq(id)).filter(Column::Status.eq(RequestStatus::Pending));
    for before in open.all(tx.db()).await? {
        let mut row = before.clone().into_active_model();
        row.status = Set(RequestStatus::Withdrawn);
        row.decided_at = Set(Some(tx.now()));
        tx.update::<Entity>(row, Column::Version, before.version).await?;
        review_queue::settle(tx, before.id.0, RequestStatus::Withdrawn, None).await?;
    }
    Ok(())
}

async fn settle(tx: &Tx<'_>, actor: &Actor, before: &Model, decision: Decision, notes: Option<String>) -> Result<Model> {
    let status = request::decide(before.status, decision)?;
    let decider = actor.user_id().filter(|_| decision != Decision::Withdraw);
    let mut row = before.clone().into_active_model();
    row.status = Set(status);
    row.decided_by = Set(decider);
    row.decided_at = Set(Some(tx.now()));
    row.notes = Set(notes);
    review_queue::settle(tx, before.id.0, status, decider).await?;
    tx.announce(Update::Subscription(before.subscription_id));
    tx.update::<Entity>(row, Column::Version, before.version).await
}

async fn grant(tx: &Tx<'_>, actor: &Actor, held: &subscription::Model, plan: &plan::Model, scope: &str) -> Result<()> {
    if is_final(held.status) || !plan.scopes.iter().any(|offered| offered.name == scope) {
        let say = "the plan does not offer this scope any more: decline the request";
        return Err(DomainError::refused(ProblemCode::WrongState, "scopeRequestId", say));
    }
    tx.insert(scope_grant::Model {
        id: tx.ctx().env.id::<ScopeGrantId>(),
        subscription_id: held.id,
        team_id: held.team_id,
        scope: scope.to_owned(),
        granted_at: tx.now(),
        granted_by: actor.user_id(),
    })
    .await?;
    tx.touch_gateway(Touch::Client(client_of(tx.db(), held.id).await?.id));
    Ok(())
}

async fn take_back(tx: &Tx<'_>, held: &subscription::Model, scope: &str) -> Result<()> {
    let gone = scope_grant::Entity::delete_many()
        .filter(scope_grant::Column::SubscriptionId.eq(held.id))
        .filter(scope_grant::Column::Scope.eq(scope))
        .exec(tx.db())
        .await?;
    if gone.rows_affected == 0 {
        let say = format!("the subscription does not hold {scope}");
        return Err(Problem::new(ProblemCode::NotFound, "scope", say).into());
    }
    tx.touch_gateway(Touch::Client(client_of(tx.db(), held.id).await?.id));
    Ok(())
}

async fn load(tx: &Tx<'_>, id: ScopeRequestId) -> Result<Model> {
    Entity::find_by_id(id).one(tx.db()).await?.ok_or(DomainError::NotFound("scope request"))
}

async fn held(db: &impl ConnectionTrait, id: SubscriptionId) -> Result<subscription::Model> {
    subscription::Entity::find_by_id(id).one(db).await?.ok_or(DomainError::NotFound("subscription"))
}

async fn plan_of(db: &impl ConnectionTrait, held: &subscription::Model) -> Result<plan::Model> {
    plan::Entity::find_by_id(held.plan_id).one(db).await?.ok_or(DomainError::NotFound("plan"))
}
