//! The scopes that an assignment gives, and those that a subscription alone gives.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    onboarding::product,
};

const DOCUMENT: &str = r#"{
  "openapi": "3.1.0", "info": { "title": "Shipments", "version": "2.0" },
  "components": { "securitySchemes": { "x": { "type": "oauth2", "flows": { "clientCredentials": {
    "tokenUrl": "https://ship.example/token", "scopes": { "ship:read": "", "ship:write": "" } } } } } },
  "paths": { "/shipments": {
    "get": { "security": [{ "x": ["ship:read"] }], "responses": { "200": { "description": "a list" } } },
    "post": { "security": [{ "x": ["ship:write"] }], "responses": { "201": { "description": "made" } } } } }
}"#;

struct Partner {
    client: Value,
    secret: Value,
    team: Value,
}

struct Road {
    app: TestApp,
    editor: Person,
    product: Value,
}

impl Road {
    async fn start() -> Self {
        let app = TestApp::start().await;
        let editor = app.editor().await;
        let product = product(&app, &editor).await;
        let input = json!({ "productId": product, "document": DOCUMENT, "version": "2.0", "publishEndpoints": true });
        app.mutate(Some(&editor), "publishSpec", input, "product { id }").await;
        Self { app, editor, product }
    }

    async fn onboarded(&self, name: &str, method: &str, scopes: Value) -> Partner {
        let input = json!({ "teamName": name, "emails": [format!("dev@{name}.example")], "productIds": [self.product],
            "scopes": scopes, "profile": { "name": "first", "environment": "PRODUCTION", "authMethod": method } });
        let select = "team { id } client { id } issued { secret clientId }";
        let made = self.app.mutate(Some(&self.editor), "onboardPartner", input, select).await;
        Partner {
            client: made["client"]["id"].clone(),
            secret: made["issued"]["secret"].clone(),
            team: made["team"]["id"].clone(),
        }
    }

    async fn assign(&self, to: Value, scopes: Value) {
        let mut input = to;
        (input["productId"], input["scopes"]) = (self.product.clone(), scopes);
        self.app.mutate(Some(&self.editor), "assignProduct", input, "product { id } enforcement { complete }").await;
    }

    /// Which of GET and POST the gateway's scopes let through.
    async fn passes(&self, partner: &Partner) -> [bool; 2] {
        let mut passes = [false; 2];
        for (passes, method) in passes.iter_mut().zip([Method::GET, Method::POST]) {
            let gateway = self.app.app.gateway.as_ref().expect("a gateway").address();
            let request = self.app.http.request(method, format!("http://{gateway}/ship/shipments"));
            let request = request.bearer_auth(text(&partner.secret)).header("x-client-id", text(&partner.client));
            let answer = request.send().await.expect("an answer");
            // The upstream itself knows no POST.
            *passes = answer.status() != 403;
            if answer.status() == 403 {
                let problem: Value = answer.json().await.expect("a problem");
                assert_eq!(problem["code"], "SCOPE_MISSING", "{problem}");
                let detail = text(&problem["detail"]);
                assert!(detail.contains("requestScopes") && detail.contains("assignment"), "{detail}");
            }
        }
        passes
    }

