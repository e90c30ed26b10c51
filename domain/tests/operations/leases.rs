//! Quotas are never exceeded: not by many tasks, not by several processes, not by one that dies.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Domain,
    limits::{Keeper, Refused, Take},
    ops::quota::{self, Ask, Unspent, Window},
    rules::limits::{Limits, QuotaLimit, RateLimit, Standing},
};
use entities::{
    enums::{DenialReason, Environment, QuotaPeriod, RateWindow},
    id::ClientId,
    quota_window,
};
use sea_orm::EntityTrait;

use crate::fixture::{Fixture, start};

const LANE: Environment = Environment::Production;

fn daily(requests: u64) -> Limits {
    Limits { rate: None, quota: Some(QuotaLimit { requests, period: QuotaPeriod::Day }) }
}

/// A call that is tried again while no lease comes in time: on a loaded machine a database may take longer than a call waits.
async fn take(keeper: &Keeper, ctx: &Domain, client: ClientId, limits: &Limits) -> Result<Standing, Refused> {
    take_at(keeper, ctx.now(), client, limits).await
}

async fn take_at(keeper: &Keeper, at: DateTime<Utc>, client: ClientId, limits: &Limits) -> Result<Standing, Refused> {
    for _ in 0..200 {
        match keeper.take(at, client, LANE, limits).await {
            Err(refused) if refused.reason == DenialReason::Unavailable => {}
            answer => return answer,
        }
    }
    panic!("no lease came");
}

