//! The snapshot follows the database, by deltas and from the start, and goes back with it alone.

use std::time::{Duration, Instant};

use domain::{
    Domain, Tx,
    rules::{limits::Limits, view::View},
    snapshot::Live,
    tx::{Touch, Unaudited},
};
use entities::{
    assignment, client, credential,
    enums::{CredentialStatus, DenialReason, Environment, ProductStatus, SubscriptionStatus},
    gateway_change, gateway_revision, plan_environment, policy, product, profile, scope_grant, subscription, team, tier,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use secrecy::ExposeSecret;

use crate::{
    fixture::Fixture,
    gateway::{Seeded, call, put, seed, seed_key, seed_product},
};

/// Waits until what is committed is decided on; the clock of tests does not move by itself, this one does.
async fn caught_up(ctx: &Domain, live: &Live) {
    let revision = gateway_revision::Entity::find_by_id(1).one(&ctx.db).await.unwrap().unwrap().revision;
    let begun = Instant::now();
    while live.applied_revision() < revision {
        assert!(begun.elapsed() < Duration::from_secs(20), "revision {revision} is not applied");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn changed(ctx: &Domain, live: &Live, what: Touch, change: impl AsyncFnOnce(&Tx<'_>)) {
    let tx = Tx::begin(ctx).await.unwrap();
    change(&tx).await;
    tx.touch_gateway(what);
    tx.commit_unaudited(Unaudited::Mark).await.unwrap();
    caught_up(ctx, live).await;
}

macro_rules! set {
    ($tx:expr, $entity:ident, $column:ident = $value:expr, $key:ident = $id:expr) => {
        $entity::Entity::update_many()
            .col_expr($entity::Column::$column, Expr::val($value))
            .filter($entity::Column::$key.eq($id))
            .exec($tx.db())
            .await
            .map(|_| ())
            .unwrap()
    };
}

fn denied(ctx: &Domain, live: &Live, key: &str) -> Option<DenialReason> {
    call(ctx, live, key).err().map(|denial| denial.reason)
}

#[tokio::test]
async fn what_is_loaded_decides() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let seeded = seed(ctx).await;
        let live = Live::start(ctx.clone()).await.unwrap();
        let admitted = call(ctx, &live, &seeded.key).unwrap();
        assert_eq!(admitted.client.id, seeded.client);
        assert_eq!((admitted.profile().id, admitted.credential().unwrap().id), (seeded.profile, seeded.credential));
        let upstream = admitted.upstream().unwrap();
        assert_eq!(upstream.url.as_ref().unwrap().as_str(), "http://upstream.test/api");
        assert_eq!((&*upstream.headers[0].0, upstream.headers[0].1.expose_secret()), ("authorization", "Bearer upstream"));
        assert_eq!(upstream.timeout, Duration::from_secs(1));
        assert_eq!(admitted.scopes().collect::<Vec<_>>(), ["read"]);
        assert_eq!((admitted.limits.rate.unwrap().requests, admitted.limits.quota.unwrap().requests), (100, 1_000));
    }
}

#[tokio::test]
async fn every_kind_of_change_is_followed() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let live = Live::start(ctx.clone()).await.unwrap();
        let seeded = seed(ctx).await;
        caught_up(ctx, &live).await;
        assert_eq!(denied(ctx, &live, &seeded.key), None);
        follow_client(ctx, &live, &seeded).await;
        follow_catalog(ctx, &live, &seeded).await;
        follow_assignments(ctx, &live, &seeded).await;
    }
}

/// As a copy from before does that takes the database's place: what changes on it is not behind what was applied.
#[tokio::test]
async fn a_database_that_goes_back_is_followed_and_so_is_what_changes_on_it() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let live = Live::start(ctx.clone()).await.unwrap();
        let seeded = seed(ctx).await;
        for enabled in [true, false] {
            let touch = Touch::Client(seeded.client);
            changed(ctx, &live, touch, async |tx| set!(tx, client, Enabled = enabled, Id = seeded.client)).await;
        }
        let applied = live.applied_revision();
        let tx = Tx::begin(ctx).await.unwrap();
        set!(tx, client, Enabled = true, Id = seeded.client);
        set!(tx, gateway_revision, Revision = 0_i64, Id = 1);
        gateway_change::Entity::delete_many().exec(tx.db()).await.unwrap();
        tx.commit_unaudited(Unaudited::Mark).await.unwrap();
        let begun = Instant::now();
        while live.applied_revision() <= applied || denied(ctx, &live, &seeded.key).is_some() {
            assert!(begun.elapsed() < Duration::from_secs(20), "it is not followed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let touch = Touch::Client(seeded.client);
        changed(ctx, &live, touch, async |tx| set!(tx, client, Enabled = false, Id = seeded.client)).await;
        assert_eq!(denied(ctx, &live, &seeded.key), Some(DenialReason::ClientDisabled));
    }
}

