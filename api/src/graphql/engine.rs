//! From a request's parameters to its answer, the same over HTTP and over the socket: limits, execution within a time,
//! completion. What it answers is the GraphQL specification's response; how it travels is `http::graphql`'s business.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use async_graphql::{
    Executor, Name, Request, Response, ServerError, Value, Variables,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
};
use axum::http::HeaderMap;
use futures_util::{FutureExt, Stream, StreamExt};
use serde::Serialize;

use crate::{
    error::{BAD_USER_INPUT, INTERNAL},
    graphql::{
        allowance::{Allowance, MAX_ANSWER, Over, weight},
        batches::Batches,
        complete::{self, Asked},
        json_text,
        limits::{self, MAX_VARIABLE_DEPTH, Refusal},
        shape::Shape,
    },
};

/// How long one query or mutation may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(15);

/// So many errors of one request are told; a document with a thousand wrong fields needs no more to be put right.
const MAX_ERRORS: usize = 20;

/// What a request says, by any transport.
#[derive(Debug, Default)]
pub struct Parameters {
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: serde_json::Map<String, serde_json::Value>,
}

/// A schema with what stands before and after it.
#[derive(Clone)]
pub struct Engine<E> {
    executor: E,
    shape: Arc<Shape>,
    introspection_budget: u64,
    introspection: bool,
    time_limit: Duration,
}

/// A request within the limits.
pub struct Prepared {
    request: Request,
    asked: Asked,
    pub operation: OperationType,
    allowance: Arc<Allowance>,
    /// What its loaders fetch.
    pub batches: Batches,
}

/// `data` is absent where nothing was executed.
#[derive(Debug, Serialize)]
pub struct Answer {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ServerError>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "json_text::written")]
    pub data: Option<Value>,
    #[serde(skip)]
    pub outcome: Outcome,
    /// What resolvers want in the HTTP answer: cookies.
    #[serde(skip)]
    pub headers: HeaderMap,
}

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Executed, with errors in fields or without.
    Executed,
    /// The document does not fit the schema, or passes a limit.
    Refused,
    /// The answer would be too large.
    TooMuch,
    TimedOut,
    /// A fault of ours.
    Failed,
}

impl Prepared {
    #[must_use]
    pub fn with<D: std::any::Any + Send + Sync>(mut self, data: D) -> Self {
        self.request = self.request.data(data);
        self
    }
}

impl<E: Executor> Engine<E> {
    /// `sdl` is the executor's own.
    pub fn new(executor: E, sdl: &str, introspection: bool, time_limit: Duration) -> Self {
        let shape = Arc::new(Shape::of(sdl));
        Self { executor, introspection_budget: limits::introspection_budget(&shape), shape, introspection, time_limit }
    }

    /// Parses and measures; nothing is executed.
    pub fn prepare(&self, parameters: Parameters) -> Result<Prepared, Refusal> {
        let mut document = limits::parse(&parameters.query)?;
        let name = parameters.operation_name.as_deref().filter(|name| !name.is_empty());
        let operation = executed(&document, name)?;
        let variables = variables(operation, parameters.variables)?;
        let introspects = limits::check(&document, &self.shape, self.introspection_budget, &variables)?;
        if introspects && !self.introspection {
            return Err(Refusal::new("introspection is switched off here: ask the portal's operator for the schema"));
        }
        if operation.ty == OperationType::Mutation {
            limits::check_mutation(&document, operation)?;
        }
        let kind = operation.ty;
        let asked = Asked::new(&document, operation, variables.clone());
        complete::mark(&mut document);
        let mut request = Request::new(parameters.query).variables(variables);
        if let Some(name) = name {
            request = request.operation_name(name);
        }
        request.set_parsed_query(document);
        let allowance = Arc::new(Allowance::new(self.time_limit));
        let request = request.data(Arc::clone(&allowance));
        Ok(Prepared { request, asked, operation: kind, allowance, batches: Batches::default() })
    }

