//! What a partner could do on a date, for who has to answer for it.

use chrono::TimeDelta;
use entities::enums::{AccessLevel, StaffRole};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const ASKED: &str = "query($team: ID!, $at: DateTime!) { provider { accessOn(teamId: $team, at: $at) {
    at
    members { user { email } access { team credentials billing role } }
    subscriptions {
        subscription { name } status phase scopes products { slug }
        credentials { environment kind issuedAt }
    }
    clients { client { id } enabled products { slug } credentials { credentialId } rateLimit { requests window }
        quota { requests period } ipAllowlist }
    gaps
} } }";

async fn asked(app: &TestApp, who: &Person, team: &Value, at: &str) -> Value {
    app.data(Some(who), ASKED, json!({ "team": team, "at": at })).await["provider"]["accessOn"].take()
}

/// One line for each thing.
fn told(access: &Value) -> String {
    let list = |value: &Value, field: &str| {
        let rows = value.as_array().expect("a list").iter().map(|row| row[field].as_str().unwrap_or_default().to_owned());
        rows.collect::<Vec<_>>().join(" ")
    };
    let mut lines = Vec::new();
    for member in access["members"].as_array().expect("members") {
        lines.push(format!("{} {}", member["user"]["email"], member["access"]["role"]));
    }
    for held in access["subscriptions"].as_array().expect("subscriptions") {
        let (products, credentials) = (list(&held["products"], "slug"), list(&held["credentials"], "environment"));
        lines.push(format!("{} {} {} for [{products}] by [{credentials}]", held["status"], held["phase"], held["scopes"]));
    }
    for client in access["clients"].as_array().expect("clients") {
        let products = list(&client["products"], "slug");
        lines.push(format!("enabled {} for [{products}] from {}", client["enabled"], client["ipAllowlist"]));
        lines.push(format!("{} {}", client["rateLimit"], client["quota"]));
    }
    lines.extend(access["gaps"].as_array().expect("gaps").iter().map(ToString::to_string));
    lines.join("\n")
}

#[tokio::test]
async fn staff_are_told_what_a_partner_could_do_on_a_date() {
    let app = TestApp::start().await;
    let (editor, admin) = (app.editor().await, app.staff(StaffRole::Admin).await);
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let other = app.product(&editor, "track", "ASSIGNED").await;
    let environment = |name: &str, requests: i32| json!({ "environment": name, "authMethod": "API_KEY", "rateLimit": { "requests": requests, "window": "MINUTE" } });
    let more = json!({
        "environments": [environment("PRODUCTION", 100), environment("SANDBOX", 10)],
        "scopes": [{ "name": "track", "grant": "DEFAULT" }, { "name": "book", "grant": "OPTIONAL" }],
    });
    let plan = app.plan(&editor, &product, "auto", true, more).await;
    let mut moments = Vec::new();
    let mut moment = async |app: &TestApp| {
        moments.push(app.domain().now().to_rfc3339());
        app.clock.advance(TimeDelta::days(1));
    };
    moment(&app).await;
    let (ann, acme) = app.partner("acme").await;
    moment(&app).await;
    let held = app.subscribed(&ann, &acme, &plan).await;
    let reader = app.member(&acme, "reader@acme.example", AccessLevel::Read).await;
    moment(&app).await;
    let who = Some(&editor);
    app.mutate_as(who, "assignProduct", "AssignProductInput", json!({ "productId": other, "teamId": acme }), "__typename").await;
    let network = json!({ "profileId": held.sandbox, "ipAllowlist": ["192.0.2.0/24"] });
    app.mutate(Some(&ann), "updateNetworkRules", network, "__typename").await;
    let decided = json!({ "subscriptionId": held.id });
    app.mutate_as(who, "suspendSubscription", "DecideSubscriptionInput", decided, "__typename").await;
    moment(&app).await;
    app.mutate(who, "updateClient", json!({ "clientId": held.client, "enabled": false }), "__typename").await;
    app.mutate(Some(&ann), "removeMember", json!({ "teamId": acme, "userId": reader.id.to_string() }), "__typename").await;
    app.mutate_as(who, "unassignProduct", "UnassignProductInput", json!({ "productId": other, "teamId": acme }), "__typename")
        .await;
    app.mutate(Some(&ann), "cancelSubscription", json!({ "subscriptionId": held.id }), "__typename").await;
    moment(&app).await;

    let mut all = Vec::new();
    for at in &moments {
        let access = asked(&app, &admin, &acme, at).await;
        all.push(format!("{}:\n{}\n", access["at"], told(&access)));
    }
    insta::assert_snapshot!(all.join("\n").replace('"', ""), @r"
    2026-01-05T09:00:00+00:00:


    2026-01-06T09:00:00+00:00:
    dev@acme.example ADMIN

    2026-01-07T09:00:00+00:00:
    dev@acme.example ADMIN
    reader@acme.example RESTRICTED
    ACTIVE SANDBOX [track] for [ship] by [SANDBOX]
    enabled true for [ship] from []
    {requests:10,window:MINUTE} null

    2026-01-08T09:00:00+00:00:
    dev@acme.example ADMIN
    reader@acme.example RESTRICTED
    SUSPENDED SANDBOX [track] for [ship] by [SANDBOX]
    enabled true for [ship track] from [192.0.2.0/24]
    {requests:10,window:MINUTE} null

    2026-01-09T09:00:00+00:00:
    dev@acme.example ADMIN
    CANCELLED SANDBOX [track] for [] by []
    enabled false for [] from [192.0.2.0/24]
    {requests:10,window:MINUTE} null
    ");
}

#[tokio::test]
async fn only_who_may_read_the_log_may_ask_and_only_of_what_has_been() {
    let app = TestApp::start().await;
    let (editor, auditor) = (app.editor().await, app.staff(StaffRole::Auditor).await);
    let (ann, acme) = app.partner("acme").await;
    let now = app.domain().now();
    let ask = async |who: Option<&Person>, team: &Value, at: String| {
        let answer = app.graphql(who, ASKED, json!({ "team": team, "at": at })).await;
        let shown = if answer["data"]["provider"].is_null() { "nothing" } else { "fine" };
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or(shown).to_owned()
    };
    assert_eq!(ask(Some(&auditor), &acme, now.to_rfc3339()).await, "fine");
    assert_eq!(ask(Some(&editor), &acme, now.to_rfc3339()).await, "FORBIDDEN");
    assert_eq!(ask(Some(&ann), &acme, now.to_rfc3339()).await, "nothing");
    assert_eq!(ask(None, &acme, now.to_rfc3339()).await, "nothing");
    assert_eq!(ask(Some(&auditor), &acme, (now + TimeDelta::seconds(1)).to_rfc3339()).await, "BAD_USER_INPUT");
    assert_eq!(ask(Some(&auditor), &json!("team_01h2xcejqtf2nbrexx3vqjhp41"), now.to_rfc3339()).await, "NOT_FOUND");
}
