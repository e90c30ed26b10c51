//! The request log's writer: batches off the cores, to the database, to standard output, or both. While the database is away it
//! keeps what it can and counts what it cannot.

use std::{
    io::Write,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use domain::Domain;
use entities::{
    columns::{LoggedHeader, LoggedHeaders},
    enums::LogSink,
    id::RequestLogId,
    request_log,
};
use http::{HeaderName, HeaderValue, StatusCode, header::USER_AGENT};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    headers,
    meter::{MOST_HEADERS, Record},
};

/// How the log is batched and bounded.
#[derive(Debug, Clone)]
pub struct LogLimits {
    /// A row waits this long at most for others to be written with.
    pub delay: Duration,
    /// Rows in one write.
    pub batch: usize,
    /// Rows kept while the database cannot take them.
    pub waiting: usize,
    /// Rows a second and core of calls that belong to no client.
    pub strangers_a_second: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { delay: Duration::from_millis(250), batch: 1000, waiting: 20_000, strangers_a_second: 100 }
    }
}

/// Longest value that a row keeps, in bytes.
const VALUE_KEPT: usize = 256;

/// Lines that may wait for standard output, in batches.
const OUTPUT_WAITING: usize = 64;

/// Between two attempts while the database cannot be written.
const AWAY: Duration = Duration::from_secs(1);

/// What the cores hand their records to.
pub struct Log {
    waiting: Mutex<Vec<Record>>,
    most: usize,
    batch: usize,
    full: Notify,
    /// Rows that the writer has in hand: taken off `waiting`, not in the database yet.
    in_hand: AtomicUsize,
    counts: Counts,
}

/// Totals since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// By the status' first digit, less one.
    pub calls: [AtomicU64; 5],
    pub logged: AtomicU64,
    pub log_dropped: AtomicU64,
}

impl Log {
    pub fn new(limits: &LogLimits) -> Self {
        Self {
            waiting: Mutex::default(),
            most: limits.waiting,
            batch: limits.batch,
            full: Notify::new(),
            in_hand: AtomicUsize::new(0),
            counts: Counts::default(),
        }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    pub fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.counts.calls[class].fetch_add(1, Relaxed);
    }

    pub fn drop_records(&self, records: usize) {
        self.counts.log_dropped.fetch_add(records as u64, Relaxed);
    }

