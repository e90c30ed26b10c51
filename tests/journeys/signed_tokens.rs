//! Calls that are proven by signatures: with a key of the partner's own at the token endpoint, with a shared secret at the gateway.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::TimeDelta;
use domain::rules::{
    jose::{SigningKey, Typ},
    oauth::JWT_BEARER,
};
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
    onboarding::product,
};

/// A partner whose plan takes this kind in both environments.
async fn partner(app: &TestApp, kind: &str) -> (Person, Held) {
    let editor = app.editor().await;
    let product = product(app, &editor).await;
    let environments =
        json!([{ "environment": "SANDBOX", "authMethod": kind }, { "environment": "PRODUCTION", "authMethod": kind }]);
    let plan = app.plan(&editor, &product, "signed", true, json!({ "environments": environments })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    (dev, held)
}

struct Signer {
    key: SigningKey,
    jwks: Value,
}

impl Signer {
    fn new() -> Self {
        let (key, _) = SigningKey::generate().expect("a key");
        Self { jwks: json!({ "keys": [key.public_jwk()] }), key }
    }

    fn assertion(&self, claims: &Value) -> String {
        self.key.sign(Typ::ClientAuthentication, claims).expect("a token")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partners_own_key_becomes_tokens_once_for_each_assertion() {
    let app = TestApp::start().await;
    let (dev, held) = partner(&app, "OAUTH2_PRIVATE_KEY_JWT").await;
    assert_eq!(held.secret, Value::Null, "there is nothing to show");
    let (first, second) = (Signer::new(), Signer::new());
    let create = async |jwks: &Value| {
        let input = json!({ "profileId": held.sandbox, "jwks": jwks });
        app.refused(Some(&dev), "createCredential", "CreateCredentialInput", input).await
    };
    assert_eq!(create(&Value::Null).await, "REQUIRED jwks");
    assert_eq!(create(&json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] })).await, "INVALID jwks.keys.0.k");
    let input = json!({ "profileId": held.sandbox, "jwks": first.jwks });
    let made = app.mutate(Some(&dev), "createCredential", input, "credential { id clientId masked } issued { secret }").await;
    let id = made["credential"]["id"].as_str().expect("an id").to_owned();
    assert_eq!((&made["issued"], &made["credential"]["clientId"]), (&Value::Null, &json!(id)));
    assert_eq!(made["credential"]["masked"], first.key.kid());

    let issuer = app.url("").trim_end_matches('/').to_owned();
    let now = || app.domain().now().timestamp();
    let claims = |jti: &str| json!({ "iss": id, "sub": id, "aud": issuer, "exp": now() + 60, "iat": now(), "jti": jti });
    let ask = async |assertion: &str| {
        let form = [("grant_type", "client_credentials"), ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
        app.answered(app.oauth("/oauth2/token", &form)).await
    };
    let granted = async |signer: &Signer, jti: &str| {
        for n in 0..200 {
            let (status, body) = ask(&signer.assertion(&claims(&format!("{jti}{n}")))).await;
            if status == 200 {
                return body["access_token"].as_str().expect("a token").to_owned();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("no token");
    };
    let token = granted(&first, "a").await;
    app.bearer_becomes(&token, (200, "")).await;
    let once = first.assertion(&claims("once"));
    assert_eq!(ask(&once).await.0, 200);
    let (status, again) = ask(&once).await;
    assert_eq!((status, again["error"].as_str()), (401, Some("invalid_client")));
    assert!(again["error_description"].as_str().is_some_and(|say| say.contains("jti was used before")), "{again}");
    let mut other = claims("other");
    other["aud"] = json!(app.url("/oauth2/token"));
    let (status, refused) = ask(&first.assertion(&other)).await;
    assert!(status == 401 && refused["error_description"].as_str().is_some_and(|say| say.contains(&issuer)), "{refused}");
    let wrong = ask(&second.assertion(&claims("second"))).await;
    let mut unknown = claims("unknown");
    for claim in ["iss", "sub"] {
        unknown[claim] = json!("cred_01h2xcejqtf2nbrexx3vqjhp41");
    }
    assert_eq!(wrong, ask(&first.assertion(&unknown)).await, "a wrong key says no more than an unknown client");

    // The next key beside the first, until the overlap ends; with it end the tokens that the first brought.
    let input = json!({ "credentialId": id, "overlapHours": 1, "jwks": second.jwks });
    let rotated = app.mutate(Some(&dev), "rotateSecret", input, "credential { id overlapEndsAt } issued { secret }").await;
    assert_eq!((&rotated["credential"]["id"], &rotated["issued"]), (&json!(id), &Value::Null));
    let by_second = granted(&second, "b").await;
    granted(&first, "c").await;
    let refused = app.refused(Some(&dev), "regenerateCredential", "CredentialIdInput", json!({ "credentialId": id })).await;
    assert_eq!(refused, "WRONG_STATE credentialId");
    assert_eq!(app.refused(Some(&dev), "endOverlap", "CredentialIdInput", json!({ "credentialId": id })).await, "");
    app.bearer_becomes(&token, (401, "CREDENTIAL_EXPIRED")).await;
    app.bearer_becomes(&by_second, (200, "")).await;
    assert_eq!(ask(&first.assertion(&claims("late"))).await.0, 401);
}

/// A token signed with the shared secret (HS256).
fn signed(secret: &str, claims: &Value) -> String {
    let part = |json: &Value| BASE64.encode(json.to_string());
    let body = format!("{}.{}", part(&json!({ "alg": "HS256", "typ": "JWT" })), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    format!("{body}.{}", BASE64.encode(tag))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_secret_signs_short_lived_tokens() {
    let app = TestApp::start().await;
    let (dev, held) = partner(&app, "SIGNED_JWT").await;
    let old = held.secret.as_str().expect("a secret").to_owned();
    assert!(old.starts_with("ptj_test_"), "{old}");
    assert!(!app.is_stored(&old[9..]).await, "it is kept sealed");
    let client = held.client.as_str().expect("an id").to_owned();
    let now = || app.domain().now().timestamp();
    let claims = |life: i64| json!({ "iss": client, "iat": now(), "exp": now() + life });
    let gateway = app.app.gateway.as_ref().expect("a gateway").address();
    let call = async |token: &str| {
        let request = app.http.get(format!("http://{gateway}/ship/shipments")).bearer_auth(token);
        let request = request.header("x-client-id", &client).header("x-profile-id", held.sandbox.as_str().expect("an id"));
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let code = answer.json::<Value>().await.ok().and_then(|body| body["code"].as_str().map(ToOwned::to_owned));
        (status, code.unwrap_or_default())
    };
    let becomes = async |token: &str, expected: (u16, &str)| {
        let mut seen = (0, String::new());
        for _ in 0..400 {
            seen = call(token).await;
            if (seen.0, seen.1.as_str()) == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!((seen.0, seen.1.as_str()), expected);
    };
    becomes(&signed(&old, &claims(60)), (200, "")).await;
    let invalid = (401, "CREDENTIAL_INVALID".to_owned());
    assert_eq!(call(&signed("ptj_test_another-secret-of-some-length-x", &claims(60))).await, invalid);
    assert_eq!(call(&signed(&old, &claims(3600))).await, invalid, "it lives too long");
    assert_eq!(call(&signed(&old, &json!({ "iss": "client_other", "exp": now() + 60 }))).await, invalid);
    assert_eq!(
        call(&signed(&old, &json!({ "iss": client, "iat": now() - 120, "exp": now() - 60 }))).await,
        (401, "CREDENTIAL_EXPIRED".to_owned())
    );
    assert_eq!(call(&old).await, invalid, "the secret itself proves nothing");

    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id clientId } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let credential = &seen["subscription"]["lanes"][0]["credentials"][0];
    assert_eq!(credential["clientId"], held.client);
    let input = json!({ "credentialId": credential["id"] });
    let made = app.mutate(Some(&dev), "rotateSecret", input.clone(), "issued { secret }").await;
    let new = made["issued"]["secret"].as_str().expect("a secret").to_owned();
    becomes(&signed(&new, &claims(60)), (200, "")).await;
    becomes(&signed(&old, &claims(60)), (200, "")).await;
    app.clock.advance(TimeDelta::hours(24));
    becomes(&signed(&old, &claims(60)), (401, "CREDENTIAL_INVALID")).await;
    becomes(&signed(&new, &claims(60)), (200, "")).await;
    assert_eq!(app.refused(Some(&dev), "revokeCredential", "CredentialIdInput", input).await, "");
    becomes(&signed(&new, &claims(60)), (401, "CREDENTIAL_INVALID")).await;
}
