//! Which response is given, and what is in it.

use serde_json::Value;

use super::{
    check::{Direction, fits},
    generate::generate,
    negotiate::{concrete, is_json, is_xml, order},
    operation::{Media, Operation, Response, Status},
    parameters,
    prefer::Prefer,
    random,
    request::{Place, Request, Violation},
    source::Source,
};

/// What a request is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub origin: Origin,
    /// As `Preference-Applied` says it.
    pub applied: Option<String>,
}

/// Where an answer's body is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Example,
    /// An example that does not fit its own schema: the caller asked for it by name, or nothing that fits can be made.
    MisfitExample,
    Generated,
    /// There is none.
    Nothing,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The first few things that the document does not allow.
    Refused(Vec<Violation>),
    /// The document does not say enough; for people.
    NotDescribed(String),
    /// The document or the request asks for more work than an answer is given; for people.
    TooMuch(&'static str),
}

const TOO_MUCH: &str =
    "making an answer takes too long: give the response an example, or make its schema and the request smaller";

/// Violations that are told at once.
const MOST_VIOLATIONS: usize = 10;

impl Operation {
    /// Answers a request, or says what is wrong with it. `template`: the operation's, with what stands before it in calls.
    pub fn answer(&self, source: &Source, template: &str, request: &Request) -> Result<Answer, Unanswered> {
        let answered = self.tried(source, template, request);
        // What was found out after that may be wrong.
        if source.patience().has_ended() { Err(Unanswered::TooMuch(TOO_MUCH)) } else { answered }
    }

    fn tried(&self, source: &Source, template: &str, request: &Request) -> Result<Answer, Unanswered> {
        let prefer = Prefer::of(request).map_err(refused)?;
        let mut violations = parameters::violations(source, self, template, request);
        if !violations.is_empty() {
            violations.truncate(MOST_VIOLATIONS);
            return Err(Unanswered::Refused(violations));
        }
        self.respond(source, &prefer, request)
    }

    /// Answers whatever the request's parameters and body are.
    pub fn respond(&self, source: &Source, prefer: &Prefer, request: &Request) -> Result<Answer, Unanswered> {
        let (status, response) = self.chosen(prefer)?;
        let query = request.query.as_deref().unwrap_or_default();
        let seed = random::seed(&[request.method.as_bytes(), request.path.as_bytes(), query.as_bytes(), &request.body]);
        let made = Making { source, prefer, seed, accept: request.header("accept") };
        let (content_type, origin, body) = match status {
            // RFC 9110: these have no content.
            204 | 205 | 304 => (None, Origin::Nothing, Vec::new()),
            _ if response.content.is_empty() && prefer.example.is_none() => (None, Origin::Nothing, Vec::new()),
            _ => made.content(response)?,
        };
        Ok(Answer { status, content_type, headers: made.headers(response), body, origin, applied: prefer.applied() })
    }

    /// The response that is asked for; else the lowest 2xx, else the default one, else the lowest that there is.
    fn chosen(&self, prefer: &Prefer) -> Result<(u16, &Response), Unanswered> {
        let find = |matches: &dyn Fn(Status) -> bool| self.responses.iter().find(|(status, _)| matches(*status));
        if let Some(code) = prefer.code {
            let exact =
                find(&|status| status == Status::Code(code)).or_else(|| find(&|status| status == Status::Range(code / 100)));
            let (_, response) = exact.or_else(|| find(&|status| status.covers(code))).ok_or_else(|| {
                let known: Vec<String> = self.responses.iter().map(|(status, _)| status.shown()).collect();
                refused(Violation::whole(Place::Prefer, format!("asks for a code that is not among {}", known.join(", "))))
            })?;
            return Ok((code, response));
        }
        let code_of = |status: &Status| match status {
            Status::Code(code) => *code,
            Status::Range(first) => first * 100,
            Status::Default => 200,
        };
        // The default one may stand for anything: whatever is said of success goes before it, and failure after it.
        let rank = |status: &Status| match status {
            Status::Default => (1, 0),
            status if code_of(status) / 100 == 2 => (0, code_of(status)),
            status => (2, code_of(status)),
        };
        let best = self.responses.iter().min_by_key(|(status, _)| rank(status));
        let (status, response) = best.ok_or_else(|| Unanswered::NotDescribed("no response is described".to_owned()))?;
        Ok((code_of(status), response))
    }
}

fn refused(violation: Violation) -> Unanswered {
    Unanswered::Refused(vec![violation])
}

struct Making<'r> {
    source: &'r Source,
    prefer: &'r Prefer,
    seed: u64,
    accept: Option<String>,
}

type Content = (Option<String>, Origin, Vec<u8>);

