//! Upstreams that give no answer: why, for the provider's eyes alone, and one line in the log for each of them and cause, so that
//! a flood of calls does not become a flood of lines.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use domain::rules::text;
use entities::id::ProductId;
use tokio::time::Instant;

/// Between two lines of one upstream and cause.
const QUIET: Duration = Duration::from_secs(60);
/// Upstreams and causes that are told apart at a time.
const MOST: usize = 1_000;
/// Characters of what is told.
const TOLD: usize = 600;

/// Why an upstream gave no answer. It may name hosts and addresses of the provider's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    pub cause: &'static str,
    /// What was resolved, tried and refused; may be empty.
    pub detail: String,
}

impl Why {
    pub fn new(cause: &'static str, detail: impl fmt::Display) -> Self {
        Self { cause, detail: text::cut(&detail.to_string(), TOLD) }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.cause)?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// What was said lately, of every core's calls.
#[derive(Debug, Default)]
pub struct Said(Mutex<HashMap<(String, &'static str), Told>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    /// Calls that failed alike since.
    unsaid: u64,
}

impl Said {
    /// Says it, unless it was said a moment ago. `upstream`: scheme, host and port.
    pub fn warn(&self, product: ProductId, upstream: &str, why: &Why) {
        if let Some(calls) = self.due(upstream, why.cause, Instant::now()) {
            let (cause, detail) = (why.cause, why.detail.as_str());
            tracing::warn!(product.id = %product, upstream, cause, detail, calls, "an upstream gave no answer");
        }
    }

    /// How many calls the line stands for; `None` where there is to be none.
    fn due(&self, upstream: &str, cause: &'static str, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (upstream.to_owned(), cause);
        if let Some(told) = said.get_mut(&key) {
            if now - told.at < QUIET {
                told.unsaid += 1;
                return None;
            }
            let calls = told.unsaid + 1;
            *told = Told { at: now, unsaid: 0 };
            return Some(calls);
        }
        if said.len() >= MOST {
            said.retain(|_, told| now - told.at < QUIET);
        }
        (said.len() < MOST).then(|| {
            said.insert(key, Told { at: now, unsaid: 0 });
            1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_for_each_upstream_and_cause() {
        let (said, begun) = (Said::default(), Instant::now());
        let due = |upstream: &str, cause, seconds| said.due(upstream, cause, begun + Duration::from_secs(seconds));
        assert_eq!(
            [due("http://a", "refused", 0), due("http://a", "refused", 1), due("http://a", "refused", 59)],
            [Some(1), None, None]
        );
        assert_eq!([due("http://a", "silent", 2), due("http://b", "refused", 2)], [Some(1); 2]);
        assert_eq!(due("http://a", "refused", 60), Some(3), "with those that were not said");
        assert_eq!(due("http://a", "refused", 61), None);
        for host in 0..MOST {
            due(&format!("http://{host}"), "refused", 70);
        }
        assert_eq!(due("http://z", "refused", 71), None, "too many at once");
        assert_eq!(due("http://z", "refused", 200), Some(1));
    }

    #[test]
    fn what_an_upstream_sent_stays_one_line() {
        let why = Why::new("its answer is no HTTP", format!("a\r\nb{}", "x".repeat(1_000)));
        assert!(why.to_string().starts_with("its answer is no HTTP: a  bx") && why.detail.chars().count() == TOLD);
        assert_eq!(Why::new("no answer in time", "").to_string(), "no answer in time");
    }
}
