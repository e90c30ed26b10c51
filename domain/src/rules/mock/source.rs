//! A document that answers are made from. What its references lead to is parsed when first used and kept up to a bound.

use std::{
    collections::HashMap,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError},
};

use regex::Regex;
use serde_json::Value;

use super::operation::Operation;
use crate::rules::{openapi::Document, patience::Patience};

/// Bytes of JSON text whose values are kept.
const MAX_PARSED: usize = 1 << 20;
/// What a value takes in memory for each byte of its text, about.
const VALUE_TO_TEXT: usize = 8;
const MAX_PATTERNS: usize = 1_000;
/// References that lead to references.
const MAX_HOPS: usize = 8;

/// A document, and how long may be worked on one answer from it.
#[derive(Debug)]
pub struct Source {
    kept: Arc<Kept>,
    patience: Patience,
}

#[derive(Debug)]
struct Kept {
    document: Arc<Document>,
    parsed: Mutex<Parsed>,
    patterns: Mutex<HashMap<String, Option<Arc<Regex>>>>,
}

/// A value of the document, where it stands or where it is kept.
pub enum Found<'v> {
    Here(&'v Value),
    Kept(Arc<Value>),
}

impl Deref for Found<'_> {
    type Target = Value;

    fn deref(&self) -> &Value {
        match self {
            Self::Here(value) => value,
            Self::Kept(value) => value,
        }
    }
}

impl Found<'_> {
    pub fn into_owned(self) -> Value {
        Value::clone(&self)
    }
}

#[derive(Debug, Default)]
struct Parsed {
    targets: HashMap<String, Option<Arc<Value>>>,
    operations: HashMap<(String, String), Arc<Operation>>,
    /// Of text.
    bytes: usize,
}

impl Parsed {
    /// All of it is forgotten when it grows too large: what is in use comes back soon.
    fn make_room(&mut self, bytes: usize) {
        if self.bytes + bytes > MAX_PARSED {
            *self = Self::default();
        }
        self.bytes += bytes;
    }
}

impl Source {
    pub fn new(document: Arc<Document>) -> Self {
        let kept = Kept { document, parsed: Mutex::default(), patterns: Mutex::default() };
        Self { kept: Arc::new(kept), patience: Patience::endless() }
    }

    /// The same for one answer, which is given up once the patience is at its end.
    pub fn within(&self, patience: Patience) -> Self {
        Self { kept: Arc::clone(&self.kept), patience }
    }

    pub fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Bytes that it takes in memory at most, about.
    pub fn weight(&self) -> usize {
        self.kept.document.weight() + VALUE_TO_TEXT * MAX_PARSED
    }

    /// An operation by its path template and method as the document has them.
    pub fn operation(&self, path: &str, method: &str) -> Option<Arc<Operation>> {
        let key = (path.to_owned(), method.to_owned());
        if let Some(known) = self.lock().operations.get(&key) {
            return Some(known.clone());
        }
        let written = self.kept.document.operation_as_written(path, method)?;
        let operation = Arc::new(Operation::read(self, &written));
        if self.patience.has_ended() {
            // What it refers to may be missing in it: it is not for others.
            return Some(operation);
        }
        let mut parsed = self.lock();
        parsed.make_room(written.to_string().len());
        parsed.operations.insert(key, operation.clone());
        Some(operation)
    }

    /// What a reference leads to.
    pub fn target(&self, reference: &str) -> Option<Arc<Value>> {
        if let Some(known) = self.lock().targets.get(reference) {
            return known.clone();
        }
        // Documents that are larger than what is kept of them are read again and again.
        if self.patience.has_ended() {
            return None;
        }
        let (size, target) =
            self.kept.document.target(reference).map_or((0, None), |(size, value)| (size, Some(Arc::new(value))));
        let mut parsed = self.lock();
        parsed.make_room(size + reference.len());
        parsed.targets.insert(reference.to_owned(), target.clone());
        target
    }

    /// The value, or what it refers to; `None` where that is nowhere.
    pub fn resolved<'v>(&self, value: &'v Value) -> Option<Found<'v>> {
        let Some(first) = reference(value) else { return Some(Found::Here(value)) };
        let mut target = self.target(first)?;
        for _ in 0..MAX_HOPS {
            let Some(next) = reference(&target) else { return Some(Found::Kept(target)) };
            target = self.target(next)?;
        }
        None
    }

    /// A schema's `pattern`; `None` where it says what this kind of expression cannot, such as a look ahead.
    pub fn pattern(&self, pattern: &str) -> Option<Arc<Regex>> {
        let mut known = self.kept.patterns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(regex) = known.get(pattern) {
            return regex.clone();
        }
        let regex = super::pattern::compiled(pattern).map(Arc::new);
        if known.len() >= MAX_PATTERNS {
            known.clear();
        }
        known.insert(pattern.to_owned(), regex.clone());
        regex
    }

    /// Whether what stands beside a reference counts.
    pub fn reads_beside_references(&self) -> bool {
        !self.kept.document.is_3_0()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Parsed> {
        self.kept.parsed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub fn reference(value: &Value) -> Option<&str> {
    value.get("$ref").and_then(Value::as_str)
}
