//! Secrets that a scanner finds in public: who may report them, what is done, and who hears of it.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::TimeDelta;
use domain::{keyring::sha256, rules::leak::ScannerKeys};
use entities::{
    enums::{AccessLevel, LeakedKeyAction, StaffRole},
    leak,
};
use reqwest::Method;
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use sea_orm::EntityTrait;
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

const URL: &str = "https://github.com/acme/app/blob/1/config.yaml#L7";
const ISSUED: &str = "credential { id overlapEndsAt } issued { secret }";

/// Who reports: its key, by an identifier.
struct Scanner(EcdsaKeyPair);

impl Scanner {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).expect("the key"))
    }

    /// The instance that knows its public key.
    async fn known() -> (Self, TestApp) {
        let scanner = Self::new();
        let head = BASE64.decode("MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=").expect("what stands before a P-256 point");
        let der = BASE64.encode([&head[..26], scanner.0.public_key().as_ref()].concat());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{der}\n-----END PUBLIC KEY-----\n");
        let list = json!({ "public_keys": [{ "key_identifier": "first", "key": pem, "is_current": true }] });
        let app = TestApp::start_with(|config| config.leak_keys = ScannerKeys::parse(&list.to_string())).await;
        (scanner, app)
    }

    fn sign(&self, body: &str) -> String {
        BASE64.encode(self.0.sign(&SystemRandom::new(), body.as_bytes()).expect("a signature"))
    }

    /// The labels of what is found, in its order.
    async fn reports(&self, app: &TestApp, finds: Value) -> Vec<String> {
        let body = finds.to_string();
        let (status, answer) = app.leaks(&body, &[(ID, "first"), (SIGNATURE, &self.sign(&body))]).await;
        assert_eq!(status, 200, "{answer}");
        let list = answer.as_array().expect("a list");
        for (find, told) in finds.as_array().expect("finds").iter().zip(list) {
            let token = find["token"].as_str().expect("a token");
            let hash: String = sha256(token).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((&told["token_hash"], &told["token_type"]), (&json!(hash), &find["type"]));
            assert!(!answer.to_string().contains(token));
        }
        list.iter().map(|told| told["label"].as_str().expect("a label").to_owned()).collect()
    }

    async fn finds(&self, app: &TestApp, token: &Value) {
        let find = json!({ "token": token, "type": "portico_api_key", "url": URL, "source": "commit" });
        assert_eq!(self.reports(app, json!([find])).await, ["true_positive"]);
    }
}

const ID: &str = "Github-Public-Key-Identifier";
const SIGNATURE: &str = "Github-Public-Key-Signature";

