//! Whether a request is one that the document allows: its parameters and its body.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Map, Value};

use super::{
    check::{self, Direction, Fault, fits, types},
    negotiate::{covers, essence, is_json},
    operation::{Body, Location, Operation, Parameter, Style},
    request::{Place, Request, Violation},
    source::Source,
};

type Pairs = Vec<(String, String)>;

/// Alternatives inside of alternatives that are looked into for a list or an object.
const MAX_DEPTH: usize = 8;

/// What is wrong with a request. `template`: the operation's, with what stands before it in calls.
pub fn violations(source: &Source, operation: &Operation, template: &str, request: &Request) -> Vec<Violation> {
    let query = pairs(request.query.as_deref().unwrap_or_default().as_bytes());
    let path = path_values(template, &request.path);
    let mut found = Vec::new();
    for parameter in &operation.parameters {
        if source.patience().ends() {
            return found;
        }
        let given = match parameter.location {
            Location::Query => Given::in_query(source, parameter, &query),
            Location::Path => Given::one(source, parameter, path.get(parameter.name.as_str()).map(Cow::as_ref)),
            Location::Header => Given::one(source, parameter, request.header(&parameter.name).as_deref()),
        };
        let place = match parameter.location {
            Location::Path => Place::Path(parameter.name.clone()),
            Location::Query => Place::Query(parameter.name.clone()),
            Location::Header => Place::Header(parameter.name.clone()),
        };
        let told = given.faults(source, parameter).into_iter();
        found.extend(told.map(|fault| Violation { place: place.clone(), pointer: fault.pointer, message: fault.message }));
    }
    if let Some(body) = &operation.body {
        found.extend(body_faults(source, body, request));
    }
    found
}

fn pairs(text: &[u8]) -> Pairs {
    url::form_urlencoded::parse(text).into_owned().collect()
}

/// The parameters' values in a path, decoded.
fn path_values<'t>(template: &'t str, path: &str) -> HashMap<&'t str, Cow<'static, str>> {
    let mut values = HashMap::new();
    for (pattern, segment) in template.split('/').zip(path.split('/')) {
        let (mut pattern, mut rest) = (pattern, segment);
        while let Some((before, after)) = pattern.split_once('{') {
            let Some((name, behind)) = after.split_once('}') else { break };
            rest = rest.strip_prefix(before).unwrap_or(rest);
            let next = behind.split('{').next().unwrap_or_default();
            // A parameter has one character at least, and ends where the next piece begins.
            let from = rest.chars().next().map_or(0, char::len_utf8);
            let end = match next {
                "" => rest.len(),
                next if behind.len() == next.len() => rest.len().saturating_sub(next.len()),
                next => rest[from..].find(next).map_or(rest.len(), |at| from + at),
            };
            let value = rest.get(..end).unwrap_or(rest);
            values.insert(name, Cow::Owned(decoded(value)));
            (pattern, rest) = (behind, &rest[value.len()..]);
        }
    }
    values
}

