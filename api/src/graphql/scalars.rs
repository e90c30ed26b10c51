//! The contract's scalars.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

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

/// A whole number that JavaScript can hold exactly: up to 2^53 either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BigInt(pub i64);

const BIG_INT_MAX: i64 = 1 << 53;

#[Scalar(name = "BigInt")]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::Number(number) => number
                .as_i64()
                .filter(|n| n.abs() <= BIG_INT_MAX)
                .map(Self)
                .ok_or_else(|| InputValueError::custom("must be a whole number up to 2^53")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    fn to_value(&self) -> Value {
        Value::Number(self.0.into())
    }
}
