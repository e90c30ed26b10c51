//! One record a call, kept on its core until a batch goes to the log: the hot path neither formats nor waits.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use domain::ops::request_log::Used;
use entities::{
    enums::{DenialReason, Environment, LogSink},
    id::{ClientId, CredentialId, EndpointId, ProductId, ProfileId, RequestId, TeamId},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use tokio::time::Instant;

use super::log::Log;
use crate::listen::AnswerGuard;

/// A call as it is noted while it goes on. What is not known stays empty.
pub struct Record {
    pub id: RequestId,
    /// The id as both sides are told it.
    pub id_header: HeaderValue,
    pub at: DateTime<Utc>,
    pub method: Method,
    pub target: Uri,
    pub ip: IpAddr,
    pub status: StatusCode,
    pub latency: Duration,
    pub denial: Option<DenialReason>,
    /// What a refusal was about, or how the answer ended; never a secret.
    pub detail: Option<Box<str>>,
    pub known: Known,
    /// What let the call in.
    pub used: Option<Used>,
    pub sink: LogSink,
    pub request_headers: HeaderMap,
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
}

/// Whose call it was and what it was for, as far as the decision got.
#[derive(Debug, Clone, Default)]
pub struct Known {
    pub team: Option<TeamId>,
    pub client: Option<ClientId>,
    pub profile: Option<ProfileId>,
    pub credential: Option<CredentialId>,
    pub product: Option<ProductId>,
    pub endpoint: Option<EndpointId>,
    pub template: Option<Arc<str>>,
    pub environment: Option<Environment>,
}

/// The caller went away before the answer's head. Not a registered status; the field has learned to read it.
const HUNG_UP: u16 = 499;

/// A call in flight. Dropping it, wherever that happens, ends the call and notes it.
pub struct Call {
    /// `None` for a call that is not noted.
    record: Option<Record>,
    noting: Option<(Rc<Meter>, Instant)>,
    _answering: AnswerGuard,
}

impl Call {
    pub fn begin(record: Record, started: Instant, meter: Rc<Meter>, answering: AnswerGuard) -> Self {
        Self { record: Some(record), noting: Some((meter, started)), _answering: answering }
    }

    /// One that leaves no record: the health check's.
    pub fn unnoted(answering: AnswerGuard) -> Self {
        Self { record: None, noting: None, _answering: answering }
    }

    /// What is noted so far; `None` for a call that is not noted.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_ref()
    }

    pub fn record_mut(&mut self) -> Option<&mut Record> {
        self.record.as_mut()
    }

    pub fn refused(&mut self, reason: DenialReason, about: Option<&str>) {
        if let Some(record) = &mut self.record {
            record.denial = Some(reason);
            if let Some(about) = about {
                record.detail = Some(about.into());
            }
        }
    }

    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        if let Some(record) = &mut self.record {
            record.status = status;
            record.response_headers = headers.iter().take(MOST_HEADERS).map(|(n, v)| (n.clone(), v.clone())).collect();
        }
    }

    /// The answer's body will not come to its end.
    pub fn broke_off(&mut self) {
        if let Some(record) = &mut self.record {
            record.detail = Some("the upstream's answer broke off".into());
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let (Some(mut record), Some((meter, started))) = (self.record.take(), &self.noting) {
            record.latency = started.elapsed();
            meter.note(record);
        }
    }
}

/// Headers that a record keeps of either side.
pub const MOST_HEADERS: usize = 30;

/// The status of a call that nobody has answered yet.
pub fn unanswered() -> StatusCode {
    StatusCode::from_u16(HUNG_UP).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A core's records on their way to the log.
pub struct Meter {
    buffer: RefCell<Vec<Record>>,
    /// Records of nobody's calls that may still be kept in this second.
    strangers: Cell<(i64, u32)>,
    strangers_a_second: u32,
    log: Arc<Log>,
}

/// A core hands its records over when it has this many, or when its tick comes.
const BATCH: usize = 256;

impl Meter {
    pub fn new(log: Arc<Log>, strangers_a_second: u32) -> Self {
        Self { buffer: RefCell::default(), strangers: Cell::new((0, 0)), strangers_a_second, log }
    }

    fn note(&self, record: Record) {
        self.log.count(record.status);
        if record.known.client.is_none() && !self.has_room_for_a_stranger(record.at) {
            self.log.drop_records(1);
            return;
        }
        let mut buffer = self.buffer.borrow_mut();
        buffer.push(record);
        if buffer.len() >= BATCH {
            self.log.take(std::mem::replace(&mut *buffer, Vec::with_capacity(BATCH)));
        }
    }

    /// A flood from nobody must not fill the disk.
    fn has_room_for_a_stranger(&self, at: DateTime<Utc>) -> bool {
        let second = at.timestamp();
        let used = match self.strangers.get() {
            (of, used) if of == second => used,
            _ => 0,
        };
        self.strangers.set((second, used.saturating_add(1)));
        used < self.strangers_a_second
    }

    /// Hands over what there is.
    pub fn flush(&self) {
        let records = self.buffer.take();
        if !records.is_empty() {
            self.log.take(records);
        }
    }
}
