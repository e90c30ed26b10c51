//! Moving a subscription to another plan of its product, with all that hangs on it.

use std::collections::HashMap;

use entities::{
    client,
    columns::Answers,
    enums::{Environment, RequestStatus, ScopeGrantKind},
    id::{PlanId, ProfileId, SubscriptionId, UserId},
    plan, plan_environment, profile, scope_grant,
    subscription::{Column, Entity, Model},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use super::{
    credentials::{self, Made},
    endings, plans, production, review_queue, scopes, submissions,
    subscriptions::{
        Subscribed, ask_for_approval, client_of, grant, level, locked_team, of_member_or_staff, offered, profile_for,
        room_for_one, sandbox_secret,
    },
};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result, Tx,
    access::require_somebody,
    audit::{Action, Audit},
    notices,
    read::lanes::standing,
    rules::{
        custom_property, expiry,
        notice::Notice,
        plan_change::{self, PlanChange, Terms},
        pricing,
        subscription::lane_locks,
    },
    tx::retrying,
    updates::Update,
};

/// A member or staff move a subscription. Where the new plan asks for approval first, the old one stays in force until then; to
/// move to the plan that is held takes the wish back.
pub async fn change(ctx: &Domain, actor: &Actor, id: SubscriptionId, to: PlanId) -> Result<Subscribed> {
    require_somebody(actor)?;
    retrying(|| change_once(ctx, actor, id, to)).await
}

async fn change_once(ctx: &Domain, actor: &Actor, id: SubscriptionId, to: PlanId) -> Result<Subscribed> {
    let tx = Tx::begin(ctx).await?;
    let (before, _) = of_member_or_staff(&tx, actor, id, false).await?;
    if to == before.plan_id {
        return stay(tx, actor, before).await;
    }
    let (plan, _) = offered(&tx, to).await?;
    if plan.product_id != before.product_id {
        let say = "is a plan of another product: subscribe to it instead";
        return Err(DomainError::refused(ProblemCode::Invalid, "planId", say));
    }
    let team = locked_team(&tx, before.team_id).await?.ok_or(DomainError::NotFound("subscription"))?;
    room_for_one(&tx, &plan, &team, Some(id)).await?;
    match plan_change::change(standing(&before), terms(&plan))? {
        PlanChange::Now { phase, awaits_payment } => {
            let place = Place { plan: &plan, phase, awaits_payment };
            let Applied { after, secret, fitted } = apply(&tx, actor, &before, place).await?;
            let from = plan::Entity::find_by_id(before.plan_id).one(tx.db()).await?.map(|plan| plan.name).unwrap_or_default();
            notices::tell_holders(&tx, actor, &after, |held| Notice::PlanChanged { held, from }).await?;
            tx.commit(fitted.noted(changed(actor, &before, &after))).await?;
            Ok(Subscribed { subscription: after, secret })
        }
        PlanChange::AwaitsApproval => {
            let after = wait(&tx, actor, &before, &plan).await?;
            tx.commit(changed(actor, &before, &after)).await?;
            Ok(Subscribed { subscription: after, secret: None })
        }
    }
}

/// A reviewer decides on a move that waits.
pub(super) async fn decide(
    tx: Tx<'_>,
    actor: &Actor,
    reviewer: UserId,
    (before, plan): (Model, plan::Model),
    approved: bool,
    notes: Option<String>,
) -> Result<Model> {
    let state = if approved { RequestStatus::Approved } else { RequestStatus::Declined };
    review_queue::settle(&tx, before.id.0, state, Some(reviewer)).await?;
    let (action, after, fitted) = if approved {
        let to = terms(&plan);
        let place =
            Place { plan: &plan, phase: plan_change::approved(to), awaits_payment: pricing::recurring(plan.pricing.model) };
        let Applied { after, fitted, .. } = apply(&tx, actor, &before, place).await?;
        let open = |held: &Model| lane_locks(standing(held), Environment::Production).is_empty();
        if open(&after) && !open(&before) {
            let client = client_of(tx.db(), after.id).await?;
            production::open(&tx, &client, None, &Answers::default()).await?;
        }
        (Action::SubscriptionApproved, after, Some(fitted))
    } else {
        let mut row = before.clone().into_active_model();
        row.pending_plan_id = Set(None);
        row.status_reason = Set(notes.clone());
        (Action::SubscriptionRejected, tx.update::<Entity>(row, Column::Version, before.version).await?, None)
    };
    let entry = Audit::of(actor, action, before.id).team(before.team_id).set("notes", &notes);
    let asked = Model { plan_id: plan.id, ..after.clone() };
    let notice = |held| match approved {
        true => Notice::SubscriptionApproved { held, notes },
        false => Notice::SubscriptionRejected { held, notes },
    };
    notices::tell_holders(&tx, actor, &asked, notice).await?;
    tx.announce(Update::Subscription(after.id));
    let entry = moved(entry, &before, &after);
    tx.commit(match fitted {
        Some(fitted) => fitted.noted(entry),
        None => entry,
    })
    .await?;
    Ok(after)
}

