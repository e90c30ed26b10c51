//! What one answer may come to, however little was asked with.

use entities::enums::StaffRole;
use serde_json::{Value, json};

use crate::{app::TestApp, socket::Socket};

/// Operations whose schema leads to twice as much with each of 25 steps: a few kilobytes that stand for a megabyte each.
fn growing(operations: usize) -> String {
    let schema = |name: String| json!({ "$ref": format!("#/components/schemas/{name}") });
    let operation = json!({ "responses": { "200": { "description": "ok",
        "content": { "application/json": { "schema": schema("S25".to_owned()) } } } } });
    let paths: serde_json::Map<_, _> = (0..operations).map(|i| (format!("/p{i}"), json!({ "get": operation }))).collect();
    let below = |i: usize| {
        let below = schema(format!("S{}", i - 1));
        json!({ "type": "object", "properties": { "left": below, "right": below } })
    };
    let schemas: serde_json::Map<_, _> =
        (0..=25).map(|i| (format!("S{i}"), if i == 0 { json!({ "type": "string" }) } else { below(i) })).collect();
    json!({ "openapi": "3.1.0", "info": { "title": "t", "version": "1" }, "paths": paths, "components": { "schemas": schemas } })
        .to_string()
}

#[tokio::test]
async fn a_short_query_costs_no_more_than_an_answer_may() {
    let app = TestApp::start_without_gateway().await;
    let editor = app.staff(StaffRole::Editor).await;
    let input = json!({ "slug": "grow", "name": "Grow", "summary": "s", "basePath": "grow", "visibility": "PUBLIC" });
    let made = app.mutate(Some(&editor), "createProduct", input, "product { id }").await;
    let product = made["product"]["id"].clone();
    app.mutate(Some(&editor), "setProductStatus", json!({ "productId": product, "status": "PUBLISHED" }), "product { id }").await;
    let input = json!({ "productId": product, "document": growing(2), "publishEndpoints": true });
    app.mutate(Some(&editor), "publishSpec", input, "spec { id }").await;

    let operations =
        |first: usize| format!("{{ product(slug: \"grow\") {{ endpoints(first: {first}) {{ nodes {{ operation }} }} }} }}");
    let told = |answer: &Value| {
        let error = &answer["errors"][0];
        let message = error["message"].as_str().unwrap_or_default();
        (
            error["extensions"]["code"].clone(),
            message.contains("10 MiB") && message.contains("downloadUrl"),
            answer.get("data").is_none(),
        )
    };
    let aliased = |aliases: usize, first: usize| {
        let one =
            |i: usize| format!("p{i}: product(slug: \"grow\") {{ endpoints(first: {first}) {{ nodes {{ operation }} }} }} ");
        format!("{{ {} }}", (0..aliases).map(one).collect::<String>())
    };
    // 28 of them, which would be more than 20 MiB.
    let (query, too_much) = (aliased(14, 2), (json!("RATE_LIMITED"), true, true));
    let request = app.http.post(app.url("/graphql")).json(&json!({ "query": query })).send().await.expect("an answer");
    assert_eq!(request.status(), 429);
    assert_eq!(told(&request.json().await.expect("JSON")), too_much);
    let mut socket = Socket::open(&app, None).await;
    assert_eq!(told(&socket.execute(&json!({ "query": query })).await), too_much);

    // As much as there is room for is told, as it was; by both ways the same.
    let some = app.data(None, &operations(2), json!({})).await;
    let nodes = some["product"]["endpoints"]["nodes"].as_array().cloned().unwrap_or_default();
    let sizes: Vec<usize> = nodes.iter().map(|node| node["operation"].to_string().len()).collect();
    assert!(sizes.len() == 2 && sizes.iter().all(|size| (500_000..3_000_000).contains(size)), "{sizes:?}");
    let schema = "/operation/responses/200/content/application~1json/schema/properties/left/properties/right/type";
    assert_eq!(nodes[0].pointer(schema), Some(&json!("object")));
    assert!(nodes[0].to_string().contains(r##"{"$ref":"#/components/schemas/S"##));
    assert_eq!(socket.execute(&json!({ "query": operations(2) })).await["data"], some);
    let refused = app.graphql(None, &aliased(5, 100), json!({})).await;
    assert_eq!((&refused["errors"][0]["extensions"]["limit"], refused.get("data")), (&json!("cost"), None), "{refused}");
}
