//! Publishing documents, what becomes of their versions, and how they are read.

use std::io::Read;

use entities::enums::StaffRole;
use serde_json::{Value, json};

use crate::app::{Person, TestApp};

/// A document with operations `GET /things/{i}` and one tag each.
fn things(version: &str, count: usize) -> String {
    let paths: serde_json::Map<_, _> = (0..count)
        .map(|i| {
            let operation = json!({
                "operationId": format!("getThing{i}"), "summary": format!("Read Thing {i} of Äpfel"), "tags": [format!("tag{}", i % 3)],
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "$ref": "#/components/schemas/Id" } }],
                "security": [{ "oauth": ["things:read"] }], "responses": { "200": { "description": "ok" } },
                "servers": [{ "url": "https://internal.example" }],
            });
            (format!("/things{i}/{{id}}"), json!({ "get": operation }))
        })
        .collect();
    let document = json!({
        "openapi": "3.1.0", "info": { "title": "Things", "version": version }, "servers": [{ "url": "https://internal.example" }], "paths": paths,
        "components": { "schemas": { "Id": { "type": "string" } }, "securitySchemes": { "oauth": { "type": "oauth2", "flows": {} } } },
    });
    document.to_string()
}

struct Shop {
    app: TestApp,
    editor: Person,
    product: String,
}

impl Shop {
    /// A public product without a document.
    async fn open() -> Self {
        let app = TestApp::start().await;
        let editor = app.staff(StaffRole::Editor).await;
        let input = json!({ "slug": "things", "name": "Things", "summary": "s", "basePath": "things", "visibility": "PUBLIC" });
        let made = app.mutate(Some(&editor), "createProduct", input, "product { id }").await;
        let product = made["product"]["id"].as_str().expect("an id").to_owned();
        app.mutate(Some(&editor), "setProductStatus", json!({ "productId": product, "status": "PUBLISHED" }), "product { id }")
            .await;
        Self { app, editor, product }
    }

    /// The version's id.
    async fn publish(&self, document: String, more: Value) -> Value {
        let mut input = json!({ "productId": self.product, "document": document, "publishEndpoints": true });
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let made = self.app.mutate(Some(&self.editor), "publishSpec", input, "spec { id } product { id }").await;
        made["spec"]["id"].clone()
    }

    async fn versions(&self) -> String {
        let query =
            "{ product(slug: \"things\") { currentSpec { version } specs { nodes { version status pathPrefix servedBy } } } }";
        let product = self.app.data(None, query, json!({})).await["product"].take();
        let nodes = product["specs"]["nodes"].as_array().cloned().unwrap_or_default();
        let line = |node: &Value| format!("{} {} {} {}\n", node["version"], node["status"], node["pathPrefix"], node["servedBy"]);
        nodes.iter().map(line).collect::<String>() + &product["currentSpec"]["version"].to_string()
    }

    async fn endpoints(&self, who: Option<&Person>, arguments: &str) -> Value {
        let query = format!(
            "{{ product(slug: \"things\") {{ endpoints({arguments}) {{ nodes {{ id path status }} totalCount pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }}"
        );
        self.app.data(who, &query, json!({})).await["product"]["endpoints"].take()
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
        let request =
            headers.iter().fold(self.app.http.get(self.app.url(path)), |request, (name, value)| request.header(*name, *value));
        request.send().await.expect("an answer")
    }
}

