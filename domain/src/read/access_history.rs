//! What a team could do at an earlier moment: the rows of now, and the audit events since then undone by
//! `rules::access_history`.

mod events;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entities::{
    assignment, audit_event, client,
    columns::PlanScopes,
    credential,
    enums::CredentialStatus,
    id::{AuditEventId, PlanId, ProductId, TeamId},
    membership, plan, plan_environment, policy, profile, scope_grant, subscription, team,
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::request_log::{SLACK, first_id};
use crate::{
    Actor, Domain, DomainError, ProblemCode, Result,
    access::require_staff,
    audit::chain,
    rules::{
        access_history::{Client, Credential, Limits, Policy, Profile, Recipient, Snapshot, State, Subscription},
        credential::SecretKind,
        policy::{Access, StaffRight},
    },
};

/// Events that are read at once.
const BATCH: u64 = 1_000;

/// For staff who may read the audit log. Before the team was there, nobody could do anything.
pub async fn on(ctx: &Domain, actor: &Actor, id: TeamId, at: DateTime<Utc>) -> Result<Snapshot> {
    require_staff(actor, StaffRight::ReadAudit)?;
    if at > ctx.now() {
        return Err(DomainError::refused(ProblemCode::Invalid, "at", "at has to be a moment that has passed"));
    }
    let db = super::at_once(ctx).await?;
    let team = team::Entity::find_by_id(id).one(&db).await?.ok_or(DomainError::NotFound("team"))?;
    let mut state = now(&db, &team, at).await?;
    undo(&db, &mut state, at).await?;
    let mut snapshot = state.snapshot(at);
    snapshot.gaps.extend(lost(ctx, &db, at).await?.filter(|_| team.created_at <= at));
    db.rollback().await?;
    Ok(snapshot)
}

/// What retention took, where that reaches behind the moment.
async fn lost(ctx: &Domain, db: &impl ConnectionTrait, at: DateTime<Utc>) -> Result<Option<String>> {
    let Some(chain) = chain::state(ctx, db).await?.filter(|chain| chain.anchor.position > 0) else { return Ok(None) };
    let oldest = audit_event::Entity::find().filter(audit_event::Column::Position.gt(chain.anchor.position));
    let oldest = oldest.order_by_asc(audit_event::Column::Position).one(db).await?.map(|event| event.at);
    Ok(match oldest {
        Some(oldest) if oldest <= at => None,
        Some(oldest) => {
            Some(format!("The log is kept from {oldest} on: what changed between the two moments is not in it any more."))
        }
        None => Some("No event is kept any more: what changed since the moment is not known.".to_owned()),
    })
}

/// What holds now, of what was there at the moment already.
async fn now(db: &impl ConnectionTrait, team: &team::Model, at: DateTime<Utc>) -> Result<State> {
    let id = team.id;
    let mut state = State::new(id, team.tier_id);
    for row in membership::Entity::for_team(id).filter(membership::Column::JoinedAt.lte(at)).all(db).await? {
        state.members.insert(row.user_id, Access::of(&row));
    }
    let mut products = BTreeSet::new();
    for row in subscription::Entity::for_team(id).filter(subscription::Column::CreatedAt.lte(at)).all(db).await? {
        products.insert(row.product_id);
        let (plan, product, status, phase) = (row.plan_id, row.product_id, row.status, row.phase);
        state.subscriptions.insert(row.id, Subscription { plan, product, status, phase, scopes: BTreeSet::new() });
    }
    for row in scope_grant::Entity::for_team(id).filter(scope_grant::Column::GrantedAt.lte(at)).all(db).await? {
        if let Some(held) = state.subscriptions.get_mut(&row.subscription_id) {
            held.scopes.insert(row.scope);
        }
    }
    for row in client::Entity::for_team(id).filter(client::Column::CreatedAt.lte(at)).all(db).await? {
        let (subscription, enabled, policy) = (row.subscription_id, row.enabled, row.policy_id);
        state.clients.insert(row.id, Client { subscription, enabled, policy });
    }
    for row in profile::Entity::for_team(id).filter(profile::Column::CreatedAt.lte(at)).all(db).await? {
        let (client, environment, enabled, policy) = (row.client_id, row.environment, row.enabled, row.policy_id);
        state.profiles.insert(row.id, Profile { client, environment, enabled, policy, allowlist: row.ip_allowlist.to_vec() });
    }
    for row in credential::Entity::for_team(id).filter(credential::Column::CreatedAt.lte(at)).all(db).await? {
        state.credentials.insert(row.id, credential_at(&row, at));
    }
    assigned(db, &mut state, at).await?;
    limits(db, &mut state, products).await?;
    Ok(state)
}

/// Its end is in its row, and whether a secret was ever made; when that was, only its event says.
fn credential_at(row: &credential::Model, at: DateTime<Utc>) -> Credential {
    let never_claimed = SecretKind::of(row.kind).is_some() && row.masked.is_none();
    let status = match row.revoked_at {
        Some(revoked) if revoked <= at => CredentialStatus::Revoked,
        _ if never_claimed => CredentialStatus::Unclaimed,
        _ => CredentialStatus::Active,
    };
    let (client, environment, kind) = (row.client_id, row.environment, row.kind);
    Credential { client, environment, kind, status, created_at: row.created_at, expires_at: row.expires_at }
}

async fn assigned(db: &impl ConnectionTrait, state: &mut State, at: DateTime<Utc>) -> Result<()> {
    use assignment::Column as A;
    let here = Condition::any()
        .add(A::TierId.is_not_null())
        .add(A::TeamId.eq(state.team))
        .add(A::ClientId.is_in(state.clients.keys().map(|id| id.0)));
    let by_hand = assignment::Entity::find().filter(here).filter(A::SubscriptionId.is_null()).filter(A::Since.lte(at));
    for row in by_hand.all(db).await? {
        let to = row.tier_id.map(Recipient::Tier).or(row.team_id.map(Recipient::Team));
        if let Some(to) = to.or(row.client_id.map(Recipient::Client)) {
            state.assigned.insert((to, row.product_id));
        }
    }
    Ok(())
}

/// What all policies and the plans of these products say of calls.
async fn limits(db: &impl ConnectionTrait, state: &mut State, products: BTreeSet<ProductId>) -> Result<()> {
    for row in policy::Entity::find().all(db).await? {
        let limits = Limits { rate: row.rate_requests.zip(row.rate_window), quota: row.quota_requests.zip(row.quota_period) };
        state.policies.insert(row.id, Policy { enabled: row.enabled, limits });
    }
    let plans: Vec<(PlanId, PlanScopes)> = plan::Entity::find()
        .filter(plan::Column::ProductId.is_in(products))
        .select_only()
        .columns([plan::Column::Id, plan::Column::Scopes])
        .into_tuple()
        .all(db)
        .await?;
    let ids: Vec<PlanId> = plans.iter().map(|(id, _)| *id).collect();
    let named = plans.into_iter().flat_map(|(id, scopes)| scopes.0.into_iter().map(move |s| ((id, s.name), s.environments)));
    state.scopes.extend(named);
    for row in plan_environment::Entity::find().filter(plan_environment::Column::PlanId.is_in(ids)).all(db).await? {
        let limits = Limits { rate: row.rate_requests.zip(row.rate_window), quota: row.quota_requests.zip(row.quota_period) };
        state.plans.insert((row.plan_id, row.environment), limits);
    }
    Ok(())
}

/// Takes back what changed since, the newest first: the team's own events, and those of what teams share.
async fn undo(db: &impl ConnectionTrait, state: &mut State, at: DateTime<Utc>) -> Result<()> {
    use audit_event::Column as E;
    let shared = Condition::all().add(E::TeamId.is_null()).add(E::Action.is_in(events::SHARED.map(|action| action.as_str())));
    let since = audit_event::Entity::find()
        .filter(Condition::any().add(E::TeamId.eq(state.team)).add(shared))
        .filter(E::At.gt(at))
        .filter(E::Id.gte(AuditEventId(first_id(at - SLACK))))
        .order_by_desc(E::Position)
        .limit(BATCH);
    let mut last: Option<i64> = None;
    loop {
        let next = match last {
            Some(last) => since.clone().filter(E::Position.lt(last)),
            None => since.clone(),
        };
        let rows = next.all(db).await?;
        for row in &rows {
            for change in events::changes(row) {
                state.undo(change, at);
            }
        }
        last = rows.last().and_then(|row| row.position);
        if last.is_none() {
            return Ok(());
        }
    }
}
