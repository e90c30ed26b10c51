//! GraphQL over HTTP, as its specification says: what a request must look like, and what its answer looks like.
//! Queries by GET, POST and QUERY (RFC 10008), mutations by POST, one operation a request; `status` has the table of statuses.

pub mod accept;
pub mod parameters;
pub mod socket;
pub mod status;

use std::sync::Arc;

use async_graphql::{ServerError, Value, parser::types::OperationType};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header},
    response::{IntoResponse, Response},
};
use domain::{DomainError, access::require_staff, rules::policy::StaffRight};

use crate::{
    auth::{self, Caller},
    error::{AWAY_RETRY, outside, told_when},
    graphql::{
        engine::{Answer, Outcome, Prepared, coded},
        request::RequestData,
    },
    http::AppState,
    http::compression::{WORTHWHILE, accepts_gzip, packed},
    http::{exchange::Exchange, explorer},
};

/// What bodies a QUERY may have.
const ACCEPT_QUERY: HeaderName = HeaderName::from_static("accept-query");

use accept::Wanted;
use parameters::{MAX_BODY, MAX_STAFF_BODY, NotRead};
use status::{Media, Unread};

pub async fn handle(
    State(state): State<AppState>,
    Extension(exchange): Extension<Exchange>,
    method: Method,
    version: Version,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let media = match accept::wanted(&headers) {
        Wanted::Page if method == Method::GET && state.config.graphiql => return explorer::page(),
        Wanted::Page => Media::Json,
        Wanted::Answer(media) => media,
        Wanted::Nothing => {
            let message = "the answer is written as application/graphql-response+json or application/json".to_owned();
            return not_read(NotRead(Unread::NothingAcceptable, message), Media::Json, version);
        }
    };
    match read_and_execute(&state, &exchange, &method, &uri, &headers, body, media).await {
        Ok(response) => response,
        Err(refused) => not_read(refused, media, version),
    }
}

async fn read_and_execute(
    state: &AppState,
    exchange: &Exchange,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
    media: Media,
) -> Result<Response, NotRead> {
    // `safe`: it changes nothing (RFC 9110 section 9.2.1).
    let (by_get, safe) = match *method {
        Method::GET | Method::HEAD => (true, true),
        Method::QUERY => (false, true),
        Method::POST => (false, false),
        _ => return Err(NotRead(Unread::Method, "GraphQL is answered to GET, POST and QUERY".to_owned())),
    };
    if !by_get {
        parameters::check_content_type(headers)?;
        if auth::by_cookie(headers, &state.site) && !state.origins.may_use_session(headers) {
            let message = "this page's origin may not use a session: have it added to PORTICO_ALLOWED_ORIGINS".to_owned();
            return Err(NotRead(Unread::ForeignOrigin, message));
        }
    }
    let request_id = Some(exchange.request_id.to_string());
    let caller = match auth::admitted(&state.domain, &state.site, &state.strangers, headers, exchange.ip, request_id).await {
        Ok(caller) => caller,
        Err(error) => return Ok(away(&error, media)),
    };
    let parameters = if by_get {
        parameters::from_query_string(uri.query().unwrap_or_default())?
    } else {
        // Documents of products are long.
        let limit = if require_staff(&caller.actor, StaffRight::Edit).is_ok() { MAX_STAFF_BODY } else { MAX_BODY };
        parameters::from_body(&parameters::read_body(headers, body, limit).await?)?
    };
    let prepared = match state.graphql.prepare(parameters) {
        Ok(prepared) => prepared,
        Err(refusal) => return Ok(write(Answer::refused(refusal), media, false).await),
    };
    // What a packed answer's length tells of a secret in it, beside text of somebody else's choice, is nobody's (BREACH): secrets
    // are in answers to mutations alone, and a GET with a cookie may be another site's, which can choose its query.
    let pack =
        prepared.operation == OperationType::Query && accepts_gzip(headers) && !(by_get && headers.contains_key(header::COOKIE));
    match prepared.operation {
        OperationType::Subscription => {
            Err(NotRead(Unread::NeedsSocket, "subscriptions are served at /graphql/ws (graphql-transport-ws)".to_owned()))
        }
        OperationType::Mutation if safe => Err(NotRead(Unread::NotAQuery, "mutations are sent by POST".to_owned())),
        _ => Ok(write(state.graphql.execute(with_data(prepared, state, caller)).await, media, pack).await),
    }
}

/// With what resolvers find in their context.
fn with_data(prepared: Prepared, state: &AppState, caller: Caller) -> Prepared {
    let data = RequestData::new(&state.domain, &prepared.batches, caller, Arc::clone(&state.site), Arc::clone(&state.explorer));
    prepared.with(data)
}

async fn write(mut answer: Answer, media: Media, pack: bool) -> Response {
    let (status, _) = status::of_outcome(answer.outcome, media);
    let fields = std::mem::take(&mut answer.headers);
    let mut response = match serde_json::to_vec(&answer) {
        Ok(body) if pack && body.len() >= WORTHWHILE => match packed(body).await {
            Some(body) => ([(header::CONTENT_ENCODING, "gzip")], respond(status, media, Ok(body))).into_response(),
            None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        },
        body => respond(status, media, body),
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
    response.headers_mut().extend(fields);
    if let Some(seconds) = retry_after(&answer) {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The longest that one of the errors asks for: a client that looks at headers alone is to wait too.
fn retry_after(answer: &Answer) -> Option<u64> {
    let timed_out = (answer.outcome == Outcome::TimedOut).then_some(AWAY_RETRY);
    let told = answer.errors.iter().filter_map(|error| match error.extensions.as_ref()?.get("retryAfter")? {
        Value::Number(seconds) => seconds.as_u64(),
        _ => None,
    });
    told.chain(timed_out).max()
}

fn not_read(NotRead(unread, message): NotRead, media: Media, version: Version) -> Response {
    let (status, code) = status::of_unread(unread);
    let mut response = refusal(status, coded(message, code), media);
    if unread == Unread::ContentType || unread == Unread::Method {
        // RFC 10008 section 3.
        response.headers_mut().insert(ACCEPT_QUERY, HeaderValue::from_static("application/json"));
    }
    if unread.leaves_the_body() && version < Version::HTTP_2 {
        // The connection ends with the unread body: a client that did not hear so would send its next request into it.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let allow = match unread {
        Unread::Method => "GET, POST, QUERY",
        Unread::NotAQuery => "POST",
        _ => return response,
    };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// What who asks depends on is away, or they ask too often.
fn away(error: &DomainError, media: Media) -> Response {
    let outside = outside(error);
    crate::error::log_fault(error, outside);
    told_when(refusal(outside.status, coded(error.to_string(), outside.code), media), error)
}

fn refusal(status: StatusCode, error: ServerError, media: Media) -> Response {
    respond(status, media, serde_json::to_vec(&Answer::refused(error)))
}

fn respond(status: StatusCode, media: Media, body: serde_json::Result<Vec<u8>>) -> Response {
    let fields = [(header::CONTENT_TYPE, media.content_type()), (header::CACHE_CONTROL, "no-store")];
    match body {
        Ok(body) => (status, fields, body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
