//! The audit log as lines of JSON.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{Query, State},
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::{DateTime, Utc};
use domain::{
    DomainError, ProblemCode, Result,
    read::audit::{self, Filter},
    rules::text,
};
use entities::audit_event::Model;
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde_json::json;

use crate::{
    auth,
    error::{log_fault, outside, told_when},
    http::{AppState, exchange::Exchange},
};

#[derive(Deserialize)]
pub struct Asked {
    from: Option<String>,
    to: Option<String>,
    team: Option<String>,
}

/// `GET /audit.jsonl?from=&to=&team=`: an event a line, in the order in which they were written. All of them for staff who may read
/// the audit log, a team's own for its members. Where it breaks off, the connection ends before the body does.
pub async fn export(
    State(state): State<AppState>,
    Extension(exchange): Extension<Exchange>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    match answer(&state, &exchange, asked, &headers).await {
        Ok(response) => response,
        Err(error) => {
            let outside = outside(&error);
            log_fault(&error, outside);
            told_when((outside.status, format!("{error}\n")).into_response(), &error)
        }
    }
}

async fn answer(state: &AppState, exchange: &Exchange, asked: Asked, headers: &HeaderMap) -> Result<Response> {
    let caller = auth::admitted(&state.domain, &state.site, &state.strangers, headers, exchange.ip, None).await?;
    let team = asked.team.filter(|team| !team.is_empty());
    let filter = Filter {
        from: time("from", asked.from.as_deref())?,
        to: time("to", asked.to.as_deref())?,
        team: team.map(|team| team.parse().map_err(|_| wrong("team", "a team's id"))).transpose()?,
        ..Filter::default()
    };
    let events = audit::export(&state.domain, &caller.actor, &filter).await?;
    let (state, team, headers, ip) = (state.clone(), filter.team, headers.clone(), exchange.ip);
    // An export takes long: before each page it is asked anew whether who reads it is still signed in, and may.
    let events = events.and_then(move |page| {
        let (state, headers, who) = (state.clone(), headers.clone(), caller.actor.who);
        async move {
            let now = auth::caller(&state.domain, &state.site, &headers, ip, None).await?.actor;
            if now.who != who {
                return Err(DomainError::Unauthenticated);
            }
            audit::may_export(&state.domain, &now, team).await?;
            Ok(page)
        }
    });
    let lines = events.map_ok(|events| events.iter().flat_map(line).collect::<Bytes>()).inspect_err(|error| {
        tracing::error!(error = error as &dyn std::error::Error, "an export of the audit log broke off");
    });
    let headers = [
        (CONTENT_TYPE, "application/jsonl"),
        (CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""),
        (CACHE_CONTROL, "no-store"),
    ];
    Ok((StatusCode::OK, headers, Body::from_stream(lines)).into_response())
}

fn time(name: &str, value: Option<&str>) -> Result<Option<DateTime<Utc>>> {
    let given = value.filter(|value| !value.is_empty());
    let read = |given| {
        text::time(given).ok_or_else(|| DomainError::refused(ProblemCode::Invalid, name, format!("{name} {}", text::NOT_A_TIME)))
    };
    given.map(read).transpose()
}

fn wrong(name: &str, takes: &str) -> DomainError {
    DomainError::refused(ProblemCode::Invalid, name, format!("{name} must be {takes}"))
}

fn line(event: &Model) -> Vec<u8> {
    let event = json!({
        "id": event.id,
        "at": event.at,
        "actorId": event.actor_id,
        "actorKind": event.actor_kind,
        "action": event.action,
        "subjectType": event.subject_type,
        "subjectId": event.subject().to_string(),
        "teamId": event.team_id,
        "ip": event.ip,
        "userAgent": event.user_agent,
        "requestId": event.request_id,
        "changes": event.changes,
        "position": event.position,
        "hash": event.hash.as_ref().map(|hash| BASE64.encode(hash)),
    });
    format!("{event}\n").into_bytes()
}
