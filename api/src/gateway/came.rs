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
    Core,
    certificate::{self, Unclear},
    claims::Claims,
    identity,
    meter::{self, Call},
    record::{Known, Record},
    refusal::Refusal,
    refused::{Refused, denied, limited},
    request_id,
    wire::Wire,
};
use crate::{
    address,
    explorer::mark,
    listen::{AnswerGuard, framing},
};

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
    certificate: Result<Option<Shown>, Unclear>,
    answering: AnswerGuard,
}

impl Came {
    pub(super) fn now(core: &Core, wire: &Wire, answering: AnswerGuard, headers: &HeaderMap) -> Self {
        let started = Instant::now();
        let now = core.ctx.env.now();
        let caller = address::caller(wire.peer.ip(), headers, &core.settings.trusted_proxies);
        let certificate = certificate(core, wire, headers);
        Self { when: When { started, now }, id: core.ids.next(now), caller, explorer: false, certificate, answering }
    }

    /// Where the explorer sends it, it is decided on by the address of who tries it.
    pub(super) fn by_explorer(mut self, core: &Core, method: &Method, target: &Uri, headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(&mark::HEADER).and_then(|value| value.to_str().ok()) else { return self };
        if let Some(ip) = mark::read(&core.ctx.keys, self.when.now, value, method.as_str(), target.path()) {
            self.explorer = true;
            // The portal has shown none, and what a person has it say is no proxy's word.
            self.certificate = Ok(None);
            self.caller = ip.map_or(self.caller, |ip| ip.to_canonical());
        }
        self
    }

    pub(super) fn certificate(&self) -> Option<&Shown> {
        self.certificate.as_ref().ok().and_then(Option::as_ref)
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
        let decided = match wanted {
            // In a box: most calls need no room for it.
            Some(source) if Box::pin(core.ctx.key_sets.refresh(source)).await => {
                self.decide_once(core, method, target, headers, fault)
            }
            _ => decided,
        };
        decided.map_err(|denial| self.explained(core, denial))
    }

    /// Where no certificate came because the proxy's word cannot be read, that is said.
    fn explained(&self, core: &Core, mut denial: Box<Denial>) -> Box<Denial> {
        if let (Err(unclear), Some(name)) = (self.certificate, &core.settings.client_cert_header)
            && denial.reason == DenialReason::CredentialMissing
        {
            denial.about = Some(unclear.about(name).into());
        }
        denial
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
            certificate: self.certificate(),
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
            completed: false,
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

/// The caller's certificate: shown here, or told by a trusted proxy, whose own is not the caller's, in the header that is named.
fn certificate(core: &Core, wire: &Wire, headers: &HeaderMap) -> Result<Option<Shown>, Unclear> {
    let settings = &core.settings;
    match &settings.client_cert_header {
        _ if !address::is_trusted(wire.peer.ip(), &settings.trusted_proxies) => Ok(wire.shown),
        Some(name) => certificate::told(headers, name, &settings.client_authority),
        None => Ok(None),
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
    framing::check(wire.heads.as_ref(), request).err().map(framing::Fault::about)
}

/// An upstream's answer to TRACE would show the caller what the gateway added.
pub fn not_forwarded(method: &Method) -> Option<&'static str> {
    matches!(*method, Method::TRACE | Method::CONNECT).then_some("TRACE and CONNECT are not forwarded")
}
