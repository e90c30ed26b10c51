//! One call: decided on, limited, forwarded, noted. Every way out carries the request's id and leaves one record.

use std::rc::Rc;

use domain::rules::{admission::Admitted, limits::Standing};
use entities::enums::{Backend, DenialReason};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, RETRY_AFTER, UPGRADE},
    request::Parts,
};
use hyper::{body::Incoming, upgrade::OnUpgrade};

use super::{
    Core,
    answer::Answer,
    authorize,
    came::{self, Came, OURS},
    claims::API_KEY,
    headers, identity,
    meter::Call,
    mock,
    refusal::{self, NO_STORE, REQUEST_ID, Refusal},
    refused::Refused,
    request_id, token, tunnel,
    upstream::{self, Fault, Lease, Outgoing},
    wire::Wire,
};
use crate::listen::{AnswerGuard, GuardedBody};

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
    let faulty = unclear.or_else(|| came::not_forwarded(request.method()));
    let decided = came.decide(&core, request.method(), request.uri(), request.headers(), faulty).await;
    let caller_side = headers::wanted_protocol(request.headers())
        .filter(|_| request.version() == Version::HTTP_11)
        .cloned()
        .map(|protocol| (protocol, tunnel::caller_side(&mut request)));
    let (Parts { method, uri, headers, .. }, body) = request.into_parts();
    let when = came.when;
    let call = came.call(&core, method, uri, headers);
    let close = faulty.is_some() && wire.heads.is_some();
    let (call, admitted, standing) = match came::settle(&core, when, call, decided, close).await {
        Ok(settled) => settled,
        Err(refused) => return Ok(refused.into()),
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

/// A process that lives is healthy; ready, it knows what is allowed, and no later than the portal asks.
fn health(core: &Core, came: Came, ready: bool) -> Response<Answer> {
    let (id, current) = (request_id::header(came.id), !ready || came.when.is_current(core));
    let mut response = Response::new(Answer::text(if current { "ok\n" } else { "stale\n" }, came.unnoted()));
    if !current {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
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