    pub fn take(&self, mut records: Vec<Record>) {
        let mut waiting = self.lock();
        let room = self.most.saturating_sub(waiting.len() + self.in_hand.load(Relaxed));
        let over = records.len().saturating_sub(room);
        records.truncate(room);
        waiting.append(&mut records);
        let full = waiting.len() >= self.batch;
        drop(waiting);
        if over > 0 {
            self.drop_records(over);
        }
        if full {
            self.full.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Record>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until `stop`, then what is left.
pub async fn write(ctx: Domain, log: Arc<Log>, limits: LogLimits, stop: CancellationToken) {
    let output = output();
    let mut rows: Vec<request_log::Model> = Vec::new();
    let mut away = false;
    loop {
        let stopping = tokio::select! {
            () = sleep(AWAY), if away => false,
            _ = timeout(limits.delay, log.full.notified()), if !away => false,
            () = stop.cancelled() => true,
        };
        let records = std::mem::take(&mut *log.lock());
        sort(records, &mut rows, &output, &log);
        log.in_hand.store(rows.len(), Relaxed);
        away = false;
        while !rows.is_empty() {
            let batch = rows.len().min(limits.batch);
            if let Err(error) = append(&ctx, &rows[..batch]).await {
                tracing::warn!(%error, rows = rows.len(), "the request log cannot be written; its rows wait");
                away = true;
                break;
            }
            log.counts.logged.fetch_add(batch as u64, Relaxed);
            rows.drain(..batch);
            log.in_hand.store(rows.len(), Relaxed);
        }
        if stopping {
            log.drop_records(rows.len());
            return;
        }
    }
}

/// Deals records out to where their product wants them.
fn sort(records: Vec<Record>, rows: &mut Vec<request_log::Model>, output: &mpsc::SyncSender<Vec<Record>>, log: &Log) {
    let mut lines = Vec::new();
    for record in records {
        match record.sink {
            LogSink::Database => rows.push(row(&record)),
            LogSink::Stdout => lines.push(record),
            LogSink::Both => {
                rows.push(row(&record));
                lines.push(record);
            }
        }
    }
    let count = lines.len();
    if count > 0 && output.try_send(lines).is_err() {
        // Nobody reads the output: the calls go on, their lines are lost.
        log.drop_records(count);
    }
}

/// A thread for standard output, where a pipe that nobody reads may block.
fn output() -> mpsc::SyncSender<Vec<Record>> {
    let (sender, batches) = mpsc::sync_channel::<Vec<Record>>(OUTPUT_WAITING);
    let run = move || {
        let mut text = Vec::new();
        for batch in batches {
            text.clear();
            for record in &batch {
                if serde_json::to_writer(&mut text, &line(record)).is_ok() {
                    text.push(b'\n');
                }
            }
            let mut out = std::io::stdout().lock();
            if out.write_all(&text).and_then(|()| out.flush()).is_err() {
                return;
            }
        }
    };
    if let Err(error) = std::thread::Builder::new().name("request-log".to_owned()).spawn(run) {
        tracing::warn!(%error, "no thread for the request log's lines");
    }
    sender
}

fn row(record: &Record) -> request_log::Model {
    let known = &record.known;
    request_log::Model {
        id: RequestLogId(record.id.0),
        at: record.at,
        team_id: known.team,
        client_id: known.client,
        profile_id: known.profile,
        credential_id: known.credential,
        product_id: known.product,
        endpoint_id: known.endpoint,
        endpoint: known.template.as_deref().map(str::to_owned),
        environment: known.environment,
        method: cut(record.method.as_str()),
        path: path(record),
        status: i16::try_from(record.status.as_u16()).unwrap_or_default(),
        latency_us: latency_us(record),
        denial: record.denial,
        denial_detail: record.detail.as_deref().map(cut),
        ip: record.ip.to_string(),
        user_agent: user_agent(record),
        request_headers: kept(record.request_headers.iter()),
        response_headers: kept(record.response_headers.iter().map(|(name, value)| (name, value))),
        via_explorer: false,
    }
}

/// A record as standard output shows it.
#[derive(serde::Serialize)]
struct Line<'a> {
    at: chrono::DateTime<chrono::Utc>,
    request_id: entities::id::RequestId,
    method: &'a str,
    path: String,
    status: u16,
    latency_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    denial: Option<entities::enums::DenialReason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    client: Option<entities::id::ClientId>,
    profile: Option<entities::id::ProfileId>,
    credential: Option<entities::id::CredentialId>,
    product: Option<entities::id::ProductId>,
    endpoint: Option<&'a str>,
    environment: Option<entities::enums::Environment>,
    ip: std::net::IpAddr,
    user_agent: Option<String>,
}

fn line(record: &Record) -> Line<'_> {
    let known = &record.known;
    Line {
        at: record.at,
        request_id: record.id,
        method: record.method.as_str(),
        path: path(record),
        status: record.status.as_u16(),
        latency_us: latency_us(record),
        denial: record.denial,
        detail: record.detail.as_deref(),
        client: known.client,
        profile: known.profile,
        credential: known.credential,
        product: known.product,
        endpoint: known.template.as_deref(),
        environment: known.environment,
        ip: record.ip,
        user_agent: user_agent(record),
    }
}

fn latency_us(record: &Record) -> i64 {
    i64::try_from(record.latency.as_micros()).unwrap_or(i64::MAX)
}

/// Longest path that is kept, in bytes.
const PATH_KEPT: usize = 2048;

fn path(record: &Record) -> String {
    cut_at(record.target.path(), PATH_KEPT)
}

fn user_agent(record: &Record) -> Option<String> {
    record.request_headers.get(USER_AGENT).map(text)
}

fn kept<'a>(fields: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>) -> LoggedHeaders {
    fields
        .take(MOST_HEADERS)
        .map(|(name, value)| LoggedHeader {
            name: cut(name.as_str()),
            value: (headers::is_loggable(name.as_str()) && !looks_secret(value)).then(|| text(value)),
        })
        .collect()
}

/// A credential of ours in a header that is not for credentials.
fn looks_secret(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    value.is_sensitive() || bytes.starts_with(b"Bearer ") || bytes.windows(4).any(|w| w == b"ptk_")
}

fn text(value: &HeaderValue) -> String {
    cut(&String::from_utf8_lossy(value.as_bytes()))
}

fn cut(text: &str) -> String {
    cut_at(text, VALUE_KEPT)
}

fn cut_at(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

async fn append(ctx: &Domain, rows: &[request_log::Model]) -> domain::Result<()> {
    use sea_orm::EntityTrait;
    let rows = rows.iter().cloned().map(request_log::ActiveModel::from).map(sea_orm::ActiveModelTrait::reset_all);
    request_log::Entity::insert_many(rows).exec_without_returning(&ctx.db).await?;
    Ok(())
}
