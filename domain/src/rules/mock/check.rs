//! Whether a value is what a schema asks for: JSON Schema as OpenAPI 3.0 and 3.1 use it. References that lead nowhere, anchors and
//! `unevaluated…` are let through. What is said of a value never shows the value.

use std::collections::HashSet;

use regex::Regex;
use serde_json::{Map, Number, Value};

use super::{
    format,
    source::{Source, reference},
};
use crate::rules::openapi::At;

/// Schemas that are looked at for one value; a value that needs more is refused, as its sender chose its size.
const MAX_STEPS: usize = 200_000;
const MAX_DEPTH: usize = 200;
/// How deep parts of parts are looked into for what is left out.
const PARTS_DEEP: usize = 8;
/// How many faults are told at once.
const MOST_FAULTS: usize = 10;

/// Which way a value goes: what is `readOnly` is not asked for in requests, what is `writeOnly` not in responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Request,
    Response,
}

/// What is wrong in a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A JSON pointer (RFC 6901) into the value; empty for all of it.
    pub pointer: String,
    /// A sentence without its subject, which is the place.
    pub message: String,
    /// Whether the value is of another type than asked for.
    pub of_type: bool,
}

/// What is wrong with a value, the first few faults of it.
pub fn faults(source: &Source, direction: Direction, schema: &Value, value: &Value) -> Vec<Fault> {
    let mut check = Check::new(source, direction, 0);
    let fine = check.schema(schema, value, &At::root());
    if check.exhausted {
        return vec![Fault { pointer: String::new(), message: "is too complex to be checked".to_owned(), of_type: false }];
    }
    debug_assert_eq!(fine, check.faults.is_empty());
    check.faults
}

pub fn fits(source: &Source, direction: Direction, schema: &Value, value: &Value) -> bool {
    let mut check = Check::new(source, direction, 1);
    check.schema(schema, value, &At::root()) && !check.exhausted
}

/// [`fits`] for a schema's map.
pub fn fits_map(source: &Source, direction: Direction, schema: &Map<String, Value>, value: &Value) -> bool {
    let mut check = Check::new(source, direction, 1);
    check.map(schema, value, &At::root()) && !check.exhausted
}

struct Check<'s> {
    source: &'s Source,
    direction: Direction,
    steps: usize,
    /// Parts that may still be looked into for what is left out.
    looks: usize,
    depth: usize,
    /// Above 0 where only the verdict counts, which then comes with the first fault.
    quiet: usize,
    exhausted: bool,
    /// Of the objects on the way whose schema is in parts: where each is, and the properties that some part leaves out in this
    /// direction. Another part may ask for them.
    left_out: Vec<(String, HashSet<String>)>,
    faults: Vec<Fault>,
}

type Keywords = Map<String, Value>;

impl<'s> Check<'s> {
    fn new(source: &'s Source, direction: Direction, quiet: usize) -> Self {
        let (steps, looks) = (MAX_STEPS, MAX_STEPS);
        Self { source, direction, steps, looks, depth: 0, quiet, exhausted: false, left_out: Vec::new(), faults: Vec::new() }
    }
}

