//! The request log's writer: batches off the cores, to the database, to standard output, or both. While the database is away it
//! keeps what it can and counts what it cannot.

mod row;

use std::{
    collections::HashSet,
    io::Write,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc,
    },
    time::Duration,
};

use domain::{
    Domain,
    ops::request_log::{self as operation, Used},
};
use entities::{enums::LogSink, request_log};
use http::StatusCode;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::meter::Record;

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
    let mut writer = Writer { ctx, log, batch: limits.batch, output: output(), rows: Vec::new(), uses: Uses::new() };
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
    output: mpsc::SyncSender<Vec<Record>>,
    /// For the database.
    rows: Vec<request_log::Model>,
    uses: Uses,
}

impl Writer {
    /// Takes what waits, and deals it out to where its product wants it.
    fn take(&mut self) {
        let records = std::mem::take(&mut *self.log.lock());
        let mut lines = Vec::new();
        for record in records {
            self.uses.add(record.used);
            match record.sink {
                LogSink::Database => self.rows.push(row::row(&record)),
                LogSink::Stdout => lines.push(record),
                LogSink::Both => {
                    self.rows.push(row::row(&record));
                    lines.push(record);
                }
            }
        }
        self.log.in_hand.store(self.rows.len(), Relaxed);
        let count = lines.len();
        if count > 0 && self.output.try_send(lines).is_err() {
            // Nobody reads the output: the calls go on, their lines are lost.
            self.log.drop_records(count);
        }
    }

    /// False where the database does not take them.
    async fn store(&mut self) -> bool {
        let mut used = self.uses.fresh();
        while !self.rows.is_empty() || !used.is_empty() {
            let batch = self.rows.len().min(self.batch);
            if let Err(error) = operation::append(&self.ctx, &self.rows[..batch], &used).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, rows = self.rows.len(), "the request log cannot be written; its rows wait");
                return false;
            }
            used.clear();
            self.log.counts.logged.fetch_add(batch as u64, Relaxed);
            self.rows.drain(..batch);
            self.log.in_hand.store(self.rows.len(), Relaxed);
        }
        true
    }
}

/// Which credentials were used lately: each is marked once in a while, not with every call.
struct Uses {
    seen: HashSet<Used>,
    fresh: Vec<Used>,
    since: Instant,
}

/// A credential that is used all the time is marked this often.
const MARK_EVERY: Duration = Duration::from_secs(10);

impl Uses {
    fn new() -> Self {
        Self { seen: HashSet::new(), fresh: Vec::new(), since: Instant::now() }
    }

    fn add(&mut self, used: Option<Used>) {
        if let Some(used) = used
            && self.seen.insert(used)
        {
            self.fresh.push(used);
        }
    }

    /// What has to be marked now.
    fn fresh(&mut self) -> Vec<Used> {
        if self.since.elapsed() > MARK_EVERY {
            self.seen.clear();
            self.since = Instant::now();
        }
        std::mem::take(&mut self.fresh)
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
                if serde_json::to_writer(&mut text, &row::line(record)).is_ok() {
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
