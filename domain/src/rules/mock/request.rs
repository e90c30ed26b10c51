//! A call as the mock sees it, and what is wrong with it.

use std::fmt;

/// What an operation is called with.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// What follows the base path, from its slash on, as it came.
    pub path: String,
    pub query: Option<String>,
    /// Names in lower case; one entry a line.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// Where in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Path(String),
    Query(String),
    Header(String),
    Body,
    Prefer,
}

/// What of a request the document does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub place: Place,
    /// A JSON pointer (RFC 6901) to what is wrong inside of it; empty for all of it.
    pub pointer: String,
    /// A sentence without its subject, which is the place. It never shows what was sent.
    pub message: String,
}

impl Request {
    /// A header's lines as one.
    pub fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> = self.lines(name).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    pub fn lines(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

impl Place {
    /// As OpenAPI's `in` says it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Query(_) => "query",
            Self::Header(_) | Self::Prefer => "header",
            Self::Body => "body",
        }
    }

    /// The parameter's or the header's.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Path(name) | Self::Query(name) | Self::Header(name) => Some(name),
            Self::Prefer => Some("Prefer"),
            Self::Body => None,
        }
    }
}

impl Violation {
    pub fn whole(place: Place, message: impl Into<String>) -> Self {
        Self { place, pointer: String::new(), message: message.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Path(name) => write!(f, "path parameter {name}"),
            Place::Query(name) => write!(f, "query parameter {name}"),
            Place::Header(name) => write!(f, "header {name}"),
            Place::Body => f.write_str("body"),
            Place::Prefer => f.write_str("header Prefer"),
        }?;
        let space = if self.pointer.is_empty() { "" } else { " " };
        write!(f, "{space}{} {}", self.pointer, self.message)
    }
}
