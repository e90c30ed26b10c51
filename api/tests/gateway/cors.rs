//! Pages of other origins that call the gateway.

use std::sync::atomic::Ordering;

use entities::{enums::LogSink, request_log};
use sea_orm::{EntityTrait, PaginatorTrait};
use serde_json::json;

use super::{Behind, Front, PlanLimits, raw::Reply, upstream};

const PAGE: &str = "Origin: https://app.example\r\n";

async fn front(allowed_origins: &'static [&'static str]) -> Front {
    let (address, _) = upstream::behaving().await;
    Front::with(Behind { allowed_origins, ..Behind::at(address) }, PlanLimits::default(), |_| {}).await
}

async fn preflight(front: &Front, path: &str, origin: &str, more: &str) -> Reply {
    let asked = "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-api-key, traceparent\r\n";
    front.ask(&format!("OPTIONS {path} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n{asked}{more}\r\n")).await
}

/// What a browser looks at.
fn said(reply: &Reply) -> String {
    let names = ["allow-origin", "allow-credentials", "allow-methods", "allow-headers", "max-age", "expose-headers"];
    let told = names.iter().filter_map(|name| Some((name, reply.header(&format!("access-control-{name}"))?)));
    let mut lines: Vec<_> = told.map(|(name, value)| format!("{name}: {value}")).collect();
    lines.extend(reply.header("vary").map(|value| format!("vary: {value}")));
    format!("{} {}", reply.status, lines.join(" | "))
}

const OURS: &str =
    "X-Request-ID, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, Allow, ETag, Link, Location, X-Portico-Mock";

