//! Two schemas as one that asks for what both do, as far as that can be said in one; the rest is found out by checking.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::check::{canonical, is_set, same};

type Keywords = Map<String, Value>;

/// Adds what `more` asks for. `None`: no value can be both.
pub fn merge(mut base: Keywords, more: &Keywords) -> Option<Keywords> {
    drop_unknown(&mut base, more);
    let mut more = more.clone();
    drop_unknown(&mut more, &base);
    for (key, theirs) in more {
        let merged = match base.get(&key) {
            None => theirs,
            Some(ours) if *ours == theirs => continue,
            Some(ours) => match (key.as_str(), ours, theirs) {
                ("oneOf" | "anyOf", ours, theirs) => {
                    let ours = ours.clone();
                    push_all_of(&mut base, json!({ key.as_str(): theirs }));
                    ours
                }
                (_, ours, theirs) => both(&key, ours, theirs)?,
            },
        };
        base.insert(key, merged);
    }
    Some(base)
}

/// Adds a schema to those that all must hold.
fn push_all_of(base: &mut Keywords, schema: Value) {
    if let Value::Array(list) = base.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
        list.push(schema);
    }
}

/// Where `closed` takes no other properties, what the other one offers besides cannot be there.
fn drop_unknown(other: &mut Keywords, closed: &Keywords) {
    if closed.get("additionalProperties") != Some(&Value::Bool(false)) || closed.contains_key("patternProperties") {
        return;
    }
    let known = closed.get("properties").and_then(Value::as_object);
    if let Some(Value::Object(offered)) = other.get_mut("properties") {
        offered.retain(|name, _| known.is_some_and(|known| known.contains_key(name)));
    }
}

fn both(key: &str, ours: &Value, theirs: Value) -> Option<Value> {
    match key {
        "type" => types(ours, &theirs),
        "enum" => {
            let theirs: HashSet<String> = theirs.as_array()?.iter().map(canonical).collect();
            let common: Vec<Value> = ours.as_array()?.iter().filter(|a| theirs.contains(&canonical(a))).cloned().collect();
            (!common.is_empty()).then_some(Value::Array(common))
        }
        "const" => same(ours, &theirs).then_some(theirs),
        "required" | "allOf" => {
            let mut list = ours.as_array()?.clone();
            let there: HashSet<String> = list.iter().map(Value::to_string).collect();
            list.extend(theirs.as_array()?.iter().filter(|each| !there.contains(&each.to_string())).cloned());
            Some(Value::Array(list))
        }
        "properties" | "patternProperties" | "$defs" => {
            let mut all = ours.as_object()?.clone();
            for (name, schema) in theirs.as_object()? {
                let merged = match all.get(name) {
                    Some(there) if there != schema => all_of(there, schema),
                    _ => schema.clone(),
                };
                all.insert(name.clone(), merged);
            }
            Some(Value::Object(all))
        }
        "minimum" | "minLength" | "minItems" | "minProperties" | "minContains" => further(ours, theirs, |a, b| a > b),
        "maximum" | "maxLength" | "maxItems" | "maxProperties" | "maxContains" => further(ours, theirs, |a, b| a < b),
        "exclusiveMinimum" if ours.is_number() && theirs.is_number() => further(ours, theirs, |a, b| a > b),
        "exclusiveMaximum" if ours.is_number() && theirs.is_number() => further(ours, theirs, |a, b| a < b),
        "items" | "additionalProperties" | "propertyNames" | "contains" | "not" => Some(match (ours, theirs) {
            (Value::Bool(true), other) if key != "not" => other,
            (other, Value::Bool(true)) if key != "not" => other.clone(),
            (Value::Bool(false), _) | (_, Value::Bool(false)) if key != "not" => Value::Bool(false),
            // What is neither the one nor the other.
            (ours, theirs) if key == "not" => json!({ "anyOf": [ours, theirs] }),
            (ours, theirs) => all_of(ours, &theirs),
        }),
        "nullable" => Some(Value::Bool(*ours == Value::Bool(true) && theirs == Value::Bool(true))),
        "readOnly" | "writeOnly" | "uniqueItems" | "exclusiveMinimum" | "exclusiveMaximum" => {
            Some(Value::Bool(*ours == Value::Bool(true) || theirs == Value::Bool(true)))
        }
        "multipleOf" => {
            let (a, b) = (ours.as_f64()?, theirs.as_f64()?);
            let whole = |a: f64, b: f64| b != 0.0 && (a / b).fract() == 0.0;
            Some(if whole(a, b) {
                ours.clone()
            } else if whole(b, a) {
                theirs
            } else {
                json!(a * b)
            })
        }
        _ => Some(ours.clone()),
    }
}

