//! Values that fit a schema: the same ones for the same seed. Where the schema has an example of its own, that is taken.

mod number;
mod object;
mod text;

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{
    check::{Direction, canonical, count, fits, fits_map, is_set, types},
    merge::{asks_nothing, merge, takes_null},
    random::Random,
    source::Source,
};

/// Schemas that are looked at for one value.
const MAX_STEPS: usize = 20_000;
/// Schemas inside of each other; from half of it on, only what must be there is.
const MAX_DEPTH: usize = 48;
/// Items of one list that are made.
const MAX_ITEMS: usize = 2_000;
/// References inside of each other.
const MAX_REFERENCES: usize = 128;
/// Bytes of texts and examples in one value.
const MAX_BYTES: usize = 4 << 20;
/// How often one reference may lead back into itself: the second time with only what must be there.
const MOST_TURNS: usize = 3;
/// Ways that are tried: alternatives in another order, then only what must be there.
const ATTEMPTS: usize = 4;

/// A value that fits, found by trying and checking. `dynamic`: without the schemas' own examples and defaults.
pub fn generate(source: &Source, direction: Direction, schema: &Value, dynamic: bool, seed: u64) -> Option<Value> {
    (0..ATTEMPTS).find_map(|attempt| {
        let mut maker = Maker {
            source,
            direction,
            dynamic,
            random: Random::new(seed),
            turn: attempt % 2,
            lean: attempt >= 2,
            steps: MAX_STEPS,
            room: MAX_BYTES,
            depth: 0,
            open: Vec::new(),
        };
        maker.schema(schema).filter(|value| fits(source, direction, schema, value))
    })
}

type Keywords = Map<String, Value>;

struct Maker<'s> {
    source: &'s Source,
    direction: Direction,
    dynamic: bool,
    random: Random,
    /// The alternative that is tried first.
    turn: usize,
    /// Only what must be there.
    lean: bool,
    steps: usize,
    /// Bytes that may still be made.
    room: usize,
    depth: usize,
    /// The references that led here.
    open: Vec<String>,
}