impl Check<'_> {
    fn schema(&mut self, schema: &Value, value: &Value, at: &At<'_>) -> bool {
        match schema {
            Value::Bool(false) => self.fault(at, false, || "must not be there".to_owned()),
            Value::Object(map) => self.map(map, value, at),
            _ => true,
        }
    }

    fn map(&mut self, map: &Keywords, value: &Value, at: &At<'_>) -> bool {
        if self.steps == 0 || self.depth == MAX_DEPTH || self.source.patience().ends() {
            self.exhausted = true;
            return false;
        }
        self.steps -= 1;
        self.depth += 1;
        let parts = self.note_left_out(map, value, at);
        let fine = self.keywords(map, value, at);
        if parts {
            self.left_out.pop();
        }
        self.depth -= 1;
        fine
    }

    /// Whether there was something to note.
    fn note_left_out(&mut self, map: &Keywords, value: &Value, at: &At<'_>) -> bool {
        if !value.is_object() || !map.contains_key("allOf") {
            return false;
        }
        let mut found = LeftOut { seen: HashSet::new(), names: HashSet::new(), looks: self.looks };
        found.gather(self.source, self.direction, map, PARTS_DEEP);
        self.looks = found.looks;
        self.exhausted |= found.looks == 0;
        let names = found.names;
        let some = !names.is_empty();
        if some {
            self.left_out.push((at.to_string(), names));
        }
        some
    }

    fn is_left_out_here(&self, name: &str, at: &At<'_>) -> bool {
        let here = self.left_out.iter().filter(|(_, names)| names.contains(name));
        here.into_iter().any(|(pointer, _)| *pointer == at.to_string())
    }

    fn keywords(&mut self, map: &Keywords, value: &Value, at: &At<'_>) -> bool {
        let mut fine = true;
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            let source = self.source;
            fine = source.target(reference).is_none_or(|target| self.schema(&target, value, at));
            if !source.reads_beside_references() {
                return fine;
            }
        }
        // What providers mean by it, whatever else the schema says; the answers given are held to the letter.
        if value.is_null() && self.direction == Direction::Request && is_set(map, "nullable") {
            return fine;
        }
        type Rule<'s> = fn(&mut Check<'s>, &Keywords, &Value, &At<'_>) -> bool;
        let rules: [Rule<'_>; 4] = [Self::type_of, Self::one_of_these, Self::scalar, Self::combined];
        for rule in rules {
            if !fine && (self.quiet > 0 || self.exhausted) {
                return false;
            }
            fine &= rule(self, map, value, at);
        }
        match value {
            _ if !fine && self.quiet > 0 => false,
            Value::Object(entries) => self.object(map, entries, at) && fine,
            Value::Array(list) => self.array(map, list, at) && fine,
            _ => fine,
        }
    }

    fn type_of(&mut self, map: &Keywords, value: &Value, at: &At<'_>) -> bool {
        let types: Vec<&str> = types(map).collect();
        let nullable = value.is_null() && is_set(map, "nullable");
        if types.is_empty() || nullable || types.iter().any(|name| is_type(value, name)) {
            return true;
        }
        self.fault(at, true, || {
            format!("must be {}, not {}", types.iter().map(|t| named(t)).collect::<Vec<_>>().join(" or "), kind(value))
        })
    }

    fn one_of_these(&mut self, map: &Keywords, value: &Value, at: &At<'_>) -> bool {
        if let Some(constant) = map.get("const")
            && !same(constant, value)
        {
            return self.fault(at, false, || format!("must be {}", shown(std::slice::from_ref(constant))));
        }
        match map.get("enum") {
            Some(Value::Array(list)) if !list.iter().any(|each| same(each, value)) => {
                self.fault(at, false, || format!("must be one of {}", shown(list)))
            }
            _ => true,
        }
    }

    fn scalar(&mut self, map: &Keywords, value: &Value, at: &At<'_>) -> bool {
        match value {
            Value::String(text) => self.text(map, text, at),
            Value::Number(number) => self.number(map, number, at),
            _ => true,
        }
    }

    fn text(&mut self, map: &Keywords, text: &str, at: &At<'_>) -> bool {
        let mut fine = true;
        let (least, most) = (count(map, "minLength"), count(map, "maxLength"));
        if least.is_some() || most.is_some() {
            let length = text.chars().count();
            if let Some(least) = least.filter(|least| length < *least) {
                fine = self.fault(at, false, || format!("must have {least} characters at least"));
            }
            if let Some(most) = most.filter(|most| length > *most) {
                fine = self.fault(at, false, || format!("must have {most} characters at most"));
            }
        }
        if let Some(pattern) = map.get("pattern").and_then(Value::as_str)
            && self.source.pattern(pattern).is_some_and(|regex: std::sync::Arc<Regex>| !regex.is_match(text))
        {
            fine = self.fault(at, false, || format!("must match {pattern}"));
        }
        if let Some(name) = map.get("format").and_then(Value::as_str)
            && !format::fits(name, text)
        {
            fine = self.fault(at, false, || format!("must be {}", format::described(name)));
        }
        fine
    }

    fn number(&mut self, map: &Keywords, number: &Number, at: &At<'_>) -> bool {
        let Some(value) = number.as_f64() else { return true };
        let bound = |key: &str| map.get(key).and_then(Value::as_f64);
        let mut fine = true;
        let (over, under) = (is_set(map, "exclusiveMinimum"), is_set(map, "exclusiveMaximum"));
        let mut needs = |holds: bool, what: &str, limit: f64| {
            if !holds {
                fine = self.fault(at, false, || format!("must be {what} {limit}"));
            }
        };
        match bound("minimum") {
            Some(least) if over => needs(value > least, "more than", least),
            Some(least) => needs(value >= least, "at least", least),
            None => {}
        }
        match bound("maximum") {
            Some(most) if under => needs(value < most, "less than", most),
            Some(most) => needs(value <= most, "at most", most),
            None => {}
        }
        if let Some(least) = bound("exclusiveMinimum") {
            needs(value > least, "more than", least);
        }
        if let Some(most) = bound("exclusiveMaximum") {
            needs(value < most, "less than", most);
        }
        if let Some(step) = bound("multipleOf").filter(|step| *step > 0.0) {
            let times = value / step;
            needs((times - times.round()).abs() <= 1e-9 * times.abs().max(1.0), "a multiple of", step);
        }
        if map.get("format").and_then(Value::as_str) == Some("int32") {
            needs(
                (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value),
                "a whole number of 32 bits, so at most",
                f64::from(i32::MAX),
            );
        }
        fine
    }

    fn combined(&mut self, map: &Keywords, value: &Value, at: &At<'_>) -> bool {
        let mut fine = true;
        let list = |key: &str| map.get(key).and_then(Value::as_array);
        for part in list("allOf").into_iter().flatten() {
            fine &= self.schema(part, value, at);
        }
        if let Some(branches) = list("anyOf")
            && !branches.iter().any(|branch| self.silently(branch, value, at))
        {
            fine &= self.no_branch(branches, value, at);
        }
        if let Some(branches) = list("oneOf") {
            match branches.iter().filter(|branch| self.silently(branch, value, at)).take(2).count() {
                0 => fine &= self.no_branch(branches, value, at),
                1 => {}
                _ => fine = self.fault(at, false, || "fits several of the alternatives that it may be one of".to_owned()),
            }
        }
        if let Some(not) = map.get("not")
            && self.silently(not, value, at)
        {
            fine = self.fault(at, false, || "is what it must not be".to_owned());
        }
        if let Some(condition) = map.get("if") {
            let then = if self.silently(condition, value, at) { "then" } else { "else" };
            fine &= map.get(then).is_none_or(|then| self.schema(then, value, at));
        }
        fine
    }

    /// Tells what is wrong with the only alternative of the value's type, where there is one.
    fn no_branch(&mut self, branches: &[Value], value: &Value, at: &At<'_>) -> bool {
        if self.quiet == 0 && !self.exhausted {
            let before = self.faults.len();
            let mut near = Vec::new();
            for branch in branches {
                self.schema(branch, value, at);
                let told = self.faults.split_off(before);
                if !told.iter().any(|fault| fault.of_type && fault.pointer == at.to_string()) {
                    near.push(told);
                }
            }
            if near.len() == 1
                && let Some(told) = near.pop().filter(|told| !told.is_empty())
            {
                self.faults.extend(told);
                return false;
            }
        }
        self.fault(at, false, || "fits none of the alternatives that it may be one of".to_owned())
    }

    fn silently(&mut self, schema: &Value, value: &Value, at: &At<'_>) -> bool {
        self.quiet += 1;
        let fine = self.schema(schema, value, at);
        self.quiet -= 1;
        fine
    }

    fn object(&mut self, map: &Keywords, entries: &Map<String, Value>, at: &At<'_>) -> bool {
        let mut fine = self.entry_count(map, entries.len(), at);
        let properties = map.get("properties").and_then(Value::as_object);
        for name in map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let missing = !entries.contains_key(name);
            let here = |p| is_left_out(self.source, self.direction, p);
            if missing && !properties.and_then(|all| all.get(name)).is_some_and(here) && !self.is_left_out_here(name, at) {
                fine = self.fault(&at.key(name), false, || "is missing".to_owned());
            }
        }
        let patterns: Vec<_> = map
            .get("patternProperties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(pattern, schema)| Some((self.source.pattern(pattern)?, schema)))
            .collect();
        let (names, others) = (map.get("propertyNames"), map.get("additionalProperties"));
        for (name, value) in entries {
            let at = at.key(name);
            let mut known = false;
            if let Some(schema) = properties.and_then(|all| all.get(name)) {
                (known, fine) = (true, self.schema(schema, value, &at) && fine);
            }
            for (_, schema) in patterns.iter().filter(|(pattern, _)| pattern.is_match(name)) {
                (known, fine) = (true, self.schema(schema, value, &at) && fine);
            }
            match others {
                Some(Value::Bool(false)) if !known => {
                    fine = self.fault(&at, false, || "is not a property that is known here".to_owned());
                }
                Some(schema) if !known => fine &= self.schema(schema, value, &at),
                _ => {}
            }
            if let Some(schema) = names {
                fine &= self.schema(schema, &Value::String(name.clone()), &at);
            }
            if self.quiet > 0 && !fine || self.exhausted {
                return false;
            }
        }
        self.dependent(map, entries, at) && fine
    }

    fn entry_count(&mut self, map: &Keywords, length: usize, at: &At<'_>) -> bool {
        let mut fine = true;
        if let Some(least) = count(map, "minProperties").filter(|least| length < *least) {
            fine = self.fault(at, false, || format!("must have {least} properties at least"));
        }
        if let Some(most) = count(map, "maxProperties").filter(|most| length > *most) {
            fine = self.fault(at, false, || format!("must have {most} properties at most"));
        }
        fine
    }

    fn dependent(&mut self, map: &Keywords, entries: &Map<String, Value>, at: &At<'_>) -> bool {
        let mut fine = true;
        let of = |key: &str| map.get(key).and_then(Value::as_object);
        for (name, needed) in of("dependentRequired").into_iter().flatten().filter(|(name, _)| entries.contains_key(*name)) {
            for needed in needed.as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !entries.contains_key(needed) {
                    fine = self.fault(&at.key(needed), false, || format!("is missing: {name} asks for it"));
                }
            }
        }
        for (_, schema) in of("dependentSchemas").into_iter().flatten().filter(|(name, _)| entries.contains_key(*name)) {
            fine &= self.schema(schema, &Value::Object(entries.clone()), at);
        }
        fine
    }

    fn array(&mut self, map: &Keywords, list: &[Value], at: &At<'_>) -> bool {
        let mut fine = true;
        if let Some(least) = count(map, "minItems").filter(|least| list.len() < *least) {
            fine = self.fault(at, false, || format!("must have {least} items at least"));
        }
        if let Some(most) = count(map, "maxItems").filter(|most| list.len() > *most) {
            fine = self.fault(at, false, || format!("must have {most} items at most"));
        }
        if is_set(map, "uniqueItems") && has_doubles(list) {
            fine = self.fault(at, false, || "must not have the same item twice".to_owned());
        }
        let first = map.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (i, value) in list.iter().enumerate() {
            let schema = first.get(i).or_else(|| map.get("items"));
            fine &= schema.is_none_or(|schema| self.schema(schema, value, &at.index(i)));
            if self.quiet > 0 && !fine || self.exhausted {
                return false;
            }
        }
        if let Some(wanted) = map.get("contains") {
            let found = list.iter().filter(|value| self.silently(wanted, value, at)).count();
            let enough =
                found >= count(map, "minContains").unwrap_or(1) && count(map, "maxContains").is_none_or(|most| found <= most);
            if !enough {
                fine = self.fault(at, false, || "does not contain what it must".to_owned());
            }
        }
        fine
    }

    /// Always false.
    fn fault(&mut self, at: &At<'_>, of_type: bool, message: impl FnOnce() -> String) -> bool {
        if self.quiet == 0 && self.faults.len() < MOST_FAULTS {
            self.faults.push(Fault { pointer: at.to_string(), message: message(), of_type });
        }
        false
    }
}

