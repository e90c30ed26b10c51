//! What is open when something changes: event streams, WebSockets, downloads and uploads end as the next call would be refused,
//! are counted for the receipt, and others go on.

use std::{
    sync::atomic::Ordering::SeqCst,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use domain::{
    Tx,
    tx::{Touch, Unaudited},
};
use entities::{
    client, credential, credential_secret,
    enums::{CredentialStatus, ProductStatus, SubscriptionStatus},
    gateway_change, gateway_node, gateway_revision, product, profile, subscription,
};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, sea_query::Expr};
use serde_json::json;

use super::{Behind, Front, PlanLimits, raw::Raw, upstream};

/// The second within which a change reaches what is open, and what a busy machine takes.
const SOON: Duration = Duration::from_secs(20);

async fn front() -> (Front, std::sync::Arc<upstream::Seen>) {
    let (address, seen) = upstream::behaving().await;
    (Front::before(address).await, seen)
}

const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

async fn open(front: &Front, key: &str, line: &str, fields: &str) -> Raw {
    let mut raw = front.connect().await;
    raw.send(format!("{line} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n{fields}\r\n")).await;
    raw
}

/// A WebSocket that has answered.
async fn socket(front: &Front, key: &str) -> Raw {
    let mut raw = open(front, key, "GET /pay/socket", HANDSHAKE).await;
    assert_eq!(raw.reply().await.unwrap().status, 101);
    assert!(echoes(&mut raw).await);
    raw
}

/// Whether a WebSocket answers a message.
async fn echoes(raw: &mut Raw) -> bool {
    // `hi`, masked with zeros.
    use tokio::io::AsyncWriteExt;
    let _ = raw.stream.write_all(b"\x81\x82\0\0\0\0hi").await;
    raw.until(b"\x81\x02hi").await
}

async fn events(front: &Front, key: &str) -> Raw {
    let mut raw = open(front, key, "GET /pay/events", "").await;
    assert!(raw.until(b"data: one\n\n").await);
    raw
}

