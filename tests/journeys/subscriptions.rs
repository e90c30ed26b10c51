//! From subscribing to the end of a subscription.

use entities::enums::{AccessLevel, StaffRole};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_subscribes_and_starts_in_the_sandbox() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let scopes = json!([{ "name": "ship:read", "grant": "DEFAULT" }, { "name": "ship:write", "grant": "RESTRICTED" }]);
    let plan = app.plan(&editor, &product, "free", true, json!({ "scopes": scopes })).await;
    let (dev, team) = app.partner("acme").await;
    let input = json!({ "planId": plan, "teamId": team, "name": "Shop" });
    let select = "subscription { id name status statusReason team { slug } plan { slug }
          lanes { environment locked lockedReasons credentials { kind status masked clientId scopes lastUsedAt } profile { name } }
          client { name enabled products { slug } profiles { name environment authMethod ipAllowlist sampleRequest } }
          scopes { scope { name } } nextSteps }
        issued { secret clientId sampleRequest }";
    let mut made = app.mutate(Some(&dev), "subscribe", input, select).await;
    let id = made["subscription"]["id"].take();
    let secret = made["issued"]["secret"].as_str().expect("a secret").to_owned();
    let sample = made["issued"]["sampleRequest"].take();
    assert!(sample.as_str().is_some_and(|line| line.contains("/ship/shipments'") && line.contains(&secret)), "{sample}");
    assert!(secret.starts_with("ptk_test_"));
    made["issued"]["secret"].take();
    for profile in made["subscription"]["client"]["profiles"].as_array_mut().expect("profiles") {
        let line = profile["sampleRequest"].take();
        assert!(line.as_str().is_some_and(|line| line.contains("X-API-Key: <api-key>")), "{line}");
    }
    for credential in made["subscription"]["lanes"][0]["credentials"].as_array_mut().expect("credentials") {
        let masked = credential["masked"].take();
        assert!(masked.as_str().is_some_and(|shown| secret.starts_with(shown.trim_end_matches('•')) && shown.contains('•')));
    }
    insta::assert_json_snapshot!(made, @r##"
    {
      "subscription": {
        "id": null,
        "name": "Shop",
        "status": "ACTIVE",
        "statusReason": null,
        "team": {
          "slug": "acme"
        },
        "plan": {
          "slug": "free"
        },
        "lanes": [
          {
            "environment": "SANDBOX",
            "locked": false,
            "lockedReasons": [],
            "credentials": [
              {
                "kind": "API_KEY",
                "status": "ACTIVE",
                "masked": null,
                "clientId": null,
                "scopes": null,
                "lastUsedAt": null
              }
            ],
            "profile": {
              "name": "sandbox"
            }
          },
          {
            "environment": "PRODUCTION",
            "locked": true,
            "lockedReasons": [
              "IN_SANDBOX"
            ],
            "credentials": [],
            "profile": {
              "name": "production"
            }
          }
        ],
        "client": {
          "name": "Shop",
          "enabled": true,
          "products": [
            {
              "slug": "ship"
            }
          ],
          "profiles": [
            {
              "name": "sandbox",
              "environment": "SANDBOX",
              "authMethod": "API_KEY",
              "ipAllowlist": [],
              "sampleRequest": null
            },
            {
              "name": "production",
              "environment": "PRODUCTION",
              "authMethod": "API_KEY",
              "ipAllowlist": [],
              "sampleRequest": null
            }
          ]
        },
        "scopes": [
          {
            "scope": {
              "name": "ship:read"
            }
          }
        ],
        "nextSteps": [
          "MAKE_FIRST_SANDBOX_CALL",
          "SUBMIT_FOR_REVIEW"
        ]
      },
      "issued": {
        "secret": null,
        "clientId": null,
        "sampleRequest": null
      },
      "userErrors": []
    }
    "##);
    let again = "query($id: ID!) { subscription(id: $id) { lanes { credentials { masked } } nextSteps } }";
    let again = app.data(Some(&dev), again, json!({ "id": id })).await.to_string();
    assert!(!again.contains(&secret[20..]), "shown once");
    assert!(app.is_stored("ship:read").await && !app.is_stored(&secret[25..]).await, "stored as a hash only");
    assert_eq!(app.audited().await.iter().filter(|action| *action == "subscription.created").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_subscribes_once_and_shows_the_same_secret() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let input = json!({ "planId": plan, "teamId": team, "name": "Shop", "idempotencyKey": "order-7" });
    let select = "subscription { id } issued { secret }";
    let answers = join_all((0..20).map(|_| app.mutate(Some(&dev), "subscribe", input.clone(), select))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0]["issued"]["secret"].is_string());
    let count = "query($id: ID!) { node(id: $id) { ... on Team { subscriptions { totalCount } clients { totalCount } } } }";
    let held = app.data(Some(&dev), count, json!({ "id": team })).await;
    assert_eq!(held["node"], json!({ "subscriptions": { "totalCount": 1 }, "clients": { "totalCount": 1 } }));
    assert_eq!(app.audited().await.iter().filter(|action| *action == "subscription.created").count(), 1);
    let mut other = input.clone();
    other["name"] = json!("Another");
    assert_eq!(app.refused(Some(&dev), "subscribe", "SubscribeInput", other).await, "INVALID idempotencyKey");
    app.clock.advance(chrono::TimeDelta::days(1));
    let next_day = app.mutate(Some(&dev), "subscribe", input, select).await;
    assert_ne!(next_day["subscription"]["id"], answers[0]["subscription"]["id"]);
    assert_ne!(next_day["issued"]["secret"], answers[0]["issued"]["secret"], "a new credential has a new secret");
    assert!(!app.is_stored("order-7").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cap_holds_when_all_come_at_once() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", false, json!({ "maxSubscriptionsPerTeam": 2 })).await;
    let (dev, team) = app.partner("acme").await;
    let input = json!({ "planId": plan, "teamId": team, "name": "Shop" });
    let mut answers = join_all((0..6).map(|_| app.refused(Some(&dev), "subscribe", "SubscribeInput", input.clone()))).await;
    answers.sort();
    let full = "LIMIT_REACHED planId";
    assert_eq!(answers, ["", "", full, full, full, full]);
    let (other, theirs) = app.partner("globex").await;
    app.subscribed(&other, &theirs, &plan).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_twice_at_once_ends_it_once() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "ASSIGNED").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let assigned = json!({ "productId": product, "teamId": team });
    app.mutate(Some(&editor), "assignProduct", assigned.clone(), "product { id }").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    app.mutate_as(Some(&editor), "unassignProduct", "UnassignProductInput", assigned, "product { id }").await;
    let visible = async || app.data(Some(&dev), "{ product(slug: \"ship\") { slug } }", json!({})).await["product"].clone();
    assert!(visible().await.is_object(), "by the subscription");
    let input = json!({ "subscriptionId": held.id, "reason": "We moved" });
    let cancel = || app.refused(Some(&dev), "cancelSubscription", "CancelSubscriptionInput", input.clone());
    let mut answers = join_all([cancel(), cancel()]).await;
    answers.sort();
    assert_eq!(answers, ["", "ALREADY_DONE"]);
    let query = "query($id: ID!) { subscription(id: $id) { status statusReason nextSteps
        lanes { lockedReasons credentials { status } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    insta::assert_json_snapshot!(seen["subscription"], @r##"
    {
      "status": "CANCELLED",
      "statusReason": "We moved",
      "nextSteps": [],
      "lanes": [
        {
          "lockedReasons": [
            "NOT_ACTIVE"
          ],
          "credentials": [
            {
              "status": "REVOKED"
            }
          ]
        },
        {
          "lockedReasons": [
            "NOT_ACTIVE"
          ],
          "credentials": []
        }
      ]
    }
    "##);
    assert_eq!(visible().await, Value::Null, "nothing gives it any more");
    assert_eq!(app.audited().await.iter().filter(|action| *action == "subscription.cancelled").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_suspend_and_reinstate_and_members_do_not() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let input = json!({ "subscriptionId": held.id, "notes": "Unpaid" });
    let decide = async |who, field| app.refused(Some(who), field, "DecideSubscriptionInput", input.clone()).await;
    assert_eq!(decide(&dev, "suspendSubscription").await, "FORBIDDEN");
    let viewer = app.staff(StaffRole::Viewer).await;
    assert_eq!(decide(&viewer, "suspendSubscription").await, "FORBIDDEN");
    assert_eq!(decide(&editor, "reinstateSubscription").await, "ALREADY_DONE");
    assert_eq!(decide(&editor, "suspendSubscription").await, "");
    let create = json!({ "profileId": held.sandbox });
    assert_eq!(app.refused(Some(&dev), "createCredential", "CreateCredentialInput", create).await, "WRONG_STATE");
    let query =
        "query($id: ID!) { subscription(id: $id) { status statusReason lanes { lockedReasons credentials { status } } } }";
    let seen = app.data(Some(&dev), query, json!({ "id": held.id })).await;
    let lane = json!({ "lockedReasons": ["NOT_ACTIVE"], "credentials": [{ "status": "ACTIVE" }] });
    assert_eq!(seen["subscription"]["lanes"][0], lane, "its credentials work again later");
    assert_eq!(seen["subscription"]["statusReason"], "Unpaid");
    assert_eq!(decide(&editor, "reinstateSubscription").await, "");
    let rename = json!({ "subscriptionId": held.id, "name": "Shop 2" });
    let renamed = app.mutate(Some(&dev), "updateSubscription", rename.clone(), "subscription { name status }").await;
    assert_eq!(renamed["subscription"], json!({ "name": "Shop 2", "status": "ACTIVE" }));
    let reader = app.member(&team, "reader@acme.example", AccessLevel::Read).await;
    let refused = app.refused(Some(&reader), "updateSubscription", "UpdateSubscriptionInput", rename).await;
    assert_eq!(refused, "FORBIDDEN");
    let blind = app.member(&team, "blind@acme.example", AccessLevel::None).await;
    let seen = app.data(Some(&blind), query, json!({ "id": held.id })).await;
    assert_eq!(seen["subscription"]["lanes"], Value::Null, "another area");
    assert_eq!(seen["subscription"]["status"], "ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_on_offer_can_be_subscribed_to() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "ASSIGNED").await;
    let plan = app.plan(&editor, &product, "free", false, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let refused = async |plan: &Value| {
        let input = json!({ "planId": plan, "teamId": team, "name": "Shop" });
        app.refused(Some(&dev), "subscribe", "SubscribeInput", input).await
    };
    assert_eq!(refused(&plan).await, "NOT_FOUND planId", "not assigned");
    assert_eq!(refused(&json!("nonsense")).await, "NOT_FOUND planId");
    app.mutate(Some(&editor), "assignProduct", json!({ "productId": product, "teamId": team }), "product { id }").await;
    app.mutate(Some(&editor), "setPlanStatus", json!({ "planId": plan, "status": "INACTIVE" }), "plan { id }").await;
    assert_eq!(refused(&plan).await, "WRONG_STATE planId");
    app.mutate(Some(&editor), "setPlanStatus", json!({ "planId": plan, "status": "ACTIVE" }), "plan { id }").await;
    assert_eq!(refused(&plan).await, "");
    let input = json!({ "planId": plan, "teamId": team, "name": "" });
    assert_eq!(app.refused(Some(&dev), "subscribe", "SubscribeInput", input.clone()).await, "REQUIRED name");
    assert_eq!(app.refused(Some(&editor), "subscribe", "SubscribeInput", input.clone()).await, "FORBIDDEN", "staff");
    let (stranger, _) = app.partner("globex").await;
    assert_eq!(app.refused(Some(&stranger), "subscribe", "SubscribeInput", input.clone()).await, "NOT_FOUND");
    assert_eq!(app.refused(None, "subscribe", "SubscribeInput", input).await, "UNAUTHENTICATED");
}
