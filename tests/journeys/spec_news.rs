//! Who is told of a new version, and what it breaks of what they call; who is warned that a subscription expires.

use chrono::TimeDelta;
use entities::{enums::AccessLevel, notification};
use sea_orm::QueryOrder;
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    logs::Call,
};

async fn told(app: &TestApp, who: &Person) -> Vec<(String, String)> {
    let list = notification::Entity::for_user(who.id).order_by_desc(notification::Column::Id);
    list.all(&app.domain().db).await.expect("notifications").into_iter().map(|row| (row.title, row.body)).collect()
}

/// Two operations, or one and its successor.
fn document(version: &str, second: &str) -> String {
    let answer = json!({ "responses": { "200": { "description": "ok" } } });
    let paths = json!({ "/things/{id}": { "get": answer.clone() }, second: { "get": answer } });
    json!({ "openapi": "3.1.0", "info": { "title": "Things", "version": version }, "paths": paths }).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_what_a_version_breaks_are_told_so_by_name_and_once() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let publish = async |document: String, more: Value| {
        let mut input = json!({ "productId": product, "document": document, "publishEndpoints": true });
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        app.mutate(Some(&editor), "publishSpec", input, "spec { id }").await["spec"]["id"].take()
    };
    publish(document("1.0.0", "/old"), json!({})).await;
    app.work().await;
    let plan = app.plan(&editor, &product, "free", true, json!({})).await;
    let (caller, team) = app.partner("acme").await;
    let blind = app.member(&team, "blind@acme.example", AccessLevel::None).await;
    let (holder, holders) = app.partner("globex").await;
    let (stranger, _) = app.partner("initech").await;
    let held = app.subscribed(&caller, &team, &plan).await;
    app.subscribed(&holder, &holders, &plan).await;
    let endpoint = "{ product(slug: \"ship\") { endpoints(search: \"old\") { nodes { id } } } }";
    let old = app.data(Some(&editor), endpoint, json!({})).await["product"]["endpoints"]["nodes"][0]["id"].take();
    Call { endpoint: Some(&old), ..Call::fine(&team, &product, &held) }.log(&app).await;

    app.clock.advance(TimeDelta::days(2));
    let spec = publish(document("2.0.0", "/new"), json!({ "releaseNotes": "Everything is **new**." })).await;
    app.work().await;
    let [(title, body)] = &told(&app, &caller).await[..] else { panic!("one notice") };
    assert_eq!(title, "ship has the new version 2.0.0");
    assert_eq!(body, "It breaks operations that your team calls:\nGET /old\n\nEverything is **new**.");
    let [(_, body)] = &told(&app, &holder).await[..] else { panic!("one notice") };
    assert!(body.starts_with("It breaks operations, but none that your team has called lately."), "{body}");
    for who in [&blind, &stranger] {
        assert_eq!(told(&app, who).await, []);
    }
    let id = spec.as_str().and_then(|id| id.parse().ok()).expect("an id");
    assert_eq!(domain::ops::spec_news::tell(app.domain(), id).await.expect("again"), 0, "once");

    // Beside the one before it, which is served still.
    publish(document("3.0.0", "/newest"), json!({ "pathPrefix": "/v3" })).await;
    app.work().await;
    let (_, body) = &told(&app, &holder).await[0];
    assert!(
        body.contains(
            "2.0.0 is served still, in the sandbox and in production: until it is taken out, calls there work as before."
        ),
        "{body}"
    );
    assert_eq!(told(&app, &holder).await.len(), 2);
    // One that was taken out before anybody was told is no news.
    let gone = publish(document("4.0.0", "/newest"), json!({ "pathPrefix": "/v3" })).await;
    publish(document("5.0.0", "/newest"), json!({ "pathPrefix": "/v3" })).await;
    let input = json!({ "specId": gone, "status": "RETIRED" });
    assert_ne!(
        app.refused(Some(&editor), "setSpecStatus", "SetSpecStatusInput", input).await,
        "",
        "it is RETIRED by its successor"
    );
    app.work().await;
    let titles: Vec<_> = told(&app, &holder).await.into_iter().map(|(title, _)| title).collect();
    assert_eq!(titles, ["5.0.0", "3.0.0", "2.0.0"].map(|version| format!("ship has the new version {version}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_is_warned_of_in_time_and_each_warning_comes_once() {
    let app = TestApp::start().await;
    let editor = app.editor().await;
    let product = app.product(&editor, "ship", "PUBLIC").await;
    let plan = app.plan(&editor, &product, "term", true, json!({ "durationDays": 60 })).await;
    let (dev, team) = app.partner("acme").await;
    app.subscribed(&dev, &team, &plan).await;
    let sweep = async |days: i64| {
        app.clock.advance(TimeDelta::days(days));
        domain::ops::expiry_warnings::warn(app.domain()).await.expect("a sweep")
    };
    assert_eq!(sweep(29).await, 0);
    assert_eq!((sweep(1).await, sweep(0).await, sweep(22).await), (1, 0, 0));
    assert_eq!((sweep(1).await, sweep(0).await), (1, 0));
    assert_eq!(
        told(&app, &dev).await.iter().map(|(title, _)| title.as_str()).collect::<Vec<_>>(),
        ["Ours expires in 7 days", "Ours expires in 30 days"]
    );
    let (_, body) = &told(&app, &dev).await[0];
    assert!(body.contains("on 6 March 2026, 09:00 UTC"), "{body}");
    assert_eq!((sweep(6).await, sweep(0).await, sweep(1).await), (1, 0, 0), "and none after the end");
}
