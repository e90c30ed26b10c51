//! The operations of a document, and what is wrong with its paths.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{
    fault::Faults,
    pointer::{At, follow, steps},
    security::Schemes,
    template,
};

/// A method on a path template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Upper case.
    pub method: String,
    /// As the document has it.
    pub path: String,
    pub operation_id: Option<String>,
    pub summary: Option<String>,
    pub tags: Vec<String>,
    /// Sets of scopes of which one has to be held in full; empty: none is needed.
    pub scopes: Vec<Vec<String>>,
    pub deprecated: bool,
}

pub const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// The methods that a document of this version of the specification can name in a path item.
pub fn methods(openapi: &str) -> impl Iterator<Item = &'static str> + use<> {
    METHODS.into_iter().chain(openapi.starts_with("3.2").then_some("query"))
}

pub fn read(document: &Value, openapi: &str, faults: &mut Faults) -> Vec<Operation> {
    let root = At::root();
    let at = root.key("paths");
    let paths = match document.get("paths") {
        Some(Value::Object(paths)) => paths,
        // Only 3.0 requires it: later documents may hold webhooks or components alone.
        None if !openapi.starts_with("3.0") => return Vec::new(),
        None => {
            faults.at(&at, "is missing");
            return Vec::new();
        }
        Some(_) => {
            faults.at(&at, "must be an object of path templates");
            return Vec::new();
        }
    };
    let schemes = Schemes::of(document, faults);
    let mut reader =
        Reader { document, openapi, schemes, faults, found: Vec::new(), routes: HashMap::new(), operation_ids: HashMap::new() };
    for (path, item) in paths.iter().filter(|(path, _)| !path.starts_with("x-")) {
        reader.path(path, item, &at.key(path));
    }
    reader.found
}

struct Reader<'d, 'f> {
    document: &'d Value,
    openapi: &'d str,
    schemes: Schemes<'d>,
    faults: &'f mut Faults,
    found: Vec<Operation>,
    /// Method and shape, and the template that has them.
    routes: HashMap<(&'static str, String), &'d str>,
    /// Operation ids, and where each stands.
    operation_ids: HashMap<&'d str, String>,
}

impl<'d> Reader<'d, '_> {
    fn path(&mut self, path: &'d str, item: &'d Value, at: &At<'_>) {
        let shape = match template::shape(path) {
            Ok(shape) => shape,
            Err(message) => return self.faults.at(at, message),
        };
        let Some(item) = self.resolved_item(item, at) else { return };
        let methods: Vec<_> = methods(self.openapi).collect();
        for (key, value) in item {
            let at = at.key(key);
            match methods.iter().find(|method| *method == key) {
                Some(method) => self.operation(method, path, &shape, value, &at),
                None if key == "parameters" => self.parameters(value, &at),
                None if is_item_field(key) => {}
                None => self.faults.at(&at, format!("is no method; those are {}", methods.join(", "))),
            }
        }
    }