impl TestApp {
    async fn leaks(&self, body: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        let mut request = self.http.post(self.url("/leaks")).body(body.to_owned());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// What a call is answered: the status, and the refusal's code.
    async fn tried(&self, method: Method, key: &Value) -> (u16, String) {
        let gateway = self.app.gateway.as_ref().expect("a gateway").address();
        let request = self.http.request(method, format!("http://{gateway}/ship/shipments"));
        let answer = request.header("x-api-key", key.as_str().expect("a key")).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let problem: Value = answer.json().await.unwrap_or_default();
        (status, problem["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn writes(&self, key: &Value, expected: (u16, &str)) {
        let mut seen = (0, String::new());
        for _ in 0..400 {
            seen = self.tried(Method::POST, key).await;
            if (seen.0, seen.1.as_str()) == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!((seen.0, seen.1.as_str()), expected);
    }

    async fn recorded(&self) -> Vec<leak::Model> {
        leak::Entity::find().all(&self.domain().db).await.expect("leaks")
    }

    async fn leak(&self, who: &Person, id: &Value) -> Value {
        let query = "query($id: ID!) { node(id: $id) { ... on Credential { leak { action url scopes endsAt claimable } } } }";
        self.data(Some(who), query, json!({ "id": id })).await["node"]["leak"].take()
    }

    async fn claimed(&self, who: &Person, id: &Value) -> Value {
        self.mutate_as(Some(who), "claimCredential", "CredentialIdInput", json!({ "credentialId": id }), ISSUED).await
    }
}

/// A partner whose sandbox key works, with the credential's id. `more` is the plan's.
struct Partner {
    dev: Person,
    team: Value,
    held: Held,
    id: Value,
}

async fn partner(app: &TestApp, more: Value) -> Partner {
    let editor = app.editor().await;
    let product = product(app, &editor).await;
    let input = json!({ "productId": product, "document": DOCUMENT, "version": "2.0", "publishEndpoints": true });
    app.mutate(Some(&editor), "publishSpec", input, "product { id }").await;
    // Whom the document concerns hears of it before there is anybody.
    app.work().await;
    let mut plan = json!({
        "scopes": [{ "name": "ship:read", "grant": "DEFAULT" }, { "name": "ship:write", "grant": "OPTIONAL" }],
    });
    plan.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    let plan = app.plan(&editor, &product, "free", true, plan).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
    let mut seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let id = seen["subscription"]["lanes"][0]["credentials"][0]["id"].take();
    Partner { dev, team, held, id }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_a_scanner_signed_is_taken_and_nothing_is_done_otherwise() {
    let (scanner, app) = Scanner::known().await;
    let key = partner(&app, json!({})).await.held.secret;
    let body = json!([{ "token": key, "url": URL }]).to_string();
    let (signature, other) = (scanner.sign(&body), Scanner::new().sign(&body));
    let before = app.audited().await.len();
    for (headers, code) in [
        (&[][..], "UNAUTHENTICATED"),
        (&[(ID, "first")], "UNAUTHENTICATED"),
        (&[(SIGNATURE, &*signature)], "UNAUTHENTICATED"),
        (&[(ID, "second"), (SIGNATURE, &*signature)], "UNAUTHENTICATED"),
        (&[(ID, "first"), (SIGNATURE, &*other)], "UNAUTHENTICATED"),
        (&[(ID, "first"), (SIGNATURE, "nonsense")], "UNAUTHENTICATED"),
    ] {
        let (status, problem) = app.leaks(&body, headers).await;
        assert_eq!((status, problem["code"].as_str()), (401, Some(code)), "{headers:?}");
        assert!(!problem.to_string().contains(key.as_str().expect("a key")));
    }
    let (status, _) = app.leaks(&format!("{body} "), &[(ID, "first"), (SIGNATURE, &signature)]).await;
    assert_eq!(status, 401, "another body");
    for wrong in [format!("[{}", &body[1..body.len() - 1]), json!({ "token": key }).to_string(), json!([[key]]).to_string()] {
        let (status, problem) = app.leaks(&wrong, &[(ID, "first"), (SIGNATURE, &scanner.sign(&wrong))]).await;
        assert_eq!((status, problem["code"].as_str()), (400, Some("BAD_USER_INPUT")), "{problem}");
        assert!(!problem.to_string().contains(key.as_str().expect("a key")));
    }
    let long = format!("[{}]", " ".repeat(1 << 20));
    assert_eq!(app.leaks(&long, &[(ID, "first"), (SIGNATURE, &scanner.sign(&long))]).await.0, 413);
    assert!(app.recorded().await.is_empty() && app.mails().await.is_empty());
    assert_eq!(app.audited().await.len(), before);

    let none = TestApp::start_without_gateway().await;
    assert_eq!(none.leaks(&body, &[(ID, "first"), (SIGNATURE, &signature)]).await.0, 404, "no scanner is known there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_find_is_told_once_to_those_who_can_act_and_the_secret_to_nobody() {
    let (scanner, app) = Scanner::known().await;
    let Partner { dev, team, held, id } = partner(&app, json!({})).await;
    app.member(&team, "reader@acme.example", AccessLevel::Read).await;
    let key = held.secret.as_str().expect("a key");
    app.answers([&held.secret], [200]).await;
    let typo = key.replacen('a', "b", 1);
    let url = format!("https://paste.example/raw?secret={key}");
    let finds = json!([
        { "token": key, "type": "portico_api_key", "url": url, "source": "commit" },
        { "token": typo, "type": "portico_api_key", "url": URL },
        { "token": "ghp_of_somebody_else", "type": "other", "unknown": {} },
        { "token": key, "url": URL },
    ]);
    let labels = ["true_positive", "false_positive", "false_positive", "true_positive"];
    assert_eq!(scanner.reports(&app, finds.clone()).await, labels);
    let mails = app.mails().await;
    let [mail] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!((&*mail.to, &*mail.subject), (&*dev.email, &*format!("A secret of {}_•••••••• was found in public", &key[..21])));
    assert!(mail.text.contains("\nhttps://paste.example/\n") && mail.text.contains("the secret works on"), "{}", mail.text);
    app.answers([&held.secret], [200]).await;

    assert_eq!(scanner.reports(&app, finds).await, labels, "sent again");
    assert_eq!(app.mails().await.len(), 1);
    let leaks = app.recorded().await;
    let [leak] = &leaks[..] else { panic!("{leaks:?}") };
    assert_eq!((leak.action, leak.url.as_deref()), (LeakedKeyAction::Notify, Some("https://paste.example/")));
    assert_eq!(leak.credential_id.to_string(), id);
    assert_eq!(app.audited().await.iter().filter(|action| *action == "credential.leaked").count(), 1);
    assert!(!app.is_stored(&key[22..]).await && !app.is_stored(&typo[22..]).await);
    assert!(!mails.iter().any(|mail| mail.message.contains(&key[22..]) || mail.html.contains(&key[22..])));

    // What works no longer was ours, and there is nothing to tell.
    let input = json!({ "credentialId": id });
    let made = app.mutate_as(Some(&dev), "regenerateCredential", "CredentialIdInput", input, ISSUED).await;
    let input = json!({ "credentialId": made["credential"]["id"] });
    assert_eq!(app.refused(Some(&dev), "revokeCredential", "CredentialIdInput", input).await, "");
    scanner.finds(&app, &made["issued"]["secret"]).await;
    assert_eq!((app.mails().await.len(), app.recorded().await.len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_secret_is_known_and_a_partners_own_public_keys_are_no_leak() {
    let (scanner, app) = Scanner::known().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let (dev, team) = app.partner("acme").await;
    let mut told = Vec::new();
    for kind in ["TOKEN", "SIGNED_JWT", "OAUTH2_CLIENT_SECRET"] {
        let environments =
            json!([{ "environment": "SANDBOX", "authMethod": kind }, { "environment": "PRODUCTION", "authMethod": kind }]);
        let slug = kind.to_lowercase().replace('_', "-");
        let plan = app.plan(&editor, &product, &slug, true, json!({ "environments": environments })).await;
        let secret = app.subscribed(&dev, &team, &plan).await.secret;
        scanner.finds(&app, &secret).await;
        told.push(format!("A secret of {}•••••••• was found in public", &secret.as_str().expect("a secret")[..13]));
    }
    let subjects: Vec<_> = app.mails().await.into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, told);
    let kind = "OAUTH2_PRIVATE_KEY_JWT";
    let environments =
        json!([{ "environment": "SANDBOX", "authMethod": kind }, { "environment": "PRODUCTION", "authMethod": kind }]);
    let plan = app.plan(&editor, &product, "keys", true, json!({ "environments": environments })).await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let (key, _) = domain::rules::jose::SigningKey::generate().expect("a key");
    let input = json!({ "profileId": held.sandbox, "jwks": { "keys": [key.public_jwk()] } });
    app.mutate(Some(&dev), "createCredential", input, "credential { id }").await;
    let rows = entities::credential_secret::Entity::find().all(&app.domain().db).await.expect("secrets");
    let jwks = rows.into_iter().find_map(|row| row.jwks).expect("a key set").to_string();
    assert_eq!(scanner.reports(&app, json!([{ "token": jwks }])).await, ["false_positive"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_secret_uses_what_comes_with_the_plan_and_a_new_one_all_that_is_held() {
    let (scanner, app) = Scanner::known().await;
    let Partner { dev, held, id, .. } = partner(&app, json!({ "leakedKeyAction": "NARROW" })).await;
    let reviewer = app.staff(StaffRole::Reviewer).await;
    let input = json!({ "subscriptionId": held.id, "scopes": ["ship:write"], "reason": "Labels" });
    let asked = app.mutate(Some(&dev), "requestScopes", input, "requests { id }").await;
    let input = json!({ "scopeRequestId": asked["requests"][0]["id"] });
    assert_eq!(app.refused(Some(&reviewer), "approveScopeRequest", "DecideScopeRequestInput", input).await, "");
    // The upstream knows no POST: who gets there may write.
    app.writes(&held.secret, (405, "")).await;
    let before = app.mails().await.len();

    scanner.finds(&app, &held.secret).await;
    app.writes(&held.secret, (403, "SCOPE_MISSING")).await;
    app.answers([&held.secret], [200]).await;
    let mails = app.mails().await;
    let text = &mails[before].text;
    assert!(text.contains("It can use no scopes any more but ship:read.") && text.contains(URL), "{text}");
    let leaks = app.recorded().await;
    assert_eq!(leaks[0].scopes.as_ref().map(|scopes| scopes.to_vec()), Some(vec!["ship:read".to_owned()]));
    let leak = json!({ "action": "NARROW", "url": URL, "scopes": ["ship:read"], "endsAt": null, "claimable": false });
    assert_eq!(app.leak(&dev, &id).await, leak);

    let made = app.mutate(Some(&dev), "rotateSecret", json!({ "credentialId": id }), ISSUED).await;
    let new = &made["issued"]["secret"];
    app.writes(new, (405, "")).await;
    app.writes(&held.secret, (403, "SCOPE_MISSING")).await;
    assert_eq!(app.refused(Some(&dev), "endOverlap", "CredentialIdInput", json!({ "credentialId": id })).await, "");
    app.answers([&held.secret, new], [401, 200]).await;
    assert_eq!(app.leak(&dev, &id).await, Value::Null, "it is over");
    app.writes(new, (405, "")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_secret_ends_within_the_hour_and_a_new_one_is_claimed_in_its_time_or_later() {
    let (scanner, app) = Scanner::known().await;
    let Partner { dev, held, id, .. } = partner(&app, json!({ "leakedKeyAction": "ROTATE" })).await;
    let again = async || app.refused(Some(&dev), "claimCredential", "CredentialIdInput", json!({ "credentialId": id })).await;
    let first = &held.secret;
    assert_eq!(again().await, "WRONG_STATE", "nothing has leaked");
    scanner.finds(&app, first).await;
    let mails = app.mails().await;
    assert!(mails[0].text.contains("refused from 5 January 2026, 10:00 UTC on"), "{}", mails[0].text);
    assert!(mails[0].text.contains("claim the new secret in the portal"), "{}", mails[0].text);
    app.answers([first], [200]).await;
    let ends = "2026-01-05T10:00:00+00:00";
    let leak =
        |claimable: bool| json!({ "action": "ROTATE", "url": URL, "scopes": null, "endsAt": ends, "claimable": claimable });
    assert_eq!(app.leak(&dev, &id).await, leak(true));
    let made = app.claimed(&dev, &id).await;
    assert_eq!((&made["credential"]["id"], &made["credential"]["overlapEndsAt"]), (&id, &json!(ends)));
    assert_eq!(app.leak(&dev, &id).await, leak(false));
    let second = made["issued"]["secret"].clone();
    assert_eq!(again().await, "WRONG_STATE", "once");
    app.answers([first, &second], [200, 200]).await;
    app.clock.advance(TimeDelta::hours(1));
    app.answers([first, &second], [401, 200]).await;

    // Nobody claims it in time.
    scanner.finds(&app, &second).await;
    app.answers([&second], [200]).await;
    app.clock.advance(TimeDelta::hours(1));
    app.answers([&second], [401]).await;
    assert_eq!(app.leak(&dev, &id).await["claimable"], true, "late, and not too late");
    let third = app.claimed(&dev, &id).await["issued"]["secret"].clone();
    app.answers([&second, &third], [401, 200]).await;

    // One that was replaced already ends, and there is nothing to claim.
    let made = app.mutate(Some(&dev), "rotateSecret", json!({ "credentialId": id }), ISSUED).await;
    let fourth = &made["issued"]["secret"];
    let before = app.mails().await.len();
    scanner.finds(&app, &third).await;
    assert_eq!(again().await, "WRONG_STATE");
    let mails = app.mails().await;
    assert!(mails[before].text.contains("put the newer secret in place"), "{}", mails[before].text);
    app.answers([&third, fourth], [200, 200]).await;
    app.clock.advance(TimeDelta::hours(1));
    app.answers([&third, fourth], [401, 200]).await;
    let actions: Vec<_> = app.audited().await.into_iter().filter(|action| action.starts_with("credential.")).collect();
    let (leaked, rotated) = ("credential.leaked", "credential.rotated");
    assert_eq!(actions, [leaked, rotated, leaked, rotated, rotated, leaked]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_an_elevated_plan_a_leak_asks_no_reviewer_and_a_change_of_plan_counts_at_once() {
    let (scanner, app) = Scanner::known().await;
    let editor = app.editor().await;
    let product = product(&app, &editor).await;
    let plan = app.plan(&editor, &product, "live", false, json!({ "elevated": true })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let input = json!({ "profileId": held.production });
    let made = app.mutate(Some(&dev), "createCredential", input, "credential { id } issued { secret }").await;
    let (id, old) = (&made["credential"]["id"], &made["issued"]["secret"]);
    let input = json!({ "planId": plan, "leakedKeyAction": "ROTATE" });
    let updated = app.mutate(Some(&editor), "updatePlan", input, "plan { id leakedKeyAction }").await;
    assert_eq!(updated["plan"], json!({ "id": plan, "leakedKeyAction": "ROTATE" }), "no new version");
    scanner.finds(&app, old).await;
    let new = app.claimed(&dev, id).await["issued"]["secret"].take();
    app.answers([old, &new], [200, 200]).await;
    app.clock.advance(TimeDelta::hours(1));
    app.answers([old, &new], [401, 200]).await;
    assert_eq!(
        app.refused(Some(&dev), "regenerateCredential", "CredentialIdInput", json!({ "credentialId": id })).await,
        "WRONG_STATE credentialId",
        "without a leak a reviewer decides"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_is_revoked_at_once_and_its_owner_told() {
    let (scanner, app) = Scanner::known().await;
    // In no team, and not of the staff.
    let ada = app.person("ada@acme.example", None).await;
    let made = app.mutate(Some(&ada), "createAccessToken", json!({ "name": "ci" }), "secret").await;
    let secret = made["secret"].as_str().expect("a token");
    let works = async || {
        let ask = app.http.post(app.url("/graphql")).bearer_auth(secret);
        let answer: Value = ask
            .json(&json!({ "query": "{ viewer { user { id } } }" }))
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("JSON");
        !answer["data"]["viewer"].is_null()
    };
    assert!(works().await);
    for _ in 0..2 {
        scanner.finds(&app, &made["secret"]).await;
        assert!(!works().await);
        let mails = app.mails().await;
        let [mail] = &mails[..] else { panic!("{mails:?}") };
        assert_eq!((&*mail.to, &*mail.subject), (&*ada.email, "Your access token ci was found in public and is revoked"));
        assert!(mail.text.contains(URL) && !mail.message.contains(&secret[8..]), "{}", mail.text);
    }
    let query = "{ viewer { notifications { nodes { kind title subject { id } } } } }";
    let seen = app.data(Some(&ada), query, json!({})).await;
    assert_eq!(seen["viewer"]["notifications"]["nodes"][0]["subject"], Value::Null);
    assert_eq!(app.audited().await.last().map(String::as_str), Some("access_token.revoked (found in public)"));
    assert!(!app.is_stored(&secret[8..]).await);
}
