//! Sends a call that somebody tries in the portal through the gateway's own listener, like any other caller's.

pub mod mark;

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use domain::{
    Domain,
    oauth::AuthorizationServer,
    rules::explorer::{Pair, Ready},
};
use entities::enums::DenialReason;
use futures_util::future::BoxFuture;
use reqwest::{Client, Method, redirect::Policy};
use sea_orm::ActiveEnum;
use tokio_rustls::rustls::ClientConfig;

/// Within which an answer has to be there as a whole.
const PATIENCE: Duration = Duration::from_secs(35);
/// Bytes of an answer's body that are shown.
const SHOWN: usize = 64 << 10;

/// How tried calls reach the gateway.
#[derive(Clone)]
pub struct Explorer {
    pub tokens: AuthorizationServer,
    /// The gateway's listener: this process's own, else where callers reach it.
    gateway: String,
    http: Client,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub latency: Duration,
    /// A value is `None` where it is not text.
    pub headers: Vec<(String, Option<String>)>,
    pub body: String,
    pub truncated: bool,
    pub denial: Option<DenialReason>,
    pub request_id: String,
}

#[derive(Debug, thiserror::Error)]
pub enum CannotTry {
    #[error("the gateway gave no answer: {0}")]
    NoAnswer(String),
}

impl Explorer {
    pub fn new(tokens: AuthorizationServer, gateway: String, tls: ClientConfig) -> Result<Self, reqwest::Error> {
        let http = Client::builder().use_preconfigured_tls(tls).no_proxy().redirect(Policy::none()).timeout(PATIENCE).build()?;
        Ok(Self { tokens, gateway, http })
    }

    /// `ip`: the address of who tries it, which the gateway decides by.
    pub fn send<'a>(
        &'a self,
        ctx: &'a Domain,
        ready: &'a Ready,
        identity: &'a [Pair],
        ip: Option<IpAddr>,
    ) -> BoxFuture<'a, Result<Answer, CannotTry>> {
        // In a box: what a client's future is made of would be looked through by every resolver.
        Box::pin(self.exchange(ctx, ready, identity, ip))
    }

    async fn exchange(&self, ctx: &Domain, ready: &Ready, identity: &[Pair], ip: Option<IpAddr>) -> Result<Answer, CannotTry> {
        let failed = |error: reqwest::Error| CannotTry::NoAnswer(error.without_url().to_string());
        let method = Method::from_bytes(ready.method.as_bytes()).map_err(|error| CannotTry::NoAnswer(error.to_string()))?;
        let mut request = self.http.request(method, format!("{}{}", self.gateway, ready.target));
        for (name, value) in identity.iter().chain(&ready.headers) {
            request = request.header(name, value);
        }
        let path = ready.target.split('?').next().unwrap_or_default();
        request = request.header(mark::HEADER.clone(), mark::make(&ctx.keys, ctx.now(), ip, &ready.method, path));
        if let Some(body) = &ready.body {
            request = request.body(body.clone());
        }
        let begun = Instant::now();
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let headers: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().ok().map(ToOwned::to_owned)))
            .collect();
        let (mut body, mut truncated) = (Vec::new(), false);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            let room = SHOWN - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                truncated = true;
                break;
            }
        }
        let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.clone());
        let is_problem = header("content-type").is_some_and(|kind| kind.starts_with("application/problem+json"));
        let request_id = header("x-request-id").unwrap_or_default();
        let denial = if is_problem { denial(&body, &request_id) } else { None };
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, latency: begun.elapsed(), headers, body, truncated, denial, request_id })
    }
}

/// The gateway's reason, in an answer that bears the request's own id.
fn denial(problem: &[u8], request_id: &str) -> Option<DenialReason> {
    let problem: serde_json::Value = serde_json::from_slice(problem).ok()?;
    if problem["requestId"].as_str() != Some(request_id) {
        return None;
    }
    DenialReason::try_from_value(&problem["code"].as_str()?.to_ascii_lowercase()).ok()
}
