//! What a mutation's answer says holds from then on, at every gateway: what was issued works, what was taken back is refused.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entities::{gateway_node, id::GatewayNodeId};
use reqwest::Method;
use sea_orm::{ActiveValue::Set, EntityTrait};
use serde_json::{Value, json};

use crate::{app::TestApp, oauth, onboarding::product};

const PATH: &str = "/ship/shipments";
const RECEIPT: &str = "enforcement { gateways confirmed complete }";

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_works_when_its_answer_is_there_and_is_refused_when_that_of_its_end_is() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    assert_eq!(app.call(PATH, text(&held.secret)).await, 200, "subscribe made it");
    let mut last = Value::Null;
    for n in 0..10 {
        // Nothing is selected that would wait by itself.
        let made = app.mutate(
            Some(&dev),
            "createCredential",
            json!({ "profileId": held.sandbox }),
            "credential { id } issued { secret }",
        );
        let made = made.await;
        let key = text(&made["issued"]["secret"]);
        assert_eq!(app.call(PATH, key).await, 200, "made, {n}");
        let input = json!({ "credentialId": made["credential"]["id"] });
        app.mutate_as(Some(&dev), "revokeCredential", "CredentialIdInput", input, "credential { id }").await;
        assert_eq!(app.call(PATH, key).await, 401, "revoked, {n}");
        last = held.secret.clone();
    }
    let key = text(&last);
    for (enabled, expected) in [(false, 403), (true, 200)] {
        let input = json!({ "clientId": held.client, "enabled": enabled });
        let seen = app.mutate(Some(&editor), "updateClient", input, RECEIPT).await;
        assert_eq!(seen["enforcement"], json!({ "gateways": 1, "confirmed": 1, "complete": true }));
        assert_eq!(app.call(PATH, key).await, expected);
    }
    for (list, expected) in [(json!(["203.0.113.9"]), 403), (json!([]), 200)] {
        let input = json!({ "profileId": held.sandbox, "ipAllowlist": list });
        app.mutate(Some(&dev), "updateNetworkRules", input, "profile { id }").await;
        assert_eq!(app.call(PATH, key).await, expected);
    }
    let input = json!({ "subscriptionId": held.id });
    let ended = app.mutate(Some(&dev), "cancelSubscription", input, RECEIPT).await;
    assert_eq!(ended["enforcement"]["complete"], true);
    assert!(matches!(app.call(PATH, key).await, 401 | 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_of_its_own_mutation_and_null_where_nothing_changed_at_the_gateway() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let (dev, team) = app.partner("acme").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "mutation($off: UpdateClientInput!, $name: UpdateTeamInput!, $wrong: UpdateClientInput!) {
        changed: updateClient(input: $off) { enforcement { complete } userErrors { code } }
        named: updateTeam(input: $name) { enforcement { complete } userErrors { code } }
        again: updateClient(input: $off) { enforcement { revision } userErrors { code } }
        refused: updateClient(input: $wrong) { enforcement { complete } userErrors { code } } }";
    let variables = json!({
        "off": { "clientId": held.client, "enabled": false },
        "name": { "teamId": team, "name": "Acme Freight" },
        "wrong": { "clientId": held.client, "name": "" },
    });
    let owner = app.staff(entities::enums::StaffRole::Owner).await;
    let seen = app.data(Some(&owner), query, variables).await;
    assert_eq!(seen["changed"]["enforcement"], json!({ "complete": true }), "{seen}");
    assert_eq!((&seen["named"]["enforcement"], &seen["named"]["userErrors"]), (&Value::Null, &json!([])), "{seen}");
    assert_eq!(seen["refused"]["enforcement"], Value::Null, "{seen}");
    assert_ne!(seen["refused"]["userErrors"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_gateways_that_live_are_waited_for() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let set = async |status: &str| {
        let begun = Instant::now();
        let input = json!({ "productId": product, "status": status });
        let seen = app.mutate(Some(&editor), "setProductStatus", input, RECEIPT).await["enforcement"].take();
        (begun.elapsed(), seen)
    };
    let lost = |seen| gateway_node::ActiveModel {
        id: Set(app.domain().env.id::<GatewayNodeId>()),
        started_at: Set(seen),
        last_seen_at: Set(seen),
        applied_revision: Set(0),
    };
    let now = app.domain().now();
    let db = &app.domain().db;
    // Silent for longer than the portal's minute.
    gateway_node::Entity::insert(lost(now - TimeDelta::seconds(61))).exec_without_returning(db).await.expect("a row");
    let (_, seen) = set("DEPRECATED").await;
    assert_eq!(seen, json!({ "gateways": 1, "confirmed": 1, "complete": true }));
    // Silent since three signs of life: it may decide on calls by what it knew, and nobody waits for it.
    gateway_node::Entity::insert(lost(now - TimeDelta::seconds(7))).exec_without_returning(db).await.expect("a row");
    let (took, seen) = set("PUBLISHED").await;
    assert_eq!(seen, json!({ "gateways": 2, "confirmed": 1, "complete": false }));
    assert!(took < Duration::from_millis(900), "{took:?}");
    gateway_node::Entity::insert(lost(now)).exec_without_returning(db).await.expect("a row");
    let (took, seen) = set("DEPRECATED").await;
    assert_eq!(seen, json!({ "gateways": 3, "confirmed": 1, "complete": false }));
    assert!(took >= Duration::from_secs(1), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_gateway_nobody_waits() {
    let app = TestApp::start_without_gateway().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let input = json!({ "productId": product, "status": "DEPRECATED" });
    let seen =
        app.mutate(Some(&editor), "setProductStatus", input, "enforcement { gateways confirmed complete milliseconds }").await;
    let (receipt, took) = (&seen["enforcement"], seen["enforcement"]["milliseconds"].as_f64());
    assert_eq!((&receipt["gateways"], &receipt["complete"]), (&json!(0), &json!(true)));
    assert!(took.is_some_and(|took| took < 900.0), "{receipt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_works_when_its_answer_is_there_and_is_refused_when_that_of_its_end_is() {
    let app = TestApp::start().await;
    let partner = oauth::partner(&app).await;
    let credential = |made: &Value| made["credential"]["id"].as_str().expect("an id").to_owned();
    for n in 0..5 {
        let input = json!({ "profileId": partner.held.sandbox });
        let made = app.mutate(Some(&partner.dev), "createCredential", input, "credential { id } issued { secret }").await;
        let (client, secret) = (credential(&made), text(&made["issued"]["secret"]));
        let token = app.token(&client, secret, &[]).await["access_token"].take();
        assert_eq!(app.bearer(Method::GET, text(&token)).await.0, 200, "{n}");
        let revoked = app.oauth("/oauth2/revoke", &[("token", text(&token))]).basic_auth(&client, Some(secret));
        assert_eq!(revoked.send().await.expect("an answer").status(), 200);
        assert_eq!(app.bearer(Method::GET, text(&token)).await, (401, "CREDENTIAL_REVOKED".to_owned()), "{n}");
        let input = json!({ "credentialId": client });
        app.mutate_as(Some(&partner.dev), "revokeCredential", "CredentialIdInput", input, "credential { id }").await;
    }
}
