//! From text to a value: JSON or YAML, within limits, doubled keys refused.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, alias_limits, budget, options};

use super::{Fault, MAX_DEPTH, MAX_DOCUMENT, Place};

/// What aliases may add to a YAML document, in events; one that grows beyond it is a bomb.
const MAX_ALIASED: usize = 500_000;
const MAX_ALIASES: usize = 20_000;
/// Values in a document; 13 MB of JSON have about half a million.
const MAX_NODES: usize = 4_000_000;

pub fn parse(text: &str) -> Result<Value, Fault> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > MAX_DOCUMENT {
        let message = format!("has {} MiB; at most {} MiB can be published", text.len() >> 20, MAX_DOCUMENT >> 20);
        return Err(Fault::new(Place::Whole, message));
    }
    if text.trim_start().starts_with(['{', '[']) { json(text) } else { yaml(text) }
}

fn json(text: &str) -> Result<Value, Fault> {
    let mut reader = serde_json::Deserializer::from_str(text);
    Bounded { depth: 0 }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value)).map_err(|error| {
        let message = error.to_string();
        // The position stands in front; serde_json writes it behind as well.
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message).to_owned();
        Fault::new(Place::Text { line: error.line() as u64, column: error.column() as u64 }, message)
    })
}

fn yaml(text: &str) -> Result<Value, Fault> {
    let options = options! {
        budget: budget! {
            max_depth: MAX_DEPTH + 1,
            flow_nesting_limit: MAX_DEPTH + 1,
            max_documents: 1,
            max_aliases: MAX_ALIASES,
            max_nodes: MAX_NODES,
            max_events: 2 * MAX_NODES,
            // One shared schema may be used hundreds of times; what bombs do is bounded by what aliases add.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: alias_limits! { max_total_replayed_events: MAX_ALIASED },
        duplicate_keys: DuplicateKeyPolicy::Error,
        // YAML 1.2, as the OpenAPI specification asks for: `no` is a country, not false.
        strict_booleans: true,
        emit_comments: false,
        with_snippet: false,
    };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| Bounded { depth: 0 }.deserialize(reader))
        .map_err(|error| {
            let place = error.location().map(|at| Place::Text { line: at.line(), column: at.column() }).unwrap_or(Place::Whole);
            let message = error.without_snippet().to_string();
            // The position stands in front already, and the reader's own settings are no advice for a document's author.
            let message = message.split(" at line ").next().unwrap_or_default().split(", set DuplicateKeyPolicy").next();
            Fault::new(place, message.unwrap_or_default())
        })
}

/// Builds a value of at most [`MAX_DEPTH`] levels in which no key stands twice.
#[derive(Clone, Copy)]
struct Bounded {
    depth: usize,
}

impl Bounded {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }
    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Value, E> {
        self.visit_f64(value as f64)
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a number that JSON has"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format_args!("the key {key:?} stands twice in one object")));
            }
            let value = entries.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
