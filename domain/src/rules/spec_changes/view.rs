//! A schema with what `allOf` and references bring together laid flat, so that moving a part elsewhere is no change.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    limits::Limits,
    side::{Side, reference_of},
    types::Types,
};

/// Variants of variants are looked into so deep for their types.
const MAX_NESTED: usize = 3;
/// Parts and references inside of each other; what is deeper is not looked at.
const MAX_DEPTH: usize = 128;
/// Keywords that are compared by their text alone.
const CONDITIONS: [&str; 11] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "patternProperties",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "unevaluatedItems",
];

#[derive(Debug, Clone, Default)]
pub struct View<'v> {
    /// `None`: any.
    pub types: Option<Types>,
    /// A property may have a schema from each part that names it.
    pub properties: BTreeMap<&'v str, Vec<&'v Value>>,
    pub required: BTreeSet<&'v str>,
    /// The values that `enum` or `const` leave, without null.
    pub values: Option<Vec<&'v Value>>,
    pub additional: Option<&'v Value>,
    pub items: Option<&'v Value>,
    pub first_items: &'v [Value],
    /// Of `oneOf` or `anyOf`, without one for null alone.
    pub variants: Vec<&'v Value>,
    pub limits: Limits<'v>,
    pub format: Option<&'v str>,
    pub default: Option<&'v Value>,
    pub conditions: BTreeMap<&'static str, &'v Value>,
    nullable: bool,
}

/// How a schema's parts led here.
#[derive(Default)]
struct Way<'v> {
    seen: Vec<&'v str>,
    depth: usize,
}

impl<'v> View<'v> {
    pub fn of(side: &'v Side<'_>, schema: &'v Value) -> Self {
        Self::nested(side, schema, 0)
    }

    /// What stands beside a reference, without what it leads to.
    pub fn beside_reference(side: &'v Side<'_>, schema: &'v Value) -> Self {
        let mut view = Self::default();
        view.rest(side, schema, false, &mut Way::default());
        view.settle(side, 0);
        view
    }

    fn nested(side: &'v Side<'_>, schema: &'v Value, depth: usize) -> Self {
        let mut view = Self::default();
        view.absorb(side, schema, false, &mut Way::default());
        view.settle(side, depth);
        view
    }

    /// This schema where one of its variants holds.
    pub fn with(&self, side: &'v Side<'_>, variant: &'v Value) -> Self {
        let mut view = Self { variants: Vec::new(), types: None, ..self.clone() };
        view.absorb(side, variant, false, &mut Way::default());
        view.settle(side, MAX_NESTED);
        view
    }

    /// `part`: it is one of several that hold together.
    fn absorb(&mut self, side: &'v Side<'_>, schema: &'v Value, part: bool, way: &mut Way<'v>) {
        if way.depth == MAX_DEPTH || side.patience.ends() {
            return;
        }
        way.depth += 1;
        self.absorb_at(side, schema, part, way);
        way.depth -= 1;
    }

    fn absorb_at(&mut self, side: &'v Side<'_>, schema: &'v Value, part: bool, way: &mut Way<'v>) {
        if schema == &Value::Bool(false) {
            self.types = Some(Types::NONE);
        }
        if let Some(reference) = reference_of(schema) {
            if !way.seen.contains(&reference) {
                way.seen.push(reference);
                if let Some(target) = side.target(reference) {
                    self.absorb(side, target, part, way);
                }
            }
            if side.ignores_siblings {
                return;
            }
        }
        self.rest(side, schema, part, way);
    }

