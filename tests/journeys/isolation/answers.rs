//! What an answer amounts to.

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// A rule said no, in `userErrors`: who asked may ask.
    Refused,
    Forbidden,
    NotFound,
    Unauthenticated,
    SecondFactor,
}

impl Outcome {
    /// In the matrix.
    pub fn cell(self) -> &'static str {
        match self {
            Self::Done | Self::Refused => "yes",
            Self::Forbidden => "-",
            Self::NotFound => "?",
            Self::Unauthenticated => "!",
            Self::SecondFactor => "2",
        }
    }
}

/// Of a mutation's answer, or a subscription's. Any other error than these is a fault: it fails the test.
pub fn outcome(field: &str, answer: &Value) -> Outcome {
    if let Some(error) = answer["errors"].get(0) {
        return match error["extensions"]["code"].as_str() {
            Some("UNAUTHENTICATED") => Outcome::Unauthenticated,
            Some("SECOND_FACTOR_REQUIRED") => Outcome::SecondFactor,
            Some("FORBIDDEN") => Outcome::Forbidden,
            Some("NOT_FOUND") => Outcome::NotFound,
            Some("RATE_LIMITED") => Outcome::Refused,
            _ => panic!("{field}: {answer}"),
        };
    }
    let errors = answer["data"][field]["userErrors"].as_array();
    if errors.is_some_and(|errors| !errors.is_empty()) { Outcome::Refused } else { Outcome::Done }
}

/// Whether there is something: not null, no empty list, no page without rows; through lists, somewhere.
pub fn is_filled(value: &Value, path: &[&str]) -> bool {
    match (value, path) {
        (Value::Null, _) => false,
        (Value::Array(items), _) => items.iter().any(|item| is_filled(item, path)),
        (Value::Object(fields), [first, rest @ ..]) => fields.get(*first).is_some_and(|value| is_filled(value, rest)),
        (Value::Object(fields), []) => fields.get("nodes").is_none_or(|nodes| is_filled(nodes, &[])),
        _ => path.is_empty(),
    }
}
