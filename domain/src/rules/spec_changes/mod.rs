//! What changed from one version of a document to the next, and what of it breaks callers. A request is read from the
//! provider's side, an answer from the caller's: to take less, or to give less or other than before, is breaking.

mod limits;
mod messages;
mod operation;
mod schema;
mod security;
mod side;
mod types;
mod variants;
mod view;

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{operation::Operation, schema::Comparison};
use super::{
    openapi::{Document, methods, shape},
    patience::Patience,
};

/// More are counted, not listed.
pub const MAX_CHANGES: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SpecChangeKind {
    Added,
    Removed,
    Changed,
    Deprecated,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecChange {
    pub kind: SpecChangeKind,
    /// Whether a caller who did nothing wrong before may fail now.
    pub breaking: bool,
    /// Method and template as [`name`] writes them; `None`: the document as a whole.
    pub operation: Option<String>,
    pub text: String,
}

/// An operation's name in changes: the method and the template as the document has it.
pub fn name(method: &str, path: &str) -> String {
    format!("{} {path}", method.to_ascii_uppercase())
}

/// What an operation's name stands for, whatever its parameters are called.
pub fn identity(name: &str) -> String {
    let (method, path) = name.split_once(' ').unwrap_or((name, ""));
    format!("{method} {}", shape(path).unwrap_or_else(|_| path.to_owned()))
}

/// What changed, breaking changes first, each part in the order of the new document, what is in the old one only last. `None`
/// where patience ended before all was compared.
pub fn compare(old: &Document, new: &Document, patience: &Patience) -> Option<Vec<SpecChange>> {
    let comparison = Comparison::new(old, new, patience);
    let (mut before, after) = (by_shape(old), by_shape(new));
    let mut changes = Vec::new();
    let mut told = HashSet::new();
    for (shape, paths) in new.path_texts().filter_map(|(path, _)| after.get_key_value(&key(path))) {
        if patience.has_ended() {
            return None;
        }
        if !told.insert(shape) {
            continue;
        }
        let former = before.remove(shape).unwrap_or_default();
        if former != *paths || !paths.iter().all(|path| comparison.is_same_path(path)) {
            calls(&comparison, &former, paths, &mut changes);
        }
    }
    for (path, _) in old.path_texts() {
        if patience.has_ended() {
            return None;
        }
        let gone = before.remove(&key(path)).unwrap_or_default();
        calls(&comparison, &gone, &[], &mut changes);
    }
    (!patience.has_ended()).then(|| limited(changes))
}

fn key(path: &str) -> String {
    shape(path).unwrap_or_else(|_| path.to_owned())
}

/// Templates that match the same calls: a document may have some of their methods under one and others under another.
fn by_shape(document: &Document) -> HashMap<String, Vec<&str>> {
    let mut paths: HashMap<String, Vec<&str>> = HashMap::new();
    for (path, _) in document.path_texts() {
        paths.entry(key(path)).or_default().push(path);
    }
    paths
}

/// The operations on templates of one shape, together or alone.
fn calls(comparison: &Comparison<'_>, former: &[&str], paths: &[&str], changes: &mut Vec<SpecChange>) {
    let (old_items, new_items) = (items(comparison.old.document, former), items(comparison.new.document, paths));
    for method in methods("3.2") {
        match (operation(&old_items, method), operation(&new_items, method)) {
            (None, None) => {}
            (None, Some(new)) => changes.push(added(method, new.path)),
            (Some(old), None) => changes.push(removed(method, &old)),
            (Some(old), Some(new)) => {
                let name = name(method, new.path);
                changes.extend(operation::compare(comparison, &old, &new).into_iter().map(|found| SpecChange {
                    kind: found.kind,
                    breaking: found.breaking,
                    operation: Some(name.clone()),
                    text: found.text,
                }));
            }
        }
    }
}

fn items<'d>(document: &Document, paths: &[&'d str]) -> Vec<(&'d str, Value)> {
    paths.iter().filter_map(|path| Some((*path, document.path_item(path)?))).collect()
}

fn operation<'o>(items: &'o [(&'o str, Value)], method: &str) -> Option<Operation<'o>> {
    items.iter().find_map(|(path, item)| Some(Operation::of(path, item.get(method)?, item)))
}

fn added(method: &str, path: &str) -> SpecChange {
    let operation = Some(name(method, path));
    SpecChange { kind: SpecChangeKind::Added, breaking: false, operation, text: "the operation was added".to_owned() }
}

fn removed(method: &str, operation: &Operation<'_>) -> SpecChange {
    let text = match operation.value.get("deprecated") {
        Some(Value::Bool(true)) => "the operation, deprecated before, was removed",
        _ => "the operation was removed",
    };
    SpecChange {
        kind: SpecChangeKind::Removed,
        breaking: true,
        operation: Some(name(method, operation.path)),
        text: text.to_owned(),
    }
}

/// Breaking ones first; what is beyond the bound is told as a number.
fn limited(mut changes: Vec<SpecChange>) -> Vec<SpecChange> {
    changes.sort_by_key(|change| !change.breaking);
    if changes.len() > MAX_CHANGES {
        let rest = changes.split_off(MAX_CHANGES - 1);
        let breaking = rest.iter().any(|change| change.breaking);
        let text = format!("{} more changes are not listed", rest.len());
        changes.push(SpecChange { kind: SpecChangeKind::Changed, breaking, operation: None, text });
    }
    changes
}

#[cfg(test)]
mod tests;
