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

/// What a database's own error means for who asked.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// Running the operation again, at once, may succeed.
    LostARace,
    /// The database cannot do it now: locked for longer than we wait, read only, out of room, stopping.
    Away,
    /// A text with the character U+0000, which PostgreSQL stores nowhere.
    Unstorable,
    Fault,
}

impl Meaning {
    /// Of a SQLSTATE of PostgreSQL, which has five characters, or one of SQLite's result codes, which have four at most.
    fn of(code: &str) -> Self {
        if code.len() == 5 {
            return match code {
                // Serialization failure, deadlock.
                "40001" | "40P01" => Self::LostARace,
                // Read-only transaction (a replica), lock not available.
                "25006" | "55P03" => Self::Away,
                "22021" | "22P05" => Self::Unstorable,
                // Connection exception, insufficient resources, operator intervention, system error.
                _ if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => Self::Away,
                _ => Self::Fault,
            };
        }
        match code.parse::<u32>() {
            // SQLITE_BUSY_SNAPSHOT: another wrote since this one read.
            Ok(517) => Self::LostARace,
            // The lower byte is the primary code: BUSY, LOCKED, NOMEM, READONLY, IOERR, FULL, CANTOPEN, PROTOCOL.
            Ok(code) if matches!(code & 0xff, 5..=8 | 10 | 13..=15) => Self::Away,
            _ => Self::Fault,
        }
    }
}

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
            return match Meaning::of(&code) {
                Meaning::LostARace => Self::Conflict,
                Meaning::Away => Self::Unavailable(Box::new(error)),
                Meaning::Unstorable => Self::refused(ProblemCode::Invalid, "", "must not contain the character U+0000"),
                Meaning::Fault => Self::Internal(Box::new(error)),
            };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_database_says_by_its_code() {
        use Meaning::{Away, Fault, LostARace, Unstorable};
        for (code, meaning) in [
            ("40001", LostARace),
            ("40P01", LostARace),
            ("517", LostARace),
            ("5", Away),
            ("261", Away),
            ("6", Away),
            ("8", Away),
            ("1032", Away),
            ("10", Away),
            ("778", Away),
            ("13", Away),
            ("14", Away),
            ("53100", Away),
            ("57P01", Away),
            ("25006", Away),
            ("58030", Away),
            ("22021", Unstorable),
            ("1", Fault),
            ("11", Fault),
            ("19", Fault),
            ("23502", Fault),
            ("42P01", Fault),
            ("XX000", Fault),
        ] {
            assert_eq!(Meaning::of(code), meaning, "{code}");
        }
    }
}