async fn leased(ctx: &Domain) -> i64 {
    quota_window::Entity::find().all(&ctx.db).await.unwrap().iter().map(|row| row.leased).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn tasks_and_processes_together_spend_exactly_the_quota() {
    for fixture in Fixture::each().await {
        let client: ClientId = fixture.ctx.env.id();
        let keepers = [fixture.ctx.clone(), fixture.other_process()].map(|ctx| Arc::new(Keeper::start(ctx)));
        let (limits, passed) = (daily(2_500), Arc::new(AtomicU64::new(0)));
        let tasks = (0..8).map(|n| {
            let (keeper, ctx, passed) = (keepers[n % 2].clone(), fixture.ctx.clone(), passed.clone());
            tokio::spawn(async move {
                loop {
                    match take(&keeper, &ctx, client, &limits).await {
                        Ok(_) => passed.fetch_add(1, Ordering::Relaxed),
                        Err(refused) => {
                            assert_eq!((refused.reason, refused.retry_after), (DenialReason::QuotaExhausted, 12 * 3_600));
                            return;
                        }
                    };
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        // Both spend to their end, so nothing is left over in a lease.
        assert_eq!(passed.load(Ordering::Relaxed), 2_500);
        assert_eq!(leased(&fixture.ctx).await, 2_500);
    }
}

#[tokio::test]
async fn what_a_dead_process_had_leased_is_lost_and_not_gained() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let (client, limits): (ClientId, Limits) = (ctx.env.id(), daily(500));
        let mut passed = 0;
        for _ in 0..6 {
            let keeper = Keeper::start(ctx.clone());
            for _ in 0..3 {
                passed += u64::from(take(&keeper, ctx, client, &limits).await.is_ok());
            }
            // Dropped as a process is that dies: nothing is given back.
        }
        let keeper = Keeper::start(ctx.clone());
        while take(&keeper, ctx, client, &limits).await.is_ok() {
            passed += 1;
        }
        assert!((300..500).contains(&passed), "{passed}");
        assert_eq!(leased(ctx).await, 500);
    }
}

#[tokio::test]
async fn closing_gives_back_what_is_left() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let (client, limits): (ClientId, Limits) = (ctx.env.id(), daily(1_000));
        let keeper = Keeper::start(ctx.clone());
        for _ in 0..7 {
            take(&keeper, ctx, client, &limits).await.unwrap();
        }
        assert!(leased(ctx).await > 7);
        keeper.close().await;
        assert_eq!(leased(ctx).await, 7);
        let left = take(&Keeper::start(ctx.clone()), ctx, client, &limits).await.unwrap().quota.unwrap();
        assert_eq!((left.limit, left.remaining, left.window, left.reset), (1_000, 992, 86_400, 12 * 3_600));
    }
}

#[tokio::test]
async fn a_new_period_is_a_new_quota_even_when_the_clock_goes_back() {
    let fixture = Fixture::sqlite().await;
    let (ctx, keeper) = (&fixture.ctx, Keeper::start(fixture.ctx.clone()));
    let (client, limits): (ClientId, Limits) = (ctx.env.id(), daily(3));
    let spend = async || {
        let mut passed = 0;
        while take(&keeper, ctx, client, &limits).await.is_ok() {
            passed += 1;
        }
        passed
    };
    assert_eq!(spend().await, 3);
    fixture.clock.advance(TimeDelta::hours(12));
    assert_eq!(spend().await, 3);
    fixture.clock.set(start());
    assert_eq!(spend().await, 0);
    fixture.clock.set(start() + TimeDelta::hours(12));
    assert_eq!(spend().await, 0);
}

/// As calls come: their moment lies before the answer to what they wait for.
#[tokio::test]
async fn a_used_up_quota_is_told_with_one_statement_from_the_first_call_on() {
    for fixture in Fixture::each().await {
        let mut ctx = fixture.ctx.clone();
        let statements = Arc::new(AtomicU64::new(0));
        let counted = statements.clone();
        ctx.db.set_metric_callback(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let cost = async |keeper: &Keeper, client, limits: &Limits| {
            let before = statements.load(Ordering::Relaxed);
            let moment = fixture.ctx.now() - TimeDelta::milliseconds(3);
            let refused = take_at(keeper, moment, client, limits).await.unwrap_err();
            assert_eq!((refused.reason, refused.retry_after), (DenialReason::QuotaExhausted, 12 * 3_600 + 1 - elapsed(&fixture)));
            assert_eq!(refused.standing.quota.unwrap().remaining, 0);
            statements.load(Ordering::Relaxed) - before
        };
        let (client, limits): (ClientId, Limits) = (ctx.env.id(), daily(2));
        let keeper = Keeper::start(ctx.clone());
        for _ in 0..2 {
            take(&keeper, &ctx, client, &limits).await.unwrap();
        }
        for _ in 0..3 {
            assert_eq!(cost(&keeper, client, &limits).await, 0, "the last lease said that nothing is left beyond it");
        }
        for _ in 0..3 {
            fixture.clock.advance(TimeDelta::seconds(6));
            assert_eq!(cost(&keeper, client, &limits).await, 1, "another gateway may have given something back");
            assert_eq!(cost(&keeper, client, &limits).await, 0);
        }
        let fresh = Keeper::start(ctx.clone());
        assert_eq!(cost(&fresh, client, &limits).await, 1);
        assert_eq!(cost(&fresh, client, &limits).await, 0);
        // The database went away: what was the answer stays the answer.
        fixture.clock.advance(TimeDelta::seconds(60));
        ctx.db.clone().close().await.unwrap();
        cost(&fresh, client, &limits).await;
        let known = fresh.take(fixture.ctx.now(), fixture.ctx.env.id(), LANE, &limits).await.unwrap_err();
        assert_eq!((known.reason, known.retry_after), (DenialReason::Unavailable, 1), "of another client nothing is known");
    }
}

fn elapsed(fixture: &Fixture) -> u64 {
    u64::try_from((fixture.ctx.now() - start()).num_seconds()).unwrap()
}

#[tokio::test]
async fn a_changed_quota_is_honoured_at_once() {
    let fixture = Fixture::sqlite().await;
    let (ctx, keeper) = (&fixture.ctx, Keeper::start(fixture.ctx.clone()));
    let client: ClientId = ctx.env.id();
    for _ in 0..10 {
        take(&keeper, ctx, client, &daily(10_000)).await.unwrap();
    }
    // Lowered: what is in hand of the larger quota goes back first.
    let mut passed = 10;
    while take(&keeper, ctx, client, &daily(15)).await.is_ok() {
        passed += 1;
    }
    assert_eq!(passed, 15);
    assert_eq!(take(&keeper, ctx, client, &daily(0)).await.unwrap_err().reason, DenialReason::QuotaExhausted);
    // Raised: what was used up is not any more.
    while take(&keeper, ctx, client, &daily(20)).await.is_ok() {
        passed += 1;
    }
    assert_eq!(passed, 20);
    assert!(take(&keeper, ctx, client, &Limits::UNLIMITED).await.is_ok());
}

#[tokio::test]
async fn a_refused_call_costs_neither_rate_nor_quota() {
    let fixture = Fixture::sqlite().await;
    let (ctx, keeper) = (&fixture.ctx, Keeper::start(fixture.ctx.clone()));
    let client: ClientId = ctx.env.id();
    let rate = |requests| Some(RateLimit { requests, window: RateWindow::Minute });
    let both = Limits { rate: rate(2), quota: daily(5).quota };
    assert!(take(&keeper, ctx, client, &both).await.is_ok());
    assert!(take(&keeper, ctx, client, &both).await.is_ok());
    for _ in 0..20 {
        let refused = take(&keeper, ctx, client, &both).await.unwrap_err();
        assert_eq!((refused.reason, refused.standing.quota.unwrap().remaining), (DenialReason::RateLimited, 3));
    }
    fixture.clock.advance(TimeDelta::seconds(70));
    let many = Limits { rate: rate(100), ..both };
    for left in [2, 1, 0] {
        let standing = take(&keeper, ctx, client, &many).await.unwrap();
        assert_eq!(standing.quota.unwrap().remaining, left);
    }
    let refused = take(&keeper, ctx, client, &many).await.unwrap_err();
    assert_eq!((refused.reason, refused.standing.rate.unwrap().remaining), (DenialReason::QuotaExhausted, 97));
    // Where both are reached, the rate answers.
    let refused = take(&keeper, ctx, client, &Limits { rate: rate(3), ..both }).await.unwrap_err();
    assert_eq!(refused.reason, DenialReason::RateLimited);
}

#[tokio::test]
async fn without_the_database_only_calls_that_need_a_lease_are_refused() {
    let fixture = Fixture::sqlite().await;
    let (ctx, keeper) = (&fixture.ctx, Keeper::start(fixture.ctx.clone()));
    let client: ClientId = ctx.env.id();
    take(&keeper, ctx, client, &daily(1_000)).await.unwrap();
    ctx.db.clone().close().await.unwrap();
    let mut passed = 0;
    while matches!(keeper.try_take(ctx.now(), client, LANE, &daily(1_000)), Take::Taken(_)) {
        passed += 1;
    }
    assert!(passed >= 40, "the lease in hand is spent: {passed}");
    let refused = keeper.take(ctx.now(), client, LANE, &daily(1_000)).await.unwrap_err();
    assert_eq!((refused.reason, refused.retry_after), (DenialReason::Unavailable, 1));
}

#[tokio::test]
async fn one_settlement_gives_back_before_it_grants() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let window = |client| Window { client, environment: LANE, period: QuotaPeriod::Day, starts_at: start() };
        let [a, b] = [window(ctx.env.id()), window(ctx.env.id())];
        let ask = |window, limit| Ask { window, limit, last: Some((1_000, 0)) };
        let first = quota::settle(ctx, &[], &[ask(b, 20), ask(a, 400)]).await.unwrap();
        assert_eq!((first[0].calls, first[0].beyond, first[1].calls, first[1].beyond), (1, 19, 20, 380));
        for _ in 0..19 {
            quota::settle(ctx, &[], &[ask(b, 20)]).await.unwrap();
        }
        assert_eq!(quota::settle(ctx, &[], &[ask(b, 20)]).await.unwrap()[0].calls, 0);
        let again = quota::settle(ctx, &[Unspent { window: b, calls: 1 }], &[ask(b, 20)]).await.unwrap();
        assert_eq!((again[0].calls, again[0].beyond), (1, 0));
        // More than was leased cannot be given back.
        quota::settle(ctx, &[Unspent { window: b, calls: 21 }], &[]).await.unwrap();
        assert_eq!(quota::settle(ctx, &[], &[ask(b, 20)]).await.unwrap()[0].calls, 0);
    }
}
