//! Request bodies and answers: statuses, headers and media types.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    SpecChangeKind::{Added, Changed, Removed},
    operation::{Told, told},
    schema::{Comparison, Finding, Flow, Node},
    side::Side,
};

impl Comparison<'_> {
    pub(super) fn request_body(&self, old: Option<&Value>, new: Option<&Value>, all: &mut Vec<Told>) {
        let (old, new) = (old.and_then(|body| self.old.resolved(body)), new.and_then(|body| self.new.resolved(body)));
        let required = |body: &Value| body.get("required") == Some(&Value::Bool(true));
        let mut tell = |kind, breaking, text: &str| all.push(Told { kind, breaking, text: format!("the request body {text}") });
        match (old, new) {
            (None, None) => {}
            (None, Some(new)) if required(new) => tell(Added, true, "is new and required: send it"),
            (None, Some(_)) => tell(Added, false, "is new"),
            (Some(_), None) => tell(Removed, true, "can no longer be sent: it was removed"),
            (Some(old), Some(new)) => {
                match (required(old), required(new)) {
                    (false, true) => tell(Changed, true, "is now required: send it"),
                    (true, false) => tell(Changed, false, "is no longer required"),
                    (true, true) | (false, false) => {}
                }
                self.content(old, new, Flow::Request, "the request body", all);
            }
        }
    }

    pub(super) fn responses(&self, old: Option<&Value>, new: Option<&Value>, all: &mut Vec<Told>) {
        let (Some(old), Some(new)) = (old.and_then(Value::as_object), new.and_then(Value::as_object)) else { return };
        let is_status = |status: &String| !status.starts_with("x-");
        for (status, before) in old.iter().filter(|(status, _)| is_status(status)) {
            let Some(after) = answering(new, status) else {
                let success = status.starts_with('2');
                all.push(Told { kind: Removed, breaking: success, text: format!("the {} was removed", answer(status)) });
                continue;
            };
            let (Some(before), Some(after)) = (self.old.resolved(before), self.new.resolved(after)) else { continue };
            let place = format!("the {}", answer(status));
            self.headers(before, after, &place, all);
            self.content(before, after, Flow::Response, &place, all);
        }
        for status in new.keys().filter(|status| is_status(status) && answering(old, status).is_none()) {
            all.push(Told { kind: Added, breaking: false, text: format!("the {} is new", answer(status)) });
        }
    }

    fn headers(&self, old: &Value, new: &Value, place: &str, all: &mut Vec<Told>) {
        let listed = |response: &Value| -> BTreeMap<String, Value> {
            let headers = response.get("headers").and_then(Value::as_object).into_iter().flatten();
            headers.map(|(name, header)| (name.to_ascii_lowercase(), header.clone())).collect()
        };
        let (before, after) = (listed(old), listed(new));
        for (name, old) in &before {
            let place = format!("{place}: the header `{name}`");
            let Some(new) = after.get(name) else {
                all.push(Told { kind: Removed, breaking: true, text: format!("{place} was removed") });
                continue;
            };
            let (Some(old), Some(new)) = (self.old.resolved(old), self.new.resolved(new)) else { continue };
            let required = |header: &Value| header.get("required") == Some(&Value::Bool(true));
            if required(old) && !required(new) {
                all.push(Told { kind: Changed, breaking: true, text: format!("{place} may now be missing") });
            }
            if let (Some(old), Some(new)) = (old.get("schema"), new.get("schema")) {
                all.extend(told(&place, self.findings(old, new, Flow::Response)));
            }
        }
        for name in after.keys().filter(|name| !before.contains_key(*name)) {
            all.push(Told { kind: Added, breaking: false, text: format!("{place}: the header `{name}` is new") });
        }
    }

    /// The media types of a body; what is found in all of them is told once.
    fn content(&self, old: &Value, new: &Value, flow: Flow, place: &str, all: &mut Vec<Told>) {
        let (before, after) = (media(&self.old, old), media(&self.new, new));
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            let text = match flow {
                Flow::Request => format!("{place} can no longer be {name}"),
                Flow::Response => format!("{place} is no longer given as {name}"),
            };
            all.push(Told { kind: Removed, breaking: true, text });
        }
        for name in after.keys().filter(|name| !before.contains_key(*name)) {
            all.push(Told { kind: Added, breaking: false, text: format!("{place} can now be {name}") });
        }
        let mut compared = 0;
        let mut found: Vec<(Finding, Vec<&str>)> = Vec::new();
        for (name, old) in &before {
            let Some(new) = after.get(name) else { continue };
            compared += 1;
            for finding in self.media_type(old, new, flow) {
                match found.iter_mut().find(|(known, _)| *known == finding) {
                    Some((_, names)) if names.last() == Some(&name.as_str()) => {}
                    Some((_, names)) => names.push(name),
                    None => found.push((finding, vec![name])),
                }
            }
        }
        for (finding, names) in found {
            let place = if names.len() == compared { place.to_owned() } else { format!("{place} as {}", names.join(", ")) };
            all.extend(told(&place, vec![finding]));
        }
    }

    fn media_type(&self, old: &Value, new: &Value, flow: Flow) -> Vec<Finding> {
        match (old.get("schema"), new.get("schema")) {
            (Some(old), Some(new)) => self.findings(old, new, flow),
            (None, None) => Vec::new(),
            (before, _) => {
                let mut node = Node::default();
                let gone = before.is_some();
                let text = if gone { "no longer has a schema" } else { "now has a schema" };
                node.add(Changed, flow.breaks(!gone, gone), "", text);
                node.findings
            }
        }
    }
}

fn answer(status: &str) -> String {
    if status == "default" { "default answer".to_owned() } else { format!("answer {}", status.to_ascii_uppercase()) }
}

/// The answer that holds for a status: its own, or its range's.
fn answering<'v>(responses: &'v Map<String, Value>, status: &str) -> Option<&'v Value> {
    let range = || {
        let class = status.chars().next().filter(char::is_ascii_digit)?;
        responses.get(&format!("{class}XX")).or_else(|| responses.get(&format!("{class}xx")))
    };
    responses.get(status).or_else(range)
}

/// By their names without parameters such as a charset.
fn media<'v>(side: &'v Side<'_>, body: &'v Value) -> BTreeMap<String, &'v Value> {
    let content = body.get("content").and_then(Value::as_object).into_iter().flatten();
    let named = |(name, value): (&String, &'v Value)| {
        let name = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        Some((name, side.resolved(value)?))
    };
    content.filter_map(named).collect()
}
