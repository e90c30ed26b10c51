//! The scopes that an assignment gives, those that a subscription alone gives, and who can do what where one is missing.

use axum::{Router, http::HeaderMap};
use entities::enums::StaffRole;
use reqwest::Method;
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const DOCUMENT: &str = r#"{
  "openapi": "3.1.0", "info": { "title": "Shipments", "version": "2.0" },
  "components": { "securitySchemes": { "x": { "type": "oauth2", "flows": { "clientCredentials": {
    "tokenUrl": "https://ship.example/token", "scopes": { "ship:read": "", "ship:write": "" } } } } } },
  "paths": { "/shipments": {
    "get": { "security": [{ "x": ["ship:read"] }], "responses": { "200": { "description": "a list" } } },
    "post": { "security": [{ "x": ["ship:write"] }], "responses": { "201": { "description": "made" } } } } }
}"#;

struct Partner {
    dev: Person,
    team: Value,
    client: String,
    profile: Value,
    credential: String,
    secret: String,
}

struct Road {
    app: TestApp,
    editor: Person,
    product: Value,
}

/// Answers with the scopes that were vouched for.
async fn upstream() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let heard = async |headers: HeaderMap| {
        headers.get("x-portico-scopes").and_then(|scopes| scopes.to_str().ok()).unwrap_or("none").to_owned()
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(heard)).await });
    url
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

