//! OAuth 2.0 client credentials: a secret becomes tokens, and tokens become calls.

use chrono::TimeDelta;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
    onboarding::product,
};

const DOCUMENT: &str = r#"{
  "openapi": "3.1.0", "info": { "title": "Shipments", "version": "2.0" },
  "components": { "securitySchemes": { "o": { "type": "oauth2", "flows": { "clientCredentials": {
    "tokenUrl": "https://ship.example/token", "scopes": { "ship:read": "", "ship:write": "" } } } } } },
  "paths": { "/shipments": {
    "get": { "security": [{ "o": ["ship:read"] }], "responses": { "200": { "description": "a list" } } },
    "post": { "security": [{ "o": ["ship:write"] }], "responses": { "201": { "description": "made" } } } } }
}"#;

/// A partner whose sandbox takes access tokens; the credential's id is the client's.
pub struct Partner {
    pub dev: Person,
    pub held: Held,
    credential: Value,
    pub secret: String,
}

impl Partner {
    pub fn client(&self) -> &str {
        self.credential.as_str().expect("an id")
    }
}

pub async fn partner(app: &TestApp) -> Partner {
    let editor = app.editor().await;
    let product = product(app, &editor).await;
    let input = json!({ "productId": product, "document": DOCUMENT, "version": "2.0", "publishEndpoints": true });
    app.mutate(Some(&editor), "publishSpec", input, "product { id }").await;
    let plan = json!({
        "environments": [
            { "environment": "SANDBOX", "authMethod": "OAUTH2_CLIENT_SECRET" },
            { "environment": "PRODUCTION", "authMethod": "OAUTH2_CLIENT_SECRET" },
        ],
        "scopes": [{ "name": "ship:read", "grant": "DEFAULT" }, { "name": "ship:write", "grant": "DEFAULT" }],
    });
    let plan = app.plan(&editor, &product, "oauth", true, plan).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id clientId kind tokenEndpoint masked } } } }";
    let mut seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let credential = seen["subscription"]["lanes"][0]["credentials"][0].take();
    assert_eq!(credential["clientId"], credential["id"]);
    assert_eq!(credential["tokenEndpoint"], app.url("/oauth2/token"));
    let secret = held.secret.as_str().expect("a secret").to_owned();
    assert!(secret.starts_with("pts_test_"), "{secret}");
    Partner { dev, held, credential: credential["id"].clone(), secret }
}

impl TestApp {
    pub fn oauth(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.http.post(self.url(path)).header("content-type", "application/x-www-form-urlencoded").body(body)
    }

