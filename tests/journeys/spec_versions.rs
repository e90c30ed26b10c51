//! Versions side by side: where calls to each go, and what one changed of the one before it.

use std::time::Duration;

use axum::{Router, http::Uri};
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

/// A document with these operations, `GET /things` and the like, each answered with an object of these properties.
fn document(version: &str, operations: &[&str], properties: &[&str]) -> String {
    let properties: Value = properties.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
    let schema = json!({ "type": "object", "properties": properties });
    let mut paths = json!({});
    for operation in operations {
        let (method, path) = operation.split_once(' ').expect("a method and a path");
        let answer = json!({ "description": "ok", "content": { "application/json": { "schema": schema } } });
        paths[path][method.to_lowercase()] = json!({ "responses": { "200": answer } });
    }
    json!({ "openapi": "3.1.0", "info": { "title": "Things", "version": version }, "paths": paths }).to_string()
}

struct Shop {
    app: TestApp,
    editor: Person,
    product: Value,
}

impl Shop {
    /// A product with an upstream that answers with the path it was asked for.
    async fn open() -> Self {
        let app = TestApp::start().await;
        let editor = app.editor().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let upstream = format!("http://{}", listener.local_addr().expect("an address"));
        let echo = Router::new().fallback(async |uri: Uri| uri.path().to_owned());
        tokio::spawn(async move { axum::serve(listener, echo).await });
        let input = json!({ "slug": "t", "name": "T", "summary": "t", "basePath": "t", "visibility": "PUBLIC" });
        let product = app.mutate(Some(&editor), "createProduct", input, "product { id }").await["product"]["id"].take();
        for environment in ["SANDBOX", "PRODUCTION"] {
            let input =
                json!({ "productId": product, "environment": environment, "backend": "UPSTREAM", "upstreamUrl": upstream });
            app.mutate(Some(&editor), "setProductEnvironment", input, "product { id }").await;
        }
        let input = json!({ "productId": product, "status": "PUBLISHED" });
        app.mutate(Some(&editor), "setProductStatus", input, "product { id }").await;
        Self { app, editor, product }
    }

    fn publication(&self, document: String, more: Value) -> Value {
        let mut input = json!({ "productId": self.product, "document": document, "publishEndpoints": true });
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        input
    }

    /// The version's id.
    async fn publish(&self, document: String, more: Value) -> Value {
        let input = self.publication(document, more);
        self.app.mutate(Some(&self.editor), "publishSpec", input, "spec { id } product { id }").await["spec"]["id"].take()
    }

    async fn set(&self, spec: &Value, status: &str) -> String {
        let input = json!({ "specId": spec, "status": status });
        self.app.refusal(Some(&self.editor), "setSpecStatus", "SetSpecStatusInput", input).await
    }

    /// A sandbox and a production key of one team.
    async fn keys(&self) -> [String; 2] {
        let (dev, team) = self.app.partner("acme").await;
        let sandbox = self.app.plan(&self.editor, &self.product, "sandbox", true, json!({})).await;
        let production = self.app.plan(&self.editor, &self.product, "production", false, json!({})).await;
        let first = self.app.subscribed(&dev, &team, &sandbox).await.secret;
        let profile = self.app.subscribed(&dev, &team, &production).await.production;
        let input = json!({ "profileId": profile });
        let mut made = self.app.mutate(Some(&dev), "createCredential", input, "issued { secret }").await;
        [first, made["issued"]["secret"].take()].map(|key| key.as_str().expect("a key").to_owned())
    }