async fn follow_client(ctx: &Domain, live: &Live, seeded: &Seeded) {
    let touch = Touch::Client(seeded.client);
    for (enabled, expected) in [(false, Some(DenialReason::ClientDisabled)), (true, None)] {
        changed(ctx, live, touch, async |tx| set!(tx, client, Enabled = enabled, Id = seeded.client)).await;
        assert_eq!(denied(ctx, live, &seeded.key), expected);
    }
    for (enabled, expected) in [(false, Some(DenialReason::ProfileDisabled)), (true, None)] {
        changed(ctx, live, touch, async |tx| set!(tx, profile, Enabled = enabled, Id = seeded.profile)).await;
        assert_eq!(denied(ctx, live, &seeded.key), expected);
    }
    for (status, expected) in
        [(SubscriptionStatus::Suspended, Some(DenialReason::SubscriptionInactive)), (SubscriptionStatus::Active, None)]
    {
        changed(ctx, live, touch, async |tx| set!(tx, subscription, Status = status, Id = seeded.subscription)).await;
        assert_eq!(denied(ctx, live, &seeded.key), expected);
    }
    changed(ctx, live, touch, async |tx| {
        scope_grant::Entity::delete_many().exec(tx.db()).await.unwrap();
    })
    .await;
    assert_eq!(denied(ctx, live, &seeded.key), Some(DenialReason::ScopeMissing));
    changed(ctx, live, touch, async |tx| {
        let grant = scope_grant::Model {
            id: ctx.env.id(),
            subscription_id: seeded.subscription,
            team_id: seeded.team,
            scope: "read".into(),
            granted_at: tx.now(),
            granted_by: None,
        };
        put(tx.db(), grant).await;
    })
    .await;
    // A second key beside the first, whose revocation leaves the other alone.
    let tx = Tx::begin(ctx).await.unwrap();
    let (second, key) = seed_key(ctx, &tx, seeded.team, seeded.client, seeded.profile).await;
    tx.commit_unaudited(Unaudited::Mark).await.unwrap();
    caught_up(ctx, live).await;
    assert_eq!((denied(ctx, live, &seeded.key), denied(ctx, live, &key)), (None, None));
    changed(ctx, live, touch, async |tx| set!(tx, credential, Status = CredentialStatus::Revoked, Id = second)).await;
    assert_eq!((denied(ctx, live, &seeded.key), denied(ctx, live, &key)), (None, Some(DenialReason::CredentialRevoked)));
}

async fn follow_catalog(ctx: &Domain, live: &Live, seeded: &Seeded) {
    let touch = Touch::Product(seeded.product);
    for (status, expected) in [
        (ProductStatus::Retired, Some(DenialReason::RouteNotFound)),
        (ProductStatus::Draft, Some(DenialReason::RouteNotFound)),
        (ProductStatus::Deprecated, None),
        (ProductStatus::Published, None),
    ] {
        changed(ctx, live, touch, async |tx| set!(tx, product, Status = status, Id = seeded.product)).await;
        assert_eq!(denied(ctx, live, &seeded.key), expected);
    }
    changed(ctx, live, touch, async |tx| set!(tx, product, BasePath = "payments", Id = seeded.product)).await;
    assert_eq!(denied(ctx, live, &seeded.key), Some(DenialReason::RouteNotFound));
    assert!(live.snapshot().product("payments").is_some());
    changed(ctx, live, touch, async |tx| set!(tx, product, BasePath = "pay", Id = seeded.product)).await;
    assert_eq!(denied(ctx, live, &seeded.key), None);
    let rate = |live: &Live| call(ctx, live, &seeded.key).unwrap().limits.rate.map(|rate| rate.requests);
    changed(ctx, live, Touch::Plan(seeded.plan), async |tx| {
        set!(tx, plan_environment, RateRequests = 7, PlanId = seeded.plan);
    })
    .await;
    assert_eq!(rate(live), Some(7));
    let policy = policy::Model {
        id: ctx.env.id(),
        name: "none".into(),
        description: None,
        rate_requests: None,
        rate_window: None,
        quota_requests: None,
        quota_period: None,
        enabled: true,
        created_at: ctx.now(),
        version: 1,
    };
    let policy = put(&ctx.db, policy).await.id;
    changed(ctx, live, Touch::Policy(policy), async |_| ()).await;
    changed(ctx, live, Touch::Client(seeded.client), async |tx| {
        set!(tx, client, PolicyId = Some(policy), Id = seeded.client);
    })
    .await;
    assert_eq!(call(ctx, live, &seeded.key).unwrap().limits, Limits::UNLIMITED);
    changed(ctx, live, Touch::Policy(policy), async |tx| set!(tx, policy, Enabled = false, Id = policy)).await;
    assert_eq!(rate(live), Some(7));
}

