//! What the hourly work deletes, and what it leaves.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Tx,
    ops::retention::{self, Pruned},
    outbox::PruneRecords,
    tx::{Touch, Unaudited},
};
use entities::{
    columns::LoggedHeaders,
    gateway_change,
    id::{MagicLinkId, RequestLogId, TeamId},
    magic_link, request_log,
};
use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, PaginatorTrait};

use crate::fixture::Fixture;

fn call(f: &Fixture, at: DateTime<Utc>) -> request_log::ActiveModel {
    request_log::Model {
        id: f.domain.env.id::<RequestLogId>(),
        at,
        team_id: None,
        client_id: None,
        profile_id: None,
        credential_id: None,
        product_id: None,
        endpoint_id: None,
        endpoint: None,
        environment: None,
        method: "GET".to_owned(),
        path: "/v1/ping".to_owned(),
        status: 200,
        latency_us: 900,
        denial: None,
        denial_detail: None,
        ip: "192.0.2.1".to_owned(),
        user_agent: None,
        request_headers: LoggedHeaders::default(),
        response_headers: LoggedHeaders::default(),
        via_explorer: false,
        completed: true,
    }
    .into_active_model()
}

#[tokio::test]
async fn what_is_older_than_it_is_kept_goes_in_batches() {
    let f = Fixture::new().await;
    let now = f.domain.now();
    let old = (0..1_500).map(|_| call(&f, now - TimeDelta::days(31)));
    for chunk in old.collect::<Vec<_>>().chunks(500) {
        request_log::Entity::insert_many(chunk.to_vec()).exec_without_returning(&f.domain.db).await.expect("insert");
    }
    call(&f, now - TimeDelta::days(29)).insert(&f.domain.db).await.expect("insert");
    for hours in [20, 30] {
        let link = magic_link::Model {
            id: f.domain.env.id::<MagicLinkId>(),
            email: "ada@acme.example".to_owned(),
            redirect_to: None,
            invitation_id: None,
            requested_ip: None,
            created_at: now - TimeDelta::hours(hours + 1),
            expires_at: now - TimeDelta::hours(hours),
            used_at: None,
        };
        link.into_active_model().insert(&f.domain.db).await.expect("insert");
    }
    for _ in 0..2 {
        let tx = Tx::begin(&f.domain).await.expect("begin");
        tx.touch_gateway(Touch::Team(f.domain.env.id::<TeamId>()));
        tx.touch_gateway(Touch::Team(f.domain.env.id::<TeamId>()));
        tx.commit_unaudited(Unaudited::Retention).await.expect("commit");
        f.clock.advance(TimeDelta::hours(25));
    }
    // Fifty hours on: the calls of the last 30 days less those are kept, and one revision is 25 hours old.
    f.clock.advance(TimeDelta::hours(-2));
    let pruned = retention::prune(&f.domain).await.expect("prune");
    assert_eq!(pruned, Pruned { request_log: 1_501, gateway_changes: 2, magic_links: 2, ..Pruned::default() });
    assert_eq!(gateway_change::Entity::find().count(&f.domain.db).await.expect("count"), 2);
    assert_eq!(retention::prune(&f.domain).await.expect("prune"), Pruned::default());
    f.close().await;
}

#[tokio::test]
async fn the_portal_s_setting_says_how_long_calls_are_kept() {
    let f = Fixture::new().await;
    for days in [29, 31] {
        call(&f, f.domain.now() - TimeDelta::days(days)).insert(&f.domain.db).await.expect("insert");
    }
    f.enqueue(PruneRecords).await;
    let (mailer, _) = f.memory();
    assert_eq!(jobs::drain::drain(&f.domain, &mailer).await.expect("drain"), 1);
    assert_eq!(request_log::Entity::find().count(&f.domain.db).await.expect("count"), 1);
    f.close().await;
}