impl Road {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let editor = app.editor().await;
        let product = app.product(&editor, "ship", "PUBLIC").await;
        let road = Self { app, editor, product };
        road.publish(&road.product, DOCUMENT, "2.0").await;
        road
    }

    async fn publish(&self, product: &Value, document: &str, version: &str) {
        let url = upstream().await;
        for environment in ["SANDBOX", "PRODUCTION"] {
            let input = json!({ "productId": product, "environment": environment, "backend": "UPSTREAM", "upstreamUrl": url });
            self.app.mutate(Some(&self.editor), "setProductEnvironment", input, "product { id }").await;
        }
        let input = json!({ "productId": product, "document": document, "version": version, "publishEndpoints": true });
        self.app.mutate(Some(&self.editor), "publishSpec", input, "product { id }").await;
    }

    /// The recipe of a partner without a plan.
    async fn onboarded(&self, name: &str, method: &str, scopes: Value) -> Partner {
        let (dev, team) = self.app.partner(name).await;
        let input = json!({ "teamId": team, "emails": [], "productIds": [self.product], "scopes": scopes,
            "profile": { "name": "first", "environment": "PRODUCTION", "authMethod": method } });
        let select = "client { id profiles { id credentials { id } } } issued { secret }";
        let made = self.app.mutate(Some(&self.editor), "onboardPartner", input, select).await;
        let profile = &made["client"]["profiles"][0];
        Partner {
            dev,
            team,
            client: text(&made["client"]["id"]).to_owned(),
            profile: profile["id"].clone(),
            credential: text(&profile["credentials"][0]["id"]).to_owned(),
            secret: text(&made["issued"]["secret"]).to_owned(),
        }
    }

    async fn staff(&self, field: &str, input: Value) {
        self.app.mutate(Some(&self.editor), field, input, "__typename").await;
    }

    async fn assign(&self, to: Value, scopes: Value) {
        let mut input = to;
        (input["productId"], input["scopes"]) = (self.product.clone(), scopes);
        self.staff("assignProduct", input).await;
    }

    fn gateway(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.app.gateway.as_ref().expect("a gateway").address())
    }

    /// What the upstream hears of the call's scopes, or the refusal.
    async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Result<String, Value> {
        let mut request = self.app.http.request(method, self.gateway(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        let challenge = answer.headers().get("www-authenticate").map(|value| value.to_str().expect("a text").to_owned());
        if answer.status() == 200 {
            return Ok(answer.text().await.expect("a text"));
        }
        let mut problem: Value = answer.json().await.expect("a problem");
        problem["challenge"] = json!(challenge);
        Err(problem)
    }

    async fn calls(&self, partner: &Partner, method: Method, path: &str) -> Result<String, Value> {
        let bearer = format!("Bearer {}", partner.secret);
        self.call(method, path, &[("authorization", &bearer), ("x-client-id", &partner.client)]).await
    }

    /// Which of GET and POST the gateway lets through: what the portal says of them is what happens.
    async fn passes(&self, partner: &Partner) -> [bool; 2] {
        let query = "query($team: ID!, $product: ID!) {
            provider { explainAccess(teamId: $team, productId: $product) { callable } }
            node(id: $product) { ... on Product { endpoints { nodes { method callable(teamId: $team) { callable because } } } } }
        }";
        let variables = json!({ "team": partner.team, "product": self.product });
        let told = self.app.data(Some(&self.editor), query, variables).await;
        let endpoints = told["node"]["endpoints"]["nodes"].as_array().expect("endpoints");
        let mut passes = [false; 2];
        for (passes, method) in passes.iter_mut().zip([Method::GET, Method::POST]) {
            let answer = self.calls(partner, method.clone(), "/ship/shipments").await;
            let told = &endpoints.iter().find(|e| e["method"] == method.as_str()).expect("an endpoint")["callable"];
            *passes = answer.is_ok();
            assert_eq!(told["callable"], *passes, "{told}");
            if let Err(problem) = answer {
                assert_eq!(problem["code"], "SCOPE_MISSING", "{problem}");
                let because = told["because"].to_string();
                assert!(because.contains(text(&problem["remedy"])), "{because}");
            }
        }
        assert_eq!(told["provider"]["explainAccess"]["callable"], passes[0] || passes[1]);
        passes
    }

    /// Of the assignments of the product, the newest first: the scopes, and whether a subscription gave it.
    async fn shown(&self) -> Vec<(Value, bool)> {
        let query = "query($id: ID!) { node(id: $id) { ... on Product { assignments { nodes { scopes via { id } } } } } }";
        let seen = self.app.data(Some(&self.editor), query, json!({ "id": self.product })).await;
        let rows = seen["node"]["assignments"]["nodes"].as_array().expect("assignments").clone();
        rows.into_iter().map(|row| (row["scopes"].clone(), !row["via"].is_null())).collect()
    }

    /// Who can put a refused call right, and how, as the answer and the portal have it.
    async fn remedy(&self, who: &Person, refused: Result<String, Value>) -> String {
        let problem = refused.expect_err("a refusal");
        assert_eq!(problem["challenge"], r#"Bearer realm="portico", error="insufficient_scope", scope="ship:write""#);
        let query = "query($id: String!) { decision(requestId: $id) { reason whoCanFix remedy } }";
        let told = loop {
            let told = self.app.data(Some(who), query, json!({ "id": problem["requestId"] })).await["decision"].take();
            if !told.is_null() {
                break told;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        };
        assert_eq!((&told["reason"], &told["remedy"]), (&json!("SCOPE_MISSING"), &problem["remedy"]));
        format!("{}: {}", text(&told["whoCanFix"]), text(&problem["detail"]))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_made_by_hand_calls_operations_that_ask_for_scopes() {
    let road = Road::start().await;
    let all = road.onboarded("acme", "TOKEN", Value::Null).await;
    assert_eq!(road.passes(&all).await, [true, true]);
    let part = road.onboarded("borea", "TOKEN", json!(["ship:read"])).await;
    assert_eq!(road.passes(&part).await, [true, false]);
    assert_eq!(road.shown().await, [(json!(["ship:read"]), false), (Value::Null, false)]);

    let to = json!({ "clientId": part.client });
    for (scopes, expected) in [
        (json!(["ship:write", "ship:write"]), [false, true]),
        (json!([]), [false, false]),
        (json!(["ship:write", "ship:read"]), [true, true]),
        (json!([]), [false, false]),
        (Value::Null, [true, true]),
    ] {
        road.assign(to.clone(), scopes.clone()).await;
        assert_eq!(road.passes(&part).await, expected, "{scopes}");
    }
    let again = json!({ "productId": road.product, "clientId": part.client });
    let refused = async |input: Value| road.app.refused(Some(&road.editor), "assignProduct", "AssignProductInput", input).await;
    assert_eq!(refused(again.clone()).await, "ALREADY_DONE clientId");
    let mut wrong = again;
    wrong["scopes"] = json!(["ship:read", "ship:sink"]);
    assert_eq!(refused(wrong).await, "INVALID scopes.1");

    // The client's, the team's and the tier's assignments add up.
    road.assign(to.clone(), json!(["ship:read"])).await;
    road.assign(json!({ "teamId": part.team }), json!(["ship:write"])).await;
    assert_eq!(road.passes(&part).await, [true, true]);
    let tier =
        road.app.mutate(Some(&road.editor), "createTier", json!({ "name": "Gold" }), "tier { id }").await["tier"]["id"].take();
    road.staff("setTeamTier", json!({ "teamId": part.team, "tierId": tier })).await;
    road.assign(json!({ "teamId": part.team }), json!([])).await;
    assert_eq!(road.passes(&part).await, [true, false]);
    road.assign(json!({ "tierId": tier }), Value::Null).await;
    assert_eq!(road.passes(&part).await, [true, true]);
    road.assign(json!({ "tierId": tier }), json!(["ship:write"])).await;
    assert_eq!(road.passes(&part).await, [true, true]);
    road.staff("unassignProduct", json!({ "productId": road.product, "tierId": tier })).await;
    assert_eq!(road.passes(&part).await, [true, false]);

    let logged = road.app.audited().await;
    assert_eq!(logged.iter().filter(|action| *action == "product.assignment_scopes_set").count(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_gives_whom_all_was_given_what_it_asks_for() {
    let road = Road::start().await;
    let all = road.onboarded("acme", "TOKEN", Value::Null).await;
    let part = road.onboarded("borea", "TOKEN", json!(["ship:read", "ship:write"])).await;
    road.publish(&road.product, &DOCUMENT.replace("ship:write", "ship:make"), "2.1").await;
    assert_eq!(road.calls(&all, Method::POST, "/ship/shipments").await.as_deref(), Ok("ship:make ship:read"));
    assert_eq!(road.calls(&part, Method::POST, "/ship/shipments").await.unwrap_err()["code"], "SCOPE_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn onboarding_takes_a_part_of_the_scopes_of_its_products() {
    let road = Road::start().await;
    let other = road.app.product(&road.editor, "pay", "PUBLIC").await;
    road.publish(&other, &DOCUMENT.replace("ship:", "pay:").replace("pay:write", "ship:write"), "2.0").await;
    let recipe = |products: Value, scopes: Value| {
        json!({ "teamName": "Acme", "emails": [], "productIds": products, "scopes": scopes,
            "profile": { "name": "first", "environment": "PRODUCTION", "authMethod": "TOKEN" } })
    };
    let refused = async |input: Value| road.app.refused(Some(&road.editor), "onboardPartner", "OnboardPartnerInput", input).await;
    assert_eq!(refused(recipe(json!([road.product]), json!(["ship:read", "pay:read"]))).await, "INVALID scopes.1");
    assert_eq!(refused(recipe(json!([]), json!([]))).await, "INVALID scopes");

    // Each product gives those of the names that it asks for.
    let input = recipe(json!([road.product, other]), json!(["pay:read", "ship:write"]));
    let select = "client { id } issued { secret }";
    let made = road.app.mutate(Some(&road.editor), "onboardPartner", input, select).await;
    let bearer = format!("Bearer {}", text(&made["issued"]["secret"]));
    let headers = [("authorization", bearer.as_str()), ("x-client-id", text(&made["client"]["id"]))];
    // One after the other, by one connection: what the upstream hears is of the product that is called.
    for _ in 0..3 {
        assert_eq!(road.call(Method::POST, "/ship/shipments", &headers).await.as_deref(), Ok("ship:write"));
        assert_eq!(road.call(Method::GET, "/pay/shipments", &headers).await.as_deref(), Ok("pay:read ship:write"));
        assert_eq!(road.call(Method::GET, "/ship/shipments", &headers).await.unwrap_err()["code"], "SCOPE_MISSING");
    }
    assert_eq!(road.shown().await, [(json!(["ship:write"]), false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_product_of_a_subscription_the_plans_grants_count_alone() {
    let road = Road::start().await;
    let scopes = json!([{ "name": "ship:read", "grant": "DEFAULT" }, { "name": "ship:write", "grant": "RESTRICTED" }]);
    let plan = road.app.plan(&road.editor, &road.product, "free", true, json!({ "scopes": scopes })).await;
    let (dev, team) = road.app.partner("acme").await;
    let held = road.app.subscribed(&dev, &team, &plan).await;
    let key = [("x-api-key", text(&held.secret))];
    let hears = async |method: Method| {
        road.call(method, "/ship/shipments", &key).await.unwrap_or_else(|problem| text(&problem["code"]).to_owned())
    };
    assert_eq!(hears(Method::POST).await, "SCOPE_MISSING");
    for to in [json!({ "clientId": held.client }), json!({ "teamId": team })] {
        road.assign(to, Value::Null).await;
        assert_eq!(hears(Method::POST).await, "SCOPE_MISSING", "RESTRICTED stays restricted");
        assert_eq!(hears(Method::GET).await, "ship:read");
    }
    let input = json!({ "profileId": held.sandbox, "scopes": ["ship:write"] });
    let refused = road.app.refused(Some(&dev), "createCredential", "CreateCredentialInput", input).await;
    assert_eq!(refused, "INVALID scopes.0");
    assert_eq!(road.shown().await, [(Value::Null, false), (Value::Null, false), (json!(["ship:read"]), true)]);

    // Another product that staff assigned to the same client, it holds by the assignment.
    let other = road.app.product(&road.editor, "pay", "PUBLIC").await;
    road.publish(&other, &DOCUMENT.replace("ship:", "pay:"), "2.0").await;
    road.staff("assignProduct", json!({ "productId": other, "clientId": held.client, "scopes": ["pay:write"] })).await;
    assert_eq!(road.call(Method::POST, "/pay/shipments", &key).await.as_deref(), Ok("pay:write"));
    assert_eq!(road.call(Method::GET, "/pay/shipments", &key).await.unwrap_err()["code"], "SCOPE_MISSING");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_credentials_of_what_was_made_by_hand_have_the_scopes_of_its_assignments() {
    let road = Road::start().await;
    let made = road.onboarded("acme", "OAUTH2_CLIENT_SECRET", Value::Null).await;
    let token = road.app.token(&made.credential, &made.secret, &[]).await;
    assert_eq!(token["scope"], "ship:read ship:write");
    let bearer = format!("Bearer {}", text(&token["access_token"]));
    let hears = async |method: Method, bearer: &str| {
        let answer = road.call(method, "/ship/shipments", &[("authorization", bearer)]).await;
        answer.unwrap_or_else(|problem| text(&problem["code"]).to_owned())
    };
    assert_eq!(hears(Method::POST, &bearer).await, "ship:read ship:write");
    let narrow = road.app.token(&made.credential, &made.secret, &[("scope", "ship:read")]).await;
    let narrow = format!("Bearer {}", text(&narrow["access_token"]));
    assert_eq!(hears(Method::GET, &narrow).await, "ship:read");
    let refused = road.call(Method::POST, "/ship/shipments", &[("authorization", &narrow)]).await;
    insta::assert_snapshot!(road.remedy(&made.dev, refused).await, @"CALLER: The credential does not hold a scope that this endpoint requires (ship:write, which the access token was not issued for). Get a new access token with this scope among those that are asked for, or without asking for any.");

    road.assign(json!({ "clientId": made.client }), json!(["ship:read"])).await;
    assert_eq!(hears(Method::POST, &bearer).await, "SCOPE_MISSING", "a token gives no more");
    assert_eq!(hears(Method::GET, &bearer).await, "ship:read");
    let introspect = road.app.oauth("/oauth2/introspect", &[("token", text(&token["access_token"]))]);
    let told = road.app.answered(introspect.basic_auth(&made.credential, Some(&made.secret))).await.1;
    assert_eq!(told["scope"], "ship:read");
    let next = road.app.token(&made.credential, &made.secret, &[]).await;
    assert_eq!(next["scope"], "ship:read");
    let input = json!({ "profileId": made.profile, "scopes": ["ship:write"] });
    let credential = async || road.app.refused(Some(&made.dev), "createCredential", "CreateCredentialInput", input.clone()).await;
    assert_eq!(credential().await, "INVALID scopes.0");
    road.assign(json!({ "clientId": made.client }), json!(["ship:write"])).await;
    assert_eq!(credential().await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_that_is_shown_is_one_that_the_assignment_allows() {
    let road = Road::start().await;
    let made = road.onboarded("acme", "TOKEN", json!(["ship:write"])).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Client { profiles { sampleRequest } } } }";
    let sample = async || {
        let seen = road.app.data(Some(&made.dev), query, json!({ "id": made.client })).await;
        text(&seen["node"]["profiles"][0]["sampleRequest"]).to_owned()
    };
    assert!(sample().await.contains("POST"));
    road.assign(json!({ "clientId": made.client }), Value::Null).await;
    assert!(!sample().await.contains("POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_product_by_an_assignment_is_told_that_staff_alone_can_give_a_scope() {
    let road = Road::start().await;
    let made = road.onboarded("acme", "TOKEN", json!(["ship:read"])).await;
    let refused = road.calls(&made, Method::POST, "/ship/shipments").await;
    let told = road.remedy(&made.dev, refused).await;
    insta::assert_snapshot!(told, @"PROVIDER: The credential does not hold a scope that this endpoint requires (ship:write, which the assignment of the product does not give). Only the provider's staff can add it, to the assignment (assignProduct): no subscription gives the client this product, so there is nothing to ask for in the portal.");
    let refused = road.calls(&made, Method::POST, "/ship/shipments").await;
    assert_eq!(road.remedy(&road.editor, refused).await, told);
    road.assign(json!({ "clientId": made.client }), json!(["ship:read", "ship:write"])).await;
    assert_eq!(road.passes(&made).await, [true, true]);

    // What the client holds and its credential does not, the team can have by itself.
    let input = json!({ "profileId": made.profile, "scopes": ["ship:read"] });
    let narrow = road.app.mutate(Some(&made.dev), "createCredential", input, "issued { secret }").await;
    let narrow = Partner { secret: text(&narrow["issued"]["secret"]).to_owned(), ..made };
    let refused = road.calls(&narrow, Method::POST, "/ship/shipments").await;
    insta::assert_snapshot!(road.remedy(&narrow.dev, refused).await, @"TEAM_ADMIN: The credential does not hold a scope that this endpoint requires (ship:write, which the credential is not for). The client holds it, and this credential is restricted to others: use one that is not, or make one in the portal (createCredential).");
    let input = json!({ "profileId": narrow.profile });
    let whole = road.app.mutate(Some(&narrow.dev), "createCredential", input, "issued { secret }").await;
    let whole = Partner { secret: text(&whole["issued"]["secret"]).to_owned(), ..narrow };
    assert!(road.calls(&whole, Method::POST, "/ship/shipments").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_product_by_a_subscription_is_told_that_it_can_be_asked_for() {
    let road = Road::start().await;
    let scopes = json!([{ "name": "ship:read", "grant": "DEFAULT" }, { "name": "ship:write", "grant": "OPTIONAL" }]);
    let plan = road.app.plan(&road.editor, &road.product, "free", true, json!({ "scopes": scopes })).await;
    let (dev, team) = road.app.partner("acme").await;
    let held = road.app.subscribed(&dev, &team, &plan).await;
    let call = async || road.call(Method::POST, "/ship/shipments", &[("x-api-key", text(&held.secret))]).await;
    insta::assert_snapshot!(road.remedy(&dev, call().await).await, @"TEAM_ADMIN: The credential does not hold a scope that this endpoint requires (ship:write, which the subscription was not granted). Somebody with full access to the team's credentials can ask for it in the portal (requestScopes), if the plan offers it for this environment; if it does not, only the provider can give it, by a plan that does.");
    let input = json!({ "subscriptionId": held.id, "scopes": ["ship:write"] });
    let asked = road.app.mutate(Some(&dev), "requestScopes", input, "requests { id }").await;
    let reviewer = road.app.staff(StaffRole::Reviewer).await;
    let input = json!({ "scopeRequestId": asked["requests"][0]["id"] });
    road.app.mutate_as(Some(&reviewer), "approveScopeRequest", "DecideScopeRequestInput", input, "request { status }").await;
    assert_eq!(call().await.as_deref(), Ok("ship:read ship:write"));
}
