//! How the API behaves towards those who ask wrongly, too much, or from where they should not.

use std::time::{Duration, Instant};

use entities::enums::StaffRole;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::{
    app::{METRICS_TOKEN, Person, TestApp},
    hostile,
    socket::Socket,
};

/// A debug build on a busy machine; the promise for a release build is 50 ms of CPU time.
const SOON: Duration = Duration::from_secs(2);

struct Asked<'a> {
    method: Method,
    path: String,
    headers: &'a [(&'a str, &'a str)],
    body: Option<Vec<u8>>,
}

async fn ask(app: &TestApp, asked: Asked<'_>) -> reqwest::Response {
    let mut request = app.http.request(asked.method, app.url(&asked.path));
    for (name, value) in asked.headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = asked.body {
        request = request.body(body);
    }
    let answer = request.send().await.expect("an answer");
    assert!(answer.headers()["x-request-id"].to_str().expect("an id").starts_with("req_"));
    answer
}

fn post<'a>(headers: &'a [(&'a str, &'a str)], body: impl Into<Vec<u8>>) -> Asked<'a> {
    Asked { method: Method::POST, path: "/graphql".to_owned(), headers, body: Some(body.into()) }
}

fn get<'a>(headers: &'a [(&'a str, &'a str)], query: &str) -> Asked<'a> {
    Asked { method: Method::GET, path: format!("/graphql?{query}"), headers, body: None }
}

async fn line(answer: reqwest::Response) -> String {
    let kind = answer.headers().get("content-type").map_or("-", |value| value.to_str().expect("text")).to_owned();
    let allow =
        answer.headers().get("allow").map(|value| format!(" allow: {}", value.to_str().expect("text"))).unwrap_or_default();
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let code = body["errors"][0]["extensions"]["code"].as_str().unwrap_or("-").to_owned();
    let data = if body.get("data").is_some() { "data" } else { "no data" };
    format!("{status} {} {data} {code}{allow}", kind.split(';').next().unwrap_or_default())
}

const JSON: (&str, &str) = ("content-type", "application/json");
const OWN: (&str, &str) = ("accept", "application/graphql-response+json");

