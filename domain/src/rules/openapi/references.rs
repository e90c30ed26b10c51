//! Every `$ref` of a document leads to a place inside of it: nothing is fetched, and nothing dangles.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    fault::Faults,
    pointer::{At, follow, steps},
};

pub fn check(document: &Value, faults: &mut Faults) {
    let mut anchors = HashSet::new();
    collect_anchors(document, &mut anchors);
    let mut walk = Walk { document, anchors, fine: HashSet::new(), faults };
    walk.value(document, &At::root(), false);
}

struct Walk<'d, 'f> {
    document: &'d Value,
    anchors: HashSet<&'d str>,
    fine: HashSet<&'d str>,
    faults: &'f mut Faults,
}

impl<'d> Walk<'d, '_> {
    /// `names`: the keys here are names that the document's author gave, not the specification's words.
    fn value(&mut self, value: &'d Value, at: &At<'_>, names: bool) {
        match value {
            Value::Array(list) => list.iter().enumerate().for_each(|(i, value)| self.value(value, &at.index(i), false)),
            Value::Object(map) => {
                for (key, value) in map {
                    let at = at.key(key);
                    match value {
                        Value::String(reference) if key == "$ref" => self.reference(reference, &at),
                        Value::String(_) => {}
                        _ if !names && is_data(key, value) => {}
                        _ => self.value(value, &at, !names && holds_names(key)),
                    }
                }
            }
            _ => {}
        }
    }

    fn reference(&mut self, reference: &'d str, at: &At<'_>) {
        if self.fine.contains(reference) {
            return;
        }
        if !reference.starts_with('#') {
            let message =
                format!("leads out of the document ({reference}): nothing is fetched, so bundle it into one document first");
            return self.faults.at(at, message);
        }
        let found = match steps(reference) {
            Some(steps) => follow(self.document, &steps).is_some(),
            None => self.anchors.contains(&reference[1..]),
        };
        if found {
            self.fine.insert(reference);
        } else {
            self.faults.at(at, format!("leads nowhere: there is no {reference}"));
        }
    }
}

fn collect_anchors<'d>(value: &'d Value, anchors: &mut HashSet<&'d str>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect_anchors(value, anchors)),
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::String(anchor) if matches!(key.as_str(), "$anchor" | "$dynamicAnchor") => {
                        anchors.insert(anchor);
                    }
                    _ => collect_anchors(value, anchors),
                }
            }
        }
        _ => {}
    }
}

/// Keys under which anything may stand: a `$ref` there is data.
pub fn is_data(key: &str, value: &Value) -> bool {
    let always = matches!(key, "example" | "default" | "enum" | "const" | "value") || key.starts_with("x-");
    always || key == "examples" && value.is_array()
}

/// Keys whose objects map names of the author's own.
pub fn holds_names(key: &str) -> bool {
    matches!(
        key,
        "properties"
            | "patternProperties"
            | "dependentSchemas"
            | "$defs"
            | "definitions"
            | "paths"
            | "webhooks"
            | "schemas"
            | "responses"
            | "requestBodies"
            | "headers"
            | "securitySchemes"
            | "links"
            | "callbacks"
            | "pathItems"
            | "mediaTypes"
            | "content"
            | "encoding"
            | "examples"
    )
}
