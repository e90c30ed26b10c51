//! Heads that cannot be read as HTTP are refused like any other call: with an id, problem JSON, and a row.

use std::time::Duration;

use entities::enums::DenialReason;

use super::{Front, upstream};

#[tokio::test]
async fn what_cannot_be_read_is_answered_and_noted() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    let key = format!("Host: a\r\nX-API-Key: {}\r\n", front.catalog.key);
    for (head, status, code, method, path) in [
        (format!("GET /pay/echo<x> HTTP/1.1\r\n{key}\r\n"), 400, "MALFORMED_REQUEST", "GET", "/pay/echo%3Cx%3E"),
        (format!("GET /pay/echo HTTP/1.1\r\n{key}X-A : b\r\n\r\n"), 400, "MALFORMED_REQUEST", "GET", "/pay/echo"),
        (format!("GET /pay/echo HTTP/1.1\r\n{key}X-A: b\0c\r\n\r\n"), 400, "MALFORMED_REQUEST", "GET", "/pay/echo"),
        (format!("GET /pay/echo HTTP/3.7\r\n{key}\r\n"), 400, "MALFORMED_REQUEST", "GET", "/pay/echo"),
        (format!("G(T /pay/echo HTTP/1.1\r\n{key}\r\n"), 400, "MALFORMED_REQUEST", "-", "/pay/echo"),
        (
            format!("POST /pay/echo HTTP/1.1\r\n{key}Transfer-Encoding: gzip\r\n\r\n"),
            400,
            "MALFORMED_REQUEST",
            "POST",
            "/pay/echo",
        ),
        (format!("POST /pay/echo HTTP/1.1\r\n{key}Content-Length: +2\r\n\r\nhi"), 400, "MALFORMED_REQUEST", "POST", "/pay/echo"),
        (
            format!("GET /pay/echo HTTP/1.1\r\n{key}{}\r\n", "X-A: b\r\n".repeat(120)),
            431,
            "REQUEST_TOO_LARGE",
            "GET",
            "/pay/echo",
        ),
        (
            format!("GET /pay/echo HTTP/1.1\r\n{key}X-A: {}\r\n\r\n", "b".repeat(200_000)),
            431,
            "REQUEST_TOO_LARGE",
            "GET",
            "/pay/echo",
        ),
        (format!("GET /pay/echo?a={} HTTP/1.1\r\n{key}\r\n", "b".repeat(70_000)), 414, "REQUEST_TOO_LARGE", "GET", "/pay/echo"),
    ] {
        let what = &head[..head.len().min(80)];
        // A call before it on the same connection is answered as ever.
        let mut raw = front.connect().await;
        raw.send(format!("GET /pay/echo/first HTTP/1.1\r\n{key}\r\n")).await;
        assert!(raw.reply().await.unwrap().text().starts_with("GET /echo/first\n"), "{what}");
        raw.send(&head).await;
        let reply = raw.reply().await.unwrap_or_else(|| panic!("{what}: no answer"));
        assert_eq!((reply.status, reply.code().as_str(), reply.header("connection")), (status, code, Some("close")), "{what}");
        assert!(reply.header("date").is_some() && reply.header("cache-control") == Some("no-store"));
        assert!(raw.is_closed_within(Duration::from_secs(5)).await, "{what}");
        let row = front.logged(&reply).await;
        assert_eq!((row.method.as_str(), row.path.as_str(), row.status), (method, path, status.try_into().unwrap()), "{what}");
        let refused = if code == "REQUEST_TOO_LARGE" { DenialReason::RequestTooLarge } else { DenialReason::MalformedRequest };
        assert_eq!((row.denial, row.team_id, row.ip.as_str()), (Some(refused), None, "127.0.0.1"), "{what}");
        assert!(row.denial_detail.is_some_and(|detail| reply.text().contains(&detail)), "{what}");
    }
    assert_eq!(seen.requests.load(std::sync::atomic::Ordering::SeqCst), 10);
}

#[tokio::test]
async fn a_call_and_a_head_that_cannot_be_read_in_one_piece_are_both_answered() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let key = format!("Host: a\r\nX-API-Key: {}\r\n", front.catalog.key);
    let mut raw = front.connect().await;
    raw.send(format!("GET /pay/download/100000 HTTP/1.1\r\n{key}\r\nHEAD /pay/a<b HTTP/1.1\r\n{key}\r\n")).await;
    let first = raw.reply().await.unwrap();
    assert_eq!((first.status, first.body.len(), first.whole), (200, 100_000, true));
    let second = raw.reply_to("HEAD").await.unwrap();
    assert_eq!(second.status, 400);
    assert_eq!(front.logged(&second).await.path, "/pay/a%3Cb");
    assert!(raw.is_closed_within(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn quotes_and_brackets_of_a_query_are_taken_as_other_proxies_take_them() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let key = format!("Host: a\r\nX-API-Key: {}\r\nIf-None-Match: \"tag\"\r\n", front.catalog.key);
    for (sent, got) in [
        (r#"/echo?f="x""#, "/echo?f=%22x%22"),
        (r#"/echo/1?f=<a>&g={"b":[1]}&h='`|^\"#, "/echo/1?f=%3Ca%3E&g={%22b%22:[1]}&h='`|^\\"),
        (r#"/echo?f=%22x%22&?"#, "/echo?f=%22x%22&?"),
    ] {
        let bytes = format!("GET /pay{sent} HTTP/1.1\r\n{key}\r\n");
        let reply = front.ask(&bytes).await;
        assert!(reply.text().starts_with(&format!("GET {got}\n")), "{sent}: {}", reply.text());
        assert_eq!(reply.upstream_saw("if-none-match"), ["\"tag\""]);
        // In pieces, and behind one another.
        let mut raw = front.connect().await;
        for piece in bytes.as_bytes().chunks(9) {
            raw.send(piece).await;
            tokio::task::yield_now().await;
        }
        raw.send(bytes.repeat(2)).await;
        for _ in 0..3 {
            assert!(raw.reply().await.unwrap().text().starts_with(&format!("GET {got}\n")), "{sent}");
        }
    }
    // Longer than the buffer that it is read to, and three times as long once it is encoded.
    let quotes = "\"".repeat(9_000);
    let reply = front.ask(&format!("GET /pay/echo?f={quotes} HTTP/1.1\r\n{key}\r\n")).await;
    assert!(reply.text().starts_with(&format!("GET /echo?f={}\n", "%22".repeat(9_000))), "{}", reply.status);
}
