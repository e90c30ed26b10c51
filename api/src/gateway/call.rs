//! One call: decided on, limited, forwarded, noted. Every way out carries the request's id and leaves one record.

use std::rc::Rc;

use domain::{
    limits::Refused,
    rules::{
        admission::{self, Admitted, Denial},
        limits::Standing,
    },
};
use entities::{
    enums::{Backend, DenialReason, LogSink},
    id::RequestId,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, UPGRADE},
    request::Parts,
};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio::time::Instant;

use super::{
    Core,
    answer::Answer,
    framing::{self, Heads},
    headers, identity,
    meter::{self, Call},
    mock,
    record::{Known, Record},
    refusal::{self, REQUEST_ID, Refusal},
    request_id, tunnel,
    upstream::{self, Fault, Lease, Outgoing},
    wire::Wire,
};
use crate::{
    address,
    listen::{AnswerGuard, GuardedBody},
};

static CLIENT_ID: HeaderName = HeaderName::from_static("x-client-id");
static PROFILE_ID: HeaderName = HeaderName::from_static("x-profile-id");
static API_KEY: HeaderName = HeaderName::from_static("x-api-key");

const HEALTH: &str = "/_portico/healthz";
/// Characters of what a refusal was about: a caller chooses how long a pointer into its body is.
const MOST_ABOUT: usize = 300;

/// The caller is gone or has stalled: nobody is there to answer, and the connection is closed.
#[derive(Debug, thiserror::Error)]
#[error("the caller is gone")]
pub struct HungUp;

/// Answers one call.
pub async fn answer(
    core: Rc<Core>,
    wire: Rc<Wire>,
    answering: AnswerGuard,
    mut request: Request<Incoming>,
) -> Result<Response<Answer>, HungUp> {
    let started = Instant::now();
    let now = core.ctx.env.now();
    let id = core.ids.next(now);
    let faulty = fault(&wire, &request);
    let caller = address::caller(wire.peer.ip(), request.headers(), &core.settings.trusted_proxies);
    let decided = {
        let claims = Claims::read(request.headers());
        let call = admission::Call {
            method: request.method().as_str(),
            path: request.uri().path(),
            framing: faulty.or(claims.fault),
            client_id: claims.client_id,
            profile_id: claims.profile_id,
            api_key: claims.api_key,
            bearer: claims.bearer,
            peer: caller,
            now,
        };
        admission::admit(core.live.snapshot(), &call)
    };
    let caller_side = headers::wanted_protocol(request.headers())
        .filter(|_| request.version() == Version::HTTP_11)
        .cloned()
        .map(|protocol| (protocol, tunnel::caller_side(&mut request)));
    let (Parts { method, uri, headers, .. }, body) = request.into_parts();
    if uri.path() == HEALTH && matches!(method, Method::GET | Method::HEAD) && faulty.is_none() {
        return Ok(health(id, Call::unnoted(answering)));
    }
    let record = Record {
        id,
        id_header: request_id::header(id),
        at: now,
        method,
        target: uri,
        ip: caller,
        status: meter::unanswered(),
        latency: std::time::Duration::ZERO,
        denial: None,
        detail: None,
        known: Known::default(),
        used: None,
        sink: LogSink::Database,
        request_headers: headers,
        response_headers: Vec::new(),
    };
    let mut call = Call::begin(record, started, core.meter.clone(), answering);
    let admitted = match decided {
        Ok(admitted) => admitted,
        Err(denial) => return Ok(denied(call, &denial, faulty.is_some() && wire.heads.is_some())),
    };
    identity::note_admitted(&mut call, &admitted);
    let standing = match core.keeper.take(now, admitted.client.id, admitted.environment, &admitted.limits).await {
        Ok(standing) => standing,
        Err(over) => return Ok(limited(call, &over)),
    };
    let body = if hyper::body::Body::is_end_stream(&body) {
        Outgoing::None
    } else {
        let body = GuardedBody::new(body, core.settings.limits.body_progress);
        Outgoing::Stream { body, progress: Rc::default() }
    };
    let forward = Forward { core, wire, admitted, standing };
    forward.send(call, body, caller_side).await
}

/// What is wrong with the form of a request, before anything of it is believed.
fn fault(wire: &Wire, request: &Request<Incoming>) -> Option<&'static str> {
    let followed = wire.heads.as_ref().map_or(Ok(()), Heads::next);
    let host = || framing::check_host(request.headers(), request.uri().authority().is_some());
    match followed.and_then(|()| host()) {
        Err(fault) => Some(fault.about()),
        // An upstream's answer to TRACE would show the caller what the gateway added.
        Ok(()) if matches!(*request.method(), Method::TRACE | Method::CONNECT) => Some("TRACE and CONNECT are not forwarded"),
        Ok(()) => None,
    }
}

