//! The contract's scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{DateTime, Utc};
use domain::rules::text;

/// A mail address, as it was typed; the operation that takes it checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailAddress(pub String);

#[Scalar(name = "EmailAddress")]
impl ScalarType for EmailAddress {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// An absolute URL, as it was typed; the operation that takes it checks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(pub String);

#[Scalar(name = "URL")]
impl ScalarType for Url {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// A time that is given, of the years 1 to 9999: RFC 3339 writes no others. What is answered is a `DateTime` of chrono.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment(pub DateTime<Utc>);

#[Scalar(name = "DateTime")]
impl ScalarType for Moment {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(time) => text::time(time).map(Self).ok_or_else(|| InputValueError::custom(text::NOT_A_TIME)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339())
    }
}

/// A whole number that JavaScript can hold exactly: up to 2^53 either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BigInt(pub i64);

const BIG_INT_MAX: u64 = 1 << 53;

#[Scalar(name = "BigInt")]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number
                .as_i64()
                .filter(|n| n.unsigned_abs() <= BIG_INT_MAX)
                .map(Self)
                .ok_or_else(|| InputValueError::custom("must be a whole number up to 2^53")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_that_javascript_holds() {
        for (given, fits) in [(1 << 53, true), (-(1 << 53), true), ((1 << 53) + 1, false), (i64::MIN, false), (i64::MAX, false)] {
            assert_eq!(BigInt::parse(Value::Number(given.into())).is_ok(), fits, "{given}");
        }
    }
}
