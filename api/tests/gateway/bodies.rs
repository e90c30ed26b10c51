//! Bodies and heads that come through whole, whatever the method.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{Front, upstream};

const BODY: &str = "6\r\nhello \r\n6\r\nworld!\r\n0\r\n\r\n";

#[tokio::test]
async fn a_chunked_body_reaches_the_upstream_with_every_method() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let key = &front.catalog.key;
    for method in ["GET", "HEAD", "POST", "DELETE", "QUERY"] {
        let head = format!("{method} /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\n");
        let reply = front.ask(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{BODY}")).await;
        // An answer to HEAD tells how long the number would be.
        let counted = if method == "HEAD" { reply.header("content-length") } else { Some(reply.text()) };
        assert_eq!((reply.status, counted), (200, Some(if method == "HEAD" { "2" } else { "12" })), "{method}");
        let reply = front.ask(&format!("{head}\r\n")).await;
        assert_eq!(reply.status, 200, "{method}");
    }
}

#[tokio::test]
async fn query_is_a_method_like_the_others() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let reply = front.call("QUERY /pay/echo", "Content-Length: 2\r\nContent-Type: text/plain\r\n\r\nhi").await;
    assert!(reply.text().starts_with("QUERY /echo\n"), "{}", reply.text());
    assert_eq!(front.logged(&reply).await.method, "QUERY");
    let other = front.call("PATCH /pay/echo", "").await;
    assert_eq!(other.header("allow"), Some("GET, HEAD, POST, PUT, QUERY"));
}

#[tokio::test]
async fn a_head_of_two_hundred_fields_comes_through() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let reply = front.call("GET /pay/wide", "").await;
    assert_eq!((reply.status, reply.headers.iter().filter(|(name, _)| name == "x-many").count()), (200, 198));
}

#[tokio::test]
async fn a_body_with_trailers_behind_it_ends() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let mut raw = front.connect().await;
    let key = &front.catalog.key;
    raw.send(format!("GET /pay/trailing HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nX-API-Key: {key}\r\nConnection: close\r\n\r\n"))
        .await;
    let reply = raw.reply().await.unwrap();
    assert_eq!((reply.text(), reply.whole, reply.header("trailer")), ("trailing", true, None));
}

/// A request on its kept connection would be one of HTTP/1.0, whose body of unknown length would be left out.
#[tokio::test]
async fn an_upstream_of_http_1_0_gets_each_body() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut bytes = Vec::new();
                while matches!(stream.read_buf(&mut bytes).await, Ok(1..)) {
                    if bytes.ends_with(b"0\r\n\r\n") {
                        let answer = "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok";
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        bytes.clear();
                    }
                }
            });
        }
    });
    let front = Front::before(address).await;
    let head = format!("POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n", front.catalog.key);
    let mut raw = front.connect().await;
    for _ in 0..3 {
        raw.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n{BODY}")).await;
        let reply = raw.reply().await.unwrap();
        assert_eq!((reply.status, reply.text()), (200, "ok"));
    }
    assert_eq!(connections.load(Ordering::SeqCst), 3);
}
