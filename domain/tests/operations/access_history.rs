//! What a team could do at any moment of a random history is what the ordinary reads said then.

mod walk;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Actor, Domain,
    actor::Origin,
    ops::retention,
    read::{access_history, clients, subscriptions},
    rules::{
        access_history::{ClientAccess, CredentialAccess, Limits, Snapshot, SubscriptionAccess},
        credential::state_at,
        policy::Access,
    },
};
use entities::{
    assignment, client, credential,
    enums::{CredentialStatus, Environment, PipelinePhase, StaffRole},
    id::{ClientId, ProductId, SubscriptionId, TeamId, TypedId, UserId},
    membership, plan_environment, policy, portal, profile, subscription,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use self::walk::Walk;
use crate::fixture::{Fixture, start};

const STEPS: usize = 600;
const MOMENTS: usize = 1_000;

fn staff(role: StaffRole) -> Actor {
    Actor::user(UserId(Uuid::nil()), Some(role), Origin::default())
}

async fn on(ctx: &Domain, team: TeamId, at: DateTime<Utc>) -> Snapshot {
    access_history::on(ctx, &staff(StaffRole::Auditor), team, at).await.unwrap()
}

/// What ordinary reads say of a team now. Credentials end by themselves: which of them work is asked for a moment.
struct Recorded {
    members: Vec<(UserId, Access)>,
    subscriptions: Vec<(subscription::Model, Vec<String>, Vec<ProductId>)>,
    clients: Vec<(client::Model, Vec<ProductId>, Limits, Vec<String>)>,
    credentials: Vec<credential::Model>,
}

impl Recorded {
    async fn now(ctx: &Domain, team: TeamId) -> Self {
        let mut members: Vec<_> = membership::Entity::for_team(team).all(&ctx.db).await.unwrap();
        members.sort_by_key(|row| row.user_id);
        let held: Vec<subscription::Model> =
            subscription::Entity::for_team(team).order_by_asc(subscription::Column::Id).all(&ctx.db).await.unwrap();
        let grants = subscriptions::grants_of(ctx, &held.iter().map(|row| row.id).collect::<Vec<_>>()).await.unwrap();
        let given =
            assignment::Entity::find().filter(assignment::Column::SubscriptionId.is_not_null()).all(&ctx.db).await.unwrap();
        let of_subscription = |row: subscription::Model| {
            let mut scopes: Vec<_> = grants.get(&row.id).into_iter().flatten().map(|grant| grant.scope.clone()).collect();
            scopes.sort();
            let products = given.iter().filter(|a| a.subscription_id == Some(row.id)).map(|a| a.product_id).collect();
            (row, scopes, products)
        };
        let rows = client::Entity::for_team(team).order_by_asc(client::Column::Id).all(&ctx.db).await.unwrap();
        let ids: Vec<ClientId> = rows.iter().map(|row| row.id).collect();
        let products = clients::products_of(ctx, &ids).await.unwrap();
        let profiles = clients::profiles_of(ctx, &ids).await.unwrap();
        let mut of_clients = Vec::new();
        for row in rows {
            let mut products: Vec<_> = products[&row.id].iter().map(|product| product.id).collect();
            products.sort();
            let profiles = profiles.get(&row.id).map(Vec::as_slice).unwrap_or_default();
            let subscription = held.iter().find(|held| Some(held.id) == row.subscription_id);
            let (limits, allowlist) = of_furthest(ctx, &row, subscription, profiles).await;
            of_clients.push((row, products, limits, allowlist));
        }
        Self {
            members: members.iter().map(|row| (row.user_id, Access::of(row))).collect(),
            subscriptions: held.clone().into_iter().map(of_subscription).collect(),
            clients: of_clients,
            credentials: credential::Entity::for_team(team).order_by_asc(credential::Column::Id).all(&ctx.db).await.unwrap(),
        }
    }

    fn at(&self, at: DateTime<Utc>) -> Snapshot {
        let credentials = |id: ClientId| -> Vec<CredentialAccess> {
            let works = |row: &&credential::Model| state_at(row.status, row.expires_at, at) == CredentialStatus::Active;
            let of_client = self.credentials.iter().filter(|row| row.client_id == id).filter(works);
            let access = |row: &credential::Model| CredentialAccess {
                id: row.id,
                environment: row.environment,
                kind: row.kind,
                issued_at: row.created_at,
            };
            of_client.map(access).collect()
        };
        let client_of = |id: SubscriptionId| self.clients.iter().find(|(row, ..)| row.subscription_id == Some(id)).unwrap().0.id;
        let subscriptions = self.subscriptions.iter().map(|(row, scopes, products)| SubscriptionAccess {
            id: row.id,
            status: row.status,
            phase: row.phase,
            scopes: scopes.clone(),
            credentials: credentials(client_of(row.id)),
            products: products.clone(),
        });
        let clients = self.clients.iter().map(|(row, products, limits, allowlist)| ClientAccess {
            id: row.id,
            enabled: row.enabled,
            products: products.clone(),
            credentials: credentials(row.id),
            limits: *limits,
            allowlist: allowlist.clone(),
        });
        let (subscriptions, clients) = (subscriptions.collect(), clients.collect());
        Snapshot { members: self.members.clone(), subscriptions, clients, gaps: Vec::new() }
    }
}

/// Limits and addresses of the environment that a client is furthest in.
async fn of_furthest(
    ctx: &Domain,
    row: &client::Model,
    held: Option<&subscription::Model>,
    profiles: &[profile::Model],
) -> (Limits, Vec<String>) {
    let open = held.is_none_or(|held| held.phase.is_none_or(|phase| phase == PipelinePhase::Production));
    let wanted = if open { Environment::Production } else { Environment::Sandbox };
    let Some(profile) = profiles.iter().find(|profile| profile.environment == wanted).or(profiles.first()) else {
        return (policy_of(ctx, row.policy_id).await.unwrap_or_default(), Vec::new());
    };
    let plan = match held {
        Some(held) => plan_environment::Entity::find()
            .filter(plan_environment::Column::PlanId.eq(held.plan_id))
            .filter(plan_environment::Column::Environment.eq(profile.environment))
            .one(&ctx.db)
            .await
            .unwrap(),
        None => None,
    };
    let plan =
        plan.map(|row| Limits { rate: row.rate_requests.zip(row.rate_window), quota: row.quota_requests.zip(row.quota_period) });
    let limits = policy_of(ctx, profile.policy_id).await.or(policy_of(ctx, row.policy_id).await).or(plan);
    (limits.unwrap_or_default(), profile.ip_allowlist.to_vec())
}

async fn policy_of(ctx: &Domain, id: Option<entities::id::PolicyId>) -> Option<Limits> {
    let row = policy::Entity::find_by_id(id?).one(&ctx.db).await.unwrap().unwrap();
    let limits = Limits { rate: row.rate_requests.zip(row.rate_window), quota: row.quota_requests.zip(row.quota_period) };
    row.enabled.then_some(limits)
}

#[tokio::test]
async fn every_moment_of_a_random_history_is_known() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let mut walk = Walk::begin(ctx, 0).await;
        let mut history: BTreeMap<DateTime<Utc>, Vec<(TeamId, Recorded)>> = BTreeMap::new();
        for _ in 0..STEPS {
            let pause = walk.pause();
            fixture.clock.advance(pause);
            walk.step(ctx).await;
            let mut recorded = Vec::new();
            for team in walk.teams() {
                recorded.push((team, Recorded::now(ctx, team).await));
            }
            history.insert(ctx.now(), recorded);
        }
        walk.has_done_everything();
        let mut rng = StdRng::seed_from_u64(1);
        let whole = (ctx.now() - start()).num_milliseconds();
        for _ in 0..MOMENTS {
            let at = start() + TimeDelta::milliseconds(rng.random_range(0..=whole));
            let Some((_, then)) = history.range(..=at).next_back() else { continue };
            let (team, recorded) = &then[rng.random_range(0..then.len())];
            assert_eq!(on(ctx, *team, at).await, recorded.at(at), "at {at}");
        }
        // The very moment of a change has it already.
        for (at, then) in history.iter().step_by(25) {
            for (team, recorded) in then {
                assert_eq!(on(ctx, *team, *at).await, recorded.at(*at), "at {at}");
            }
        }
    }
}

