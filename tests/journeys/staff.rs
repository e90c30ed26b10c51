//! The provider's people.

use entities::enums::StaffRole;
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

async fn set(app: &TestApp, who: &Person, email: &str, role: Value) -> String {
    app.refusal(Some(who), "setStaffRole", "SetStaffRoleInput", json!({ "email": email, "role": role })).await
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_given_and_taken_and_the_last_owner_stays() {
    let app = TestApp::start().await;
    let (owner, admin) = (app.staff(StaffRole::Owner).await, app.staff(StaffRole::Admin).await);
    let (editor, viewer) = (app.staff(StaffRole::Editor).await, app.staff(StaffRole::Viewer).await);
    assert_eq!(set(&app, &admin, "new@provider.example", json!("REVIEWER")).await, "fine : ");
    insta::assert_snapshot!(set(&app, &admin, &editor.email, json!("OWNER")).await, @"FORBIDDEN: this needs the staff role OWNER");
    insta::assert_snapshot!(set(&app, &admin, &owner.email, Value::Null).await, @"FORBIDDEN: this needs the staff role OWNER");
    insta::assert_snapshot!(set(&app, &editor, &viewer.email, json!("EDITOR")).await, @"FORBIDDEN: this needs the staff role ADMIN or OWNER");
    insta::assert_snapshot!(set(&app, &owner, &owner.email, json!("ADMIN")).await, @"WRONG_STATE role: this is the last owner: make somebody else OWNER first");
    insta::assert_snapshot!(set(&app, &owner, "not an address", json!("ADMIN")).await, @"INVALID email: must be a mail address such as ada@example.com");
    assert_eq!(set(&app, &owner, &editor.email, json!("OWNER")).await, "fine : ");
    assert_eq!(set(&app, &owner, &owner.email, Value::Null).await, "fine : ");
    let staff = "{ provider { role staff { role user { email } } } }";
    assert_eq!(app.data(Some(&owner), staff, json!({})).await["provider"], Value::Null);
    let seen = app.data(Some(&admin), staff, json!({})).await;
    let rows = seen["provider"]["staff"].as_array().unwrap().iter();
    let told: Vec<_> =
        rows.map(|m| format!("{} {}", m["role"].as_str().unwrap(), m["user"]["email"].as_str().unwrap())).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    ADMIN admin@provider.example
    OWNER editor@provider.example
    VIEWER viewer@provider.example
    REVIEWER new@provider.example
    ");
    assert!(app.audited().await.iter().all(|action| action == "staff.role_set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_owners_cannot_both_step_down_at_once() {
    let app = TestApp::start().await;
    let first = app.staff(StaffRole::Owner).await;
    let second = app.person("second@provider.example", Some(StaffRole::Owner)).await;
    let outcomes = tokio::join!(set(&app, &first, &first.email, Value::Null), set(&app, &second, &second.email, Value::Null));
    let fine = [&outcomes.0, &outcomes.1].into_iter().filter(|outcome| *outcome == "fine : ").count();
    assert_eq!(fine, 1, "{outcomes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_of_the_settings_is_an_owner_from_the_start() {
    let app = TestApp::start_with(|config| config.admin_email = Some("Root@Provider.example".to_owned())).await;
    let body = json!({ "query": "mutation { requestMagicLink(input: { email: \"root@provider.example\" }) { sent } }" });
    app.http.post(app.url("/graphql")).json(&body).send().await.unwrap();
    let token = app.magic_token("root@provider.example").await;
    let query = "mutation($input: SignInWithMagicLinkInput!) { signInWithMagicLink(input: $input) { viewer { staffRole } } }";
    let answer = app.data(None, query, json!({ "input": { "token": token } })).await;
    assert_eq!(answer["signInWithMagicLink"]["viewer"]["staffRole"], "OWNER");
}

#[tokio::test(flavor = "multi_thread")]
async fn staff_make_tiers_and_partner_teams_and_find_them() {
    let app = TestApp::start().await;
    let (editor, auditor) = (app.staff(StaffRole::Editor).await, app.staff(StaffRole::Auditor).await);
    let partner = app.person("ada@acme.example", None).await;
    let tier = app.mutate(Some(&editor), "createTier", json!({ "name": "Gold" }), "tier { id name }").await["tier"].take();
    let taken = app.refusal(Some(&editor), "createTier", "CreateTierInput", json!({ "name": " Gold" })).await;
    assert_eq!(taken, "TAKEN name: another tier has this name: choose another");
    let mut slugs = Vec::new();
    for name in ["Acme", "ACME!", "Harbour 100%", "日本"] {
        let made = app
            .mutate(
                Some(&editor),
                "createPartnerTeam",
                json!({ "name": name, "tierId": tier["id"] }),
                "team { id slug tier { name } viewerAccess { role } }",
            )
            .await;
        assert_eq!((&made["team"]["tier"]["name"], &made["team"]["viewerAccess"]), (&json!("Gold"), &Value::Null));
        slugs.push((made["team"]["slug"].as_str().unwrap().to_owned(), made["team"]["id"].clone()));
    }
    let names: Vec<_> = slugs.iter().map(|(slug, _)| slug.as_str()).collect();
    assert_eq!(names, ["acme", "acme-2", "harbour-100", "team"]);

    let search = "query($text: String) { provider { teams(search: $text, first: 2) { totalCount nodes { name } pageInfo { hasNextPage } } } }";
    let found = async |text: &str| app.data(Some(&editor), search, json!({ "text": text })).await["provider"]["teams"].take();
    assert_eq!(
        found("acm").await,
        json!({ "totalCount": 2, "nodes": [{ "name": "ACME!" }, { "name": "Acme" }], "pageInfo": { "hasNextPage": false } })
    );
    assert_eq!(found("%").await["nodes"], json!([{ "name": "Harbour 100%" }]));
    assert_eq!((&found("").await["totalCount"], &found("_").await["totalCount"]), (&json!(4), &json!(0)));

    let set = json!({ "teamId": slugs[0].1, "tierId": null });
    assert_eq!(app.mutate(Some(&editor), "setTeamTier", set, "team { tier { id } }").await["team"]["tier"], Value::Null);
    let unknown = json!({ "teamId": slugs[0].1, "tierId": "tier_00000000000000000000000000" });
    let refused = app.refusal(Some(&editor), "setTeamTier", "SetTeamTierInput", unknown.clone()).await;
    assert_eq!(refused, "NOT_FOUND tierId: there is no such tier");
    let forbidden = app.refusal(Some(&auditor), "setTeamTier", "SetTeamTierInput", unknown.clone()).await;
    assert_eq!(forbidden, "FORBIDDEN: this needs the staff role EDITOR, ADMIN or OWNER");
    assert!(app.refusal(Some(&partner), "setTeamTier", "SetTeamTierInput", unknown).await.starts_with("FORBIDDEN"));
    let node = app.data(Some(&partner), "query($id: ID!) { node(id: $id) { id } }", json!({ "id": tier["id"] })).await;
    assert_eq!(node["node"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_sets_how_long_things_live() {
    let app = TestApp::start().await;
    let admin = app.staff(StaffRole::Admin).await;
    let input = json!({ "settings": { "magicLinkMinutes": 30, "sessionHours": 8 } });
    app.mutate(Some(&admin), "updatePortal", input, "portal { name }").await;
    let seen =
        app.data(Some(&admin), "{ provider { settings { magicLinkMinutes sessionHours invitationDays } } }", json!({})).await;
    assert_eq!(seen["provider"]["settings"], json!({ "magicLinkMinutes": 30, "sessionHours": 8, "invitationDays": 30 }));
    let refused =
        app.refusal(Some(&admin), "updatePortal", "UpdatePortalInput", json!({ "settings": { "magicLinkMinutes": 31 } })).await;
    assert_eq!(refused, "INVALID settings.magicLinkMinutes: must be from 1 to 30");
}
