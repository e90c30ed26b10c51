//! What is wrong with a document, and where.

use std::fmt;

use super::pointer::At;

/// So many are told at once; a document with more has one cause for most of them.
const MAX_FAULTS: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// A sentence without its subject, which is the place.
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Whole,
    /// Both from 1.
    Text {
        line: u64,
        column: u64,
    },
    /// A JSON pointer (RFC 6901).
    Pointer(String),
}

impl Fault {
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Whole => write!(f, "the document {}", self.message),
            Place::Text { line, column } => write!(f, "line {line}, column {column}: {}", self.message),
            Place::Pointer(pointer) => write!(f, "{pointer} {}", self.message),
        }
    }
}

/// Collects faults up to a bound, and counts the rest.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    more: usize,
}

impl Faults {
    pub fn add(&mut self, place: Place, message: impl Into<String>) {
        if self.list.len() < MAX_FAULTS {
            self.list.push(Fault::new(place, message));
        } else {
            self.more += 1;
        }
    }

    pub fn at(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.add(Place::Pointer(at.to_string()), message);
    }

    pub fn take(&mut self) -> Vec<Fault> {
        let mut list = std::mem::take(&mut self.list);
        match std::mem::take(&mut self.more) {
            0 => {}
            1 => list.push(Fault::new(Place::Whole, "has 1 more fault")),
            more => list.push(Fault::new(Place::Whole, format!("has {more} more faults"))),
        }
        list
    }
}
