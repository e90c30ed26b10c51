//! Sets of JSON types; an integer is a number without a fraction.

use std::fmt;

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types(u8);

const NAMES: [(&str, u8); 7] = [
    ("string", 1),
    ("number", INTEGER | FRACTION),
    ("integer", INTEGER),
    ("boolean", 8),
    ("array", 16),
    ("object", 32),
    ("null", NULL),
];
const INTEGER: u8 = 2;
const FRACTION: u8 = 4;
const NULL: u8 = 64;

impl Types {
    pub const NONE: Self = Self(0);
    pub const NULL: Self = Self(NULL);
    pub const ARRAY: Self = Self(16);
    pub const OBJECT: Self = Self(32);

    /// What `type` says; `None` where it says nothing that is known.
    pub fn read(value: &Value) -> Option<Self> {
        let named = |name: &Value| NAMES.iter().find(|(known, _)| name == known).map(|(_, bits)| Self(*bits));
        match value {
            Value::Array(list) => list.iter().map(named).try_fold(Self::NONE, |all, one| Some(all.or(one?))),
            one => named(one),
        }
    }

    pub fn of(value: &Value) -> Self {
        Self(match value {
            Value::Null => NULL,
            Value::Bool(_) => 8,
            Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => INTEGER,
            Value::Number(_) => INTEGER | FRACTION,
            Value::String(_) => 1,
            Value::Array(_) => 16,
            Value::Object(_) => 32,
        })
    }

    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub fn is_none(self) -> bool {
        self.0 == 0
    }

    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = *self;
        let mut names = Vec::new();
        for (name, bits) in NAMES {
            if rest.has(Self(bits)) {
                rest = rest.without(Self(bits));
                names.push(name);
            }
        }
        if names.is_empty() { f.write_str("nothing") } else { f.write_str(&names.join(" or ")) }
    }
}