/// Half of what it says it will send.
async fn upload(front: &Front, key: &str, seen: &upstream::Seen) -> Raw {
    let before = seen.requests.load(SeqCst);
    let mut raw = open(front, key, "POST /pay/upload", "Content-Length: 8\r\n").await;
    raw.send("half").await;
    while seen.requests.load(SeqCst) == before {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    raw
}

/// Changes something, waits until the gateway has confirmed it, and tells how many streams it ended.
async fn change(front: &Front, touch: Touch, work: impl AsyncFnOnce(&DatabaseTransaction)) -> i32 {
    let tx = Tx::begin(&front.ctx).await.unwrap();
    work(tx.db()).await;
    tx.touch_gateway(touch);
    tx.commit_unaudited(Unaudited::Mark).await.unwrap();
    let db = &front.ctx.db;
    let revision = gateway_revision::Entity::find_by_id(1).one(db).await.unwrap().unwrap().revision;
    let since = Instant::now();
    while gateway_node::Entity::find().one(db).await.unwrap().unwrap().applied_revision < revision {
        assert!(since.elapsed() < SOON, "the gateway does not confirm");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rows = gateway_change::Entity::find().filter(gateway_change::Column::Revision.eq(revision)).all(db).await.unwrap();
    rows.iter().map(|row| row.streams_ended).sum()
}

async fn revoke(front: &Front) -> i32 {
    let id = front.catalog.key_id;
    change(front, Touch::Client(front.catalog.client), async move |db| {
        let revoked = Expr::value(CredentialStatus::Revoked);
        let row = credential::Entity::update_many().col_expr(credential::Column::Status, revoked);
        row.filter(credential::Column::Id.eq(id)).exec(db).await.unwrap();
    })
    .await
}

#[tokio::test]
async fn a_revocation_ends_all_that_is_open_and_counts_it() {
    let (front, seen) = front().await;
    let (key, other) = (front.catalog.key.clone(), front.other_key.clone());
    let (mut socket_of_other, mut events_of_other) = (socket(&front, &other).await, events(&front, &other).await);
    let (mut socket, mut events) = (socket(&front, &key).await, events(&front, &key).await);
    let mut upload = upload(&front, &key, &seen).await;
    // Nobody reads it.
    let _unread = open(&front, &key, "GET /pay/download/268435456", "").await;
    let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("http://{}/pay/events", front.address);
    let mut second = http.get(url).header("x-api-key", &key).send().await.unwrap();
    assert!(second.chunk().await.unwrap().is_some());

    assert_eq!(revoke(&front).await, 5);
    assert!(socket.is_closed_within(SOON).await && events.is_closed_within(SOON).await);
    assert!(tokio::time::timeout(SOON, second.chunk()).await.unwrap().is_err(), "over HTTP/2");
    let refused = upload.reply_to("POST").await.unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (401, "CREDENTIAL_REVOKED"));
    assert!(echoes(&mut socket_of_other).await, "another client's");
    seen.go_on.notify_waiters();
    assert!(events_of_other.until(b"data: two\n\n").await);
    assert_eq!(revoke(&front).await, 0, "there is nothing left");
}

#[tokio::test]
async fn each_way_to_lose_access_ends_what_is_open() {
    for step in ["client", "profile", "address", "methods", "product", "suspended", "key"] {
        let (front, _) = front().await;
        let c = &front.catalog;
        let (mut socket, mut events) = (socket(&front, &c.key).await, events(&front, &c.key).await);
        let touch = if step == "product" { Touch::Product(c.product) } else { Touch::Client(c.client) };
        let ended = change(&front, touch, async move |db| {
            let profiles = profile::Entity::update_many();
            let profiles = match step {
                "profile" => profiles.col_expr(profile::Column::Enabled, Expr::value(false)),
                "address" => profiles.col_expr(profile::Column::IpAllowlist, Expr::value(json!(["10.0.0.0/8"]))),
                "methods" => profiles.col_expr(profile::Column::AllowedMethods, Expr::value(json!(["POST"]))),
                "client" => {
                    let row = client::Entity::update_many().col_expr(client::Column::Enabled, Expr::value(false));
                    row.exec(db).await.unwrap();
                    return;
                }
                "product" => {
                    let status = Expr::value(ProductStatus::Draft);
                    product::Entity::update_many().col_expr(product::Column::Status, status).exec(db).await.unwrap();
                    return;
                }
                "suspended" => {
                    let status = Expr::value(SubscriptionStatus::Suspended);
                    let row = subscription::Entity::update_many().col_expr(subscription::Column::Status, status);
                    row.exec(db).await.unwrap();
                    return;
                }
                _ => {
                    credential_secret::Entity::delete_many().exec(db).await.unwrap();
                    return;
                }
            };
            profiles.exec(db).await.unwrap();
        })
        .await;
        assert_eq!(ended, 2, "{step}");
        assert!(socket.is_closed_within(SOON).await && events.is_closed_within(SOON).await, "{step}");
    }
}

#[tokio::test]
async fn what_takes_nothing_away_ends_nothing() {
    let (front, seen) = front().await;
    let c = &front.catalog;
    let (mut socket, mut events) = (socket(&front, &c.key).await, events(&front, &c.key).await);
    let renamed = change(&front, Touch::Client(c.client), async |db| {
        let row = client::Entity::update_many().col_expr(client::Column::Name, Expr::value("Other"));
        row.exec(db).await.unwrap();
    });
    assert_eq!(renamed.await, 0);
    assert_eq!(change(&front, Touch::Plan(c.plan), async |_| {}).await, 0);
    assert_eq!(change(&front, Touch::Product(c.product), async |_| {}).await, 0);
    assert_eq!(change(&front, Touch::Portal, async |_| {}).await, 0);
    assert!(echoes(&mut socket).await);
    seen.go_on.notify_waiters();
    assert!(events.until(b"data: two\n\n").await);
}

#[tokio::test]
async fn what_ends_by_time_ends_what_is_open() {
    let (front, _) = front().await;
    let c = &front.catalog;
    let (mut early, mut events) = (socket(&front, &c.key).await, events(&front, &c.key).await);
    let mut other = socket(&front, &front.other_key).await;
    let soon = front.ctx.now() + TimeDelta::milliseconds(700);
    let id = c.key_id;
    let ended = change(&front, Touch::Client(c.client), async move |db| {
        let row = credential::Entity::update_many().col_expr(credential::Column::ExpiresAt, Expr::value(soon));
        row.filter(credential::Column::Id.eq(id)).exec(db).await.unwrap();
    });
    assert_eq!(ended.await, 0, "it has not expired yet");
    // One that was opened when the end was known already.
    let mut late = socket(&front, &c.key).await;
    assert!(early.is_closed_within(SOON).await && late.is_closed_within(SOON).await && events.is_closed_within(SOON).await);
    assert!(echoes(&mut other).await);
}

#[tokio::test]
async fn a_tunnel_in_which_nobody_speaks_ends() {
    let (address, _) = upstream::behaving().await;
    let set = |s: &mut api::gateway::Settings| s.tunnel_idle = Duration::from_secs(2);
    let front = Front::with(Behind::at(address), PlanLimits::default(), set).await;
    let mut raw = socket(&front, &front.catalog.key).await;
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(3) {
        assert!(echoes(&mut raw).await, "it is spoken in");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(raw.is_closed_within(SOON).await);
}

#[tokio::test]
async fn the_end_of_the_gateway_gives_what_is_open_its_time_and_then_ends_it() {
    let (address, _) = upstream::behaving().await;
    let set = |s: &mut api::gateway::Settings| {
        s.limits.drain = Duration::from_secs(3);
        s.log.delay = Duration::from_secs(60);
    };
    let front = Front::with(Behind::at(address), PlanLimits::default(), set).await;
    let key = front.catalog.key.clone();
    let (mut socket, mut events) = (socket(&front, &key).await, events(&front, &key).await);
    let stopping = tokio::spawn(front.stop());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(echoes(&mut socket).await, "in the time that it has");
    assert!(socket.is_closed_within(SOON).await && events.is_closed_within(SOON).await);
    let ctx = stopping.await.unwrap();
    let rows = entities::request_log::Entity::find().all(&ctx.db).await.unwrap();
    let ended = rows.iter().filter_map(|row| row.denial_detail.as_deref()).collect::<Vec<_>>();
    assert_eq!((rows.len(), ended), (2, vec!["ended while it was open: UNAVAILABLE (the gateway stops)"]));
}
