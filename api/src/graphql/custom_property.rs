//! What plans ask teams for, and what teams answered.

use async_graphql::{InputObject, Json, SimpleObject};
use entities::columns::{Answer, PropertyDefinition};
use serde_json::Value;

use crate::graphql::enums::{FormTarget, PropertyType};

/// Something that a plan asks for.
#[derive(SimpleObject)]
pub struct CustomPropertyDefinition {
    key: String,
    label: String,
    description: Option<String>,
    #[graphql(name = "type")]
    kind: PropertyType,
    required: bool,
    /// Only the provider sets it.
    read_only: bool,
    /// To be asked for when subscribing.
    in_wizard: bool,
    /// What OPTION and OPTIONS are chosen from.
    options: Vec<String>,
    /// Where an approved answer goes by itself.
    applies_to: Option<FormTarget>,
}

/// An answer; null where there is none yet.
#[derive(SimpleObject)]
pub struct CustomPropertyValue {
    key: String,
    value: Option<Json<Value>>,
}

#[derive(InputObject)]
pub struct CustomPropertyDefinitionInput {
    /// Starts with a letter; up to 40 letters, digits, hyphens and underscores.
    key: String,
    label: String,
    description: Option<String>,
    #[graphql(name = "type")]
    kind: PropertyType,
    required: bool,
    /// Only the provider sets it; false unless given.
    read_only: Option<bool>,
    /// False unless given.
    in_wizard: Option<bool>,
    /// Of OPTION and OPTIONS.
    options: Option<Vec<String>>,
    /// Of fields of a submission form.
    applies_to: Option<FormTarget>,
}

#[derive(InputObject)]
pub struct CustomPropertyInput {
    key: String,
    /// Of the property's type: a text, a number, true or false, a list of texts.
    value: Json<Value>,
}

impl From<PropertyDefinition> for CustomPropertyDefinition {
    fn from(row: PropertyDefinition) -> Self {
        Self {
            key: row.key,
            label: row.label,
            description: row.description,
            kind: row.kind.into(),
            required: row.required,
            read_only: row.read_only,
            in_wizard: row.in_wizard,
            options: row.options,
            applies_to: row.applies_to.map(Into::into),
        }
    }
}

impl From<CustomPropertyDefinitionInput> for PropertyDefinition {
    fn from(input: CustomPropertyDefinitionInput) -> Self {
        Self {
            key: input.key,
            label: input.label,
            description: input.description,
            kind: input.kind.into(),
            required: input.required,
            read_only: input.read_only.unwrap_or(false),
            in_wizard: input.in_wizard.unwrap_or(false),
            options: input.options.unwrap_or_default(),
            applies_to: input.applies_to.map(Into::into),
        }
    }
}

impl From<CustomPropertyInput> for Answer {
    fn from(input: CustomPropertyInput) -> Self {
        Self { key: input.key, value: input.value.0 }
    }
}

impl From<Answer> for CustomPropertyValue {
    fn from(answer: Answer) -> Self {
        Self { key: answer.key, value: Some(Json(answer.value)) }
    }
}

/// What was answered of what is asked for.
pub fn values(defined: &[PropertyDefinition], answers: &[Answer]) -> Vec<CustomPropertyValue> {
    let answer = |key: &str| answers.iter().find(|answer| answer.key == key).map(|answer| Json(answer.value.clone()));
    defined.iter().map(|property| CustomPropertyValue { key: property.key.clone(), value: answer(&property.key) }).collect()
}