/// What a call says of itself in its headers.
#[derive(Default)]
struct Claims<'a> {
    client_id: Option<&'a str>,
    profile_id: Option<&'a str>,
    api_key: Option<&'a str>,
    bearer: Option<&'a str>,
    fault: Option<&'static str>,
}

impl<'a> Claims<'a> {
    fn read(headers: &'a HeaderMap) -> Self {
        let mut fault = None;
        let mut one = |name: &HeaderName, doubled: &'static str, unreadable: &'static str| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?;
            if values.next().is_some() {
                fault = Some(doubled);
            }
            let text = value.to_str().ok();
            if text.is_none() {
                fault = Some(unreadable);
            }
            text
        };
        let client_id = one(&CLIENT_ID, "several X-Client-ID headers", "an X-Client-ID that is not ASCII");
        let profile_id = one(&PROFILE_ID, "several X-Profile-ID headers", "an X-Profile-ID that is not ASCII");
        let api_key = one(&API_KEY, "several X-API-Key headers", "an X-API-Key that is not ASCII");
        let authorization = one(&AUTHORIZATION, "several Authorization headers", "an Authorization that is not ASCII");
        Self { client_id, profile_id, api_key, bearer: authorization.and_then(bearer), fault }
    }
}

/// The token of a `Bearer` authorization; the scheme's case does not matter.
fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

