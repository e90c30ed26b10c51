//! JSON that is text already: it goes into the answer as it is, and in between it is one value, whatever is in it.

use std::{borrow::Cow, sync::Arc};

use async_graphql::{
    ContextSelectionSet, Json, OutputType, Positioned, ServerResult, Value, parser::types::Field, registry::Registry,
};
use bytes::Bytes;
use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;

/// Of the scalar `JSON`.
pub struct JsonText(pub Arc<str>);

struct Shared(Arc<str>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl OutputType for JsonText {
    fn type_name() -> Cow<'static, str> {
        <Json<serde_json::Value> as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Json<serde_json::Value> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        Ok(Value::Binary(Bytes::from_owner(Shared(Arc::clone(&self.0)))))
    }
}

/// A value as it is written: no other scalar is made of bytes.
struct Written<'v>(&'v Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Binary(json) => serde_json::from_slice::<&RawValue>(json).map_err(S::Error::custom)?.serialize(serializer),
            Value::List(entries) => serializer.collect_seq(entries.iter().map(Written)),
            Value::Object(fields) => serializer.collect_map(fields.iter().map(|(key, value)| (key, Written(value)))),
            leaf => leaf.serialize(serializer),
        }
    }
}

/// For an answer's `data`.
pub fn written<S: Serializer>(data: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    data.as_ref().map(Written).serialize(serializer)
}
