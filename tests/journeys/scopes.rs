//! Scopes on request, and what the gateway makes of them.

use std::time::{Duration, Instant};

use entities::enums::StaffRole;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::TestApp;

const DOCUMENT: &str = r#"{
  "openapi": "3.1.0", "info": { "title": "Orders", "version": "1.0" },
  "components": { "securitySchemes": { "o": { "type": "oauth2", "flows": { "clientCredentials": {
    "tokenUrl": "https://orders.example/token", "scopes": { "orders:read": "", "orders:write": "", "orders:refund": "" } } } } } },
  "paths": {
    "/orders": {
      "get": { "security": [{ "o": ["orders:read"] }], "responses": { "200": { "description": "a list" } } },
      "post": { "security": [{ "o": ["orders:write"] }], "responses": { "201": { "description": "made" } } }
    },
    "/refunds": { "post": { "security": [{ "o": ["orders:refund"] }], "responses": { "201": { "description": "paid back" } } } }
  }
}"#;

fn scopes() -> Value {
    json!([
        { "name": "orders:read", "grant": "DEFAULT" },
        { "name": "orders:write", "grant": "OPTIONAL" },
        { "name": "orders:refund", "grant": "RESTRICTED" },
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_is_asked_for_granted_used_and_taken_back() {
    let app = TestApp::start().await;
    let (editor, reviewer) = (app.editor().await, app.staff(StaffRole::Reviewer).await);
    let product = app.product(&editor, "shop", "PUBLIC").await;
    let input = json!({ "productId": product, "document": DOCUMENT, "version": "2.0", "publishEndpoints": true });
    app.mutate(Some(&editor), "publishSpec", input, "product { id }").await;
    let plan = app.plan(&editor, &product, "free", true, json!({ "scopes": scopes() })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let key = held.secret.as_str().expect("a key").to_owned();
    let gateway = app.app.gateway.as_ref().expect("a gateway").address();
    // The refusal's code; beyond the checks, the upstream that is not there.
    let call = async |path: &str| {
        let url = format!("http://{gateway}/shop/{path}");
        let answer = app.http.post(url).header("x-api-key", &key).send().await.expect("an answer");
        answer.json::<Value>().await.expect("a problem")["code"].as_str().expect("a code").to_owned()
    };
    let becomes = async |path: &str, code: &str| {
        let begun = Instant::now();
        while call(path).await != code {
            assert!(begun.elapsed() < Duration::from_secs(2), "{path} is not {code}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    becomes("orders", "SCOPE_MISSING").await;

    let ask = async |scopes: Value, reason: Value| {
        let input = json!({ "subscriptionId": held.id, "scopes": scopes, "reason": reason });
        app.refused(Some(&dev), "requestScopes", "RequestScopesInput", input).await
    };
    assert_eq!(ask(json!([]), json!(null)).await, "REQUIRED scopes");
    assert_eq!(ask(json!(["orders:read"]), json!(null)).await, "ALREADY_DONE scopes.0");
    assert_eq!(ask(json!(["orders:write", "orders:refund"]), json!(null)).await, "REASON_REQUIRED reason", "all or none");
    assert_eq!(ask(json!(["orders:all"]), json!(null)).await, "NOT_FOUND scopes.0");
    let input = json!({ "subscriptionId": held.id, "scopes": ["orders:write", "orders:refund"], "reason": "Returns" });
    let asked = app.mutate(Some(&dev), "requestScopes", input, "requests { id status scope { name grant } reason }").await;
    let (write, refund) = (asked["requests"][0]["id"].clone(), asked["requests"][1]["id"].clone());
    assert_eq!(ask(json!(["orders:write"]), json!(null)).await, "ALREADY_DONE scopes.0", "it waits");

    let item = "{ provider { queue(kind: SCOPE) { nodes { kind reason viewerCanDecide subject { ... on ScopeRequest { scope { name } } } } } } }";
    let queue = app.data(Some(&reviewer), item, json!({})).await;
    assert_eq!(
        queue["provider"]["queue"]["nodes"][0],
        json!({"kind":"SCOPE","reason":"Returns","subject":{"scope":{"name":"orders:refund"}},"viewerCanDecide":true})
    );

    let input = |id: &Value| json!({ "scopeRequestId": id, "notes": "as agreed" });
    let approve = async || app.refused(Some(&reviewer), "approveScopeRequest", "DecideScopeRequestInput", input(&write)).await;
    let mut answers = join_all([approve(), approve()]).await;
    answers.sort();
    assert_eq!(answers, ["", "WRONG_STATE"], "decided once");
    becomes("orders", "UPSTREAM_UNREACHABLE").await;
    assert_eq!(call("refunds").await, "SCOPE_MISSING");
    assert_eq!(app.refused(Some(&dev), "approveScopeRequest", "DecideScopeRequestInput", input(&refund)).await, "FORBIDDEN");
    let take_back = json!({ "scopeRequestId": refund });
    assert_eq!(app.refused(Some(&dev), "withdrawScopeRequest", "ScopeRequestIdInput", take_back).await, "");
    assert_eq!(
        app.refused(Some(&reviewer), "declineScopeRequest", "DecideScopeRequestInput", input(&refund)).await,
        "WRONG_STATE"
    );

    let query = "query($id: ID!) { subscription(id: $id) { scopes { scope { name } grantedBy { name } }
        availableScopes { name } restrictedScopes { name } scopeRequests { nodes { status notes decidedBy { name } } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    assert_eq!(
        seen["subscription"],
        json!({"availableScopes":[],"restrictedScopes":[{"name":"orders:refund"}],"scopeRequests":{"nodes":[{"decidedBy":null,"notes":null,"status":"WITHDRAWN"},{"decidedBy":{"name":"Reviewer"},"notes":"as agreed","status":"APPROVED"}]},"scopes":[{"grantedBy":null,"scope":{"name":"orders:read"}},{"grantedBy":{"name":"Reviewer"},"scope":{"name":"orders:write"}}]})
    );

    let revoke = json!({ "subscriptionId": held.id, "scope": "orders:write" });
    assert_eq!(app.refused(Some(&dev), "revokeScope", "RevokeScopeInput", revoke.clone()).await, "FORBIDDEN");
    assert_eq!(app.refused(Some(&reviewer), "revokeScope", "RevokeScopeInput", revoke.clone()).await, "");
    becomes("orders", "SCOPE_MISSING").await;
    assert_eq!(app.refused(Some(&reviewer), "revokeScope", "RevokeScopeInput", revoke).await, "NOT_FOUND scope");
    let renounce = json!({ "subscriptionId": held.id, "scope": "orders:read" });
    assert_eq!(app.refused(Some(&dev), "renounceScope", "RenounceScopeInput", renounce).await, "");
    assert_eq!(ask(json!(["orders:read"]), json!(null)).await, "", "it can be had again");
    let stranger = app.partner("other").await.0;
    let theirs = json!({ "subscriptionId": held.id, "scopes": ["orders:write"] });
    assert_eq!(app.refused(Some(&stranger), "requestScopes", "RequestScopesInput", theirs).await, "NOT_FOUND");
}
