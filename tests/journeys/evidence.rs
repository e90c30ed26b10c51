//! What reviewers want to see of the sandbox work: shown to the team before it submits, and to the reviewer beside the form.

use chrono::TimeDelta;
use entities::enums::{Environment, StaffRole};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    logs::Call,
    offer::Held,
};

fn document() -> String {
    let answer = json!({ "responses": { "200": { "description": "ok" } } });
    let paths = json!({ "/orders/{id}": { "get": answer.clone() }, "/orders": { "post": answer } });
    json!({ "openapi": "3.1.0", "info": { "title": "Orders", "version": "2" }, "paths": paths }).to_string()
}

fn checklist() -> Value {
    json!([
        { "kind": "OPERATION_CALLED", "operation": "get /orders/{orderId}" },
        { "kind": "SUCCESSFUL_CALLS", "threshold": 3 },
        { "kind": "ERROR_RATE_BELOW", "threshold": 25 },
        { "kind": "HANDLED_429" },
        { "kind": "ROTATED_ONCE" },
    ])
}

async fn seen(app: &TestApp, who: &Person, held: &Held) -> Vec<String> {
    let query = "query($id: ID!) { subscription(id: $id) { pipeline { evidence { check { kind } met observed } } } }";
    lines(&app.data(Some(who), query, json!({ "id": held.id })).await["subscription"]["pipeline"]["evidence"])
}

fn lines(evidence: &Value) -> Vec<String> {
    let line = |e: &Value| {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        format!("{} {}: {}", if e["met"] == true { "+" } else { "-" }, text(&e["check"]["kind"]), text(&e["observed"]))
    };
    evidence.as_array().expect("a list").iter().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sandbox_traffic_answers_the_checklist() {
    let app = TestApp::start().await;
    let (editor, reviewer) = (app.editor().await, app.staff(StaffRole::Reviewer).await);
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let input = json!({ "productId": product, "document": document(), "publishEndpoints": true });
    app.mutate(Some(&editor), "publishSpec", input, "spec { id }").await;
    let more = json!({ "approval": "STANDARD", "reviewChecklist": checklist() });
    let plan = app.plan(&editor, &product, "partner", true, more).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let list = "{ product(slug: \"ship\") { plans { reviewChecklist { kind operation threshold text } }
        endpoints { nodes { id path } } } }";
    let catalog = app.data(Some(&dev), list, json!({})).await["product"].take();
    let asked = &catalog["plans"][0]["reviewChecklist"];
    assert_eq!(asked[0]["operation"], "GET /orders/{orderId}");
    assert_eq!(asked[2]["text"], "fewer than 25 % of the calls failed");
    let nodes = catalog["endpoints"]["nodes"].as_array().expect("endpoints");
    let one = &nodes.iter().find(|node| node["path"] == "/orders/{id}").expect("an endpoint")["id"];

    insta::assert_snapshot!(seen(&app, &dev, &held).await.join("\n"), @"
    - OPERATION_CALLED: 0 calls succeeded
    - SUCCESSFUL_CALLS: 0 calls succeeded
    - ERROR_RATE_BELOW: no calls yet
    - HANDLED_429: no 429 yet
    - ROTATED_ONCE: not yet
    ");
    let fine = Call::fine(&team, &product, &held);
    let at = async |seconds: i64, call: Call<'_>| {
        app.clock.advance(TimeDelta::seconds(seconds));
        call.log(&app).await;
    };
    at(1, Call { endpoint: Some(one), ..fine }).await;
    at(1, Call { status: 400, ..fine }).await;
    at(1, Call { status: 429, retry_after: Some("5"), ..fine }).await;
    at(2, fine).await;
    // Production is no rehearsal.
    at(1, Call { environment: Environment::Production, status: 500, ..fine }).await;
    insta::assert_snapshot!(seen(&app, &dev, &held).await.join("\n"), @"
    + OPERATION_CALLED: 1 call succeeded
    - SUCCESSFUL_CALLS: 2 calls succeeded
    - ERROR_RATE_BELOW: 33.3 % of 3 calls failed
    - HANDLED_429: told to wait 5 s, the next call came after 2.0 s
    - ROTATED_ONCE: not yet
    ");

    let select = "subscription { pipeline { submission { id evidence { check { kind } met observed } } } }";
    let done = app.mutate(Some(&dev), "submitForReview", json!({ "subscriptionId": held.id }), select).await;
    let submission = &done["subscription"]["pipeline"]["submission"];
    let then = lines(&submission["evidence"]);
    at(1, Call { status: 429, retry_after: Some("1"), ..fine }).await;
    at(2, fine).await;
    let input = json!({ "profileId": held.sandbox, "name": "second" });
    app.mutate(Some(&dev), "createCredential", input, "credential { id }").await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id name } } } }";
    let lanes = app.data(Some(&dev), query, json!({ "id": held.id })).await["subscription"]["lanes"].take();
    let credentials = lanes[0]["credentials"].as_array().expect("credentials");
    let first = credentials.iter().find(|credential| credential["name"] != "second").expect("the first");
    app.mutate_as(
        Some(&dev),
        "revokeCredential",
        "CredentialIdInput",
        json!({ "credentialId": first["id"] }),
        "credential { id }",
    )
    .await;
    insta::assert_snapshot!(seen(&app, &reviewer, &held).await.join("\n"), @"
    + OPERATION_CALLED: 1 call succeeded
    + SUCCESSFUL_CALLS: 3 calls succeeded
    - ERROR_RATE_BELOW: 25.0 % of 4 calls failed
    + HANDLED_429: told to wait 1 s, the next call came after 2.0 s
    + ROTATED_ONCE: done
    ");
    let node = "query($id: ID!) { node(id: $id) { ... on Submission { evidence { check { kind } met observed } } } }";
    let kept = app.data(Some(&reviewer), node, json!({ "id": submission["id"] })).await;
    assert_eq!(lines(&kept["node"]["evidence"]), then, "as it was when it was submitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_could_never_be_met_is_refused() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "partner", true, json!({})).await;
    let refused = async |checks: Value| {
        let input = json!({ "planId": plan, "reviewChecklist": checks });
        app.refused(Some(&editor), "updatePlan", "UpdatePlanInput", input).await
    };
    assert_eq!(
        refused(json!([{ "kind": "OPERATION_CALLED", "operation": "GET /nowhere" }])).await,
        "NOT_FOUND reviewChecklist.0.operation"
    );
    assert_eq!(
        refused(json!([{ "kind": "HANDLED_429" }, { "kind": "ERROR_RATE_BELOW", "threshold": 0 }])).await,
        "INVALID reviewChecklist.1.threshold"
    );
    assert_eq!(refused(json!([{ "kind": "HANDLED_429" }])).await, "");
}
