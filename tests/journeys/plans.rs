//! Plans and policies, as staff make them and others see them.

use entities::{
    enums::{GatewaySubject, StaffRole},
    gateway_change,
};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::app::TestApp;

const PLANS: &str = "{ product(slug: \"ship\") { plans { slug status version } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_drafted_offered_and_put_away() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let input = json!({
        "productId": product, "slug": "free", "name": " Free ", "pricing": { "model": "FREE" }, "hasSandbox": true,
        "environments": [
            { "environment": "PRODUCTION", "authMethod": "TOKEN", "allowedMethods": ["get"],
              "rateLimit": { "requests": 200, "window": "MINUTE" }, "quota": { "requests": 50000, "period": "DAY" } },
            { "environment": "SANDBOX", "authMethod": "API_KEY" },
        ],
        "scopes": [{ "name": "ship:read", "grant": "DEFAULT" }],
        "features": [{ "name": "Support", "value": "Mail" }],
    });
    let select = "plan { id name status version pricing { model } approval hasSandbox maxSubscriptionsPerTeam
        environments { environment authMethod allowedMethods rateLimit { requests window } quota { requests period } }
        scopes { name grant environments } features { name value } product { slug } }";
    let mut made = app.mutate(Some(&editor), "createPlan", input, select).await;
    let id = made["plan"]["id"].take();
    insta::assert_json_snapshot!(made["plan"], @r##"
    {
      "id": null,
      "name": "Free",
      "status": "DRAFT",
      "version": 1,
      "pricing": {
        "model": "FREE"
      },
      "approval": "AUTOMATIC",
      "hasSandbox": true,
      "maxSubscriptionsPerTeam": null,
      "environments": [
        {
          "environment": "SANDBOX",
          "authMethod": "API_KEY",
          "allowedMethods": [],
          "rateLimit": null,
          "quota": null
        },
        {
          "environment": "PRODUCTION",
          "authMethod": "TOKEN",
          "allowedMethods": [
            "GET"
          ],
          "rateLimit": {
            "requests": 200,
            "window": "MINUTE"
          },
          "quota": {
            "requests": 50000,
            "period": "DAY"
          }
        }
      ],
      "scopes": [
        {
          "name": "ship:read",
          "grant": "DEFAULT",
          "environments": [
            "SANDBOX",
            "PRODUCTION"
          ]
        }
      ],
      "features": [
        {
          "name": "Support",
          "value": "Mail"
        }
      ],
      "product": {
        "slug": "ship"
      }
    }
    "##);
    assert_eq!(app.data(None, PLANS, json!({})).await["product"]["plans"], json!([]), "a draft is staff's");
    assert_eq!(app.data(None, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": id })).await["node"], Value::Null);
    app.mutate(Some(&editor), "setPlanStatus", json!({ "planId": id, "status": "ACTIVE" }), "plan { id }").await;
    let seen = app.data(None, PLANS, json!({})).await;
    assert_eq!(seen["product"]["plans"], json!([{ "slug": "free", "status": "ACTIVE", "version": 2 }]));
    let node = app.data(None, "query($id: ID!) { node(id: $id) { ... on Plan { slug } } }", json!({ "id": id })).await;
    assert_eq!(node["node"]["slug"], "free");
    let back =
        app.refused(Some(&editor), "setPlanStatus", "SetPlanStatusInput", json!({ "planId": id, "status": "DRAFT" })).await;
    assert_eq!(back, "WRONG_STATE status");
    assert_eq!(
        app.audited().await.iter().filter(|a| a.starts_with("plan.")).collect::<Vec<_>>(),
        ["plan.created", "plan.status_set"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_plan_is_said_by_field() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    app.plan(&editor, &product, "taken", false, json!({})).await;
    let input = |slug: &str, model: &str, method: &str| {
        json!({ "productId": product, "slug": slug, "name": "X", "pricing": { "model": model }, "hasSandbox": true,
            "environments": [{ "environment": "PRODUCTION", "authMethod": method, "rateLimit": { "requests": 0, "window": "HOUR" } }] })
    };
    let refused = async |input| app.refused(Some(&editor), "createPlan", "CreatePlanInput", input).await;
    let all = refused(input("A", "FLAT_FEE", "OAUTH2_CLIENT_SECRET")).await;
    assert_eq!(
        all,
        "INVALID slug, REQUIRED pricing.currency, REQUIRED pricing.amount, REQUIRED pricing.interval, INVALID environments, INVALID environments.0.authMethod, \
         INVALID environments.0.rateLimit.requests"
    );
    let mut fine = input("taken", "FREE", "NONE");
    fine["hasSandbox"] = json!(false);
    fine["environments"][0]["rateLimit"] = Value::Null;
    assert_eq!(refused(fine.clone()).await, "TAKEN slug");
    fine["productId"] = json!("prod_01h2xcejqtf2nbrexx3vqjhp41");
    assert_eq!(refused(fine.clone()).await, "NOT_FOUND productId");
    let viewer = app.staff(StaffRole::Viewer).await;
    assert_eq!(app.refused(Some(&viewer), "createPlan", "CreatePlanInput", fine.clone()).await, "FORBIDDEN");
    assert_eq!(app.refused(None, "createPlan", "CreatePlanInput", fine).await, "UNAUTHENTICATED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_is_held_keeps_its_promises_and_changes_its_limits() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", false, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    app.subscribed(&dev, &team, &plan).await;
    let update = async |input: Value| {
        let mut whole = json!({ "planId": plan });
        whole.as_object_mut().expect("an object").extend(input.as_object().expect("an object").clone());
        app.refused(Some(&editor), "updatePlan", "UpdatePlanInput", whole).await
    };
    let environment = |method: &str, requests: i32| json!([{ "environment": "PRODUCTION", "authMethod": method, "rateLimit": { "requests": requests, "window": "SECOND" } }]);
    assert_eq!(update(json!({ "expectedVersion": 1, "name": "Old news" })).await, "STALE expectedVersion");
    assert_eq!(update(json!({ "environments": environment("TOKEN", 5) })).await, "WRONG_STATE environments");
    assert_eq!(update(json!({ "hasSandbox": true })).await, "INVALID environments");
    let touched = async || {
        let changes = gateway_change::Entity::find().filter(gateway_change::Column::Subject.eq(GatewaySubject::Plan));
        changes.count(&app.domain().db).await.expect("changes")
    };
    assert_eq!(touched().await, 1);
    assert_eq!(update(json!({ "expectedVersion": 2, "environments": environment("API_KEY", 5) })).await, "");
    assert_eq!(touched().await, 2, "gateways hear of it");
    let status = json!({ "planId": plan, "status": "DEPRECATED" });
    app.mutate(Some(&editor), "setPlanStatus", status, "plan { id }").await;
    let away =
        app.refused(Some(&editor), "setPlanStatus", "SetPlanStatusInput", json!({ "planId": plan, "status": "ARCHIVED" })).await;
    assert_eq!(away, "WRONG_STATE status", "somebody holds it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_made_attached_and_kept_while_it_is_used() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let who = Some(&editor);
    let input = json!({ "name": "standard-partner-200rpm", "rateLimit": { "requests": 200, "window": "MINUTE" },
        "quota": { "requests": 50000, "period": "DAY" } });
    let made = app.mutate(who, "createPolicy", input.clone(), "policy { id enabled rateLimit { requests } }").await;
    let policy = made["policy"]["id"].clone();
    assert_eq!(app.refused(who, "createPolicy", "CreatePolicyInput", input).await, "TAKEN name");
    let bad = json!({ "name": "", "quota": { "requests": 0, "period": "DAY" } });
    assert_eq!(app.refused(who, "createPolicy", "CreatePolicyInput", bad).await, "REQUIRED name, INVALID quota.requests");
    let (_, team) = app.partner("acme").await;
    let client = app.mutate(who, "createClient", json!({ "teamId": team, "name": "Robot" }), "client { id }").await;
    let client = client["client"]["id"].clone();
    let attach = json!({ "clientId": client, "policyId": policy });
    let attached = app.mutate(who, "attachPolicy", attach, "client { policy { name clients { totalCount } } }").await;
    assert_eq!(attached["client"]["policy"], json!({ "name": "standard-partner-200rpm", "clients": { "totalCount": 1 } }));
    let delete = json!({ "policyId": policy });
    assert_eq!(app.refused(who, "deletePolicy", "PolicyIdInput", delete.clone()).await, "WRONG_STATE");
    let cleared = json!({ "policyId": policy, "quota": null });
    let updated = app.mutate(who, "updatePolicy", cleared, "policy { rateLimit { requests } quota { requests } }").await;
    assert_eq!(updated["policy"], json!({ "rateLimit": { "requests": 200 }, "quota": null }));
    app.mutate(who, "attachPolicy", json!({ "clientId": client, "policyId": null }), "client { policy { id } }").await;
    let deleted = app.mutate_as(who, "deletePolicy", "PolicyIdInput", delete.clone(), "deletedId").await;
    assert_eq!(deleted["deletedId"], policy);
    assert_eq!(app.refused(who, "deletePolicy", "PolicyIdInput", delete).await, "NOT_FOUND");
}
