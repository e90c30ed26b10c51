//! What a document may ask for, checked before anything walks it: async-graphql's own validation follows fragments without
//! a memo, so that a few hundred bytes of nested spreads would keep it busy for minutes.

mod lexer;
mod measure;

use async_graphql::{
    Pos, ServerError,
    parser::types::{ExecutableDocument, OperationDefinition},
};

use crate::graphql::shape::Shape;

/// Bytes of a document; long values belong into variables.
pub const MAX_DOCUMENT: usize = 64 * 1024;
pub const MAX_TOKENS: usize = 2_000;
/// Brackets of any kind inside each other.
pub const MAX_BRACKETS: usize = 50;
/// Selections with every fragment spread out, over all operations of the document.
pub const MAX_SELECTIONS: u64 = 5_000;
/// Fields inside each other.
pub const MAX_DEPTH: usize = 12;
/// As `MAX_DEPTH`, below `__schema` and `__type`: the query that tools send is 15 deep.
pub const MAX_INTROSPECTION_DEPTH: usize = 20;
/// Fields and fragments inside each other.
pub const MAX_LEVELS: usize = 30;
/// Fields at the root, aliased or not.
pub const MAX_ROOTS: usize = 30;
/// Directives on one field, fragment, variable or operation.
pub const MAX_DIRECTIVES: usize = 5;
/// Fields in the answer at most: each connection counts its page size times what is selected of a row, and what takes work
/// counts as several ([`measure::PRICES`]).
pub const MAX_COST: u64 = 100_000;
/// How often the cost of the query that tools send is allowed for introspection.
const INTROSPECTION_ALLOWANCE: u64 = 2;
/// JSON inside JSON, in variables.
pub const MAX_VARIABLE_DEPTH: usize = 32;

/// Why a request was not executed. All of these are the caller's to put right: `BAD_USER_INPUT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub message: String,
    pub pos: Option<Pos>,
    /// The limit that was passed, by its name in `extensions.limit`, and what it is.
    pub limit: Option<(&'static str, u64)>,
}

impl Refusal {
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), pos: None, limit: None }
    }

    fn over(limit: &'static str, max: u64, message: impl Into<String>) -> Self {
        Self { message: message.into(), pos: None, limit: Some((limit, max)) }
    }

    #[must_use]
    fn at(self, pos: Pos) -> Self {
        Self { pos: Some(pos), ..self }
    }

    #[must_use]
    pub fn within_variable(self, name: &str) -> Self {
        Self { message: format!("the variable ${name}: {}", self.message), ..self }
    }

    /// No text of ours may hold one, and PostgreSQL cannot store it.
    pub fn nul() -> Self {
        Self::new("a text must not hold the character U+0000")
    }

    pub fn too_many_operations(max: usize) -> Self {
        Self::over("operations", max as u64, format!("{max} operations are running on this connection: complete one first"))
    }

    pub fn too_deep() -> Self {
        let message = format!("more than {MAX_VARIABLE_DEPTH} lists and objects inside each other");
        Self::over("variables", MAX_VARIABLE_DEPTH as u64, message)
    }
}

impl From<Refusal> for ServerError {
    fn from(refusal: Refusal) -> Self {
        let mut error = Self::new(refusal.message, refusal.pos);
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", crate::error::BAD_USER_INPUT);
        if let Some((limit, max)) = refusal.limit {
            extensions.set("limit", limit);
            extensions.set("max", max);
        }
        error
    }
}

/// Parses a document that is small enough to be parsed.
pub fn parse(text: &str) -> Result<ExecutableDocument, Refusal> {
    lexer::check(text)?;
    async_graphql::parser::parse_query(text).map_err(|error| {
        let pos = error.positions().next();
        Refusal { message: syntax(&error), pos, limit: None }
    })
}

/// The parser's message without its drawing of the source line.
fn syntax(error: &async_graphql::parser::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once("= ") {
        Some((_, expected)) => format!("syntax error: {}", expected.trim().replace("EOI", "end of document")),
        None => text,
    }
}

/// What introspection may cost on this schema.
pub fn introspection_budget(shape: &Shape) -> u64 {
    let Ok(document) = parse(include_str!("introspection.graphql")) else { return 0 };
    let none = async_graphql::Variables::default();
    let measured = measure::document(&document, shape, &none).map(|sizes| sizes.introspection_cost);
    measured.unwrap_or_default().saturating_mul(INTROSPECTION_ALLOWANCE)
}

/// Refuses a document that is too big, whichever of its operations will be executed. True: it asks for the schema.
pub fn check(
    document: &ExecutableDocument,
    shape: &Shape,
    introspection_budget: u64,
    variables: &async_graphql::Variables,
) -> Result<bool, Refusal> {
    let size = measure::document(document, shape, variables)?;
    if size.introspection_cost > introspection_budget {
        return Err(Refusal::over(
            "introspection",
            introspection_budget,
            "this introspection is too large: ask for less of the schema at once",
        ));
    }
    Ok(size.introspects)
}

/// A mutation's field runs once for each time it is written: the same answer key twice would run it twice.
pub fn check_mutation(document: &ExecutableDocument, operation: &OperationDefinition) -> Result<(), Refusal> {
    let mut seen = std::collections::HashSet::new();
    for field in measure::root_fields(document, &operation.selection_set.node) {
        let key = field.node.response_key();
        if !seen.insert(key.node.as_str()) {
            return Err(
                Refusal::new(format!("{} is asked for twice in one mutation: give one of them an alias", key.node)).at(field.pos)
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