/// A plus sign stands for itself in a path.
fn decoded(segment: &str) -> String {
    let escaped = segment.replace('+', "%2B");
    let pair = format!("={}", escaped.replace('&', "%26"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// What a parameter was sent as: readings of it, of which one has to fit.
enum Given {
    Missing,
    /// There, and not looked into.
    Anything,
    Empty,
    NotJson,
    Readings(Vec<Value>),
}

impl Given {
    fn in_query(source: &Source, parameter: &Parameter, query: &Pairs) -> Self {
        let name = parameter.name.as_str();
        let own: Vec<&str> = query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect();
        let schema = parameter.schema.as_ref();
        // PHP's and Rails' way for lists is read whatever the style says: `name[]=1`.
        let inside: Vec<(&str, &str)> = query
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?, value.as_str())))
            .collect();
        if !inside.is_empty() {
            return Self::in_brackets(source, schema, &inside);
        }
        let object = schema.and_then(|schema| shaped(source, schema, "object", 0));
        if let (Style::Form, true, Some(object), true) = (parameter.style, parameter.explode, &object, own.is_empty()) {
            let properties = object.get("properties").and_then(Value::as_object);
            let entry = |(key, schema): (&String, &Value)| {
                let (_, text) = query.iter().find(|(name, _)| name == key)?;
                Some((key.clone(), guessed(source, schema, text)))
            };
            let entries: Map<String, Value> = properties.into_iter().flatten().filter_map(entry).collect();
            return if entries.is_empty() { Self::Missing } else { Self::Readings(vec![Value::Object(entries)]) };
        }
        match own[..] {
            [] => Self::Missing,
            [one] => Self::one(source, parameter, Some(one)),
            _ => match schema.and_then(|schema| shaped(source, schema, "array", 0)) {
                Some(array) => Self::Readings(vec![list(source, &array, own.into_iter())]),
                None => Self::one(source, parameter, own.first().copied()),
            },
        }
    }

    fn in_brackets(source: &Source, schema: Option<&Value>, inside: &[(&str, &str)]) -> Self {
        let Some(schema) = schema else { return Self::Anything };
        if inside.iter().any(|(key, _)| key.contains('[')) {
            return Self::Anything;
        }
        let mut readings = Vec::new();
        if let Some(array) = shaped(source, schema, "array", 0) {
            readings.push(list(source, &array, inside.iter().map(|(_, value)| *value)));
        }
        if let Some(object) = shaped(source, schema, "object", 0) {
            let of = |key: &str| object.get("properties").and_then(|all| all.get(key)).cloned();
            let entry =
                |(key, text): &(&str, &str)| ((*key).to_owned(), guessed(source, &of(key).unwrap_or(Value::Bool(true)), text));
            readings.push(Value::Object(inside.iter().map(entry).collect()));
        }
        if readings.is_empty() { Self::Anything } else { Self::Readings(readings) }
    }

    /// A parameter that is sent in one piece.
    fn one(source: &Source, parameter: &Parameter, text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::Missing };
        if parameter.json {
            return serde_json::from_str(text).map_or(Self::NotJson, |value| Self::Readings(vec![value]));
        }
        let Some(schema) = parameter.schema.as_ref().filter(|_| parameter.style != Style::Other) else { return Self::Anything };
        if text.is_empty() && parameter.allow_empty {
            return Self::Empty;
        }
        let mut readings = readings(text);
        if let Some(array) = shaped(source, schema, "array", 0) {
            let parts: Vec<&str> = match parameter.style {
                _ if text.is_empty() => Vec::new(),
                Style::SpaceDelimited => text.split(' ').collect(),
                Style::PipeDelimited => text.split('|').collect(),
                Style::Form if parameter.explode => vec![text],
                _ => text.split(',').map(str::trim).collect(),
            };
            readings.insert(0, list(source, &array, parts.into_iter()));
        }
        if let Some(object) = shaped(source, schema, "object", 0).filter(|_| parameter.style != Style::DeepObject) {
            readings.insert(0, written_object(source, &object, text, parameter.explode));
        }
        Self::Readings(readings)
    }

    fn faults(self, source: &Source, parameter: &Parameter) -> Vec<Fault> {
        let whole = |message: &str| vec![Fault { pointer: String::new(), message: message.to_owned(), of_type: false }];
        let readings = match self {
            Self::Missing if parameter.required => return whole("is missing"),
            Self::Missing | Self::Anything | Self::Empty => return Vec::new(),
            Self::NotJson => return whole("must be JSON"),
            Self::Readings(readings) => readings,
        };
        let Some(schema) = &parameter.schema else { return Vec::new() };
        let mut told = Vec::new();
        for reading in readings {
            let faults = check::faults(source, Direction::Request, schema, &reading);
            if faults.is_empty() {
                return Vec::new();
            }
            told.push(faults);
        }
        // The one that comes nearest says what is wrong.
        let of_type = |faults: &Vec<Fault>| faults.iter().any(|fault| fault.of_type && fault.pointer.is_empty());
        let near = told.iter().position(|faults| !of_type(faults)).unwrap_or(0);
        told.swap_remove(near)
    }
}

/// What a text may stand for: a number, a truth value, itself.
fn readings(text: &str) -> Vec<Value> {
    let scalar =
        serde_json::from_str(text).ok().filter(|value: &Value| value.is_number() || value.is_boolean() || value.is_null());
    scalar.into_iter().chain([Value::String(text.to_owned())]).collect()
}

/// The first reading that fits, else the first.
fn guessed(source: &Source, schema: &Value, text: &str) -> Value {
    let mut all = readings(text);
    let best = all.iter().position(|value| fits(source, Direction::Request, schema, value)).unwrap_or(0);
    all.swap_remove(best)
}

fn list<'t>(source: &Source, array: &Map<String, Value>, parts: impl Iterator<Item = &'t str>) -> Value {
    let items = array.get("items").unwrap_or(&Value::Bool(true));
    Value::Array(parts.map(|part| guessed(source, items, part)).collect())
}