    fn rest(&mut self, side: &'v Side<'_>, schema: &'v Value, part: bool, way: &mut Way<'v>) {
        let Some(map) = schema.as_object() else { return };
        self.own(map, part);
        for part in map.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.absorb(side, part, true, way);
        }
        let variants = ["oneOf", "anyOf"].iter().find_map(|key| map.get(*key)?.as_array());
        if let Some(variants) = variants.filter(|_| self.variants.is_empty()) {
            self.variants = variants.iter().collect();
        }
    }

    fn own(&mut self, map: &'v Map<String, Value>, part: bool) {
        let nullable = map.get("nullable") == Some(&Value::Bool(true));
        // Beside allOf it is meant for the whole; in a part with a type, for that part.
        self.nullable |= nullable && !(part && map.contains_key("type"));
        if let Some(mut types) = map.get("type").and_then(Types::read) {
            if nullable {
                types = types.or(Types::NULL);
            }
            self.types = Some(self.types.map_or(types, |before| before.and(types)));
        }
        for (name, schema) in map.get("properties").and_then(Value::as_object).into_iter().flatten() {
            self.properties.entry(name).or_default().push(schema);
        }
        self.required.extend(map.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str));
        let one = map.get("const").map(|value| vec![value]);
        let listed = map.get("enum").and_then(Value::as_array).map(|list| list.iter().collect());
        if let Some(values) = one.or(listed).filter(|_| self.values.is_none()) {
            self.values = Some(values);
        }
        self.additional = self.additional.or(map.get("additionalProperties"));
        self.items = self.items.or(map.get("items"));
        if let Some(Value::Array(list)) = map.get("prefixItems") {
            self.first_items = list;
        }
        self.limits.read(map);
        self.format = self.format.or(map.get("format").and_then(Value::as_str));
        self.default = self.default.or(map.get("default"));
        for name in CONDITIONS {
            if let Some(value) = map.get(name) {
                self.conditions.entry(name).or_insert(value);
            }
        }
    }

    /// Brings ways of saying the same to one form, and infers what `type` leaves out.
    fn settle(&mut self, side: &'v Side<'_>, depth: usize) {
        // Each round takes one level of a variant that stands alone away.
        for _ in 0..MAX_NESTED {
            let all = self.variants.len();
            self.variants.retain(|variant| !is_null(variant));
            self.nullable |= self.variants.len() < all;
            match self.variants[..] {
                [only] => {
                    self.variants.clear();
                    self.absorb(side, only, false, &mut Way::default());
                }
                _ => break,
            }
        }
        self.join_values();
        if self.types.is_none() {
            self.types = self.implied(side, depth);
        }
        if let Some(values) = &mut self.values {
            values.retain(|value| !value.is_null());
        }
        if self.nullable {
            self.types = self.types.map(|types| types.or(Types::NULL));
        }
    }

    /// Variants that are values only are an enum, written with a title for each.
    fn join_values(&mut self) {
        let listed = |variant: &&'v Value| -> Option<Vec<&'v Value>> {
            let map = variant.as_object()?;
            let plain = |key: &String| matches!(key.as_str(), "type" | "const" | "enum" | "title" | "description");
            match (map.get("const"), map.get("enum")) {
                _ if !map.keys().all(plain) => None,
                (Some(value), _) => Some(vec![value]),
                (None, Some(Value::Array(values))) => Some(values.iter().collect()),
                _ => None,
            }
        };
        if self.values.is_some() || self.variants.is_empty() {
            return;
        }
        if let Some(values) = self.variants.iter().map(listed).collect::<Option<Vec<_>>>() {
            self.values = Some(values.concat());
            self.variants.clear();
        }
    }

    fn implied(&self, side: &'v Side<'_>, depth: usize) -> Option<Types> {
        let union =
            |mut types: Box<dyn Iterator<Item = Option<Types>> + '_>| types.try_fold(Types::NONE, |all, one| Some(all.or(one?)));
        if !self.variants.is_empty() {
            if depth >= MAX_NESTED {
                return None;
            }
            return union(Box::new(self.variants.iter().map(|variant| Self::nested(side, variant, depth + 1).types)));
        }
        match &self.values {
            Some(values) => union(Box::new(values.iter().map(|value| Some(Types::of(value))))),
            None if !self.properties.is_empty() || self.additional.is_some() => Some(Types::OBJECT),
            None if self.items.is_some() => Some(Types::ARRAY),
            None => None,
        }
    }
}

fn is_null(variant: &Value) -> bool {
    let only = |value: &Value| value.is_null() || value == &Value::Array(vec![Value::Null]);
    variant.get("type").is_some_and(|value| value == "null")
        || variant.get("const").is_some_and(Value::is_null)
        || variant.get("enum").is_some_and(only)
}
