//! Which components a document still needs when some of its operations are taken out.

use std::collections::HashSet;

use serde_json::Value;

use super::{document::Document, pointer::steps};

/// Sections and names of the components that these texts lead to.
pub fn needed(document: &Document, texts: &[&str]) -> HashSet<(String, String)> {
    let mut needed = HashSet::new();
    let mut waiting = Vec::new();
    for text in texts {
        note(text, &mut waiting);
    }
    while let Some((section, name)) = waiting.pop() {
        let Some(span) = document.section(&section).and_then(|members| members.get(&name)) else { continue };
        if needed.insert((section, name)) {
            note(document.slice(&span), &mut waiting);
        }
    }
    needed
}

fn note(text: &str, found: &mut Vec<(String, String)>) {
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        collect(&value, found);
    }
}

fn collect(value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
        Value::Object(map) => {
            if let Some(reference) = map.get("$ref").and_then(Value::as_str) {
                component(reference, found);
            }
            // A discriminator's mapping names schemas by reference or by their bare names.
            if let Some(Value::Object(mapping)) = map.get("discriminator").and_then(|d| d.get("mapping")) {
                for target in mapping.values().filter_map(Value::as_str) {
                    component(target, found);
                    found.push(("schemas".to_owned(), target.to_owned()));
                }
            }
            map.values().for_each(|value| collect(value, found));
        }
        _ => {}
    }
}

fn component(reference: &str, found: &mut Vec<(String, String)>) {
    if let Some(steps) = steps(reference)
        && let [first, section, name, ..] = &steps[..]
        && first == "components"
    {
        found.push((section.clone(), name.clone()));
    }
}