/// `a=1,b=2`, or `a,1,b,2` where it is not exploded.
fn written_object(source: &Source, object: &Map<String, Value>, text: &str, explode: bool) -> Value {
    let parts: Vec<&str> = text.split(',').collect();
    let pairs: Vec<(&str, &str)> = match explode {
        true => parts.iter().filter_map(|part| part.split_once('=')).collect(),
        false => parts.as_chunks::<2>().0.iter().map(|[key, value]| (*key, *value)).collect(),
    };
    let schema = |key: &str| object.get("properties").and_then(|all| all.get(key)).cloned().unwrap_or(Value::Bool(true));
    Value::Object(pairs.into_iter().map(|(key, text)| (key.to_owned(), guessed(source, &schema(key), text))).collect())
}

/// The part of a schema that is of this type: itself, what it refers to, or one of its alternatives.
fn shaped(source: &Source, schema: &Value, name: &str, depth: usize) -> Option<Map<String, Value>> {
    if depth == MAX_DEPTH || source.patience().ends() {
        return None;
    }
    let schema = source.resolved(schema)?;
    let map = schema.as_object()?;
    let hint = if name == "array" { "items" } else { "properties" };
    if types(map).any(|each| each == name) || types(map).next().is_none() && map.contains_key(hint) {
        return Some(map.clone());
    }
    let inside = ["allOf", "oneOf", "anyOf"].into_iter().filter_map(|key| map.get(key)?.as_array()).flatten();
    inside.into_iter().find_map(|part| shaped(source, part, name, depth + 1))
}

fn body_faults(source: &Source, body: &Body, request: &Request) -> Vec<Violation> {
    let whole = |message: String| vec![Violation::whole(Place::Body, message)];
    let taken = || body.content.iter().map(|media| media.kind.as_str()).collect::<Vec<_>>().join(", ");
    if request.body.is_empty() {
        return if body.required { whole(format!("is missing: send {}", taken())) } else { Vec::new() };
    }
    if body.content.is_empty() {
        return Vec::new();
    }
    let Some(kind) = request.header("content-type") else {
        return whole(format!("comes without a Content-Type: send {}", taken()));
    };
    let exact = body.content.iter().find(|media| essence(&media.kind) == essence(&kind));
    let Some(media) = exact.or_else(|| body.content.iter().find(|media| covers(&media.kind, &kind))) else {
        return whole(format!("is of a media type that is not taken here: send {}", taken()));
    };
    let Some(schema) = &media.schema else { return Vec::new() };
    if essence(&kind) == "application/x-www-form-urlencoded" {
        return form_faults(source, schema, &pairs(&request.body));
    }
    if !is_json(&kind) {
        return Vec::new();
    }
    match serde_json::from_slice::<Value>(&request.body) {
        Ok(value) => {
            let faults = check::faults(source, Direction::Request, schema, &value).into_iter();
            faults.map(|fault| Violation { place: Place::Body, pointer: fault.pointer, message: fault.message }).collect()
        }
        Err(error) => whole(format!("is not JSON (line {}, column {})", error.line(), error.column())),
    }
}

/// A form's fields, each as a parameter of a query would be.
fn form_faults(source: &Source, schema: &Value, fields: &Pairs) -> Vec<Violation> {
    let Some(object) = shaped(source, schema, "object", 0) else { return Vec::new() };
    let required: Vec<&str> =
        object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut found = Vec::new();
    for (name, schema) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let parameter = Parameter {
            name: name.clone(),
            location: Location::Query,
            required: required.contains(&name.as_str()) && !check::is_left_out(source, Direction::Request, schema),
            schema: Some(schema.clone()),
            style: Style::DeepObject,
            explode: true,
            json: false,
            // A form's empty field takes a value away.
            allow_empty: true,
        };
        let at = crate::rules::openapi::At::root();
        let at = at.key(name);
        let faults = Given::in_query(source, &parameter, fields).faults(source, &parameter);
        found.extend(faults.into_iter().map(|fault| Violation {
            place: Place::Body,
            pointer: format!("{at}{}", fault.pointer),
            message: fault.message,
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_path() {
        for (template, path, expected) in [
            ("/a/{id}", "/a/42", &[("id", "42")][..]),
            ("/a/{id}/b/{x}", "/a/a%20b+c%26/b/%C3%A9", &[("id", "a b+c&"), ("x", "é")]),
            ("/compare/{base}...{head}", "/compare/v1...main", &[("base", "v1"), ("head", "main")]),
            ("/v2/f.{kind}", "/v2/f.json", &[("kind", "json")]),
            ("/x/{name}.txt", "/x/a.b.txt", &[("name", "a.b")]),
        ] {
            let values = path_values(template, path);
            let mut values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_ref())).collect();
            values.sort_unstable();
            let mut expected = expected.to_vec();
            expected.sort_unstable();
            assert_eq!(values, expected, "{template}");
        }
    }
}
