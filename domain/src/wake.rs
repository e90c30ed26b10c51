//! Hints between parts of one process: "look now". Losing one costs a poll interval, never a result.

use tokio::sync::{Notify, OnceCell};

#[derive(Debug, Default)]
pub struct Wake {
    /// A job was enqueued.
    pub jobs: Notify,
    /// The gateway's revision rose.
    pub gateway: Notify,
    /// A gateway of this process told what it follows.
    pub followed: Notify,
    /// Whether the database passes hints on between processes; asked once.
    pub(crate) relayed: OnceCell<bool>,
}

/// The channel that PostgreSQL's processes tell each other of new jobs on.
pub const JOBS_CHANNEL: &str = "portico_jobs";
/// The channel that PostgreSQL's processes tell each other of new gateway revisions on.
pub const GATEWAY_CHANNEL: &str = "portico_gateway";