    /// The path item, or the one that it refers to.
    fn resolved_item(&mut self, item: &'d Value, at: &At<'_>) -> Option<&'d Map<String, Value>> {
        let target = match item.get("$ref").and_then(Value::as_str) {
            Some(reference) => steps(reference).and_then(|steps| follow(self.document, &steps)),
            None => Some(item),
        };
        match target {
            Some(Value::Object(map)) if !map.contains_key("$ref") => Some(map),
            Some(Value::Object(_)) => {
                self.faults.at(at, "refers to a path item that itself is a reference: refer to the last one");
                None
            }
            Some(_) => {
                self.faults.at(at, "must be an object of methods");
                None
            }
            // A reference that leads nowhere has been told of.
            None => None,
        }
    }

    fn operation(&mut self, method: &'static str, path: &'d str, shape: &str, value: &'d Value, at: &At<'_>) {
        let Value::Object(operation) = value else {
            return self.faults.at(at, "must be an operation object");
        };
        match self.routes.get(&(method, shape.to_owned())) {
            Some(other) => {
                let message = format!("matches the same calls as {method} {other}: parameters' names make no difference");
                self.faults.at(at, message);
            }
            None => drop(self.routes.insert((method, shape.to_owned()), path)),
        }
        self.operation_id(operation, at);
        self.responses(operation, at);
        if let Some(parameters) = operation.get("parameters") {
            self.parameters(parameters, &at.key("parameters"));
        }
        for field in ["summary", "description"] {
            if operation.get(field).is_some_and(|value| !value.is_string()) {
                self.faults.at(&at.key(field), "must be a text");
            }
        }
        let text = |field: &str| operation.get(field).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
        let found = Operation {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            operation_id: text("operationId").map(str::to_owned),
            summary: text("summary").map(str::to_owned),
            tags: self.tags(operation, at),
            scopes: self.schemes.scopes(value, at, self.faults),
            deprecated: self.flag(operation, "deprecated", at),
        };
        self.found.push(found);
    }

    fn operation_id(&mut self, operation: &'d Map<String, Value>, at: &At<'_>) {
        let at = at.key("operationId");
        match operation.get("operationId") {
            None => {}
            Some(Value::String(id)) => match self.operation_ids.get(id.as_str()) {
                Some(other) => self.faults.at(&at, format!("is {id:?}, which {other} has already")),
                None => drop(self.operation_ids.insert(id, at.to_string())),
            },
            Some(_) => self.faults.at(&at, "must be a text"),
        }
    }

    fn responses(&mut self, operation: &Map<String, Value>, at: &At<'_>) {
        let at = at.key("responses");
        let responses = match operation.get("responses") {
            Some(Value::Object(responses)) => responses,
            None if !self.openapi.starts_with("3.0") => return,
            None => return self.faults.at(&at, "is missing"),
            Some(_) => return self.faults.at(&at, "must be an object of status codes"),
        };
        for (status, response) in responses.iter().filter(|(status, _)| !status.starts_with("x-")) {
            if !is_status(status) {
                self.faults.at(&at.key(status), "is no status: use a code such as 200, a range such as 2XX, or default");
            } else if !response.is_object() {
                self.faults.at(&at.key(status), "must be a response object");
            }
        }
    }

    fn parameters(&mut self, parameters: &Value, at: &At<'_>) {
        let Value::Array(list) = parameters else {
            return self.faults.at(at, "must be a list");
        };
        for (i, parameter) in list.iter().enumerate() {
            let at = at.index(i);
            let Value::Object(parameter) = parameter else {
                self.faults.at(&at, "must be a parameter object");
                continue;
            };
            if parameter.contains_key("$ref") {
                continue;
            }
            if !parameter.get("name").is_some_and(Value::is_string) {
                self.faults.at(&at.key("name"), "is missing or no text");
            }
            let place = parameter.get("in").and_then(Value::as_str);
            if !matches!(place, Some("query" | "header" | "path" | "cookie" | "querystring")) {
                self.faults.at(&at.key("in"), "must be query, header, path or cookie");
            }
        }
    }

    fn tags(&mut self, operation: &Map<String, Value>, at: &At<'_>) -> Vec<String> {
        let at = at.key("tags");
        match operation.get("tags") {
            None => Vec::new(),
            Some(Value::Array(tags)) => {
                let mut kept = Vec::new();
                for (i, tag) in tags.iter().enumerate() {
                    match tag.as_str() {
                        Some(tag) => kept.push(tag.to_owned()),
                        None => self.faults.at(&at.index(i), "must be a text"),
                    }
                }
                kept
            }
            Some(_) => {
                self.faults.at(&at, "must be a list of texts");
                Vec::new()
            }
        }
    }

    fn flag(&mut self, operation: &Map<String, Value>, field: &str, at: &At<'_>) -> bool {
        match operation.get(field) {
            None => false,
            Some(Value::Bool(set)) => *set,
            Some(_) => {
                self.faults.at(&at.key(field), "must be true or false");
                false
            }
        }
    }
}

fn is_item_field(key: &str) -> bool {
    matches!(key, "$ref" | "summary" | "description" | "servers") || key.starts_with("x-")
}

fn is_status(status: &str) -> bool {
    let range = |s: &[u8]| matches!(s, [b'1'..=b'5', b'0'..=b'9' | b'X' | b'x', b'0'..=b'9' | b'X' | b'x']);
    status == "default" || range(status.as_bytes())
}
