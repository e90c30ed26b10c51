//! The other listener: a router behind the same limits.

use std::{net::SocketAddr, time::Duration};

use api::listen::{self, Limits, unread::Unread};
use axum::{
    Router,
    extract::{ConnectInfo, WebSocketUpgrade, ws::Message as ServerMessage},
    routing::{get, post},
};
use domain::env::Env;
use futures_util::{SinkExt, StreamExt};
use http::Response;
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use super::raw::Raw;

fn router() -> Router {
    let socket = |upgrade: WebSocketUpgrade| async {
        upgrade.on_upgrade(|mut socket| async move {
            while let Some(Ok(ServerMessage::Text(text))) = socket.recv().await {
                if socket.send(ServerMessage::Text(text)).await.is_err() {
                    return;
                }
            }
        })
    };
    let slow = || async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        "slow"
    };
    Router::new()
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() }))
        .route("/body", post(|body: String| async move { body }))
        .route("/slow", get(slow))
        .route("/socket", get(socket))
}

fn serve() -> (SocketAddr, CancellationToken, tokio::task::JoinHandle<()>) {
    let listener = listen::bind("127.0.0.1:0".parse().unwrap(), false).unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let limits = Limits {
        header_read: Duration::from_millis(200),
        idle: Duration::from_millis(400),
        body_progress: Duration::from_millis(200),
        connections: 20,
        ..Limits::default()
    };
    let unread = (Env::system(), (|unread: Unread| Response::new(format!("{}: {}", unread.id, unread.about))) as fn(Unread) -> _);
    (address, stop.clone(), tokio::spawn(listen::serve_router(listener, router(), unread, limits, stop)))
}

#[tokio::test]
async fn a_router_is_served_with_limits() {
    let (address, _stop, _served) = serve();
    let mut raw = Raw::connect(address).await;
    raw.send("GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(raw.reply().await.unwrap().text(), "127.0.0.1");
    assert!(raw.is_closed_within(Duration::from_secs(2)).await, "idle");
    for start in ["", "GET /pe", "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf"] {
        let mut raw = Raw::connect(address).await;
        raw.send(start).await;
        assert!(raw.is_closed_within(Duration::from_secs(2)).await, "{start:?}");
    }
}

#[tokio::test]
async fn a_websocket_outlives_the_idle_limit() {
    let (address, _stop, _served) = serve();
    let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/socket")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    socket.send(Message::text("still")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("still"));
}

#[tokio::test]
async fn the_end_waits_for_what_is_in_flight() {
    let (address, stop, served) = serve();
    let mut raw = Raw::connect(address).await;
    raw.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    stop.cancel();
    assert_eq!(raw.reply().await.unwrap().text(), "slow");
    served.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
