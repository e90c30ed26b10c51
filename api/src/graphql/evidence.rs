//! What reviewers want to see of the sandbox work, and what its traffic shows.

use async_graphql::{InputObject, SimpleObject};
use domain::rules::evidence;
use entities::columns;

use crate::graphql::enums::ReviewCheckKind;

/// Something that a plan's reviewers look at. It informs both sides and never blocks.
#[derive(SimpleObject)]
pub struct ReviewCheck {
    kind: ReviewCheckKind,
    /// Of OPERATION_CALLED, as the document has it: `GET /orders/{id}`.
    operation: Option<String>,
    /// Calls, or of ERROR_RATE_BELOW percent.
    threshold: Option<f64>,
    /// What it asks for, in words.
    text: String,
}

impl From<columns::ReviewCheck> for ReviewCheck {
    fn from(row: columns::ReviewCheck) -> Self {
        Self { text: evidence::text(&row), kind: row.kind.into(), operation: row.operation, threshold: row.threshold }
    }
}

/// What the sandbox traffic shows of a check.
#[derive(SimpleObject)]
pub struct Evidence {
    check: ReviewCheck,
    met: bool,
    observed: String,
}

impl From<columns::Evidence> for Evidence {
    fn from(row: columns::Evidence) -> Self {
        Self { check: row.check.into(), met: row.met, observed: row.observed }
    }
}

#[derive(InputObject)]
pub struct ReviewCheckInput {
    kind: ReviewCheckKind,
    /// For OPERATION_CALLED: a method and a path of the product's document, such as `GET /orders/{id}`.
    operation: Option<String>,
    /// Calls (1 unless given), or for ERROR_RATE_BELOW percent.
    threshold: Option<f64>,
}

impl From<ReviewCheckInput> for columns::ReviewCheck {
    fn from(input: ReviewCheckInput) -> Self {
        Self { kind: input.kind.into(), operation: input.operation, threshold: input.threshold }
    }
}
