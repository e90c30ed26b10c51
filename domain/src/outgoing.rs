//! The way out: what people outside name is fetched through here alone.

use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::rules::outgoing::Reach;

/// Who fetches. Implementations keep to their [`Reach`] after resolving names, follow no redirects, and bound size and time.
#[async_trait]
pub trait Outgoing: Send + Sync {
    /// Which networks it asks.
    fn reach(&self) -> Reach;

    /// The text at a URL, of `limit` bytes at most.
    async fn get(&self, url: &Url, limit: usize) -> Result<Fetched, NotFetched>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    pub text: String,
    /// For how long the server says that it holds (`Cache-Control: max-age`).
    pub fresh_for: Option<Duration>,
}

/// Why there is no answer. For the operator's log: who gave the URL is not told what was found behind it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFetched {
    #[error("the name leads to no address that may be asked")]
    NotAllowed,
    #[error("no connection: {0}")]
    Unreachable(String),
    #[error("no answer in time")]
    Timeout,
    #[error("the answer was {0}")]
    Status(u16),
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// What of it, and why: never what it held.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

/// For processes that fetch nothing.
#[derive(Debug, Clone, Copy)]
pub struct Nowhere;

#[async_trait]
impl Outgoing for Nowhere {
    fn reach(&self) -> Reach {
        Reach::Public
    }

    async fn get(&self, _: &Url, _: usize) -> Result<Fetched, NotFetched> {
        Err(NotFetched::NotAllowed)
    }
}
