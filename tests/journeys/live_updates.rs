//! What is told over the socket as it happens: to whom it concerns, and as long as it does.

use std::time::Duration;

use entities::enums::{AccessLevel, StaffRole};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    socket::Socket,
};

const NOTIFICATIONS: &str = "subscription { notifications { title subject { id } } }";
const QUEUE: &str = "subscription { reviewQueue { kind state assignee { name } team { slug } } }";

/// Opens a socket and subscribes; it hears of what happens after.
async fn watching(app: &TestApp, who: &Person, query: &str) -> Socket {
    let before = app.domain().updates.watchers();
    let mut socket = Socket::open(app, Some(who)).await;
    socket.subscribe(query).await;
    for _ in 0..1_000 {
        if app.domain().updates.watchers() > before {
            return socket;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not begin: {query}");
}

async fn heard(socket: &mut Socket) -> Value {
    let next = tokio::time::timeout(Duration::from_secs(10), socket.next()).await;
    next.expect("something is told").1["data"].take()
}

/// The code that a subscription is refused with.
async fn refused(app: &TestApp, who: Option<&Person>, query: &str) -> Value {
    let mut socket = Socket::open(app, who).await;
    socket.subscribe(query).await;
    socket.next().await.1["errors"][0]["extensions"]["code"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_seen_by_both_sides_as_it_goes() {
    let app = TestApp::start().await;
    let (editor, reviewer) = (app.editor().await, app.staff(StaffRole::Reviewer).await);
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "partner", true, json!({ "approval": "STANDARD" })).await;
    let (dev, team) = app.partner("acme").await;
    let (other, other_team) = app.partner("globex").await;
    let mate = app.member(&team, "mate@acme.example", AccessLevel::Read).await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let elsewhere = app.subscribed(&other, &other_team, &plan).await;

    let id = held.id.as_str().expect("an id");
    let changes =
        format!("subscription {{ subscriptionChanged(id: \"{id}\") {{ pipeline {{ phase submission {{ status }} }} }} }}");
    let mut changed = watching(&app, &mate, &changes).await;
    let mut told = watching(&app, &mate, NOTIFICATIONS).await;
    let mut queue = watching(&app, &reviewer, QUEUE).await;

    // Another team's news are not theirs.
    app.mutate(Some(&other), "submitForReview", json!({ "subscriptionId": elsewhere.id }), "subscription { id }").await;
    let waits = |slug: &str| json!({ "kind": "SUBMISSION", "state": "PENDING", "assignee": null, "team": { "slug": slug } });
    assert_eq!(heard(&mut queue).await["reviewQueue"], waits("globex"));

    let select = "subscription { pipeline { submission { id } } }";
    let done = app.mutate(Some(&dev), "submitForReview", json!({ "subscriptionId": held.id }), select).await;
    let submission = &done["subscription"]["pipeline"]["submission"]["id"];
    let seen = heard(&mut changed).await;
    assert_eq!(seen["subscriptionChanged"]["pipeline"], json!({ "phase": "IN_REVIEW", "submission": { "status": "RECEIVED" } }));
    assert_eq!(heard(&mut queue).await["reviewQueue"], waits("acme"));

    app.mutate_as(
        Some(&reviewer),
        "startReview",
        "SubmissionIdInput",
        json!({ "submissionId": submission }),
        "subscription { id }",
    )
    .await;
    assert_eq!(heard(&mut changed).await["subscriptionChanged"]["pipeline"]["submission"]["status"], "IN_REVIEW");
    let notice = heard(&mut told).await["notifications"].take();
    assert_eq!(notice, json!({ "title": "Ours is in review", "subject": { "id": held.id } }));
    assert_eq!(heard(&mut queue).await["reviewQueue"]["assignee"]["name"], "reviewer");

    let input = json!({ "submissionId": submission });
    app.mutate_as(Some(&reviewer), "approveSubmission", "DecideSubmissionInput", input, "subscription { id }").await;
    assert_eq!(heard(&mut changed).await["subscriptionChanged"]["pipeline"]["phase"], "PRODUCTION");
    assert_eq!(heard(&mut told).await["notifications"]["title"], "Ours may go to production");
    assert_eq!(heard(&mut queue).await["reviewQueue"]["state"], "APPROVED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_may_not_see_is_not_watched_and_what_was_allowed_ends_with_the_right() {
    let app = TestApp::start().await;
    let (editor, admin, reviewer) = (app.editor().await, app.staff(StaffRole::Admin).await, app.staff(StaffRole::Reviewer).await);
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let mate = app.member(&team, "mate@acme.example", AccessLevel::Read).await;
    let (stranger, _) = app.partner("globex").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let changes = format!("subscription {{ subscriptionChanged(id: {}) {{ name }} }}", held.id);
    assert_eq!(refused(&app, Some(&stranger), &changes).await, "NOT_FOUND");
    assert_eq!(refused(&app, None, &changes).await, "UNAUTHENTICATED");
    assert_eq!(refused(&app, Some(&dev), "subscription { subscriptionChanged(id: \"no\") { name } }").await, "NOT_FOUND");
    assert_eq!(refused(&app, None, NOTIFICATIONS).await, "UNAUTHENTICATED");
    assert_eq!(refused(&app, Some(&dev), QUEUE).await, "FORBIDDEN");

    let rename = async |name: &str| {
        let input = json!({ "subscriptionId": held.id, "name": name });
        app.mutate(Some(&dev), "updateSubscription", input, "subscription { id }").await;
    };
    let mut of_mate = watching(&app, &mate, &changes).await;
    let mut of_dev = watching(&app, &dev, &changes).await;
    let mut of_reviewer = watching(&app, &reviewer, &changes).await;
    rename("Theirs").await;
    for socket in [&mut of_mate, &mut of_dev, &mut of_reviewer] {
        assert_eq!(heard(socket).await["subscriptionChanged"]["name"], "Theirs");
    }

    // A member who was removed, and staff with another role, hear no more.
    let input = json!({ "teamId": team, "userId": mate.id.to_string() });
    assert_eq!(app.refused(Some(&dev), "removeMember", "RemoveMemberInput", input).await, "");
    let input = json!({ "email": reviewer.email, "role": "AUDITOR" });
    assert_eq!(app.refused(Some(&admin), "setStaffRole", "SetStaffRoleInput", input).await, "");
    rename("Ours").await;
    assert_eq!(heard(&mut of_dev).await["subscriptionChanged"]["name"], "Ours");
    assert_eq!(of_mate.next().await.1["errors"][0]["extensions"]["code"], "NOT_FOUND");
    assert_eq!(of_reviewer.next().await.1["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");

    // So does a session that was revoked.
    app.data(Some(&dev), "mutation { signOut { signedOut } }", json!({})).await;
    let input = json!({ "subscriptionId": held.id });
    assert_eq!(app.refused(Some(&editor), "suspendSubscription", "DecideSubscriptionInput", input).await, "");
    assert_eq!(of_dev.next().await.1["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
}