#[tokio::test]
async fn what_the_log_does_not_say_is_told() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let mut walk = Walk::begin(ctx, 3).await;
        for _ in 0..60 {
            fixture.clock.advance(TimeDelta::hours(1));
            walk.step(ctx).await;
        }
        let team = walk.teams()[0];
        let early = start() + TimeDelta::hours(10);
        assert_eq!(on(ctx, team, early).await.gaps, [""; 0]);
        let days = portal::ActiveModel { id: Set(1), audit_days: Set(Some(1)), ..Default::default() };
        days.update(&ctx.db).await.unwrap();
        fixture.clock.advance(TimeDelta::hours(1));
        assert!(retention::prune(ctx).await.unwrap().audit_events > 0);
        let gaps = on(ctx, team, early).await.gaps;
        assert!(gaps.len() == 1 && gaps[0].starts_with("The log is kept from 2026-01-03"), "{gaps:?}");
        assert_eq!(on(ctx, team, ctx.now()).await.gaps, [""; 0]);
    }
}

#[tokio::test]
async fn an_event_of_an_earlier_version_is_read_with_care() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let mut walk = Walk::begin(ctx, 4).await;
        fixture.clock.advance(TimeDelta::hours(1));
        let before = ctx.now();
        fixture.clock.advance(TimeDelta::hours(1));
        let (team, left) = walk.member_leaves(ctx, &fixture.clock).await;
        let known = on(ctx, team, before).await;
        assert!(known.members.iter().all(|(user, _)| *user != left));
        // It came and went after that moment; the older event says only that it went, but the log that it came.
        forget(ctx, "member.removed", &["joinedAt"]).await;
        assert_eq!(on(ctx, team, before).await, known);
        // Where the log does not say that either, the answer says so.
        forget_all(ctx, "invitation.accepted").await;
        let unsure = on(ctx, team, before).await;
        assert_eq!(unsure.gaps.len(), 1);
        assert!(unsure.gaps[0].contains(&left.to_string()), "{:?}", unsure.gaps);
    }
}

