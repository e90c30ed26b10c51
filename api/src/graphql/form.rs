//! What is filled in when sandbox work is submitted for review.

use async_graphql::{InputObject, SimpleObject};
use entities::columns;

use crate::graphql::custom_property::{CustomPropertyDefinition, CustomPropertyDefinitionInput};

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
