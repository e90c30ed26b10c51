//! Calls that are tried from the portal: the same gateway, the same decision, the same log.

use entities::enums::AccessLevel;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
    onboarding::product,
};

const EXCHANGE: &str = "exchange { requestLine curl status latencyMs headers { name value } body truncated denial requestId }";

pub struct Partner {
    dev: Person,
    team: Value,
    held: Held,
    endpoint: Value,
}

impl Partner {
    pub async fn new(app: &TestApp, kind: &str) -> Self {
        let editor = app.editor().await;
        let product = product(app, &editor).await;
        let input = json!({ "productId": product, "environment": "SANDBOX", "backend": "UPSTREAM",
            "upstreamUrl": crate::onboarding::upstream().await, "logSink": "DATABASE" });
        app.mutate(Some(&editor), "setProductEnvironment", input, "product { id }").await;
        let environments =
            json!([{ "environment": "SANDBOX", "authMethod": kind }, { "environment": "PRODUCTION", "authMethod": kind }]);
        let plan = app.plan(&editor, &product, "plan", true, json!({ "environments": environments })).await;
        let (dev, team) = app.partner("acme").await;
        let held = app.subscribed(&dev, &team, &plan).await;
        let query = "query($id: ID!) { node(id: $id) { ... on Product { endpoints { nodes { id method path } } } } }";
        let seen = app.data(Some(&dev), query, json!({ "id": product })).await;
        let endpoints = seen["node"]["endpoints"]["nodes"].as_array().expect("endpoints").clone();
        let endpoint = endpoints.iter().find(|e| e["method"] == "GET" && e["path"] == "/shipments").expect("an endpoint");
        Self { endpoint: endpoint["id"].clone(), dev, team, held }
    }

    pub async fn credential(&self, app: &TestApp) -> Value {
        let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
        let mut seen = app.data(Some(&self.dev), query, json!({ "id": self.held.id })).await;
        seen["subscription"]["lanes"][0]["credentials"][0]["id"].take()
    }

    fn input(&self, more: Value) -> Value {
        let mut input = json!({ "profileId": self.held.sandbox, "endpointId": self.endpoint });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        input
    }

    pub fn dev(&self) -> &Person {
        &self.dev
    }

    pub async fn exchange(&self, app: &TestApp, more: Value) -> Value {
        app.mutate(Some(&self.dev), "tryEndpoint", self.input(more), EXCHANGE).await["exchange"].take()
    }

