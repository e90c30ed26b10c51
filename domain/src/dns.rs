//! What DNS says of the domains that people outside name.

use async_trait::async_trait;

#[async_trait]
pub trait Dns: Send + Sync {
    /// The TXT records of a name, each put together from its parts; none where the name or the record does not exist.
    async fn txt(&self, name: &str) -> Result<Vec<String>, NoAnswer>;
}

/// DNS did not answer, which says nothing of the record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("DNS does not answer: {0}")]
pub struct NoAnswer(pub String);

/// For processes that ask nobody.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

#[async_trait]
impl Dns for Silent {
    async fn txt(&self, _: &str) -> Result<Vec<String>, NoAnswer> {
        Err(NoAnswer("this process does not ask".to_owned()))
    }
}
