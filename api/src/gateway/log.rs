//! The request log's writer: batches from the cores, to the database, to standard output, or both. While the database is away it
//! keeps what it can and counts what it cannot.

mod row;

use std::{
    collections::HashSet,
    io::{self, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

use domain::{
    Domain,
    ops::{
        onboarding_stages::FirstCall,
        request_log::{self as operation, Used},
    },
};
use entities::{enums::LogSink, request_log};
use http::StatusCode;
use tokio::{
    sync::{Notify, oneshot},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::record::Record;

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

/// Where lines of calls go.
#[derive(Debug, Clone)]
pub enum LinesTo {
    /// Standard output.
    Stdout,
    /// Kept in memory, for tests.
    Memory(Arc<Mutex<Vec<u8>>>),
}

impl LinesTo {
    fn write(&self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(lines).and_then(|()| out.flush())
            }
            Self::Memory(kept) => {
                kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(lines);
                Ok(())
            }
        }
    }
}

/// Batches of lines that may wait for standard output.
const OUTPUT_WAITING: usize = 64;

/// How long an ending process waits for its last lines to be read.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Between two attempts while the database cannot be written.
const AWAY: Duration = Duration::from_secs(1);

/// What a core has noted and not handed over: already as it will be written, so that nothing of the call itself is kept.
#[derive(Default)]
pub struct Batch {
    rows: Vec<request_log::Model>,
    /// For standard output.
    lines: Vec<u8>,
    line_count: usize,
    used: Vec<Used>,
    first_calls: Vec<FirstCall>,
}

/// Calls in one batch.
const BATCH: usize = 256;

impl Batch {
    pub fn add(&mut self, record: &Record) {
        if record.sink != LogSink::Stdout {
            self.rows.push(row::row(record));
        }
        if record.sink != LogSink::Database {
            row::write_line(record, &mut self.lines);
            self.line_count += 1;
        }
    }

    pub fn add_use(&mut self, used: Used) {
        self.used.push(used);
    }

    pub fn add_first_call(&mut self, call: FirstCall) {
        self.first_calls.push(call);
    }

    /// An empty one with room for as much.
    pub fn next(&self) -> Self {
        Self { rows: Vec::with_capacity(self.rows.len()), lines: Vec::with_capacity(self.lines.len()), ..Self::default() }
    }

    pub fn is_full(&self) -> bool {
        self.rows.len() + self.line_count >= BATCH
    }
}

/// What the cores hand their batches to.
pub struct Log {
    waiting: Mutex<Waiting>,
    output: mpsc::SyncSender<Lines>,
    most: usize,
    batch: usize,
    full: Notify,
    /// Rows that the writer has in hand: taken off `waiting`, not in the database yet.
    in_hand: AtomicUsize,
    counts: Arc<Counts>,
}

/// For standard output.
struct Lines {
    text: Vec<u8>,
    count: usize,
    /// Dropped when all before it is written.
    written: Option<oneshot::Sender<()>>,
}

/// For the database.
#[derive(Default)]
struct Waiting {
    rows: Vec<request_log::Model>,
    used: HashSet<Used>,
    first_calls: Vec<FirstCall>,
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
    pub fn new(limits: &LogLimits, lines_to: LinesTo) -> io::Result<Self> {
        let counts = Arc::<Counts>::default();
        Ok(Self {
            waiting: Mutex::default(),
            output: output(Arc::clone(&counts), lines_to)?,
            most: limits.waiting,
            batch: limits.batch,
            full: Notify::new(),
            in_hand: AtomicUsize::new(0),
            counts,
        })
    }

    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    pub fn count(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.counts.calls[class].fetch_add(1, Relaxed);
    }

    pub fn drop_records(&self, records: usize) {
        self.counts.log_dropped.fetch_add(records as u64, Relaxed);
    }

    pub fn take(&self, mut batch: Batch) {
        let lines = Lines { text: batch.lines, count: batch.line_count, written: None };
        if batch.line_count > 0 && self.output.try_send(lines).is_err() {
            // Nobody reads the output: the calls go on, their lines are lost.
            self.drop_records(batch.line_count);
        }
        if batch.rows.is_empty() && batch.used.is_empty() && batch.first_calls.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        let room = self.most.saturating_sub(waiting.rows.len() + self.in_hand.load(Relaxed));
        let over = batch.rows.len().saturating_sub(room);
        batch.rows.truncate(room);
        waiting.rows.append(&mut batch.rows);
        waiting.used.extend(batch.used);
        waiting.first_calls.append(&mut batch.first_calls);
        let full = waiting.rows.len() >= self.batch;
        drop(waiting);
        if over > 0 {
            self.drop_records(over);
        }
        if full {
            self.full.notify_one();
        }
    }

    /// Waits until the lines that were handed over are written: a while, for nobody may be reading them.
    pub async fn lines_written(&self) {
        let (sender, written) = oneshot::channel();
        if self.output.try_send(Lines { text: Vec::new(), count: 0, written: Some(sender) }).is_ok() {
            // The thread drops the sender behind the lines before it.
            let _ = timeout(LAST_LINES, written).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until `stop`, then what is left.
pub async fn write(ctx: Domain, log: Arc<Log>, limits: LogLimits, stop: CancellationToken) {
    let mut writer = Writer { ctx, log, batch: limits.batch, rows: Vec::new(), used: HashSet::new(), first_calls: Vec::new() };
    let mut away = false;
    loop {
        let stopping = tokio::select! {
            () = sleep(AWAY), if away => false,
            _ = timeout(limits.delay, writer.log.full.notified()), if !away => false,
            () = stop.cancelled() => true,
        };
        writer.take();
        away = !writer.store().await;
        if stopping {
            writer.log.drop_records(writer.rows.len());
            return;
        }
    }
}

struct Writer {
    ctx: Domain,
    log: Arc<Log>,
    batch: usize,
    rows: Vec<request_log::Model>,
    used: HashSet<Used>,
    first_calls: Vec<FirstCall>,
}

impl Writer {
    fn take(&mut self) {
        let mut waiting = self.log.lock();
        self.rows.append(&mut waiting.rows);
        self.used.extend(waiting.used.drain());
        self.first_calls.append(&mut waiting.first_calls);
        self.log.in_hand.store(self.rows.len(), Relaxed);
    }

    /// False where the database does not take them.
    async fn store(&mut self) -> bool {
        while !self.rows.is_empty() || !self.used.is_empty() || !self.first_calls.is_empty() {
            let batch = self.rows.len().min(self.batch);
            let used: Vec<Used> = self.used.iter().copied().collect();
            if let Err(error) = operation::append(&self.ctx, &self.rows[..batch], &used, &self.first_calls).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, rows = self.rows.len(), "the request log cannot be written; its rows wait");
                return false;
            }
            self.used.clear();
            self.first_calls.clear();
            self.log.counts.logged.fetch_add(batch as u64, Relaxed);
            self.rows.drain(..batch);
            self.log.in_hand.store(self.rows.len(), Relaxed);
        }
        true
    }
}

/// A thread for standard output, where a pipe that nobody reads may block. What cannot be written is lost; what comes when there
/// is room again, or a reader, is not.
fn output(counts: Arc<Counts>, to: LinesTo) -> io::Result<mpsc::SyncSender<Lines>> {
    let (sender, batches) = mpsc::sync_channel::<Lines>(OUTPUT_WAITING);
    let run = move || {
        for Lines { text, count, written: _written } in batches {
            if to.write(&text).is_err() {
                counts.log_dropped.fetch_add(count as u64, Relaxed);
            }
        }
    };
    thread::Builder::new().name("request-log".to_owned()).spawn(run)?;
    Ok(sender)
}
