//! What a call may do, and what its upstream hears of that, is the call's own: its token's part of the scopes, and its
//! environment's.

use axum::{Router, http::HeaderMap};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const DOCUMENT: &str = r#"{
  "openapi": "3.1.0", "info": { "title": "Shipments", "version": "2.0" },
  "components": { "securitySchemes": { "o": { "type": "oauth2", "flows": { "clientCredentials": {
    "tokenUrl": "https://ship.example/token", "scopes": { "ship:read": "", "ship:write": "", "ship:test": "" } } } } } },
  "paths": {
    "/shipments": {
      "get": { "security": [{ "o": ["ship:read"] }], "responses": { "200": { "description": "a list" } } },
      "post": { "security": [{ "o": ["ship:write"] }], "responses": { "201": { "description": "made" } } } },
    "/reset": { "get": { "security": [{ "o": ["ship:test"] }], "responses": { "200": { "description": "empty again" } } } } }
}"#;

/// A subscriber in both environments, and whom the upstream says that it hears of.
struct Road {
    app: TestApp,
    dev: Person,
    production: Value,
    /// The OAuth client and its secret, by environment.
    clients: [(String, String); 2],
}

/// Answers with the scopes that were vouched for.
async fn upstream() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let heard = async |headers: HeaderMap| {
        headers.get("x-portico-scopes").and_then(|scopes| scopes.to_str().ok()).unwrap_or("nothing").to_owned()
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(heard)).await });
    url
}

async fn road() -> Road {
    let app = TestApp::start_with(|config| config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a range")]).await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let url = upstream().await;
    for environment in ["SANDBOX", "PRODUCTION"] {
        let input = json!({ "productId": product, "environment": environment, "backend": "UPSTREAM", "upstreamUrl": url });
        app.mutate(Some(&editor), "setProductEnvironment", input, "product { id }").await;
    }
    let input = json!({ "productId": product, "document": DOCUMENT, "version": "2.0", "publishEndpoints": true });
    app.mutate(Some(&editor), "publishSpec", input, "product { id }").await;
    let environment = |name: &str| json!({ "environment": name, "authMethod": "OAUTH2_CLIENT_SECRET" });
    let plan = json!({
        "environments": [environment("SANDBOX"), environment("PRODUCTION")],
        "scopes": [
            { "name": "ship:read", "grant": "DEFAULT" },
            { "name": "ship:write", "grant": "DEFAULT", "environments": ["SANDBOX"] },
            { "name": "ship:test", "grant": "DEFAULT", "environments": ["SANDBOX"] },
            { "name": "ship:audit", "grant": "DEFAULT", "environments": ["PRODUCTION"] },
        ],
    });
    let plan = app.plan(&editor, &product, "oauth", true, plan).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    app.mutate(Some(&dev), "submitForReview", json!({ "subscriptionId": held.id }), "subscription { id }").await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
    let lanes = app.data(Some(&dev), query, json!({ "id": held.id })).await["subscription"]["lanes"].take();
    let id = |lane: usize| lanes[lane]["credentials"][0]["id"].as_str().expect("a credential").to_owned();
    let claim = json!({ "credentialId": id(1) });
    let select = "issued { secret }";
    let claimed = app.mutate_as(Some(&dev), "claimCredential", "CredentialIdInput", claim, select).await;
    let secret = |value: &Value| value.as_str().expect("a secret").to_owned();
    let clients = [(id(0), secret(&held.secret)), (id(1), secret(&claimed["issued"]["secret"]))];
    Road { app, dev, production: held.production, clients }
}

impl Road {
    /// A token, and the scopes that the endpoint says it has.
    async fn token(&self, at: usize, scope: Option<&str>) -> (String, String) {
        let (client, secret) = &self.clients[at];
        let more: Vec<_> = scope.map(|scope| ("scope", scope)).into_iter().collect();
        let told = self.app.token(client, secret, &more).await;
        (told["access_token"].as_str().expect("a token").to_owned(), told["scope"].as_str().expect("scopes").to_owned())
    }

    fn gateway(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.app.gateway.as_ref().expect("a gateway").address())
    }

    /// What the upstream hears of the token's scopes; else the refusal's code.
    async fn hears(&self, path: &str, token: &str) -> String {
        let answer = self.app.http.get(self.gateway(path)).bearer_auth(token).send().await.expect("an answer");
        let body = answer.text().await.expect("a text");
        serde_json::from_str::<Value>(&body).map_or(body, |problem| problem["code"].as_str().expect("a code").to_owned())
    }

    /// What a gateway in front is told of them.
    async fn is_told(&self, token: &str) -> String {
        let asked = self.app.http.get(self.gateway("/_portico/authorize")).bearer_auth(token);
        let asked = asked.header("x-original-method", "GET").header("x-original-uri", "/ship/shipments");
        let answer = asked.send().await.expect("an answer");
        answer.headers()["x-portico-scopes"].to_str().expect("a text").to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_token_has_its_own_scopes_whoever_called_before() {
    let road = road().await;
    let all = road.token(0, None).await;
    let read = road.token(0, Some("ship:read")).await;
    let two = road.token(0, Some("ship:write ship:read")).await;
    for _ in 0..4 {
        for ((token, _), scopes) in
            [(&all, "ship:read ship:test ship:write"), (&read, "ship:read"), (&two, "ship:read ship:write")]
        {
            assert_eq!(road.hears("/ship/shipments", token).await, scopes);
            assert_eq!(road.is_told(token).await, scopes);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_of_one_environment_is_held_there_alone() {
    let road = road().await;
    let (sandbox, told) = road.token(0, None).await;
    assert_eq!(told, "ship:read ship:test ship:write");
    assert_eq!(road.hears("/ship/reset", &sandbox).await, "ship:read ship:test ship:write");
    let (production, told) = road.token(1, None).await;
    assert_eq!(told, "ship:audit ship:read");
    assert_eq!(road.hears("/ship/shipments", &production).await, "ship:audit ship:read");
    assert_eq!(road.hears("/ship/reset", &production).await, "SCOPE_MISSING");
    let (client, secret) = &road.clients[1];
    let form = [("grant_type", "client_credentials"), ("scope", "ship:write")];
    let (status, refused) = road.app.answered(road.app.oauth("/oauth2/token", &form).basic_auth(client, Some(secret))).await;
    assert_eq!((status, &refused["error"]), (400, &json!("invalid_scope")));
    let asked = road.app.oauth("/oauth2/introspect", &[("token", &production)]).basic_auth(client, Some(secret));
    assert_eq!(road.app.answered(asked).await.1["scope"], "ship:audit ship:read");

    // Made by the portal, in the same way.
    let input = json!({ "credentialId": road.clients[0].0, "scopes": ["ship:audit"] });
    let refused = road.app.refused(Some(&road.dev), "generateToken", "GenerateTokenInput", input).await;
    assert_eq!(refused, "WRONG_STATE credentialId");
    let input = json!({ "profileId": road.production, "scopes": ["ship:write"] });
    let refused = road.app.refused(Some(&road.dev), "createCredential", "CreateCredentialInput", input).await;
    assert_eq!(refused, "INVALID scopes.0");
}
