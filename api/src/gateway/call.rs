//! One call: decided on, limited, forwarded, noted. Every way out carries the request's id and leaves one record.

use std::{cell::Cell, rc::Rc};

use domain::rules::{admission::Admitted, certificate::Shown, limits::Standing};
use entities::enums::{Backend, DenialReason};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HOST, MAX_FORWARDS, RETRY_AFTER, TRANSFER_ENCODING},
    request::Parts,
};
use hyper::{body::Incoming, upgrade::OnUpgrade};

use super::{
    Core,
    answer::{Answer, Stream},
    authorize,
    came::{self, Came, OURS},
    claims::{API_KEY, Kept},
    cors::{self, Page},
    headers, identity,
    meter::Call,
    mock,
    open::{self, Brief, Ended, Open, Presented, Watch},
    places::{self, Places},
    record::Record,
    refusal::{self, NO_STORE, REQUEST_ID, Refusal},
    refused::Refused,
    request_id, token, tunnel,
    unreached::Why,
    upstream::{self, Fault, Lease, Outgoing, Sent, Upstream},
    websocket::{self, Handshake},
    wire::Wire,
};
use crate::{
    error::AWAY_RETRY,
    listen::{AnswerGuard, GuardedBody},
};

const HEALTH: &str = "/healthz";
const READY: &str = "/readyz";
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
    let came = Came::now(&core, &wire, answering, request.headers()).by_explorer(
        &core,
        request.method(),
        request.uri(),
        request.headers(),
    );
    let unclear = came::unclear(&wire, &request);
    if let Some(ours) = request.uri().path().strip_prefix(OURS) {
        if matches!(ours, HEALTH | READY) && matches!(*request.method(), Method::GET | Method::HEAD) && unclear.is_none() {
            return Ok(health(&core, came, ours == READY));
        }
        if authorize::is_asked(ours) {
            // In a box: most calls need no room for it.
            return Ok(Box::pin(authorize::answer(core, wire, came, unclear, request)).await);
        }
    }
    if request.uri().path() == token::PATH && core.settings.knows_certificates() && unclear.is_none() {
        return Ok(Box::pin(token::answer(core, came, request)).await);
    }
    let page = Page::of(&core, request.uri(), request.headers());
    let asking = page.as_ref().filter(|_| unclear.is_none());
    if let Some(fields) = asking.and_then(|page| page.preflight(request.method(), request.uri(), request.headers())) {
        return Ok(cors::answer(&core, came, fields));
    }
    let faulty = unclear.or_else(|| came::not_forwarded(request.method()));
    let (brief, certificate) = (Cell::new(Some(core.open.begin())), came.certificate().copied());
    let decided = came.decide(&core, request.method(), request.uri(), request.headers(), faulty).await;
    let caller_side = Handshake::of(&request).map(|handshake| (handshake, tunnel::caller_side(&mut request)));
    let (Parts { method, uri, headers, .. }, body) = request.into_parts();
    let when = came.when;
    let call = came.call(&core, method, uri, headers);
    let close = faulty.is_some() && wire.heads.is_some();
    let (call, admitted, standing) = match came::settle(&core, when, call, decided, close).await {
        Ok(settled) => settled,
        Err(refused) => return Ok(refused.to(page.as_ref()).into()),
    };
    let body = if hyper::body::Body::is_end_stream(&body) {
        Outgoing::None
    } else {
        let body = GuardedBody::new(body, &core.settings.limits);
        Outgoing::Stream { body, progress: Rc::default() }
    };
    let environment = admitted.environment;
    let page = page.or_else(|| Page::of_program(&admitted.product));
    let forward = Forward { core, wire, certificate, admitted, standing, brief };
    let mut response = forward.send(call, body, caller_side).await?;
    if let Some(page) = page {
        page.tell(Some(environment), response.headers_mut());
    }
    Ok(response)
}

