//! OpenAPI documents: read once at publishing with every fault named by its place, and looked into afterwards without
//! being parsed as a whole.

mod document;
mod fault;
mod operations;
mod pointer;
mod prune;
mod references;
mod render;
mod resolve;
mod security;
mod syntax;
mod template;

pub use document::Document;
pub use fault::{Fault, Place};
pub use operations::Operation;
pub use pointer::At;
pub use render::{Format, Hidden};
pub use resolve::{Untold, drop_overridden};
use serde_json::Value;
pub use template::shape;

use self::fault::Faults;
pub(in crate::rules) use self::{
    operations::methods,
    pointer::{follow, steps},
};

/// Bytes.
pub const MAX_DOCUMENT: usize = 32 << 20;
/// Levels of objects and lists inside of each other.
pub const MAX_DEPTH: usize = 100;
pub const MAX_OPERATIONS: usize = 20_000;

/// What a document says of itself, and its operations in its order.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub title: String,
    pub version: String,
    /// The version of the OpenAPI specification, such as `3.1.0`.
    pub openapi: String,
    pub operations: Vec<Operation>,
    /// The document as compact JSON, its keys in their order.
    pub json: String,
}

/// Reads a document in JSON or YAML, OpenAPI 3.0 to 3.2. What is wrong is named with its place, several faults at once.
/// Takes time with the document's size: about a second for 10 MB of YAML.
pub fn read(text: &str) -> Result<Imported, Vec<Fault>> {
    let document = syntax::parse(text).map_err(|fault| vec![fault])?;
    let mut faults = Faults::default();
    let head = head(&document, &mut faults).ok_or_else(|| faults.take())?;
    references::check(&document, &mut faults);
    let operations = operations::read(&document, &head.openapi, &mut faults);
    if operations.len() > MAX_OPERATIONS {
        faults.add(Place::Whole, format!("has {} operations; at most {MAX_OPERATIONS} can be published", operations.len()));
    }
    let faults = faults.take();
    if !faults.is_empty() {
        return Err(faults);
    }
    let json = serde_json::to_string(&document).map_err(|error| vec![Fault::new(Place::Whole, error.to_string())])?;
    Ok(Imported { title: head.title, version: head.version, openapi: head.openapi, operations, json })
}

struct Head {
    title: String,
    version: String,
    openapi: String,
}

/// `None` where the rest would only be noise: it is no OpenAPI 3 document.
fn head(document: &Value, faults: &mut Faults) -> Option<Head> {
    let Value::Object(root) = document else {
        faults.add(Place::Whole, "must be an OpenAPI document: an object with openapi, info and paths");
        return None;
    };
    if root.contains_key("swagger") {
        faults.at(
            &At::root().key("swagger"),
            "is Swagger 2.0: convert it to OpenAPI 3 first, for instance with `npx swagger2openapi FILE`, and publish the result",
        );
        return None;
    }
    let openapi = match root.get("openapi") {
        Some(Value::String(version)) if supported(version) => version.clone(),
        Some(Value::String(version)) => {
            faults.at(&At::root().key("openapi"), format!("is {version:?}; 3.0, 3.1 and 3.2 can be read"));
            return None;
        }
        Some(_) => {
            faults.at(&At::root().key("openapi"), "must be a text: put the version in quotes, such as \"3.1.0\"");
            return None;
        }
        None => {
            faults.add(Place::Whole, "must be an OpenAPI document: openapi is missing at the top, such as openapi: 3.1.0");
            return None;
        }
    };
    let top = At::root();
    let info = top.key("info");
    let mut text = |field: &str| match document.get("info").and_then(|info| info.get(field)) {
        Some(Value::String(text)) if !text.trim().is_empty() => text.trim().to_owned(),
        Some(Value::Number(_)) => {
            faults.at(&info.key(field), "must be a text: put it in quotes");
            String::new()
        }
        _ => {
            faults.at(&info.key(field), "is missing or empty");
            String::new()
        }
    };
    Some(Head { title: text("title"), version: text("version"), openapi })
}

fn supported(version: &str) -> bool {
    ["3.0", "3.1", "3.2"].iter().any(|minor| {
        let patch = version.strip_prefix(minor);
        patch.is_some_and(|patch| {
            patch.is_empty() || patch.starts_with('.') && patch[1..].starts_with(|c: char| c.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests;
