//! One record a call. When the call ends it becomes a row or a line on its core, and what the call held is freed there, for
//! the next one to use; the rest is the log's work.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use domain::rules::{
    decision::{self, ENDED_WHILE_OPEN},
    denial,
};
use entities::enums::{DenialReason, LogSink};
use http::{HeaderMap, StatusCode};
use tokio::time::Instant;

use super::{
    first_calls::FirstCalls,
    log::{Batch, Log},
    open::Ended,
    record::{MOST_HEADERS, Record},
    uses::Uses,
};
use crate::listen::AnswerGuard;

/// A call in flight. Dropping it, wherever that happens, ends the call and notes it.
pub struct Call {
    /// `None` for a call that is not noted. In a box: a call is handed on many times.
    record: Option<Box<Record>>,
    noting: Option<(Rc<Meter>, Instant)>,
    _answering: AnswerGuard,
}

impl Call {
    pub fn begin(record: Record, started: Instant, meter: Rc<Meter>, answering: AnswerGuard) -> Self {
        Self { record: Some(Box::new(record)), noting: Some((meter, started)), _answering: answering }
    }

    /// One that leaves no record: the health check's.
    pub fn unnoted(answering: AnswerGuard) -> Self {
        Self { record: None, noting: None, _answering: answering }
    }

    /// What is noted so far; `None` for a call that is not noted.
    pub fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    pub fn record_mut(&mut self) -> Option<&mut Record> {
        self.record.as_deref_mut()
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
            if record.sink != LogSink::Stdout {
                record.response_headers = headers.iter().take(MOST_HEADERS).map(|(n, v)| (n.clone(), v.clone())).collect();
            }
        }
    }

    /// It was open, and would not be let in any more.
    pub fn ended(&mut self, why: &Ended) {
        if let Some(record) = &mut self.record {
            let code = denial::entry(why.reason).code;
            let about = why.about.as_deref().map(|about| format!(" ({about})")).unwrap_or_default();
            record.detail = Some(format!("{ENDED_WHILE_OPEN}{code}{about}").into());
        }
    }

    /// The answer has come to its end.
    pub fn completed(&mut self) {
        if let Some(record) = &mut self.record {
            record.completed = true;
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
            meter.note(&record);
        }
    }
}

/// The status of a call that nobody has answered yet.
pub fn unanswered() -> StatusCode {
    StatusCode::from_u16(decision::HUNG_UP).unwrap_or(StatusCode::BAD_REQUEST)
}

/// A core's calls on their way to the log.
pub struct Meter {
    batch: RefCell<Batch>,
    uses: RefCell<Uses>,
    first_calls: RefCell<FirstCalls>,
    /// Records of nobody's calls that may still be kept in this second.
    strangers: Cell<(i64, u32)>,
    strangers_a_second: u32,
    log: Arc<Log>,
}

impl Meter {
    pub fn new(log: Arc<Log>, strangers_a_second: u32) -> Self {
        Self {
            batch: RefCell::default(),
            uses: RefCell::new(Uses::new()),
            first_calls: RefCell::default(),
            strangers: Cell::new((0, 0)),
            strangers_a_second,
            log,
        }
    }

    /// A call that leaves no record.
    pub fn count(&self, status: StatusCode) {
        self.log.count(status);
    }

    /// Whether it is kept.
    pub fn note(&self, record: &Record) -> bool {
        self.log.count(record.status);
        if record.known.client.is_none() && !self.has_room_for_a_stranger(record.at) {
            self.log.drop_records(1);
            return false;
        }
        let mut batch = self.batch.borrow_mut();
        if let Some(used) = record.used
            && self.uses.borrow_mut().is_due(used)
        {
            batch.add_use(used);
        }
        if let Some(first) = self.first_calls.borrow_mut().note(record) {
            batch.add_first_call(first);
        }
        batch.add(record);
        if batch.is_full() {
            let next = batch.next();
            self.log.take(std::mem::replace(&mut *batch, next));
        }
        true
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
        self.uses.borrow_mut().sweep();
        self.log.take(self.batch.take());
    }
}