/// A process that lives is healthy; ready, it knows what is allowed, and no later than the portal asks.
fn health(core: &Core, came: Came, ready: bool) -> Response<Answer> {
    let (id, current) = (request_id::header(came.id), !ready || came.when.is_current(core));
    let mut response = Response::new(Answer::text(if current { "ok\n" } else { "stale\n" }, came.unnoted()));
    if !current {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(AWAY_RETRY));
    }
    response.headers_mut().insert(&REQUEST_ID, id);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    response
}

fn refuse(call: Call, refusal: &Refusal<'_>, standing: &Standing) -> Response<Answer> {
    Refused::new(call, refusal, standing).into()
}

/// An admitted call on its way.
struct Forward {
    core: Rc<Core>,
    wire: Rc<Wire>,
    certificate: Option<Shown>,
    admitted: Admitted,
    standing: Standing,
    /// Until it is on the list of those that stay open.
    brief: Cell<Option<Brief>>,
}

impl Forward {
    async fn send(
        self,
        call: Call,
        body: Outgoing,
        caller_side: Option<(Handshake, OnUpgrade)>,
    ) -> Result<Response<Answer>, HungUp> {
        if self.admitted.upstream().is_some_and(|environment| environment.backend == Backend::Mock) {
            return self.mock(call, body).await;
        }
        if call.record().is_some_and(|record| self.core.via.goes_round(&record.request_headers)) {
            let why = Why::new("the call has come by this gateway before", "");
            return Ok(self.failed(call, DenialReason::LoopDetected, &why));
        }
        let hops = call.record().and_then(|record| headers::hops_left(&record.method, &record.request_headers));
        if hops == Some(0) {
            return Ok(self.end_here(call));
        }
        let sent = self.attempt(&call, body, caller_side.is_some(), hops).await;
        let Sent { response, lease, watch } = match sent {
            Ok(sent) => sent,
            Err(Fault::Caller) => return Err(HungUp),
            Err(Fault::Loop) => {
                let why = Why::new("its address is this gateway's or the portal's own", "");
                return Ok(self.failed(call, DenialReason::LoopDetected, &why));
            }
            Err(Fault::TooSlow(why)) => return Ok(self.too_slow(call, &why)),
            Err(Fault::Ended(ended)) => return Ok(self.over(call, &ended)),
            Err(Fault::Timeout(why)) => return Ok(self.failed(call, DenialReason::UpstreamTimeout, &why)),
            Err(Fault::Unreachable(why)) => return Ok(self.failed(call, DenialReason::UpstreamUnreachable, &why)),
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Ok(match caller_side {
                Some((asked, caller)) if asked.is_agreed(response.headers()) => {
                    self.switch(call, response, (lease, watch), caller)
                }
                Some(_) => {
                    let why = "its 101 does not agree to the WebSocket that was asked for (RFC 6455 section 4.2.2)";
                    self.failed(call, DenialReason::UpstreamUnreachable, &Why::new(why, ""))
                }
                None => {
                    let why = Why::new("it switched protocols unasked", "");
                    self.failed(call, DenialReason::UpstreamUnreachable, &why)
                }
            });
        }
        if headers::is_coded_unasked(response.headers()) {
            let why = Why::new("its Transfer-Encoding is not chunked alone", "");
            return Ok(self.failed(call, DenialReason::UpstreamUnreachable, &why));
        }
        Ok(self.pass_on(call, response, (lease, watch)))
    }

    /// Puts the call on the list of those that stay open.
    fn hold(&self, record: &Record) -> Result<Watch, Ended> {
        let presented = Presented {
            method: record.method.clone(),
            target: record.target.clone(),
            claims: Kept::of(&record.request_headers),
            certificate: self.certificate,
            caller: record.ip,
        };
        let since = self.brief.take().unwrap_or_else(|| self.core.open.begin());
        Open::hold(&self.core, presented, self.admitted.clone(), &since)
    }

