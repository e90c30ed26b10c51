//! Calls to a MOCK environment: let in, limited and noted as any other, then answered here instead of by an upstream. What takes
//! time is done by the process's own threads, so that other calls of the core do not wait for it.

use bytes::Bytes;
use domain::{
    read::mock,
    rules::{
        admission::Admitted,
        mock::{Answer, Origin, Request, Unanswered, Violation},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::{Core, headers, record::Record, upstream::Outgoing};
use crate::listen::TooSlow;

static ORIGIN: HeaderName = HeaderName::from_static("x-portico-mock");
static APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Bytes of a request's body: it is read as a whole.
const MAX_BODY: usize = 8 << 20;

/// Why there is no answer.
pub enum Fault {
    /// The caller's body broke off: there is nobody to answer.
    Caller,
    /// How it came.
    TooSlow(String),
    TooLarge,
    Refused(Vec<Violation>),
    /// For the provider's eyes, and the caller's where it is the document's.
    Nothing {
        why: String,
        of_document: bool,
    },
}

pub async fn answer(core: &Core, admitted: &Admitted, record: &Record, body: Outgoing) -> Result<Response<Bytes>, Fault> {
    let lost = |why: &str| Fault::Nothing { why: why.to_owned(), of_document: false };
    let endpoint = admitted.endpoint().ok_or_else(|| lost("the product has no such endpoint any more"))?.id;
    let request = Request {
        method: record.method.as_str().to_owned(),
        path: record.target.path().get(admitted.rest_at..).filter(|rest| !rest.is_empty()).unwrap_or("/").to_owned(),
        query: record.target.query().map(str::to_owned),
        headers: texts(&record.request_headers),
        body: whole(body).await?,
    };
    let ctx = core.ctx.clone();
    // Connections to the database belong to the process's runtime, not to a core's.
    let answered = core.main.spawn(async move { mock::answer(&ctx, endpoint, request).await }).await;
    match answered {
        // What is no final answer changes the connection's protocol, or leaves the caller waiting.
        Ok(Ok(Ok(Answer { status, .. }))) if status < 200 => {
            Err(Fault::Nothing { why: format!("the document describes no answer but {status}"), of_document: true })
        }
        Ok(Ok(Ok(answer))) => Ok(response(answer)),
        Ok(Ok(Err(Unanswered::Refused(violations)))) => Err(Fault::Refused(violations)),
        Ok(Ok(Err(Unanswered::TooMuch(why)))) => Err(Fault::Nothing { why: why.to_owned(), of_document: true }),
        Ok(Ok(Err(Unanswered::NotDescribed(why)))) => Err(Fault::Nothing { why, of_document: true }),
        Ok(Err(error)) => Err(lost(&error.to_string())),
        Err(error) => Err(lost(&error.to_string())),
    }
}

async fn whole(body: Outgoing) -> Result<Vec<u8>, Fault> {
    // One that says so beforehand need not be waited for.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Fault::TooLarge);
    }
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Fault::TooLarge),
        Err(error) if error.is::<TooSlow>() => Err(Fault::TooSlow(error.to_string())),
        Err(_) => Err(Fault::Caller),
    }
}

/// The headers that are text.
fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))).collect()
}

fn response(answer: Answer) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let fields = response.headers_mut();
    for (name, value) in &answer.headers {
        // What a document makes up for a header need not be one.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            fields.append(name, value);
        }
    }
    headers::for_caller(fields);
    if let Some(kind) = answer.content_type.and_then(|kind| HeaderValue::from_str(&kind).ok()) {
        fields.insert(CONTENT_TYPE, kind);
    }
    if let Some(applied) = answer.applied.and_then(|applied| HeaderValue::from_str(&applied).ok()) {
        fields.insert(&APPLIED, applied);
    }
    let origin = match answer.origin {
        Origin::Example => "example",
        Origin::MisfitExample => "example; fits=false",
        Origin::Generated => "generated",
        Origin::Nothing => "empty",
    };
    fields.insert(&ORIGIN, HeaderValue::from_static(origin));
    response
}
