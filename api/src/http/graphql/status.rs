//! Which status an answer has: one table (GraphQL over HTTP, draft of August 2026, as the `graphql-http` audit reads it: a
//! document that is refused is 400, and not the draft's newer 422; a part of the data is 200, and not its 294).

use axum::http::StatusCode;

use crate::{
    error::{BAD_USER_INPUT, FORBIDDEN, INTERNAL, RATE_LIMITED, UNAVAILABLE},
    graphql::engine::Outcome,
};

/// As Apollo's clients know it.
const PERSISTED_QUERY_NOT_SUPPORTED: &str = "PERSISTED_QUERY_NOT_SUPPORTED";

/// What an answer is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/graphql-response+json`: the status tells of the operation.
    GraphqlResponse,
    /// `application/json`: what was read and understood is 200, errors or not.
    Json,
}

impl Media {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }
}

/// Why a request did not become an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Not JSON, no `query`, a parameter of the wrong type.
    Parameters,
    /// A cookie with an `Origin` that may not use the API.
    ForeignOrigin,
    /// Only the hash of a query: none are kept here, and a client sends the query itself when it hears so.
    PersistedQuery,
    /// Neither GET, POST nor QUERY.
    Method,
    /// A mutation by GET or QUERY.
    NotAQuery,
    /// A subscription by POST.
    NeedsSocket,
    NothingAcceptable,
    ContentType,
    TooLarge,
}

impl Unread {
    /// Whether it is said before the body is read.
    pub fn leaves_the_body(self) -> bool {
        match self {
            Self::ForeignOrigin | Self::Method | Self::NothingAcceptable | Self::ContentType | Self::TooLarge => true,
            Self::Parameters | Self::PersistedQuery | Self::NotAQuery | Self::NeedsSocket => false,
        }
    }
}

pub fn of_unread(unread: Unread) -> (StatusCode, &'static str) {
    match unread {
        Unread::Parameters | Unread::NeedsSocket => (StatusCode::BAD_REQUEST, BAD_USER_INPUT),
        // As Apollo's servers answer: some of its clients look into no other.
        Unread::PersistedQuery => (StatusCode::OK, PERSISTED_QUERY_NOT_SUPPORTED),
        Unread::ForeignOrigin => (StatusCode::FORBIDDEN, FORBIDDEN),
        Unread::Method | Unread::NotAQuery => (StatusCode::METHOD_NOT_ALLOWED, BAD_USER_INPUT),
        Unread::NothingAcceptable => (StatusCode::NOT_ACCEPTABLE, BAD_USER_INPUT),
        Unread::ContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, BAD_USER_INPUT),
        Unread::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, BAD_USER_INPUT),
    }
}

pub fn of_outcome(outcome: Outcome, media: Media) -> (StatusCode, &'static str) {
    match (outcome, media) {
        (Outcome::Executed, _) => (StatusCode::OK, ""),
        (Outcome::Refused, Media::Json) => (StatusCode::OK, BAD_USER_INPUT),
        (Outcome::Refused, Media::GraphqlResponse) => (StatusCode::BAD_REQUEST, BAD_USER_INPUT),
        (Outcome::TooMuch, _) => (StatusCode::TOO_MANY_REQUESTS, RATE_LIMITED),
        (Outcome::TimedOut, _) => (StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE),
        (Outcome::Failed, _) => (StatusCode::INTERNAL_SERVER_ERROR, INTERNAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_statuses() {
        let mut table = String::new();
        for unread in [
            Unread::Parameters,
            Unread::PersistedQuery,
            Unread::ForeignOrigin,
            Unread::Method,
            Unread::NotAQuery,
            Unread::NeedsSocket,
            Unread::NothingAcceptable,
            Unread::ContentType,
            Unread::TooLarge,
        ] {
            let (status, code) = of_unread(unread);
            table += &format!("{unread:?} {} {code}\n", status.as_u16());
        }
        for outcome in [Outcome::Executed, Outcome::Refused, Outcome::TooMuch, Outcome::TimedOut, Outcome::Failed] {
            let [(json, code), (own, _)] = [Media::Json, Media::GraphqlResponse].map(|media| of_outcome(outcome, media));
            table += &format!("{outcome:?} {}|{} {code}\n", json.as_u16(), own.as_u16());
        }
        insta::assert_snapshot!(table, @r"
        Parameters 400 BAD_USER_INPUT
        PersistedQuery 200 PERSISTED_QUERY_NOT_SUPPORTED
        ForeignOrigin 403 FORBIDDEN
        Method 405 BAD_USER_INPUT
        NotAQuery 405 BAD_USER_INPUT
        NeedsSocket 400 BAD_USER_INPUT
        NothingAcceptable 406 BAD_USER_INPUT
        ContentType 415 BAD_USER_INPUT
        TooLarge 413 BAD_USER_INPUT
        Executed 200|200 
        Refused 200|400 BAD_USER_INPUT
        TooMuch 429|429 RATE_LIMITED
        TimedOut 503|503 UNAVAILABLE
        Failed 500|500 INTERNAL
        ");
    }
}