fn all_of(a: &Value, b: &Value) -> Value {
    json!({ "allOf": [a, b] })
}

fn further(ours: &Value, theirs: Value, goes: impl Fn(f64, f64) -> bool) -> Option<Value> {
    Some(if goes(theirs.as_f64()?, ours.as_f64()?) { theirs } else { ours.clone() })
}

fn types(ours: &Value, theirs: &Value) -> Option<Value> {
    let list = |value: &Value| -> Vec<String> {
        match value {
            Value::String(one) => vec![one.clone()],
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    };
    let (ours, theirs) = (list(ours), list(theirs));
    let has = |list: &[String], name: &str| list.iter().any(|each| each == name);
    let narrowed = |name: &String, others: &[String]| match name.as_str() {
        name if has(others, name) => Some(name.to_owned()),
        "number" if has(others, "integer") => Some("integer".to_owned()),
        "integer" if has(others, "number") => Some("integer".to_owned()),
        _ => None,
    };
    let common: Vec<Value> = ours.iter().filter_map(|name| narrowed(name, &theirs)).map(Value::String).collect();
    match common.len() {
        0 => None,
        1 => common.into_iter().next(),
        _ => Some(Value::Array(common)),
    }
}

/// Whether a schema asks for nothing: only what people read is in it.
pub fn asks_nothing<'k>(mut keys: impl Iterator<Item = &'k String>) -> bool {
    keys.all(|key| {
        let told = matches!(
            key.as_str(),
            "title" | "description" | "deprecated" | "externalDocs" | "discriminator" | "xml" | "$comment"
        );
        told || matches!(key.as_str(), "example" | "examples" | "default" | "readOnly" | "writeOnly") || key.starts_with("x-")
    })
}

/// Whether null is asked for besides something else.
pub fn takes_null(map: &Keywords) -> bool {
    is_set(map, "nullable") || super::check::types(map).any(|name| name == "null")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(a: Value, b: Value) -> Value {
        let (Value::Object(a), Value::Object(b)) = (a, b) else { return Value::Null };
        merge(a, &b).map_or(Value::Null, Value::Object)
    }

    #[test]
    fn both_hold() {
        for (a, b, expected) in [
            (json!({ "type": "number" }), json!({ "type": ["integer", "null"] }), json!({ "type": "integer" })),
            (json!({ "type": "string" }), json!({ "type": "object" }), Value::Null),
            (json!({ "enum": [1, 2] }), json!({ "enum": [2.0, 3] }), json!({ "enum": [2] })),
            (json!({ "enum": [1] }), json!({ "enum": [2] }), Value::Null),
            (json!({ "const": 1 }), json!({ "const": 2 }), Value::Null),
            (
                json!({ "minimum": 1, "maxLength": 9 }),
                json!({ "minimum": 3, "maxLength": 5 }),
                json!({ "minimum": 3, "maxLength": 5 }),
            ),
            (json!({ "required": ["a"] }), json!({ "required": ["b", "a"] }), json!({ "required": ["a", "b"] })),
            (json!({ "nullable": true }), json!({ "nullable": false }), json!({ "nullable": false })),
            (json!({ "multipleOf": 2 }), json!({ "multipleOf": 6 }), json!({ "multipleOf": 6 })),
            (
                json!({ "properties": { "a": { "type": "string" } } }),
                json!({ "properties": { "a": { "maxLength": 1 }, "b": true } }),
                json!({ "properties": { "a": { "allOf": [{ "type": "string" }, { "maxLength": 1 }] }, "b": true } }),
            ),
            (
                json!({ "properties": { "a": true }, "additionalProperties": false }),
                json!({ "properties": { "b": true } }),
                json!({ "properties": { "a": true }, "additionalProperties": false }),
            ),
            (json!({ "oneOf": [1] }), json!({ "oneOf": [2] }), json!({ "oneOf": [1], "allOf": [{ "oneOf": [2] }] })),
        ] {
            assert_eq!(merged(a.clone(), b.clone()), expected, "{a} and {b}");
        }
    }
}
