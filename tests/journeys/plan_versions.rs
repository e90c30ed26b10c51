//! New versions of plans, and moving subscriptions between plans.

use entities::{
    enums::{GatewaySubject, StaffRole},
    gateway_change,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    offer::Held,
};

fn environment(name: &str, method: &str, requests: i32) -> Value {
    json!({ "environment": name, "authMethod": method, "rateLimit": { "requests": requests, "window": "SECOND" } })
}

impl TestApp {
    async fn moved(&self, who: &Person, held: &Held, plan: &Value) -> String {
        let input = json!({ "subscriptionId": held.id, "planId": plan });
        self.refusal(Some(who), "changePlan", "ChangePlanInput", input).await
    }

    /// Plan, plan that it waits for, phase, and each lane with its credentials, in a line.
    async fn held_line(&self, who: &Person, held: &Held) -> String {
        let query = "query($id: ID!) { subscription(id: $id) { plan { slug } pendingPlanChange { slug } pipeline { phase }
            lanes { environment lockedReasons profile { authMethod } credentials { status } } } }";
        let seen = self.data(Some(who), query, json!({ "id": held.id })).await["subscription"].take();
        let words = |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join("+");
        let lanes = seen["lanes"].as_array().expect("lanes").iter().map(|lane| {
            let statuses = lane["credentials"].as_array().expect("credentials").iter().map(|c| c["status"].clone());
            let method = lane["profile"]["authMethod"].as_str().expect("a method");
            let lock = words(&lane["lockedReasons"]);
            format!(
                "{} {method}{}{} [{}]",
                lane["environment"].as_str().expect("an environment"),
                if lock.is_empty() { "" } else { " locked " },
                lock,
                words(&statuses.collect())
            )
        });
        let lanes = lanes.collect::<Vec<_>>().join(", ");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let (plan, waits) = (text(&seen["plan"]["slug"]), text(&seen["pendingPlanChange"]["slug"]));
        format!("{plan} ({waits}) {}: {lanes}", text(&seen["pipeline"]["phase"]))
    }

    async fn waiting(&self, reviewer: &Person) -> Value {
        let query = "{ provider { queue(first: 5) { totalCount nodes { kind plan { slug } } } } }";
        self.data(Some(reviewer), query, json!({})).await["provider"]["queue"].take()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_plan_keeps_its_terms_until_they_are_moved() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let terms = json!({ "environments": [environment("PRODUCTION", "API_KEY", 5)], "maxSubscriptionsPerTeam": 1 });
    let plan = app.plan(&editor, &product, "free", false, terms).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let key = json!({ "profileId": held.production });
    app.mutate_as(Some(&dev), "createCredential", "CreateCredentialInput", key, "issued { secret }").await;
    let update = async |id: &Value, more: Value| {
        let mut input = json!({ "planId": id });
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        app.refusal(Some(&editor), "updatePlan", "UpdatePlanInput", input).await
    };
    let stale = update(&plan, json!({ "expectedVersion": 1, "name": "Old news" })).await;
    assert_eq!(stale, "STALE expectedVersion: the plan is at version 2: read it again");
    let input = json!({ "planId": plan, "name": "Free of charge", "slug": "gratis" });
    let same = app.mutate(Some(&editor), "updatePlan", input, "plan { id version }").await["plan"].take();
    assert_eq!(same, json!({ "id": plan, "version": 3 }), "a name is no term");
    let touched = async || {
        let changes = gateway_change::Entity::find().filter(gateway_change::Column::Subject.eq(GatewaySubject::Plan));
        changes.count(&app.domain().db).await.expect("changes")
    };
    let before = touched().await;
    let input = json!({ "planId": plan, "environments": [environment("PRODUCTION", "API_KEY", 50)] });
    let newer = app.mutate(Some(&editor), "updatePlan", input, "plan { id slug status version }").await["plan"].take();
    assert_eq!(touched().await, before + 1, "gateways hear of it");
    assert_eq!(newer, json!({ "id": newer["id"], "slug": "gratis", "status": "ACTIVE", "version": 4 }));
    assert_ne!(newer["id"], plan);

    let query = "query($id: ID!) { subscription(id: $id) { plan { status version environments { rateLimit { requests } }
        supersededBy { id environments { rateLimit { requests } } } } } product(slug: \"ship\") { plans { version } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let limits = |requests: i32| json!([{ "rateLimit": { "requests": requests } }]);
    let next = json!({ "id": newer["id"], "environments": limits(50) });
    let kept = json!({ "status": "DEPRECATED", "version": 4, "environments": limits(5), "supersededBy": next });
    assert_eq!(seen, json!({ "subscription": { "plan": kept }, "product": { "plans": [{ "version": 4 }] } }));
    let said = "WRONG_STATE planId: a newer version took the plan's place: change that one";
    assert_eq!(update(&plan, json!({ "name": "Mine" })).await, said);
    let back = json!({ "planId": plan, "status": "ACTIVE" });
    assert_eq!(app.refusal(Some(&editor), "setPlanStatus", "SetPlanStatusInput", back).await, said);
    let again = |plan: &Value| json!({ "planId": plan, "teamId": team, "name": "Second" });
    let old = app.refused(Some(&dev), "subscribe", "SubscribeInput", again(&plan)).await;
    assert_eq!(old, "WRONG_STATE planId");
    let full = app.refused(Some(&dev), "subscribe", "SubscribeInput", again(&newer["id"])).await;
    assert_eq!(full, "LIMIT_REACHED planId", "the cap counts all versions");

    assert_eq!(app.moved(&dev, &held, &newer["id"]).await, "fine : ");
    assert_eq!(app.moved(&dev, &held, &newer["id"]).await, "ALREADY_DONE planId: the subscription is to this plan already");
    insta::assert_snapshot!(app.held_line(&dev, &held).await, @"gratis (-) -: PRODUCTION API_KEY [ACTIVE]");
    let told = app.audited().await;
    assert!(told.contains(&"plan.superseded".to_owned()) && told.contains(&"subscription.plan_changed".to_owned()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_asks_for_approval_waits_and_the_old_plan_stays_in_force() {
    let app = TestApp::start().await;
    let (editor, reviewer) = (app.editor().await, app.staff(StaffRole::Reviewer).await);
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let free = app.plan(&editor, &product, "free", false, json!({})).await;
    let gold = app.plan(&editor, &product, "gold", false, json!({ "approval": "STANDARD" })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &free).await;
    assert_eq!(app.moved(&dev, &held, &gold).await, "fine : ");
    let mut story = vec![app.held_line(&dev, &held).await];
    let one = json!({ "totalCount": 1, "nodes": [{ "kind": "SUBSCRIPTION", "plan": { "slug": "gold" } }] });
    assert_eq!(app.waiting(&reviewer).await, one);
    assert_eq!(app.moved(&dev, &held, &free).await, "fine : ");
    story.push(app.held_line(&dev, &held).await);
    assert_eq!(app.waiting(&reviewer).await["totalCount"], 0, "taken back");
    let decide = async |field: &str| {
        let input = json!({ "subscriptionId": held.id, "notes": "As agreed" });
        app.refused(Some(&reviewer), field, "DecideSubscriptionInput", input).await
    };
    assert_eq!(decide("approveSubscription").await, "WRONG_STATE", "nothing waits");
    assert_eq!(app.moved(&dev, &held, &gold).await, "fine : ");
    assert_eq!(decide("rejectSubscription").await, "");
    story.push(app.held_line(&dev, &held).await);
    assert_eq!(app.moved(&dev, &held, &gold).await, "fine : ");
    assert_eq!(decide("approveSubscription").await, "");
    story.push(app.held_line(&dev, &held).await);
    insta::assert_snapshot!(story.join("\n"), @"
    free (gold) -: PRODUCTION API_KEY []
    free (-) -: PRODUCTION API_KEY []
    free (-) -: PRODUCTION API_KEY []
    gold (-) -: PRODUCTION API_KEY []
    ");
    assert_eq!(app.waiting(&reviewer).await["totalCount"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_credentials_and_scopes_follow_the_plan() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let other = app.product(&editor, "bill", "PUBLIC").await;
    let elsewhere = app.plan(&editor, &other, "bills", false, json!({})).await;
    let free = app.plan(&editor, &product, "free", false, json!({})).await;
    let tried = app.plan(&editor, &product, "tried", true, json!({})).await;
    let tokens = json!({ "environments": [environment("PRODUCTION", "TOKEN", 5)] });
    let tokens = app.plan(&editor, &product, "tokens", false, tokens).await;
    let (dev, team) = app.partner("acme").await;
    let (eve, _) = app.partner("other").await;
    let held = app.subscribed(&dev, &team, &free).await;
    let key = json!({ "profileId": held.production });
    app.mutate_as(Some(&dev), "createCredential", "CreateCredentialInput", key, "issued { secret }").await;
    let refused = app.moved(&dev, &held, &elsewhere).await;
    assert_eq!(refused, "INVALID planId: is a plan of another product: subscribe to it instead");
    assert_eq!(app.moved(&eve, &held, &tried).await, "NOT_FOUND: no such subscription");

    let mut story = vec![app.held_line(&dev, &held).await];
    let input = json!({ "subscriptionId": held.id, "planId": tried });
    let made = app.mutate(Some(&dev), "changePlan", input, "issued { secret }").await;
    assert!(made["issued"]["secret"].is_string(), "the sandbox' credential comes with it: {made}");
    for plan in [None, Some(&free), Some(&tried), Some(&tokens)] {
        if let Some(plan) = plan {
            assert_eq!(app.moved(&editor, &held, plan).await, "fine : ", "staff may move it");
        }
        story.push(app.held_line(&dev, &held).await);
    }
    insta::assert_snapshot!(story.join("\n"), @"
    free (-) -: PRODUCTION API_KEY [ACTIVE]
    tried (-) PRODUCTION: SANDBOX API_KEY [ACTIVE], PRODUCTION API_KEY [ACTIVE]
    free (-) -: PRODUCTION API_KEY [ACTIVE]
    tried (-) PRODUCTION: SANDBOX API_KEY [ACTIVE+REVOKED], PRODUCTION API_KEY [ACTIVE]
    tokens (-) -: PRODUCTION TOKEN [REVOKED]
    ");
}
