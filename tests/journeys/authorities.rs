//! Certificate authorities of one's own: believed by all that calls out, where the setting names them; and what is told of an
//! upstream that gives no answer, to whom.

use std::{path::PathBuf, sync::Arc};

use entities::enums::StaffRole;
use jobs::mail::{Delivery, MailSettings, Mailer};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

use crate::{app::TestApp, explorer::Partner};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("api/tests/gateway/tls").join(name)
}

/// A server for `localhost` that the test authority vouches for; its port.
async fn secure<F: Future<Output = std::io::Result<()>> + Send>(
    serve: impl Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static,
) -> u16 {
    let key = PrivateKeyDer::from_pem_file(file("server.key")).expect("a key");
    let own = CertificateDer::from_pem_file(file("server.pem")).expect("a certificate");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_no_client_auth()
        .with_single_cert(vec![own], key)
        .expect("a certificate with its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = serve(stream).await;
            }
        }
    });
    port
}

async fn http(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    let _ = stream.read(&mut [0; 8192]).await?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}").await?;
    stream.shutdown().await
}

async fn smtp(mut stream: TlsStream<TcpStream>) -> std::io::Result<()> {
    stream.write_all(b"220 mail.example ESMTP\r\n").await?;
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let end = line.starts_with("QUIT");
        writer.write_all(b"250 OK\r\n").await?;
        if end {
            break;
        }
    }
    Ok(())
}

/// A partner's call to an upstream behind TLS: the status, and what staff and partner are told of its forwarding.
async fn called(ca_file: Option<PathBuf>) -> (u16, Value, Value) {
    let app = TestApp::start_with(|config| config.ca_file = ca_file).await;
    let partner = Partner::new(&app, "API_KEY").await;
    let editor = app.staff(StaffRole::Owner).await;
    let product = app.data(Some(&editor), "{ product(slug: \"ship\") { id } }", json!({})).await;
    let input = json!({ "productId": product["product"]["id"], "environment": "SANDBOX", "backend": "UPSTREAM",
        "upstreamUrl": format!("https://localhost:{}", secure(http).await) });
    app.mutate(Some(&editor), "setProductEnvironment", input, "product { id }").await;
    let credential = partner.credential(&app).await;
    let mut exchange = Value::Null;
    // The gateway hears of the new address within its poll; the one of before answers with more.
    for _ in 0..200 {
        exchange = partner.exchange(&app, json!({ "credentialId": credential })).await;
        if exchange["status"] == 502 || exchange["body"] == "{}" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let told = async |who| {
        let query = "query($id: String!) { decision(requestId: $id) { explanation checks { name passed detail } } }";
        for _ in 0..200 {
            let mut seen = app.data(Some(who), query, json!({ "id": exchange["requestId"] })).await;
            if !seen["decision"].is_null() {
                return seen["decision"].take();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("the call is not logged: {exchange}")
    };
    let status = exchange["status"].as_u64().expect("a status").try_into().expect("a status");
    (status, told(&editor).await, told(partner.dev()).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_by_ones_own_authority_is_called_and_without_it_staff_are_told_why() {
    let (status, ..) = called(Some(file("authority.pem"))).await;
    assert_eq!(status, 200);
    let (status, staff, partner) = called(None).await;
    assert_eq!(status, 502);
    let forward = |told: &Value| told["checks"].as_array().expect("checks").last().expect("a check").clone();
    assert_eq!((&forward(&staff)["name"], &forward(&staff)["passed"]), (&json!("forward"), &json!(false)));
    let detail = forward(&staff)["detail"].as_str().expect("a detail").to_owned();
    for part in ["its TLS cannot be trusted or used: localhost port ", "UnknownIssuer", "PORTICO_CA_FILE"] {
        assert!(detail.contains(part), "{detail}");
    }
    assert_eq!(forward(&partner), json!({ "name": "forward", "passed": false, "detail": null }));
    assert!(!partner.to_string().contains("localhost"), "{partner}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_by_ones_own_authority_is_believed() {
    let port = secure(smtp).await;
    let own = CertificateDer::from_pem_file(file("authority.pem")).expect("a certificate").to_vec();
    for (authorities, fine) in [(vec![own], true), (Vec::new(), false)] {
        let settings = MailSettings {
            from: "portal@provider.example".to_owned(),
            portal_url: String::new(),
            base_url: String::new(),
            delivery: Delivery::Smtp(format!("smtps://localhost:{port}").into()),
            authorities,
        };
        let checked = Mailer::new(settings).expect("a mailer").check().await;
        assert_eq!(checked.is_ok(), fine, "{checked:?}");
    }
}