#[tokio::test]
async fn preflights_are_answered_before_anybody_is_asked_who_they_are() {
    let front = front(&["https://app.example", "http://localhost:3000"]).await;
    let allowed = |origin: &str, methods: &str| {
        format!(
            "204 allow-origin: {origin} | allow-credentials: true | allow-methods: {methods} | \
             allow-headers: x-api-key, traceparent | max-age: 600 | vary: Origin"
        )
    };
    let reply = preflight(&front, "/pay/echo", "https://app.example", "").await;
    assert_eq!(said(&reply), allowed("https://app.example", "GET, HEAD, POST, PUT, QUERY"));
    assert!(reply.header("x-request-id").is_some() && reply.text().is_empty());
    let local = preflight(&front, "/pay/echo/7?x=1", "http://localhost:3000", "").await;
    assert_eq!(said(&local), allowed("http://localhost:3000", "GET, HEAD, DELETE"));
    for other in ["https://evil.example", "null", "http://app.example", "https://app.example:8443", "https://app.example.evil"] {
        assert_eq!(said(&preflight(&front, "/pay/echo", other, "").await), "204 vary: Origin", "{other}");
    }
    // What is asked for is allowed where it can be headers' names.
    let odd = "OPTIONS /pay/echo HTTP/1.1\r\nHost: a\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n\
               Access-Control-Request-Headers: x y\r\n\r\n";
    assert!(!said(&front.ask(odd).await).contains("allow-headers"));
    // No preflights: without what makes one, where there is nothing, and where the framing is wrong.
    for (line, fields, status) in [
        ("OPTIONS /pay/echo", PAGE, 405),
        ("OPTIONS /pay/echo", "Access-Control-Request-Method: GET\r\n", 405),
        ("OPTIONS /pay/nothing", "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n", 404),
        ("OPTIONS /nobody/echo", "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n", 404),
        ("OPTIONS /pay/echo", "Host: b\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n", 405),
        (
            "OPTIONS /pay/echo",
            "Origin: https://app.example\r\nOrigin: https://b.example\r\nAccess-Control-Request-Method: GET\r\n",
            405,
        ),
    ] {
        let reply = front.ask(&format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        assert_eq!(reply.status, status, "{line} {fields}");
    }
}

#[tokio::test]
async fn preflights_are_metered_and_neither_logged_nor_counted_against_limits() {
    let (address, seen) = upstream::behaving().await;
    let behind = Behind { allowed_origins: &["https://app.example"], ..Behind::at(address) };
    let limits = PlanLimits { rate: Some((2, entities::enums::RateWindow::Minute)), ..PlanLimits::default() };
    let front = Front::with(behind, limits, |s| s.threads = std::num::NonZeroUsize::MIN).await;
    for _ in 0..5 {
        let key = format!("X-API-Key: {}\r\n", front.catalog.key);
        assert_eq!(preflight(&front, "/pay/echo", "https://app.example", &key).await.status, 204);
    }
    assert_eq!(front.gateway().counts().calls[1].load(Ordering::Relaxed), 5);
    let calls = [front.call("GET /pay/echo", PAGE).await, front.call("GET /pay/echo", PAGE).await];
    assert!(calls.iter().all(|reply| reply.status == 200));
    let refused = front.call("GET /pay/echo", PAGE).await;
    assert_eq!(
        said(&refused),
        format!("429 allow-origin: https://app.example | allow-credentials: true | expose-headers: {OURS} | vary: Origin")
    );
    front.logged(&refused).await;
    assert_eq!(request_log::Entity::find().count(&front.ctx.db).await.unwrap(), 3);
    assert_eq!(seen.requests.load(Ordering::SeqCst), 2, "the upstream hears of no preflight");
}

#[tokio::test]
async fn answers_and_refusals_may_be_read_by_the_page() {
    let front = front(&["https://app.example"]).await;
    let told = format!("allow-origin: https://app.example | allow-credentials: true | expose-headers: {OURS} | vary: Origin");
    assert_eq!(said(&front.call("GET /pay/echo", PAGE).await), format!("200 {told}"));
    for (bytes, status) in [
        (format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\n{PAGE}\r\n"), 401),
        (format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-API-Key: wrong\r\n{PAGE}\r\n"), 401),
        (format!("GET /pay/nothing HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n{PAGE}\r\n", front.catalog.key), 404),
        (format!("GET /pay/admin HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n{PAGE}\r\n", front.catalog.key), 403),
    ] {
        assert_eq!(said(&front.ask(&bytes).await), format!("{status} {told}"), "{bytes}");
    }
    // Ours stands in the place of the upstream's; what it exposes stays.
    let own = front.call("GET /pay/pages", PAGE).await;
    assert_eq!(own.header("access-control-expose-headers"), Some(format!("{OURS}, X-Total-Count").as_str()));
    let (origins, varies) = (own.headers("access-control-allow-origin"), own.headers("vary"));
    assert_eq!((origins, varies), (vec!["https://app.example"], vec!["Accept-Encoding", "Origin"]));
    // To other pages, and to programs, nothing is said.
    assert_eq!(said(&front.call("GET /pay/pages", "Origin: https://theirs.example\r\n").await), "200 vary: Accept-Encoding");
    assert_eq!(said(&front.call("GET /pay/echo", "").await), "200 vary: Origin");
    // An upstream that is down is a refusal like the others.
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let behind = Behind { allowed_origins: &["https://app.example"], ..Behind::at(closed) };
    let down = Front::with(behind, PlanLimits::default(), |_| {}).await;
    assert_eq!(said(&down.call("GET /pay/echo", PAGE).await), format!("502 {told}"));
}

#[tokio::test]
async fn every_page_may_call_where_that_is_said_but_without_the_browsers_own_credentials() {
    let front = front(&["*"]).await;
    for origin in ["https://any.example", "null"] {
        let preflight = preflight(&front, "/pay/echo", origin, "").await;
        assert_eq!(
            (preflight.header("access-control-allow-origin"), preflight.header("access-control-allow-credentials")),
            (Some("*"), None)
        );
        let call = front.call("GET /pay/pages", &format!("Origin: {origin}\r\n")).await;
        assert_eq!(
            (call.header("access-control-allow-origin"), call.header("access-control-allow-credentials")),
            (Some("*"), None)
        );
    }
}

#[tokio::test]
async fn where_no_origins_are_set_nothing_is_added_and_the_upstreams_own_passes() {
    let front = front(&[]).await;
    assert_eq!(said(&front.call("GET /pay/echo", PAGE).await), "200 ");
    assert_eq!(
        said(&front.call("GET /pay/pages", PAGE).await),
        "200 allow-origin: https://theirs.example | allow-credentials: true | expose-headers: X-Total-Count, etag, * | vary: Accept-Encoding"
    );
    assert_eq!(said(&preflight(&front, "/pay/echo", "https://app.example", "").await), "405 ");
}

#[tokio::test]
async fn a_mock_is_called_by_pages_too() {
    let document = json!({ "openapi": "3.1.0", "info": { "title": "t", "version": "1" }, "paths": { "/pets": {
        "get": { "responses": { "200": { "description": "ok", "content": { "application/json": { "example": { "a": 1 } } } } } },
        "delete": { "responses": { "204": { "description": "gone" } } } } } });
    let behind = Behind { allowed_origins: &["https://app.example"], log_sink: LogSink::Database, ..Behind::nothing(document) };
    let front = Front::with(behind, PlanLimits::default(), |_| {}).await;
    let asked = preflight(&front, "/pay/pets", "https://app.example", "").await;
    assert_eq!(asked.header("access-control-allow-methods"), Some("GET, HEAD, DELETE"));
    let told = format!("allow-origin: https://app.example | allow-credentials: true | expose-headers: {OURS} | vary: Origin");
    assert_eq!(said(&front.call("GET /pay/pets", PAGE).await), format!("200 {told}"));
}