fn paths(list: &Value) -> String {
    let nodes = list["nodes"].as_array().cloned().unwrap_or_default();
    nodes.iter().filter_map(|node| node["path"].as_str()).collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_are_listed_in_the_documents_order_and_searched() {
    let shop = Shop::open().await;
    shop.publish(things("1.0", 7), json!({})).await;
    let list = shop.endpoints(None, "first: 3").await;
    assert_eq!((paths(&list).as_str(), &list["totalCount"]), ("/things0/{id} /things1/{id} /things2/{id}", &json!(7)));
    let list = shop.endpoints(None, &format!("first: 9, after: {}", list["pageInfo"]["endCursor"])).await;
    assert_eq!(paths(&list), "/things3/{id} /things4/{id} /things5/{id} /things6/{id}");
    let list = shop.endpoints(None, &format!("last: 2, before: {}", list["pageInfo"]["endCursor"])).await;
    assert_eq!(paths(&list), "/things4/{id} /things5/{id}");
    assert_eq!(list["pageInfo"]["hasPreviousPage"], true);
    for (search, found) in [
        ("GETTHING3", "/things3/{id}"),
        ("tag1 read", "/things1/{id} /things4/{id}"),
        ("thing äpfel 5", "/things5/{id}"),
        ("get /things6", "/things6/{id}"),
        ("tag1 tag2", ""),
        ("thing%", ""),
        ("_", ""),
    ] {
        let list = shop.endpoints(None, &format!("search: \"{search}\"")).await;
        let count = found.split_whitespace().count();
        assert_eq!((paths(&list).as_str(), &list["totalCount"]), (found, &json!(count)), "{search}");
    }
    let query = "{ product(slug: \"things\") { endpoints(first: 1) { nodes { operationId method summary tags requiredScopes deprecated operation } } } }";
    let one = shop.app.data(None, query, json!({})).await;
    insta::assert_json_snapshot!(one["product"]["endpoints"]["nodes"][0], @r#"
    {
      "operationId": "getThing0",
      "method": "GET",
      "summary": "Read Thing 0 of Äpfel",
      "tags": [
        "tag0"
      ],
      "requiredScopes": [
        "things:read"
      ],
      "deprecated": false,
      "operation": {
        "operationId": "getThing0",
        "summary": "Read Thing 0 of Äpfel",
        "tags": [
          "tag0"
        ],
        "parameters": [
          {
            "name": "id",
            "in": "path",
            "required": true,
            "schema": {
              "type": "string"
            }
          }
        ],
        "security": [
          {
            "oauth": [
              "things:read"
            ]
          }
        ],
        "responses": {
          "200": {
            "description": "ok"
          }
        },
        "servers": [
          {
            "url": "https://internal.example"
          }
        ]
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_takes_over_and_others_stay_where_they_are_served() {
    let shop = Shop::open().await;
    let first = shop.publish(things("1.0", 2), json!({})).await;
    shop.publish(things("1.1", 3), json!({ "servedBy": ["SANDBOX"] })).await;
    insta::assert_snapshot!(shop.versions().await, @r#"
    "1.1" "CURRENT" "" ["SANDBOX"]
    "1.0" "SUPPORTED" "" ["PRODUCTION"]
    "1.1"
    "#);
    shop.publish(things("2.0", 1), json!({ "pathPrefix": "/v2", "releaseNotes": "All new" })).await;
    insta::assert_snapshot!(shop.versions().await, @r#"
    "2.0" "CURRENT" "/v2" ["SANDBOX","PRODUCTION"]
    "1.1" "SUPPORTED" "" ["SANDBOX"]
    "1.0" "SUPPORTED" "" ["PRODUCTION"]
    "2.0"
    "#);
    let list = shop.endpoints(None, "first: 2").await;
    assert_eq!(paths(&list), "/v2/things0/{id} /things0/{id}");
    let list = shop.endpoints(None, &format!("after: {}", list["pageInfo"]["endCursor"])).await;
    assert_eq!(paths(&list), "/things1/{id} /things2/{id} /things0/{id} /things1/{id}");
    let back = shop.endpoints(None, &format!("last: 2, before: {}", list["pageInfo"]["startCursor"])).await;
    assert_eq!(paths(&back), "/v2/things0/{id} /things0/{id}");

    let set = async |status: &str| {
        let query = "mutation($input: SetSpecStatusInput!) { setSpecStatus(input: $input) { userErrors { code message } } }";
        let input = json!({ "input": { "specId": first, "status": status } });
        shop.app.data(Some(&shop.editor), query, input).await["setSpecStatus"]["userErrors"].take()
    };
    assert_eq!(set("CURRENT").await, json!([]));
    insta::assert_snapshot!(shop.versions().await, @r#"
    "2.0" "SUPPORTED" "/v2" ["SANDBOX","PRODUCTION"]
    "1.1" "SUPPORTED" "" ["SANDBOX"]
    "1.0" "CURRENT" "" ["PRODUCTION"]
    "1.0"
    "#);
    insta::assert_json_snapshot!(set("RETIRED").await, @r#"
    [
      {
        "code": "WRONG_STATE",
        "message": "version 1.0 cannot become RETIRED while CURRENT: make another version CURRENT first"
      }
    ]
    "#);
    shop.publish(things("1.2", 1), json!({})).await;
    insta::assert_snapshot!(shop.versions().await, @r#"
    "1.2" "CURRENT" "" ["SANDBOX","PRODUCTION"]
    "2.0" "SUPPORTED" "/v2" ["SANDBOX","PRODUCTION"]
    "1.1" "RETIRED" "" []
    "1.0" "RETIRED" "" []
    "1.2"
    "#);
    let list = shop.endpoints(None, "first: 20").await;
    assert_eq!(paths(&list), "/things0/{id} /v2/things0/{id}");
    insta::assert_json_snapshot!(set("SUPPORTED").await, @r#"
    [
      {
        "code": "TAKEN",
        "message": "version 1.2 is served there without a path prefix already: name in servedBy where this one is to take its place, or retire it"
      }
    ]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_are_for_staff_until_they_are_published() {
    let shop = Shop::open().await;
    shop.publish(things("1.0", 1), json!({ "publishEndpoints": false })).await;
    assert_eq!(shop.endpoints(None, "first: 20").await["totalCount"], 0);
    let list = shop.endpoints(Some(&shop.editor), "first: 20").await;
    let draft = &list["nodes"][0];
    assert_eq!(draft["status"], "DRAFT");
    let node = async |who| shop.app.data(who, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": draft["id"] })).await;
    assert_eq!(node(None).await, json!({ "node": null }));
    assert_eq!(node(Some(&shop.editor)).await, json!({ "node": { "id": draft["id"] } }));
    let document: Value = shop.get("/products/things/openapi/1.0.json", &[]).await.json().await.expect("JSON");
    assert_eq!((&document["paths"], &document["components"]["schemas"]), (&json!({}), &Value::Null));

    let input = json!({ "endpointId": draft["id"], "status": "PUBLISHED" });
    shop.app.mutate(Some(&shop.editor), "setEndpointStatus", input, "product { id }").await;
    assert_eq!(shop.endpoints(None, "first: 20").await["totalCount"], 1);
    // What partners call stays; what a successor adds is held back.
    shop.publish(things("1.1", 2), json!({ "publishEndpoints": false })).await;
    assert_eq!(paths(&shop.endpoints(None, "first: 20").await), "/things0/{id}");
    let document: Value = shop.get("/products/things/openapi/latest.json", &[]).await.json().await.expect("JSON");
    let listed: Vec<_> = document["paths"].as_object().into_iter().flatten().map(|(path, _)| path).collect();
    assert_eq!(listed, ["/things0/{id}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_names_the_gateway_and_is_cached_by_its_tag() {
    let shop = Shop::open().await;
    shop.publish(things("1.0", 2), json!({ "pathPrefix": "/v1" })).await;
    let query = "{ product(slug: \"things\") { currentSpec { downloadUrl yaml: downloadUrl(format: YAML) } } }";
    let urls = shop.app.data(None, query, json!({})).await;
    assert_eq!(urls["product"]["currentSpec"]["downloadUrl"], shop.app.url("/products/things/openapi/1.0.json"));
    assert_eq!(urls["product"]["currentSpec"]["yaml"], shop.app.url("/products/things/openapi/1.0.yaml"));

    let plain = shop.get("/products/things/openapi/1.0.json", &[]).await;
    let head = |response: &reqwest::Response, name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let tag = head(&plain, "etag");
    let named = ["content-type", "vary", "cache-control"].map(|name| head(&plain, name));
    assert_eq!(named, ["application/json", "Accept-Encoding, Authorization, Cookie", "private, no-cache"]);
    let text = plain.text().await.expect("a body");
    assert!(tag.starts_with('"') && !text.contains("internal.example"), "{tag}");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(document["servers"], json!([{ "url": format!("{}/things/v1", shop.app.app.site.gateway_url) }]));

    let zipped = shop.get("/products/things/openapi/latest.json", &[("accept-encoding", "gzip")]).await;
    assert_eq!(head(&zipped, "content-encoding"), "gzip");
    assert_ne!(head(&zipped, "etag"), tag);
    let (zipped, mut unzipped) = (zipped.bytes().await.expect("a body"), String::new());
    flate2::read::GzDecoder::new(&zipped[..]).read_to_string(&mut unzipped).expect("gzip");
    assert_eq!(unzipped, text);

    for (known, status) in [(tag.as_str(), 304), ("\"other\"", 200), ("*", 304)] {
        let answer = shop.get("/products/things/openapi/1.0.json", &[("if-none-match", known)]).await;
        assert_eq!((answer.status().as_u16(), head(&answer, "etag")), (status, tag.clone()), "{known}");
    }
    let yaml = shop.get("/products/things/openapi/latest.yaml", &[]).await;
    assert_eq!(head(&yaml, "content-type"), "application/yaml");
    assert!(yaml.text().await.expect("a body").starts_with("openapi: \"3.1.0\"\ninfo:\n  title: Things\n"));
    for missing in ["things/openapi/9.9.json", "things/openapi/1.0.txt", "nothing/openapi/1.0.json"] {
        assert_eq!(shop.get(&format!("/products/{missing}"), &[]).await.status(), 404, "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_document_gets_errors_that_point_at_the_place() {
    let shop = Shop::open().await;
    shop.publish(things("1.0", 1), json!({})).await;
    let wrong = async |document: &str, more: Value| {
        let query =
            "mutation($input: PublishSpecInput!) { publishSpec(input: $input) { spec { id } userErrors { code path message } } }";
        let mut input = json!({ "productId": shop.product, "document": document, "publishEndpoints": true });
        input.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        let data = shop.app.data(Some(&shop.editor), query, json!({ "input": input })).await;
        let errors = data["publishSpec"]["userErrors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|error| format!("{} {}: {}\n", error["code"], error["path"], error["message"])).collect::<String>()
    };
    let broken =
        "openapi: 3.0.3\ninfo: { title: Pets, version: '1' }\npaths:\n  /pets: { get: { responses: [] } }\n  /cats/{: {}\n";
    let told = [
        wrong("openapi: 3.0.3\ninfo: {", json!({})).await,
        wrong(broken, json!({})).await,
        wrong(&things("1.0", 1), json!({})).await,
        wrong(&things("two words", 1), json!({ "pathPrefix": "v2", "servedBy": [] })).await,
        wrong(&things("2.0", 1), json!({ "version": "latest" })).await,
    ];
    insta::assert_snapshot!(told.join("\n"), @r#"
    "INVALID" ["document"]: "line 2, column 7: unclosed bracket '{'"

    "INVALID" ["document"]: "/paths/~1pets/get/responses must be an object of status codes"
    "INVALID" ["document"]: "/paths/~1cats~1{ has a { without a } after it"

    "TAKEN" ["version"]: "version 1.0 is published already: give another version"

    "INVALID" ["version"]: "\"two words\" cannot stand in addresses: give a version of 1 to 64 letters, digits and . _ - + ~"
    "INVALID" ["pathPrefix"]: "must be empty or start with a slash, such as /v2"
    "REQUIRED" ["servedBy"]: "name an environment, or leave it out for all"

    "INVALID" ["version"]: "latest always means the current version: give another version"
    "#);
    let answer = shop.app.graphql(
        Some(&shop.editor),
        "mutation { publishSpec(input: { productId: \"prod_x\", document: \"{}\", publishEndpoints: true }) { spec { id } } }",
        json!({}),
    );
    assert_eq!(answer.await["errors"][0]["extensions"]["code"], "NOT_FOUND");
}
