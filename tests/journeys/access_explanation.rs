//! Why a partner sees a product and can call it: what staff are told is what the partner's people see and what the gateway does.

use std::time::Duration;

use domain::{
    rules::{
        admission::{Call, admit},
        jose::access_token::Expected,
    },
    snapshot::Live,
};
use entities::{
    enums::{AccessLevel, StaffRole},
    gateway_revision,
};
use sea_orm::EntityTrait;
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

struct Question {
    app: TestApp,
    live: Live,
    editor: Person,
    member: Person,
    team: Value,
    product: Value,
    key: Option<String>,
}

impl Question {
    /// Whether a call with the key passes at the gateway.
    async fn passes(&self, method: &str) -> bool {
        let Some(key) = &self.key else { return false };
        let db = &self.app.domain().db;
        let revision = gateway_revision::Entity::find_by_id(1).one(db).await.expect("the revision").expect("a row").revision;
        while self.live.applied_revision() < revision {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let call = Call {
            method,
            path: "/ship/shipments",
            framing: None,
            client_id: None,
            profile_id: None,
            api_key: Some(key),
            bearer: None,
            certificate: None,
            peer: "192.0.2.1".parse().expect("an address"),
            now: self.app.domain().now(),
            tokens: Expected { issuer: "https://portal.example", audience: "https://gateway.example" },
        };
        admit(self.live.snapshot(), &call).is_ok()
    }

    async fn sees(&self) -> bool {
        let listed = self.app.data(Some(&self.member), "{ products(first: 50) { nodes { id } } }", json!({})).await;
        listed["products"]["nodes"].as_array().expect("products").iter().any(|node| node["id"] == self.product)
    }

    /// What is told of the product and of its two endpoints is what happens; the product's verdict, as `visible callable`.
    async fn asked(&self, what: &str) -> String {
        let query = "query($team: ID!, $product: ID!) {
            provider { explainAccess(teamId: $team, productId: $product) { visible callable because } }
            node(id: $product) { ... on Product { endpoints { nodes { method path callable(teamId: $team) { visible callable because } } } } }
        }";
        let variables = json!({ "team": self.team, "product": self.product });
        let data = self.app.data(Some(&self.editor), query, variables).await;
        let told = &data["provider"]["explainAccess"];
        assert_eq!(told["visible"], self.sees().await, "{what}: {told}");
        let mut any = false;
        for endpoint in data["node"]["endpoints"]["nodes"].as_array().expect("endpoints") {
            if endpoint["path"] == "/shipments" {
                let passes = self.passes(endpoint["method"].as_str().expect("a method")).await;
                assert_eq!(endpoint["callable"]["callable"], passes, "{what}: {endpoint}");
                any |= passes;
            }
        }
        assert_eq!(told["callable"], any, "{what}: {told}");
        assert!(!told["because"].as_array().expect("sentences").is_empty());
        format!("{} {}", told["visible"], told["callable"])
    }

    async fn staff(&self, field: &str, input: Value) {
        let input_type = match field {
            "suspendSubscription" | "reinstateSubscription" => "DecideSubscriptionInput",
            "assignProduct" => "AssignProductInput",
            "unassignProduct" => "UnassignProductInput",
            "updateClient" => "UpdateClientInput",
            "updateProfile" => "UpdateProfileInput",
            _ => "SetProductStatusInput",
        };
        self.app.mutate_as(Some(&self.editor), field, input_type, input, "__typename").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_what_the_partner_sees_and_what_the_gateway_does() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "ASSIGNED").await;
    let plan = app.plan(&editor, &product, "auto", true, json!({})).await;
    let (member, team) = app.partner("acme").await;
    let live = Live::start(app.domain().clone()).await.expect("a gateway's view");
    let mut q = Question { app, live, editor, member, team, product, key: None };
    assert_eq!(q.asked("not assigned").await, "false false");
    q.staff("assignProduct", json!({ "productId": q.product, "teamId": q.team })).await;
    assert_eq!(q.asked("assigned, without a client").await, "true false");
    let held = q.app.subscribed(&q.member, &q.team, &plan).await;
    q.key = held.secret.as_str().map(str::to_owned);
    assert_eq!(q.asked("subscribed").await, "true true");
    q.staff("unassignProduct", json!({ "productId": q.product, "teamId": q.team })).await;
    assert_eq!(q.asked("by the subscription alone").await, "true true");

    let subscription = json!({ "subscriptionId": held.id });
    q.staff("suspendSubscription", subscription.clone()).await;
    assert_eq!(q.asked("suspended").await, "true false");
    q.staff("reinstateSubscription", subscription.clone()).await;
    q.staff("updateClient", json!({ "clientId": held.client, "enabled": false })).await;
    assert_eq!(q.asked("client disabled").await, "true false");
    q.staff("updateClient", json!({ "clientId": held.client, "enabled": true })).await;
    q.staff("updateProfile", json!({ "profileId": held.sandbox, "allowedMethods": ["GET"] })).await;
    assert_eq!(q.asked("GET alone").await, "true true");
    q.staff("updateProfile", json!({ "profileId": held.sandbox, "enabled": false })).await;
    assert_eq!(q.asked("profile disabled").await, "true false");
    q.staff("updateProfile", json!({ "profileId": held.sandbox, "enabled": true })).await;
    q.staff("updateProfile", json!({ "profileId": held.sandbox, "ipAllowlist": ["192.0.2.0/24"] })).await;
    assert_eq!(q.asked("from its own network").await, "true true");
    q.staff("updateProfile", json!({ "profileId": held.sandbox, "ipAllowlist": [] })).await;

    for status in ["DEPRECATED", "RETIRED"] {
        q.staff("setProductStatus", json!({ "productId": q.product, "status": status })).await;
        let gone = status == "RETIRED";
        assert_eq!(q.asked(status).await, if gone { "false false" } else { "true true" });
    }
    let cancelled = json!({ "subscriptionId": held.id });
    q.app.mutate(Some(&q.member), "cancelSubscription", cancelled, "__typename").await;
    assert_eq!(q.asked("cancelled").await, "false false");
}

#[tokio::test]
async fn who_may_ask() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let (ann, acme) = app.partner("acme").await;
    let (bob, _) = app.partner("globex").await;
    let reader = app.member(&acme, "reader@acme.example", AccessLevel::Read).await;
    let guest = app.member(&acme, "guest@acme.example", AccessLevel::None).await;
    let auditor = app.staff(StaffRole::Auditor).await;
    let explain = "query($team: ID!, $id: ID!) { provider { explainAccess(teamId: $team, productId: $id) { visible } } }";
    let callable = "query($team: ID!, $id: ID!) { node(id: $id) { ... on Product { endpoints(first: 1) { nodes { callable(teamId: $team) { callable because } } } } } }";
    let ask = async |who: &Person, query: &str, team: &Value| {
        let answer = app.graphql(Some(who), query, json!({ "team": team, "id": product })).await;
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("fine").to_owned()
    };
    assert_eq!(ask(&editor, explain, &acme).await, "fine");
    assert_eq!(ask(&auditor, explain, &acme).await, "FORBIDDEN");
    assert_eq!(ask(&editor, explain, &json!("team_01h2xcejqtf2nbrexx3vqjhp41")).await, "NOT_FOUND");
    for (who, expected) in [(&editor, "fine"), (&ann, "fine"), (&reader, "fine"), (&guest, "FORBIDDEN"), (&bob, "NOT_FOUND")] {
        assert_eq!(ask(who, callable, &acme).await, expected, "{}", who.email);
    }
}
