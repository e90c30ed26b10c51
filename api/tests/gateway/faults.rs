//! Upstreams that refuse, hang, cut and reset: each costs its own call, and no caller takes half an answer for a whole one.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    Behind, Front, PlanLimits,
    upstream::{self, Failing},
};

async fn before(how: Failing) -> (Front, std::sync::Arc<upstream::Seen>) {
    let (address, seen) = upstream::failing(how).await;
    let behind = Behind { timeout_ms: 200, ..Behind::at(address) };
    let quick = |s: &mut api::gateway::Settings| s.upstream.body_progress = Duration::from_millis(200);
    (Front::with(behind, PlanLimits::default(), quick).await, seen)
}

#[tokio::test]
async fn nobody_listens() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let front = Front::before(closed).await;
    let reply = front.call("GET /pay/echo", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "UPSTREAM_UNREACHABLE"));
    assert!(!reply.text().contains(&closed.port().to_string()), "the upstream's address is told");
    let detail = front.logged(&reply).await.denial_detail.unwrap();
    assert!(detail.starts_with(&format!("it refuses connections: 127.0.0.1 port {}: {closed}: ", closed.port())), "{detail}");
}

/// The unspecified address leads to this machine: without the check, the upstream would answer.
#[tokio::test]
async fn an_address_that_upstreams_must_not_have_is_not_connected_to() {
    let (address, seen) = upstream::behaving().await;
    for host in ["0.0.0.0", "[::ffff:0.0.0.0]"] {
        let behind = Behind { upstream: format!("http://{host}:{}", address.port()), ..Behind::at(address) };
        let front = Front::with(behind, PlanLimits::default(), |_| {}).await;
        assert_eq!(front.call("GET /pay/echo", "").await.code(), "UPSTREAM_UNREACHABLE", "{host}");
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_upstream_behind_tls_is_called_where_its_certificate_is_good() {
    let address = upstream::secure().await;
    let behind = || Behind { upstream: format!("https://localhost:{}", address.port()), ..Behind::at(address) };
    let trusting = Front::with(behind(), PlanLimits::default(), |s| s.upstream_authorities = vec![upstream::authority()]).await;
    let reply = trusting.call("GET /pay/echo", "").await;
    assert_eq!((reply.status, reply.upstream_saw("host")), (200, vec![format!("localhost:{}", address.port()).as_str()]));
    let distrusting = Front::with(behind(), PlanLimits::default(), |_| {}).await;
    let reply = distrusting.call("GET /pay/echo", "").await;
    assert_eq!(reply.code(), "UPSTREAM_UNREACHABLE");
    let detail = distrusting.logged(&reply).await.denial_detail.unwrap();
    let told = ["its TLS cannot be trusted or used: localhost", "UnknownIssuer", "PORTICO_CA_FILE"];
    assert!(told.iter().all(|part| detail.contains(part)), "{detail}");
}

#[tokio::test]
async fn no_head_in_time() {
    let (front, seen) = before(Failing::BeforeHead).await;
    let started = Instant::now();
    let reply = front.call("GET /pay/echo", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "UPSTREAM_TIMEOUT"));
    assert!((200..1500).contains(&started.elapsed().as_millis()));
    assert_eq!(seen.requests.load(Ordering::SeqCst), 1);
    let row = front.logged(&reply).await;
    assert_eq!(row.status, 504);
    assert!(row.denial_detail.unwrap().starts_with("no answer in time: 127.0.0.1:"));
}

#[tokio::test]
async fn half_an_answer_is_an_error() {
    for how in [Failing::MidBody, Failing::CutBody, Failing::CutChunks] {
        let (front, _) = before(how).await;
        let reply = front.call("GET /pay/echo", "").await;
        assert_eq!((reply.status, reply.whole), (200, false));
        let row = front.logged(&reply).await;
        assert_eq!((row.status, row.completed), (200, false));
        assert_eq!(row.denial_detail.as_deref(), Some("the upstream's answer broke off"));
    }
}

#[tokio::test]
async fn what_came_to_its_end_is_logged_as_whole_and_what_the_caller_left_is_not() {
    let (address, _) = upstream::behaving().await;
    let front = Front::before(address).await;
    for line in
        ["GET /pay/echo", "HEAD /pay/echo", "GET /pay/download/300000", "GET /pay/trailing", "GET /pay/admin", "GET /nowhere"]
    {
        let reply = front.call(line, "").await;
        assert!(front.logged(&reply).await.completed, "{line}");
    }
    let mut raw = front.connect().await;
    raw.send(format!("GET /pay/events HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.catalog.key)).await;
    assert!(raw.until(b"data: one\n\n").await);
    drop(raw);
    let left = front.logged_where("/pay/events").await;
    assert_eq!((left.status, left.completed, left.denial_detail), (200, false, None));
}

#[tokio::test]
async fn reset() {
    let (front, seen) = before(Failing::Reset).await;
    let reply = front.call("GET /pay/echo", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (502, "UPSTREAM_UNREACHABLE"));
    assert_eq!(seen.requests.load(Ordering::SeqCst), 1);
    assert!(front.logged(&reply).await.denial_detail.unwrap().starts_with("it broke off without an answer: "));
}

/// A name that leads to these addresses.
#[derive(Debug)]
struct Leads(Vec<SocketAddr>);

#[async_trait::async_trait]
impl api::dial::Names for Leads {
    async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        if host == "nowhere.example" { Err(io::Error::other("no such name")) } else { Ok(self.0.clone()) }
    }
}

/// A socket whose backlog is full: who connects hears nothing. What is returned keeps it so.
async fn silent(address: SocketAddr) -> (socket2::Socket, Vec<tokio::net::TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    let mut waiting = Vec::new();
    let connect = || tokio::net::TcpStream::connect(address);
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(200), connect()).await {
        waiting.push(stream);
    }
    (socket, waiting)
}

async fn led_to(addresses: &[SocketAddr], host: &str, timeout_ms: i32) -> Front {
    let behind = Behind { upstream: format!("http://{host}:{}", addresses[0].port()), timeout_ms, ..Behind::at(addresses[0]) };
    let names = std::sync::Arc::new(Leads(addresses.to_vec()));
    let set = |s: &mut api::gateway::Settings| {
        s.names = names;
        s.threads = std::num::NonZeroUsize::MIN;
    };
    Front::with(behind, PlanLimits::default(), set).await
}

#[tokio::test]
async fn of_several_addresses_a_silent_one_costs_a_moment_once() {
    let (works, seen) = upstream::behaving_at("127.0.0.3:0").await;
    let dead = SocketAddr::from(([127, 0, 0, 2], works.port()));
    let _silent = silent(dead).await;
    let front = led_to(&[dead, works], "api.example", 20_000).await;
    for _ in 0..5 {
        // Each with a connection of its own.
        assert_eq!(front.call("GET /pay/echo", "Connection: close\r\n").await.status, 200);
    }
    assert!(seen.connections.load(Ordering::SeqCst) >= 1);
}

#[tokio::test]
async fn who_answered_and_who_did_not_is_told_to_staff() {
    let (works, _) = upstream::behaving_at("127.0.0.3:0").await;
    let port = works.port();
    let [silent_one, closed] = [[127, 0, 0, 2], [127, 0, 0, 4]].map(|ip| SocketAddr::from((ip, port)));
    let _silent = silent(silent_one).await;
    let front = led_to(&[silent_one, closed], "api.example", 800).await;
    let reply = front.call("GET /pay/echo", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (504, "UPSTREAM_TIMEOUT"));
    assert!(!reply.text().contains("127.0.0"), "{}", reply.text());
    let detail = front.logged(&reply).await.denial_detail.unwrap();
    let told = [
        format!("no connection in time: api.example port {port}: {closed}: Connection refused"),
        format!("{silent_one}: silent"),
    ];
    assert!(told.iter().all(|part| detail.contains(part)), "{detail}");
    let front = led_to(&[works], "nowhere.example", 800).await;
    let reply = front.call("GET /pay/echo", "").await;
    assert_eq!(reply.status, 502);
    let detail = front.logged(&reply).await.denial_detail.unwrap();
    assert_eq!(detail, "its name is not resolved: nowhere.example: no such name");
}

#[tokio::test]
async fn a_kept_connection_that_dies_is_tried_again_only_where_nothing_can_have_happened() {
    for (second, retried) in [("GET /pay/echo", true), ("POST /pay/echo", false)] {
        let (address, seen) = upstream::failing(Failing::SecondRequest).await;
        let one_core = |s: &mut api::gateway::Settings| s.threads = std::num::NonZeroUsize::MIN;
        let front = Front::with(Behind::at(address), PlanLimits::default(), one_core).await;
        assert_eq!(front.call("GET /pay/echo", "").await.text(), "ok");
        let length = if second.starts_with("POST") { "Content-Length: 0\r\n" } else { "" };
        let reply = front.call(second, length).await;
        assert_eq!(reply.status, if retried { 200 } else { 502 }, "{second}");
        assert_eq!(seen.requests.load(Ordering::SeqCst), if retried { 3 } else { 2 }, "{second}");
    }
}

#[tokio::test]
async fn connections_to_upstreams_are_kept() {
    let (address, seen) = upstream::behaving().await;
    let front = Front::before(address).await;
    let mut raw = front.connect().await;
    for _ in 0..20 {
        raw.send(format!("GET /pay/echo HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n", front.catalog.key)).await;
        assert_eq!(raw.reply().await.unwrap().status, 200);
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_slow_upload_is_not_the_upstreams_slowness() {
    let (address, _) = upstream::behaving().await;
    let behind = Behind { timeout_ms: 150, ..Behind::at(address) };
    let front = Front::with(behind, PlanLimits::default(), |_| {}).await;
    let mut raw = front.connect().await;
    raw.send(format!("POST /pay/upload HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\nContent-Length: 8\r\n\r\n", front.catalog.key))
        .await;
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        raw.send("x").await;
    }
    let reply = raw.reply().await.unwrap();
    assert_eq!((reply.status, reply.text()), (200, "8"));
}
