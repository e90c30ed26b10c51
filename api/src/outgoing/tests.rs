use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

/// The next answer for each question, the last one for good: how a name rebinds.
#[derive(Debug)]
struct Leads(Mutex<Vec<Vec<IpAddr>>>);

#[async_trait]
impl Names for Leads {
    async fn resolve(&self, _: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let mut answers = self.0.lock().expect("answers");
        let next = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Ok(next.into_iter().map(|ip| (ip, port).into()).collect())
    }
}

/// A server that gives every connection one answer; its port, and how many connections there were.
async fn server(answer: impl Into<String>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let (port, count) = (listener.local_addr().expect("an address").port(), Arc::new(AtomicUsize::new(0)));
    let (seen, answer) = (count.clone(), answer.into());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            seen.fetch_add(1, Ordering::Relaxed);
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            if answer.is_empty() {
                std::future::pending::<()>().await;
            }
        }
    });
    (port, count)
}

async fn get(client: &Client, url: &str) -> Result<Fetched, NotFetched> {
    client.get(&url.parse().expect("a URL"), 100).await
}

fn client(reach: Reach, answers: &[&[&str]]) -> Client {
    let ips = |list: &&[&str]| list.iter().map(|ip| ip.parse().expect("an address")).collect();
    let names = Leads(Mutex::new(answers.iter().map(ips).collect()));
    Client::with(reach, &[], Arc::new(names), Duration::from_millis(500)).expect("a client")
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_followed() {
    let (port, connections) = server("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
    let url = format!("http://keys.example:{port}/");
    for inside in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "0.0.0.0", "fd00::1", "100.64.0.1"] {
        let client = client(Reach::Public, &[&[inside]]);
        assert_eq!(get(&client, &url).await, Err(NotFetched::NotAllowed), "{inside}");
    }
    // Public when it was given, private when it is asked; and one of each, of which the private one is left out.
    let rebinding = client(Reach::Public, &[&["192.0.0.8"], &["127.0.0.1"]]);
    for _ in 0..3 {
        assert_eq!(get(&rebinding, &url).await, Err(NotFetched::NotAllowed));
    }
    let metadata = client(Reach::Private, &[&["169.254.169.254"]]);
    assert_eq!(get(&metadata, &url).await, Err(NotFetched::NotAllowed));
    assert_eq!(connections.load(Ordering::Relaxed), 0);
    let of_both = client(Reach::Private, &[&["169.254.169.254", "127.0.0.1"]]);
    assert_eq!(get(&of_both, &url).await.map(|fetched| fetched.text), Ok("{}".to_owned()));
}

#[tokio::test]
async fn size_and_time_are_bounded_and_redirects_are_answers() {
    let client = client(Reach::Private, &[&["127.0.0.1"]]);
    let long = "x".repeat(101);
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncache-control: public, Max-Age=90\r\n\r\n{}".to_owned(), Ok(Some(90))),
        ("HTTP/1.1 200 OK\r\n\r\n{}".to_owned(), Ok(None)),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n{long}"), Err(NotFetched::TooLarge(100))),
        (format!("HTTP/1.1 200 OK\r\n\r\n{long}"), Err(NotFetched::TooLarge(100))),
        (
            "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n".to_owned(),
            Err(NotFetched::Status(302)),
        ),
        ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned(), Err(NotFetched::Status(500))),
        (String::new(), Err(NotFetched::Timeout)),
    ] {
        let (port, _) = server(&answer).await;
        let fetched = get(&client, &format!("http://keys.example:{port}/a?b=c")).await;
        assert_eq!(fetched.map(|fetched| fetched.fresh_for.map(|life| life.as_secs())), expected, "{answer:?}");
    }
    let (port, _) = server("SSH-2.0-x\r\n").await;
    assert!(matches!(get(&client, &format!("http://keys.example:{port}/")).await, Err(NotFetched::Unreachable(_))));
    assert!(matches!(get(&client, "http://keys.example:1/").await, Err(NotFetched::Unreachable(_))));
}

/// Behind TLS by the test authority's certificate for `localhost`.
async fn secure() -> u16 {
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../tests/gateway/tls/server.key")).expect("a key");
    let own = CertificateDer::from_pem_slice(include_bytes!("../../tests/gateway/tls/server.pem")).expect("a certificate");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_no_client_auth()
        .with_single_cert(vec![own], key)
        .expect("a certificate with its key");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

#[tokio::test]
async fn authorities_of_ones_own_are_believed_where_they_are_given() {
    use rustls::pki_types::pem::PemObject;
    let own = CertificateDer::from_pem_slice(include_bytes!("../../tests/gateway/tls/authority.pem")).expect("a certificate");
    let url = format!("https://localhost:{}/", secure().await);
    for (authorities, fine) in [(&[own][..], true), (&[], false)] {
        let names = Arc::new(Leads(Mutex::new(vec![vec![[127, 0, 0, 1].into()]])));
        let client = Client::with(Reach::Private, authorities, names, Duration::from_secs(20)).expect("a client");
        match get(&client, &url).await {
            Ok(fetched) => assert!(fine && fetched.text == "{}"),
            Err(NotFetched::Unreachable(why)) => assert!(!fine && why.contains("UnknownIssuer"), "{why}"),
            Err(other) => panic!("{other}"),
        }
    }
}
