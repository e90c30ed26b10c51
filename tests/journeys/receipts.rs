//! What a revocation says of the gateways, and what a gateway does that cannot hear of any.

use std::time::Duration;

use axum::{Router, routing::get};
use chrono::TimeDelta;
use domain::{Tx, snapshot::Live, tx::Touch, tx::Unaudited};
use entities::{enums::StaffRole, gateway_node, gateway_revision, id::GatewayNodeId, portal};
use futures_util::StreamExt;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    onboarding::product,
};

const RECEIPT: &str = "enforcement { revision gateways confirmed complete milliseconds streamsEnded }";
const GATEWAYS: &str = "{ provider { gateways { id startedAt lastSeenAt appliedRevision behindMs } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_counts_the_gateways_that_refuse_the_old_secret() {
    let app = TestApp::start().await;
    let (editor, viewer) = (app.editor().await, app.staff(StaffRole::Viewer).await);
    let product = product(&app, &editor).await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
    let id =
        app.data(Some(&dev), query, json!({ "id": held.id })).await["subscription"]["lanes"][0]["credentials"][0]["id"].take();
    let second = Live::start(app.domain().clone()).await.expect("another gateway");
    app.answers([&held.secret], [200]).await;

    let input = json!({ "credentialId": id, "overlapHours": 0 });
    let made = app.mutate(Some(&dev), "rotateSecret", input, &format!("issued {{ secret }} {RECEIPT}")).await;
    let receipt = &made["enforcement"];
    assert_eq!((&receipt["gateways"], &receipt["confirmed"], &receipt["complete"]), (&json!(2), &json!(2), &json!(true)));
    assert!(receipt["milliseconds"].as_f64().is_some_and(|took| took < 1000.0), "{receipt}");
    let key = |secret: &Value| secret.as_str().expect("a key").to_owned();
    assert_eq!(app.call("/ship/shipments", &key(&held.secret)).await, 401, "no call passes after the receipt");
    assert_eq!(app.call("/ship/shipments", &key(&made["issued"]["secret"])).await, 200);

    // One that cannot be reached.
    let now = app.domain().now();
    let lost = gateway_node::ActiveModel {
        id: Set(app.domain().env.id::<GatewayNodeId>()),
        started_at: Set(now),
        last_seen_at: Set(now),
        applied_revision: Set(0),
    };
    gateway_node::Entity::insert(lost).exec_without_returning(&app.domain().db).await.expect("a row");
    let input = json!({ "credentialId": id });
    let ended = app.mutate_as(Some(&dev), "revokeCredential", "CredentialIdInput", input, RECEIPT).await;
    let receipt = &ended["enforcement"];
    assert_eq!((&receipt["gateways"], &receipt["confirmed"], &receipt["complete"]), (&json!(3), &json!(2), &json!(false)));
    assert_eq!(receipt["milliseconds"], Value::Null);

    app.clock.advance(TimeDelta::seconds(1));
    let seen = app.data(Some(&viewer), GATEWAYS, json!({})).await["provider"]["gateways"].take();
    let behind: Vec<_> = seen.as_array().expect("a list").iter().map(|node| node["behindMs"] == 0.0).collect();
    assert_eq!(behind.iter().filter(|current| **current).count(), 2, "{seen}");
    let before = seen.as_array().map_or(0, Vec::len);
    second.leave().await;
    let seen = app.data(Some(&viewer), GATEWAYS, json!({})).await["provider"]["gateways"].take();
    assert_eq!(seen.as_array().map(Vec::len), Some(before - 1), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_hears_of_nothing_refuses_calls_where_it_is_to_fail_closed() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    endless(&app, &editor, &product).await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    app.answers([&held.secret], [200]).await;
    let set = async |settings: Value| {
        let owner = app.staff(StaffRole::Owner);
        let input = json!({ "settings": settings });
        app.refused(Some(&owner.await), "updatePortal", "UpdatePortalInput", input).await
    };
    assert_eq!(set(json!({ "gatewayStaleSeconds": 9 })).await, "INVALID settings.gatewayStaleSeconds");
    // Shorter than the portal lets anybody set it, so that nobody has to wait for it here.
    let db = &app.domain().db;
    let stale = async |closed: bool| {
        let tx = Tx::begin(app.domain()).await.expect("a transaction");
        let row = portal::ActiveModel {
            id: Set(1),
            gateway_stale_seconds: Set(1),
            gateway_fail_closed: Set(closed),
            ..Default::default()
        };
        portal::Entity::update(row).exec(tx.db()).await.expect("the portal");
        tx.touch_gateway(Touch::Portal);
        tx.commit_unaudited(Unaudited::Mark).await.expect("a commit");
        let wanted = gateway_revision::Entity::find().one(db).await.expect("revisions").expect("a revision").revision;
        for _ in 0..400 {
            let node = gateway_node::Entity::find().one(db).await.expect("nodes").expect("a node");
            if node.applied_revision >= wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the gateway does not follow");
    };
    let rename = async |from: &str, to: &str| {
        db.execute_unprepared(&format!("alter table {from} rename to {to}")).await.expect("another name");
    };
    let health = format!("http://{}/_portico/readyz", app.app.gateway.as_ref().expect("a gateway").address());
    let health = async || app.http.get(&health).send().await.expect("an answer").status().as_u16();
    stale(true).await;
    app.answers([&held.secret], [200]).await;
    let mut open = stream(&app, &held.secret).await;
    rename("gateway_revisions", "gateway_revisions_away").await;
    app.answers([&held.secret], [503]).await;
    assert_eq!(health().await, 503);
    breaks_off(&mut open).await;
    rename("gateway_revisions_away", "gateway_revisions").await;
    app.answers([&held.secret], [200]).await;
    assert_eq!(health().await, 200);

    stale(false).await;
    rename("gateway_revisions", "gateway_revisions_away").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    app.answers([&held.secret], [200]).await;
    rename("gateway_revisions_away", "gateway_revisions").await;
}

/// Puts the product before an API whose answer goes on for as long as somebody listens.
async fn endless(app: &TestApp, editor: &Person, product: &Value) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let events = async || {
        let one = futures_util::stream::once(async { Ok::<_, std::io::Error>("data: one\n\n") });
        let body = axum::body::Body::from_stream(one.chain(futures_util::stream::pending()));
        ([("content-type", "text/event-stream")], body)
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/shipments", get(events))).await });
    for environment in ["SANDBOX", "PRODUCTION"] {
        let input = json!({ "productId": product, "environment": environment, "backend": "UPSTREAM", "upstreamUrl": url });
        app.mutate(Some(editor), "setProductEnvironment", input, "product { id }").await;
    }
}

/// An answer that has begun and goes on.
async fn stream(app: &TestApp, key: &Value) -> reqwest::Response {
    let url = format!("http://{}/ship/shipments", app.app.gateway.as_ref().expect("a gateway").address());
    for _ in 0..400 {
        let asked = app.http.get(&url).header("x-api-key", key.as_str().expect("a key"));
        let mut answer = asked.send().await.expect("an answer");
        if answer.status() == 200 && answer.headers()["content-type"] == "text/event-stream" {
            assert!(answer.chunk().await.expect("bytes").is_some());
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it is never let in");
}

async fn breaks_off(stream: &mut reqwest::Response) {
    let end = tokio::time::timeout(Duration::from_secs(3), stream.chunk()).await.expect("an end in time");
    assert!(end.is_err(), "it breaks off");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_counts_the_streams_that_ended_with_it() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    endless(&app, &editor, &product).await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
    let id =
        app.data(Some(&dev), query, json!({ "id": held.id })).await["subscription"]["lanes"][0]["credentials"][0]["id"].take();
    let open = async || stream(&app, &held.secret).await;
    let mut streams = [open().await, open().await, open().await];

    let input = json!({ "credentialId": id });
    let ended = app.mutate_as(Some(&dev), "revokeCredential", "CredentialIdInput", input, RECEIPT).await;
    let receipt = &ended["enforcement"];
    assert_eq!((&receipt["complete"], &receipt["streamsEnded"]), (&json!(true), &json!(3)), "{receipt}");
    for stream in &mut streams {
        breaks_off(stream).await;
    }
}
