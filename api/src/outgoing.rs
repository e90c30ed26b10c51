//! The one client of requests to addresses that people outside have named. What is connected to is what was checked, redirects
//! are answers, and size and time are bounded.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    outgoing::{Fetched, NotFetched, Outgoing},
    rules::outgoing::Reach,
};
use http::{
    HeaderMap, Request, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONNECTION, HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::{
    client::conn::http1,
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, pki_types::ServerName},
};
use url::{Position, Url};

use crate::tls;

/// From the name's resolution to the last byte.
const LIMIT: Duration = Duration::from_secs(5);
/// Bytes of an answer's head.
const MAX_HEAD: usize = 32 << 10;
const AGENT: &str = concat!("Portico/", env!("CARGO_PKG_VERSION"));

/// Where names lead to.
#[async_trait]
pub trait Names: Send + Sync {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>>;
}

/// As the system says.
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

pub struct Client {
    reach: Reach,
    names: Arc<dyn Names>,
    tls: TlsConnector,
    limit: Duration,
}

impl Client {
    pub fn new(reach: Reach) -> Result<Self, rustls::Error> {
        Self::with(reach, Arc::new(SystemNames), LIMIT)
    }

    pub fn with(reach: Reach, names: Arc<dyn Names>, limit: Duration) -> Result<Self, rustls::Error> {
        Ok(Self { reach, names, tls: TlsConnector::from(Arc::new(tls::client(&[])?)), limit })
    }

    async fn fetch(&self, url: &Url, limit: usize) -> Result<Fetched, NotFetched> {
        let (host, port) = (url.host_str().ok_or(NotFetched::NotAllowed)?, url.port_or_known_default());
        let host = host.trim_matches(['[', ']']);
        let unreachable = |error: io::Error| NotFetched::Unreachable(error.to_string());
        let mut addresses = self.names.resolve(host, port.ok_or(NotFetched::NotAllowed)?).await.map_err(unreachable)?;
        addresses.retain(|address| self.reach.allows(address.ip()));
        if addresses.is_empty() {
            return Err(NotFetched::NotAllowed);
        }
        let stream = TcpStream::connect(&*addresses).await.map_err(unreachable)?;
        match url.scheme() {
            "https" => {
                let name = ServerName::try_from(host.to_owned()).map_err(|_| NotFetched::NotAllowed)?;
                let stream = self.tls.connect(name, stream).await.map_err(unreachable)?;
                exchange(TokioIo::new(stream), url, limit).await
            }
            _ => exchange(TokioIo::new(stream), url, limit).await,
        }
    }
}

#[async_trait]
impl Outgoing for Client {
    fn reach(&self) -> Reach {
        self.reach
    }

    async fn get(&self, url: &Url, limit: usize) -> Result<Fetched, NotFetched> {
        timeout(self.limit, self.fetch(url, limit)).await.unwrap_or(Err(NotFetched::Timeout))
    }
}

async fn exchange<T: Read + Write + Unpin + Send + 'static>(io: T, url: &Url, limit: usize) -> Result<Fetched, NotFetched> {
    let broken = |error: hyper::Error| NotFetched::Unreachable(error.to_string());
    let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(io).await.map_err(broken)?;
    let asking = async {
        let response = sender.send_request(request(url)?).await.map_err(broken)?;
        if response.status() != StatusCode::OK {
            return Err(NotFetched::Status(response.status().as_u16()));
        }
        let fresh_for = max_age(response.headers());
        let body = Limited::new(response.into_body(), limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { NotFetched::TooLarge(limit) } else { NotFetched::Unreachable(error.to_string()) }
        })?;
        let text = String::from_utf8(body.to_bytes().into()).map_err(|_| NotFetched::NotText)?;
        Ok(Fetched { text, fresh_for })
    };
    tokio::select! {
        fetched = asking => fetched,
        // It ends by itself only where the server closes it, and then there may be an answer yet: the other arm has it.
        ended = async { let _ = connection.await; std::future::pending::<Result<Fetched, NotFetched>>().await } => ended,
    }
}

fn request(url: &Url) -> Result<Request<Empty<Bytes>>, NotFetched> {
    Request::get(&url[Position::BeforePath..Position::AfterQuery])
        .header(HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Empty::new())
        .map_err(|_| NotFetched::NotAllowed)
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let said = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
    let directive = |part: &str| {
        let (name, value) = part.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then(|| value.trim_matches('"').parse().ok()).flatten()
    };
    said.flat_map(|line| line.split(',')).find_map(directive).map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
