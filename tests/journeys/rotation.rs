//! New secrets for old: beside each other for a while, or at once.

use chrono::{DateTime, TimeDelta, Utc};
use entities::enums::AccessLevel;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
    onboarding::product,
};

const ISSUED: &str = "credential { id status masked overlapEndsAt } issued { secret }";

/// A partner with a key that works in the sandbox, the credential's id, and a plan with 48 hours of overlap.
async fn partner(app: &TestApp) -> (Person, Value, Held, Value) {
    let editor = app.editor().await;
    let product = product(app, &editor).await;
    let plan = app.plan(&editor, &product, "free", true, json!({ "rotationOverlapHours": 48 })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { id } } } }";
    let mut seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let credential = seen["subscription"]["lanes"][0]["credentials"][0]["id"].take();
    (dev, team, held, credential)
}

impl TestApp {
    async fn rotated(&self, who: &Person, id: &Value, more: Value) -> Value {
        let mut input = json!({ "credentialId": id });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        self.mutate(Some(who), "rotateSecret", input, ISSUED).await
    }

    /// What calls with these keys are answered, once the gateway knows of the last change.
    pub async fn answers<const N: usize>(&self, keys: [&Value; N], expected: [u16; N]) {
        let mut seen = [0; N];
        for _ in 0..400 {
            for (seen, key) in seen.iter_mut().zip(keys) {
                *seen = self.call("/ship/shipments", key.as_str().expect("a key")).await;
            }
            if seen == expected {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(seen, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_work_until_the_overlap_ends() {
    let app = TestApp::start().await;
    let (dev, _, held, id) = partner(&app).await;
    let old = &held.secret;
    app.answers([old], [200]).await;

    let made = app.rotated(&dev, &id, json!({ "overlapHours": 2 })).await;
    assert_eq!(made["credential"]["id"], id, "the same credential");
    let ends: DateTime<Utc> = made["credential"]["overlapEndsAt"].as_str().and_then(|at| at.parse().ok()).expect("an end");
    assert_eq!(ends, app.domain().now() + TimeDelta::hours(2));
    let new = &made["issued"]["secret"];
    app.answers([old, new], [200, 200]).await;
    app.clock.advance(TimeDelta::hours(2));
    app.answers([old, new], [401, 200]).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Credential { overlapEndsAt previousLastUsedAt status } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": id })).await["node"].take();
    assert_eq!(seen, json!({ "overlapEndsAt": null, "previousLastUsedAt": null, "status": "ACTIVE" }));

    // As long as the plan allows, and ended by hand.
    let made = app.rotated(&dev, &id, json!({})).await;
    let newest = &made["issued"]["secret"];
    app.clock.advance(TimeDelta::hours(47));
    app.answers([new, newest], [200, 200]).await;
    let end = async || app.refused(Some(&dev), "endOverlap", "CredentialIdInput", json!({ "credentialId": id })).await;
    assert_eq!(end().await, "");
    app.answers([new, newest], [401, 200]).await;
    assert_eq!(end().await, "WRONG_STATE");
    // At once.
    let made = app.rotated(&dev, &id, json!({ "overlapHours": 0 })).await;
    app.answers([newest, &made["issued"]["secret"]], [401, 200]).await;
    for secret in [old, new, newest] {
        assert!(!app.is_stored(&secret.as_str().expect("a secret")[22..]).await);
    }
    let actions: Vec<_> = app.audited().await.into_iter().filter(|action| action.starts_with("credential.")).collect();
    let rotated = "credential.rotated";
    assert_eq!(actions, [rotated, rotated, "credential.overlap_ended", rotated]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_rotated_is_refused_and_a_repeated_rotation_is_one() {
    let app = TestApp::start().await;
    let (dev, team, held, id) = partner(&app).await;
    let reader = app.member(&team, "reader@acme.example", AccessLevel::Read).await;
    let (stranger, _) = app.partner("globex").await;
    let refused = async |who: &Person, more: Value| {
        let mut input = json!({ "credentialId": id });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        app.refused(Some(who), "rotateSecret", "RotateSecretInput", input).await
    };
    assert_eq!(refused(&reader, json!({})).await, "FORBIDDEN");
    assert_eq!(refused(&stranger, json!({})).await, "NOT_FOUND");
    assert_eq!(refused(&dev, json!({ "overlapHours": 49 })).await, "INVALID overlapHours");
    assert_eq!(refused(&dev, json!({ "endWhenSilentForMinutes": 4 })).await, "INVALID endWhenSilentForMinutes");

    let once = app.rotated(&dev, &id, json!({ "idempotencyKey": "k1" })).await;
    let again = app.rotated(&dev, &id, json!({ "idempotencyKey": "k1" })).await;
    assert_eq!(once["issued"]["secret"], again["issued"]["secret"]);
    app.answers([&held.secret, &once["issued"]["secret"]], [200, 200]).await;
    for _ in 0..3 {
        app.rotated(&dev, &id, json!({})).await;
    }
    assert_eq!(refused(&dev, json!({})).await, "LIMIT_REACHED credentialId", "four before the newest");

    let made =
        app.mutate_as(Some(&dev), "regenerateCredential", "CredentialIdInput", json!({ "credentialId": id }), ISSUED).await;
    assert_ne!(made["credential"]["id"], id);
    app.answers([&held.secret, &once["issued"]["secret"], &made["issued"]["secret"]], [401, 401, 200]).await;
    assert_eq!(refused(&dev, json!({})).await, "WRONG_STATE");
    let input = json!({ "credentialId": id });
    assert_eq!(app.refused(Some(&dev), "regenerateCredential", "CredentialIdInput", input).await, "WRONG_STATE");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_secret_ends_once_it_is_silent_and_not_before() {
    let app = TestApp::start().await;
    let (dev, _, held, id) = partner(&app).await;
    let old = &held.secret;
    let made = app.rotated(&dev, &id, json!({ "endWhenSilentForMinutes": 30 })).await;
    let new = &made["issued"]["secret"];
    app.clock.advance(TimeDelta::minutes(20));
    app.answers([old, new], [200, 200]).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Credential { overlapEndsAt previousLastUsedAt } } }";
    let seen = async || app.data(Some(&dev), query, json!({ "id": id })).await["node"].take();
    for _ in 0..400 {
        if seen().await["previousLastUsedAt"] != Value::Null {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    app.clock.advance(TimeDelta::minutes(11));
    app.work().await;
    app.answers([old, new], [200, 200]).await;
    // The calls above may have been noted, or not, before the work: half an hour and more after them it is over.
    for _ in 0..3 {
        app.clock.advance(TimeDelta::minutes(40));
        app.work().await;
    }
    app.answers([old, new], [401, 200]).await;
    assert_eq!(seen().await["overlapEndsAt"], Value::Null);
}
