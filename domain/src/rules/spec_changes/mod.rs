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

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::{operation::Operation, schema::Comparison};
use super::openapi::{Document, methods, shape};

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

/// What changed, breaking changes first, each part in the order of the new document, what was removed last.
pub fn compare(old: &Document, new: &Document) -> Vec<SpecChange> {
    let comparison = Comparison::new(old, new);
    let mut changes = Vec::new();
    let mut gone: HashMap<String, &str> = HashMap::new();
    for (path, _) in old.path_texts() {
        gone.insert(key(path), path);
    }
    for (path, _) in new.path_texts() {
        match gone.remove(&key(path)) {
            Some(before) if before == path && comparison.is_same_path(path) => {}
            Some(before) => both(&comparison, before, path, &mut changes),
            None => each(new, path, |method, _| changes.push(added(method, path))),
        }
    }
    for (path, _) in old.path_texts().filter(|(path, _)| gone.get(&key(path)) == Some(path)) {
        each(old, path, |method, value| changes.push(removed(method, path, value)));
    }
    limited(changes)
}

fn key(path: &str) -> String {
    shape(path).unwrap_or_else(|_| path.to_owned())
}

/// The operations that two path items have together or alone.
fn both(comparison: &Comparison<'_>, before: &str, path: &str, changes: &mut Vec<SpecChange>) {
    let Some((old_item, new_item)) = comparison.path_items(before, path) else { return };
    for method in methods("3.2") {
        match (old_item.get(method), new_item.get(method)) {
            (None, None) => {}
            (None, Some(_)) => changes.push(added(method, path)),
            (Some(value), None) => changes.push(removed(method, before, value)),
            (Some(old), Some(new)) => {
                let (old, new) = (Operation::of(before, old, &old_item), Operation::of(path, new, &new_item));
                let name = name(method, path);
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

fn each(document: &Document, path: &str, mut told: impl FnMut(&str, &Value)) {
    let Some(item) = document.path_item(path) else { return };
    for method in methods("3.2") {
        if let Some(value) = item.get(method) {
            told(method, value);
        }
    }
}

fn added(method: &str, path: &str) -> SpecChange {
    let operation = Some(name(method, path));
    SpecChange { kind: SpecChangeKind::Added, breaking: false, operation, text: "the operation was added".to_owned() }
}

fn removed(method: &str, path: &str, value: &Value) -> SpecChange {
    let text = match value.get("deprecated") {
        Some(Value::Bool(true)) => "the operation, deprecated before, was removed",
        _ => "the operation was removed",
    };
    SpecChange { kind: SpecChangeKind::Removed, breaking: true, operation: Some(name(method, path)), text: text.to_owned() }
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