    /// A query or a mutation.
    pub async fn execute(&self, prepared: Prepared) -> Answer {
        let Prepared { request, asked, operation, allowance, batches } = prepared;
        let making = batches.drive(self.executor.execute(request));
        let execution = async {
            // What a mutation has done, and a secret that is shown once, is told whatever comes after it.
            if operation == OperationType::Mutation { Some(making.await) } else { allowance.within(making).await }
        };
        let response = match tokio::time::timeout(self.time_limit, AssertUnwindSafe(execution).catch_unwind()).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => {
                tracing::error!("a resolver panicked");
                return Answer::failed();
            }
            Err(_) => return self.beyond(Over::Time),
        };
        match (response, allowance.over()) {
            (Some(response), None) => self.answer(&asked, response),
            (Some(response), Some(over)) if operation == OperationType::Mutation => {
                let mut answer = self.answer(&asked, response);
                answer.errors.insert(0, over.error(self.time_limit));
                // Fields that were refused are null in it, whatever their keys are.
                if answer.data.as_ref().is_some_and(|data| weight(data) > MAX_ANSWER) { self.beyond(over) } else { answer }
            }
            (_, over) => self.beyond(over.unwrap_or(Over::Size)),
        }
    }

    fn beyond(&self, over: Over) -> Answer {
        let outcome = match over {
            Over::Size => Outcome::TooMuch,
            Over::Time => Outcome::TimedOut,
        };
        Answer::without_data(vec![over.error(self.time_limit)], outcome)
    }

    /// A subscription's answers, until it ends.
    pub fn stream(&self, prepared: Prepared) -> impl Stream<Item = Answer> + Send + use<E> {
        let Prepared { request, asked, allowance, batches, .. } = prepared;
        let engine = self.clone();
        let answers = batches.drive_all(self.executor.execute_stream(request, None));
        AssertUnwindSafe(answers).catch_unwind().map(move |response| {
            let over = allowance.over();
            allowance.renew();
            match (response, over) {
                (Ok(response), None) => engine.answer(&asked, response),
                (Ok(_), Some(over)) => engine.beyond(over),
                (Err(_), _) => Answer::failed(),
            }
        })
    }

    fn answer(&self, asked: &Asked, response: Response) -> Answer {
        let mut errors = response.errors;
        errors.truncate(MAX_ERRORS);
        for error in &mut errors {
            let extensions = error.extensions.get_or_insert_default();
            if extensions.get("code").is_none() {
                // Ours carry a code: what has none was found wrong with the request by the library.
                extensions.set("code", BAD_USER_INPUT);
            }
        }
        match response.data {
            // An executed operation's root tells its type at least: nothing was executed.
            Value::Null => Answer::without_data(errors, Outcome::Refused),
            data => Answer {
                errors,
                data: Some(asked.complete(&self.shape, data)),
                outcome: Outcome::Executed,
                headers: response.http_headers,
            },
        }
    }
}

impl Answer {
    pub fn refused(error: impl Into<ServerError>) -> Self {
        Self::without_data(vec![error.into()], Outcome::Refused)
    }

    fn without_data(errors: Vec<ServerError>, outcome: Outcome) -> Self {
        Self { errors, data: None, outcome, headers: HeaderMap::new() }
    }

    fn failed() -> Self {
        Self::without_data(vec![coded("internal error", INTERNAL)], Outcome::Failed)
    }
}

/// An error about the request as a whole.
pub fn coded(message: impl Into<String>, code: &'static str) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code);
    error
}

/// The operation that a request names, or the only one.
fn executed<'a>(document: &'a ExecutableDocument, name: Option<&str>) -> Result<&'a OperationDefinition, Refusal> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(&operation.node),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next().map(|operation| &operation.node).ok_or_else(|| Refusal::new("no operation"))
        }
        (DocumentOperations::Multiple(_), None) => {
            Err(Refusal::new("the document has several operations: name one in operationName"))
        }
        (DocumentOperations::Multiple(operations), Some(name)) if operations.contains_key(name) => Ok(&operations[name].node),
        (_, Some(name)) => Err(Refusal::new(format!("there is no operation named {name} in the document"))),
    }
}

/// The variables of an operation, with their defaults (GraphQL specification, section 6.1.2). Types are checked by validation.
fn variables(
    operation: &OperationDefinition,
    mut given: serde_json::Map<String, serde_json::Value>,
) -> Result<Variables, Refusal> {
    let mut variables = Variables::default();
    for definition in &operation.variable_definitions {
        let (definition, pos) = (&definition.node, definition.pos);
        let name = &definition.name.node;
        let value = match given.remove(name.as_str()) {
            Some(value) => Some(variable(value, 0).map_err(|refusal| refusal.within_variable(name))?),
            None => definition.default_value.as_ref().map(|value| value.node.clone()),
        };
        if !definition.var_type.node.nullable && value.as_ref().is_none_or(|value| *value == Value::Null) {
            let message = format!("the variable ${name} must be given: it has the type {}", definition.var_type.node);
            return Err(Refusal { pos: Some(pos), ..Refusal::new(message) });
        }
        if let Some(value) = value {
            variables.insert(name.clone(), value);
        }
    }
    Ok(variables)
}

fn variable(json: serde_json::Value, depth: usize) -> Result<Value, Refusal> {
    if depth > MAX_VARIABLE_DEPTH {
        return Err(Refusal::too_deep());
    }
    Ok(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(value),
        serde_json::Value::Number(number) => Value::Number(number),
        serde_json::Value::String(text) if text.contains('\0') => return Err(Refusal::nul()),
        serde_json::Value::String(text) => Value::String(text),
        serde_json::Value::Array(entries) => {
            Value::List(entries.into_iter().map(|entry| variable(entry, depth + 1)).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(key, value)| Ok((Name::new(key), variable(value, depth + 1)?)))
                .collect::<Result<_, Refusal>>()?,
        ),
    })
}

#[cfg(test)]
mod tests;