/// Takes members out of what events of this action say.
async fn forget(ctx: &Domain, action: &str, members: &[&str]) {
    use entities::audit_event::{Column, Entity};
    let off: &str = match ctx.db.get_database_backend() {
        sea_orm::DatabaseBackend::Postgres => "alter table audit_events disable trigger all",
        _ => "drop trigger if exists audit_events_stay",
    };
    ctx.db.execute_unprepared(off).await.unwrap();
    for row in Entity::find().filter(Column::Action.eq(action)).all(&ctx.db).await.unwrap() {
        let mut changes = row.changes.clone();
        for member in members {
            changes.as_object_mut().unwrap().remove(*member);
        }
        let row = entities::audit_event::ActiveModel { id: Set(row.id), changes: Set(changes), ..Default::default() };
        row.update(&ctx.db).await.unwrap();
    }
}

async fn forget_all(ctx: &Domain, action: &str) {
    let statement = format!("update audit_events set action = 'unknown' where action = '{action}'");
    ctx.db.execute_unprepared(&statement).await.unwrap();
}

#[tokio::test]
async fn who_may_ask_and_for_which_moments() {
    let fixture = Fixture::sqlite().await;
    let ctx = &fixture.ctx;
    let walk = Walk::begin(ctx, 5).await;
    let team = walk.teams()[0];
    for role in [StaffRole::Owner, StaffRole::Admin, StaffRole::Auditor] {
        access_history::on(ctx, &staff(role), team, ctx.now()).await.unwrap();
    }
    for role in [StaffRole::Editor, StaffRole::Reviewer, StaffRole::Viewer] {
        access_history::on(ctx, &staff(role), team, ctx.now()).await.unwrap_err();
    }
    let auditor = staff(StaffRole::Auditor);
    access_history::on(ctx, &walk.founder(), team, ctx.now()).await.unwrap_err();
    access_history::on(ctx, &Actor::nobody(Origin::default()), team, ctx.now()).await.unwrap_err();
    let ahead = access_history::on(ctx, &auditor, team, ctx.now() + TimeDelta::seconds(1)).await.unwrap_err();
    assert_eq!(ahead.to_string(), "at has to be a moment that has passed");
    access_history::on(ctx, &auditor, TeamId::from_uuid(Uuid::nil()), ctx.now()).await.unwrap_err();
    let empty = Snapshot { members: Vec::new(), subscriptions: Vec::new(), clients: Vec::new(), gaps: Vec::new() };
    assert_eq!(on(ctx, team, start() - TimeDelta::days(1)).await, empty);
}
