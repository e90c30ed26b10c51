//! One error for everything that can be refused or go wrong. It becomes GraphQL or HTTP in one place, `api::error`.

use std::{error::Error, fmt};

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// Why an operation did not happen.
#[derive(Debug, thiserror::Error)]
pub enum DomainError {
    /// A person can put this right: bad input, a taken name, a wrong state.
    #[error("{}", .0.iter().map(|p| p.message.as_str()).collect::<Vec<_>>().join("; "))]
    Refused(Vec<Problem>),
    #[error("sign in first")]
    Unauthenticated,
    /// Signed in, but a second factor has to be proven or set up first; the text says how.
    #[error("{0}")]
    SecondFactorRequired(&'static str),
    /// A member or a staff member without the right; outsiders get `NotFound`.
    #[error("this needs {0}")]
    Forbidden(&'static str),
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("too many requests: try again in {retry_after} s")]
    RateLimited {
        /// Seconds.
        retry_after: u64,
    },
    /// More was asked for than is made at once; the text says what to ask for instead.
    #[error("{0}")]
    TooMuch(&'static str),
    /// Somebody else changed the same thing at the same moment.
    #[error("it was changed by somebody else at the same moment: read it again and retry")]
    Conflict,
    /// Something outside is away; the same request may succeed later.
    #[error("temporarily unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// A fault of ours.
    #[error("internal error")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

/// One thing that a person can put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub code: ProblemCode,
    /// A sentence that says what would fix it.
    pub message: String,
    /// Where in the input, outermost first; empty: the input as a whole.
    pub path: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemCode {
    Invalid,
    Required,
    Taken,
    TooLong,
    TooShort,
    NotFound,
    Expired,
    AlreadyDone,
    /// The state machine refuses this step; the message names the state and the step.
    WrongState,
    /// `expectedVersion` is behind.
    Stale,
    /// Submitted for review without sandbox credentials.
    CredentialsRequired,
    /// Production credentials before approval or payment.
    ProductionLocked,
    NotesRequired,
    ReasonRequired,
    FormInvalid,
    LimitReached,
    PaymentProvider,
}

impl Problem {
    pub fn new(code: ProblemCode, path: &str, message: impl Into<String>) -> Self {
        let path = path.split('.').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        Self { code, message: message.into(), path }
    }
}

impl From<Problem> for DomainError {
    fn from(problem: Problem) -> Self {
        Self::Refused(vec![problem])
    }
}

impl DomainError {
    /// A refusal with one problem. `path` is dotted: `profile.ipAllowlist`.
    pub fn refused(code: ProblemCode, path: &str, message: impl Into<String>) -> Self {
        Problem::new(code, path, message).into()
    }

    pub fn internal(message: impl fmt::Display) -> Self {
        Self::Internal(message.to_string().into())
    }
}

/// Serialization failure, deadlock, SQLite's "database is locked" and its kin: running the operation again may succeed.
const LOST_A_RACE: [&str; 6] = ["40001", "40P01", "5", "261", "517", "6"];

impl From<DbErr> for DomainError {
    fn from(error: DbErr) -> Self {
        if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            return Self::Conflict;
        }
        if matches!(error, DbErr::RecordNotUpdated) {
            return Self::Conflict;
        }
        if let DbErr::Exec(RuntimeErr::SqlxError(sqlx)) | DbErr::Query(RuntimeErr::SqlxError(sqlx)) = &error
            && let Some(code) = sqlx.as_database_error().and_then(|e| e.code())
        {
            return if LOST_A_RACE.contains(&code.as_ref()) { Self::Conflict } else { Self::Internal(Box::new(error)) };
        }
        match error {
            DbErr::Type(_) | DbErr::Json(_) | DbErr::Custom(_) | DbErr::Migration(_) => Self::Internal(Box::new(error)),
            _ => Self::Unavailable(Box::new(error)),
        }
    }
}

/// Collects problems, so that a person sees all of them at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn add(&mut self, code: ProblemCode, path: &str, message: impl Into<String>) {
        self.0.push(Problem::new(code, path, message));
    }

    /// Keeps the value, or notes the problem.
    pub fn take<T>(&mut self, checked: Result<T, Problem>) -> Option<T> {
        checked.map_err(|problem| self.0.push(problem)).ok()
    }

    /// Keeps the value, or notes all that is wrong with it.
    pub fn take_all<T>(&mut self, checked: Result<T, Vec<Problem>>) -> Option<T> {
        checked.map_err(|problems| self.0.extend(problems)).ok()
    }

    /// The problems, where there are any.
    pub fn into_list(self) -> Vec<Problem> {
        self.0
    }

    /// Refuses when anything was noted.
    pub fn into_result(self) -> Result<(), DomainError> {
        if self.0.is_empty() { Ok(()) } else { Err(DomainError::Refused(self.0)) }
    }
}
