//! Decisions for a gateway in front: those of a call that passes here, without the passing.

use std::sync::atomic::Ordering::SeqCst;

use api::gateway::Settings;
use domain::{
    Tx,
    rules::{decision::FORWARDED_IN_FRONT, denial},
    tx::{Touch, Unaudited},
};
use entities::{
    enums::{DenialReason, RateWindow},
    profile, request_log,
};
use sea_orm::{EntityTrait, sea_query::Expr};
use serde_json::{Value, json};

use super::{Behind, Front, PlanLimits, Reply, upstream};

fn trusting(settings: &mut Settings) {
    settings.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
}

async fn front() -> (Front, std::sync::Arc<upstream::Seen>) {
    let (address, seen) = upstream::behaving().await;
    (Front::with(Behind::at(address), PlanLimits::default(), trusting).await, seen)
}

/// How a gateway in front asks.
#[derive(Debug, Clone, Copy)]
enum Form {
    Nginx,
    Caddy,
    Envoy,
}

const FORMS: [Form; 3] = [Form::Nginx, Form::Caddy, Form::Envoy];

/// The question about a call, as bytes.
fn question(form: Form, line: &str, fields: &str) -> String {
    let (method, target) = line.split_once(' ').unwrap();
    let (line, described) = match form {
        Form::Nginx => {
            ("GET /_portico/authorize".to_owned(), format!("X-Original-Method: {method}\r\nX-Original-URI: {target}\r\n"))
        }
        Form::Caddy => {
            ("GET /_portico/authorize".to_owned(), format!("X-Forwarded-Method: {method}\r\nX-Forwarded-Uri: {target}\r\n"))
        }
        Form::Envoy => (format!("{method} /_portico/authorize{target}"), String::new()),
    };
    format!("{line} HTTP/1.1\r\nHost: api.example\r\n{described}{fields}\r\n")
}

/// An answer's status, headers that the caller is to see, and body, without what is another in each answer.
fn answer(reply: &Reply) -> (u16, Vec<String>, Value) {
    const TOLD: [&str; 7] =
        ["content-type", "www-authenticate", "allow", "retry-after", "ratelimit", "ratelimit-policy", "connection"];
    let refused = reply.status != 200;
    let told = reply.headers.iter().filter(|(name, _)| TOLD.contains(&name.as_str()) && (refused || name != "content-type"));
    let mut problem: Value = if refused { serde_json::from_slice(&reply.body).unwrap() } else { Value::Null };
    if refused {
        reply.code();
        problem["requestId"].take();
    }
    (reply.status, told.map(|(name, value)| format!("{name}: {value}")).collect(), problem)
}

/// What the log says of a call, without what is another for each, and how it ended.
fn noted(row: &request_log::Model) -> String {
    let (who, what) = ((row.client_id, row.profile_id, row.credential_id), (row.product_id, row.endpoint_id, &row.endpoint));
    let how = (&row.method, &row.path, row.status, row.denial, row.denial.and(row.denial_detail.as_ref()));
    format!("{:?} {who:?} {what:?} {:?} {how:?} {} {:?}", row.team_id, row.environment, row.ip, row.user_agent)
}

