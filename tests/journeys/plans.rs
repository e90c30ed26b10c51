//! Plans and policies, as staff make them and others see them.

use entities::enums::StaffRole;
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
    let all = refused(input("A", "FLAT_FEE", "OIDC")).await;
    assert_eq!(
        all,
        "INVALID slug, REQUIRED pricing.currency, REQUIRED pricing.amount, REQUIRED pricing.interval, INVALID environments, REQUIRED environments.0.issuer, \
         REQUIRED environments.0.audience, \
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