impl Making<'_> {
    fn content(&self, response: &Response) -> Result<Content, Unanswered> {
        let kinds: Vec<&str> = response.content.iter().map(|media| media.kind.as_str()).collect();
        let accept = self.accept.as_deref();
        let order = order(&kinds, accept);
        if let Some(name) = &self.prefer.example {
            return self.named(name, response, &order);
        }
        let made = order.iter().map(|&i| &response.content[i]).find_map(|media| {
            let kind = concrete(&media.kind, accept);
            let (origin, body) = self.body(media, &kind)?;
            Some((Some(kind), origin, body))
        });
        made.ok_or_else(|| Unanswered::NotDescribed(format!("nothing can be made of what is said of {}", kinds.join(", "))))
    }

    /// The example that the caller asked for, of the media type that it wants most among those that have it.
    fn named(&self, name: &str, response: &Response, order: &[usize]) -> Result<Content, Unanswered> {
        for media in order.iter().map(|&i| &response.content[i]) {
            let kind = concrete(&media.kind, self.accept.as_deref());
            let example = media.examples.iter().find(|(own, _)| own == name).and_then(|(_, example)| self.value(example));
            if let Some(body) = example.and_then(|value| self.written(media, &kind, value)) {
                return Ok((Some(kind), body.0, body.1));
            }
        }
        let mut known: Vec<&str> =
            response.content.iter().flat_map(|media| &media.examples).map(|(name, _)| name.as_str()).collect();
        known.dedup();
        let message = match known.is_empty() {
            true => "asks for an example, but the response has none with a name".to_owned(),
            false => format!("asks for an example that is not among {}", known.join(", ")),
        };
        Err(refused(Violation::whole(Place::Prefer, message)))
    }

    fn body(&self, media: &Media, kind: &str) -> Option<(Origin, Vec<u8>)> {
        let mut misfit = None;
        if !self.prefer.dynamic {
            let named = media.examples.iter().filter_map(|(_, example)| self.value(example));
            for example in media.example.clone().into_iter().chain(named) {
                match self.written(media, kind, example) {
                    Some((Origin::MisfitExample, body)) => misfit = misfit.or(Some((Origin::MisfitExample, body))),
                    Some(fine) => return Some(fine),
                    None => {}
                }
            }
        }
        let generated = || {
            // JSON Schema says nothing of what is not given.
            let schema = media.schema.as_ref()?;
            let value = generate(self.source, Direction::Response, schema, self.prefer.dynamic, self.seed)?;
            Some((Origin::Generated, bytes(kind, &value)?))
        };
        let empty = || media.schema.is_none().then(|| (Origin::Nothing, Vec::new()));
        generated().or(misfit).or_else(empty)
    }

    /// What an example object holds.
    fn value(&self, example: &Value) -> Option<Value> {
        let example = self.source.resolved(example)?;
        example.get("value").or_else(|| example.get("dataValue")).cloned()
    }

    /// An example as it is sent.
    fn written(&self, media: &Media, kind: &str, example: Value) -> Option<(Origin, Vec<u8>)> {
        let fine =
            |value: &Value| media.schema.as_ref().is_none_or(|schema| fits(self.source, Direction::Response, schema, value));
        if fine(&example) || !is_json(kind) {
            // XML and the like are written out in the document; there a schema describes what was read from it.
            return bytes(kind, &example).map(|body| (Origin::Example, body));
        }
        // JSON in a text, as YAML documents often have it.
        let read = example.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok()).filter(fine);
        let (origin, value) = read.map_or((Origin::MisfitExample, example), |value| (Origin::Example, value));
        bytes(kind, &value).map(|body| (origin, body))
    }

    fn headers(&self, response: &Response) -> Vec<(String, String)> {
        let value = |name: &str, header: &Value| {
            let schema = header.get("schema").cloned().unwrap_or(Value::Bool(true));
            let own = || header.get("examples")?.as_object()?.values().next().and_then(|example| self.value(example));
            let given = header.get("example").cloned().or_else(own).filter(|_| !self.prefer.dynamic);
            let seed = self.seed ^ random::seed(&[name.as_bytes()]);
            text(&given.or_else(|| generate(self.source, Direction::Response, &schema, self.prefer.dynamic, seed))?)
        };
        let told = response.headers.iter().filter(|(name, _)| !is_the_servers(name));
        told.filter_map(|(name, header)| Some((name.to_ascii_lowercase(), value(name, header)?))).collect()
    }
}

/// Headers that say what is really sent.
fn is_the_servers(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "content-type",
        "content-length",
        "content-encoding",
        "content-range",
        "transfer-encoding",
        "connection",
        "date",
        "upgrade",
        "trailer",
    ];
    NAMES.iter().any(|own| name.eq_ignore_ascii_case(own))
}

/// A value as a body of this type; `None` where there is no way to write it.
fn bytes(kind: &str, value: &Value) -> Option<Vec<u8>> {
    match value {
        _ if is_json(kind) => serde_json::to_vec(value).ok(),
        Value::String(text) => Some(text.clone().into_bytes()),
        Value::Array(_) | Value::Object(_) if is_xml(kind) => None,
        Value::Null => Some(Vec::new()),
        other => serde_json::to_vec(other).ok(),
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => list.iter().map(text).collect::<Option<Vec<_>>>().map(|list| list.join(",")),
        Value::Null | Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}