impl Maker<'_> {
    fn schema(&mut self, schema: &Value) -> Option<Value> {
        match schema {
            Value::Bool(false) => None,
            Value::Object(map) => self.map(map),
            _ => Some(Value::String(self.random.word().to_owned())),
        }
    }

    fn map(&mut self, map: &Keywords) -> Option<Value> {
        if self.steps == 0 || self.depth == MAX_DEPTH || self.source.patience().ends() {
            return None;
        }
        self.steps -= 1;
        self.depth += 1;
        let (open, lean) = (self.open.len(), self.lean);
        self.lean |= self.depth > MAX_DEPTH / 2 || self.steps < MAX_STEPS / 2;
        let made = self.any(map);
        (self.depth, self.lean) = (self.depth - 1, lean);
        self.open.truncate(open);
        made
    }

    fn any(&mut self, map: &Keywords) -> Option<Value> {
        if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
            return self.referred(reference, map);
        }
        if let Some(given) = self.given(map) {
            return self.within(given);
        }
        if map.contains_key("allOf") {
            let merged = self.all_of(map)?;
            return self.map(&merged).filter(|value| fits_map(self.source, self.direction, map, value));
        }
        for key in ["oneOf", "anyOf"] {
            if let Some(Value::Array(branches)) = map.get(key).filter(|list| list.as_array().is_some_and(|list| !list.is_empty()))
            {
                return self.branch(map, key, branches);
            }
        }
        self.plain(map)
    }

    fn referred(&mut self, reference: &str, map: &Keywords) -> Option<Value> {
        let target = self.enter(reference)?;
        let beside = self.source.reads_beside_references() && !asks_nothing(map.keys().filter(|key| *key != "$ref"));
        if !beside {
            return self.schema(&target);
        }
        let mut own = map.clone();
        own.remove("$ref");
        let merged = merge(own, target.as_object()?)?;
        self.map(&merged)
    }

    /// The value, if there is room for it.
    fn within(&mut self, value: Value) -> Option<Value> {
        self.room = self.room.checked_sub(weight(&value))?;
        Some(value)
    }

    /// What a reference leads to, unless it led here too often already.
    fn enter(&mut self, reference: &str) -> Option<std::sync::Arc<Value>> {
        let turns = self.open.iter().filter(|open| *open == reference).count();
        if turns >= MOST_TURNS || self.open.len() == MAX_REFERENCES {
            return None;
        }
        self.lean |= turns > 0;
        self.open.push(reference.to_owned());
        self.source.target(reference)
    }

    /// The schema's own example, constant, one of its enum or its default.
    fn given(&mut self, map: &Keywords) -> Option<Value> {
        let (source, direction) = (self.source, self.direction);
        let fine = |value: &&Value| fits_map(source, direction, map, value);
        if !self.dynamic {
            let list = map.get("examples").and_then(Value::as_array).into_iter().flatten();
            if let Some(example) = map.get("example").into_iter().chain(list).find(fine) {
                return Some(self.without_left_out(map, example.clone()));
            }
        }
        if let Some(constant) = map.get("const").filter(fine) {
            return Some(constant.clone());
        }
        if let Some(Value::Array(list)) = map.get("enum") {
            // Each is one of the list: only the rest of the schema has to be asked.
            let mut rest = map.clone();
            rest.remove("enum");
            let fitting: Vec<&Value> = list.iter().filter(|value| fits_map(source, direction, &rest, value)).collect();
            let telling: Vec<&Value> = fitting.iter().copied().filter(|value| !value.is_null()).collect();
            let choice = if telling.is_empty() { fitting } else { telling };
            return choice.get(self.random.index(choice.len())).map(|value| Value::clone(value));
        }
        let default =
            map.get("default").filter(|default| !self.dynamic && !default.is_null() && **default != Value::Array(Vec::new()));
        default.filter(fine).cloned()
    }

    /// The schema and all that it refers to by `allOf`, as one.
    fn all_of(&mut self, map: &Keywords) -> Option<Keywords> {
        let mut base = map.clone();
        let Some(Value::Array(parts)) = base.remove("allOf") else { return Some(base) };
        let alone = parts.len() == 1 && asks_nothing(base.keys());
        for part in parts {
            let mut part = self.inlined(&part)?;
            if !alone {
                // A part's example is no example of the whole.
                for key in ["example", "examples", "default"] {
                    part.remove(key);
                }
            }
            base = merge(base, &part)?;
        }
        Some(base)
    }

    /// A schema's keywords, with what it refers to in the place of a reference.
    fn inlined(&mut self, schema: &Value) -> Option<Keywords> {
        let map = match schema {
            Value::Object(map) => map,
            Value::Bool(false) => return None,
            _ => return Some(Map::new()),
        };
        let Some(reference) = map.get("$ref").and_then(Value::as_str) else { return Some(map.clone()) };
        let target = self.enter(reference)?;
        let target = self.inlined(&target)?;
        if !self.source.reads_beside_references() {
            return Some(target);
        }
        let mut own = map.clone();
        own.remove("$ref");
        merge(own, &target)
    }

    /// The first alternative that something can be made for which fits the whole.
    fn branch(&mut self, map: &Keywords, key: &str, branches: &[Value]) -> Option<Value> {
        let mut base = map.clone();
        base.remove(key);
        let bare = asks_nothing(base.keys());
        let is_null = |branch: &Value| branch.get("type").and_then(Value::as_str) == Some("null");
        let (telling, nulls): (Vec<&Value>, Vec<&Value>) = branches.iter().partition(|branch| !is_null(branch));
        let first = if telling.is_empty() { 0 } else { self.turn % telling.len() };
        let order: Vec<&Value> = telling[first..].iter().chain(&telling[..first]).chain(&nulls).copied().collect();
        for branch in order {
            let (open, lean) = (self.open.len(), self.lean);
            let made = match self.discriminated(map, branch) {
                Some(name) => self.merged_branch(&base, branch, Some(name)).or_else(|| self.merged_branch(&base, branch, None)),
                None if bare => self.schema(branch),
                None => self.merged_branch(&base, branch, None),
            };
            self.open.truncate(open);
            self.lean = lean;
            if let Some(value) = made.filter(|value| fits_map(self.source, self.direction, map, value)) {
                return Some(value);
            }
        }
        None
    }

    fn merged_branch(&mut self, base: &Keywords, branch: &Value, name: Option<(String, String)>) -> Option<Value> {
        let (open, lean) = (self.open.len(), self.lean);
        let merged = self.inlined(branch).and_then(|branch| merge(branch, base));
        let merged = match (merged, name) {
            (Some(merged), Some((property, value))) => {
                let told = serde_json::json!({ "properties": { &property: { "const": value } }, "required": [property] });
                told.as_object().and_then(|told| merge(merged, told))
            }
            (merged, _) => merged,
        };
        let made = merged.and_then(|merged| self.map(&merged));
        self.open.truncate(open);
        self.lean = lean;
        made
    }

    /// The property that tells the alternatives apart, and its value for this one.
    fn discriminated(&self, map: &Keywords, branch: &Value) -> Option<(String, String)> {
        let discriminator = map.get("discriminator")?;
        let property = discriminator.get("propertyName")?.as_str()?;
        let reference = branch.get("$ref")?.as_str()?;
        let name = reference.rsplit('/').next()?;
        let mapping = discriminator.get("mapping").and_then(Value::as_object);
        let mapped = mapping.and_then(|all| {
            all.iter()
                .find(|(_, target)| target.as_str().is_some_and(|target| target == reference || target == name))
                .map(|(key, _)| key.as_str())
        });
        Some((property.to_owned(), mapped.unwrap_or(name).to_owned()))
    }

    fn plain(&mut self, map: &Keywords) -> Option<Value> {
        let names: Vec<&str> = types(map).collect();
        let name = match names.iter().find(|name| **name != "null") {
            Some(name) => name,
            None if names.is_empty() => inferred(map),
            None => return Some(Value::Null),
        };
        let made = match name {
            "object" => self.object(map),
            "array" => self.array(map),
            "string" => self.text(map).and_then(|text| self.within(Value::String(text))),
            "integer" => self.number(map, true),
            "number" => self.number(map, false),
            "boolean" => Some(Value::Bool(self.random.below(2) == 1)),
            _ => Some(Value::String(self.random.word().to_owned())),
        };
        made.or_else(|| takes_null(map).then_some(Value::Null))
    }

    fn array(&mut self, map: &Keywords) -> Option<Value> {
        let least = count(map, "minItems").unwrap_or(0);
        let most = count(map, "maxItems").unwrap_or(usize::MAX);
        let wanted = if self.lean { least } else { least.max(1 + self.random.index(2)).min(most) };
        let first = map.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let wanted = if self.lean { wanted } else { wanted.max(first.len()).min(most) };
        let (others, unique) = (map.get("items").unwrap_or(&Value::Bool(true)), is_set(map, "uniqueItems"));
        let (mut list, mut tries, mut there) = (Vec::new(), 0, HashSet::new());
        if least > MAX_ITEMS {
            return None;
        }
        let wanted = wanted.min(MAX_ITEMS);
        while list.len() < wanted && tries < 4 * wanted + 16 {
            tries += 1;
            let Some(item) = self.schema(first.get(list.len()).unwrap_or(others)) else { break };
            if !unique || there.insert(canonical(&item)) {
                list.push(item);
            }
        }
        (list.len() >= least).then_some(Value::Array(list))
    }
}

/// Bytes, about.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(weight).sum(),
        Value::Object(entries) => entries.iter().map(|(name, value)| name.len() + weight(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => size_of::<Value>(),
    }
}

/// What a schema without a type is about.
fn inferred(map: &Keywords) -> &'static str {
    let has = |keys: &[&str]| keys.iter().any(|key| map.contains_key(*key));
    if has(&["properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames"]) {
        "object"
    } else if has(&["items", "prefixItems", "minItems", "uniqueItems", "contains"]) {
        "array"
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        "number"
    } else {
        "string"
    }
}
