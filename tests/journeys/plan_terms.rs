//! What a plan says beside its limits: a price, custom properties, test data, how long things last, whom it comes to by itself.

use entities::enums::StaffRole;
use serde_json::{Value, json};

use crate::app::TestApp;

const PRICE: &str = r#"{ "model": "FLAT_FEE", "currency": "eur", "amount": 4900, "interval": "MONTH" }"#;

fn price() -> Value {
    serde_json::from_str(PRICE).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_is_said_in_full() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let overage = json!({ "model": "FLAT_FEE_OVERAGE", "currency": "EUR", "amount": 4900, "interval": "YEAR", "unitLabel": "call",
        "includedUnits": 1000, "tiers": [{ "upTo": 5000, "unitAmount": 2, "flatAmount": 0 }, { "unitAmount": 1, "flatAmount": 0 }] });
    let plan = app.plan(&editor, &product, "team", true, json!({ "pricing": overage })).await;
    let contract = json!({ "model": "CONTRACT", "contactUrl": "https://example.com/sales" });
    let big = app.plan(&editor, &product, "big", false, json!({ "pricing": contract })).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Plan { pricing { model currency amount interval unitLabel
        includedUnits tiers { upTo unitAmount flatAmount } contactUrl } } } }";
    let shown = app.data(None, query, json!({ "id": plan })).await["node"]["pricing"].take();
    let mut expected = overage.clone();
    expected["contactUrl"] = Value::Null;
    expected["tiers"][1]["upTo"] = Value::Null;
    assert_eq!(shown, expected);
    let shown = app.data(None, query, json!({ "id": big })).await["node"]["pricing"].take();
    assert_eq!((&shown["model"], &shown["contactUrl"]), (&json!("CONTRACT"), &json!("https://example.com/sales")));
    let update = async |pricing: Value| {
        let input = json!({ "planId": big, "pricing": pricing });
        app.refused(Some(&editor), "updatePlan", "UpdatePlanInput", input).await
    };
    assert_eq!(update(json!({ "model": "CONTRACT" })).await, "REQUIRED pricing.contactUrl");
    assert_eq!(update(json!({ "model": "FREE", "amount": 1 })).await, "INVALID pricing.amount");
    assert_eq!(update(price()).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_priced_plan_is_tried_in_its_sandbox_and_production_waits_for_payment() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let with = app.plan(&editor, &product, "with", true, json!({ "pricing": price() })).await;
    let without = app.plan(&editor, &product, "without", false, json!({ "pricing": price() })).await;
    let (dev, team) = app.partner("acme").await;
    let input = json!({ "planId": without, "teamId": team, "name": "Shop" });
    let refused = app.refusal(Some(&dev), "subscribe", "SubscribeInput", input).await;
    let expected =
        "PAYMENT_PROVIDER planId: payment is not set up: a plan with a price can only be subscribed to where it has a sandbox";
    assert_eq!(refused, expected);
    let recipe = json!({ "teamName": "Globex", "emails": [], "planId": without });
    let refused = app.refused(Some(&editor), "onboardPartner", "OnboardPartnerInput", recipe).await;
    assert_eq!(refused, "PAYMENT_PROVIDER planId");
    let held = app.subscribed(&dev, &team, &with).await;
    let query = "query($id: ID!) { subscription(id: $id) { status nextSteps lanes { environment locked lockedReasons } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await["subscription"].take();
    let lanes = json!([
        { "environment": "SANDBOX", "locked": false, "lockedReasons": [] },
        { "environment": "PRODUCTION", "locked": true, "lockedReasons": ["IN_SANDBOX", "PENDING_PAYMENT"] }
    ]);
    let next = json!(["MAKE_FIRST_SANDBOX_CALL", "SUBMIT_FOR_REVIEW"]);
    assert_eq!(seen, json!({ "status": "ACTIVE", "nextSteps": next, "lanes": lanes }));
    let input = json!({ "profileId": held.production });
    let refused = app.refused(Some(&dev), "createCredential", "CreateCredentialInput", input).await;
    assert_eq!(refused, "PRODUCTION_LOCKED");
    let dearer =
        json!({ "planId": with, "pricing": { "model": "FLAT_FEE", "currency": "EUR", "amount": 9900, "interval": "MONTH" } });
    app.mutate(Some(&editor), "updatePlan", dearer, "plan { id }").await;
    let query = "query($id: ID!) { subscription(id: $id) { plan { pricing { amount } supersededBy { pricing { amount } } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await["subscription"]["plan"].take();
    let expected = json!({ "pricing": { "amount": 4900 }, "supersededBy": { "pricing": { "amount": 9900 } } });
    assert_eq!(seen, expected, "who holds it keeps its price");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_says_what_the_plan_asks_for() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let properties = json!([
        { "key": "country", "label": "Country", "type": "OPTION", "required": true, "inWizard": true, "options": ["DE", "FR"] },
        { "key": "account", "label": "Account", "type": "STRING", "required": false, "readOnly": true }
    ]);
    let plan = app.plan(&editor, &product, "free", true, json!({ "customProperties": properties })).await;
    let (dev, team) = app.partner("acme").await;
    let subscribe = async |answers: Value| {
        let input = json!({ "planId": plan, "teamId": team, "name": "Shop", "customProperties": answers });
        app.refused(Some(&dev), "subscribe", "SubscribeInput", input).await
    };
    assert_eq!(subscribe(json!([])).await, "FORM_INVALID customProperties.country");
    assert_eq!(subscribe(json!([{ "key": "country", "value": "IT" }])).await, "FORM_INVALID customProperties.country");
    let answers = json!([{ "key": "country", "value": "DE" }]);
    let both = json!([{ "key": "country", "value": "DE" }, { "key": "account", "value": "7" }]);
    assert_eq!(subscribe(both).await, "FORM_INVALID customProperties.account");
    let input = json!({ "planId": plan, "teamId": team, "name": "Shop", "customProperties": answers });
    let select =
        "subscription { id customProperties { key value } plan { customProperties { key type required readOnly options } } }";
    let mut made = app.mutate(Some(&dev), "subscribe", input, select).await["subscription"].take();
    let id = made["id"].take();
    insta::assert_json_snapshot!(made["customProperties"], @r#"
    [
      {
        "key": "country",
        "value": "DE"
      },
      {
        "key": "account",
        "value": null
      }
    ]
    "#);
    assert_eq!(made["plan"]["customProperties"][0]["options"], json!(["DE", "FR"]));
    let set = |key: &str, value: &str| json!({ "subscriptionId": id, "customProperties": [{ "key": key, "value": value }] });
    let update = async |who, input| app.refused(Some(who), "updateSubscription", "UpdateSubscriptionInput", input).await;
    assert_eq!(update(&dev, set("account", "7")).await, "FORM_INVALID customProperties.account");
    assert_eq!(update(&dev, set("country", "FR")).await, "");
    assert_eq!(update(&editor, set("account", "7")).await, "");
    let mut rename = set("account", "8");
    rename["name"] = json!("Theirs");
    assert_eq!(update(&editor, rename).await, "FORBIDDEN", "the name is the team's own");
    let viewer = app.staff(StaffRole::Viewer).await;
    assert_eq!(update(&viewer, set("account", "8")).await, "FORBIDDEN");
    let query = "query($id: ID!) { subscription(id: $id) { name customProperties { value } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": id })).await;
    let expected = json!({ "name": "Shop", "customProperties": [{ "value": "FR" }, { "value": "7" }] });
    assert_eq!(seen["subscription"], expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn test_data_is_for_those_who_hold_the_plan() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let data = json!([{ "type": "card", "name": "Declined", "value": "4000-0002" }]);
    let plan = app.plan(&editor, &product, "free", true, json!({ "sandboxTestData": data })).await;
    let (dev, team) = app.partner("acme").await;
    let (other, _) = app.partner("globex").await;
    let query = "{ product(slug: \"ship\") { plans { sandboxTestData { type name description value } } } }";
    let seen = async |who| app.data(who, query, json!({})).await["product"]["plans"][0]["sandboxTestData"].take();
    assert_eq!(seen(Some(&dev)).await, json!([]), "not yet");
    let held = app.subscribed(&dev, &team, &plan).await;
    let expected = json!([{ "type": "card", "name": "Declined", "description": null, "value": "4000-0002" }]);
    assert_eq!(seen(Some(&dev)).await, expected);
    assert_eq!(seen(Some(&editor)).await, expected);
    assert_eq!((seen(Some(&other)).await, seen(None).await), (json!([]), json!([])));
    app.mutate(Some(&dev), "cancelSubscription", json!({ "subscriptionId": held.id }), "subscription { id }").await;
    assert_eq!(seen(Some(&dev)).await, json!([]), "no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credential_outlives_the_plans_lifetime() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({ "credentialLifetimeDays": 90 })).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let query = "query($id: ID!) { subscription(id: $id) { lanes { credentials { expiresAt } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    assert_eq!(seen["subscription"]["lanes"][0]["credentials"], json!([{ "expiresAt": "2026-04-05T09:00:00+00:00" }]));
    let create = |at: Value| json!({ "profileId": held.sandbox, "expiresAt": at });
    let made = async |at| app.mutate(Some(&dev), "createCredential", create(at), "credential { expiresAt }").await;
    assert_eq!(made(json!(null)).await["credential"]["expiresAt"], "2026-04-05T09:00:00+00:00");
    assert_eq!(made(json!("2026-02-01T00:00:00Z")).await["credential"]["expiresAt"], "2026-02-01T00:00:00+00:00");
    let late = create(json!("2026-04-05T09:00:01Z"));
    let refused = app.refused(Some(&dev), "createCredential", "CreateCredentialInput", late).await;
    assert_eq!(refused, "INVALID expiresAt");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_team_holds_what_comes_by_itself() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let open = app.product(&editor, "open", "MEMBERS").await;
    let closed = app.product(&editor, "closed", "ASSIGNED").await;
    let itself = json!({ "autoSubscribe": true, "durationDays": 30 });
    app.plan(&editor, &open, "trial", true, itself.clone()).await;
    app.plan(&editor, &open, "other", true, json!({})).await;
    app.plan(&editor, &closed, "secret", true, itself).await;
    let who = Some(&editor);
    let tier = app.mutate(who, "createTier", json!({ "name": "Gold" }), "tier { id }").await["tier"]["id"].take();
    app.mutate(who, "assignProduct", json!({ "productId": closed, "tierId": tier }), "product { id }").await;
    let select = "team { id subscriptions { nodes { name status owner { id } expiresAt plan { slug }
        lanes { credentials { id } } } } }";
    let (dev, _) = (app.person("dev@acme.example", None).await, ());
    let mut team = app.mutate(Some(&dev), "createTeam", json!({ "name": "Acme" }), select).await["team"].take();
    let id = team["id"].take();
    let lanes = json!([{ "credentials": [] }, { "credentials": [] }]);
    let trial = json!({ "name": "trial", "status": "ACTIVE", "owner": null, "expiresAt": "2026-02-04T09:00:00+00:00",
        "plan": { "slug": "trial" }, "lanes": lanes });
    assert_eq!(team["subscriptions"]["nodes"], json!([trial]), "what it sees, and no more");
    let events = "query($id: ID!) { team(id: $id) { auditLog { nodes { action changes } } } }";
    let log = app.data(Some(&dev), events, json!({ "id": id })).await["team"]["auditLog"]["nodes"].take();
    let log = log.as_array().expect("events");
    assert_eq!(log.len(), 1, "one row for all of it: {log:?}");
    assert!(log[0].to_string().contains("sub_"), "which names them: {}", log[0]);
    let partner = json!({ "name": "Globex", "tierId": tier });
    let slugs = "team { subscriptions { nodes { plan { slug } } } }";
    let team = app.mutate(who, "createPartnerTeam", partner, slugs).await;
    let both = json!([{ "plan": { "slug": "secret" } }, { "plan": { "slug": "trial" } }]);
    assert_eq!(team["team"]["subscriptions"]["nodes"], both, "newest first");
    let trial =
        app.data(who, "{ product(slug: \"open\") { plans { id } } }", json!({})).await["product"]["plans"][0]["id"].take();
    let recipe = json!({ "teamName": "Initech", "emails": ["ada@initech.example"], "planId": trial, "tierId": tier });
    let made = app.mutate(who, "onboardPartner", recipe, &format!("{slugs} subscription {{ plan {{ slug }} }}")).await;
    assert_eq!(made["team"]["subscriptions"]["nodes"], both, "what was subscribed by hand comes once");
}