async fn stay(tx: Tx<'_>, actor: &Actor, before: Model) -> Result<Subscribed> {
    if before.pending_plan_id.is_none() {
        return Err(DomainError::refused(ProblemCode::AlreadyDone, "planId", "the subscription is to this plan already"));
    }
    review_queue::settle(&tx, before.id.0, RequestStatus::Withdrawn, None).await?;
    let mut row = before.clone().into_active_model();
    row.pending_plan_id = Set(None);
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    tx.announce(Update::Subscription(after.id));
    tx.commit(changed(actor, &before, &after)).await?;
    Ok(Subscribed { subscription: after, secret: None })
}

async fn wait(tx: &Tx<'_>, actor: &Actor, before: &Model, plan: &plan::Model) -> Result<Model> {
    review_queue::settle(tx, before.id.0, RequestStatus::Withdrawn, None).await?;
    let asked = Model { plan_id: plan.id, ..before.clone() };
    ask_for_approval(tx, actor, &asked, plan).await?;
    let mut row = before.clone().into_active_model();
    row.pending_plan_id = Set(Some(plan.id));
    tx.announce(Update::Subscription(before.id));
    tx.update::<Entity>(row, Column::Version, before.version).await
}

/// Where a subscription is moved to.
struct Place<'a> {
    plan: &'a plan::Model,
    phase: Option<entities::enums::PipelinePhase>,
    awaits_payment: bool,
}

/// A subscription under its new plan.
struct Applied {
    after: Model,
    secret: Option<Made>,
    fitted: Fitted,
}

/// What became another so that it fits the new plan, for the audit log.
#[derive(Default)]
struct Fitted {
    scopes: (Vec<String>, Vec<String>),
    closed: Vec<ProfileId>,
    opened: Vec<ProfileId>,
}

impl Fitted {
    fn noted(self, entry: Audit) -> Audit {
        let (before, after) = self.scopes;
        entry.change("scopes", before, after).set("profilesClosed", self.closed).set("profilesOpened", self.opened)
    }
}

/// The new plan is in force: its lanes, scopes, answers and end. What was asked for under the old one is closed.
async fn apply(tx: &Tx<'_>, actor: &Actor, before: &Model, to: Place<'_>) -> Result<Applied> {
    let Place { plan, phase, awaits_payment } = to;
    submissions::close_open(tx, before.id).await?;
    scopes::close_open(tx, before.id).await?;
    if before.pending_plan_id.is_some() {
        review_queue::settle(tx, before.id.0, RequestStatus::Withdrawn, None).await?;
    }
    let client = client_of(tx.db(), before.id).await?;
    let mut fitted = Fitted::default();
    let new_sandbox = fit_profiles(tx, &client, before.plan_id, plan, &mut fitted).await?;
    fitted.scopes = fit_scopes(tx, before, plan).await?;
    let mut row = before.clone().into_active_model();
    row.plan_id = Set(plan.id);
    row.pending_plan_id = Set(None);
    row.phase = Set(phase);
    row.changes_requested = Set(false);
    row.awaits_payment = Set(awaits_payment);
    row.custom_properties = Set(custom_property::carried_over(&plan.custom_properties, &before.custom_properties));
    row.expires_at = Set(endings::expiry(plan, tx.now()));
    row.expiry_warned_days = Set(plan.duration_days.and_then(expiry::warned_at_start));
    let after = tx.update::<Entity>(row, Column::Version, before.version).await?;
    endings::await_end(tx, &after).await?;
    let secret = match new_sandbox {
        Some(profile) => sandbox_secret(tx, actor, plan, &profile, None).await?,
        None => None,
    };
    tx.touch_gateway(crate::tx::Touch::Client(client.id));
    Ok(Applied { after, secret, fitted })
}