#[tokio::test]
async fn what_is_decided_is_what_would_be_decided_here() {
    let (front, seen) = front().await;
    let c = &front.catalog;
    let (key, token, client) = (format!("X-API-Key: {}\r\n", c.key), &c.token, c.client);
    let mut passed = 0;
    for (line, fields, status) in [
        ("GET /pay/echo", key.clone(), 200),
        ("GET /pay/echo/1?a=/../&b=%2F..", key.clone() + "User-Agent: tests\r\n", 200),
        ("DELETE /pay/echo/1", format!("Authorization: bearer {}\r\n", c.key), 200),
        ("POST /pay/echo", format!("X-API-Key: {}\r\n", c.sandbox_key), 200),
        ("GET /pay", format!("Authorization: Bearer {token}\r\nX-Client-ID: {client}\r\n"), 200),
        ("HEAD /pay/echo", format!("X-Client-ID: {}\r\n", c.open_client), 200),
        ("GET /", key.clone(), 404),
        ("GET /pay/nothing", key.clone(), 404),
        ("GET /_portico/other", key.clone(), 404),
        ("DELETE /pay/admin", key.clone(), 405),
        ("get /pay/echo", key.clone(), 405),
        ("TRACE /pay/traced", key.clone(), 400),
        ("GET /pay/echo", String::new(), 401),
        ("GET /pay/echo", format!("Authorization: Bearer {token}\r\n"), 401),
        ("GET /pay/echo", "X-API-Key: nonsense\r\n".to_owned(), 401),
        ("GET /pay/echo", format!("{key}X-Client-ID: {}\r\n", c.open_client), 403),
        ("GET /pay/echo", "X-Client-ID: nobody\r\n".to_owned(), 403),
        ("GET /pay/admin", key.clone(), 403),
        ("GET /pay/echo", format!("{key}{key}"), 400),
        ("GET /pay/echo", format!("{key}Authorization: Bearer x\r\n"), 400),
        ("GET /pay/echo", format!("{key}Host: twice\r\n"), 400),
        ("GET /pay/../pay/echo", key.clone(), 400),
        ("GET /pay/echo/a%2fb", key.clone(), 400),
        ("GET /pay/echo/%252e%252e", key.clone(), 400),
        ("GET //pay/echo", key.clone(), 400),
        ("GET /pay/echo/..;/a", key.clone(), 400),
        ("GET /pay/echo/a\\b", key.clone(), 400),
    ] {
        let here = front.ask(&format!("{line} HTTP/1.1\r\nHost: api.example\r\n{fields}\r\n")).await;
        assert_eq!(here.status, status, "{line} {fields}");
        passed += usize::from(status == 200);
        let note = noted(&front.logged(&here).await);
        for form in FORMS {
            let there = front.ask(&question(form, line, &fields)).await;
            if !line.starts_with("HEAD") {
                assert_eq!(answer(&there), answer(&here), "{form:?} {line} {fields}");
            }
            let row = front.logged(&there).await;
            assert_eq!(noted(&row), note, "{form:?} {line} {fields}");
            if status == 200 {
                assert_eq!((row.status, row.denial_detail.as_deref()), (200, Some(FORWARDED_IN_FRONT)));
                assert!(there.body.is_empty() && there.header("cache-control") == Some("no-store"));
            }
        }
    }
    assert_eq!(seen.requests.load(SeqCst), passed, "nothing is forwarded");
}