    /// The place on the list of a call that goes on when its answer's head is there. `None`: it is not noted.
    fn held(&self, call: &Call, watch: Option<Watch>) -> Result<Option<Watch>, Ended> {
        let watch = match (watch, call.record()) {
            (None, Some(record)) => self.hold(record)?,
            (None, None) => return Ok(None),
            (Some(watch), _) => watch,
        };
        watch.over().cloned().map_or(Ok(Some(watch)), Err)
    }

    /// What has come of the body is not the whole request: the connection ends with it.
    fn too_slow(&self, call: Call, why: &str) -> Response<Answer> {
        let close = self.wire.heads.is_some();
        let refusal = Refusal { close, ..Refusal::of(DenialReason::RequestTimeout, Some(why)) };
        refuse(call, &refusal, &self.standing)
    }

    fn over(&self, call: Call, ended: &Ended) -> Response<Answer> {
        refuse(call, &ended.refusal(), &self.standing)
    }

    /// Answers an OPTIONS that was to go no further.
    fn end_here(&self, mut call: Call) -> Response<Answer> {
        let mut fields = HeaderMap::new();
        self.stamp(&call, &mut fields);
        call.answered(StatusCode::NO_CONTENT, &fields);
        let mut response = Response::new(Answer::text("", call));
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = fields;
        response
    }

    /// Answers in the upstream's place.
    async fn mock(self, mut call: Call, body: Outgoing) -> Result<Response<Answer>, HungUp> {
        let Some(record) = call.record() else { return Err(HungUp) };
        // In a box: most calls need no room for it.
        let answering =
            Box::pin(open::as_long_as_let_in(mock::answer(&self.core, &self.admitted, record, body), || self.hold(record)));
        let (mut head, body) = match answering.await {
            Ok(Ok(response)) => response.into_parts(),
            Ok(Err(fault)) => return self.unanswered(call, fault),
            Err(ended) => return Ok(self.over(call, &ended)),
        };
        self.stamp(&call, &mut head.headers);
        call.answered(head.status, &head.headers);
        Ok(Response::from_parts(head, Answer::text(body, call)))
    }

