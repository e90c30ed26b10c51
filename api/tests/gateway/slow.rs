//! Slow and silent callers, too many of them, and the end.

use std::time::{Duration, Instant};

use api::gateway::Settings;
use entities::request_log;
use sea_orm::EntityTrait;

use super::{Behind, Front, PlanLimits, upstream};

async fn hasty() -> Front {
    let (address, _) = upstream::behaving().await;
    let set = |s: &mut Settings| {
        s.limits.header_read = Duration::from_millis(200);
        s.limits.idle = Duration::from_millis(400);
        s.limits.body_progress = Duration::from_millis(200);
        s.limits.connections = 20;
    };
    Front::with(Behind::at(address), PlanLimits::default(), set).await
}

const SOON: Duration = Duration::from_millis(1500);

#[tokio::test]
async fn half_a_head_nothing_and_half_a_body_are_closed() {
    let front = hasty().await;
    let key = &front.catalog.key;
    for start in [
        String::new(),
        "GET /pay/e".to_owned(),
        "GET /pay/echo HTTP/1.1\r\nHost: a\r\n".to_owned(),
        "PRI * HT".to_owned(),
        "P".to_owned(),
        format!("POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nContent-Length: 10\r\n\r\nhalf"),
        format!("POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {key}\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf"),
    ] {
        let mut raw = front.connect().await;
        raw.send(&start).await;
        assert!(raw.is_closed_within(SOON).await, "{start:?}");
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_half_head_on_a_used_one_too() {
    let front = hasty().await;
    let request = format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.catalog.key);
    let mut idle = front.connect().await;
    idle.send(&request).await;
    idle.reply().await.unwrap();
    let since = Instant::now();
    assert!(idle.is_closed_within(SOON).await && since.elapsed() > Duration::from_millis(300));
    let mut half = front.connect().await;
    half.send(&request).await;
    half.reply().await.unwrap();
    half.send("GET /pay/e").await;
    assert!(half.is_closed_within(SOON).await);
}

#[tokio::test]
async fn who_does_not_read_is_closed() {
    let front = hasty().await;
    let mut raw = front.connect().await;
    let length = 200 << 20;
    raw.send(format!("GET /pay/download/{length} HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.catalog.key)).await;
    let since = Instant::now();
    while front.gateway().connections() > 0 {
        assert!(since.elapsed() < Duration::from_secs(5), "the connection is still open");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn beyond_the_cap_there_is_a_503_and_the_listener_lives() {
    let front = hasty().await;
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(front.connect().await);
    }
    while front.gateway().connections() < 20 {
        tokio::task::yield_now().await;
    }
    let over = front.ask("GET /pay/echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((over.status, over.header("retry-after")), (503, Some("1")));
    assert!(over.whole && over.text().contains("UNAVAILABLE"));
    drop(held);
    let since = Instant::now();
    while front.ask("GET /_portico/healthz HTTP/1.1\r\nHost: a\r\n\r\n").await.status != 200 {
        assert!(since.elapsed() < Duration::from_secs(5), "the listener does not recover");
    }
}

#[tokio::test]
async fn a_source_has_so_many_connections_and_a_proxy_any_number() {
    let (address, _) = upstream::behaving().await;
    for proxies in ["192.0.2.0/24", "127.0.0.0/8"] {
        let set = |s: &mut Settings| {
            s.limits.source_connections = 5;
            s.limits.proxies = vec![proxies.parse().unwrap()];
        };
        let front = Front::with(Behind::at(address), PlanLimits::default(), set).await;
        let mut held = Vec::new();
        for _ in 0..5 {
            held.push(front.connect().await);
        }
        while front.gateway().connections() < 5 {
            tokio::task::yield_now().await;
        }
        let ask = async || front.ask("GET /_portico/healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let over = ask().await;
        if proxies.starts_with("127") {
            assert_eq!(over.status, 200);
            continue;
        }
        assert_eq!((over.status, over.header("retry-after")), (429, Some("1")));
        assert!(over.whole && over.text().contains("RATE_LIMITED") && over.text().contains("this address"));
        held.pop();
        let since = Instant::now();
        while ask().await.status != 200 {
            assert!(since.elapsed() < Duration::from_secs(5), "the place is not given back");
        }
    }
}

/// As fast as a test can wait for: a byte a moment, and more than a second in all is too slow.
fn impatient(s: &mut Settings) {
    s.limits.pace =
        api::listen::Pace { grace: Duration::from_millis(300), rate: 1024, whole: Duration::from_millis(1200), brisk: 64 * 1024 };
}

/// Sends this part again and again, until there is an answer.
async fn trickle(front: &Front, head: &str, part: &[u8], pause: Duration) -> super::raw::Reply {
    use tokio::io::AsyncWriteExt;
    let mut raw = front.connect().await;
    raw.send(head).await;
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < Duration::from_secs(5), "{head} is never cut");
        let _ = raw.stream.write_all(part).await;
        if let Ok(answered) = tokio::time::timeout(pause, raw.stream.readable()).await {
            answered.unwrap();
            return raw.reply_to("POST").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_cut() {
    let (address, _) = upstream::behaving().await;
    let front = Front::with(Behind::at(address), PlanLimits::default(), impatient).await;
    let head = format!("POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n", front.catalog.key);
    let often = Duration::from_millis(40);
    for (fields, part) in [("Content-Length: 100000\r\n\r\n", &b"x"[..]), ("Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n")] {
        let reply = trickle(&front, &format!("{head}{fields}"), part, often).await;
        assert_eq!((reply.status, reply.code().as_str()), (408, "REQUEST_TIMEOUT"), "{fields}");
        assert_eq!(reply.header("connection"), Some("close"));
        let row = front.logged(&reply).await;
        assert_eq!((row.status, row.denial), (408, Some(entities::enums::DenialReason::RequestTimeout)));
    }
    // Fast enough for the rate, and not brisk: in all it takes too long.
    let reply = trickle(&front, &format!("{head}Content-Length: 100000000\r\n\r\n"), &[b'x'; 500], often).await;
    assert_eq!((reply.status, reply.code().as_str()), (408, "REQUEST_TIMEOUT"));
    // One that flows takes as long as it takes.
    let mut raw = front.connect().await;
    raw.send(format!("{head}Content-Length: 3200000\r\n\r\n")).await;
    for _ in 0..32 {
        raw.send(vec![b'x'; 100_000]).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(raw.reply_to("POST").await.unwrap().text(), "3200000");
}

#[tokio::test]
async fn stopping_lets_calls_finish_and_writes_the_log() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::with(Behind::at(address), PlanLimits::default(), |s| s.log.delay = Duration::from_secs(60)).await;
    let mut idle = front.connect().await;
    let mut busy = front.connect().await;
    busy.send(format!("GET /pay/slow HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.catalog.key)).await;
    while seen.requests.load(std::sync::atomic::Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let address = front.address;
    let stopping = tokio::spawn(front.stop());
    assert_eq!(busy.reply().await.unwrap().text(), "slow");
    assert!(idle.is_closed_within(SOON).await);
    let ctx = stopping.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it still listens");
    assert_eq!(request_log::Entity::find().all(&ctx.db).await.unwrap().len(), 1);
}