/// The properties that are left out by a schema or one of its parts.
struct LeftOut {
    /// The references that were followed: each is once, however many parts come together in it.
    seen: HashSet<String>,
    names: HashSet<String>,
    looks: usize,
}

impl LeftOut {
    fn gather(&mut self, source: &Source, direction: Direction, map: &Keywords, deep: usize) {
        let properties = map.get("properties").and_then(Value::as_object).into_iter().flatten();
        self.names.extend(properties.filter(|(_, p)| is_left_out(source, direction, p)).map(|(name, _)| name.clone()));
        for part in map.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            if deep == 0 || self.looks == 0 {
                return;
            }
            self.looks -= 1;
            if reference(part).is_some_and(|reference| !self.seen.insert(reference.to_owned())) {
                continue;
            }
            if let Some(map) = source.resolved(part).as_deref().and_then(Value::as_object) {
                self.gather(source, direction, map, deep - 1);
            }
        }
    }
}

/// Whether a property does not go this way.
pub fn is_left_out(source: &Source, direction: Direction, schema: &Value) -> bool {
    let flag = match direction {
        Direction::Request => "readOnly",
        Direction::Response => "writeOnly",
    };
    let set = |schema: &Value| schema.get(flag) == Some(&Value::Bool(true));
    set(schema) || source.resolved(schema).is_some_and(|target| set(&target))
}

