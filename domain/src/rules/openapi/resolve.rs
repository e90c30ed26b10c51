//! One operation with its references resolved.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    rc::Rc,
};

use serde_json::{Map, Value};

use super::{
    MAX_DEPTH,
    document::Document,
    operations::METHODS,
    references::{holds_names, is_data},
};

/// Bytes of JSON that references may add to an operation; beyond it they are left as they are.
pub const MAX_RESOLVED: usize = 1 << 20;

impl Document {
    /// The operation object with the parameters of its path item and with references resolved, nearest first. One that
    /// leads back into itself stays a `$ref`, and so do those that would make it larger than about [`MAX_RESOLVED`].
    pub fn operation(&self, path: &str, method: &str) -> Option<Value> {
        let mut resolved = resolve(self, self.operation_as_written(path, method)?);
        if let Some(Value::Array(parameters)) = resolved.get_mut("parameters") {
            drop_overridden(parameters);
        }
        Some(resolved)
    }

    /// The operation object with the parameters of its path item behind its own, references as they stand.
    pub fn operation_as_written(&self, path: &str, method: &str) -> Option<Value> {
        let method = method.to_ascii_lowercase();
        if !METHODS.contains(&method.as_str()) && method != "query" {
            return None;
        }
        let Value::Object(mut item) = self.path_item(path)? else { return None };
        let mut operation = item.remove(&method).filter(Value::is_object)?;
        if let (Some(Value::Array(shared)), Value::Object(operation)) = (item.remove("parameters"), &mut operation)
            && let Value::Array(own) = operation.entry("parameters").or_insert_with(|| Value::Array(Vec::new()))
        {
            own.extend(shared);
        }
        Some(operation)
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

fn resolve(document: &Document, mut root: Value) -> Value {
    let mut budget = MAX_RESOLVED;
    let mut parsed: HashMap<String, Option<Value>> = HashMap::new();
    let mut queue = VecDeque::from([(String::new(), None::<Rc<Chain>>)]);
    while let Some((pointer, chain)) = queue.pop_front() {
        let mut found = Vec::new();
        if let Some(value) = root.pointer(&pointer) {
            collect(value, &pointer, false, &mut found);
        }
        for (at, reference) in found {
            if leads_back(&chain, &reference) || at.matches('/').count() > MAX_DEPTH {
                continue;
            }
            let Some((size, parse)) = document.lookup(&reference) else { continue };
            if size > budget {
                continue;
            }
            let Some(target) = parsed.entry(reference.clone()).or_insert_with(parse).clone() else { continue };
            budget -= size;
            if let Some(place) = root.pointer_mut(&at) {
                *place = merged(document, std::mem::take(place), target);
                queue.push_back((at, Some(Rc::new(Chain { reference, before: chain.clone() }))));
            }
        }
    }
    root
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
