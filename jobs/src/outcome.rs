//! How a job ended.

use domain::DomainError;

/// How a job that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Success {
    Done,
    /// Nothing was left to do, and why.
    Dropped(&'static str),
}

/// How a job failed. The text is kept with the job and logged: no secret, no address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// May go well another time.
    Retry(String),
    /// Will not go well by itself.
    Park(String),
}

pub type Outcome = Result<Success, Failure>;

impl From<DomainError> for Failure {
    fn from(error: DomainError) -> Self {
        match error {
            DomainError::Internal(source) | DomainError::Unavailable(source) => {
                tracing::error!(error = %source, "a job met a fault");
                Self::Retry("a fault of ours or of the database: the log has it".to_owned())
            }
            DomainError::Conflict | DomainError::RateLimited { .. } => Self::Retry(error.to_string()),
            DomainError::Refused(_)
            | DomainError::Unauthenticated
            | DomainError::SecondFactorRequired(_)
            | DomainError::Forbidden(_)
            | DomainError::NotFound(_)
            | DomainError::TooMuch(_) => Self::Park(error.to_string()),
        }
    }
}
