//! Calls whose head cannot be read: refused and noted like others, as far as there is something to note.

use std::time::Duration;

use domain::rules::denial::{self, Entry, Fixer};
use entities::enums::{DenialReason, LogSink};
use http::{HeaderMap, Response};

use super::{
    Core,
    record::{Known, Record},
    refusal::{self, REQUEST_ID},
    request_id,
    wire::Wire,
};
use crate::listen::unread::{Unread, Why};

const TARGET_TOO_LONG: Entry = Entry {
    code: "REQUEST_TOO_LARGE",
    status: 414,
    title: "Target too long",
    explanation: "The request's target is longer than is taken here",
    remedy: "Send what is long in the body.",
    fixer: Fixer::Caller,
};

const HEAD_TOO_LARGE: Entry = Entry {
    code: "REQUEST_TOO_LARGE",
    status: 431,
    title: "Head too large",
    explanation: "The request's head is larger than is taken here",
    remedy: "Send fewer or shorter header fields; cookies are often what is too much.",
    fixer: Fixer::Caller,
};

fn reason(why: Why) -> (DenialReason, &'static Entry) {
    match why {
        Why::Malformed => (DenialReason::MalformedRequest, denial::entry(DenialReason::MalformedRequest)),
        Why::TargetTooLong => (DenialReason::RequestTooLarge, &TARGET_TOO_LONG),
        Why::TooLarge => (DenialReason::RequestTooLarge, &HEAD_TOO_LARGE),
    }
}

/// What the caller is told.
pub fn answer(unread: &Unread) -> Response<String> {
    let mut response = refusal::turned_away(reason(unread.why).1, unread.about, unread.id);
    response.headers_mut().insert(&REQUEST_ID, request_id::header(unread.id));
    response
}

/// Notes it, as nobody's call.
pub(super) fn note(core: &Core, wire: &Wire, unread: &Unread) {
    let (method, target) = unread.asked();
    let record = Record {
        id: unread.id,
        id_header: request_id::header(unread.id),
        at: unread.at,
        method,
        target,
        ip: wire.peer.ip().to_canonical(),
        via_explorer: false,
        status: unread.status(),
        completed: true,
        latency: Duration::ZERO,
        denial: Some(reason(unread.why).0),
        detail: Some(unread.about.into()),
        known: Known::default(),
        used: None,
        sink: LogSink::Database,
        request_headers: HeaderMap::new(),
        response_headers: Vec::new(),
    };
    if core.meter.note(&record) {
        let status = record.status.as_u16();
        tracing::info!(request.id = %record.id, http.status = status, "a request's head cannot be read: {}", unread.about);
    }
}
