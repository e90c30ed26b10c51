//! New secrets that a reviewer decides on.

use entities::enums::StaffRole;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    onboarding::product,
};

const ISSUED: &str =
    "credential { id overlapEndsAt rotation { status notes requestedBy { id } decidedBy { id } } } issued { secret }";
const SEEN: &str = "query($id: ID!) { node(id: $id) { ... on Credential { status rotation { status notes } } } }";
const QUEUE: &str =
    "{ provider { queue(kind: ROTATION) { nodes { kind viewerCanDecide subject { id } } } queueCounts { kind pending } } }";

/// Somebody of the partner, the production credential of an elevated plan, and its key.
async fn partner(app: &TestApp) -> (Person, Value, String) {
    let editor = app.editor().await;
    let product = product(app, &editor).await;
    let more = json!({ "elevated": true, "rotationOverlapHours": 4 });
    let plan = app.plan(&editor, &product, "live", false, more).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { environment profile { id } } } }";
    let lane = app.data(Some(&dev), query, json!({ "id": held.id })).await["subscription"]["lanes"][0].take();
    assert_eq!(lane["environment"], "PRODUCTION");
    let input = json!({ "profileId": lane["profile"]["id"] });
    let made = app.mutate(Some(&dev), "createCredential", input, "credential { id } issued { secret }").await;
    (dev, made["credential"]["id"].clone(), made["issued"]["secret"].as_str().expect("a key").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_waits_for_its_reviewer_and_a_revocation_does_not() {
    let app = TestApp::start().await;
    let reviewer = app.staff(StaffRole::Reviewer).await;
    let (dev, id, old) = partner(&app).await;
    let rotate = async |more: Value| {
        let mut input = json!({ "credentialId": id });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        app.refused(Some(&dev), "rotateSecret", "RotateSecretInput", input).await
    };
    let decide = async |field: &str| {
        let input = json!({ "credentialId": id, "notes": "after the freeze" });
        app.refused(Some(&reviewer), field, "DecideRotationInput", input).await
    };
    let claim =
        async || app.mutate_as(Some(&dev), "claimCredential", "CredentialIdInput", json!({ "credentialId": id }), ISSUED).await;
    let seen = async || app.data(Some(&dev), SEEN, json!({ "id": id })).await["node"].take();
    assert_eq!(decide("approveRotation").await, "WRONG_STATE credentialId", "none was asked for");
    assert_eq!(rotate(json!({ "overlapHours": 5 })).await, "INVALID overlapHours");

    let input = json!({ "credentialId": id, "overlapHours": 2 });
    let asked = app.mutate(Some(&dev), "rotateSecret", input, ISSUED).await;
    assert_eq!((&asked["issued"], &asked["credential"]["overlapEndsAt"]), (&Value::Null, &Value::Null));
    assert_eq!(asked["credential"]["rotation"]["status"], "PENDING");
    assert_eq!(rotate(json!({})).await, "ALREADY_DONE credentialId");
    let regenerated = app.refused(Some(&dev), "regenerateCredential", "CredentialIdInput", json!({ "credentialId": id })).await;
    assert_eq!(regenerated, "WRONG_STATE credentialId", "it would be a way around the review");
    let none = app.refused(Some(&dev), "claimCredential", "CredentialIdInput", json!({ "credentialId": id })).await;
    assert_eq!(none, "WRONG_STATE");

    let queue = app.data(Some(&reviewer), QUEUE, json!({})).await;
    let item = json!({ "kind": "ROTATION", "viewerCanDecide": true, "subject": { "id": id } });
    assert_eq!(queue["provider"]["queue"]["nodes"], json!([item]));
    let waiting = json!({ "kind": "ROTATION", "pending": 1 });
    assert!(queue["provider"]["queueCounts"].as_array().expect("counts").contains(&waiting));
    let told: Vec<_> = app.mails().await.into_iter().map(|mail| mail.subject).collect();
    assert!(told.iter().any(|subject| subject.ends_with("of acme waits for a rotation")), "{told:?}");
    let by_dev = app.refused(Some(&dev), "approveRotation", "DecideRotationInput", json!({ "credentialId": id })).await;
    assert_eq!(by_dev, "FORBIDDEN");

    assert_eq!(decide("declineRotation").await, "");
    assert_eq!(seen().await["rotation"], json!({ "status": "DECLINED", "notes": "after the freeze" }));
    assert_eq!(decide("approveRotation").await, "WRONG_STATE", "decided once");
    assert_eq!(rotate(json!({ "overlapHours": 2 })).await, "", "asked again");
    assert_eq!(decide("approveRotation").await, "");
    assert_eq!(rotate(json!({})).await, "ALREADY_DONE credentialId", "it is to be claimed");
    app.answers([&json!(old)], [200]).await;
    let made = claim().await;
    let new = &made["issued"]["secret"];
    assert_eq!(made["credential"]["rotation"], Value::Null);
    app.answers([&json!(old), new], [200, 200]).await;
    app.clock.advance(chrono::TimeDelta::hours(2));
    app.answers([&json!(old), new], [401, 200]).await;

    assert_eq!(rotate(json!({})).await, "");
    assert_eq!(app.refused(Some(&dev), "revokeCredential", "CredentialIdInput", json!({ "credentialId": id })).await, "");
    assert_eq!(seen().await, json!({ "status": "REVOKED", "rotation": { "status": "WITHDRAWN", "notes": null } }));
    assert_eq!(app.data(Some(&reviewer), QUEUE, json!({})).await["provider"]["queue"]["nodes"], json!([]));
    app.answers([new], [401]).await;
    let actions: Vec<_> = app.audited().await.into_iter().filter(|action| action.contains("rotat")).collect();
    let (asked, approved) = ("rotation.requested", "rotation.approved");
    assert_eq!(actions, [asked, "rotation.declined", asked, approved, "credential.rotated", asked]);
}
