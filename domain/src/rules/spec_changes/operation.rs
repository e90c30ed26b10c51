//! One operation, before and after: parameters, bodies, answers, authentication.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    SpecChangeKind::{self, Added, Changed, Deprecated, Removed},
    schema::{Comparison, Finding, Flow, Node},
    side::Side,
    view::View,
};

pub struct Operation<'o> {
    pub path: &'o str,
    pub value: &'o Value,
    /// The path item's, which the operation's own override.
    shared: &'o [Value],
}

impl<'o> Operation<'o> {
    pub fn of(path: &'o str, value: &'o Value, item: &'o Value) -> Self {
        let shared = item.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Self { path, value, shared }
    }
}

/// What is told of an operation, as a sentence.
pub struct Told {
    pub kind: SpecChangeKind,
    pub breaking: bool,
    pub text: String,
}

/// Findings at a place of an operation; the place is empty for the operation itself.
pub fn told(place: &str, found: Vec<Finding>) -> impl Iterator<Item = Told> + '_ {
    found.into_iter().map(move |finding| {
        let subject = match (place, finding.path.as_str()) {
            ("", "") => "the operation".to_owned(),
            (place, "") => place.to_owned(),
            ("", path) => format!("`{path}`"),
            (place, path) => format!("{place}: `{path}`"),
        };
        Told { kind: finding.kind, breaking: finding.breaking, text: format!("{subject} {}", finding.text) }
    })
}

pub fn compare(comparison: &Comparison<'_>, old: &Operation<'_>, new: &Operation<'_>) -> Vec<Told> {
    let mut node = Node::default();
    let deprecated = |operation: &Operation<'_>| operation.value.get("deprecated") == Some(&Value::Bool(true));
    match (deprecated(old), deprecated(new)) {
        (false, true) => node.add(Deprecated, false, "", "is now deprecated"),
        (true, false) => node.add(Changed, false, "", "is no longer deprecated"),
        (true, true) | (false, false) => {}
    }
    let id = |operation: &Operation<'_>| operation.value.get("operationId").and_then(Value::as_str).map(str::to_owned);
    match (id(old), id(new)) {
        (Some(before), Some(after)) if before != after => {
            node.add(
                Changed,
                false,
                "",
                format!("changed its operationId from {before} to {after}: generated clients rename it"),
            );
        }
        _ => {}
    }
    comparison.security(old.value, new.value, &mut node);
    let mut all: Vec<Told> = told("", node.findings).collect();
    parameters(comparison, old, new, &mut all);
    comparison.request_body(old.value.get("requestBody"), new.value.get("requestBody"), &mut all);
    comparison.responses(old.value.get("responses"), new.value.get("responses"), &mut all);
    all
}

/// Where a parameter stands and what it is called; a path's by its place in the template.
type Key = (String, String);

fn collected<'o>(side: &'o Side<'_>, operation: &Operation<'o>) -> BTreeMap<Key, &'o Value> {
    let own = operation.value.get("parameters").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut all = BTreeMap::new();
    for parameter in operation.shared.iter().chain(own).filter_map(|parameter| side.resolved(parameter)) {
        let text = |field: &str| parameter.get(field).and_then(Value::as_str);
        let (Some(name), Some(place)) = (text("name"), text("in")) else { continue };
        let name = match place {
            "path" => position(operation.path, name).unwrap_or_else(|| name.to_owned()),
            "header" => name.to_ascii_lowercase(),
            _ => name.to_owned(),
        };
        // The specification has these three ignored: other parts of the document describe them.
        if place != "header" || !matches!(name.as_str(), "accept" | "content-type" | "authorization") {
            all.insert((place.to_owned(), name), parameter);
        }
    }
    all
}

fn position(path: &str, name: &str) -> Option<String> {
    let before = path.split_once(&format!("{{{name}}}"))?.0;
    Some(before.matches('{').count().to_string())
}

fn parameters<'o>(comparison: &'o Comparison<'_>, old: &Operation<'o>, new: &Operation<'o>, all: &mut Vec<Told>) {
    let (before, after) = (collected(&comparison.old, old), collected(&comparison.new, new));
    let label = |parameter: &Value| {
        let text = |field: &str| parameter.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        format!("the {} parameter `{}`", text("in"), text("name"))
    };
    let required = |parameter: &Value| parameter.get("required") == Some(&Value::Bool(true));
    for (key, old) in &before {
        let Some(new) = after.get(key) else {
            // The template says what a path has.
            if key.0 != "path" {
                all.push(Told { kind: Removed, breaking: true, text: format!("{} was removed", label(old)) });
            }
            continue;
        };
        let mut node = Node::default();
        match (required(old), required(new)) {
            (false, true) if key.0 != "path" => node.add(Changed, true, "", "is now required: send it"),
            (true, false) if key.0 != "path" => node.add(Changed, false, "", "is no longer required"),
            _ => {}
        }
        if new.get("deprecated") == Some(&Value::Bool(true)) && old.get("deprecated") != Some(&Value::Bool(true)) {
            node.add(Deprecated, false, "", "is now deprecated");
        }
        comparison.parameter(old, new, &mut node);
        all.extend(told(&label(new), comparison.collect(node)));
    }
    for (_, new) in after.iter().filter(|(key, _)| key.0 != "path" && !before.contains_key(*key)) {
        let text = if required(new) { "is new and required: send it" } else { "is new" };
        all.push(Told { kind: Added, breaking: required(new), text: format!("{} {text}", label(new)) });
    }
}

impl Comparison<'_> {
    fn parameter<'v>(&'v self, old: &'v Value, new: &'v Value, node: &mut Node) {
        let style = |parameter: &Value| {
            let place = parameter.get("in").and_then(Value::as_str).unwrap_or_default();
            let usual = if matches!(place, "query" | "cookie") { "form" } else { "simple" };
            let style = parameter.get("style").and_then(Value::as_str).unwrap_or(usual).to_owned();
            let explode = parameter.get("explode").and_then(Value::as_bool).unwrap_or(style == "form");
            (style, explode)
        };
        let (before, after) = (style(old), style(new));
        let schema = |parameter: &'v Value| {
            let content = || parameter.get("content")?.as_object()?.values().next()?.get("schema");
            parameter.get("schema").or_else(content)
        };
        let (Some(old), Some(new)) = (schema(old), schema(new)) else { return };
        let (old_view, new_view) = (View::of(&self.old, old), View::of(&self.new, new));
        let plain = |view: &View<'_>| view.items.is_none() && view.properties.is_empty();
        // One plain value is written the same in all of a place's styles that matter.
        if before != after && !(plain(&old_view) && plain(&new_view)) {
            let shown = |(style, explode): &(String, bool)| format!("{style}{}", if *explode { ", exploded" } else { "" });
            node.add(Changed, true, "", format!("is written otherwise: {} instead of {}", shown(&after), shown(&before)));
        }
        if let (Some(before), Some(after)) = (old_view.default, new_view.default)
            && before != after
        {
            node.add(Changed, true, "", format!("changed its default from `{before}` to `{after}`: send it to be sure"));
        }
        self.start();
        self.schemas(old, new, Flow::Request, "", node);
    }
}
