//! Objects: every property that goes this way, or only those that must be there.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Keywords, Maker};
use crate::rules::mock::{
    check::{count, fits, is_left_out},
    pattern,
};

impl Maker<'_> {
    pub(super) fn object(&mut self, map: &Keywords) -> Option<Value> {
        let none = Map::new();
        let properties = map.get("properties").and_then(Value::as_object).unwrap_or(&none);
        let required: Vec<&str> =
            map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let needed: HashSet<&str> = required.iter().copied().collect();
        let least = count(map, "minProperties").unwrap_or(0);
        let most = count(map, "maxProperties").unwrap_or(usize::MAX);
        let mut made = Map::new();
        let mut optional = Vec::new();
        for (name, schema) in properties {
            if is_left_out(self.source, self.direction, schema) {
                continue;
            }
            let must = needed.contains(name.as_str());
            if !must && self.lean {
                optional.push((name, schema));
                continue;
            }
            match self.schema(schema) {
                Some(value) => drop(made.insert(name.clone(), value)),
                None if must => drop(made.insert(name.clone(), self.null(schema)?)),
                None => {}
            }
        }
        for name in required.iter().filter(|name| !properties.contains_key(**name)) {
            let value = self.schema(&schema_of(self, map, name))?;
            made.insert((*name).to_owned(), value);
        }
        for (name, schema) in optional {
            if made.len() < least
                && let Some(value) = self.schema(schema)
            {
                made.insert(name.clone(), value);
            }
        }
        self.others(map, &mut made, least.min(most));
        if made.len() > most {
            let surplus: Vec<String> =
                made.keys().rev().filter(|name| !needed.contains(name.as_str())).take(made.len() - most).cloned().collect();
            let surplus: HashSet<&String> = surplus.iter().collect();
            made.retain(|name, _| !surplus.contains(name));
        }
        (made.len() >= least).then_some(Value::Object(made))
    }

    /// What stands for a value that cannot be made.
    fn null(&self, schema: &Value) -> Option<Value> {
        fits(self.source, self.direction, schema, &Value::Null).then_some(Value::Null)
    }

    /// Entries under names that the schema does not know: where there are too few, and where it is a map of such.
    fn others(&mut self, map: &Keywords, made: &mut Map<String, Value>, least: usize) {
        const TRIES: usize = 64;
        let patterns = map.get("patternProperties").and_then(Value::as_object);
        let is_map = !map.contains_key("properties")
            && (patterns.is_some()
                || map.get("additionalProperties").is_some_and(|schema| schema.as_object().is_some_and(|s| !s.is_empty())));
        let wanted = if is_map && !self.lean { least.max(1) } else { least };
        for _ in 0..TRIES {
            if made.len() >= wanted {
                return;
            }
            let Some(name) = self.name(map, patterns) else { return };
            if made.contains_key(&name) {
                continue;
            }
            let Some(value) = self.schema(&schema_of(self, map, &name)) else { return };
            made.insert(name, value);
        }
    }

    /// A name that the schema takes.
    fn name(&mut self, map: &Keywords, patterns: Option<&Map<String, Value>>) -> Option<String> {
        if let Some(pattern) = patterns.and_then(|all| all.keys().next()) {
            let regex = self.source.pattern(pattern)?;
            return pattern::sample(pattern, &regex, (1, None), &mut self.random);
        }
        match map.get("propertyNames") {
            Some(names) => self.schema(names)?.as_str().map(str::to_owned),
            None => Some(self.random.word().to_owned()),
        }
    }

    /// An example without what does not go this way.
    pub(super) fn without_left_out(&self, map: &Keywords, mut example: Value) -> Value {
        if let (Value::Object(entries), Some(properties)) = (&mut example, map.get("properties").and_then(Value::as_object)) {
            entries.retain(|name, _| properties.get(name).is_none_or(|schema| !is_left_out(self.source, self.direction, schema)));
        }
        example
    }
}

/// What a property that is not among the named ones has to be.
fn schema_of(maker: &Maker<'_>, map: &Keywords, name: &str) -> Value {
    let patterns = map.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
    let mut patterns = patterns.filter(|(pattern, _)| maker.source.pattern(pattern).is_some_and(|regex| regex.is_match(name)));
    let matching = patterns.next().map(|(_, schema)| schema);
    matching.or_else(|| map.get("additionalProperties")).cloned().unwrap_or(Value::Bool(true))
}
