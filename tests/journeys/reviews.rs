//! From the sandbox to production: submitted, reviewed, decided, claimed.

use chrono::TimeDelta;
use entities::enums::{AccessLevel, StaffRole};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
};

/// A STANDARD plan with a form, and a team that holds it.
struct Road {
    app: TestApp,
    reviewer: Person,
    dev: Person,
    held: Held,
}

fn form() -> Value {
    json!({ "steps": [
        { "title": "Your company", "fields": [
            { "key": "use", "label": "What you build", "type": "TEXT", "required": true },
            { "key": "size", "label": "Size", "type": "OPTION", "required": false, "options": ["small", "large"] } ] },
        { "title": "Network", "fields": [
            { "key": "ips", "label": "Addresses", "type": "IP_LIST", "required": true, "appliesTo": "IP_ALLOWLIST" } ] },
    ] })
}

fn answers() -> Value {
    json!([{ "key": "ips", "value": ["203.0.113.9/24"] }, { "key": "use", "value": "Labels" }])
}

impl Road {
    async fn start(more: Value) -> Self {
        let app = TestApp::start().await;
        let (editor, reviewer) = (app.editor().await, app.staff(StaffRole::Reviewer).await);
        let product = app.product(&editor, "ship", "PUBLIC").await;
        let mut input = json!({ "approval": "STANDARD", "submissionForm": form() });
        for (key, value) in more.as_object().into_iter().flatten() {
            input[key] = value.clone();
        }
        let plan = app.plan(&editor, &product, "partner", true, input).await;
        let (dev, team) = app.partner("acme").await;
        let held = app.subscribed(&dev, &team, &plan).await;
        Self { app, reviewer, dev, held }
    }

    async fn submit(&self) -> Value {
        let input = json!({ "subscriptionId": self.held.id, "answers": answers() });
        let select = "subscription { pipeline { submission { id } } }";
        let mut done = self.app.mutate(Some(&self.dev), "submitForReview", input, select).await;
        done["subscription"]["pipeline"]["submission"]["id"].take()
    }

    async fn decide(&self, who: &Person, field: &str, submission: &Value, notes: Option<&str>) -> String {
        let input = json!({ "submissionId": submission, "notes": notes });
        self.app.refused(Some(who), field, "DecideSubmissionInput", input).await
    }

    async fn seen(&self, select: &str) -> Value {
        let query = format!("query($id: ID!) {{ subscription(id: $id) {{ {select} }} }}");
        self.app.data(Some(&self.dev), &query, json!({ "id": self.held.id })).await["subscription"].take()
    }

