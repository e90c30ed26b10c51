//! The whole partner recipe at once.

use entities::outbox_job;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

const SELECT: &str = "team { name slug } client { id name description enabled portalAccess
        authorizedEmails { email access { role } } products { slug } policy { name }
        profiles { name environment authMethod allowedMethods ipAllowlist } }
    subscription { name status plan { slug } }
    invitations { email }
    issued { secret clientId sampleRequest }";

async fn recipe(app: &TestApp, editor: &Person) -> Value {
    let product = app.product(editor, "shipments", "ASSIGNED").await;
    let policy = json!({ "name": "standard-partner-200rpm", "rateLimit": { "requests": 200, "window": "MINUTE" },
        "quota": { "requests": 50000, "period": "DAY" } });
    let policy = app.mutate(Some(editor), "createPolicy", policy, "policy { id }").await["policy"]["id"].clone();
    json!({
        "teamName": "Acme Corp", "clientName": "partner-acme-corp", "description": "Acme Corp logistics integration",
        "emails": ["Partner@Acme.example"], "productIds": [product], "policyId": policy,
        "profile": { "name": "acme-corp-standard", "environment": "PRODUCTION", "authMethod": "TOKEN",
            "allowedMethods": ["GET", "POST"] },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_brought_in_at_once() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let input = recipe(&app, &editor).await;
    let before = app.audited().await.len();
    let mut made = app.mutate(Some(&editor), "onboardPartner", input, SELECT).await;
    let client = made["client"]["id"].take();
    assert_eq!(made["issued"]["clientId"].take(), client);
    let secret = made["issued"]["secret"].take();
    let secret = secret.as_str().expect("a token");
    let sample = made["issued"]["sampleRequest"].take();
    let sample = sample.as_str().expect("a line");
    for part in ["/shipments/shipments'", "X-Client-ID: client_", "X-Profile-ID: acme-corp-standard", "Bearer ptt_live_", secret]
    {
        assert!(sample.contains(part), "{part} in {sample}");
    }
    insta::assert_json_snapshot!(made, @r##"
    {
      "team": {
        "name": "Acme Corp",
        "slug": "acme-corp"
      },
      "client": {
        "id": null,
        "name": "partner-acme-corp",
        "description": "Acme Corp logistics integration",
        "enabled": true,
        "portalAccess": true,
        "authorizedEmails": [
          {
            "email": "partner@acme.example",
            "access": {
              "role": "ADMIN"
            }
          }
        ],
        "products": [
          {
            "slug": "shipments"
          }
        ],
        "policy": {
          "name": "standard-partner-200rpm"
        },
        "profiles": [
          {
            "name": "acme-corp-standard",
            "environment": "PRODUCTION",
            "authMethod": "TOKEN",
            "allowedMethods": [
              "GET",
              "POST"
            ],
            "ipAllowlist": []
          }
        ]
      },
      "subscription": null,
      "invitations": [
        {
          "email": "partner@acme.example"
        }
      ],
      "issued": {
        "secret": null,
        "clientId": null,
        "sampleRequest": null
      },
      "userErrors": []
    }
    "##);
    assert_eq!(app.audited().await[before..], ["partner.onboarded"], "one row");
    assert_eq!(
        outbox_job::Entity::find()
            .filter(outbox_job::Column::Kind.eq("send_invitation"))
            .count(&app.domain().db)
            .await
            .expect("jobs"),
        1,
        "an invitation to mail"
    );
    assert!(!app.is_stored(&secret[15..]).await);
    let node = "query($id: ID!) { node(id: $id) { ... on Client { profiles { sampleRequest credentials { masked } } } } }";
    let seen = app.data(Some(&editor), node, json!({ "id": client })).await.to_string();
    assert!(!seen.contains(&secret[15..]) && seen.contains("Bearer <token>"), "shown once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_at_once_and_nothing_is_half_made() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let mut input = recipe(&app, &editor).await;
    let rows = app.stored().await;
    let nobody = json!("prod_01h2xcejqtf2nbrexx3vqjhp41");
    input["emails"] = json!(["fine@acme.example", "not an address"]);
    input["productIds"] = json!([input["productIds"][0], nobody, "nonsense"]);
    input["policyId"] = json!("policy_01h2xcejqtf2nbrexx3vqjhp41");
    input["profile"]["ipAllowlist"] = json!(["10.0.0.0/99"]);
    input["profile"]["allowedMethods"] = json!(["GET", "FETCH"]);
    input["profile"]["token"] = json!("short");
    input["planId"] = json!("plan_01h2xcejqtf2nbrexx3vqjhp41");
    let refused = app.refused(Some(&editor), "onboardPartner", "OnboardPartnerInput", input).await;
    let mut refused: Vec<_> = refused.split(", ").collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [
            "INVALID emails.1",
            "INVALID profile.allowedMethods.1",
            "INVALID profile.ipAllowlist.0",
            "INVALID profile.token",
            "NOT_FOUND planId",
            "NOT_FOUND policyId",
            "NOT_FOUND productIds.1",
            "NOT_FOUND productIds.2",
        ]
    );
    let input = json!({ "emails": [] });
    let refused = app.refused(Some(&editor), "onboardPartner", "OnboardPartnerInput", input).await;
    assert_eq!(refused, "REQUIRED teamName, REQUIRED profile");
    assert_eq!(app.stored().await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_providers_own_and_a_plan_for_a_team_that_is_there() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let mut input = recipe(&app, &editor).await;
    let product = input["productIds"][0].clone();
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let own = "a-token-that-was-given-out-long-ago-0042";
    let fields = input.as_object_mut().expect("an object");
    fields.remove("teamName");
    fields.extend([("teamId".to_owned(), team), ("planId".to_owned(), plan.clone())]);
    input["profile"]["token"] = json!(own);
    input["emails"] = json!([dev.email, "new@acme.example"]);
    let made = app.mutate(Some(&editor), "onboardPartner", input, SELECT).await;
    assert_eq!(made["issued"], Value::Null, "they know it");
    assert_eq!(made["subscription"], json!({ "name": "partner-acme-corp", "status": "ACTIVE", "plan": { "slug": "free" } }));
    assert_eq!(made["invitations"], json!([{ "email": "new@acme.example" }]), "who is in is not invited");
    assert!(!app.is_stored(own).await);
    let seen = app.data(Some(&dev), "{ product(slug: \"shipments\") { viewerSubscriptions { nextSteps } } }", json!({})).await;
    let steps = json!([{ "nextSteps": ["CREATE_SANDBOX_CREDENTIAL"] }]);
    assert_eq!(seen["product"]["viewerSubscriptions"], steps, "the team makes its own secrets");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_by_hand_step_by_step() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let who = Some(&editor);
    let (dev, team) = app.partner("acme").await;
    let input = json!({ "teamId": team, "name": "partner-acme-corp", "enabled": false });
    let client = app.mutate(who, "createClient", input, "client { id }").await["client"]["id"].clone();
    let update = json!({ "clientId": client, "enabled": true, "description": "Logistics" });
    let updated = app.mutate(who, "updateClient", update, "client { name enabled description }").await;
    assert_eq!(updated["client"], json!({ "name": "partner-acme-corp", "enabled": true, "description": "Logistics" }));
    let profile = json!({ "clientId": client, "name": "standard", "environment": "PRODUCTION", "authMethod": "TOKEN" });
    let made = app.mutate(who, "createProfile", profile.clone(), "profile { id } issued { secret }").await;
    assert!(made["issued"]["secret"].as_str().is_some_and(|secret| secret.starts_with("ptt_live_")));
    assert_eq!(app.refused(who, "createProfile", "CreateProfileInput", profile.clone()).await, "TAKEN name");
    let update = json!({ "profileId": made["profile"]["id"], "allowedMethods": ["post"], "enabled": false });
    let updated = app.mutate(who, "updateProfile", update, "profile { name allowedMethods enabled }").await;
    assert_eq!(updated["profile"], json!({ "name": "standard", "allowedMethods": ["POST"], "enabled": false }));
    let access = json!({ "clientId": client, "enabled": true, "authorizedEmails": [
        { "email": "B@acme.example" },
        { "email": "a@acme.example", "access": { "team": "FULL", "credentials": "FULL", "billing": "FULL" } },
    ] });
    let select = "client { portalAccess authorizedEmails { email access { role team } } }";
    let set = app.mutate(who, "setPortalAccess", access, select).await;
    insta::assert_json_snapshot!(set["client"], @r##"
    {
      "portalAccess": true,
      "authorizedEmails": [
        {
          "email": "a@acme.example",
          "access": {
            "role": "ADMIN",
            "team": "FULL"
          }
        },
        {
          "email": "b@acme.example",
          "access": {
            "role": "RESTRICTED",
            "team": "READ"
          }
        }
      ]
    }
    "##);
    let less = json!({ "clientId": client, "enabled": true, "authorizedEmails": [{ "email": "b@acme.example" }] });
    let set = app.mutate(who, "setPortalAccess", less, "client { authorizedEmails { email } }").await;
    assert_eq!(set["client"]["authorizedEmails"], json!([{ "email": "b@acme.example" }]));
    for (field, input_type, input) in [
        ("createClient", "CreateClientInput", json!({ "teamId": team, "name": "Mine" })),
        ("createProfile", "CreateProfileInput", profile),
        ("updateClient", "UpdateClientInput", json!({ "clientId": client, "enabled": false })),
    ] {
        assert_eq!(app.refused(Some(&dev), field, input_type, input).await, "FORBIDDEN", "{field}");
    }
}
