//! Bodies of any size pass in constant memory, events at once, and other protocols through a tunnel.

use futures_util::{SinkExt, StreamExt};
use http::HeaderValue;
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use super::{Front, upstream};

const BIG: usize = 256 << 20;

/// The most memory that this process has had, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_and_an_upload_take_no_memory() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let url = |path: &str| format!("http://{}/pay/{path}", front.address);
    let http = reqwest::Client::new();
    let before = peak();
    let mut download = http.get(url(&format!("download/{BIG}"))).header("x-api-key", &front.catalog.key).send().await.unwrap();
    let mut came = 0;
    while let Some(chunk) = download.chunk().await.unwrap() {
        came += chunk.len();
    }
    assert_eq!(came, BIG);
    let piece = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = futures_util::stream::iter((0..BIG / piece.len()).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let body = reqwest::Body::wrap_stream(pieces);
    let upload = http.post(url("upload")).header("x-api-key", &front.catalog.key).body(body).send().await.unwrap();
    assert_eq!(upload.text().await.unwrap(), BIG.to_string());
    let grown = peak() - before;
    assert!(grown < 64 << 20, "{} MiB more", grown >> 20);
}

#[tokio::test]
async fn an_event_arrives_before_the_next_one_is_there() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    let mut raw = front.connect().await;
    raw.send(format!("GET /pay/events HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.catalog.key)).await;
    assert!(raw.until(b"data: one\n\n").await);
    seen.go_on.notify_one();
    assert!(raw.until(b"data: two\n\n").await);
}

#[tokio::test]
async fn a_websocket_passes() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let mut request = format!("ws://{}/pay/socket", front.address).into_client_request().unwrap();
    request.headers_mut().insert("x-api-key", HeaderValue::from_str(&front.catalog.key).unwrap());
    let (mut socket, response) = tokio_tungstenite::connect_async(request).await.unwrap();
    assert!(response.headers()["x-request-id"].to_str().unwrap().starts_with("req_"));
    for text in ["one", "two"] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text(text));
    }
    let wrong = format!("ws://{}/pay/socket", front.address).into_client_request().unwrap();
    let refused = tokio_tungstenite::connect_async(wrong).await.unwrap_err();
    assert!(refused.to_string().contains("401"), "{refused}");
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    let http = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let calls = (0..50).map(|i| {
        let request = http.get(format!("http://{}/pay/echo/{i}", front.address)).header("x-api-key", &front.catalog.key);
        async move {
            let response = request.header("x-portico-client-id", "forged").send().await.unwrap();
            assert_eq!((response.version(), response.status().as_u16()), (http::Version::HTTP_2, 200));
            let text = response.text().await.unwrap();
            assert!(text.starts_with(&format!("GET /echo/{i}\n")) && !text.contains("forged"));
        }
    });
    futures_util::future::join_all(calls).await;
    let refused = http.get(format!("http://{}/pay/echo", front.address)).send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 401);
}
