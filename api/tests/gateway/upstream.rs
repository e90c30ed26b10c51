//! Upstreams to call: one that behaves and shows what it was sent, and ones that do not.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// What a test can see of an upstream and tell it.
#[derive(Default)]
pub struct Seen {
    pub connections: AtomicUsize,
    pub requests: AtomicUsize,
    /// Lets an event stream go on.
    pub go_on: Notify,
}

/// An upstream that behaves.
pub async fn behaving() -> (SocketAddr, Arc<Seen>) {
    behaving_at("127.0.0.1:0").await
}

pub async fn behaving_at(address: &str) -> (SocketAddr, Arc<Seen>) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            let seen = shared.clone();
            let service = service_fn(move |request| answer(request, seen.clone()));
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(served.with_upgrades());
        }
    });
    (address, seen)
}

async fn answer(mut request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Body>, Infallible> {
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    let path = path.strip_prefix("/base").unwrap_or(&path);
    if let Some(bytes) = path.strip_prefix("/download/") {
        return Ok(download(bytes.parse().unwrap()));
    }
    if let Some(kind) = path.strip_prefix("/places/") {
        return Ok(places(kind, &request));
    }
    Ok(match path {
        "/upload" => {
            let mut total = 0;
            while let Some(frame) = request.body_mut().frame().await {
                let Ok(frame) = frame else { break };
                total += frame.data_ref().map_or(0, Bytes::len);
            }
            text(total.to_string())
        }
        "/events" => events(seen),
        "/socket" => socket(request),
        "/trailing" => trailing(),
        "/wide" => wide(),
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            text("slow".to_owned())
        }
        "/pages" => {
            let mut response = text("pages".to_owned());
            for (name, value) in [
                ("access-control-allow-origin", "https://theirs.example"),
                ("access-control-allow-credentials", "true"),
                ("access-control-expose-headers", "X-Total-Count, etag, *"),
                ("vary", "Accept-Encoding"),
            ] {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            response
        }
        "/odd" => {
            let mut response = text("odd".to_owned());
            for (name, value) in [
                ("connection", "x-internal"),
                ("x-internal", "1"),
                ("keep-alive", "timeout=9"),
                ("set-cookie", "session=s3cret"),
                ("x-request-id", "theirs"),
                ("ratelimit", "\"theirs\";r=9;t=1"),
                ("ratelimit-policy", "\"theirs\";q=9;w=1"),
                ("x-portico-denial", "theirs"),
                ("x-portico-scopes", "theirs"),
                ("proxy-authenticate", "Basic"),
                ("x-kept", "yes"),
            ] {
                response.headers_mut().append(name, value.parse().unwrap());
            }
            response
        }
        _ => text(shown(&request)),
    })
}

/// The request as it came: its line, then its fields, one a line.
fn shown(request: &Request<Incoming>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text.push_str(&format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    text
}

fn text(text: String) -> Response<Body> {
    Response::new(Full::from(text).boxed_unsync())
}

fn download(total: usize) -> Response<Body> {
    const PIECE: usize = 64 * 1024;
    let pieces = stream::iter((0..total.div_ceil(PIECE)).map(move |at| {
        let size = PIECE.min(total - at * PIECE);
        Ok(Frame::data(Bytes::from(vec![b'x'; size])))
    }));
    Response::new(StreamBody::new(pieces).boxed_unsync())
}

/// An answer that names places: its own, or somebody else's.
fn places(kind: &str, request: &Request<Incoming>) -> Response<Body> {
    let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
    let (location, cookie) = match kind {
        "own" => (format!("http://{host}/base/echo/7?a=b"), "s=1; Domain=127.0.0.1; Path=/base/echo".to_owned()),
        "path" => ("/base/echo/7".to_owned(), "s=1; Path=/".to_owned()),
        _ => ("https://login.example/base/echo".to_owned(), "s=1; Domain=login.example; Path=/else".to_owned()),
    };
    let mut response = text(shown(request));
    *response.status_mut() = http::StatusCode::CREATED;
    response.headers_mut().insert(header::CONTENT_LOCATION, location.parse().unwrap());
    response.headers_mut().insert(header::LINK, format!("<{location}>; rel=next").parse().unwrap());
    response.headers_mut().insert(header::LOCATION, location.parse().unwrap());
    response.headers_mut().insert(header::SET_COOKIE, cookie.parse().unwrap());
    response
}

/// A body with a trailer behind it.
fn trailing() -> Response<Body> {
    let trailers = [(header::ETAG, header::HeaderValue::from_static("late"))].into_iter().collect();
    let frames = [Ok(Frame::data(Bytes::from_static(b"trailing"))), Ok(Frame::trailers(trailers))];
    let mut response = Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
    response.headers_mut().insert(header::TRAILER, header::HeaderValue::from_static("etag"));
    response
}

/// A head of 200 fields.
fn wide() -> Response<Body> {
    let mut response = text("wide".to_owned());
    for n in 0..198 {
        response.headers_mut().append("x-many", n.into());
    }
    response
}

/// One event at once, another when told to.
fn events(seen: Arc<Seen>) -> Response<Body> {
    let first = stream::once(async { Ok(Frame::data(Bytes::from_static(b"data: one\n\n"))) });
    let second = stream::once(async move {
        seen.go_on.notified().await;
        Ok(Frame::data(Bytes::from_static(b"data: two\n\n")))
    });
    let mut response = Response::new(StreamBody::new(first.chain(second)).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, "text/event-stream".parse().unwrap());
    response
}

/// A WebSocket that answers each message with itself.
fn socket(mut request: Request<Incoming>) -> Response<Body> {
    let key = request.headers()["sec-websocket-key"].as_bytes().to_vec();
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(&key);
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        use tokio_tungstenite::{WebSocketStream, tungstenite::protocol::Role};
        let io = TokioIo::new(upgrade.await.unwrap());
        let (write, read) = WebSocketStream::from_raw_socket(io, Role::Server, None).await.split();
        let _ = read.take_while(|m| std::future::ready(m.as_ref().is_ok_and(|m| m.is_text()))).forward(write).await;
    });
    let response = Response::builder()
        .status(101)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header("sec-websocket-accept", accept);
    response.body(Full::default().boxed_unsync()).unwrap()
}

