//! GraphQL over HTTP, as its specification says: what a request must look like, and what its answer looks like.
//! Queries by GET and POST, mutations by POST, one operation a request; `status` has the table of statuses.

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
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header},
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
    http::{exchange::Exchange, explorer},
};

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
    let by_get = match *method {
        Method::GET | Method::HEAD => true,
        Method::POST => false,
        _ => return Err(NotRead(Unread::Method, "GraphQL is answered to GET and POST".to_owned())),
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
        Err(refusal) => return Ok(write(Answer::refused(refusal), media)),
    };
    match prepared.operation {
        OperationType::Subscription => {
            Err(NotRead(Unread::NeedsSocket, "subscriptions are served at /graphql/ws (graphql-transport-ws)".to_owned()))
        }
        OperationType::Mutation if by_get => Err(NotRead(Unread::NotAQuery, "mutations are sent by POST".to_owned())),
        _ => Ok(write(state.graphql.execute(with_data(prepared, state, caller)).await, media)),
    }
}

/// With what resolvers find in their context.
fn with_data(prepared: Prepared, state: &AppState, caller: Caller) -> Prepared {
    let data = RequestData::new(&state.domain, &prepared.batches, caller, Arc::clone(&state.site), Arc::clone(&state.explorer));
    prepared.with(data)
}

fn write(mut answer: Answer, media: Media) -> Response {
    let (status, _) = status::of_outcome(answer.outcome, media);
    let fields = std::mem::take(&mut answer.headers);
    let mut response = respond(status, media, &answer);
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
    if unread.leaves_the_body() && version < Version::HTTP_2 {
        // The connection ends with the unread body: a client that did not hear so would send its next request into it.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let allow = match unread {
        Unread::Method => "GET, POST",
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
    respond(status, media, &Answer::refused(error))
}

fn respond(status: StatusCode, media: Media, answer: &Answer) -> Response {
    let fields = [(header::CONTENT_TYPE, media.content_type()), (header::CACHE_CONTROL, "no-store")];
    match serde_json::to_vec(answer) {
        Ok(body) => (status, fields, body).into_response(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