/// A profile for each of the new plan's environments: the same one where it authenticates alike, so that its credentials go on
/// working. Gives the sandbox's where its credentials are yet to be made.
async fn fit_profiles(
    tx: &Tx<'_>,
    client: &client::Model,
    from: PlanId,
    to: &plan::Model,
    fitted: &mut Fitted,
) -> Result<Option<profile::Model>> {
    let had: Vec<_> = plans::environments(tx.db(), from).await?.into_iter().map(|e| e.environment).collect();
    // The plan's own come first; others were made by hand.
    let rows = profile::Entity::find().filter(profile::Column::ClientId.eq(client.id)).order_by_asc(profile::Column::Id);
    let mut of_plan: HashMap<Environment, profile::Model> = HashMap::new();
    for row in rows.all(tx.db()).await? {
        of_plan.entry(row.environment).or_insert(row);
    }
    let mut new_sandbox = None;
    for wanted in plans::environments(tx.db(), to.id).await? {
        let environment = wanted.environment;
        let (profile, is_new) = match of_plan.remove(&environment) {
            Some(row) => {
                let back = !had.contains(&environment);
                // Subjects mean something at their own issuer only.
                let other = row.auth_method != wanted.auth_method || row.issuer != wanted.issuer;
                if other {
                    credentials::revoke_of_profile(tx, &row).await?;
                }
                fitted.opened.extend((back && !row.enabled).then_some(row.id));
                (fit(tx, row, &wanted, back).await?, back || other)
            }
            None => (tx.insert(profile_for(tx.ctx().env.id(), client, wanted, tx.now())).await?, true),
        };
        if is_new && environment == Environment::Sandbox {
            new_sandbox = Some(profile);
        }
    }
    for (_, left) in of_plan.into_iter().filter(|(environment, _)| had.contains(environment)) {
        credentials::revoke_of_profile(tx, &left).await?;
        fitted.closed.extend(left.enabled.then_some(left.id));
        let (mut row, version) = (left.clone().into_active_model(), left.version);
        row.enabled = Set(false);
        tx.update::<profile::Entity>(row, profile::Column::Version, version).await?;
    }
    Ok(new_sandbox)
}

/// `back`: the environment was closed by an earlier move.
async fn fit(tx: &Tx<'_>, held: profile::Model, wanted: &plan_environment::Model, back: bool) -> Result<profile::Model> {
    let (mut row, version) = (held.clone().into_active_model(), held.version);
    row.auth_method = Set(wanted.auth_method);
    row.issuer = Set(wanted.issuer.clone());
    row.audience = Set(wanted.audience.clone());
    row.allowed_methods = Set(wanted.allowed_methods.clone());
    row.enabled = Set(held.enabled || back);
    tx.update::<profile::Entity>(row, profile::Column::Version, version).await
}

/// Grants that the new plan does not know end; those it gives to all are added. Gives those before and after it.
async fn fit_scopes(tx: &Tx<'_>, held: &Model, to: &plan::Model) -> Result<(Vec<String>, Vec<String>)> {
    let known: Vec<_> = to.scopes.iter().map(|scope| scope.name.as_str()).collect();
    let of_subscription = || scope_grant::Column::SubscriptionId.eq(held.id);
    let rows = scope_grant::Entity::find().filter(of_subscription()).order_by_asc(scope_grant::Column::Id);
    let before: Vec<String> = rows.all(tx.db()).await?.into_iter().map(|grant| grant.scope).collect();
    let mut after: Vec<String> = before.iter().filter(|scope| known.contains(&scope.as_str())).cloned().collect();
    let gone = scope_grant::Entity::delete_many().filter(of_subscription());
    gone.filter(scope_grant::Column::Scope.is_not_in(known)).exec(tx.db()).await?;
    for scope in to.scopes.iter().filter(|scope| scope.grant == ScopeGrantKind::Default) {
        if !after.contains(&scope.name) {
            grant(tx, held, &scope.name).await?;
            after.push(scope.name.clone());
        }
    }
    Ok((before, after))
}

fn terms(plan: &plan::Model) -> Terms {
    Terms { approval: level(plan), pricing: plan.pricing.model, has_sandbox: plan.has_sandbox }
}

fn changed(actor: &Actor, before: &Model, after: &Model) -> Audit {
    moved(Audit::of(actor, Action::SubscriptionPlanChanged, after.id).team(after.team_id), before, after)
}

fn moved(entry: Audit, before: &Model, after: &Model) -> Audit {
    entry
        .change("plan", before.plan_id, after.plan_id)
        .change("pendingPlan", before.pending_plan_id, after.pending_plan_id)
        .change("phase", before.phase, after.phase)
        .change("expiresAt", before.expires_at, after.expires_at)
}
