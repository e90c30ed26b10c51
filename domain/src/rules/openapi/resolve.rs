//! One operation with its references resolved.

use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
};

use serde_json::{Map, Value};

use super::{
    MAX_DEPTH,
    document::Document,
    operations::METHODS,
    references::{holds_names, is_data},
};
use crate::rules::patience::Patience;

/// Bytes of JSON that references may add to an operation; beyond it they are left as they are.
pub const MAX_RESOLVED: usize = 1 << 20;

/// Why an operation is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untold {
    /// The document has no such operation.
    Missing,
    /// As the document writes it, it is larger than this many bytes.
    TooLarge,
    /// Patience ended before its references were resolved.
    TooLong,
}

impl Document {
    /// The operation object with the parameters of its path item and with references resolved, nearest first. One that
    /// leads back into itself stays a `$ref`, and so do those that would make it larger than about [`MAX_RESOLVED`]. `most`:
    /// bytes that it may have as it is written.
    pub fn operation(&self, path: &str, method: &str, most: usize, patience: &Patience) -> Result<Value, Untold> {
        let method = method.to_ascii_lowercase();
        let (own, shared) = self.operation_texts(path, &method).ok_or(Untold::Missing)?;
        if own.len() + shared.map_or(0, str::len) > most {
            return Err(Untold::TooLarge);
        }
        let written = self.operation_as_written(path, &method).ok_or(Untold::Missing)?;
        let mut resolved = resolve(self, written, patience);
        if patience.has_ended() {
            return Err(Untold::TooLong);
        }
        if let Some(Value::Array(parameters)) = resolved.get_mut("parameters") {
            drop_overridden(parameters);
        }
        Ok(resolved)
    }

    /// The operation object with the parameters of its path item behind its own, references as they stand.
    pub fn operation_as_written(&self, path: &str, method: &str) -> Option<Value> {
        let method = method.to_ascii_lowercase();
        if !METHODS.contains(&method.as_str()) && method != "query" {
            return None;
        }
        let (own, shared) = self.operation_texts(path, &method)?;
        let Ok(Value::Object(mut operation)) = serde_json::from_str(own) else { return None };
        if let Some(Ok(Value::Array(shared))) = shared.map(serde_json::from_str)
            && let Value::Array(own) = operation.entry("parameters").or_insert_with(|| Value::Array(Vec::new()))
        {
            own.extend(shared);
        }
        Some(Value::Object(operation))
    }

    /// What a reference leads to, and about how many bytes of JSON that is.
    pub fn target(&self, reference: &str) -> Option<(usize, Value)> {
        let (size, parse) = self.lookup(reference)?;
        parse().map(|value| (size, value))
    }

    /// Whether schemas are written as in OpenAPI 3.0: `nullable`, and nothing beside a reference counts.
    pub fn is_3_0(&self) -> bool {
        self.openapi.starts_with("3.0")
    }
}

/// Parameters whose references are resolved: the operation's own stand before the path item's, and override them.
pub fn drop_overridden(parameters: &mut Vec<Value>) {
    let mut seen = HashSet::new();
    parameters.retain(|p| {
        let text = |field: &str| p.get(field).and_then(Value::as_str).map(str::to_owned);
        let (Some(name), Some(place)) = (text("name"), text("in")) else { return true };
        seen.insert((name, place))
    });
}

/// The references that led to a place.
struct Chain {
    reference: String,
    before: Option<Rc<Chain>>,
}

fn leads_back(chain: &Option<Rc<Chain>>, reference: &str) -> bool {
    let mut at = chain.as_ref();
    while let Some(link) = at {
        if link.reference == reference {
            return true;
        }
        at = link.before.as_ref();
    }
    false
}

/// What a reference was replaced by, and where it goes: the piece that it was found in, and its place in there.
struct Piece {
    value: Value,
    chain: Option<Rc<Chain>>,
    /// Levels above it.
    depth: usize,
    into: Option<(usize, String)>,
}

/// Piece by piece, nearest first; put together at the end, so that no way is walked from the top again and again.
fn resolve(document: &Document, root: Value, patience: &Patience) -> Value {
    let mut budget = MAX_RESOLVED;
    let mut parsed: HashMap<String, Option<Value>> = HashMap::new();
    let mut pieces = vec![Piece { value: root, chain: None, depth: 0, into: None }];
    let mut next = 0;
    while next < pieces.len() && !patience.has_ended() {
        let mut found = Vec::new();
        collect(&pieces[next].value, "", false, &mut found);
        for (at, reference) in found {
            let (chain, depth) = (&pieces[next].chain, pieces[next].depth + at.matches('/').count());
            if patience.ends() || leads_back(chain, &reference) || depth > MAX_DEPTH {
                continue;
            }
            let Some((size, parse)) = document.lookup(&reference) else { continue };
            if size > budget {
                continue;
            }
            budget -= size;
            let Some(target) = parsed.entry(reference.clone()).or_insert_with(parse).clone() else { continue };
            let Some(hole) = pieces[next].value.pointer(&at).cloned() else { continue };
            let chain = Some(Rc::new(Chain { reference, before: chain.clone() }));
            pieces.push(Piece { value: merged(document, hole, target), chain, depth, into: Some((next, at)) });
        }
        next += 1;
    }
    let mut whole = Value::Null;
    while let Some(piece) = pieces.pop() {
        match piece.into {
            Some((into, at)) => {
                if let Some(place) = pieces[into].value.pointer_mut(&at) {
                    *place = piece.value;
                }
            }
            None => whole = piece.value,
        }
    }
    whole
}

/// The places of references in a value, without looking into what is data.
fn collect(value: &Value, pointer: &str, names: bool, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, value)| collect(value, &format!("{pointer}/{i}"), false, found));
        }
        Value::Object(map) => {
            if let Some(Value::String(reference)) = map.get("$ref") {
                found.push((pointer.to_owned(), reference.clone()));
                return;
            }
            for (key, value) in map {
                if (value.is_object() || value.is_array()) && (names || !is_data(key, value)) {
                    let at = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                    collect(value, &at, !names && holds_names(key), found);
                }
            }
        }
        _ => {}
    }
}

/// What stands beside a reference: nothing in 3.0; later a description of its own, or more for a schema to hold to.
fn merged(document: &Document, reference: Value, target: Value) -> Value {
    let Value::Object(mut beside) = reference else { return target };
    beside.remove("$ref");
    if beside.is_empty() || document.is_3_0() {
        return target;
    }
    if beside.keys().all(|key| matches!(key.as_str(), "summary" | "description")) {
        return match target {
            Value::Object(mut target) => {
                target.extend(beside);
                Value::Object(target)
            }
            other => other,
        };
    }
    let mut all = vec![target];
    if let Some(Value::Array(more)) = beside.remove("allOf") {
        all.extend(more);
    }
    let mut schema = Map::from_iter([("allOf".to_owned(), Value::Array(all))]);
    schema.extend(beside);
    Value::Object(schema)
}