async fn follow_assignments(ctx: &Domain, live: &Live, seeded: &Seeded) {
    let tx = Tx::begin(ctx).await.unwrap();
    let other = seed_product(ctx, &tx, "other").await;
    set!(tx, subscription, ProductId = other, Id = seeded.subscription);
    tx.touch_gateway(Touch::Client(seeded.client));
    let tier = put(tx.db(), tier::Model { id: ctx.env.id(), name: "gold".into(), description: None }).await.id;
    tx.commit_unaudited(Unaudited::Mark).await.unwrap();
    caught_up(ctx, live).await;
    assert_eq!(denied(ctx, live, &seeded.key), Some(DenialReason::ProductNotAssigned));
    let to = |client, team, tier| assignment::Model {
        id: ctx.env.id(),
        product_id: seeded.product,
        tier_id: tier,
        team_id: team,
        client_id: client,
        subscription_id: None,
        since: ctx.now(),
        assigned_by: None,
        scopes: None,
    };
    for (row, touch) in [
        (to(Some(seeded.client), None, None), Touch::Client(seeded.client)),
        (to(None, Some(seeded.team), None), Touch::Team(seeded.team)),
        (to(None, None, Some(tier)), Touch::Product(seeded.product)),
    ] {
        let id = row.id;
        changed(ctx, live, touch, async |tx| {
            put(tx.db(), row).await;
        })
        .await;
        changed(ctx, live, Touch::Team(seeded.team), async |tx| set!(tx, team, TierId = Some(tier), Id = seeded.team)).await;
        assert_eq!(denied(ctx, live, &seeded.key), None, "{touch:?}");
        changed(ctx, live, touch, async |tx| {
            assignment::Entity::delete_by_id(id).exec(tx.db()).await.unwrap();
        })
        .await;
        assert_eq!(denied(ctx, live, &seeded.key), Some(DenialReason::ProductNotAssigned), "{touch:?}");
    }
}

#[tokio::test]
async fn a_gap_in_what_is_kept_loads_everything() {
    for fixture in Fixture::each().await {
        let (ctx, other) = (&fixture.ctx, fixture.other_process());
        let seeded = seed(ctx).await;
        let live = Live::start(other).await.unwrap();
        // Written at once, so that no poll sees the change before it is gone.
        let tx = Tx::begin(ctx).await.unwrap();
        set!(tx, client, Enabled = false, Id = seeded.client);
        let next = live.applied_revision() + 40;
        set!(tx, gateway_revision, Revision = next, Id = 1);
        gateway_change::Entity::delete_many().exec(tx.db()).await.unwrap();
        tx.commit_unaudited(Unaudited::Mark).await.unwrap();
        caught_up(ctx, &live).await;
        assert_eq!(live.applied_revision(), next);
        assert_eq!(denied(ctx, &live, &seeded.key), Some(DenialReason::ClientDisabled));
    }
}

#[tokio::test]
async fn without_the_database_it_decides_on_what_it_knows() {
    let fixture = Fixture::sqlite().await;
    let seeded = seed(&fixture.ctx).await;
    let live = Live::start(fixture.ctx.clone()).await.unwrap();
    fixture.ctx.db.clone().close().await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(denied(&fixture.ctx, &live, &seeded.key), None);
    assert_eq!(live.snapshot().plan(seeded.plan, Environment::Sandbox), Limits::UNLIMITED);
}
