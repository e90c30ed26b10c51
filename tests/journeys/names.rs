//! Names that people choose, where others read them.

use serde_json::{Value, json};

use crate::app::TestApp;

/// Turns what follows it around.
const TURNED: &str = "Acme\u{202e}gnp.exe";

#[tokio::test(flavor = "multi_thread")]
async fn characters_that_are_not_seen_are_in_no_name() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (dev, team) = app.partner("acme").await;
    let held = app.subscribed(&dev, &team, &plan).await;
    let plan_of = |name: &str| {
        json!({ "productId": product, "slug": "other", "name": name, "pricing": { "model": "FREE" }, "hasSandbox": false,
            "environments": [{ "environment": "PRODUCTION", "authMethod": "API_KEY" }] })
    };
    let support = |subject: &str, body: &str| json!({ "teamId": team, "topic": "OTHER", "subject": subject, "body": body });
    let partner: Vec<(&str, &str, &str, Value)> = vec![
        ("createTeam", "CreateTeamInput", "name", json!({ "name": TURNED })),
        ("updateTeam", "UpdateTeamInput", "name", json!({ "teamId": team, "name": TURNED })),
        ("updateViewer", "UpdateViewerInput", "name", json!({ "name": TURNED })),
        ("createAccessToken", "CreateAccessTokenInput", "name", json!({ "name": TURNED })),
        ("createCredential", "CreateCredentialInput", "name", json!({ "profileId": held.sandbox, "name": TURNED })),
        ("updateSubscription", "UpdateSubscriptionInput", "name", json!({ "subscriptionId": held.id, "name": TURNED })),
        ("contactSupport", "ContactSupportInput", "subject", support(TURNED, "Help")),
        ("contactSupport", "ContactSupportInput", "body", support("Help", TURNED)),
    ];
    let staff: Vec<(&str, &str, &str, Value)> = vec![
        ("createPartnerTeam", "CreatePartnerTeamInput", "name", json!({ "name": TURNED })),
        ("createPlan", "CreatePlanInput", "name", plan_of(TURNED)),
        ("updatePortal", "UpdatePortalInput", "name", json!({ "name": TURNED })),
        ("updateProduct", "UpdateProductInput", "name", json!({ "productId": product, "name": TURNED })),
        ("updateProduct", "UpdateProductInput", "summary", json!({ "productId": product, "summary": TURNED })),
    ];
    let owner = app.staff(entities::enums::StaffRole::Owner).await;
    let calls = partner.into_iter().map(|call| (&dev, call)).chain(staff.into_iter().map(|call| (&owner, call)));
    for (who, (field, input_type, path, input)) in calls {
        let said = app.refusal(Some(who), field, input_type, input).await;
        assert!(said.starts_with(&format!("INVALID {path}: ")) && said.ends_with("take out U+202E"), "{field}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_a_teams_name_is_neither_a_link_nor_a_subject() {
    let app = TestApp::start().await;
    let ada = app.person("ada@acme.example", None).await;
    app.mutate(Some(&ada), "updateViewer", json!({ "name": "www.evil.example" }), "viewer { user { name } }").await;
    let full = json!({ "team": "FULL", "credentials": "FULL", "billing": "FULL" });
    for (n, name) in ["Win at https://evil.example/now", "evil.example", "pay@evil.example", "Acme Ltd."].into_iter().enumerate()
    {
        let made = app.mutate(Some(&ada), "createTeam", json!({ "name": name }), "team { id name }").await;
        assert_eq!(made["team"]["name"], name, "it may be called so");
        let to = format!("bob{n}@else.example");
        let input = json!({ "teamId": made["team"]["id"], "email": to, "access": full });
        app.mutate(Some(&ada), "inviteMember", input, "invitation { id }").await;
        let mails = app.mails().await;
        let mail = mails.iter().find(|mail| mail.to == to).expect("a mail");
        for part in [&mail.subject, &mail.text, &mail.html] {
            assert!(!part.contains("evil.example") && !part.contains("@evil"), "{part}");
        }
        if name == "Acme Ltd." {
            assert!(mail.subject.contains("invites you to Acme Ltd. on") && mail.text.contains(name), "{mail:?}");
        } else {
            assert!(mail.subject.contains("to a team on") && !mail.subject.contains("evil"), "{}", mail.subject);
        }
    }
}
