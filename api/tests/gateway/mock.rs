//! A MOCK environment through the front door: everything as before an upstream, and nothing behind.

use entities::enums::{DenialReason, RateWindow};
use serde_json::{Value, json};

use super::{Behind, Front, PlanLimits};

fn document() -> Value {
    json!({
        "openapi": "3.0.3", "info": { "title": "Pay", "version": "1" },
        "paths": {
            "/charges": {
                "get": {
                    "parameters": [{ "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } }],
                    "responses": {
                        "200": { "description": "ok", "headers": { "X-Total": { "schema": { "type": "integer", "example": 2 } }, "Connection": { "schema": { "example": "close" } } },
                            "content": { "application/json": { "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Charge" } } } } },
                        "404": { "description": "gone", "content": { "application/json": { "example": { "error": "gone" } } } },
                    },
                },
                "post": {
                    "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Charge" } } } },
                    "responses": { "201": { "description": "made", "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Charge" } } } } },
                },
            },
            "/charges/{id}": { "get": {
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } }],
                "responses": { "200": { "description": "one", "content": { "application/json": { "examples": { "small": { "value": { "amount": 1 } }, "big": { "value": { "amount": 9000 } } } } } } },
            } },
            "/export": { "get": { "responses": { "200": { "description": "xml", "content": { "application/xml": { "schema": { "type": "object" } } } } } } },
            "/admin": { "get": { "responses": { "200": { "description": "ok" } } } },
        },
        "components": { "schemas": { "Charge": {
            "type": "object", "required": ["id", "amount"],
            "properties": { "id": { "type": "string", "format": "uuid", "readOnly": true }, "amount": { "type": "integer", "minimum": 1 }, "card": { "type": "string", "writeOnly": true } },
        } } },
    })
}

async fn front(limits: PlanLimits) -> Front {
    Front::with(Behind::nothing(document()), limits, |_| {}).await
}

