//! The log of calls: written in batches, read in pages, each only by those whose calls they are.

use chrono::TimeDelta;
use domain::{
    Actor, Domain, DomainError,
    actor::Origin,
    ops::request_log::{Used, append},
    read::{
        page::PageRequest,
        request_log::{Calls, Filter, decision, page},
    },
    rules::policy::Access,
};
use entities::{
    columns::LoggedHeaders,
    credential, credential_secret,
    enums::{AccessLevel, DenialReason, Environment, JoinMethod, StaffRole},
    id::{RequestId, RequestLogId, TeamId, UserId},
    membership, request_log, user,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::{
    fixture::Fixture,
    gateway::{Seeded, put, seed},
};

fn row(ctx: &Domain, seeded: &Seeded, n: usize) -> request_log::Model {
    let denied = n.is_multiple_of(5);
    request_log::Model {
        id: ctx.env.id(),
        at: ctx.now(),
        team_id: Some(seeded.team),
        client_id: Some(seeded.client),
        profile_id: Some(seeded.profile),
        credential_id: Some(seeded.credential),
        product_id: Some(seeded.product),
        endpoint_id: None,
        endpoint: None,
        environment: Some(Environment::ALL[n % 2]),
        method: if n.is_multiple_of(3) { "POST" } else { "GET" }.to_owned(),
        path: format!("/pay/charges_{}/{n}", n % 4),
        status: if denied { 403 } else { 200 },
        latency_us: 1_500,
        denial: denied.then_some(DenialReason::ScopeMissing),
        denial_detail: denied.then(|| "write".to_owned()),
        ip: "192.0.2.1".to_owned(),
        user_agent: None,
        request_headers: LoggedHeaders::default(),
        response_headers: LoggedHeaders::default(),
        via_explorer: false,
        completed: true,
    }
}

async fn person(ctx: &Domain, staff: Option<StaffRole>, team: Option<(TeamId, Access)>) -> Actor {
    let id: UserId = ctx.env.id();
    let row = user::Model { id, email: format!("{id}@example.com"), name: None, staff_role: staff, created_at: ctx.now() };
    put(&ctx.db, row).await;
    if let Some((team_id, access)) = team {
        let member = membership::Model {
            id: ctx.env.id(),
            team_id,
            user_id: id,
            access_team: access.team,
            access_credentials: access.credentials,
            access_billing: access.billing,
            joined_by: JoinMethod::Staff,
            joined_at: ctx.now(),
        };
        put(&ctx.db, member).await;
    }
    Actor::user(id, staff, Origin::default())
}

/// 60 calls, a second apart.
async fn calls(fixture: &Fixture, seeded: &Seeded) -> Vec<request_log::Model> {
    let rows: Vec<_> = (0..60)
        .map(|n| {
            fixture.clock.advance(TimeDelta::seconds(1));
            row(&fixture.ctx, seeded, n)
        })
        .collect();
    append(&fixture.ctx, &rows, &[], &[]).await.unwrap();
    rows
}

#[tokio::test]
async fn a_batch_is_written_once_and_marks_what_was_used() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let seeded = seed(ctx).await;
        let rows: Vec<_> = (0..2_300).map(|n| row(ctx, &seeded, n)).collect();
        let secret = credential_secret::Entity::find().one(&ctx.db).await.unwrap().unwrap().id;
        let used = [Used { credential: seeded.credential, secret: Some(secret) }; 3];
        let marks = async || {
            let credential = credential::Entity::find_by_id(seeded.credential).one(&ctx.db).await.unwrap().unwrap();
            let secret = credential_secret::Entity::find_by_id(secret).one(&ctx.db).await.unwrap().unwrap();
            (credential.last_used_at, secret.last_used_at)
        };
        append(ctx, &rows, &used, &[]).await.unwrap();
        // It is not known whether that came through: it comes again.
        append(ctx, &rows, &used, &[]).await.unwrap();
        assert_eq!(request_log::Entity::find().all(&ctx.db).await.unwrap(), rows);
        let first = ctx.now();
        assert_eq!(marks().await, (Some(first), Some(first)));
        fixture.clock.advance(TimeDelta::seconds(9));
        append(ctx, &[], &used, &[]).await.unwrap();
        assert_eq!(marks().await, (Some(first), Some(first)));
        fixture.clock.advance(TimeDelta::seconds(1));
        append(ctx, &[], &used, &[]).await.unwrap();
        assert_eq!(marks().await, (Some(ctx.now()), Some(ctx.now())));
    }
}

