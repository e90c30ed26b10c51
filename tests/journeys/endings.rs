//! How subscriptions end: at a time that was set, when their duration is over, and whatever happened in between.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Tx,
    outbox::{EndOverdueSubscriptions, EndSubscription, Job},
    tx::Unaudited,
};
use entities::{
    assignment, audit_event,
    enums::{AccessLevel, ActorKind},
    outbox_job,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
};

impl TestApp {
    /// Works off what is due.
    pub async fn work(&self) {
        jobs::drain::drain(self.domain(), &self.app.mailer).await.expect("no job dies");
    }

    /// As many days pass, and what is due then is done.
    async fn pass(&self, days: i64) {
        self.clock.advance(TimeDelta::days(days));
        self.work().await;
    }

    pub async fn state(&self, who: &Person, held: &Held) -> String {
        let query = "query($id: ID!) { subscription(id: $id) { status statusReason cancelAt expiresAt
            lanes { locked credentials { status } } } }";
        let seen = self.data(Some(who), query, json!({ "id": held.id })).await["subscription"].take();
        let lane = &seen["lanes"][0];
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let open = if lane["locked"] == true { "locked" } else { "open" };
        format!("{}, {open}, key {}", text(&seen["status"]), text(&lane["credentials"][0]["status"]))
    }

    fn in_days(&self, days: i64) -> DateTime<Utc> {
        self.domain().now() + TimeDelta::days(days)
    }

    async fn cancel_in(&self, who: &Person, held: &Held, days: i64) -> String {
        let input = json!({ "subscriptionId": held.id, "at": self.in_days(days), "reason": "We moved" });
        self.refused(Some(who), "cancelSubscription", "CancelSubscriptionInput", input).await
    }

    async fn undo(&self, who: &Person, held: &Held) -> String {
        let input = json!({ "subscriptionId": held.id });
        self.refused(Some(who), "undoCancellation", "SubscriptionIdInput", input).await
    }

    async fn decide(&self, editor: &Person, field: &str, held: &Held) -> String {
        let input = json!({ "subscriptionId": held.id, "notes": "Unpaid" });
        self.refused(Some(editor), field, "DecideSubscriptionInput", input).await
    }

    /// A team with a subscription to a plan with a sandbox; `more` is laid over the plan.
    async fn holder(&self, more: Value) -> (Person, Person, Held) {
        let editor = self.editor().await;
        let product = self.product(&editor, "ship", "PUBLIC").await;
        let plan = self.plan(&editor, &product, "free", true, more).await;
        let (dev, team) = self.partner("acme").await;
        let held = self.subscribed(&dev, &team, &plan).await;
        (editor, dev, held)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_takes_effect_at_its_time() {
    let app = TestApp::start().await;
    let (_, dev, held) = app.holder(json!({})).await;
    let at = app.in_days(10);
    let input = json!({ "subscriptionId": held.id, "at": at, "reason": "We moved" });
    let select = "subscription { status statusReason cancelAt nextSteps }";
    let set = app.mutate(Some(&dev), "cancelSubscription", input, select).await;
    let expected = json!({ "status": "PENDING_CANCELLATION", "statusReason": "We moved", "cancelAt": "2026-01-15T09:00:00+00:00",
        "nextSteps": ["MAKE_FIRST_SANDBOX_CALL", "SUBMIT_FOR_REVIEW"] });
    assert_eq!(set["subscription"], expected);
    app.pass(9).await;
    assert_eq!(app.state(&dev, &held).await, "PENDING_CANCELLATION, open, key ACTIVE");
    app.pass(1).await;
    assert_eq!(app.state(&dev, &held).await, "CANCELLED, locked, key REVOKED");
    let ended = audit_event::Entity::find().filter(audit_event::Column::Action.eq("subscription.cancelled"));
    let ended = ended.all(&app.domain().db).await.expect("the audit log");
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].actor_kind, ActorKind::System);
    let status = json!({ "before": "PENDING_CANCELLATION", "after": "CANCELLED" });
    assert_eq!((&ended[0].changes["status"], &ended[0].changes["credentialsRevoked"]["after"]), (&status, &json!(1)));
    let left = assignment::Entity::find().count(&app.domain().db).await.expect("assignments");
    assert_eq!(left, 0, "what it gave is taken away");
    app.pass(1).await;
    assert_eq!(app.audited().await.iter().filter(|action| *action == "subscription.cancelled").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_was_moved_or_taken_back_does_not_come() {
    let app = TestApp::start().await;
    let (_, dev, held) = app.holder(json!({})).await;
    assert_eq!(app.undo(&dev, &held).await, "WRONG_STATE", "no end was set");
    assert_eq!(app.cancel_in(&dev, &held, 5).await, "");
    assert_eq!(app.undo(&dev, &held).await, "");
    app.pass(6).await;
    assert_eq!(app.state(&dev, &held).await, "ACTIVE, open, key ACTIVE");
    assert_eq!(app.cancel_in(&dev, &held, 3).await, "");
    assert_eq!(app.cancel_in(&dev, &held, 6).await, "", "moved");
    app.pass(4).await;
    assert_eq!(app.state(&dev, &held).await, "PENDING_CANCELLATION, open, key ACTIVE");
    // Set again for the very moment that was set before.
    assert_eq!(app.undo(&dev, &held).await, "");
    assert_eq!(app.cancel_in(&dev, &held, 2).await, "");
    app.pass(2).await;
    assert_eq!(app.state(&dev, &held).await, "CANCELLED, locked, key REVOKED");
    let said: Vec<_> = app.audited().await.into_iter().filter(|action| action.starts_with("subscription.")).collect();
    let (set, undone) = ("subscription.cancellation_set", "subscription.cancellation_undone");
    let expected = ["subscription.created", set, undone, set, set, undone, set, "subscription.cancelled"];
    assert_eq!(said, expected);
    assert_eq!(app.undo(&dev, &held).await, "WRONG_STATE", "it is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_expires_when_its_duration_is_over() {
    let app = TestApp::start().await;
    let (editor, dev, held) = app.holder(json!({ "durationDays": 14 })).await;
    let query = "query($id: ID!) { subscription(id: $id) { expiresAt plan { durationDays } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    assert_eq!(seen["subscription"], json!({ "expiresAt": "2026-01-19T09:00:00+00:00", "plan": { "durationDays": 14 } }));
    assert_eq!(app.cancel_in(&dev, &held, 14).await, "INVALID at", "it does not live to see it");
    assert_eq!(app.cancel_in(&dev, &held, 0).await, "INVALID at", "not to come");
    assert_eq!(app.decide(&editor, "suspendSubscription", &held).await, "");
    app.pass(13).await;
    assert_eq!(app.state(&dev, &held).await, "SUSPENDED, locked, key ACTIVE");
    app.pass(1).await;
    assert_eq!(app.state(&dev, &held).await, "EXPIRED, locked, key REVOKED", "expiry goes before the suspension");
    assert_eq!(app.decide(&editor, "reinstateSubscription", &held).await, "WRONG_STATE");
    assert_eq!(app.audited().await.last().map(String::as_str), Some("subscription.expired"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspension_remembers_that_the_end_was_set() {
    let app = TestApp::start().await;
    let (editor, dev, held) = app.holder(json!({})).await;
    assert_eq!(app.cancel_in(&dev, &held, 5).await, "");
    assert_eq!(app.decide(&editor, "suspendSubscription", &held).await, "");
    assert_eq!(app.undo(&dev, &held).await, "WRONG_STATE");
    assert_eq!(app.cancel_in(&dev, &held, 9).await, "WRONG_STATE");
    assert_eq!(app.decide(&editor, "reinstateSubscription", &held).await, "");
    assert_eq!(app.state(&dev, &held).await, "PENDING_CANCELLATION, open, key ACTIVE");
    assert_eq!(app.decide(&editor, "suspendSubscription", &held).await, "");
    app.pass(5).await;
    assert_eq!(app.state(&dev, &held).await, "CANCELLED, locked, key REVOKED");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_overdue_ends_after_downtime_and_without_its_own_job() {
    let app = TestApp::start().await;
    let (_, dev, late) = app.holder(json!({ "durationDays": 14 })).await;
    let (other, team) = app.partner("globex").await;
    let plan = app.data(Some(&dev), "query($id: ID!) { subscription(id: $id) { plan { id } } }", json!({ "id": late.id })).await;
    let lost = app.subscribed(&other, &team, &plan["subscription"]["plan"]["id"]).await;
    assert_eq!(app.cancel_in(&other, &lost, 1).await, "");
    let jobs = outbox_job::Entity::find().filter(outbox_job::Column::Kind.eq(EndSubscription::KIND));
    let jobs = jobs.order_by_asc(outbox_job::Column::DueAt).all(&app.domain().db).await.expect("jobs");
    assert_eq!(jobs.len(), 3, "an expiry for each, and the end that was set");
    for job in jobs.iter().filter(|job| job.payload["subscription"] == lost.id) {
        outbox_job::Entity::delete_by_id(job.id).exec(&app.domain().db).await.expect("lost");
    }
    app.pass(20).await;
    assert_eq!(app.state(&dev, &late).await, "EXPIRED, locked, key REVOKED");
    assert_eq!(app.state(&other, &lost).await, "PENDING_CANCELLATION, open, key ACTIVE", "its job was lost");
    let tx = Tx::begin(app.domain()).await.expect("a transaction");
    tx.enqueue(EndOverdueSubscriptions).await.expect("enqueued");
    tx.commit_unaudited(Unaudited::Queue).await.expect("committed");
    app.work().await;
    assert_eq!(app.state(&other, &lost).await, "CANCELLED, locked, key REVOKED", "the earlier end came first");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_manages_credentials_sets_an_end() {
    let app = TestApp::start().await;
    let (editor, dev, held) = app.holder(json!({})).await;
    let (stranger, _) = app.partner("globex").await;
    let query = "query($id: ID!) { subscription(id: $id) { team { id } } }";
    let team = app.data(Some(&dev), query, json!({ "id": held.id })).await["subscription"]["team"]["id"].take();
    let reader = app.member(&team, "reader@acme.example", AccessLevel::Read).await;
    assert_eq!(app.cancel_in(&stranger, &held, 1).await, "NOT_FOUND");
    assert_eq!(app.cancel_in(&reader, &held, 1).await, "FORBIDDEN");
    assert_eq!(app.cancel_in(&editor, &held, 1).await, "FORBIDDEN", "staff suspend");
    assert_eq!(app.cancel_in(&dev, &held, 1).await, "");
    assert_eq!(app.undo(&stranger, &held).await, "NOT_FOUND");
    assert_eq!(app.undo(&reader, &held).await, "FORBIDDEN");
}
