//! The order of checks, as a caller sees it.

use domain::{
    Tx,
    tx::{Touch, Unaudited},
};
use entities::{
    client, credential,
    enums::{CredentialStatus, DenialReason},
    profile,
};
use sea_orm::{EntityTrait, sea_query::Expr};

use super::{Front, Reply, upstream};

fn outcome(reply: &Reply) -> String {
    if reply.status == 200 { "200".to_owned() } else { format!("{} {}", reply.status, reply.code()) }
}

#[tokio::test]
async fn each_check_answers_for_itself() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let c = &front.catalog;
    let (key, token, client) = (&c.key, &c.token, c.client);
    let mistyped = format!("{}{}", &key[..key.len() - 1], if key.ends_with('x') { 'y' } else { 'x' });
    for (line, fields, expected) in [
        ("GET /pay/echo", format!("X-API-Key: {key}"), "200"),
        ("GET /pay/echo", format!("Authorization: bearer {key}"), "200"),
        ("GET /pay/echo", format!("X-API-Key: {key}\r\nX-Client-ID: {client}"), "200"),
        ("GET /pay/echo", format!("X-API-Key: {}", c.sandbox_key), "200"),
        ("GET /pay/echo", format!("Authorization: Bearer {token}\r\nX-Client-ID: {client}"), "200"),
        ("GET /pay/echo", format!("X-Client-ID: {}", c.open_client), "200"),
        ("GET /nothing/echo", format!("X-API-Key: {key}"), "404 ROUTE_NOT_FOUND"),
        ("GET /pay/nothing", format!("X-API-Key: {key}"), "404 ROUTE_NOT_FOUND"),
        ("GET /_portico/other", String::new(), "404 ROUTE_NOT_FOUND"),
        ("GET /oauth2/token", String::new(), "404 ROUTE_NOT_FOUND"),
        ("DELETE /pay/admin", format!("X-API-Key: {key}"), "405 METHOD_NOT_ALLOWED"),
        ("get /pay/echo", format!("X-API-Key: {key}"), "405 METHOD_NOT_ALLOWED"),
        ("GET /pay/echo", "Accept: */*".to_owned(), "401 CREDENTIAL_MISSING"),
        ("GET /pay/echo", format!("Authorization: Bearer {token}"), "401 CLIENT_ID_MISSING"),
        ("GET /pay/echo", format!("X-API-Key: {mistyped}"), "401 CREDENTIAL_INVALID"),
        ("GET /pay/echo", "X-API-Key: nonsense".to_owned(), "401 CREDENTIAL_INVALID"),
        ("GET /pay/echo", format!("Authorization: Bearer {}\r\nX-Client-ID: {client}", "t".repeat(40)), "401 CREDENTIAL_INVALID"),
        ("GET /pay/echo", format!("X-API-Key: {key}\r\nX-Client-ID: {}", c.open_client), "403 IDENTITY_MISMATCH"),
        ("GET /pay/echo", "X-Client-ID: nobody".to_owned(), "403 CLIENT_UNKNOWN"),
        ("GET /pay/admin", format!("X-API-Key: {key}"), "403 SCOPE_MISSING"),
    ] {
        let reply = front.ask(&format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n")).await;
        assert_eq!(outcome(&reply), expected, "{line} {fields}");
        assert!(reply.header("x-request-id").unwrap().starts_with("req_"));
    }
}

