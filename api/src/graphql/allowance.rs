//! What one answer may weigh and how long the making of it may take, counted field by field while it is made: what is beyond it
//! never comes to be, and work for a core ends as waiting does.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::Poll,
    time::{Duration, Instant},
};

use async_graphql::{
    QueryPathNode, QueryPathSegment, ServerError, ServerResult, Value,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo},
};

use crate::error::{RATE_LIMITED, UNAVAILABLE};

/// Bytes of JSON, about.
pub const MAX_ANSWER: usize = 10 << 20;

/// What a key and its punctuation take besides its name.
const BESIDE_A_KEY: usize = 4;

/// What an answer has too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    Size,
    Time,
}

/// Of one answer; a subscription's is renewed with each.
pub struct Allowance {
    left: AtomicUsize,
    time: Duration,
    made: Instant,
    /// Milliseconds after `made`; 0 until the first field is asked for.
    until: AtomicU64,
    over: AtomicU8,
}

impl Allowance {
    pub fn new(time: Duration) -> Self {
        Self { left: AtomicUsize::new(MAX_ANSWER), time, made: Instant::now(), until: AtomicU64::new(0), over: AtomicU8::new(0) }
    }

    pub fn over(&self) -> Option<Over> {
        match self.over.load(Relaxed) {
            0 => None,
            1 => Some(Over::Size),
            _ => Some(Over::Time),
        }
    }

    pub fn renew(&self) {
        self.left.store(MAX_ANSWER, Relaxed);
        self.until.store(0, Relaxed);
        self.over.store(0, Relaxed);
    }

    /// Runs what makes an answer, and gives it up once there is too much of it.
    pub async fn within<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let mut work = pin!(work);
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Pending if self.over().is_some() => Poll::Ready(None),
            polled => polled.map(Some),
        })
        .await
    }

    /// Before a field is looked at.
    fn begin(&self) -> Result<(), Over> {
        if let Some(over) = self.over() {
            return Err(over);
        }
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        let now = millis(self.made.elapsed());
        match self.until.load(Relaxed) {
            0 => self.until.store(now.saturating_add(millis(self.time)), Relaxed),
            until if now > until => return Err(self.end(Over::Time)),
            _ => {}
        }
        Ok(())
    }

    fn take(&self, bytes: usize) -> Result<(), Over> {
        let taken = self.left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes));
        taken.map(drop).map_err(|_| self.end(Over::Size))
    }

    fn end(&self, over: Over) -> Over {
        let mark = if over == Over::Size { 1 } else { 2 };
        let _ = self.over.compare_exchange(0, mark, Relaxed, Relaxed);
        over
    }
}

impl Over {
    pub fn error(self, time: Duration) -> ServerError {
        let (message, code) = match self {
            Self::Size => {
                let message = format!(
                    "the answer would have more than {} MiB: ask for smaller pages (first, last) or for less of each, and download \
                     documents (downloadUrl) instead of their operations",
                    MAX_ANSWER >> 20
                );
                (message, RATE_LIMITED)
            }
            Self::Time => {
                let seconds = time.as_secs();
                let message = format!("the operation took longer than {seconds} s and was given up: ask for less at once");
                (message, UNAVAILABLE)
            }
        };
        let mut error = ServerError::new(message, None);
        error.extensions.get_or_insert_default().set("code", code);
        error
    }
}

/// Counts what the fields of a schema come to. A request without an [`Allowance`] in its data is not counted.
pub struct Counted;

impl ExtensionFactory for Counted {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for Counted {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let Some(allowance) = ctx.data_opt::<Arc<Allowance>>() else { return next.run(ctx, info).await };
        let refused = |over: Over| over.error(allowance.time);
        allowance.begin().map_err(refused)?;
        let (leaf, path) = (info.field.selection_set.node.items.is_empty(), info.path_node);
        let made = next.run(ctx, info).await;
        let bytes = match &made {
            Ok(Some(value)) if leaf => weight(value),
            // What is in it was counted when it was made: its keys were not.
            Ok(Some(Value::Object(fields))) => fields.keys().map(|key| key.len() + BESIDE_A_KEY).sum(),
            Ok(_) => BESIDE_A_KEY,
            Err(error) => error.message.len() + length(path),
        };
        allowance.take(bytes).map_err(refused)?;
        made
    }
}

/// Bytes of the path that an error tells.
fn length(path: &QueryPathNode<'_>) -> usize {
    let mut at = Some(path);
    let mut length = 0;
    while let Some(node) = at {
        length += match node.segment {
            QueryPathSegment::Name(name) => name.len() + BESIDE_A_KEY,
            QueryPathSegment::Index(_) => BESIDE_A_KEY,
        };
        at = node.parent;
    }
    length
}

/// Bytes of JSON.
pub fn weight(value: &Value) -> usize {
    /// A number's, about.
    const NUMBER: usize = 8;
    match value {
        Value::Null | Value::Boolean(_) => 5,
        Value::Number(_) => NUMBER,
        Value::Enum(name) => name.len() + 2,
        Value::String(text) => 2 + text.bytes().map(escaped).sum::<usize>(),
        Value::Binary(json) => json.len(),
        Value::List(entries) => 2 + entries.iter().map(|entry| weight(entry) + 1).sum::<usize>(),
        Value::Object(fields) => 2 + fields.iter().map(|(key, value)| key.len() + BESIDE_A_KEY + weight(value)).sum::<usize>(),
    }
}

fn escaped(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}
