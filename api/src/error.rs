//! The one place where a domain error becomes GraphQL or HTTP.

use async_graphql::{Error, ErrorExtensions};
use axum::{
    http::{StatusCode, header::RETRY_AFTER},
    response::Response,
};
use domain::DomainError;

/// What requests are refused with before an operation is reached.
pub const BAD_USER_INPUT: &str = "BAD_USER_INPUT";
pub const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
pub const FORBIDDEN: &str = "FORBIDDEN";
pub const RATE_LIMITED: &str = "RATE_LIMITED";
pub const UNAVAILABLE: &str = "UNAVAILABLE";
pub const INTERNAL: &str = "INTERNAL";

/// Seconds until what is away is worth asking for again.
pub const AWAY_RETRY: u64 = 1;

/// What each kind of error is to the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outside {
    /// `extensions.code` in GraphQL, `code` in HTTP.
    pub code: &'static str,
    pub status: StatusCode,
    /// A fault of ours or of something we depend on: logged, once, where it leaves.
    pub fault: bool,
}

pub fn outside(error: &DomainError) -> Outside {
    let (code, status, fault) = match error {
        DomainError::Refused(_) => (BAD_USER_INPUT, StatusCode::BAD_REQUEST, false),
        DomainError::Unauthenticated => (UNAUTHENTICATED, StatusCode::UNAUTHORIZED, false),
        DomainError::SecondFactorRequired(_) => ("SECOND_FACTOR_REQUIRED", StatusCode::UNAUTHORIZED, false),
        DomainError::Forbidden(_) => (FORBIDDEN, StatusCode::FORBIDDEN, false),
        DomainError::NotFound(_) => ("NOT_FOUND", StatusCode::NOT_FOUND, false),
        DomainError::RateLimited { .. } => (RATE_LIMITED, StatusCode::TOO_MANY_REQUESTS, false),
        DomainError::TooMuch(_) => (RATE_LIMITED, StatusCode::TOO_MANY_REQUESTS, false),
        DomainError::Conflict => ("CONFLICT", StatusCode::CONFLICT, false),
        DomainError::Unavailable(_) => (UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE, true),
        DomainError::Internal(_) => (INTERNAL, StatusCode::INTERNAL_SERVER_ERROR, true),
    };
    Outside { code, status, fault }
}

/// As a top-level GraphQL error with `extensions.code`; a fault is logged here.
pub fn to_graphql(error: DomainError) -> Error {
    let outside = outside(&error);
    log_fault(&error, outside);
    Error::new(error.to_string()).extend_with(|_, extensions| {
        extensions.set("code", outside.code);
        if let Some(seconds) = retry_after(&error) {
            extensions.set("retryAfter", seconds);
        }
    })
}

/// Seconds after which the same request may fare better; `None`: it would not.
pub fn retry_after(error: &DomainError) -> Option<u64> {
    match error {
        DomainError::RateLimited { retry_after } => Some(*retry_after),
        DomainError::Unavailable(_) => Some(AWAY_RETRY),
        _ => None,
    }
}

/// An error's answer with its `Retry-After`.
pub fn told_when(mut response: Response, error: &DomainError) -> Response {
    if let Some(seconds) = retry_after(error) {
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

pub fn log_fault(error: &DomainError, outside: Outside) {
    if outside.fault {
        let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
        tracing::error!(error.code = outside.code, error.source = source, "a request failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_errors() {
        let all = [
            DomainError::Refused(Vec::new()),
            DomainError::Unauthenticated,
            DomainError::SecondFactorRequired("prove it"),
            DomainError::Forbidden("a right"),
            DomainError::NotFound("team"),
            DomainError::RateLimited { retry_after: 7 },
            DomainError::TooMuch("ask for less"),
            DomainError::Conflict,
            DomainError::Unavailable("x".into()),
            DomainError::Internal("x".into()),
        ];
        let table: String = all
            .iter()
            .map(|error| {
                let Outside { code, status, fault } = outside(error);
                format!("{code} {} {} {error}\n", status.as_u16(), if fault { "logged" } else { "-" })
            })
            .collect();
        insta::assert_snapshot!(table, @r"
        BAD_USER_INPUT 400 - 
        UNAUTHENTICATED 401 - sign in first
        SECOND_FACTOR_REQUIRED 401 - prove it
        FORBIDDEN 403 - this needs a right
        NOT_FOUND 404 - no such team
        RATE_LIMITED 429 - too many requests: try again in 7 s
        RATE_LIMITED 429 - ask for less
        CONFLICT 409 - it was changed by somebody else at the same moment: read it again and retry
        UNAVAILABLE 503 logged temporarily unavailable
        INTERNAL 500 logged internal error
        ");
    }
}