    /// The status and the body.
    pub async fn answered(&self, request: RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// What the token endpoint says, once it knows of the credential.
    pub async fn token(&self, client: &str, secret: &str, more: &[(&str, &str)]) -> Value {
        let form = [&[("grant_type", "client_credentials")], more].concat();
        for _ in 0..200 {
            let (status, body) = self.answered(self.oauth("/oauth2/token", &form).basic_auth(client, Some(secret))).await;
            if status == 200 {
                return body;
            }
            assert_eq!((status, &body["error"]), (401, &json!("invalid_client")), "{body}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("no token");
    }

    /// The status of a call with a bearer token, and the refusal's code.
    pub async fn bearer(&self, method: reqwest::Method, token: &str) -> (u16, String) {
        let gateway = self.app.gateway.as_ref().expect("a gateway").address();
        let request = self.http.request(method, format!("http://{gateway}/ship/shipments")).bearer_auth(token);
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let code = answer.json::<Value>().await.ok().and_then(|body| body["code"].as_str().map(ToOwned::to_owned));
        (status, code.unwrap_or_default())
    }

    pub async fn bearer_becomes(&self, token: &str, expected: (u16, &str)) {
        let mut seen = (0, String::new());
        for _ in 0..400 {
            seen = self.bearer(reqwest::Method::GET, token).await;
            if (seen.0, seen.1.as_str()) == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!((seen.0, seen.1.as_str()), expected);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_becomes_tokens_and_tokens_become_calls() {
    let app = TestApp::start().await;
    let partner = partner(&app).await;
    let (client, secret) = (partner.client(), partner.secret.as_str());
    let token = app.token(client, secret, &[]).await;
    assert_eq!(
        (&token["token_type"], &token["expires_in"], &token["scope"]),
        (&json!("Bearer"), &json!(600), &json!("ship:read ship:write"))
    );
    let all = text(&token["access_token"]);
    app.bearer_becomes(all, (200, "")).await;
    assert_eq!(app.bearer(reqwest::Method::POST, all).await, (405, String::new()), "the upstream knows no POST");

    let reading = app.token(client, secret, &[("scope", "ship:read")]).await;
    let read = text(&reading["access_token"]);
    assert_eq!(app.bearer(reqwest::Method::GET, read).await, (200, String::new()));
    assert_eq!(app.bearer(reqwest::Method::POST, read).await, (403, "SCOPE_MISSING".to_owned()));

    let post = [("grant_type", "client_credentials"), ("client_id", client), ("client_secret", secret)];
    let (status, body) = app.answered(app.oauth("/oauth2/token", &post)).await;
    assert_eq!((status, body["token_type"].as_str()), (200, Some("Bearer")));

    // Introspection and revocation, by its own client alone.
    let about =
        async |path: &str, token: &str| app.answered(app.oauth(path, &[("token", token)]).basic_auth(client, Some(secret))).await;
    let (_, seen) = about("/oauth2/introspect", read).await;
    assert_eq!((&seen["active"], &seen["scope"], &seen["client_id"]), (&json!(true), &json!("ship:read"), &json!(client)));
    assert_eq!(about("/oauth2/introspect", "nonsense").await, (200, json!({ "active": false })));
    assert_eq!(about("/oauth2/revoke", "nonsense").await.0, 200);
    assert_eq!(about("/oauth2/revoke", read).await.0, 200);
    app.bearer_becomes(read, (401, "CREDENTIAL_REVOKED")).await;
    assert_eq!(about("/oauth2/introspect", read).await.1, json!({ "active": false }));
    assert_eq!(app.bearer(reqwest::Method::GET, all).await.0, 200, "others hold");

    app.clock.advance(TimeDelta::minutes(10));
    assert_eq!(app.bearer(reqwest::Method::GET, all).await, (401, "CREDENTIAL_EXPIRED".to_owned()));
    assert!(!app.is_stored(&secret[9..]).await && !app.is_stored(all).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_end_with_what_they_were_issued_for() {
    let app = TestApp::start().await;
    let partner = partner(&app).await;
    let (client, old) = (partner.client(), partner.secret.as_str());
    let by_old = app.token(client, old, &[]).await["access_token"].take();
    app.bearer_becomes(text(&by_old), (200, "")).await;
    let input = json!({ "credentialId": partner.credential });
    let made =
        app.mutate(Some(&partner.dev), "rotateSecret", input.clone(), "credential { id } issued { secret clientId }").await;
    let new = text(&made["issued"]["secret"]);
    assert_eq!(made["issued"]["clientId"], partner.credential, "the client's id stays");
    let by_new = app.token(client, new, &[]).await["access_token"].take();
    app.token(client, old, &[]).await;

    let select = "enforcement { complete }";
    let ended = app.mutate_as(Some(&partner.dev), "endOverlap", "CredentialIdInput", input.clone(), select).await;
    assert_eq!(ended["enforcement"]["complete"], true);
    assert_eq!(app.bearer(reqwest::Method::GET, text(&by_old)).await, (401, "CREDENTIAL_EXPIRED".to_owned()));
    assert_eq!(app.bearer(reqwest::Method::GET, text(&by_new)).await.0, 200);
    let (status, body) =
        app.answered(app.oauth("/oauth2/token", &[("grant_type", "client_credentials")]).basic_auth(client, Some(old))).await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")));
    let ended = app.mutate_as(Some(&partner.dev), "revokeCredential", "CredentialIdInput", input, select).await;
    assert_eq!(ended["enforcement"]["complete"], true);
    assert_eq!(app.bearer(reqwest::Method::GET, text(&by_new)).await, (401, "CREDENTIAL_REVOKED".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_those_of_the_standard() {
    let app = TestApp::start().await;
    let partner = partner(&app).await;
    let (client, secret) = (partner.client(), partner.secret.as_str());
    app.token(client, secret, &[]).await;
    let grant = ("grant_type", "client_credentials");
    let ask = async |form: &[(&str, &str)], basic: Option<(&str, &str)>| {
        let mut request = app.oauth("/oauth2/token", form);
        if let Some((user, password)) = basic {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.send().await.expect("an answer");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        assert_eq!(
            (&headers["cache-control"], &headers["pragma"]),
            (&"no-store".parse().expect("a value"), &"no-cache".parse().expect("a value"))
        );
        let challenge = if headers.contains_key("www-authenticate") { " challenged" } else { "" };
        let body: Value = answer.json().await.expect("JSON");
        format!("{status} {}{challenge}", body["error"].as_str().unwrap_or("a token"))
    };
    let own = Some((client, secret));
    assert_eq!(ask(&[grant], own).await, "200 a token");
    assert_eq!(ask(&[grant], Some((client, "pts_test_wrong"))).await, "401 invalid_client challenged");
    assert_eq!(ask(&[grant], Some(("cred_unknown", secret))).await, "401 invalid_client challenged");
    assert_eq!(ask(&[grant, ("client_id", client), ("client_secret", "wrong")], None).await, "401 invalid_client");
    assert_eq!(ask(&[grant], None).await, "401 invalid_client challenged");
    assert_eq!(ask(&[], own).await, "400 invalid_request");
    assert_eq!(ask(&[("grant_type", "password")], own).await, "400 unsupported_grant_type");
    assert_eq!(ask(&[grant, ("scope", "ship:all")], own).await, "400 invalid_scope");
    assert_eq!(ask(&[grant, grant], own).await, "400 invalid_request");
    assert_eq!(ask(&[grant, ("client_secret", secret), ("client_id", client)], own).await, "400 invalid_request");
    let get = app.http.get(app.url("/oauth2/token")).send().await.expect("an answer");
    assert_eq!(get.status(), 405);
    let answer = app
        .http
        .post(app.url("/oauth2/token"))
        .basic_auth(client, Some(secret))
        .json(&json!({ "grant_type": "client_credentials" }));
    assert_eq!(app.answered(answer).await.0, 400);

    // A client that is suspended hears what an unknown one does.
    let staff = app.staff(entities::enums::StaffRole::Admin).await;
    let input = json!({ "subscriptionId": partner.held.id, "notes": "unpaid" });
    app.mutate_as(Some(&staff), "suspendSubscription", "DecideSubscriptionInput", input, "subscription { id }").await;
    for _ in 0..200 {
        if ask(&[grant], own).await == "401 invalid_client challenged" {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a suspended client has tokens");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_find_their_way_by_the_metadata() {
    let app = TestApp::start().await;
    let get = async |path: &str| app.answered(app.http.get(app.url(path))).await;
    let (status, metadata) = get("/.well-known/oauth-authorization-server").await;
    let issuer = app.url("");
    assert_eq!((status, &metadata["issuer"]), (200, &json!(issuer.trim_end_matches('/'))));
    assert_eq!(metadata["token_endpoint"], app.url("/oauth2/token"));
    let (status, jwks) = get("/oauth2/jwks").await;
    let key = &jwks["keys"][0];
    assert_eq!((status, &key["kty"], &key["crv"], &key["d"]), (200, &json!("EC"), &json!("P-256"), &Value::Null));
    // The next key is published before it signs, and the one before it stays until no token of it is left.
    let keys = async || get("/oauth2/jwks").await.1["keys"].as_array().map_or(0, Vec::len);
    let kept = async |days: i64, expected: usize| {
        app.clock.advance(TimeDelta::days(days));
        domain::ops::signing_keys::keep(app.domain()).await.expect("keys");
        for _ in 0..200 {
            if keys().await == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("not {expected} keys");
    };
    kept(29, 1).await;
    kept(1, 2).await;
    kept(31, 2).await;
}
