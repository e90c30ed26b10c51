//! Keys that others publish: a partner's for its assertions, an outside issuer's for its tokens. They are read when they are
//! needed, followed when they change, and an outage takes nothing away.

use std::sync::{Arc, Mutex};

use axum::{Json, Router, extract::State, http::StatusCode, routing::get};
use chrono::TimeDelta;
use domain::rules::{
    jose::{SigningKey, Typ},
    oauth::JWT_BEARER,
};
use serde_json::{Value, json};

use crate::{app::TestApp, onboarding::product};

/// An issuer, or a partner that publishes its keys.
#[derive(Clone)]
struct Publisher {
    url: String,
    state: Arc<Mutex<Published>>,
}

struct Published {
    keys: Vec<Value>,
    is_up: bool,
    asked: usize,
}

impl Publisher {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::new(Mutex::new(Published { keys: Vec::new(), is_up: true, asked: 0 }));
        let publisher = Self { url, state };
        let discovery =
            async |State(own): State<Self>| Json(json!({ "issuer": own.url, "jwks_uri": format!("{}/keys", own.url) }));
        let routes = Router::new().route("/keys", get(keys)).route("/.well-known/openid-configuration", get(discovery));
        let routes = routes.with_state(publisher.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        publisher
    }

    /// Publishes one new key in the place of those before.
    fn rotate(&self) -> SigningKey {
        let (key, _) = SigningKey::generate().expect("a key");
        self.state.lock().expect("state").keys = vec![key.public_jwk()];
        key
    }

    fn is_up(&self, is_up: bool) {
        self.state.lock().expect("state").is_up = is_up;
    }

    fn asked(&self) -> usize {
        self.state.lock().expect("state").asked
    }
}

