//! What a plan asks for, and the answers.

use async_graphql::{InputObject, Json, SimpleObject};
use entities::columns;
use serde_json::Value;

use crate::graphql::enums::{FormTarget, PropertyType};

/// Something that a plan asks for.
#[derive(SimpleObject)]
pub struct CustomPropertyDefinition {
    key: String,
    label: String,
    description: Option<String>,
    r#type: PropertyType,
    required: bool,
    /// Set by the provider alone.
    read_only: bool,
    /// Asked for on the way to the subscription.
    in_wizard: bool,
    /// Of OPTION and OPTIONS.
    options: Vec<String>,
    /// Where an approved answer goes by itself.
    applies_to: Option<FormTarget>,
}

impl From<columns::PropertyDefinition> for CustomPropertyDefinition {
    fn from(field: columns::PropertyDefinition) -> Self {
        Self {
            key: field.key,
            label: field.label,
            description: field.description,
            r#type: field.kind.into(),
            required: field.required,
            read_only: field.read_only,
            in_wizard: field.in_wizard,
            options: field.options,
            applies_to: field.applies_to.map(Into::into),
        }
    }
}

/// What is filled in when sandbox work is submitted for review.
#[derive(SimpleObject)]
pub struct SubmissionForm {
    steps: Vec<FormStep>,
}

#[derive(SimpleObject)]
pub struct FormStep {
    title: String,
    fields: Vec<CustomPropertyDefinition>,
}

impl From<columns::SubmissionForm> for SubmissionForm {
    fn from(form: columns::SubmissionForm) -> Self {
        let step = |step: columns::FormStep| FormStep {
            title: step.title,
            fields: step.fields.into_iter().map(CustomPropertyDefinition::from).collect(),
        };
        Self { steps: form.steps.into_iter().map(step).collect() }
    }
}

/// An answer: a text, a number, a boolean, or a list of texts.
#[derive(SimpleObject)]
pub struct CustomPropertyValue {
    key: String,
    value: Option<Json<Value>>,
}

impl From<columns::Answer> for CustomPropertyValue {
    fn from(answer: columns::Answer) -> Self {
        Self { key: answer.key, value: Some(Json(answer.value)) }
    }
}

#[derive(InputObject)]
pub struct CustomPropertyInput {
    key: String,
    value: Json<Value>,
}

impl From<CustomPropertyInput> for columns::Answer {
    fn from(input: CustomPropertyInput) -> Self {
        Self { key: input.key, value: input.value.0 }
    }
}

#[derive(InputObject)]
pub struct CustomPropertyDefinitionInput {
    /// Starts with a letter; letters, digits, hyphens and underscores.
    key: String,
    label: String,
    description: Option<String>,
    r#type: PropertyType,
    required: bool,
    /// False unless given.
    read_only: Option<bool>,
    /// False unless given.
    in_wizard: Option<bool>,
    /// For OPTION and OPTIONS.
    options: Option<Vec<String>>,
    applies_to: Option<FormTarget>,
}

impl From<CustomPropertyDefinitionInput> for columns::PropertyDefinition {
    fn from(input: CustomPropertyDefinitionInput) -> Self {
        Self {
            key: input.key,
            label: input.label,
            description: input.description,
            kind: input.r#type.into(),
            required: input.required,
            read_only: input.read_only.unwrap_or(false),
            in_wizard: input.in_wizard.unwrap_or(false),
            options: input.options.unwrap_or_default(),
            applies_to: input.applies_to.map(Into::into),
        }
    }
}

#[derive(InputObject)]
pub struct SubmissionFormInput {
    steps: Vec<FormStepInput>,
}

#[derive(InputObject)]
pub struct FormStepInput {
    title: String,
    fields: Vec<CustomPropertyDefinitionInput>,
}

impl From<SubmissionFormInput> for columns::SubmissionForm {
    fn from(input: SubmissionFormInput) -> Self {
        let step = |step: FormStepInput| columns::FormStep {
            title: step.title,
            fields: step.fields.into_iter().map(Into::into).collect(),
        };
        Self { steps: input.steps.into_iter().map(step).collect() }
    }
}