#[tokio::test]
async fn filters_and_pages() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let seeded = seed(ctx).await;
        let rows = calls(&fixture, &seeded).await;
        let reader = person(ctx, None, Some((seeded.team, Access::DEVELOPER))).await;
        let all = PageRequest { first: Some(100), with_total: true, ..PageRequest::default() };
        let matching = async |filter: Filter| {
            let page = page(ctx, &reader, Calls::OfTeam(seeded.team), &filter, &all).await.unwrap();
            assert_eq!(page.total, Some(page.rows.len() as u64));
            page.rows
        };
        let check = async |filter: Filter, fits: &dyn Fn(&request_log::Model) -> bool| {
            let expected: Vec<_> = rows.iter().rev().filter(|row| fits(row)).cloned().collect();
            assert!(!expected.is_empty(), "{filter:?}");
            assert_eq!(matching(filter.clone()).await, expected, "{filter:?}");
        };
        let any = Filter::default;
        check(any(), &|_| true).await;
        check(Filter { environment: Some(Environment::Sandbox), ..any() }, &|r| r.environment == Some(Environment::Sandbox))
            .await;
        check(Filter { status: Some(403), ..any() }, &|r| r.status == 403).await;
        check(Filter { status_class: Some(2), ..any() }, &|r| r.status == 200).await;
        check(Filter { method: Some("post".into()), ..any() }, &|r| r.method == "POST").await;
        check(Filter { path: Some("/pay/charges_1".into()), ..any() }, &|r| r.path.starts_with("/pay/charges_1")).await;
        assert_eq!(matching(Filter { path: Some("/pay/chargesx1".into()), ..any() }).await, []);
        assert_eq!(matching(Filter { path: Some("%".into()), ..any() }).await, []);
        check(Filter { denial: Some(DenialReason::ScopeMissing), ..any() }, &|r| r.denial.is_some()).await;
        let (from, to) = (rows[20].at, rows[40].at);
        check(Filter { from: Some(from), to: Some(to), ..any() }, &|r| r.at >= from && r.at < to).await;
        let wanted = RequestId(rows[7].id.0).to_string();
        check(Filter { request_id: Some(wanted), ..any() }, &|r| r.id == rows[7].id).await;
        let nonsense = Filter { request_id: Some("log_1".into()), ..any() };
        let refused = page(ctx, &reader, Calls::OfTeam(seeded.team), &nonsense, &all).await;
        assert!(matches!(refused, Err(DomainError::Refused(_))));
        walk(ctx, &reader, seeded.team, &rows).await;
    }
}

/// Page by page, there and back again.
async fn walk(ctx: &Domain, reader: &Actor, team: TeamId, rows: &[request_log::Model]) {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let request = PageRequest { first: Some(7), after, ..PageRequest::default() };
        let part = page(ctx, reader, Calls::OfTeam(team), &Filter::default(), &request).await.unwrap();
        seen.extend(part.rows.iter().map(|row| row.id));
        after = part.rows.last().map(|row| row.id.to_string());
        if !part.has_next_page {
            break;
        }
    }
    let newest_first: Vec<RequestLogId> = rows.iter().rev().map(|row| row.id).collect();
    assert_eq!(seen, newest_first);
    let back = PageRequest { last: Some(3), before: after, ..PageRequest::default() };
    let part = page(ctx, reader, Calls::OfTeam(team), &Filter::default(), &back).await.unwrap();
    assert_eq!(part.rows.iter().map(|row| row.id).collect::<Vec<_>>(), newest_first[56..59]);
}

#[tokio::test]
async fn nobody_reads_anothers_calls() {
    for fixture in Fixture::each().await {
        let ctx = &fixture.ctx;
        let seeded = seed(ctx).await;
        let rows = calls(&fixture, &seeded).await;
        let none = Access { credentials: AccessLevel::None, ..Access::DEVELOPER };
        let (insider, restricted) =
            (person(ctx, None, Some((seeded.team, Access::DEVELOPER))).await, person(ctx, None, Some((seeded.team, none))).await);
        let (stranger, auditor) = (person(ctx, None, None).await, person(ctx, Some(StaffRole::Auditor), None).await);
        let everything = Calls::All { team: None, client: None, product: Some(seeded.product) };
        let read = async |actor: &Actor, calls| {
            let page = page(ctx, actor, calls, &Filter::default(), &PageRequest::default()).await;
            page.map(|page| page.rows.len()).map_err(|error| error.to_string())
        };
        for calls in [Calls::OfTeam(seeded.team), Calls::OfClient(seeded.client)] {
            let what = if matches!(calls, Calls::OfTeam(_)) { "team" } else { "client" };
            assert_eq!(read(&insider, calls).await, Ok(20));
            assert_eq!(read(&auditor, calls).await, Ok(20));
            assert_eq!(read(&restricted, calls).await, Err("this needs READ access to the credentials area".to_owned()));
            assert_eq!(read(&stranger, calls).await, Err(format!("no such {what}")));
        }
        assert_eq!(read(&auditor, everything).await, Ok(20));
        assert!(read(&insider, everything).await.is_err());
        let id = RequestId(rows[5].id.0).to_string();
        let told = decision(ctx, &insider, &id).await.unwrap().unwrap().1;
        assert!(!told.allowed && told.checks.last().is_some_and(|c| c.detail.as_deref() == Some("write")));
        for outsider in [&stranger, &restricted] {
            assert!(decision(ctx, outsider, &id).await.unwrap().is_none());
        }
        assert!(decision(ctx, &insider, "req_nonsense").await.unwrap().is_none());
        assert!(decision(ctx, &Actor::nobody(Origin::default()), &id).await.is_err());
    }
}

#[tokio::test]
async fn a_total_beyond_ten_thousand_is_not_counted() {
    let fixture = Fixture::sqlite().await;
    let ctx = &fixture.ctx;
    let seeded = seed(ctx).await;
    let rows: Vec<_> = (0..10_001).map(|n| row(ctx, &seeded, n)).collect();
    append(ctx, &rows, &[], &[]).await.unwrap();
    let all = PageRequest { with_total: true, ..PageRequest::default() };
    let total =
        async |filter: &Filter| page(ctx, &Actor::system(), Calls::OfTeam(seeded.team), filter, &all).await.unwrap().total;
    assert_eq!(total(&Filter::default()).await, None);
    request_log::Entity::delete_many().filter(request_log::Column::Id.eq(rows[0].id)).exec(&ctx.db).await.unwrap();
    assert_eq!(total(&Filter::default()).await, Some(10_000));
    assert_eq!(total(&Filter { status: Some(403), ..Filter::default() }).await, Some(2_000));
}