#[tokio::test]
async fn one_limit_counts_calls_and_questions() {
    let (address, seen) = upstream::behaving().await;
    let limits = PlanLimits { rate: Some((4, RateWindow::Hour)), quota: None };
    let front = Front::with(Behind::at(address), limits, trusting).await;
    let key = format!("X-API-Key: {}\r\n", front.catalog.key);
    let mut replies = vec![front.call("GET /pay/echo", "").await];
    for form in FORMS {
        replies.push(front.ask(&question(form, "GET /pay/echo", &key)).await);
    }
    let standing: Vec<_> = replies.iter().map(|r| r.header("ratelimit").unwrap().split(';').nth(1).unwrap()).collect();
    assert_eq!(standing, ["r=3", "r=2", "r=1", "r=0"]);
    assert!(replies.iter().all(|r| r.status == 200 && r.header("ratelimit-policy") == Some(r#""rate";q=4;w=3600"#)));
    replies.push(front.call("GET /pay/echo", "").await);
    for form in FORMS {
        let over = front.ask(&question(form, "GET /pay/echo", &key)).await;
        assert_eq!((over.status, over.code().as_str()), (429, "RATE_LIMITED"));
        assert!(over.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
        assert!(over.header("ratelimit").unwrap().starts_with(r#""rate";r=0;"#));
        replies.push(over);
    }
    assert_eq!(seen.requests.load(SeqCst), 1);
    for reply in &replies {
        front.logged(reply).await;
    }
    let counted = |class: usize| front.gateway().counts().calls[class - 1].load(SeqCst);
    assert_eq!((counted(2), counted(4)), (4, 4));
}

#[tokio::test]
async fn who_calls_is_told_as_the_upstream_is_told() {
    let (front, _) = front().await;
    let here = front.call("GET /pay/echo", "").await;
    let forged = format!(
        "X-API-Key: {}\r\nX-Portico-Client-ID: forged\r\nX-Portico-Other: forged\r\nX-Request-ID: forged\r\n",
        front.catalog.key
    );
    let there = front.ask(&question(Form::Nginx, "GET /pay/echo", &forged)).await;
    let names = ["client-id", "team-id", "plan-id", "profile", "environment", "scopes"].map(|name| format!("x-portico-{name}"));
    for name in &names {
        let told: Vec<_> = there.headers.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect();
        assert_eq!(told, here.upstream_saw(name), "{name}");
    }
    let other: Vec<_> = there.headers.iter().filter(|(n, _)| n.starts_with("x-") && !names.contains(n)).collect();
    assert!(matches!(other[..], [(name, id)] if name == "x-request-id" && id.starts_with("req_")), "{other:?}");
    let row = front.logged(&there).await;
    assert!(row.response_headers.iter().all(|h| !h.name.starts_with("x-portico")), "what the caller does not see");
}

#[tokio::test]
async fn only_a_trusted_gateway_may_ask() {
    let (address, _) = upstream::behaving().await;
    let front = Front::with(Behind::at(address), PlanLimits { rate: Some((1, RateWindow::Hour)), quota: None }, |s| {
        s.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    });
    let front = front.await;
    let key = format!("X-API-Key: {}\r\nX-Forwarded-For: 10.0.0.1\r\n", front.catalog.key);
    for form in FORMS {
        let reply = front.ask(&question(form, "GET /pay/echo", &key)).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "UNTRUSTED_PROXY"));
        assert!(reply.text().contains("127.0.0.1") && reply.text().contains("PORTICO_TRUSTED_PROXIES"), "{}", reply.text());
    }
    let call = front.call("GET /pay/echo", "").await;
    assert_eq!(call.status, 200, "questions that were not allowed took nothing of the limit");
    front.logged(&call).await;
    assert_eq!(request_log::Entity::find().all(&front.ctx.db).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_question_that_can_be_read_in_two_ways_is_refused() {
    let (front, _) = front().await;
    let key = &front.catalog.key;
    for (line, described, about) in [
        ("GET /_portico/authorize", "", "X-Original-Method and X-Original-URI are missing"),
        ("GET /_portico/authorize", "X-Original-URI: /pay/echo", "X-Original-URI without X-Original-Method"),
        (
            "GET /_portico/authorize",
            "X-Original-Method: GET\r\nX-Original-URI: /pay/echo\r\nx-original-uri: /pay/admin",
            "several X-Original-URI headers",
        ),
        (
            "GET /_portico/authorize",
            "X-Original-Method: GET\r\nX-Original-URI: /pay/echo\r\nX-Forwarded-Method: GET\r\nX-Forwarded-Uri: /pay/other",
            "X-Original-URI and X-Forwarded-Uri differ",
        ),
        (
            "GET /_portico/authorize/pay/echo",
            "X-Original-Method: GET\r\nX-Original-URI: /pay/admin",
            "the question's path and X-Original-URI differ",
        ),
        (
            "GET /_portico/authorize",
            "X-Original-Method: GET\r\nX-Original-URI: http://api.example/pay/echo",
            "does not start with a slash",
        ),
        (
            "GET /_portico/authorize",
            "X-Original-Method: GET\r\nX-Original-URI: /pay/echo#/x?secret=1",
            "X-Original-URI has a fragment",
        ),
    ] {
        let described = if described.is_empty() { String::new() } else { format!("{described}\r\n") };
        let reply = front.ask(&format!("{line} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n{described}\r\n")).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"), "{line} {described}");
        assert!(reply.text().contains(about), "{}", reply.text());
        let row = front.logged(&reply).await;
        assert!(row.denial == Some(DenialReason::MalformedRequest) && row.path.starts_with("/_portico/authorize"));
        assert!(row.request_headers.iter().all(|h| !h.name.starts_with("x-original-") && !h.name.starts_with("x-forwarded-")));
    }
    for own in ["/_portico/healthz", "/_portico/authorize", "/_portico/authorize/pay/echo"] {
        let reply = front.ask(&question(Form::Nginx, &format!("GET {own}"), &format!("X-API-Key: {key}\r\n"))).await;
        assert_eq!((reply.status, reply.code().as_str()), (404, "ROUTE_NOT_FOUND"), "{own}");
    }
    let with_the_callers_query = format!("GET /_portico/authorize?a=/b HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n");
    let reply =
        front.ask(&format!("{with_the_callers_query}X-Forwarded-Method: GET\r\nX-Forwarded-Uri: /pay/echo?a=/b\r\n\r\n")).await;
    assert_eq!(reply.status, 200);
    for line in [
        "GET /_portico/authorized",
        "GET /_portico/authorize%2f",
        "GET /_portico/authorize-404",
        "GET /_porticoauthorize/pay/echo",
    ] {
        let reply = front.call(line, "X-Original-Method: GET\r\nX-Original-URI: /pay/echo\r\n").await;
        assert!(matches!(reply.status, 400 | 404), "{line}: {}", reply.status);
    }
}

#[tokio::test]
async fn refusals_as_403_carry_the_whole_answer_in_headers() {
    let (front, _) = front().await;
    let key = format!("X-API-Key: {}\r\n", front.catalog.key);
    for (line, fields, status, code) in [
        ("GET /pay/echo", String::new(), 401, "CREDENTIAL_MISSING"),
        ("GET /pay/nothing", key.clone(), 404, "ROUTE_NOT_FOUND"),
        ("DELETE /pay/admin", key.clone(), 405, "METHOD_NOT_ALLOWED"),
        ("GET /pay/../admin", key.clone(), 400, "MALFORMED_REQUEST"),
        ("GET /pay/admin", key.clone(), 403, "SCOPE_MISSING"),
    ] {
        let plain = front.ask(&question(Form::Nginx, line, &fields)).await;
        let asked = question(Form::Nginx, line, &fields).replacen("authorize", "authorize-403", 1);
        let reply = front.ask(&asked).await;
        assert_eq!((reply.status, plain.status), (403, status), "{line}");
        assert_eq!(
            (reply.header("x-portico-status"), reply.header("x-portico-denial")),
            (Some(&*status.to_string()), Some(code))
        );
        assert_eq!(reply.header("x-portico-problem"), Some(reply.text()));
        let (_, mut headers, problem) = answer(&plain);
        headers.retain(|header| !header.starts_with("content-type"));
        for header in headers {
            let (name, value) = header.split_once(": ").unwrap();
            assert_eq!(reply.header(name), Some(value), "{line}");
        }
        let mut told: Value = serde_json::from_str(reply.text()).unwrap();
        assert_eq!(told["requestId"].take(), json!(reply.header("x-request-id")));
        assert_eq!(told, problem);
        assert_eq!(front.logged(&reply).await.status, i16::try_from(status).unwrap(), "what the caller is told is noted");
    }
    let asked = question(Form::Nginx, "GET /pay/echo", &key).replacen("authorize", "authorize-403", 1);
    assert_eq!(front.ask(&asked).await.status, 200);
}

/// nginx can return none but literal statuses: its configuration has a line for each that a question may be answered with.
#[test]
fn the_nginx_configuration_knows_every_status() {
    const REFUSALS: &str = include_str!("../../../docs/existing-gateways/nginx/portico-server.conf");
    for reason in denial::ALL {
        let entry = denial::entry(*reason);
        // A gateway in front has its own: it sees bodies and upstreams, and we do not.
        let not_ours = matches!(
            reason,
            DenialReason::RequestTooLarge
                | DenialReason::UpstreamUnreachable
                | DenialReason::UpstreamTimeout
                | DenialReason::LoopDetected
                | DenialReason::RequestTimeout
        );
        let line = format!("if ($portico_status = {0}) {{ return {0} $portico_problem; }}", entry.status);
        assert!(not_ours || REFUSALS.contains(&line), "{line} for {}", entry.code);
    }
}

#[tokio::test]
async fn the_caller_is_whom_the_gateway_in_front_names() {
    let (front, _) = front().await;
    let tx = Tx::begin(&front.ctx).await.unwrap();
    let list = Expr::value(json!(["203.0.113.0/24"]));
    profile::Entity::update_many().col_expr(profile::Column::IpAllowlist, list).exec(tx.db()).await.unwrap();
    tx.touch_gateway(Touch::Client(front.catalog.client));
    tx.commit_unaudited(Unaudited::Mark).await.unwrap();
    let changed = std::time::Instant::now();
    while front.call("GET /pay/echo", "").await.status != 403 {
        assert!(changed.elapsed().as_secs() < 1);
    }
    let key = format!("X-API-Key: {}\r\n", front.catalog.key);
    let from = |address: &str| format!("{key}X-Forwarded-For: 203.0.113.7, {address}\r\n");
    let named = front.ask(&question(Form::Nginx, "GET /pay/echo", &from("203.0.113.9"))).await;
    assert_eq!((named.status, front.logged(&named).await.ip.as_str()), (200, "203.0.113.9"));
    let other = front.ask(&question(Form::Nginx, "GET /pay/echo", &from("198.51.100.1"))).await;
    assert_eq!((other.status, other.code().as_str()), (403, "IP_NOT_ALLOWED"));
}

#[tokio::test]
async fn a_mock_is_let_through_like_an_upstream() {
    let document = json!({
        "openapi": "3.0.3", "info": { "title": "Pay", "version": "1" },
        "paths": { "/charges": { "post": {
            "requestBody": { "required": true, "content": { "application/json": { "schema": { "type": "object" } } } },
            "responses": { "201": { "description": "made" } },
        } } },
    });
    let front = Front::with(Behind::nothing(document), PlanLimits::default(), trusting).await;
    let key = format!("X-API-Key: {}\r\n", front.catalog.key);
    let reply = front.ask(&question(Form::Envoy, "POST /pay/charges", &key)).await;
    assert_eq!((reply.status, reply.header("x-portico-mock")), (200, None));
}

#[tokio::test]
async fn a_question_with_a_body_is_answered_and_the_body_is_not_looked_at() {
    let (front, _) = front().await;
    let key = format!("X-API-Key: {}\r\nContent-Length: 5\r\n", front.catalog.key);
    let mut raw = front.connect().await;
    raw.send(question(Form::Envoy, "POST /pay/echo", &key)).await;
    assert_eq!(raw.reply().await.unwrap().status, 200, "before the body came");
}