    /// Of the assignments by hand, what is shown of their scopes.
    async fn shown(&self) -> Vec<Value> {
        let query = "query($id: ID!) { node(id: $id) { ... on Product { assignments { nodes { scopes via { id } } } } } }";
        let seen = self.app.data(Some(&self.editor), query, json!({ "id": self.product })).await;
        let rows = seen["node"]["assignments"]["nodes"].as_array().expect("assignments").clone();
        rows.into_iter().filter(|row| row["via"].is_null()).map(|row| row["scopes"].clone()).collect()
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_made_by_hand_calls_operations_that_ask_for_scopes() {
    let road = Road::start().await;
    let all = road.onboarded("acme", "TOKEN", Value::Null).await;
    assert_eq!(road.passes(&all).await, [true, true]);
    let part = road.onboarded("borea", "TOKEN", json!(["ship:read"])).await;
    assert_eq!(road.passes(&part).await, [true, false]);
    assert_eq!(road.shown().await, [json!(["ship:read"]), Value::Null]);

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

    // The team's assignment and the client's add up; the last to go takes all with it.
    road.assign(to.clone(), json!(["ship:read"])).await;
    road.assign(json!({ "teamId": part.team }), json!(["ship:write"])).await;
    assert_eq!(road.passes(&part).await, [true, true]);
    let tier =
        road.app.mutate(Some(&road.editor), "createTier", json!({ "name": "Gold" }), "tier { id }").await["tier"]["id"].take();
    let input = json!({ "teamId": part.team, "tierId": tier });
    road.app.mutate(Some(&road.editor), "setTeamTier", input, "team { id }").await;
    road.assign(json!({ "teamId": part.team }), json!([])).await;
    assert_eq!(road.passes(&part).await, [true, false]);
    road.assign(json!({ "tierId": tier }), Value::Null).await;
    assert_eq!(road.passes(&part).await, [true, true]);
    let input = json!({ "productId": road.product, "tierId": tier });
    road.app.mutate(Some(&road.editor), "unassignProduct", input, "product { id }").await;
    assert_eq!(road.passes(&part).await, [true, false]);

    let logged = road.app.audited().await;
    let changed: Vec<_> = logged.iter().filter(|action| *action == "product.assignment_scopes_set").collect();
    assert_eq!(changed.len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_product_of_a_subscription_the_plans_grants_count_alone() {
    let road = Road::start().await;
    let scopes = json!([{ "name": "ship:read", "grant": "DEFAULT" }, { "name": "ship:write", "grant": "RESTRICTED" }]);
    let plan = road.app.plan(&road.editor, &road.product, "free", true, json!({ "scopes": scopes })).await;
    let (dev, team) = road.app.partner("acme").await;
    let held = road.app.subscribed(&dev, &team, &plan).await;
    let post = async || {
        let gateway = road.app.app.gateway.as_ref().expect("a gateway").address();
        let request = road.app.http.post(format!("http://{gateway}/ship/shipments")).header("x-api-key", text(&held.secret));
        request.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(post().await, 403);
    for to in [json!({ "clientId": held.client }), json!({ "teamId": team })] {
        road.assign(to, Value::Null).await;
        assert_eq!(post().await, 403, "RESTRICTED stays restricted");
    }
    assert_eq!(road.app.call("/ship/shipments", text(&held.secret)).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_credentials_of_what_was_made_by_hand_have_the_scopes_of_its_assignments() {
    let road = Road::start().await;
    let made = road.onboarded("acme", "OAUTH2_CLIENT_SECRET", Value::Null).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Client { profiles { id credentials { id } } } } }";
    let seen = road.app.data(Some(&road.editor), query, json!({ "id": made.client })).await;
    let credential = seen["node"]["profiles"][0]["credentials"][0]["id"].clone();
    let token = road.app.token(text(&credential), text(&made.secret), &[]).await;
    assert_eq!(token["scope"], "ship:read ship:write");
    let token = text(&token["access_token"]);
    assert_ne!(road.app.bearer(Method::POST, token).await.0, 403);
    let narrow = road.app.token(text(&credential), text(&made.secret), &[("scope", "ship:read")]).await;
    assert_eq!(road.app.bearer(Method::POST, text(&narrow["access_token"])).await, (403, "SCOPE_MISSING".to_owned()));

    road.assign(json!({ "clientId": made.client }), json!(["ship:read"])).await;
    assert_eq!(road.app.bearer(Method::POST, token).await, (403, "SCOPE_MISSING".to_owned()), "a token gives no more");
    assert_eq!(road.app.bearer(Method::GET, token).await.0, 200);
    let next = road.app.token(text(&credential), text(&made.secret), &[]).await;
    assert_eq!(next["scope"], "ship:read");
}