#[tokio::test]
async fn answers_are_made_told_and_logged() {
    let front = front(PlanLimits::default()).await;
    let reply = front.call("GET /pay/charges?limit=3", "").await;
    assert_eq!((reply.status, reply.header("x-portico-mock")), (200, Some("generated")), "{}", reply.text());
    assert_eq!((reply.header("content-type"), reply.header("x-total")), (Some("application/json"), Some("2")));
    assert_eq!(reply.header("connection"), None, "what concerns the connection is the gateway's");
    let list: Value = serde_json::from_str(reply.text()).unwrap();
    assert!(list[0]["amount"].as_i64() >= Some(1) && list[0]["id"].as_str().is_some_and(|id| id.len() == 36), "{list}");
    assert_eq!(list[0].get("card"), None, "what is writeOnly is not in answers");
    let again = front.call("GET /pay/charges?limit=3", "").await;
    assert_eq!(again.text(), reply.text());
    assert_ne!(again.header("x-request-id"), reply.header("x-request-id"));
    assert_ne!(front.call("GET /pay/charges?limit=4", "").await.text(), reply.text());
    let row = front.logged(&reply).await;
    assert_eq!((row.status, row.endpoint.as_deref(), row.denial), (200, Some("/charges"), None));
    assert!(row.client_id == Some(front.catalog.client) && row.credential_id == Some(front.catalog.key_id));
    let head = front.call("HEAD /pay/charges?limit=3", "").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn a_caller_prefers() {
    let front = front(PlanLimits::default()).await;
    const ONE: &str = "GET /pay/charges/0190f3c8-b8e5-7cc0-b2a9-c1f0a1b2c3d4";
    let gone = front.call("GET /pay/charges", "Prefer: code=404\r\n").await;
    assert_eq!((gone.status, gone.text()), (404, r#"{"error":"gone"}"#));
    assert_eq!((gone.header("preference-applied"), gone.header("x-portico-mock")), (Some("code=404"), Some("example")));
    assert_eq!(front.call(ONE, "").await.text(), r#"{"amount":1}"#);
    assert_eq!(front.call(ONE, "Prefer: example=big\r\n").await.text(), r#"{"amount":9000}"#);
    let unknown = front.call(ONE, "Prefer: example=huge\r\n").await;
    assert_eq!((unknown.status, unknown.code().as_str()), (400, "SCHEMA_VIOLATION"));
    assert!(unknown.text().contains("asks for an example that is not among small, big"), "{}", unknown.text());
    let export = front.call("GET /pay/export", "").await;
    assert_eq!((export.status, export.code().as_str()), (502, "UPSTREAM_UNREACHABLE"), "{}", export.text());
}

#[tokio::test]
async fn a_request_that_the_document_does_not_allow_is_refused_with_its_place() {
    let front = front(PlanLimits::default()).await;
    let body = |body: &str| format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let post = async |text: &str, fields: String| {
        let key = &front.catalog.key;
        front.ask(&format!("POST /pay/charges HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n{fields}\r\n{text}")).await
    };
    let made = post(r#"{"amount":5,"card":"4111"}"#, body(r#"{"amount":5,"card":"4111"}"#)).await;
    assert_eq!((made.status, made.text().contains("4111")), (201, false), "{}", made.text());
    let wrong = r#"{"amount":"four-secret"}"#;
    let refused = post(wrong, body(wrong)).await;
    let problem: Value = serde_json::from_str(refused.text()).unwrap();
    assert_eq!((refused.status, refused.header("content-type")), (400, Some("application/problem+json")));
    assert_eq!((&problem["code"], &problem["requestId"]), (&json!("SCHEMA_VIOLATION"), &json!(refused.header("x-request-id"))));
    assert_eq!(
        problem["errors"],
        json!([{ "in": "body", "pointer": "#/amount", "detail": "must be a whole number, not a text" }])
    );
    let row = front.logged(&refused).await;
    assert_eq!(row.denial, Some(DenialReason::SchemaViolation));
    assert_eq!(row.denial_detail.as_deref(), Some("body /amount must be a whole number, not a text"));
    let plain = post("x", "Content-Type: text/plain\r\nContent-Length: 1\r\n".to_owned()).await;
    assert!(plain.status == 400 && plain.text().contains("send application/json"), "{}", plain.text());
    for (line, place) in [
        (
            "GET /pay/charges?limit=500",
            json!({ "in": "query", "name": "limit", "pointer": "#", "detail": "must be at most 100" }),
        ),
        ("GET /pay/charges/7", json!({ "in": "path", "name": "id", "pointer": "#", "detail": "must be a UUID" })),
    ] {
        let refused = front.call(line, "").await;
        let problem: Value = serde_json::from_str(refused.text()).unwrap();
        assert_eq!((refused.status, &problem["errors"][0]), (400, &place), "{line}");
    }
    let large = post("", format!("Content-Type: application/json\r\nContent-Length: {}\r\n", 9 << 20)).await;
    assert_eq!((large.status, large.code().as_str()), (413, "REQUEST_TOO_LARGE"));
}

#[tokio::test]
async fn checks_and_limits_are_as_before_an_upstream() {
    let limits = PlanLimits { rate: Some((2, RateWindow::Hour)), quota: None };
    let front = front(limits).await;
    let stranger = front.ask("GET /pay/charges HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((stranger.status, stranger.code().as_str()), (401, "CREDENTIAL_MISSING"));
    let other = front.call("PUT /pay/charges", "Content-Length: 0\r\n").await;
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(front.call("GET /pay/elsewhere", "").await.code(), "ROUTE_NOT_FOUND");
    assert_eq!(front.call("GET /pay/admin", "").await.code(), "SCOPE_MISSING");
    for left in [1, 0] {
        let reply = front.call("GET /pay/charges", "").await;
        assert!(
            reply.header("ratelimit").unwrap().starts_with(&format!(r#""rate";r={left};"#)),
            "{:?}",
            reply.header("ratelimit")
        );
    }
    let over = front.call("GET /pay/charges", "").await;
    assert_eq!((over.status, over.code().as_str()), (429, "RATE_LIMITED"));
}
