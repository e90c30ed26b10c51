//! The portal's own look.

use entities::enums::StaffRole;
use serde_json::json;

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_brands_the_portal_and_a_visitor_sees_it() {
    let app = TestApp::start().await;
    let admin = app.staff(StaffRole::Admin).await;
    let input = json!({ "name": "Harbour APIs", "primaryColor": "#0A7CFF", "tagline": "Ship it" });
    app.mutate(Some(&admin), "updatePortal", input, "portal { name }").await;
    app.mutate(Some(&admin), "updatePortal", json!({ "tagline": null }), "portal { name }").await;
    let seen = app.data(None, "{ portal { name tagline primaryColor } }", json!({})).await;
    insta::assert_json_snapshot!(seen, @r##"
    {
      "portal": {
        "name": "Harbour APIs",
        "tagline": null,
        "primaryColor": "#0a7cff"
      }
    }
    "##);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_field_by_field() {
    let app = TestApp::start().await;
    let admin = app.staff(StaffRole::Admin).await;
    let query = "mutation { updatePortal(input: { name: \" \", primaryColor: \"blue\" }) { portal { name } userErrors { code path message } } }";
    let answer = app.graphql(Some(&admin), query, json!({})).await;
    insta::assert_json_snapshot!(answer["data"], @r##"
    {
      "updatePortal": {
        "portal": null,
        "userErrors": [
          {
            "code": "REQUIRED",
            "path": [
              "name"
            ],
            "message": "must not be empty"
          },
          {
            "code": "INVALID",
            "path": [
              "primaryColor"
            ],
            "message": "must be a colour such as #0a7cff"
          }
        ]
      }
    }
    "##);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_admin_changes_it() {
    let app = TestApp::start().await;
    let editor = app.staff(StaffRole::Editor).await;
    let query = "mutation { updatePortal(input: { name: \"Mine\" }) { portal { name } } }";
    let code = async |who| app.graphql(who, query, json!({})).await["errors"][0]["extensions"]["code"].clone();
    assert_eq!(code(None).await, "UNAUTHENTICATED");
    assert_eq!(code(Some(&editor)).await, "FORBIDDEN");
}
