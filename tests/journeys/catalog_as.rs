//! The catalog as a partner sees it: staff are shown what the partner's own people are, to the last field.

use entities::enums::{AccessLevel, StaffRole};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

/// All of a product that depends on who looks.
const SEEN: &str = "nodes {
    slug
    endpoints { nodes { method path status } totalCount }
    plans { slug status approvalGroup { name } sandboxTestData { name value } supersededBy { id } product { plans { slug } } }
    viewerSubscriptions { id name }
    environments { environment backend upstreamUrl timeoutMs }
    assignments { nodes { id } }
    specs { nodes { version changes { text } breaking } }
    currentSpec { version changes { text } }
} pageInfo { hasNextPage endCursor } totalCount";

/// What the second version adds is not for partners yet.
const SECOND: &str = r#"{ "openapi": "3.1.0", "info": { "title": "Ship", "version": "2.0.0" }, "paths": {
    "/shipments": { "get": { "responses": { "200": { "description": "ok" } } } },
    "/secret": { "get": { "responses": { "200": { "description": "ok" } } } }
} }"#;

async fn as_team(app: &TestApp, staff: &Person, team: &Value) -> Value {
    let query = format!("query($team: ID!) {{ provider {{ catalogAs(teamId: $team, first: 10) {{ {SEEN} }} }} }}");
    app.data(Some(staff), &query, json!({ "team": team })).await["provider"]["catalogAs"].take()
}

async fn own(app: &TestApp, member: &Person) -> Value {
    app.data(Some(member), &format!("{{ products(first: 10) {{ {SEEN} }} }}"), json!({})).await["products"].take()
}

/// Products of every kind, and one plan of each.
async fn catalog(app: &TestApp, editor: &Person, acme: &Value) -> Vec<Value> {
    let admin = app.staff(StaffRole::Admin).await;
    let group = json!({ "name": "Compliance", "memberIds": [admin.id.to_string()] });
    let group = app.mutate(Some(&admin), "createApprovalGroup", group, "group { id }").await["group"]["id"].take();
    let mut plans = Vec::new();
    for (slug, visibility) in
        [("open", "PUBLIC"), ("inside", "MEMBERS"), ("theirs", "ASSIGNED"), ("others", "ASSIGNED"), ("old", "PUBLIC")]
    {
        let product = app.product(editor, slug, visibility).await;
        let data = json!([{ "type": "card", "name": "Visa", "value": "4242", "description": "passes" }]);
        let more = json!({ "approvalGroupId": group, "sandboxTestData": data });
        plans.push(app.plan(editor, &product, "main", true, more).await);
        let draft = json!({ "productId": product, "slug": "draft", "name": "draft", "pricing": { "model": "FREE" }, "hasSandbox": false,
            "environments": [{ "environment": "PRODUCTION", "authMethod": "API_KEY" }] });
        app.mutate(Some(editor), "createPlan", draft, "plan { id }").await;
        let spec = json!({ "productId": product, "document": SECOND, "publishEndpoints": false });
        app.mutate(Some(editor), "publishSpec", spec, "product { id }").await;
        match slug {
            "theirs" => {
                let input = json!({ "productId": product, "teamId": acme });
                app.mutate(Some(editor), "assignProduct", input, "product { id }").await;
            }
            "old" => {
                for status in ["DEPRECATED", "RETIRED"] {
                    let input = json!({ "productId": product, "status": status });
                    app.mutate(Some(editor), "setProductStatus", input, "product { id }").await;
                }
            }
            _ => {}
        }
    }
    plans
}

#[tokio::test]
async fn staff_see_what_the_partners_people_see() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let ((ann, acme), (bob, globex)) = (app.partner("acme").await, app.partner("globex").await);
    let plans = catalog(&app, &editor, &acme).await;
    app.subscribed(&ann, &acme, &plans[0]).await;
    for (member, team, slugs) in [(&ann, &acme, vec!["inside", "open", "theirs"]), (&bob, &globex, vec!["inside", "open"])] {
        let (told, seen) = (as_team(&app, &editor, team).await, own(&app, member).await);
        assert_eq!(told, seen);
        let listed: Vec<_> = told["nodes"].as_array().expect("products").iter().map(|node| node["slug"].as_str()).collect();
        assert_eq!(listed, slugs.into_iter().map(Some).collect::<Vec<_>>());
    }
    // What staff see by their own eyes is in the same answer, and neither is mixed up with the other.
    let query = format!(
        "query($team: ID!) {{ provider {{ products(first: 10) {{ {SEEN} }} catalogAs(teamId: $team, first: 10) {{ {SEEN} }} }} }}"
    );
    let both = app.data(Some(&editor), &query, json!({ "team": acme })).await;
    assert_eq!(both["provider"]["catalogAs"], own(&app, &ann).await);
    let alone = format!("{{ provider {{ products(first: 10) {{ {SEEN} }} }} }}");
    let alone = app.data(Some(&editor), &alone, json!({})).await;
    assert_eq!(both["provider"]["products"], alone["provider"]["products"]);
    let plans_of = |list: &Value| list["nodes"][1]["plans"].as_array().expect("plans").len();
    assert!(plans_of(&both["provider"]["products"]) > plans_of(&both["provider"]["catalogAs"]));

    let page = "query($team: ID!, $after: String) {
        provider { catalogAs(teamId: $team, first: 1, after: $after) { nodes { slug } pageInfo { hasNextPage endCursor } } }
    }";
    let (mut after, mut walked) = (Value::Null, Vec::new());
    loop {
        let mut list =
            app.data(Some(&editor), page, json!({ "team": acme, "after": after })).await["provider"]["catalogAs"].take();
        walked.push(list["nodes"][0]["slug"].take());
        after = list["pageInfo"]["endCursor"].take();
        if list["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(walked, ["inside", "open", "theirs"]);
}

#[tokio::test]
async fn only_staff_who_may_read_see_it_as_others_do() {
    let app = TestApp::start().await;
    let (editor, auditor) = (app.editor().await, app.staff(StaffRole::Auditor).await);
    let (ann, acme) = app.partner("acme").await;
    let reader = app.member(&acme, "reader@acme.example", AccessLevel::Read).await;
    let query = "query($team: ID!) { provider { catalogAs(teamId: $team) { totalCount } } }";
    let ask = async |who: Option<&Person>, team: &Value| {
        let answer = app.graphql(who, query, json!({ "team": team })).await;
        let shown = if answer["data"]["provider"].is_null() { "nothing" } else { "fine" };
        answer["errors"][0]["extensions"]["code"].as_str().unwrap_or(shown).to_owned()
    };
    assert_eq!(ask(Some(&editor), &acme).await, "fine");
    assert_eq!(ask(Some(&auditor), &acme).await, "FORBIDDEN");
    for partner in [Some(&ann), Some(&reader), None] {
        assert_eq!(ask(partner, &acme).await, "nothing");
    }
    assert_eq!(ask(Some(&editor), &json!("team_01h2xcejqtf2nbrexx3vqjhp41")).await, "NOT_FOUND");
    assert_eq!(ask(Some(&editor), &json!("nonsense")).await, "NOT_FOUND");
}
