//! An operation read for answering: what it takes and what it gives. Schemas stay as the document has them.

use serde_json::{Map, Value};

use super::source::{Found, Source};
use crate::rules::openapi::drop_overridden;

#[derive(Debug, Default)]
pub struct Operation {
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<Body>,
    /// As the document orders them.
    pub(super) responses: Vec<(Status, Response)>,
}

#[derive(Debug)]
pub struct Parameter {
    pub name: String,
    pub location: Location,
    pub required: bool,
    /// `None`: anything goes.
    pub schema: Option<Value>,
    pub style: Style,
    pub explode: bool,
    /// Its value is JSON.
    pub json: bool,
    pub allow_empty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Location {
    Path,
    Query,
    Header,
}

/// How lists and objects are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Simple,
    Form,
    SpaceDelimited,
    PipeDelimited,
    DeepObject,
    /// `label` and `matrix`: values are not looked into.
    Other,
}

#[derive(Debug)]
pub struct Body {
    pub required: bool,
    pub content: Vec<Media>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Code(u16),
    /// `4XX` is 4.
    Range(u16),
    Default,
}

#[derive(Debug, Default)]
pub struct Response {
    pub content: Vec<Media>,
    /// Names and header objects.
    pub headers: Vec<(String, Value)>,
}

#[derive(Debug)]
pub struct Media {
    pub kind: String,
    pub schema: Option<Value>,
    pub example: Option<Value>,
    /// Names and example objects, which may be references.
    pub examples: Vec<(String, Value)>,
}

impl Operation {
    pub fn read(source: &Source, written: &Value) -> Self {
        let list = written.get("parameters").and_then(Value::as_array);
        let mut parameters: Vec<Value> =
            list.into_iter().flatten().filter_map(|each| source.resolved(each)).map(Found::into_owned).collect();
        drop_overridden(&mut parameters);
        let body = written
            .get("requestBody")
            .and_then(|body| source.resolved(body))
            .map(|body| Body { required: flag(&body, "required"), content: content(source, &body) });
        let responses = written.get("responses").and_then(Value::as_object).into_iter().flatten();
        let responses = responses.filter_map(|(status, value)| {
            let value = source.resolved(value)?;
            let headers = members(&value, "headers")
                .filter_map(|(name, header)| Some((name.clone(), source.resolved(header)?.into_owned())))
                .collect();
            Some((Status::read(status)?, Response { content: content(source, &value), headers }))
        });
        Self { parameters: parameters.iter().filter_map(Parameter::read).collect(), body, responses: responses.collect() }
    }
}

impl Parameter {
    /// `None` for cookies, and for headers that OpenAPI says are described elsewhere.
    fn read(value: &Value) -> Option<Self> {
        let text = |field: &str| value.get(field).and_then(Value::as_str);
        let name = text("name")?.to_owned();
        let location = match text("in")? {
            "path" => Location::Path,
            "query" => Location::Query,
            "header" if ["accept", "content-type", "authorization"].contains(&&*name.to_ascii_lowercase()) => return None,
            "header" => Location::Header,
            _ => return None,
        };
        let style = match text("style") {
            None if location == Location::Query => Style::Form,
            None | Some("simple") => Style::Simple,
            Some("form") => Style::Form,
            Some("spaceDelimited") => Style::SpaceDelimited,
            Some("pipeDelimited") => Style::PipeDelimited,
            Some("deepObject") => Style::DeepObject,
            Some(_) => Style::Other,
        };
        let media = members(value, "content").next();
        Some(Self {
            name,
            location,
            required: location == Location::Path || flag(value, "required"),
            schema: value.get("schema").or_else(|| media.and_then(|(_, media)| media.get("schema"))).cloned(),
            style,
            explode: value.get("explode").and_then(Value::as_bool).unwrap_or(style == Style::Form || style == Style::DeepObject),
            json: media.is_some_and(|(kind, _)| kind.contains("json")),
            allow_empty: flag(value, "allowEmptyValue"),
        })
    }
}

impl Status {
    fn read(text: &str) -> Option<Self> {
        match text.as_bytes() {
            b"default" => Some(Self::Default),
            [digit @ b'2'..=b'5', b'X' | b'x', b'X' | b'x'] => Some(Self::Range(u16::from(digit - b'0'))),
            _ => text.parse().ok().filter(|code| (200..=599).contains(code)).map(Self::Code),
        }
    }

    /// Whether an answer of this status is described here.
    pub fn covers(self, code: u16) -> bool {
        match self {
            Self::Code(own) => own == code,
            Self::Range(first) => code / 100 == first,
            Self::Default => true,
        }
    }

    /// As the document says it.
    pub fn shown(self) -> String {
        match self {
            Self::Code(code) => code.to_string(),
            Self::Range(first) => format!("{first}XX"),
            Self::Default => "default".to_owned(),
        }
    }
}

fn content(source: &Source, value: &Value) -> Vec<Media> {
    let media = |(kind, media): (&String, &Value)| {
        let media = source.resolved(media)?;
        Some(Media {
            kind: kind.clone(),
            schema: media.get("schema").cloned(),
            example: media.get("example").cloned(),
            examples: members(&media, "examples").map(|(name, example)| (name.clone(), example.clone())).collect(),
        })
    };
    members(value, "content").filter_map(media).collect()
}

pub fn members<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = (&'v String, &'v Value)> + use<'v> {
    value.get(field).and_then(Value::as_object).map(Map::iter).into_iter().flatten()
}

fn flag(value: &Value, field: &str) -> bool {
    value.get(field) == Some(&Value::Bool(true))
}