    /// The exchange, once the gateway knows of the credential.
    pub async fn tried(&self, app: &TestApp, more: Value, expected: u16) -> Value {
        let mut exchange = Value::Null;
        for _ in 0..200 {
            exchange = self.exchange(app, more.clone()).await;
            if exchange["status"] == expected {
                return exchange;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{exchange}");
    }

    async fn refused(&self, app: &TestApp, who: &Person, more: Value) -> String {
        app.refused(Some(who), "tryEndpoint", "TryEndpointInput", self.input(more)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_tried_with_the_kept_secret_and_logged_like_any_other() {
    let app = TestApp::start().await;
    let partner = Partner::new(&app, "API_KEY").await;
    let id = partner.credential(&app).await;
    let secret = partner.held.secret.as_str().expect("a key").to_owned();
    let more = json!({ "credentialId": id, "query": [{ "name": "q", "value": "a b" }], "headers": [{ "name": "Accept", "value": "*/*" }] });
    let exchange = partner.tried(&app, more, 200).await;
    assert_eq!(exchange["requestLine"], "GET /ship/shipments?q=a+b HTTP/1.1");
    let curl = exchange["curl"].as_str().expect("a line");
    assert!(curl.contains("-H 'X-API-Key: ••••••••'") && !exchange.to_string().contains(&secret[10..]), "{exchange}");
    assert_eq!((&exchange["denial"], &exchange["truncated"]), (&Value::Null, &json!(false)));
    let request = exchange["requestId"].as_str().expect("an id");

    let query = "query($id: ID!) { node(id: $id) { ... on RequestLogEntry { viaExplorer ip status credential { id } } } }";
    let log = request.replace("req_", "log_");
    let mut seen = Value::Null;
    for _ in 0..200 {
        seen = app.data(Some(&partner.dev), query, json!({ "id": log })).await["node"].take();
        if !seen.is_null() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(seen, json!({ "viaExplorer": true, "ip": "127.0.0.1", "status": 200, "credential": { "id": id } }));

    let denied = partner.tried(&app, json!({ "credential": { "secret": "ptk_test_nonsense" } }), 401).await;
    assert_eq!(denied["denial"], "CREDENTIAL_INVALID");
    assert_eq!(partner.tried(&app, json!({}), 401).await["denial"], "CREDENTIAL_MISSING");
    let header = json!({ "credentialId": id, "headers": [{ "name": "X-Portico-Explorer", "value": "1" }] });
    assert_eq!(partner.refused(&app, &partner.dev, header).await, "INVALID headers.0");
    let parameters = json!({ "credentialId": id, "pathParameters": [{ "name": "x", "value": "1" }] });
    assert_eq!(partner.refused(&app, &partner.dev, parameters).await, "INVALID pathParameters.0");
    let token = json!({ "credentialId": id, "credential": { "accessToken": "x" } });
    assert_eq!(partner.refused(&app, &partner.dev, token).await, "INVALID credential");

    let reader = app.member(&partner.team, "reader@acme.example", AccessLevel::Read).await;
    let (stranger, _) = app.partner("globex").await;
    assert_eq!(partner.refused(&app, &reader, json!({ "credentialId": id })).await, "FORBIDDEN");
    assert_eq!(partner.refused(&app, &stranger, json!({ "credentialId": id })).await, "NOT_FOUND");
    assert!(!app.is_stored(&secret[22..]).await, "the copy is sealed");

    // Production: the portal has no copy, and the lane is locked still.
    let mut production = partner.input(json!({ "credential": { "secret": secret } }));
    production["profileId"] = partner.held.production.clone();
    let exchange = app.mutate(Some(&partner.dev), "tryEndpoint", production, EXCHANGE).await["exchange"].take();
    assert_eq!(exchange["status"], 200, "an API key says itself which profile it is of: {exchange}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_had_by_the_real_grant() {
    let app = TestApp::start().await;
    let partner = Partner::new(&app, "OAUTH2_CLIENT_SECRET").await;
    let id = partner.credential(&app).await;
    partner.tried(&app, json!({ "credentialId": id }), 200).await;
    let select = "accessToken expiresAt scope";
    let made = app.mutate(Some(&partner.dev), "generateToken", json!({ "credentialId": id }), select).await;
    let token = made["accessToken"].as_str().expect("a token");
    partner.tried(&app, json!({ "credential": { "accessToken": token } }), 200).await;
    let wrong = json!({ "credentialId": id, "secret": "pts_test_wrong" });
    assert_eq!(app.refused(Some(&partner.dev), "generateToken", "GenerateTokenInput", wrong).await, "WRONG_STATE credentialId");
    let secret = json!({ "credential": { "secret": partner.held.secret } });
    assert_eq!(partner.refused(&app, &partner.dev, secret).await, "REQUIRED credentialId");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_secret_signs_for_the_explorer() {
    let app = TestApp::start().await;
    let partner = Partner::new(&app, "SIGNED_JWT").await;
    let id = partner.credential(&app).await;
    let exchange = partner.tried(&app, json!({ "credentialId": id }), 200).await;
    assert!(exchange["curl"].as_str().is_some_and(|line| line.contains("Authorization: Bearer ••••••••")), "{exchange}");
    let token = json!({ "credentialId": id });
    assert_eq!(app.refused(Some(&partner.dev), "generateToken", "GenerateTokenInput", token).await, "INVALID credentialId");
}
