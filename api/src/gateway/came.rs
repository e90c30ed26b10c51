//! A request that has come in, until it is settled whether it goes on: its form, the decision, its limits.

use std::{net::IpAddr, time::Duration};

use chrono::{DateTime, Utc};
use domain::rules::{
    admission::{self, Admitted, Denial},
    certificate::Shown,
    limits::Standing,
};
use entities::{
    enums::{DenialReason, LogSink},
    id::RequestId,
};
use http::{HeaderMap, Method, Request, Uri};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    Core, certificate,
    claims::Claims,
    framing::{self, Heads},
    identity,
    meter::{self, Call},
    record::{Known, Record},
    refusal::Refusal,
    refused::{Refused, denied, limited},
    request_id,
    wire::Wire,
};
use crate::{address, explorer::mark, listen::AnswerGuard};

/// A base path that no product can have: what begins with it is the gateway's own.
pub const OURS: &str = "/_portico";

/// What a gateway says that fails closed.
const STALE: &str = "the portal cannot be reached, and what is known of credentials may be out of date";
/// Seconds.
const STALE_RETRY: u64 = 5;

/// When a request came in.
#[derive(Debug, Clone, Copy)]
pub struct When {
    started: Instant,
    now: DateTime<Utc>,
}

impl When {
    /// Whether what is known is new enough to decide on.
    pub(super) fn is_current(self, core: &Core) -> bool {
        core.live.is_current(self.started.into_std())
    }
}

/// A request that has come in.
pub struct Came {
    pub when: When,
    pub id: RequestId,
    /// The peer's address, or what a trusted proxy says.
    caller: IpAddr,
    /// The portal's explorer sends it.
    explorer: bool,
    /// The caller's certificate: shown here, or told by a trusted proxy, whose own is not the caller's.
    certificate: Option<Shown>,
    answering: AnswerGuard,
}

impl Came {
    pub(super) fn now(core: &Core, wire: &Wire, answering: AnswerGuard, headers: &HeaderMap) -> Self {
        let started = Instant::now();
        let now = core.ctx.env.now();
        let caller = address::caller(wire.peer.ip(), headers, &core.settings.trusted_proxies);
        let settings = &core.settings;
        let certificate = match address::is_trusted(wire.peer.ip(), &settings.trusted_proxies) {
            true => certificate::told(headers, &settings.client_authority),
            false => wire.shown,
        };
        Self { when: When { started, now }, id: core.ids.next(now), caller, explorer: false, certificate, answering }
    }

    /// Where the explorer sends it, it is decided on by the address of who tries it.
    pub(super) fn by_explorer(mut self, core: &Core, method: &Method, target: &Uri, headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(&mark::HEADER).and_then(|value| value.to_str().ok()) else { return self };
        if let Some(ip) = mark::read(&core.ctx.keys, self.when.now, value, method.as_str(), target.path()) {
            self.explorer = true;
            self.caller = ip.map_or(self.caller, |ip| ip.to_canonical());
        }
        self
    }

    pub(super) fn certificate(&self) -> Option<&Shown> {
        self.certificate.as_ref()
    }

    /// Steps 1 to 9 of a call with this head; `fault` is what is wrong with its form. Where keys that are published outside may
    /// have changed, they are read and it is decided again.
    pub(super) async fn decide(
        &self,
        core: &Core,
        method: &Method,
        target: &Uri,
        headers: &HeaderMap,
        fault: Option<&'static str>,
    ) -> Result<Admitted, Box<Denial>> {
        let decided = self.decide_once(core, method, target, headers, fault);
        let wanted = decided.as_ref().err().and_then(|denial| denial.wants.as_ref());
        match wanted {
            // In a box: most calls need no room for it.
            Some(source) if Box::pin(core.ctx.key_sets.refresh(source)).await => {
                self.decide_once(core, method, target, headers, fault)
            }
            _ => decided,
        }
    }

    fn decide_once(
        &self,
        core: &Core,
        method: &Method,
        target: &Uri,
        headers: &HeaderMap,
        fault: Option<&'static str>,
    ) -> Result<Admitted, Box<Denial>> {
        let claims = Claims::read(headers);
        let call = admission::Call {
            method: method.as_str(),
            path: target.path(),
            framing: fault.or(claims.fault),
            client_id: claims.client_id,
            profile_id: claims.profile_id,
            api_key: claims.api_key,
            bearer: claims.bearer,
            certificate: self.certificate.as_ref(),
            peer: self.caller,
            now: self.when.now,
            tokens: core.settings.expected_tokens(),
        };
        admission::admit(core.live.snapshot(), &call)
    }

    /// The call that it is, noted from here on.
    pub(super) fn call(self, core: &Core, method: Method, target: Uri, headers: HeaderMap) -> Call {
        let record = Record {
            id: self.id,
            id_header: request_id::header(self.id),
            at: self.when.now,
            method,
            target,
            ip: self.caller,
            via_explorer: self.explorer,
            status: meter::unanswered(),
            latency: Duration::ZERO,
            denial: None,
            detail: None,
            known: Known::default(),
            used: None,
            sink: LogSink::Database,
            request_headers: headers,
            response_headers: Vec::new(),
        };
        Call::begin(record, self.when.started, core.meter.clone(), self.answering)
    }

    /// One that leaves no record.
    pub fn unnoted(self) -> Call {
        Call::unnoted(self.answering)
    }
}

/// Notes what was decided, and takes the limits of a call that was let in: step 10.
pub(super) async fn settle(
    core: &Core,
    when: When,
    mut call: Call,
    decided: Result<Admitted, Box<Denial>>,
    close: bool,
) -> Result<(Call, Admitted, Standing), Box<Refused>> {
    if !when.is_current(core) {
        let stale = Refusal { retry_after: Some(STALE_RETRY), ..Refusal::of(DenialReason::Unavailable, Some(STALE)) };
        return Err(Refused::new(call, &stale, &Standing::default()));
    }
    let admitted = match decided {
        Ok(admitted) => admitted,
        Err(denial) => return Err(denied(call, &denial, close)),
    };
    identity::note_admitted(&mut call, &admitted);
    match core.keeper.take(when.now, admitted.client.id, admitted.environment, &admitted.limits).await {
        Ok(standing) => Ok((call, admitted, standing)),
        Err(over) => Err(limited(call, &over)),
    }
}

/// What is wrong with the form of a request, before anything of it is believed.
pub fn unclear(wire: &Wire, request: &Request<Incoming>) -> Option<&'static str> {
    let followed = wire.heads.as_ref().map_or(Ok(()), Heads::next);
    let host = || framing::check_host(request.headers(), request.uri().authority().is_some());
    followed.and_then(|()| host()).err().map(framing::Fault::about)
}

/// An upstream's answer to TRACE would show the caller what the gateway added.
pub fn not_forwarded(method: &Method) -> Option<&'static str> {
    matches!(*method, Method::TRACE | Method::CONNECT).then_some("TRACE and CONNECT are not forwarded")
}