#[tokio::test]
async fn refusals_carry_what_the_field_expects() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let missing = front.ask("GET /pay/echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(missing.header("www-authenticate"), Some(r#"Bearer realm="portico""#));
    let invalid = front.ask("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-API-Key: x\r\n\r\n").await;
    assert_eq!(invalid.header("www-authenticate"), Some(r#"Bearer realm="portico", error="invalid_token""#));
    assert_eq!(front.call("DELETE /pay/admin", "").await.header("allow"), Some("GET, HEAD"));
    let scope = front.call("GET /pay/admin", "").await;
    assert_eq!(scope.header("www-authenticate"), Some(r#"Bearer realm="portico", error="insufficient_scope", scope="admin""#));
    let head = front.call("HEAD /pay/admin", "").await;
    assert!(head.status == 403 && head.body.is_empty() && head.header("content-length").is_some());
    for health in ["GET /_portico/healthz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /_portico/healthz HTTP/1.0\r\n\r\n"] {
        let health = front.ask(health).await;
        assert_eq!((health.status, health.text()), (200, "ok\n"));
    }
}

#[tokio::test]
async fn a_refusal_leaves_its_connection_usable() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let mut raw = front.connect().await;
    for _ in 0..3 {
        raw.send("POST /pay/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello").await;
        assert_eq!(raw.reply().await.unwrap().status, 401);
    }
}

#[tokio::test]
async fn calls_are_logged_with_whose_they_were() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let reply = front.call("GET /pay/echo/7?secret=x", "User-Agent: tests\r\n").await;
    let row = front.logged(&reply).await;
    let c = &front.catalog;
    assert_eq!((row.team_id, row.client_id, row.product_id), (Some(c.team), Some(c.client), Some(c.product)));
    assert_eq!((row.profile_id, row.credential_id), (Some(c.key_profile), Some(c.key_id)));
    assert_eq!((row.method.as_str(), row.path.as_str(), row.status), ("GET", "/pay/echo/7", 200));
    assert_eq!((row.endpoint.as_deref(), row.user_agent.as_deref()), (Some("/echo/{a}"), Some("tests")));
    assert!(row.denial.is_none() && row.latency_us > 0 && row.ip == "127.0.0.1");
    let used = credential::Entity::find_by_id(c.key_id).one(&front.ctx.db).await.unwrap().unwrap();
    assert!(used.last_used_at.is_some());
    let refused = front.logged(&front.call("GET /pay/admin", "").await).await;
    let about = "admin, which the subscription was not granted";
    assert_eq!((refused.denial, refused.denial_detail.as_deref()), (Some(DenialReason::ScopeMissing), Some(about)));
    let stranger = front.logged(&front.ask("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await).await;
    assert_eq!((stranger.denial, stranger.team_id), (Some(DenialReason::RouteNotFound), None));
}

#[tokio::test]
async fn a_flood_from_nobody_does_not_fill_the_log() {
    let (address, _) = upstream::behaving().await;
    let front = Front::with(super::Behind::at(address), super::PlanLimits::default(), |s| s.log.strangers_a_second = 5).await;
    let mut raw = front.connect().await;
    for _ in 0..100 {
        raw.send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(raw.reply().await.unwrap().status, 404);
    }
    let ctx = front.stop().await;
    let rows = entities::request_log::Entity::find().all(&ctx.db).await.unwrap().len();
    assert!((1..=15).contains(&rows), "{rows} rows");
}

#[tokio::test]
async fn changes_are_in_force_within_a_second() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let c = &front.catalog;
    assert_eq!(front.call("GET /pay/echo", "").await.status, 200);
    for (step, expected) in [
        ("methods", "405 METHOD_NOT_ALLOWED"),
        ("address", "403 IP_NOT_ALLOWED"),
        ("revoke", "403 IP_NOT_ALLOWED"),
        ("disable", "403 CLIENT_DISABLED"),
    ] {
        let tx = Tx::begin(&front.ctx).await.unwrap();
        match step {
            "methods" | "address" => {
                let (column, list) = if step == "methods" {
                    (profile::Column::AllowedMethods, r#"["POST"]"#)
                } else {
                    (profile::Column::IpAllowlist, r#"["10.0.0.0/8"]"#)
                };
                let list: serde_json::Value = serde_json::from_str(list).unwrap();
                profile::Entity::update_many().col_expr(column, Expr::value(list)).exec(tx.db()).await.unwrap();
            }
            "revoke" => {
                let revoked = Expr::value(CredentialStatus::Revoked);
                credential::Entity::update_many().col_expr(credential::Column::Status, revoked).exec(tx.db()).await.unwrap();
            }
            _ => {
                client::Entity::update_many().col_expr(client::Column::Enabled, Expr::value(false)).exec(tx.db()).await.unwrap();
            }
        }
        tx.touch_gateway(Touch::Client(c.client));
        tx.commit_unaudited(Unaudited::Mark).await.unwrap();
        let changed = std::time::Instant::now();
        while outcome(&front.call("GET /pay/echo", "").await) != expected {
            assert!(changed.elapsed().as_secs() < 1, "{step}");
        }
    }
}