    /// Phase, steps and what comes next, in a line.
    async fn stands(&self) -> String {
        let seen =
            self.seen("pipeline { phase changesRequested canSubmit steps { state } } nextSteps lanes { lockedReasons }").await;
        let (pipeline, words) = (&seen["pipeline"], |list: &Value, pick: fn(&Value) -> &Value| {
            let words = list.as_array().into_iter().flatten().filter_map(|item| pick(item).as_str()).collect::<Vec<_>>();
            words.join(" ")
        });
        let steps = words(&pipeline["steps"], |step| &step["state"]);
        let next = words(&seen["nextSteps"], |step| step);
        let flag = |name: &str| if pipeline[name] == true { format!(" {name}") } else { String::new() };
        let lock = seen["lanes"][1]["lockedReasons"][0].as_str().unwrap_or("open");
        let phase = pipeline["phase"].as_str().unwrap_or("none");
        format!("{phase}{}{}: {steps} | {next} | production {lock}", flag("changesRequested"), flag("canSubmit"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_requested_made_and_approved_and_the_credential_is_claimed() {
    let road = Road::start(json!({})).await;
    let app = &road.app;
    let mut story = vec![road.stands().await];
    let first = road.submit().await;
    story.push(road.stands().await);
    let input = json!({ "submissionId": first });
    app.mutate_as(Some(&road.reviewer), "startReview", "SubmissionIdInput", input, "subscription { id }").await;
    assert_eq!(road.decide(&road.reviewer, "requestChanges", &first, None).await, "NOTES_REQUIRED notes");
    assert_eq!(road.decide(&road.reviewer, "requestChanges", &first, Some("Say more")).await, "");
    story.push(road.stands().await);
    let second = road.submit().await;
    app.clock.advance(TimeDelta::hours(2));
    assert_eq!(road.decide(&road.reviewer, "approveSubmission", &first, None).await, "WRONG_STATE", "not what was read");
    assert_eq!(road.decide(&road.reviewer, "approveSubmission", &second, Some("Welcome")).await, "");
    story.push(road.stands().await);
    insta::assert_snapshot!(story.join("\n"), @"
    SANDBOX canSubmit: CURRENT UPCOMING UPCOMING | MAKE_FIRST_SANDBOX_CALL SUBMIT_FOR_REVIEW | production IN_SANDBOX
    IN_REVIEW: DONE CURRENT UPCOMING | MAKE_FIRST_SANDBOX_CALL AWAIT_REVIEW | production IN_REVIEW
    SANDBOX changesRequested canSubmit: CURRENT UPCOMING UPCOMING | MAKE_FIRST_SANDBOX_CALL APPLY_REQUESTED_CHANGES | production IN_SANDBOX
    PRODUCTION: DONE DONE CURRENT | MAKE_FIRST_SANDBOX_CALL CREATE_PRODUCTION_CREDENTIAL | production open
    ");
    let metrics = "{ provider { onboardingMetrics(from: \"2026-01-01T00:00:00Z\", to: \"2026-02-01T00:00:00Z\") { medianReviewSeconds } } }";
    let seen = app.data(Some(&road.reviewer), metrics, json!({})).await["provider"]["onboardingMetrics"].take();
    assert_eq!(seen, json!({ "medianReviewSeconds": 3600.0 }), "one took no time, the other two hours");
    let select =
        "pipeline { reviewDueAt history(first: 5) { totalCount nodes { status notes reviewer { name } answers { key value } } } }
        lanes { profile { ipAllowlist } credentials { id status masked } }";
    let mut seen = road.seen(select).await;
    let production = seen["lanes"][1].take();
    assert_eq!(
        seen["pipeline"],
        json!({"history":{"nodes":[{"answers":[{"key":"use","value":"Labels"},{"key":"ips","value":["203.0.113.0/24"]}],"notes":"Welcome","reviewer":{"name":"Reviewer"},"status":"APPROVED"},{"answers":[{"key":"use","value":"Labels"},{"key":"ips","value":["203.0.113.0/24"]}],"notes":"Say more","reviewer":{"name":"Reviewer"},"status":"CHANGES_REQUESTED"}],"totalCount":2},"reviewDueAt":null})
    );
    assert_eq!(production["profile"]["ipAllowlist"], json!(["203.0.113.0/24"]), "where the answer goes");
    let credential = &production["credentials"][0];
    assert_eq!((&credential["status"], &credential["masked"]), (&json!("UNCLAIMED"), &Value::Null));

    let claim = json!({ "credentialId": credential["id"] });
    let claimed = async |who| app.refused(Some(who), "claimCredential", "CredentialIdInput", claim.clone()).await;
    assert_eq!(claimed(&road.reviewer).await, "FORBIDDEN", "a secret is for the team alone");
    let (select, dev) = ("credential { status } issued { secret }", Some(&road.dev));
    let shown = app.mutate_as(dev, "claimCredential", "CredentialIdInput", claim.clone(), select).await;
    assert_eq!(shown["credential"]["status"], "ACTIVE");
    let secret = shown["issued"]["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("ptk_live_") && !app.is_stored(&secret[25..]).await);
    assert_eq!(claimed(&road.dev).await, "WRONG_STATE", "once");
    let done: Vec<_> =
        app.audited().await.into_iter().filter(|a| a.starts_with("submission.") || a.contains("claimed")).collect();
    assert_eq!(
        done,
        [
            "submission.sent",
            "submission.review_started",
            "submission.changes_requested",
            "submission.sent",
            "submission.approved",
            "credential.claimed"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_is_checked_field_by_field_before_anything_happens() {
    let road = Road::start(json!({})).await;
    let submit = async |answers: Value| {
        let input = json!({ "subscriptionId": road.held.id, "answers": answers });
        road.app.refused(Some(&road.dev), "submitForReview", "SubmitForReviewInput", input).await
    };
    let wrong = json!([{ "key": "ips", "value": ["nowhere"] }, { "key": "size", "value": "huge" }]);
    assert_eq!(submit(wrong).await, "FORM_INVALID answers.use, FORM_INVALID answers.size, FORM_INVALID answers.ips");
    let credentials = road.seen("lanes { credentials { id } }").await["lanes"][0]["credentials"][0]["id"].take();
    road.app
        .mutate_as(
            Some(&road.dev),
            "revokeCredential",
            "CredentialIdInput",
            json!({ "credentialId": credentials }),
            "credential { id }",
        )
        .await;
    assert_eq!(submit(answers()).await, "CREDENTIALS_REQUIRED subscriptionId");
    assert!(road.stands().await.starts_with("SANDBOX canSubmit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_automatic_plan_approves_what_is_filled_in_right() {
    let road = Road::start(json!({ "approval": "AUTOMATIC" })).await;
    road.submit().await;
    assert!(road.stands().await.starts_with("PRODUCTION: DONE DONE CURRENT"), "{}", road.stands().await);
    let queue = road.app.data(Some(&road.reviewer), "{ provider { queue { totalCount } } }", json!({})).await;
    assert_eq!(queue["provider"]["queue"]["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_one_is_reopened_and_a_withdrawn_one_may_be_submitted_again() {
    let road = Road::start(json!({})).await;
    let first = road.submit().await;
    let input = json!({ "subscriptionId": road.held.id });
    let withdraw = async || road.app.refused(Some(&road.dev), "withdrawSubmission", "SubscriptionIdInput", input.clone()).await;
    assert_eq!(withdraw().await, "");
    assert_eq!(withdraw().await, "WRONG_STATE");
    assert_eq!(road.decide(&road.reviewer, "approveSubmission", &first, None).await, "WRONG_STATE");
    let second = road.submit().await;
    assert_eq!(road.decide(&road.reviewer, "rejectSubmission", &second, Some("No")).await, "");
    insta::assert_snapshot!(road.stands().await, @"REJECTED: DONE REJECTED UPCOMING | MAKE_FIRST_SANDBOX_CALL | production REJECTED");
    let again = json!({ "subscriptionId": road.held.id, "answers": answers() });
    assert_eq!(road.app.refused(Some(&road.dev), "submitForReview", "SubmitForReviewInput", again).await, "WRONG_STATE");
    assert_eq!(road.decide(&road.reviewer, "requestChanges", &second, Some("Try again")).await, "");
    road.submit().await;
    let end = json!({ "subscriptionId": road.held.id });
    road.app.mutate(Some(&road.dev), "cancelSubscription", end, "subscription { id }").await;
    let seen = road.seen("pipeline { submission { status } }").await;
    assert_eq!(seen["pipeline"]["submission"]["status"], "WITHDRAWN", "what ends takes its submission along");
    let queue = road.app.data(Some(&road.reviewer), "{ provider { queueCounts { kind pending } } }", json!({})).await;
    assert_eq!(queue["provider"]["queueCounts"][2], json!({ "kind": "SUBMISSION", "pending": 0 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_reviewers_at_the_same_instant_one_decides() {
    let road = Road::start(json!({})).await;
    let other = road.app.person("second@provider.example", Some(StaffRole::Reviewer)).await;
    for _ in 0..5 {
        let submission = road.submit().await;
        let changes = async |who| road.decide(who, "requestChanges", &submission, Some("More")).await;
        let mut answers = join_all([changes(&road.reviewer), changes(&other)]).await;
        answers.sort();
        assert_eq!(answers, ["", "WRONG_STATE"]);
    }
    let submission = road.submit().await;
    let (approve, reject) = tokio::join!(
        road.decide(&road.reviewer, "approveSubmission", &submission, None),
        road.decide(&other, "rejectSubmission", &submission, None)
    );
    let mut answers = [approve, reject];
    answers.sort();
    assert_eq!(answers, ["", "WRONG_STATE"]);
    let credentials = road.seen("lanes { credentials { status } }").await["lanes"][1]["credentials"].take();
    let approved = road.stands().await.starts_with("PRODUCTION");
    assert_eq!(credentials.as_array().map(Vec::len), Some(usize::from(approved)), "one decision, one credential at most");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_covers_a_plan_decides_and_nobody_for_their_own_team() {
    let app = TestApp::start().await;
    let (editor, owner) = (app.editor().await, app.staff(StaffRole::Owner).await);
    let (inside, outside) =
        (app.staff(StaffRole::Reviewer).await, app.person("out@provider.example", Some(StaffRole::Reviewer)).await);
    let make = async |members: Value| {
        app.refused(
            Some(&owner),
            "createApprovalGroup",
            "CreateApprovalGroupInput",
            json!({ "name": "Core", "memberIds": members }),
        )
        .await
    };
    assert_eq!(make(json!([])).await, "REQUIRED memberIds");
    assert_eq!(make(json!([editor.id.to_string()])).await, "NOT_FOUND memberIds.0");
    let input = json!({ "name": "Core", "memberIds": [inside.id.to_string()] });
    assert_eq!(app.refused(Some(&editor), "createApprovalGroup", "CreateApprovalGroupInput", input.clone()).await, "FORBIDDEN");
    let made = app.mutate(Some(&owner), "createApprovalGroup", input, "group { id members { id } }").await;
    let group = made["group"]["id"].clone();
    assert_eq!(make(json!([inside.id.to_string()])).await, "TAKEN name");

    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "core", false, json!({ "approvalGroupId": group })).await;
    let (dev, team) = app.partner("acme").await;
    let input = json!({ "planId": plan, "teamId": team, "name": "Ours" });
    let select = "subscription { id status nextSteps lanes { lockedReasons } }";
    let mut held = app.mutate(Some(&dev), "subscribe", input, select).await["subscription"].take();
    let id = held["id"].take();
    assert_eq!(
        held,
        json!({"id":null,"lanes":[{"lockedReasons":["PENDING_APPROVAL"]}],"nextSteps":["AWAIT_APPROVAL"],"status":"PENDING_APPROVAL"})
    );

    let queue = "{ provider { queue { nodes { kind state dueAt overdue viewerCanDecide team { slug } plan { slug }
        requestedBy { id } approvalGroup { name } subject { ... on Subscription { id } } } } } }";
    let mut item = app.data(Some(&inside), queue, json!({})).await["provider"]["queue"]["nodes"][0].take();
    assert_eq!((item["subject"]["id"].take(), item["requestedBy"]["id"].take()), (id.clone(), json!(dev.id.to_string())));
    assert_eq!(
        item,
        json!({"approvalGroup":{"name":"Core"},"dueAt":"2026-01-05T17:00:00+00:00","kind":"SUBSCRIPTION","overdue":false,"plan":{"slug":"core"},"requestedBy":{"id":null},"state":"PENDING","subject":{"id":null},"team":{"slug":"acme"},"viewerCanDecide":true})
    );
    let can = app.data(Some(&outside), "{ provider { queue { nodes { viewerCanDecide } } } }", json!({})).await;
    assert_eq!(can["provider"]["queue"]["nodes"][0]["viewerCanDecide"], false);

    let input = json!({ "subscriptionId": id });
    let approve = async |who| app.refused(Some(who), "approveSubscription", "DecideSubscriptionInput", input.clone()).await;
    let both = app.member(&team, "both@provider.example", AccessLevel::Read).await;
    let role = json!({ "email": both.email, "role": "ADMIN" });
    app.mutate(Some(&owner), "setStaffRole", role, "member { id }").await;
    for who in [&dev, &editor, &outside, &both] {
        assert_eq!(approve(who).await, "FORBIDDEN", "{}", who.email);
    }
    assert_eq!(approve(&inside).await, "");
    assert_eq!(approve(&owner).await, "WRONG_STATE");
    let query = "query($id: ID!) { subscription(id: $id) { status activatedAt lanes { locked credentials { status } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": id })).await;
    assert_eq!(
        seen["subscription"],
        json!({"activatedAt":"2026-01-05T09:00:00+00:00","lanes":[{"credentials":[{"status":"UNCLAIMED"}],"locked":false}],"status":"ACTIVE"})
    );
    let delete = json!({ "groupId": group });
    assert_eq!(app.refused(Some(&owner), "deleteApprovalGroup", "ApprovalGroupIdInput", delete).await, "WRONG_STATE groupId");
}