    fn unanswered(&self, call: Call, fault: mock::Fault) -> Result<Response<Answer>, HungUp> {
        let (reason, about, violations) = match fault {
            mock::Fault::Caller => return Err(HungUp),
            mock::Fault::TooSlow(why) => return Ok(self.too_slow(call, &why)),
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

    async fn attempt(&self, call: &Call, body: Outgoing, as_websocket: bool, hops: Option<u64>) -> Result<Sent, Fault> {
        let lost = || Fault::Unreachable(Why::new("the product has no upstream here", ""));
        let environment = self.admitted.upstream().ok_or_else(lost)?;
        let upstream = self.core.upstreams.get(environment.url.as_ref().ok_or_else(lost)?)?;
        let record = call.record().ok_or_else(lost)?;
        // Of a GET or HEAD the library would take it that there is none.
        let chunked = hyper::body::Body::size_hint(&body).exact().is_none();
        let (path, query) = (record.target.path(), record.target.query());
        // RFC 9110 section 8.6: else some upstreams wait for a body, or answer 411.
        let says_empty = matches!(body, Outgoing::None) && matches!(record.method, Method::POST | Method::PUT | Method::PATCH);
        let request = || {
            let rest = path.get(self.admitted.rest_at..).unwrap_or("");
            let target = upstream::target(upstream.path(), rest, query);
            let mut request = upstream::head(record.method.clone(), target, upstream.authority())?;
            let fields = request.headers_mut();
            let core = &self.core;
            let ours = headers::Ours {
                authorization: self.credential_in_authorization(&record.request_headers),
                certificate: core.settings.client_cert_header.as_ref(),
            };
            headers::for_upstream(&record.request_headers, ours, fields);
            fields.insert(HOST, upstream.authority().clone());
            core.via.tell(if self.wire.heads.is_some() { Version::HTTP_11 } else { Version::HTTP_2 }, fields);
            if chunked {
                fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            core.outside.tell_prefix(&self.admitted.product, fields);
            identity::tell_upstream(&self.admitted, &core.vouched, record, &self.wire, &core.settings.trusted_proxies, fields);
            if says_empty {
                fields.insert(CONTENT_LENGTH, HeaderValue::from(0));
            }
            if let Some(hops) = hops {
                fields.insert(MAX_FORWARDS, HeaderValue::from(hops - 1));
            }
            if as_websocket {
                websocket::say(fields);
            }
            Ok(request)
        };
        upstream.send(request, body, environment.timeout, || self.hold(record)).await
    }

    /// Whether `Authorization` is what we let the caller in by; else it is the upstream's business.
    fn credential_in_authorization(&self, headers: &HeaderMap) -> bool {
        self.admitted.credential().is_some() && !headers.contains_key(&API_KEY)
    }

    fn failed(&self, mut call: Call, reason: DenialReason, why: &Why) -> Response<Answer> {
        // For the provider's eyes: an upstream's address is none of the caller's business.
        let url = self.admitted.upstream().and_then(|environment| environment.url.as_ref());
        self.core.upstreams.warn(self.admitted.product.id, url, why);
        if let Some(record) = call.record_mut() {
            record.detail = Some(why.to_string().into());
        }
        refuse(call, &Refusal::of(reason, None), &self.standing)
    }

    fn pass_on(&self, mut call: Call, response: Response<Incoming>, (lease, watch): (Lease, Option<Watch>)) -> Response<Answer> {
        let (mut head, body) = response.into_parts();
        let streams = head.headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        let limit = (!streams).then(|| lease.body_progress());
        self.tell_places(&call, lease.upstream(), &mut head.headers);
        let stream = Stream::new(body, lease, limit);
        let watch = match watch {
            None if stream.is_whole() => Ok(None),
            watch => self.held(&call, watch),
        };
        let watch = match watch {
            Ok(watch) => watch,
            Err(ended) => return self.over(call, &ended),
        };
        headers::for_caller(&mut head.headers);
        self.stamp(&call, &mut head.headers);
        call.answered(head.status, &head.headers);
        head.version = Version::HTTP_11;
        Response::from_parts(head, Answer::upstream(stream, watch, call))
    }

    fn switch(
        &self,
        mut call: Call,
        mut response: Response<Incoming>,
        (lease, watch): (Lease, Option<Watch>),
        caller: OnUpgrade,
    ) -> Response<Answer> {
        match self.held(&call, watch) {
            Ok(Some(watch)) => tunnel::join(caller, &mut response, lease, watch, self.core.settings.tunnel_idle),
            Ok(None) => {}
            Err(ended) => return self.over(call, &ended),
        }
        if let Some(heads) = &self.wire.heads {
            heads.close();
        }
        let (mut head, _) = response.into_parts();
        headers::for_caller(&mut head.headers);
        websocket::say(&mut head.headers);
        self.stamp(&call, &mut head.headers);
        call.answered(head.status, &head.headers);
        Response::from_parts(head, Answer::text("", call))
    }

    fn tell_places(&self, call: &Call, upstream: &Upstream, fields: &mut HeaderMap) {
        if !places::are_told(fields) {
            return;
        }
        let trusted = &self.core.settings.trusted_proxies;
        let asked = call.record().and_then(|record| identity::asked_host(record, &self.wire, trusted));
        let Admitted { product, environment, .. } = &self.admitted;
        let (routes, asked) = (product.routes(*environment), asked.as_ref());
        Places { outside: &self.core.outside, base_path: &product.base_path, routes, upstream, asked }.tell(fields);
    }

    fn stamp(&self, call: &Call, fields: &mut HeaderMap) {
        if let Some(record) = call.record() {
            fields.insert(&REQUEST_ID, record.id_header.clone());
        }
        refusal::tell_standing(&self.standing, fields);
    }
}