/// One that behaves, behind TLS with the test authority's certificate for `localhost`.
pub async fn secure() -> SocketAddr {
    use tokio_rustls::{TlsAcceptor, rustls};
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
    let chain = vec![CertificateDer::from_pem_slice(include_bytes!("tls/server.pem")).unwrap()];
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            let service = service_fn(|request| answer(request, Arc::default()));
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// Who vouches for it.
pub fn authority() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(include_bytes!("tls/authority.pem")).unwrap()
}

/// How an upstream fails.
#[derive(Clone, Copy)]
pub enum Failing {
    /// Takes the request and says nothing.
    BeforeHead,
    /// Promises 100 bytes, sends 10, says nothing more.
    MidBody,
    /// Promises 100 bytes, sends 10, hangs up.
    CutBody,
    /// The same with chunks.
    CutChunks,
    /// Resets the connection instead of answering.
    Reset,
    /// Answers the first request of a connection, hangs up on the second.
    SecondRequest,
}

/// An upstream that fails.
pub async fn failing(how: Failing) -> (SocketAddr, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Seen::default());
    let shared = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            shared.connections.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(fail(stream, how, shared.clone()));
        }
    });
    (address, seen)
}

async fn fail(mut stream: TcpStream, how: Failing, seen: Arc<Seen>) {
    let mut first = true;
    while head(&mut stream).await {
        seen.requests.fetch_add(1, Ordering::SeqCst);
        let answer: &[u8] = match how {
            Failing::BeforeHead => b"",
            Failing::MidBody | Failing::CutBody => b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n0123456789",
            Failing::CutChunks => b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\na\r\n0123456789\r\n",
            Failing::Reset => {
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                return;
            }
            Failing::SecondRequest if first => b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Failing::SecondRequest => return,
        };
        stream.write_all(answer).await.unwrap();
        match how {
            Failing::BeforeHead | Failing::MidBody => std::future::pending().await,
            Failing::CutBody | Failing::CutChunks => return,
            Failing::Reset | Failing::SecondRequest => first = false,
        }
    }
}

/// Reads a head, and a short body with it.
async fn head(stream: &mut TcpStream) -> bool {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            _ => return false,
        }
    }
    true
}