    /// What the gateway answers, once it knows of all changes: the status, and the upstream's path where it was reached.
    async fn call(&self, key: &str, path: &str, expected: &str) {
        let mut answer = String::new();
        for _ in 0..200 {
            let url = format!("{}{path}", self.app.app.site.gateway_url);
            let response = self.app.http.get(url).header("x-api-key", key).send().await.expect("an answer");
            let status = response.status().as_u16();
            let body = response.text().await.expect("a body");
            answer = if status == 200 { format!("200 {body}") } else { status.to_string() };
            if answer == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(answer, expected, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_versions_answer_at_once_each_under_its_prefix_and_in_its_environments() {
    let shop = Shop::open().await;
    shop.publish(document("1.0", &["GET /things", "GET /old"], &[]), json!({})).await;
    let fresh = shop.publish(document("1.1", &["GET /things", "GET /fresh"], &[]), json!({ "servedBy": ["SANDBOX"] })).await;
    let second = shop.publish(document("2.0", &["GET /things"], &[]), json!({ "pathPrefix": "/v2" })).await;
    let [sandbox, production] = shop.keys().await;
    for (path, in_sandbox, in_production) in [
        ("/t/things", "200 /things", "200 /things"),
        ("/t/fresh", "200 /fresh", "404"),
        ("/t/old", "404", "200 /old"),
        ("/t/v2/things", "200 /v2/things", "200 /v2/things"),
        ("/t/v2/fresh", "404", "404"),
    ] {
        shop.call(&sandbox, path, in_sandbox).await;
        shop.call(&production, path, in_production).await;
    }

    // The same calls are answered by one version only, whatever its prefix.
    let doubled = document("3.0", &["GET /things", "GET /v2/things"], &[]);
    let refused = shop.publication(doubled.clone(), json!({}));
    let refused = shop.app.refusal(Some(&shop.editor), "publishSpec", "PublishSpecInput", refused).await;
    insta::assert_snapshot!(refused, @"TAKEN pathPrefix: version 2.0 answers GET /v2/things already: choose another path prefix or other environments, or retire that version");
    assert_eq!(shop.set(&fresh, "CURRENT").await, "fine : ");
    assert_eq!(shop.set(&second, "RETIRED").await, "fine : ");
    shop.call(&sandbox, "/t/v2/things", "404").await;
    shop.call(&production, "/t/v2/things", "404").await;
    shop.publish(doubled, json!({})).await;
    shop.call(&production, "/t/v2/things", "200 /v2/things").await;
    insta::assert_snapshot!(shop.set(&second, "SUPPORTED").await, @"TAKEN servedBy: version 3.0 answers GET /v2/things already: choose another path prefix or other environments, or retire that version");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_takes_anothers_place_at_one_moment_and_a_renamed_parameter_loses_nobody() {
    let shop = Shop::open().await;
    let old = shop.publish(document("1.0", &["GET /things/{id}"], &[]), json!({})).await;
    // Not published at once, and still there: it is the same operation.
    let more = json!({ "publishEndpoints": false, "servedBy": ["SANDBOX"] });
    let new = shop.publish(document("2.0", &["GET /things/{thingId}", "GET /fresh"], &[]), more).await;
    let [sandbox, production] = shop.keys().await;
    shop.call(&sandbox, "/t/things/1", "200 /things/1").await;
    shop.call(&sandbox, "/t/fresh", "404").await;
    shop.call(&production, "/t/things/1", "200 /things/1").await;

    // From the sandbox to production, while a partner calls: never neither, never both.
    let before = json!({ "specId": old, "status": "CURRENT", "servedBy": ["PRODUCTION"] });
    assert_eq!(shop.app.refusal(Some(&shop.editor), "setSpecStatus", "SetSpecStatusInput", before).await, "fine : ");
    shop.call(&production, "/t/things/1", "200 /things/1").await;
    let everywhere = json!({ "specId": new, "status": "CURRENT", "servedBy": ["SANDBOX", "PRODUCTION"] });
    let calls = async {
        for _ in 0..40 {
            let url = format!("{}/t/things/1", shop.app.app.site.gateway_url);
            let answer = shop.app.http.get(url).header("x-api-key", &production).send().await.expect("an answer");
            assert_eq!(answer.status(), 200);
        }
    };
    let moved = shop.app.refusal(Some(&shop.editor), "setSpecStatus", "SetSpecStatusInput", everywhere);
    let (_, moved) = tokio::join!(calls, moved);
    assert_eq!(moved, "fine : ");
    let query = "{ product(slug: \"t\") { specs(first: 9) { nodes { version status servedBy } } } }";
    let seen = shop.app.data(Some(&shop.editor), query, json!({})).await["product"]["specs"]["nodes"].take();
    assert_eq!(seen[0], json!({ "version": "2.0", "status": "CURRENT", "servedBy": ["SANDBOX", "PRODUCTION"] }));
    assert_eq!(seen[1], json!({ "version": "1.0", "status": "RETIRED", "servedBy": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_says_what_it_changed_and_partners_learn_nothing_of_drafts() {
    let shop = Shop::open().await;
    shop.publish(document("1.0", &["GET /things", "GET /old"], &["id", "name"]), json!({})).await;
    let held_back = json!({ "publishEndpoints": false, "releaseNotes": "Leaner" });
    shop.publish(document("1.1", &["GET /things", "GET /old", "GET /fresh"], &["id", "name"]), held_back).await;
    shop.publish(document("2.0", &["GET /things"], &["id"]), json!({})).await;
    let told = async |who: Option<&Person>| {
        let query = "{ product(slug: \"t\") { specs(first: 9) { nodes { version breaking releaseNotes changes { kind breaking operation text } } } } }";
        let mut found = shop.app.data(who, query, json!({})).await;
        let nodes = found["product"]["specs"]["nodes"].take();
        let change = |change: &Value| {
            let mark = if change["breaking"] == true { "!" } else { "" };
            format!("  {mark}{} {} {}\n", change["kind"], change["operation"], change["text"]).replace('"', "")
        };
        let version = |node: &Value| {
            let changes: String = node["changes"].as_array().expect("a list").iter().map(change).collect();
            format!("{} breaking: {} {}\n{changes}", node["version"], node["breaking"], node["releaseNotes"])
        };
        nodes.as_array().expect("a list").iter().map(version).collect::<String>()
    };
    insta::assert_snapshot!(told(None).await, @r#"
    "2.0" breaking: true null
      !REMOVED GET /things the answer 200: `name` was removed (it was optional)
      !REMOVED GET /old the operation was removed
    "1.1" breaking: false "Leaner"
    "1.0" breaking: false null
    "#);
    insta::assert_snapshot!(told(Some(&shop.editor)).await, @r#"
    "2.0" breaking: true null
      !REMOVED GET /things the answer 200: `name` was removed (it was optional)
      !REMOVED GET /old the operation was removed
      !REMOVED GET /fresh the operation was removed
    "1.1" breaking: false "Leaner"
      ADDED GET /fresh the operation was added
    "1.0" breaking: false null
    "#);
}
