//! The one client of requests to addresses that people outside have named. What is connected to is what was checked, redirects
//! are answers, and size and time are bounded.

use std::{io, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use domain::{
    outgoing::{Fetched, NotFetched, Outgoing},
    rules::outgoing::Reach,
};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    client::conn::http1,
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self,
        pki_types::{CertificateDer, ServerName},
    },
};
use url::{Position, Url};

use crate::{
    dial::{self, Dialer, Names, SystemNames, Unconnected},
    tls,
};

/// From the name's resolution to the last byte.
const LIMIT: Duration = Duration::from_secs(5);
/// Bytes of an answer's head.
const MAX_HEAD: usize = 32 << 10;
const AGENT: &str = concat!("Portico/", env!("CARGO_PKG_VERSION"));

pub struct Client {
    reach: Reach,
    names: Arc<dyn Names>,
    dialer: Dialer,
    tls: TlsConnector,
    limit: Duration,
}

impl Client {
    /// `authorities`: certificate authorities that are believed besides the public ones.
    pub fn new(reach: Reach, authorities: &[CertificateDer<'static>]) -> Result<Self, rustls::Error> {
        Self::with(reach, authorities, Arc::new(SystemNames), LIMIT)
    }

    pub fn with(
        reach: Reach,
        authorities: &[CertificateDer<'static>],
        names: Arc<dyn Names>,
        limit: Duration,
    ) -> Result<Self, rustls::Error> {
        let tls = TlsConnector::from(Arc::new(tls::client(authorities)?));
        Ok(Self { reach, names, dialer: Dialer::default(), tls, limit })
    }

    /// Sends a request, whose URL is absolute, and reads an answer with a body of `limit` bytes at most.
    pub async fn send(&self, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, NotFetched> {
        timeout(self.limit, self.exchanged(request, limit)).await.unwrap_or(Err(NotFetched::Timeout))
    }

    async fn exchanged(&self, request: Request<Bytes>, limit: usize) -> Result<Response<Bytes>, NotFetched> {
        let url = Url::parse(&request.uri().to_string()).map_err(|_| NotFetched::NotAllowed)?;
        let (host, port) = (url.host_str().ok_or(NotFetched::NotAllowed)?, url.port_or_known_default());
        let host = host.trim_matches(['[', ']']);
        let unreachable = |error: io::Error| NotFetched::Unreachable(error.to_string());
        let mut addresses = self.names.resolve(host, port.ok_or(NotFetched::NotAllowed)?).await.map_err(unreachable)?;
        addresses.retain(|address| self.reach.allows(address.ip()));
        if addresses.is_empty() {
            return Err(NotFetched::NotAllowed);
        }
        let limit_of_connection = dial::part_of(self.limit);
        let silent = |failed: Unconnected| NotFetched::Unreachable(failed.to_string());
        if url.scheme() == "https" {
            let name = ServerName::try_from(host.to_owned()).map_err(|_| NotFetched::NotAllowed)?;
            let connect = async |address| self.tls.connect(name.clone(), dial::tcp(address).await?).await;
            let stream = self.dialer.connect(&addresses, limit_of_connection, connect).await.map_err(silent)?;
            exchange(TokioIo::new(stream), &url, request, limit).await
        } else {
            let stream = self.dialer.connect(&addresses, limit_of_connection, dial::tcp).await.map_err(silent)?;
            exchange(TokioIo::new(stream), &url, request, limit).await
        }
    }
}

#[async_trait]
impl Outgoing for Client {
    fn reach(&self) -> Reach {
        self.reach
    }

    async fn get(&self, url: &Url, limit: usize) -> Result<Fetched, NotFetched> {
        let request = Request::get(url.as_str()).header(ACCEPT, "application/json").body(Bytes::new());
        let response = self.send(request.map_err(|_| NotFetched::NotAllowed)?, limit).await?;
        if response.status() != StatusCode::OK {
            return Err(NotFetched::Status(response.status().as_u16()));
        }
        let fresh_for = max_age(response.headers());
        let text = text(response.headers(), response.body());
        Ok(Fetched { text, fresh_for })
    }
}

async fn exchange<T: Read + Write + Unpin + Send + 'static>(
    io: T,
    url: &Url,
    request: Request<Bytes>,
    limit: usize,
) -> Result<Response<Bytes>, NotFetched> {
    let broken = |error: hyper::Error| NotFetched::Unreachable(error.to_string());
    let (mut sender, connection) = http1::Builder::new().max_buf_size(MAX_HEAD).handshake(io).await.map_err(broken)?;
    let asking = async {
        let (parts, body) = sender.send_request(to_origin(url, request)?).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() { NotFetched::TooLarge(limit) } else { NotFetched::Unreachable(error.to_string()) }
        })?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    tokio::select! {
        answered = asking => answered,
        // It ends by itself only where the server closes it, and then there may be an answer yet: the other arm has it.
        ended = async { let _ = connection.await; std::future::pending::<Result<_, NotFetched>>().await } => ended,
    }
}

/// As an origin server takes it.
fn to_origin(url: &Url, request: Request<Bytes>) -> Result<Request<Full<Bytes>>, NotFetched> {
    let (mut parts, body) = request.into_parts();
    let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]).map_err(|_| NotFetched::NotAllowed)?;
    parts.uri = url[Position::BeforePath..Position::AfterQuery].parse().map_err(|_| NotFetched::NotAllowed)?;
    parts.headers.insert(HOST, host);
    parts.headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(Request::from_parts(parts, Full::new(body)))
}

/// A body as text, whatever the server says that it is: by its mark or the charset that is told, else UTF-8.
pub fn text(headers: &HeaderMap, body: &[u8]) -> String {
    let units = |pairs: &[u8], of: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = pairs.chunks_exact(2).map(|pair| of([pair[0], pair[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    match body {
        [0xef, 0xbb, 0xbf, rest @ ..] => return String::from_utf8_lossy(rest).into_owned(),
        [0xfe, 0xff, rest @ ..] => return units(rest, u16::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => return units(rest, u16::from_le_bytes),
        _ => {}
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
    let charset = kind.split(';').find_map(|part| part.trim().strip_prefix("charset="));
    match charset.map(|charset| charset.trim_matches(['"', ' '])) {
        Some("iso-8859-1" | "latin1" | "windows-1252") => body.iter().copied().map(char::from).collect(),
        _ => String::from_utf8_lossy(body).into_owned(),
    }
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