pub fn types(map: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let (one, list) = match map.get("type") {
        Some(Value::String(one)) => (Some(one.as_str()), None),
        Some(Value::Array(list)) => (None, Some(list.iter().filter_map(Value::as_str))),
        _ => (None, None),
    };
    one.into_iter().chain(list.into_iter().flatten())
}

pub fn is_set(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key) == Some(&Value::Bool(true))
}

pub fn count(map: &Map<String, Value>, key: &str) -> Option<usize> {
    let value = map.get(key)?;
    // 3.0 exports are known to write 1.0.
    value.as_u64().or_else(|| value.as_f64().map(|f| f as u64)).and_then(|n| usize::try_from(n).ok())
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0),
        "array" => value.is_array(),
        "object" => value.is_object(),
        // Not a type of JSON's: nothing that can be held against a value.
        _ => true,
    }
}

fn named(name: &str) -> &str {
    match name {
        "boolean" => "true or false",
        "string" => "a text",
        "number" => "a number",
        "integer" => "a whole number",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// What may stand there, as the document has it.
fn shown(list: &[Value]) -> String {
    const MOST: usize = 20;
    let mut text = list.iter().take(MOST).map(Value::to_string).collect::<Vec<_>>().join(", ");
    if list.len() > MOST {
        text.push_str(", …");
    }
    text
}

/// Equal as JSON Schema means it: 1 is 1.0.
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

/// Sorted, so that a long list costs no square.
fn has_doubles(list: &[Value]) -> bool {
    let mut texts: Vec<String> = list.iter().map(canonical).collect();
    texts.sort_unstable();
    texts.windows(2).any(|pair| pair[0] == pair[1])
}

/// The same for all that [`same`] takes for one.
pub fn canonical(value: &Value) -> String {
    match value {
        Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |f| f.to_string()),
        Value::Array(list) => format!("[{}]", list.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().map(|(key, value)| format!("{key:?}:{}", canonical(value))).collect();
            entries.sort_unstable();
            format!("{{{}}}", entries.join(","))
        }
        other => other.to_string(),
    }
}