async fn keys(State(own): State<Publisher>) -> (StatusCode, Json<Value>) {
    let mut state = own.state.lock().expect("state");
    state.asked += 1;
    let status = if state.is_up { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    (status, Json(json!({ "keys": state.keys })))
}

impl TestApp {
    async fn start_in_development() -> Self {
        Self::start_with(|config| config.outgoing_private = true).await
    }

    /// The status of a call with these headers, and the refusal's code and detail.
    pub async fn call_with(&self, headers: &[(&str, &str)]) -> (u16, String, String) {
        let gateway = self.app.gateway.as_ref().expect("a gateway").address();
        let mut request = self.http.get(format!("http://{gateway}/ship/shipments"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.json::<Value>().await.unwrap_or_default();
        let text = |field: &str| body[field].as_str().unwrap_or_default().to_owned();
        (status, text("code"), text("detail"))
    }

    pub async fn call_becomes(&self, headers: &[(&str, &str)], expected: (u16, &str)) -> String {
        let mut seen = (0, String::new(), String::new());
        for _ in 0..400 {
            seen = self.call_with(headers).await;
            if (seen.0, seen.1.as_str()) == expected {
                return seen.2;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{seen:?} instead of {expected:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_publishes_its_keys_and_changes_them_without_us() {
    let app = TestApp::start_in_development().await;
    let publisher = Publisher::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let kind = "OAUTH2_PRIVATE_KEY_JWT";
    let environments = [("SANDBOX", kind), ("PRODUCTION", kind)].map(|(e, kind)| json!({ "environment": e, "authMethod": kind }));
    let plan = app.plan(&editor, &product, "signed", true, json!({ "environments": environments })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let url = format!("{}/keys", publisher.url);
    let create = async |input: Value| app.refused(Some(&dev), "createCredential", "CreateCredentialInput", input).await;
    let both = json!({ "profileId": held.sandbox, "jwksUrl": url, "jwks": { "keys": [] } });
    assert_eq!(create(both).await, "INVALID jwksUrl");
    for wrong in ["file:///etc/passwd", "http://169.254.169.254/keys", "http://user@127.0.0.1/keys"] {
        assert_eq!(create(json!({ "profileId": held.sandbox, "jwksUrl": wrong })).await, "INVALID jwksUrl", "{wrong}");
    }
    let input = json!({ "profileId": held.sandbox, "jwksUrl": url });
    let made = app.mutate(Some(&dev), "createCredential", input, "credential { id jwksUrl masked } issued { secret }").await;
    assert_eq!((&made["credential"]["jwksUrl"], &made["issued"]), (&json!(url), &Value::Null));
    assert_eq!(publisher.asked(), 0, "they are read when they are needed");

    let id = made["credential"]["id"].as_str().expect("an id").to_owned();
    let issuer = app.url("").trim_end_matches('/').to_owned();
    let count = std::sync::atomic::AtomicU32::new(0);
    let ask = async |key: &SigningKey| {
        let now = app.domain().now().timestamp();
        let jti = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
        let claims = json!({ "iss": id, "sub": id, "aud": issuer, "exp": now + 60, "iat": now, "jti": jti });
        let assertion = key.sign(Typ::ClientAuthentication, &claims).expect("a token");
        let form =
            [("grant_type", "client_credentials"), ("client_assertion_type", JWT_BEARER), ("client_assertion", &assertion)];
        app.answered(app.oauth("/oauth2/token", &form)).await.0
    };
    let first = publisher.rotate();
    let mut status = 0;
    for _ in 0..200 {
        status = ask(&first).await;
        if status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!((status, publisher.asked()), (200, 1));
    assert_eq!((ask(&first).await, publisher.asked()), (200, 1), "what is known is not asked for again");

    let second = publisher.rotate();
    assert_eq!((ask(&second).await, publisher.asked()), (401, 1), "a source is asked once in half a minute at most");
    app.clock.advance(TimeDelta::seconds(31));
    assert_eq!((ask(&second).await, publisher.asked()), (200, 2));
    assert_eq!(ask(&first).await, 401, "a key that is published no longer");
    publisher.is_up(false);
    app.clock.advance(TimeDelta::hours(23));
    assert_eq!(ask(&second).await, 200, "an outage");
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!(ask(&second).await, 401, "an outage of more than a day");
    publisher.is_up(true);
    app.clock.advance(TimeDelta::seconds(31));
    assert_eq!(ask(&second).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_form_opens_production_for_the_keys_that_it_names() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let kind = "OAUTH2_PRIVATE_KEY_JWT";
    let environments = [("SANDBOX", kind), ("PRODUCTION", kind)].map(|(e, kind)| json!({ "environment": e, "authMethod": kind }));
    let field = json!({ "key": "keys", "label": "Keys", "type": "URL", "required": true, "appliesTo": "JWKS_URL" });
    let form = json!({ "steps": [{ "title": "Keys", "fields": [field] }] });
    let more = json!({ "environments": environments, "submissionForm": form });
    let plan = app.plan(&editor, &product, "signed", true, more).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let (key, _) = SigningKey::generate().expect("a key");
    let input = json!({ "profileId": held.sandbox, "jwks": { "keys": [key.public_jwk()] } });
    app.mutate(Some(&dev), "createCredential", input, "credential { id }").await;
    let submit = |url: &str| json!({ "subscriptionId": held.id, "answers": [{ "key": "keys", "value": url }] });
    let refused = app.refused(Some(&dev), "submitForReview", "SubmitForReviewInput", submit("https://10.0.0.1/keys")).await;
    assert_eq!(refused, "FORM_INVALID answers.keys");
    let select = "subscription { lanes { environment credentials { kind status jwksUrl } } }";
    let done = app.mutate(Some(&dev), "submitForReview", submit("https://keys.acme.example/jwks"), select).await;
    let production = &done["subscription"]["lanes"][1];
    let expected = json!([{ "kind": kind, "status": "ACTIVE", "jwksUrl": "https://keys.acme.example/jwks" }]);
    assert_eq!((&production["environment"], &production["credentials"]), (&json!("PRODUCTION"), &expected), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_public_addresses_are_asked_unless_a_setting_says_otherwise() {
    let app = TestApp::start().await;
    let (editor, publisher) = (app.editor().await, Publisher::start().await);
    let client = json!({ "name": "by hand", "teamId": app.partner("acme").await.1 });
    let client = app.mutate(Some(&editor), "createClient", client, "client { id }").await["client"]["id"].clone();
    for issuer in
        [publisher.url.as_str(), "https://127.0.0.1", "https://10.0.0.1", "https://localhost", "http://login.example.com"]
    {
        let profile = json!({ "clientId": client, "name": "o", "environment": "PRODUCTION", "authMethod": "OIDC", "issuer": issuer, "audience": "a" });
        assert_eq!(
            app.refused(Some(&editor), "createProfile", "CreateProfileInput", profile).await,
            "INVALID issuer",
            "{issuer}"
        );
    }
    assert_eq!(publisher.asked(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outside_issuers_tokens_are_taken_for_whom_they_name() {
    let app = TestApp::start_in_development().await;
    let issuer = Publisher::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let environment = |environment: &str| json!({ "environment": environment, "authMethod": "OIDC", "issuer": issuer.url, "audience": "api://ship" });
    let environments = json!([environment("SANDBOX"), environment("PRODUCTION")]);
    let plan = app.plan(&editor, &product, "outside", true, json!({ "environments": environments })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let input = json!({ "profileId": held.sandbox, "subject": "acme-program" });
    let made = app.mutate(Some(&dev), "createCredential", input, "credential { id clientId subject } issued { secret }").await;
    assert_eq!((&made["credential"]["subject"], &made["issued"]), (&json!("acme-program"), &Value::Null));
    let client = made["credential"]["clientId"].as_str().expect("an id").to_owned();

    let token = |key: &SigningKey, change: &dyn Fn(&mut Value)| {
        let now = app.domain().now().timestamp();
        let mut claims = json!({ "iss": issuer.url, "aud": "api://ship", "exp": now + 60, "sub": "u1", "azp": "acme-program" });
        change(&mut claims);
        key.sign(Typ::AccessToken, &claims).expect("a token")
    };
    let call = async |token: &str, expected: (u16, &str)| {
        let bearer = format!("Bearer {token}");
        app.call_becomes(&[("x-client-id", &client), ("x-profile-id", "sandbox"), ("authorization", &bearer)], expected).await
    };
    let first = issuer.rotate();
    call(&token(&first, &|_| {}), (200, "")).await;
    call(&token(&first, &|claims| claims["azp"] = json!("other")), (401, "CREDENTIAL_INVALID")).await;
    call(&token(&first, &|claims| claims["sub"] = json!("acme-program")), (200, "")).await;
    call(&token(&first, &|claims| claims["aud"] = json!("api://other")), (401, "CREDENTIAL_INVALID")).await;
    call(&token(&first, &|claims| claims["exp"] = json!(1_000_000)), (401, "CREDENTIAL_EXPIRED")).await;
    call(&token(&first, &|claims| claims["iss"] = json!("https://other.example")), (401, "CREDENTIAL_INVALID")).await;
    let bound = json!({ "jkt": "A".repeat(43) });
    let detail = call(&token(&first, &|claims| claims["cnf"] = bound.clone()), (401, "CREDENTIAL_INVALID")).await;
    assert!(detail.contains("DPoP"), "{detail}");

    // The issuer's keys change, and it fails.
    let second = issuer.rotate();
    app.clock.advance(TimeDelta::seconds(31));
    call(&token(&second, &|_| {}), (200, "")).await;
    call(&token(&first, &|_| {}), (401, "CREDENTIAL_INVALID")).await;
    issuer.is_up(false);
    app.clock.advance(TimeDelta::hours(5));
    call(&token(&second, &|_| {}), (200, "")).await;
    issuer.is_up(true);

    // Another name beside the first, and then without it.
    let input = json!({ "credentialId": made["credential"]["id"], "subject": "acme-next", "overlapHours": 1 });
    app.mutate(Some(&dev), "rotateSecret", input, "credential { subject overlapEndsAt }").await;
    call(&token(&second, &|claims| claims["azp"] = json!("acme-next")), (200, "")).await;
    call(&token(&second, &|_| {}), (200, "")).await;
    let ended = json!({ "credentialId": made["credential"]["id"] });
    assert_eq!(app.refused(Some(&dev), "endOverlap", "CredentialIdInput", ended.clone()).await, "");
    call(&token(&second, &|_| {}), (401, "CREDENTIAL_EXPIRED")).await;
    assert_eq!(app.refused(Some(&dev), "revokeCredential", "CredentialIdInput", ended).await, "");
    call(&token(&second, &|claims| claims["azp"] = json!("acme-next")), (401, "CREDENTIAL_REVOKED")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_made_by_hand_has_its_issuers_audience_to_itself() {
    let app = TestApp::start_in_development().await;
    let issuer = Publisher::start().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let (_, team) = app.partner("acme").await;
    let client = json!({ "name": "by hand", "teamId": team });
    let client = app.mutate(Some(&editor), "createClient", client, "client { id }").await["client"]["id"].clone();
    let assigned = json!({ "clientId": client, "productId": product });
    app.mutate_as(Some(&editor), "assignProduct", "AssignProductInput", assigned, "product { id }").await;
    let profile = |issuer: &str, audience: Value| json!({ "clientId": client, "name": "o", "environment": "SANDBOX", "authMethod": "OIDC", "issuer": issuer, "audience": audience });
    let create = async |input: Value| app.refused(Some(&editor), "createProfile", "CreateProfileInput", input).await;
    assert_eq!(create(profile(&issuer.url, Value::Null)).await, "REQUIRED audience");
    let made = profile(&issuer.url, json!("api://acme"));
    let made = app.mutate(Some(&editor), "createProfile", made, "profile { id issuer audience } issued { secret }").await;
    assert_eq!((&made["profile"]["issuer"], &made["profile"]["audience"]), (&json!(issuer.url), &json!("api://acme")));
    let key = issuer.rotate();
    let token = |audience: &str| {
        let now = app.domain().now().timestamp();
        let claims = json!({ "iss": issuer.url, "aud": [audience, "x"], "exp": now + 60, "sub": "whoever" });
        format!("Bearer {}", key.sign(Typ::Jwt, &claims).expect("a token"))
    };
    let client = client.as_str().expect("an id").to_owned();
    app.call_becomes(&[("x-client-id", &client), ("authorization", &token("api://acme"))], (200, "")).await;
    app.call_becomes(&[("x-client-id", &client), ("authorization", &token("other"))], (401, "CREDENTIAL_INVALID")).await;
    let update = json!({ "profileId": made["profile"]["id"], "audience": "other" });
    app.mutate(Some(&editor), "updateProfile", update, "profile { audience }").await;
    app.call_becomes(&[("x-client-id", &client), ("authorization", &token("other"))], (200, "")).await;
}