fn health(id: RequestId, call: Call) -> Response<Answer> {
    let mut response = Response::new(Answer::text("ok\n", call));
    response.headers_mut().insert(&REQUEST_ID, request_id::header(id));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn denied(mut call: Call, denial: &Denial, close: bool) -> Response<Answer> {
    identity::note_denied(&mut call, &denial.known);
    let headers = call.record().map(|record| &record.request_headers);
    let presented = headers.is_some_and(|h| h.contains_key(&API_KEY) || h.contains_key(AUTHORIZATION));
    let about = denial.about.as_deref();
    let refusal = Refusal { allow: denial.allow, presented, close, ..Refusal::of(denial.reason, about) };
    refuse(call, &refusal, &Standing::default())
}

fn limited(call: Call, over: &Refused) -> Response<Answer> {
    let refusal = Refusal { retry_after: Some(over.retry_after), ..Refusal::of(over.reason, None) };
    refuse(call, &refusal, &over.standing)
}

fn refuse(mut call: Call, refusal: &Refusal<'_>, standing: &Standing) -> Response<Answer> {
    let Some(record) = call.record() else { return Response::new(Answer::text("", call)) };
    let (mut head, text) = refusal.answer(record.id).into_parts();
    head.headers.insert(&REQUEST_ID, record.id_header.clone());
    refusal::tell_standing(standing, &mut head.headers);
    call.refused(refusal.reason, refusal.about);
    call.answered(head.status, &head.headers);
    Response::from_parts(head, Answer::text(text, call))
}

/// An admitted call on its way.
struct Forward {
    core: Rc<Core>,
    wire: Rc<Wire>,
    admitted: Admitted,
    standing: Standing,
}

impl Forward {
    async fn send(
        self,
        call: Call,
        body: Outgoing,
        caller_side: Option<(HeaderValue, OnUpgrade)>,
    ) -> Result<Response<Answer>, HungUp> {
        if self.admitted.upstream().is_some_and(|environment| environment.backend == Backend::Mock) {
            return self.mock(call, body).await;
        }
        let sent = self.attempt(&call, body, caller_side.as_ref().map(|(protocol, _)| protocol)).await;
        let (response, lease) = match sent {
            Ok(answer) => answer,
            Err(Fault::Caller) => return Err(HungUp),
            Err(Fault::Timeout) => return Ok(self.failed(call, DenialReason::UpstreamTimeout, None)),
            Err(Fault::Unreachable(why)) => return Ok(self.failed(call, DenialReason::UpstreamUnreachable, Some(why))),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(match caller_side {
                Some((_, caller)) => self.switch(call, response, lease, caller),
                None => self.failed(call, DenialReason::UpstreamUnreachable, Some("it switched protocols unasked".to_owned())),
            });
        }
        Ok(self.pass_on(call, response, lease))
    }

    /// Answers in the upstream's place.
    async fn mock(self, mut call: Call, body: Outgoing) -> Result<Response<Answer>, HungUp> {
        let Some(record) = call.record() else { return Err(HungUp) };
        // In a box: most calls need no room for it.
        let (mut head, body) = match Box::pin(mock::answer(&self.core, &self.admitted, record, body)).await {
            Ok(response) => response.into_parts(),
            Err(fault) => return self.unanswered(call, fault),
        };
        headers::for_caller(&mut head.headers);
        self.stamp(&call, &mut head.headers);
        call.answered(head.status, &head.headers);
        Ok(Response::from_parts(head, Answer::text(body, call)))
    }

    fn unanswered(&self, call: Call, fault: mock::Fault) -> Result<Response<Answer>, HungUp> {
        let (reason, about, violations) = match fault {
            mock::Fault::Caller => return Err(HungUp),
            mock::Fault::TooLarge => (DenialReason::RequestTooLarge, None, Vec::new()),
            mock::Fault::Refused(violations) => {
                let first = violations.first().map(|violation| violation.to_string().chars().take(MOST_ABOUT).collect());
                (DenialReason::SchemaViolation, first, violations)
            }
            mock::Fault::Nothing { why, of_document: true } => (DenialReason::UpstreamUnreachable, Some(why), Vec::new()),
            mock::Fault::Nothing { why, of_document: false } => {
                tracing::warn!(error = %why, product.id = %self.admitted.product.id, "the mock gave no answer");
                (DenialReason::UpstreamUnreachable, None, Vec::new())
            }
        };
        let refusal = Refusal { violations: &violations, ..Refusal::of(reason, about.as_deref()) };
        Ok(refuse(call, &refusal, &self.standing))
    }

    async fn attempt(
        &self,
        call: &Call,
        body: Outgoing,
        protocol: Option<&HeaderValue>,
    ) -> Result<(Response<Incoming>, Lease), Fault> {
        let lost = || Fault::Unreachable("the product has no upstream here".to_owned());
        let environment = self.admitted.upstream().ok_or_else(lost)?;
        let upstream = self.core.upstreams.get(environment.url.as_ref().ok_or_else(lost)?)?;
        let record = call.record().ok_or_else(lost)?;
        let (path, query) = (record.target.path(), record.target.query());
        let request = || {
            let rest = path.get(self.admitted.rest_at..).unwrap_or("");
            let target = upstream::target(upstream.path(), rest, query);
            let mut request = upstream::head(record.method.clone(), target, upstream.authority())?;
            let fields = request.headers_mut();
            headers::for_upstream(&record.request_headers, self.credential_in_authorization(&record.request_headers), fields);
            fields.insert(HOST, upstream.authority().clone());
            let core = &self.core;
            identity::tell_upstream(&self.admitted, &core.vouched, record, &self.wire, &core.settings.trusted_proxies, fields);
            if let Some(protocol) = protocol {
                fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                fields.insert(UPGRADE, protocol.clone());
            }
            Ok(request)
        };
        upstream.send(request, body, environment.timeout).await
    }

    /// Whether `Authorization` is what we let the caller in by; else it is the upstream's business.
    fn credential_in_authorization(&self, headers: &HeaderMap) -> bool {
        self.admitted.credential().is_some() && !headers.contains_key(&API_KEY)
    }

    fn failed(&self, call: Call, reason: DenialReason, why: Option<String>) -> Response<Answer> {
        if let Some(why) = &why {
            // For the provider's eyes: an upstream's address is none of the caller's business.
            tracing::debug!(error = %why, product.id = %self.admitted.product.id, "the upstream gave no answer");
        }
        refuse(call, &Refusal::of(reason, None), &self.standing)
    }

    fn pass_on(&self, mut call: Call, response: Response<Incoming>, lease: Lease) -> Response<Answer> {
        let (mut head, body) = response.into_parts();
        headers::for_caller(&mut head.headers);
        self.stamp(&call, &mut head.headers);
        call.answered(head.status, &head.headers);
        head.version = Version::HTTP_11;
        let streams = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let limit = (!streams).then(|| lease.body_progress());
        Response::from_parts(head, Answer::upstream(body, lease, limit, call))
    }

    fn switch(&self, mut call: Call, mut response: Response<Incoming>, lease: Lease, caller: OnUpgrade) -> Response<Answer> {
        tunnel::join(caller, &mut response, lease, self.core.stop.clone());
        if let Some(heads) = &self.wire.heads {
            heads.close();
        }
        let (mut head, _) = response.into_parts();
        let protocol = head.headers.remove(UPGRADE);
        headers::for_caller(&mut head.headers);
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            head.headers.insert(UPGRADE, protocol);
        }
        self.stamp(&call, &mut head.headers);
        call.answered(head.status, &head.headers);
        Response::from_parts(head, Answer::text("", call))
    }

    fn stamp(&self, call: &Call, fields: &mut HeaderMap) {
        if let Some(record) = call.record() {
            fields.insert(&REQUEST_ID, record.id_header.clone());
        }
        refusal::tell_standing(&self.standing, fields);
    }
}