#[tokio::test(flavor = "multi_thread")]
async fn statuses_and_types_follow_the_specification() {
    let app = TestApp::start().await;
    let mut table = String::new();
    for (what, asked) in [
        ("a query", post(&[JSON], r#"{"query":"{ portal { name } }"}"#)),
        ("its own type", post(&[JSON, OWN], r#"{"query":"{ portal { name } }"}"#)),
        ("by GET", get(&[OWN], "query=%7Bportal%7Bname%7D%7D")),
        ("an unknown field", post(&[JSON], r#"{"query":"{ nothing }"}"#)),
        ("an unknown field, own type", post(&[JSON, OWN], r#"{"query":"{ nothing }"}"#)),
        ("no document", post(&[JSON, OWN], r#"{"query":"{"}"#)),
        ("an error in a field", post(&[JSON, OWN], r#"{"query":"mutation { updatePortal(input: {}) { portal { name } } }"}"#)),
        ("unknown properties", post(&[JSON], r#"{"query":"{ portal { name } }","more":1}"#)),
        ("charset", post(&[("content-type", "application/json; charset=UTF-8")], r#"{"query":"{ portal { name } }"}"#)),
        ("utf-16", post(&[("content-type", "application/json; charset=utf-16")], "{}")),
        ("utf-7", post(&[("content-type", "application/json;charset=\"utf-7\"")], "{}")),
        ("plain text", post(&[("content-type", "text/plain")], r#"{"query":"{ portal { name } }"}"#)),
        ("a form", post(&[("content-type", "application/x-www-form-urlencoded")], "query={portal{name}}")),
        ("multipart", post(&[("content-type", "multipart/form-data; boundary=x")], "--x--")),
        ("no type", post(&[], r#"{"query":"{ portal { name } }"}"#)),
        ("compressed", post(&[JSON, ("content-encoding", "gzip")], "x")),
        ("broken JSON", post(&[JSON], r#"{"query":"#)),
        ("no query", post(&[JSON], "{}")),
        ("a number", post(&[JSON], "1")),
        ("a batch", post(&[JSON], r#"[{"query":"{ portal { name } }"}]"#)),
        ("variables of a wrong type", post(&[JSON], r#"{"query":"{ portal { name } }","variables":[]}"#)),
        ("a mutation by GET", get(&[], "query=mutation%7B__typename%7D")),
        ("a subscription", post(&[JSON, OWN], r#"{"query":"subscription { a }"}"#)),
        ("another method", Asked { method: Method::PUT, path: "/graphql".to_owned(), headers: &[JSON], body: None }),
        ("nothing acceptable", post(&[JSON, ("accept", "image/png")], r#"{"query":"{ portal { name } }"}"#)),
        ("nothing at all acceptable", post(&[JSON, ("accept", "*/*;q=0")], r#"{"query":"{ portal { name } }"}"#)),
        ("too large", post(&[JSON], vec![b' '; 300 * 1024])),
        ("a browser", get(&[("accept", "text/html,*/*;q=0.8")], "")),
        ("elsewhere", Asked { method: Method::GET, path: "/nothing".to_owned(), headers: &[], body: None }),
    ] {
        table += &format!("{what}: {}\n", line(ask(&app, asked).await).await);
    }
    insta::assert_snapshot!(table, @r"
    a query: 200 application/json data -
    its own type: 200 application/graphql-response+json data -
    by GET: 200 application/graphql-response+json data -
    an unknown field: 200 application/json no data BAD_USER_INPUT
    an unknown field, own type: 400 application/graphql-response+json no data BAD_USER_INPUT
    no document: 400 application/graphql-response+json no data BAD_USER_INPUT
    an error in a field: 200 application/graphql-response+json data UNAUTHENTICATED
    unknown properties: 200 application/json data -
    charset: 200 application/json data -
    utf-16: 415 application/json no data BAD_USER_INPUT
    utf-7: 415 application/json no data BAD_USER_INPUT
    plain text: 415 application/json no data BAD_USER_INPUT
    a form: 415 application/json no data BAD_USER_INPUT
    multipart: 415 application/json no data BAD_USER_INPUT
    no type: 415 application/json no data BAD_USER_INPUT
    compressed: 415 application/json no data BAD_USER_INPUT
    broken JSON: 400 application/json no data BAD_USER_INPUT
    no query: 400 application/json no data BAD_USER_INPUT
    a number: 400 application/json no data BAD_USER_INPUT
    a batch: 400 application/json no data BAD_USER_INPUT
    variables of a wrong type: 400 application/json no data BAD_USER_INPUT
    a mutation by GET: 405 application/json no data BAD_USER_INPUT allow: POST
    a subscription: 400 application/graphql-response+json no data BAD_USER_INPUT
    another method: 405 application/json no data BAD_USER_INPUT allow: GET, POST, QUERY
    nothing acceptable: 406 application/json no data BAD_USER_INPUT
    nothing at all acceptable: 406 application/json no data BAD_USER_INPUT
    too large: 413 application/json no data BAD_USER_INPUT
    a browser: 200 text/html no data -
    elsewhere: 404 text/plain no data -
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_requests_are_refused_soon_and_harm_nobody() {
    let app = TestApp::start().await;
    let mut socket = Socket::open(&app, None).await;
    for (name, body) in hostile::requests() {
        let began = Instant::now();
        let answer = ask(&app, post(&[JSON, OWN], body.clone())).await;
        let status = answer.status();
        let text = answer.text().await.expect("a body");
        assert!(!status.is_server_error() && began.elapsed() < SOON, "{name}: {status} after {:?}: {text:.200}", began.elapsed());
        assert!(!text.contains("INTERNAL") && text.len() < 20_000, "{name}: {text:.300}");
        // What is no JSON object with a query never reaches the protocol's payload.
        if let Ok(payload @ Value::Object(_)) = serde_json::from_slice::<Value>(&body)
            && payload["query"].is_string()
            && status != StatusCode::PAYLOAD_TOO_LARGE
            && payload.get("variables").is_none_or(Value::is_object)
        {
            let began = Instant::now();
            let over_socket = socket.execute(&payload).await;
            assert!(began.elapsed() < SOON, "{name} took {:?}", began.elapsed());
            let refused = over_socket.get("data").is_none();
            assert_eq!(refused, status == StatusCode::BAD_REQUEST, "{name}: {status} but {over_socket:.300}");
        }
        let began = Instant::now();
        assert_eq!(
            app.data(None, "{ portal { name } }", json!({})).await["portal"]["name"].as_str().map(str::is_empty),
            Some(false)
        );
        assert!(began.elapsed() < SOON, "the next request after {name} took {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mutation_that_is_refused_leaves_null_and_the_others_answers() {
    let app = TestApp::start().await;
    let query = "mutation { first: updatePortal(input: { name: \"A\" }) { portal { name } } second: updatePortal(input: {}) { userErrors { code } } __typename }";
    let answer = app.graphql(None, query, json!({})).await;
    assert_eq!(answer["data"].to_string(), r#"{"first":null,"second":null,"__typename":"Mutation"}"#);
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(2));
    let unsorted = app
        .data(None, "{ z: portal { name selfRegistration name } node(id: \"x\") { id } a: portal { baseUrl } }", json!({}))
        .await;
    let keys: Vec<_> = unsorted.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!((keys, &unsorted["node"]), (vec!["z", "node", "a"], &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_schema_is_told_unless_a_setting_says_no() {
    let introspection = include_str!("../../api/src/graphql/limits/introspection.graphql");
    let app = TestApp::start().await;
    let told = app.data(None, introspection, json!({})).await;
    assert!(told["__schema"]["types"].as_array().is_some_and(|types| types.len() > 20));

    let quiet = TestApp::start_with(|config| {
        config.introspection = false;
        config.graphiql = false;
    })
    .await;
    let refused = quiet.graphql(None, introspection, json!({})).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    let typo = quiet.graphql(None, "{ portl { name } }", json!({})).await.to_string();
    assert!(!typo.contains("portal"), "{typo}");
    let page = ask(&quiet, get(&[("accept", "text/html")], "")).await;
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_staff_may_send_large_documents() {
    let app = TestApp::start().await;
    let body = json!({ "query": "query($id: ID!) { node(id: $id) { id } }", "variables": { "id": "x".repeat(1024 * 1024) } });
    let status = async |who: Option<&Person>| {
        let cookie = who.map(|person| format!("portico_session={}", person.session)).unwrap_or_default();
        ask(&app, post(&[JSON, ("cookie", &cookie)], body.to_string())).await.status()
    };
    assert_eq!(status(None).await, StatusCode::PAYLOAD_TOO_LARGE);
    let developer = app.person("dev@partner.example", None).await;
    assert_eq!(status(Some(&developer)).await, StatusCode::PAYLOAD_TOO_LARGE);
    let editor = app.staff(StaffRole::Editor).await;
    assert_eq!(status(Some(&editor)).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_used_by_our_own_pages_and_the_allowed_origins() {
    let app = TestApp::start_with(|config| config.allowed_origins = vec!["https://app.example".to_owned()]).await;
    let admin = app.staff(StaffRole::Admin).await;
    let cookie = format!("portico_session={}", admin.session);
    let rename = r#"{"query":"mutation { updatePortal(input: { name: \"Mine\" }) { portal { name } } }"}"#;
    for (origin, status) in
        [("https://evil.example", 403), ("null", 403), ("https://app.example", 200), (app.app.site.base_url.as_str(), 200)]
    {
        let answer = ask(&app, post(&[JSON, ("cookie", &cookie), ("origin", origin)], rename)).await;
        assert_eq!(answer.status().as_u16(), status, "{origin}");
        let allowed = answer.headers().get("access-control-allow-origin").map(|value| value.to_str().expect("text"));
        assert_eq!(allowed, (origin == "https://app.example").then_some(origin));
    }
    let preflight = |origin: &'static str| Asked {
        method: Method::OPTIONS,
        path: "/graphql".to_owned(),
        headers: match origin {
            "https://app.example" => &[
                ("origin", "https://app.example"),
                ("access-control-request-method", "POST"),
                ("access-control-request-headers", "content-type,traceparent,x-own"),
            ],
            _ => &[("origin", "https://evil.example"), ("access-control-request-method", "POST")],
        },
        body: None,
    };
    let allowed = ask(&app, preflight("https://app.example")).await;
    assert_eq!(allowed.headers()["access-control-allow-credentials"], "true");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "content-type,traceparent,x-own");
    assert!(ask(&app, preflight("https://evil.example")).await.headers().get("access-control-allow-origin").is_none());
    assert_eq!(Socket::handshake(&app, &[("origin", "https://evil.example")]).await, Err(403));
    assert_eq!(Socket::handshake(&app, &[("origin", "https://app.example")]).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_answers_as_http_does() {
    let app = TestApp::start().await;
    let admin = app.staff(StaffRole::Admin).await;
    let rename =
        json!({ "query": "mutation { updatePortal(input: { name: \"Harbour\" }) { portal { name } userErrors { code } } }" });
    let mut nobody = Socket::open(&app, None).await;
    assert_eq!(nobody.execute(&rename).await["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    let mut admin = Socket::open(&app, Some(&admin)).await;
    assert_eq!(
        admin.execute(&rename).await["data"]["updatePortal"],
        json!({ "portal": { "name": "Harbour" }, "userErrors": [] })
    );
    let refused = nobody.execute(&json!({ "query": "{ portal }" })).await;
    assert_eq!((refused.get("data"), &refused["errors"][0]["extensions"]["code"]), (None, &json!("BAD_USER_INPUT")));

    assert_eq!(
        Socket::closed_after(
            &app,
            "graphql-transport-ws",
            json!({ "type": "connection_init", "payload": { "authorization": "Bearer x" } })
        )
        .await,
        4403
    );
    assert_eq!(
        Socket::closed_after(&app, "graphql-transport-ws", json!({ "type": "ping", "payload": "x".repeat(300 * 1024) })).await,
        1009
    );
    assert_eq!(Socket::closed_after(&app, "graphql-ws", json!({})).await, 4406);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_counters() {
    let app = TestApp::start().await;
    let read = async |path: &str| ask(&app, Asked { method: Method::GET, path: path.to_owned(), headers: &[], body: None }).await;
    assert_eq!(read("/healthz").await.status(), StatusCode::OK);
    assert_eq!(read("/readyz").await.json::<Value>().await.expect("JSON"), json!({ "database": "up" }));
    app.data(None, "{ portal { name } }", json!({})).await;
    let metrics = async |url: String, authorization: &str| {
        let answer = app.http.get(url).header("authorization", authorization).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("text"))
    };
    let bearer = format!("Bearer {METRICS_TOKEN}");
    let (status, counters) = metrics(app.url("/metrics"), &bearer).await;
    assert_eq!(status, 200);
    for line in [
        "portico_http_request_duration_seconds_count{route=\"/graphql\",status=\"200\"} 1",
        "portico_jobs{state=\"dead\"} 0",
        "process_start_time_seconds 1767603600",
    ] {
        assert!(counters.lines().any(|l| l == line), "{line} is not in\n{counters}");
    }
    let nothing = metrics(app.url("/nothing"), &bearer).await;
    for stranger in ["", "Bearer ", "Bearer another", "Basic YTpi", METRICS_TOKEN] {
        assert_eq!(metrics(app.url("/metrics"), stranger).await, nothing, "{stranger:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_are_where_the_settings_say_and_nowhere_else() {
    let app = TestApp::start_with(|config| {
        config.metrics_token = None;
        config.metrics_listen = Some(([127, 0, 0, 1], 0).into());
    })
    .await;
    let status = async |url: String| {
        let asked = app.http.get(url).header("authorization", "Bearer ");
        asked.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(status(app.url("/metrics")).await, 404);
    let own = app.app.metrics.expect("a listener");
    assert!(app.app.listening().ends_with(&format!(" metrics={own}")));
    assert_eq!(status(format!("http://{own}/metrics")).await, 200);
    assert_eq!(status(format!("http://{own}/graphql")).await, 404);
    let gateway = app.app.gateway.as_ref().expect("a gateway").address();
    assert_eq!(status(format!("http://{gateway}/metrics")).await, 404);
}
