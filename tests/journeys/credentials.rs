//! Credentials: who makes them, where, how many, and how they end.

use chrono::TimeDelta;
use entities::enums::AccessLevel;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{app::TestApp, offer::Held};

async fn held(app: &TestApp, sandbox: bool, more: Value) -> (crate::app::Person, crate::app::Person, Value, Held) {
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", sandbox, more).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    (editor, dev, team, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_lane_says_why() {
    let app = TestApp::start().await;
    let (_, dev, _, held) = held(&app, true, json!({})).await;
    let create = async |profile: &Value| {
        app.refused(Some(&dev), "createCredential", "CreateCredentialInput", json!({ "profileId": profile })).await
    };
    assert_eq!(create(&held.production).await, "PRODUCTION_LOCKED");
    assert_eq!(create(&held.sandbox).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_shown_once_works_with_its_client_and_is_revoked() {
    let app = TestApp::start().await;
    let environments = json!([{ "environment": "PRODUCTION", "authMethod": "TOKEN" }]);
    let (_, dev, _, held) = held(&app, false, json!({ "environments": environments })).await;
    assert_eq!(held.secret, Value::Null, "production credentials are made by hand");
    let input = json!({ "profileId": held.production, "name": "CI" });
    let select = "credential { id name kind status clientId createdBy { id } } issued { secret clientId sampleRequest }";
    let made = app.mutate(Some(&dev), "createCredential", input, select).await;
    assert_eq!(made["issued"]["clientId"], held.client);
    assert_eq!(made["credential"]["clientId"], held.client);
    assert_eq!(made["credential"]["createdBy"]["id"], json!(dev.id.to_string()));
    let secret = made["issued"]["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("ptt_live_"));
    assert!(!app.is_stored(&secret[15..]).await);
    let id = made["credential"]["id"].clone();
    let revoke = async || app.refused(Some(&dev), "revokeCredential", "CredentialIdInput", json!({ "credentialId": id })).await;
    let mut answers = join_all([revoke(), revoke()]).await;
    answers.sort();
    assert_eq!(answers, ["", "ALREADY_DONE"]);
    let query = "query($id: ID!) { node(id: $id) { ... on Credential { status name } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": id })).await;
    assert_eq!(seen["node"], json!({ "status": "REVOKED", "name": "CI" }));
    let actions = app.audited().await;
    assert_eq!(
        actions.iter().filter(|a| a.starts_with("credential.")).collect::<Vec<_>>(),
        ["credential.created", "credential.revoked"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_expiry_and_number_have_their_bounds() {
    let app = TestApp::start().await;
    let scopes = json!([{ "name": "ship:read", "grant": "DEFAULT" }, { "name": "ship:write", "grant": "OPTIONAL" }]);
    let (_, dev, _, held) = held(&app, false, json!({ "scopes": scopes })).await;
    let create = async |more: Value| {
        let mut input = json!({ "profileId": held.production });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        app.refused(Some(&dev), "createCredential", "CreateCredentialInput", input).await
    };
    assert_eq!(create(json!({ "scopes": ["ship:read", "ship:write"] })).await, "INVALID scopes.1", "not granted");
    assert_eq!(create(json!({ "scopes": ["ship:read"] })).await, "");
    let now = app.domain().now();
    assert_eq!(create(json!({ "expiresAt": now })).await, "INVALID expiresAt");
    assert_eq!(create(json!({ "expiresAt": now + TimeDelta::hours(1) })).await, "");
    let mut more = join_all((0..10).map(|_| create(json!({})))).await;
    more.sort();
    assert_eq!(more.iter().filter(|answer| answer.is_empty()).count(), 8, "{more:?}");
    assert_eq!(more[9], "LIMIT_REACHED profileId");
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!(create(json!({})).await, "", "an expired one makes room");
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { status expiresAt } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let all = seen["subscription"]["lanes"][0]["credentials"].as_array().expect("credentials").clone();
    let expired: Vec<_> = all.iter().filter(|c| c["status"] == "EXPIRED").collect();
    assert!(expired.len() == 1 && expired[0]["expiresAt"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_makes_one_credential() {
    let app = TestApp::start().await;
    let (_, dev, _, held) = held(&app, false, json!({})).await;
    let input = json!({ "profileId": held.production, "idempotencyKey": "k" });
    let select = "credential { id } issued { secret }";
    let answers = join_all((0..20).map(|_| app.mutate(Some(&dev), "createCredential", input.clone(), select))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]) && answers[0]["issued"]["secret"].is_string());
    assert_eq!(app.audited().await.iter().filter(|action| *action == "credential.created").count(), 1);
    let secret = answers[0]["issued"]["secret"].as_str().expect("a secret");
    assert!(!app.is_stored(&secret[25..]).await, "made again, not stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_team_makes_credentials_and_staff_do_not() {
    let app = TestApp::start().await;
    let (editor, dev, team, held) = held(&app, false, json!({})).await;
    let reader = app.member(&team, "reader@acme.example", AccessLevel::Read).await;
    let create = json!({ "profileId": held.production });
    for who in [&editor, &reader] {
        assert_eq!(app.refused(Some(who), "createCredential", "CreateCredentialInput", create.clone()).await, "FORBIDDEN");
    }
    let made = app.mutate(Some(&dev), "createCredential", create, "credential { id }").await;
    let revoke = json!({ "credentialId": made["credential"]["id"] });
    assert_eq!(app.refused(Some(&reader), "revokeCredential", "CredentialIdInput", revoke.clone()).await, "FORBIDDEN");
    assert_eq!(app.refused(Some(&editor), "revokeCredential", "CredentialIdInput", revoke).await, "", "staff can end one");
    let rules = json!({ "profileId": held.production, "ipAllowlist": ["2001:DB8::1/32", "10.1.2.3/8", "10.0.0.0/8"] });
    let set = app.mutate(Some(&dev), "updateNetworkRules", rules, "profile { ipAllowlist }").await;
    assert_eq!(set["profile"]["ipAllowlist"], json!(["2001:db8::/32", "10.0.0.0/8"]));
    let bad = json!({ "profileId": held.production, "ipAllowlist": ["10.0.0.1", "everywhere"] });
    assert_eq!(app.refused(Some(&dev), "updateNetworkRules", "UpdateNetworkRulesInput", bad).await, "INVALID ipAllowlist.1");
}
