//! Requests that can be read in two ways are refused, and what was decided on is what is forwarded.

use std::time::Duration;

use super::{Front, upstream};

#[tokio::test]
async fn doubtful_framing_is_refused_and_the_connection_closed() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    let key = format!("X-API-Key: {}\r\n", front.catalog.key);
    let smuggled = "GET /pay/echo HTTP/1.1\r\nHost: x\r\n\r\n";
    for (what, bytes) in [
        ("no host", format!("GET /pay/echo HTTP/1.1\r\n{key}\r\n")),
        ("two hosts", format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n{key}\r\n")),
        ("two equal hosts", format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nHost: a\r\n{key}\r\n")),
        ("empty host", format!("GET /pay/echo HTTP/1.1\r\nHost:\r\n{key}\r\n")),
        ("host list", format!("GET /pay/echo HTTP/1.1\r\nHost: a, b\r\n{key}\r\n")),
        (
            "length, then coding",
            format!(
                "POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
            ),
        ),
        (
            "coding, then length",
            format!(
                "POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}"
            ),
        ),
        (
            "two equal lengths",
            format!("POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi{smuggled}"),
        ),
        ("two lengths", format!("POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!")),
        ("signed length", format!("POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Content-Length: +2\r\n\r\nhi")),
        ("other coding", format!("POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n")),
        (
            "coding not last",
            format!("POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        ),
        (
            "two codings",
            format!(
                "POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "a length of many zeros",
            format!("POST /pay/echo HTTP/1.1\r\nHost: a\r\n{key}Content-Length: {}2\r\n\r\nhi", "0".repeat(300)),
        ),
        ("a user in the target", format!("GET http://user@a/pay/echo HTTP/1.1\r\nHost: a\r\n{key}\r\n")),
        ("coding on 1.0", format!("POST /pay/echo HTTP/1.0\r\nHost: a\r\n{key}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("space before colon", format!("GET /pay/echo HTTP/1.1\r\nHost : a\r\n{key}\r\n")),
        ("folded line", format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n{key}\r\n")),
        ("bare line feeds", format!("GET /pay/echo HTTP/1.1\nHost: a\n{}\n", key.replace('\r', ""))),
        ("nul in a value", format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n{key}\r\n")),
        ("too many fields", format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\n{key}{}\r\n", "X-A: b\r\n".repeat(200))),
        ("connect", format!("CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n{key}\r\n")),
        ("a star", format!("GET * HTTP/1.1\r\nHost: a\r\n{key}\r\n")),
        ("trace", format!("TRACE /pay/traced HTTP/1.1\r\nHost: a\r\n{key}\r\n")),
    ] {
        let mut raw = front.connect().await;
        raw.send(&bytes).await;
        let reply = raw.reply().await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert!(matches!(reply.status, 400 | 404 | 431), "{what}: {}", reply.status);
        if !matches!(what, "connect" | "a star") {
            assert!(raw.is_closed_within(Duration::from_secs(2)).await, "{what}: the connection stays open");
        }
    }
    assert_eq!(seen.requests.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_is_refused_for_its_form_says_so_with_an_id() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let reply = front.ask("GET /pay/echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "MALFORMED_REQUEST"));
    assert_eq!(front.logged(&reply).await.denial_detail.as_deref(), Some("several Host headers"));
}

#[tokio::test]
async fn nothing_that_came_before_blinds_the_gateway_for_the_next_request() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let key = &front.catalog.key;
    let smuggling = format!(
        "POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    );
    let post = format!("POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n");
    let lengthy = [format!("{post}Content-Length: {}", "0".repeat(250)), "2\r\n\r\nhi".to_owned()];
    let trailing = [format!("{post}Transfer-Encoding: chunked\r\n\r\n0\r\n\n\r\nA: b\r\n\r\n"), String::new()];
    for (what, first, expected) in
        [("a length whose digit is not kept", lengthy, &[400][..]), ("a trailer behind a bare line feed", trailing, &[200, 400])]
    {
        let mut raw = front.connect().await;
        for piece in first {
            raw.send(piece).await;
            // In a segment of its own.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        raw.send(&smuggling).await;
        for status in expected {
            assert_eq!(raw.reply().await.unwrap().status, *status, "{what}");
        }
        assert!(raw.is_closed_within(Duration::from_secs(2)).await, "{what}");
    }
}

#[tokio::test]
async fn requests_behind_one_another_are_answered_in_order() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let key = &front.catalog.key;
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n\r\n");
    let post = format!(
        "POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: 28\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n\n\n\n"
    );
    let chunked = format!(
        "POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Client-ID: forged\r\n\r\n"
    );
    let mut raw = front.connect().await;
    raw.send(format!("{}{post}{chunked}{}", get("/pay/echo/1"), get("/pay/echo/2"))).await;
    assert!(raw.reply().await.unwrap().text().starts_with("GET /echo/1\n"));
    assert_eq!(raw.reply().await.unwrap().text(), "28");
    assert_eq!(raw.reply().await.unwrap().text(), "3");
    assert!(raw.reply().await.unwrap().text().starts_with("GET /echo/2\n"));
}

#[tokio::test]
async fn the_path_decided_on_is_the_path_forwarded() {
    let (address, seen) = upstream::behaving().await;
    let mut behind = super::Behind::at(address);
    behind.upstream.push_str("/base/");
    let front = Front::with(behind, super::PlanLimits::default(), |_| {}).await;
    for path in [
        "/pay/echo/a.b-c_d~e",
        "/pay/echo/a%20b",
        "/pay/echo/%C3%A9",
        "/pay/echo/a:b@c!$&'()*+,=",
        "/pay/echo/x?a=1&a=2&b=%2F..%2f&c=/../",
        "/pay/echo?",
        "/pay/echo?a=b?c",
        "/pay/",
    ] {
        let reply = front.call(&format!("GET {path}"), "").await;
        let expected = format!("GET /base{}\n", path.strip_prefix("/pay").unwrap());
        assert!(reply.text().starts_with(&expected), "{path}: {}", reply.text());
    }
    assert!(front.call("GET /pay", "").await.text().starts_with("GET /base\n"));
    let absolute = front.call("GET http://other.example/pay/echo", "").await;
    assert!(absolute.text().starts_with("GET /base/echo\n"));
    assert_eq!(absolute.upstream_saw("x-forwarded-host"), ["other.example"]);
    let before = seen.requests.load(std::sync::atomic::Ordering::SeqCst);
    for path in [
        "/pay/../pay/admin",
        "/pay/echo/..",
        "/pay/echo/%2e%2e",
        "/pay/echo/%2E%2e/admin",
        "/pay/echo/..%2fadmin",
        "/pay/echo/a%2fb",
        "/pay/echo/a%5cb",
        "/pay/echo/a\\b",
        "/pay/echo/%252e%252e",
        "/pay/echo/%252f",
        "/pay/echo//admin",
        "/pay//admin",
        "//pay/admin",
        "/pay/./echo",
        "/pay/echo/..;x=1",
        "/pay/echo/%00",
        "/pay/echo/%c0%ae%c0%ae",
        "/pay/echo/%zz",
        "/pay%2fecho",
        "/payments/echo",
        "/Pay/echo",
        "/pa/echo",
        "/pay./echo",
    ] {
        let reply = front.call(&format!("GET {path}"), "").await;
        assert!(matches!(reply.status, 400 | 404), "{path}: {}", reply.status);
    }
    assert_eq!(seen.requests.load(std::sync::atomic::Ordering::SeqCst), before);
}
