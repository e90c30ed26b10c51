//! Which credentials a core has seen in use lately: each is marked once in a while, not with every call.

use std::{collections::HashSet, time::Duration};

use domain::ops::request_log::Used;
use tokio::time::Instant;

/// A credential that is used all the time is marked this often.
const MARK_EVERY: Duration = Duration::from_secs(10);

pub struct Uses {
    seen: HashSet<Used>,
    since: Instant,
}

impl Uses {
    pub fn new() -> Self {
        Self { seen: HashSet::new(), since: Instant::now() }
    }

    /// Whether this use has to be marked.
    pub fn is_due(&mut self, used: Used) -> bool {
        self.seen.insert(used)
    }

    /// Forgets what was marked long ago.
    pub fn sweep(&mut self) {
        if self.since.elapsed() > MARK_EVERY {
            self.seen.clear();
            self.since = Instant::now();
        }
    }
}
