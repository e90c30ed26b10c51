//! What browsers are told: what a page may load and do, by which cookie they are known, and the explorer.

use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::{app::TestApp, sign_in::header};

async fn page(app: &TestApp, method: Method, path: &str) -> Response {
    app.http.request(method, app.url(path)).header("accept", "text/html").send().await.expect("an answer")
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let app = TestApp::start_without_gateway().await;
    for (method, path) in [
        (Method::GET, "/graphql"),
        (Method::POST, "/graphql"),
        (Method::GET, "/graphql/explorer.js"),
        (Method::GET, "/graphql/explorer.css"),
        (Method::GET, "/graphql/ws"),
        (Method::GET, "/auth/sign-in"),
        (Method::GET, "/auth/page.css"),
        (Method::GET, "/auth/signed-in"),
        (Method::GET, "/auth/magic-link?token=x"),
        (Method::GET, "/notifications/x"),
        (Method::GET, "/products/x/openapi/latest.json"),
        (Method::GET, "/audit.jsonl"),
        (Method::GET, "/healthz"),
        (Method::GET, "/.well-known/oauth-authorization-server"),
        (Method::GET, "/nothing"),
    ] {
        let answer = page(&app, method, path).await;
        let told = ["x-content-type-options", "referrer-policy", "x-frame-options"].map(|name| header(&answer, name));
        assert_eq!(told, ["nosniff", "no-referrer", "DENY"], "{path}");
        let policy = header(&answer, "content-security-policy");
        for part in ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("nonce") && !policy.contains('*'), "{path}: {policy}");
        if header(&answer, "content-type").starts_with("text/html") {
            let html = answer.text().await.expect("a page");
            let scripts = html.matches("<script").count();
            assert_eq!(scripts, html.matches("<script type=\"module\" src=\"/").count(), "{path}");
            assert!(!html.contains("<style") && !html.contains(" style=") && !html.contains(" onclick"), "{path}: {html}");
            assert!(
                policy.contains("script-src 'self'") == (scripts > 0) && policy.contains("style-src 'self'"),
                "{path}: {policy}"
            );
        }
    }
}

#[tokio::test]
async fn the_explorer_comes_from_us_alone_or_not_at_all() {
    let app = TestApp::start_without_gateway().await;
    let html = page(&app, Method::GET, "/graphql").await.text().await.expect("a page");
    let files: Vec<&str> = html.split(['"', '=']).filter(|part| part.starts_with('/') || part.starts_with("http")).collect();
    assert_eq!(files, ["/graphql/explorer.svg", "/graphql/explorer.css", "/graphql/explorer.js", "/graphql/explorer.svg"]);
    for file in files {
        assert_eq!(page(&app, Method::GET, file).await.status(), StatusCode::OK, "{file}");
    }
    // What it learns the types by is taken.
    let module = page(&app, Method::GET, "/graphql/explorer.js").await.text().await.expect("a module");
    let query = module.split_once("INTROSPECTION = `").and_then(|(_, rest)| rest.split('`').next()).expect("the query");
    let told = app.data(None, query, json!({})).await;
    assert!(told["__schema"]["types"].as_array().is_some_and(|types| types.len() > 100));
    let quiet = TestApp::start_with(|config| config.graphiql = false).await;
    assert_eq!(page(&quiet, Method::GET, "/graphql").await.status(), StatusCode::BAD_REQUEST);
    for file in ["/graphql/explorer.js", "/graphql/explorer.css", "/graphql/explorer.svg"] {
        assert_eq!(page(&quiet, Method::GET, file).await.status(), StatusCode::NOT_FOUND, "{file}");
    }
}

#[tokio::test]
async fn behind_https_a_session_is_a_cookie_that_nobody_else_can_set() {
    let app = TestApp::start_with(|config| config.base_url = Some("https://portal.example".parse().expect("a URL"))).await;
    let ada = app.person("ada@acme.example", None).await;
    app.data(None, "mutation { requestMagicLink(input: { email: \"ada@acme.example\" }) { sent } }", json!({})).await;
    let token = app.magic_token(&ada.email).await;
    let done = app.press("/auth/magic-link", &[("token", &token)]).await;
    let cookie = header(&done, "set-cookie");
    let token = cookie.strip_prefix("__Host-portico_session=").and_then(|rest| rest.split(';').next()).expect("the name");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000; Secure"), "{cookie}");
    let viewer = async |cookie: String| {
        let body = json!({ "query": "{ viewer { user { email } } }" });
        let request = app.http.post(app.url("/graphql")).header("cookie", cookie).json(&body);
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        answer["data"]["viewer"]["user"]["email"].clone()
    };
    assert_eq!(viewer(format!("__Host-portico_session={token}")).await, "ada@acme.example");
    assert_eq!(viewer(format!("portico_session={token}")).await, Value::Null);
    assert_eq!(viewer(format!("portico_session=planted; __Host-portico_session={token}")).await, "ada@acme.example");
    let form = app.http.post(app.url("/auth/sign-out")).header("cookie", format!("__Host-portico_session={token}"));
    let cookie = header(&form.send().await.expect("an answer"), "set-cookie");
    assert!(cookie.starts_with("__Host-portico_session=;") && cookie.ends_with("; Secure"), "{cookie}");
    assert_eq!(viewer(format!("__Host-portico_session={token}")).await, Value::Null);
}
