//! What client libraries send besides the plain request, and what they take.

use std::io::Read;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{Person, TestApp},
    socket::Socket,
};

/// As Apollo's clients send it first: the hash of a query without the query.
fn hash_alone() -> Value {
    let hash = "ecf4edb46db40b5132295c0291d62fb65d6759a9eedfa4d5d612dd5ec54a6b38";
    json!({ "operationName": "Name", "variables": {}, "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_persisted_queries_hear_that_there_are_none_and_send_the_query() {
    let app = TestApp::start().await;
    let expected = json!({
        "errors": [{
            "message": "PersistedQueryNotSupported",
            "extensions": { "code": "PERSISTED_QUERY_NOT_SUPPORTED" },
        }],
    });
    let by_post = app.http.post(app.url("/graphql")).json(&hash_alone());
    let extensions = hash_alone()["extensions"].to_string();
    let by_get = app.http.get(app.url("/graphql")).query(&[("operationName", "Name"), ("extensions", &extensions)]);
    let both = "application/graphql-response+json,application/json;q=0.9";
    for (request, accept) in [(by_post.try_clone().unwrap(), "application/json"), (by_post, both), (by_get, both)] {
        let answer = request.header("accept", accept).send().await.unwrap();
        // Some of those clients look into no other status than this.
        assert_eq!((answer.status(), answer.headers()["cache-control"].to_str().unwrap()), (StatusCode::OK, "no-store"));
        assert_eq!(answer.json::<Value>().await.unwrap(), expected);
    }
    let mut socket = Socket::open(&app, None).await;
    assert_eq!(socket.execute(&hash_alone()).await["errors"], expected["errors"]);
    // Then comes the query, with or without its hash; the connection is still there for it.
    let mut whole = hash_alone();
    whole["query"] = "query Name { portal { name } }".into();
    assert!(socket.execute(&whole).await["data"]["portal"]["name"].is_string());
    let answer = app.http.post(app.url("/graphql")).json(&whole).send().await.unwrap();
    assert!(answer.json::<Value>().await.unwrap()["data"]["portal"]["name"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_is_opened_by_the_headers_that_a_request_would_have() {
    let app = TestApp::start().await;
    let ada = app.person("ada@partner.example", None).await;
    let token = app.mutate(Some(&ada), "createAccessToken", json!({ "name": "ada" }), "secret").await["secret"].clone();
    let bearer = format!("Bearer {}", token.as_str().unwrap());
    for payload in [
        json!({ "headers": { "Authorization": bearer } }),
        json!({ "Headers": { "authorization": bearer, "x-other": 1 } }),
        json!({ "Authorization": bearer, "headers": null }),
        json!({ "authorization": bearer, "headers": { "AUTHORIZATION": bearer } }),
        json!({ "AUTHORIZATION": bearer }),
    ] {
        let mut socket = Socket::open_saying(&app, &payload).await;
        let answer = socket.execute(&json!({ "query": "{ viewer { user { email } } }" })).await;
        assert_eq!(answer["data"]["viewer"]["user"]["email"], "ada@partner.example", "{payload}");
    }
    for (payload, code) in [
        (json!({ "headers": { "Authorization": "Bearer nobody" } }), 4403),
        (json!({ "headers": { "Authorization": 1 } }), 4400),
        (json!({ "authorization": "Bearer one", "headers": { "Authorization": "Bearer two" } }), 4400),
    ] {
        let init = json!({ "type": "connection_init", "payload": payload });
        assert_eq!(Socket::closed_after(&app, "graphql-transport-ws", init).await, code, "{payload}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_by_query_is_one_by_post_that_changes_nothing() {
    let app = TestApp::start_with(|config| config.allowed_origins = vec!["https://app.example".to_owned()]).await;
    let admin = app.staff(entities::enums::StaffRole::Admin).await;
    let query = |body: Value| app.http.request(Method::QUERY, app.url("/graphql")).json(&body);
    let answer = query(json!({ "query": "query($x: ID!) { node(id: $x) { id } portal { name } }", "variables": { "x": "y" } }));
    let answer = answer.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.json::<Value>().await.unwrap()["data"]["portal"]["name"].is_string());
    let rename = json!({ "query": "mutation { updatePortal(input: { name: \"Mine\" }) { portal { name } } }" });
    let cookie = format!("portico_session={}", admin.session);
    let refused = query(rename.clone()).header("cookie", &cookie).send().await.unwrap();
    assert_eq!((refused.status(), refused.headers()["allow"].to_str().unwrap()), (StatusCode::METHOD_NOT_ALLOWED, "POST"));
    let name = app.data(Some(&admin), "{ portal { name } }", json!({})).await["portal"]["name"].clone();
    assert_ne!(name, "Mine");
    // No page of a foreign origin comes by with a session.
    let own = json!({ "query": "{ viewer { user { email } } }" });
    for (origin, status) in [("https://evil.example", 403), ("https://app.example", 200)] {
        let answer = query(own.clone()).header("cookie", &cookie).header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{origin}");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/graphql"] {
        let form = app.http.request(Method::QUERY, app.url("/graphql")).header("content-type", kind).body(own.to_string());
        let refused = form.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        assert_eq!(refused.headers()["accept-query"], "application/json");
    }
    let preflight = app.http.request(Method::OPTIONS, app.url("/graphql")).header("origin", "https://app.example");
    let allowed = preflight.header("access-control-request-method", "QUERY").send().await.unwrap();
    assert!(allowed.headers()["access-control-allow-methods"].to_str().unwrap().contains("QUERY"));
}

async fn asked(app: &TestApp, body: &Value, fields: &[(&str, &str)]) -> (Option<String>, usize, Value) {
    let mut request = app.http.post(app.url("/graphql")).json(body);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    read(request).await
}

/// How the answer was coded, how long it was so, and what it says.
async fn read(request: reqwest::RequestBuilder) -> (Option<String>, usize, Value) {
    let answer = request.send().await.expect("an answer");
    assert!(answer.headers().get_all("vary").iter().any(|vary| vary.to_str().expect("text").contains("accept-encoding")));
    let coding = answer.headers().get("content-encoding").map(|coding| coding.to_str().expect("text").to_owned());
    let bytes = answer.bytes().await.expect("a body");
    let mut text = Vec::new();
    match &coding {
        Some(_) => drop(flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text).expect("gzip")),
        None => text.extend_from_slice(&bytes),
    }
    (coding, bytes.len(), serde_json::from_slice(&text).expect("JSON"))
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_are_packed_for_who_takes_it_and_never_one_with_a_secret() {
    let app = TestApp::start().await;
    let introspection = json!({ "query": include_str!("../../api/src/graphql/limits/introspection.graphql") });
    let (coding, plain, told) = asked(&app, &introspection, &[]).await;
    assert_eq!(coding, None);
    for accept in ["gzip", "gzip, deflate, br", "*"] {
        let (coding, packed, same) = asked(&app, &introspection, &[("accept-encoding", accept)]).await;
        assert_eq!((coding.as_deref(), &same), (Some("gzip"), &told));
        assert!(packed * 4 < plain, "{packed} of {plain} bytes");
    }
    assert_eq!(asked(&app, &introspection, &[("accept-encoding", "br, gzip;q=0")]).await.0, None);
    let small = json!({ "query": "{ portal { name } }" });
    assert_eq!(asked(&app, &small, &[("accept-encoding", "gzip")]).await.0, None);
    // A secret is in an answer to a mutation, here beside a long text of the asker's choice.
    let ada: Person = app.person("ada@partner.example", None).await;
    let cookie = format!("portico_session={}", ada.session);
    let fields = [("accept-encoding", "gzip"), ("cookie", cookie.as_str())];
    let alias = "a".repeat(3_000);
    let make = format!("mutation {{ {alias}: createAccessToken(input: {{ name: \"x\" }}) {{ secret }} }}");
    let (coding, length, _) = asked(&app, &json!({ "query": make }), &fields).await;
    assert!(coding.is_none() && length > 3_000);
    // What another site's page can have a browser ask with its cookie is not packed either.
    let query = format!("{{ {alias}: viewer {{ user {{ email }} }} }}");
    let by_get = app.http.get(app.url("/graphql")).query(&[("query", &query)]).header("accept-encoding", "gzip");
    assert_eq!(read(by_get.try_clone().unwrap()).await.0.as_deref(), Some("gzip"));
    assert_eq!(read(by_get.header("cookie", &cookie)).await.0, None);
    assert_eq!(asked(&app, &json!({ "query": query }), &fields).await.0.as_deref(), Some("gzip"));
}
