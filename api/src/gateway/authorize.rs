//! Decisions for a gateway in front, which forwards the call itself: checks, limits, answers and records are those of a call that
//! passes here. `docs/existing-gateways.md` is the other half.

use std::rc::Rc;

use domain::rules::{admission::Admitted, decision::FORWARDED_IN_FRONT, limits::Standing};
use entities::enums::DenialReason;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header::CACHE_CONTROL, request::Parts};
use hyper::body::Incoming;

use super::{
    Core,
    answer::Answer,
    asked,
    came::{self, Came, OURS},
    cors::Page,
    meter::Call,
    refusal::{self, NO_STORE, REQUEST_ID, Refusal},
    refused::Refused,
    vouched,
    wire::Wire,
};
use crate::address;

/// How refusals are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    AsTheyAre,
    /// For nginx, whose `auth_request` makes a 500 of what is neither 2xx, 401 nor 403. It is the path that says so: queries and
    /// headers may be the caller's.
    As403,
}

const PATHS: [(&str, Told); 2] = [("/authorize", Told::AsTheyAre), ("/authorize-403", Told::As403)];

/// Whether a path asks for a decision, by what follows [`OURS`] in it.
pub fn is_asked(ours: &str) -> bool {
    read(ours).is_some()
}

/// How refusals are to be told, and what of the path follows the question's own.
fn read(ours: &str) -> Option<(Told, &str)> {
    PATHS.iter().find_map(|(path, told)| {
        let behind = ours.strip_prefix(path)?;
        (behind.is_empty() || behind.starts_with('/')).then_some((*told, behind))
    })
}

/// Answers 200 with whose call it is, or as the call itself would be refused. `unclear` is what is wrong with the question's form.
/// Its body is not looked at.
pub async fn answer(
    core: Rc<Core>,
    wire: Rc<Wire>,
    came: Came,
    unclear: Option<&'static str>,
    request: Request<Incoming>,
) -> Response<Answer> {
    let (Parts { method, uri, headers, .. }, _) = request.into_parts();
    let told = uri.path().strip_prefix(OURS).and_then(read).map_or(Told::AsTheyAre, |(told, _)| told);
    match decide(&core, &wire, came, unclear, (method, uri, headers)).await {
        Ok((call, admitted, standing)) => let_through(&core, call, &admitted, &standing),
        Err(refused) if told == Told::As403 => refused.as_403().into(),
        Err(refused) => refused.into(),
    }
}

async fn decide(
    core: &Core,
    wire: &Wire,
    came: Came,
    unclear: Option<&'static str>,
    (method, uri, mut headers): (Method, Uri, HeaderMap),
) -> Result<(Call, Admitted, Standing), Box<Refused>> {
    let peer = wire.peer.ip();
    if !address::is_trusted(peer, &core.settings.trusted_proxies) {
        return Err(Refused::untrusted(came.id, peer, came.unnoted()));
    }
    let close = |faulty: Option<&str>| faulty.is_some() && wire.heads.is_some();
    let asked = asked::read(&method, appended(&uri), &headers);
    asked::forget(&mut headers);
    let (method, target) = match asked {
        Ok(asked) => asked,
        Err(wrong) => {
            let call = came.call(core, method, uri, headers);
            let refusal = Refusal { close: close(unclear), ..Refusal::of(DenialReason::MalformedRequest, Some(&wrong)) };
            return Err(Refused::new(call, &refusal, &Standing::default()));
        }
    };
    let page = Page::of(core, &target, &headers);
    let faulty = unclear.or_else(|| came::not_forwarded(&method));
    let decided = came.decide(core, &method, &target, &headers, faulty).await;
    let when = came.when;
    let call = came.call(core, method, target, headers);
    // A page reads refusals where the gateway in front passes them on; it answers preflights itself.
    came::settle(core, when, call, decided, close(faulty)).await.map_err(|refused| refused.to(page.as_ref()))
}

/// The caller's target, where the question's path goes on with it. Without one, a query means nothing: some gateways leave the
/// caller's there.
fn appended(uri: &Uri) -> Option<&str> {
    let (_, behind) = uri.path().strip_prefix(OURS).and_then(read)?;
    let start = uri.path().len() - behind.len();
    uri.path_and_query()?.as_str().get(start..).filter(|_| !behind.is_empty())
}

fn let_through(core: &Core, mut call: Call, admitted: &Admitted, standing: &Standing) -> Response<Answer> {
    let mut fields = HeaderMap::new();
    if let Some(record) = call.record_mut() {
        record.detail = Some(FORWARDED_IN_FRONT.into());
        fields.insert(&REQUEST_ID, record.id_header.clone());
    }
    refusal::tell_standing(standing, &mut fields);
    // Noted is what the caller will see; the rest is between the gateways. The environment's own headers may hold secrets, and
    // are for its upstream alone.
    call.answered(StatusCode::OK, &fields);
    fields.insert(CACHE_CONTROL, NO_STORE);
    // Where there is nothing to say, that is said: what the gateway in front copies must replace what a caller forged.
    for name in vouched::NAMES {
        fields.insert(name, HeaderValue::from_static(""));
    }
    for (name, value) in core.vouched.headers(admitted).iter() {
        fields.insert(*name, value.clone());
    }
    let mut response = Response::new(Answer::text("", call));
    *response.headers_mut() = fields;
    response
}
