//! Messages as RFC 9110, 9112 and 9113 have them: what HTTP/2 may send and HTTP/1.1 may not, and what upstreams say of a length.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{Front, upstream};

/// An upstream that answers every head with these bytes, and how many connections it has had.
async fn saying(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = connections.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, SeqCst);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while head.len() < 65_536 {
                    head.push(stream.read_u8().await?);
                    if head.ends_with(b"\r\n\r\n") {
                        stream.write_all(answer.as_bytes()).await?;
                        head.clear();
                    }
                }
                std::io::Result::Ok(())
            });
        }
    });
    (address, connections)
}

/// Over HTTP/2, with the key.
async fn call(front: &Front, request: http::request::Builder) -> Response<Incoming> {
    let stream = TcpStream::connect(front.address).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = request.header("x-api-key", &front.catalog.key).body(Full::<Bytes>::default()).unwrap();
    sender.send_request(request).await.unwrap()
}

async fn text(answer: Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn an_upstream_gives_one_length_or_a_coding() {
    for (answer, status, length, connections) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, Some("5"), 1),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 200, Some("5"), 1),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello", 200, Some("5"), 1),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, None, 1),
        // What comes behind it may be part of it: the connection is not used again.
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, None, 2),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 502, None, 2),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", 502, None, 2),
    ] {
        let (address, seen) = saying(answer).await;
        let front = Front::before(address).await;
        let mut raw = front.connect().await;
        for _ in 0..2 {
            raw.send(format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.catalog.key)).await;
            let reply = raw.reply().await.unwrap();
            assert_eq!(reply.status, status, "{answer}");
            if status == 200 {
                assert_eq!((reply.text(), reply.header("content-length")), ("hello", length), "{answer}");
                assert_eq!(
                    reply.headers.iter().filter(|(name, _)| name == "content-length").count(),
                    usize::from(length.is_some())
                );
                assert_eq!(reply.header("transfer-encoding").is_some(), length.is_none(), "{answer}");
            }
        }
        // Each connection of the caller's is served by one core, so it had one pool.
        assert_eq!(seen.load(SeqCst), connections, "{answer}");
    }
}

#[tokio::test]
async fn trailers_say_nothing_that_only_the_gateway_says() {
    let (address, _) = saying(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Checksum: 7\r\nX-Portico-Denial: RATE_LIMITED\r\n\
         RateLimit: \"x\";r=0\r\nContent-Length: 9\r\n\r\n",
    )
    .await;
    let front = Front::before(address).await;
    let answer = call(&front, Request::get("http://a/pay/echo")).await;
    let trailers = answer.into_body().collect().await.unwrap().trailers().unwrap().clone();
    assert_eq!(trailers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-checksum"]);
}

#[tokio::test]
async fn what_http2_calls_malformed_is_refused() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    for (request, say) in [
        (Request::get("http://a/pay/echo").header("host", "b"), "a Host header that differs from :authority"),
        (Request::get("http://a/pay/echo").header("host", "a").header("host", "a"), "several Host headers"),
        (Request::get("http://a/pay/echo").header("x-client-id", "x "), "a header's value that begins or ends with a space"),
        (Request::get("http://a/pay/echo").header("x-other", "\tx"), "a header's value that begins or ends with a space"),
    ] {
        let answer = call(&front, request).await;
        let status = answer.status().as_u16();
        let problem: serde_json::Value = serde_json::from_str(&text(answer).await).unwrap();
        assert_eq!((status, &problem["code"]), (400, &"MALFORMED_REQUEST".into()), "{say}");
        assert!(problem["detail"].as_str().unwrap().contains(say), "{problem}");
    }
    assert_eq!(seen.requests.load(SeqCst), 0);
}

#[tokio::test]
async fn a_cookie_in_pieces_is_one_for_the_upstream() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let request = Request::get("http://a/pay/echo").header("cookie", "a=1").header("cookie", "b=2").header("host", "a");
    let seen = text(call(&front, request).await).await;
    assert!(seen.contains("\ncookie: a=1; b=2\n") && seen.matches("cookie:").count() == 1, "{seen}");
}

#[tokio::test]
async fn an_options_counts_the_gateways_that_it_may_pass() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    let passed = front.call("OPTIONS /pay/echo/a/b", "Max-Forwards: 3\r\n").await;
    assert_eq!((passed.status, passed.upstream_saw("max-forwards")), (200, vec!["2"]));
    let last = front.call("OPTIONS /pay/echo/a/b", "Max-Forwards: 0\r\n").await;
    assert_eq!((last.status, seen.requests.load(SeqCst)), (204, 1));
    assert_eq!(front.logged(&last).await.status, 204);
    assert_eq!(front.call("GET /pay/echo", "Max-Forwards: 0\r\n").await.upstream_saw("max-forwards"), ["0"]);
}

#[tokio::test]
async fn a_post_of_nothing_says_so() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    for fields in ["", "Content-Length: 0\r\n"] {
        assert_eq!(front.call("POST /pay/echo", fields).await.upstream_saw("content-length"), ["0"], "{fields}");
    }
    let get = front.call("GET /pay/echo", "").await;
    assert_eq!((get.status, get.upstream_saw("content-length").len()), (200, 0));
}
