//! A connection becomes a WebSocket or stays what it is: no other protocol gets past the gateway.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, atomic::Ordering::SeqCst},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{Front, upstream};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The heads that an upstream was sent.
type Heads = Arc<Mutex<Vec<String>>>;

/// An upstream that answers every head with these fields of a 101, whatever was asked for, and then says back what it hears.
async fn switching(fields: &'static str) -> (SocketAddr, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, heads) = (listener.local_addr().unwrap(), Heads::default());
    let seen = heads.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = seen.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await?);
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap().to_ascii_lowercase());
                stream.write_all(format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n").as_bytes()).await?;
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    (address, heads)
}

fn handshake(line: &str, fields: &str, key: &str) -> String {
    format!("{line}\r\nHost: a\r\nX-API-Key: {key}\r\n{fields}\r\n")
}

#[tokio::test]
async fn what_is_no_websocket_goes_on_as_a_plain_call() {
    let (h2c, heads) = switching("Connection: Upgrade\r\nUpgrade: h2c\r\n").await;
    let front = Front::before(h2c).await;
    let key = &front.catalog.key;
    let get = "GET /pay/echo HTTP/1.1";
    let up = "Connection: Upgrade\r\n";
    let proof = format!("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n");
    for (line, fields) in [
        (get, format!("{up}Upgrade: h2c\r\n")),
        (get, "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n".to_owned()),
        (get, format!("{up}Upgrade: TLS/1.0\r\n")),
        (get, format!("{up}Upgrade: websocket\r\n")),
        (get, format!("{up}Upgrade: h2c\r\n{proof}")),
        (get, format!("Upgrade: websocket\r\n{proof}")),
        (get, format!("{up}Upgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: {KEY}\r\n")),
        (get, format!("{up}Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n")),
        (get, format!("{up}Upgrade: websocket\r\n{proof}Sec-WebSocket-Key: {KEY}\r\n")),
        ("POST /pay/echo HTTP/1.1", format!("{up}Upgrade: websocket\r\n{proof}Content-Length: 0\r\n")),
        ("GET /pay/echo HTTP/1.0", format!("{up}Upgrade: websocket\r\n{proof}")),
    ] {
        let mut raw = front.connect().await;
        raw.send(handshake(line, &fields, key)).await;
        let reply = raw.reply().await.unwrap();
        assert_eq!((reply.status, reply.code().as_str()), (502, "UPSTREAM_UNREACHABLE"), "{line} {fields}");
        let head = heads.lock().unwrap().pop().unwrap();
        for gone in ["\r\nupgrade:", "\r\nconnection:", "\r\nhttp2-settings:"] {
            assert!(!head.contains(gone), "{line} {fields}: the upstream was sent {head}");
        }
        // Nothing that comes now is another protocol's: it is a request of its own, or the end.
        let _ = raw.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        assert!(raw.is_closed_within(Duration::from_secs(5)).await, "{line} {fields}");
        assert!(heads.lock().unwrap().is_empty());
    }
    let (behaving, _) = upstream::behaving().await;
    let front = Front::before(behaving).await;
    let reply = front.call("GET /pay/echo", "Connection: Upgrade\r\nUpgrade: h2c\r\n").await;
    assert_eq!((reply.status, reply.upstream_saw("upgrade").len(), reply.upstream_saw("connection").len()), (200, 0, 0));
}

#[tokio::test]
async fn a_101_has_to_agree_to_the_websocket_that_was_asked_for() {
    const AGREED: &str = "Connection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: chat\r\nContent-Length: 7\r\n";
    for (fields, status) in [
        (AGREED, 101),
        ("Connection: upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", 502),
        ("Connection: upgrade\r\nUpgrade: websocket\r\n", 502),
        ("Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n", 502),
        ("Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", 502),
        ("", 502),
    ] {
        let (address, heads) = switching(fields).await;
        let front = Front::before(address).await;
        let mut raw = front.connect().await;
        let asked = format!(
            "Connection: Upgrade\r\nUpgrade: h2c, websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        );
        raw.send(handshake("GET /pay/socket HTTP/1.1", &asked, &front.catalog.key)).await;
        let reply = raw.reply().await.unwrap();
        assert_eq!(reply.status, status, "{fields}");
        let head = heads.lock().unwrap().pop().unwrap();
        assert!(head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: upgrade\r\n"), "{head}");
        assert!(head.contains("\r\nsec-websocket-version: 13\r\n") && head.contains(&KEY.to_ascii_lowercase()), "{head}");
        if status != 101 {
            assert_eq!(reply.code(), "UPSTREAM_UNREACHABLE");
            continue;
        }
        let said = ["upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol", "content-length"];
        assert_eq!(said.map(|name| reply.header(name)), [Some("websocket"), Some("upgrade"), Some(ACCEPT), Some("chat"), None]);
        raw.send("both ways").await;
        assert!(raw.until(b"both ways").await);
    }
}

#[tokio::test]
async fn http2_has_no_way_to_another_protocol() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    for protocol in ["websocket", "connect-udp"] {
        let stream = tokio::net::TcpStream::connect(front.address).await.unwrap();
        let builder = hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
        let (mut sender, connection) = builder.handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::connect(format!("http://{}/pay/socket", front.address))
            .header("x-api-key", &front.catalog.key)
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY)
            .extension(hyper::ext::Protocol::from_static(protocol))
            .body(http_body_util::Empty::<bytes::Bytes>::new());
        // Refused by the protocol itself, or as any CONNECT.
        if let Ok(answer) = sender.send_request(request.unwrap()).await {
            assert_eq!(answer.status().as_u16(), 400, "{protocol}");
        }
    }
    assert_eq!(seen.requests.load(SeqCst), 0);
}
