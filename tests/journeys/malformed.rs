//! Requests to the API that can be read in two ways.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::app::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_cannot_be_read_is_answered_with_its_id() {
    let app = TestApp::start().await;
    let own = format!("Host: {}\r\n", app.app.api.expect("the API is served"));
    for (bytes, status, code) in [
        (format!("GET /a<b HTTP/1.1\r\n{own}\r\n"), "400", "MALFORMED_REQUEST"),
        (format!("GET /healthz HTTP/1.1\r\n{own}X-A : b\r\n\r\n"), "400", "MALFORMED_REQUEST"),
        (format!("GET /healthz HTTP/1.1\r\n{own}{}\r\n", "X-A: b\r\n".repeat(120)), "431", "REQUEST_TOO_LARGE"),
        (format!("GET /healthz?{} HTTP/1.1\r\n{own}\r\n", "a".repeat(70_000)), "414", "REQUEST_TOO_LARGE"),
    ] {
        let what = &bytes[..40];
        let answer = answers(&app, &bytes).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        assert_eq!(head.split(' ').nth(1), Some(status), "{what}");
        let problem: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!((problem["code"].as_str(), problem["status"].to_string().as_str()), (Some(code), status), "{what}");
        assert!(head.contains(&format!("x-request-id: {}", problem["requestId"].as_str().expect("an id"))), "{what}: {head}");
    }
    let quoted = format!("GET /graphql?query={{node(id:\"x\"){{id}}}} HTTP/1.1\r\n{own}Connection: close\r\n\r\n");
    assert!(answers(&app, &quoted).await.ends_with(r#"{"data":{"node":null}}"#));
}

/// What is answered to these bytes until the connection ends.
async fn answers(app: &TestApp, bytes: &str) -> String {
    let mut stream = TcpStream::connect(app.app.api.expect("the API is served")).await.expect("a connection");
    stream.write_all(bytes.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8(answer).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_read_in_two_ways_is_refused_here_too() {
    let app = TestApp::start().await;
    let own = format!("Host: {}\r\n", app.app.api.expect("the API is served"));
    let post = "POST /graphql HTTP/1.1\r\nContent-Type: application/json\r\n";
    let query = r#"{"query":"{ __typename }"}"#;
    let chunked = format!("{:x}\r\n{query}\r\n0\r\n\r\n", query.len());
    let length = format!("Content-Length: {}\r\n", query.len());
    for (bytes, say) in [
        ("GET /healthz HTTP/1.1\r\n\r\n".to_owned(), "no Host header"),
        (format!("GET /healthz HTTP/1.1\r\n{own}Host: b\r\n\r\n"), "several Host headers"),
        (format!("GET /healthz HTTP/1.1\r\n{own}{own}\r\n"), "several Host headers"),
        ("GET /healthz HTTP/1.1\r\nHost: a, b\r\n\r\n".to_owned(), "a Host header that is not a host"),
        (format!("GET http://user@a/healthz HTTP/1.1\r\n{own}\r\n"), "a user's name in the request's target"),
        (format!("{post}{own}{length}Transfer-Encoding: chunked\r\n\r\n{chunked}"), "Content-Length beside Transfer-Encoding"),
        (format!("{post}{own}Transfer-Encoding: chunked\r\n{length}\r\n{chunked}"), "Content-Length beside Transfer-Encoding"),
        (format!("{post}{own}{length}{length}\r\n{query}"), "several Content-Length headers"),
        (format!("GET /healthz HTTP/1.1\n{}\n", own.replace('\r', "")), "a line of the head that does not end in CR LF"),
    ] {
        let behind = format!("GET /readyz HTTP/1.1\r\n{own}\r\n");
        let answer = answers(&app, &format!("{bytes}{behind}")).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{bytes}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 400 ") && head.contains("content-type: application/problem+json"), "{bytes}: {head}");
        let problem: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(problem["code"], "MALFORMED_REQUEST", "{bytes}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(say)), "{bytes}: {problem}");
        assert!(head.contains(&format!("x-request-id: {}", problem["requestId"].as_str().expect("an id"))), "{bytes}: {head}");
    }
    for fine in [
        "GET /healthz HTTP/1.0\r\n\r\n".to_owned(),
        format!("GET /healthz HTTP/1.1\r\n{own}Connection: close\r\n\r\n"),
        format!("{post}{own}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"),
        format!("{post}{own}Connection: close\r\n{length}\r\n{query}"),
    ] {
        let answer = answers(&app, &fine).await;
        assert!(answer.split(' ').nth(1) == Some("200"), "{fine}: {answer}");
    }
}
