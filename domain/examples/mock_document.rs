//! Answers every operation of a document as a MOCK environment does, and has the answers checked by another validator than its own:
//! `cargo run --release -p domain --example mock_document -- FILE...`

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Instant,
};

use domain::rules::{
    mock::{Answer, Operation, Origin, Prefer, Request, Source, Unanswered},
    openapi::{self, Document},
};
use jsonschema::{Draft, Registry};
use serde_json::{Map, Value, json};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// How the document is named to the validator.
const BASE: &str = "urn:portico:document";

fn main() {
    let mut fine = true;
    for path in std::env::args().skip(1) {
        match measure(&path) {
            Ok(failed) => fine &= failed == 0,
            Err(error) => {
                println!("{path}: {error}");
                fine = false;
            }
        }
    }
    if !fine {
        std::process::exit(1);
    }
}

#[derive(Default)]
struct Tally {
    answered: usize,
    unanswered: usize,
    /// 2xx answers that a JSON schema describes, and those of them that do not fit.
    checked: usize,
    failed: usize,
    /// The control: of the schemas behind them, how many refuse a value that no API means.
    choosy: usize,
    origins: BTreeMap<String, usize>,
    micros: Vec<u128>,
}

/// How many answers do not fit.
fn measure(path: &str) -> Outcome<usize> {
    let text = std::fs::read_to_string(path)?;
    let imported =
        openapi::read(&text).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let mut schemas: Value = serde_json::from_str(&imported.json)?;
    as_json_schema(&mut schemas, imported.openapi.starts_with("3.0"));
    let document: Value = serde_json::from_str(&imported.json)?;
    let registry = Registry::new().add(BASE, schemas)?.prepare()?;
    let source = Source::new(Arc::new(Document::index(imported.json.clone())?));
    println!("{path}\n  {} operations, OpenAPI {}", imported.operations.len(), imported.openapi);
    let mut plain = Tally::default();
    let mut dynamic = Tally::default();
    for operation in &imported.operations {
        let Some(prepared) = source.operation(&operation.path, &operation.method) else { continue };
        let request = Request { method: operation.method.clone(), path: operation.path.clone(), ..Request::default() };
        let at = format!("/paths/{}/{}", escaped(&operation.path), operation.method.to_lowercase());
        for (tally, prefer) in [(&mut plain, Prefer::default()), (&mut dynamic, Prefer { dynamic: true, ..Prefer::default() })] {
            let name = format!("{} {}", operation.method, operation.path);
            tally.answer(&name, &at, &source, &prepared, &prefer, &request, &document, &registry);
        }
    }
    plain.print("as it comes");
    dynamic.print("dynamic=true");
    Ok(plain.failed + dynamic.failed)
}

impl Tally {
    #[expect(clippy::too_many_arguments, reason = "a program's only loop")]
    fn answer(
        &mut self,
        name: &str,
        at: &str,
        source: &Source,
        operation: &Operation,
        prefer: &Prefer,
        request: &Request,
        document: &Value,
        registry: &Registry<'_>,
    ) {
        let clock = Instant::now();
        let answer = operation.respond(source, prefer, request);
        self.micros.push(clock.elapsed().as_micros());
        let answer = match answer {
            Ok(answer) => answer,
            Err(why) => {
                self.unanswered += 1;
                let why = match why {
                    Unanswered::Refused(violations) => violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
                    Unanswered::NotDescribed(why) => why,
                    Unanswered::TooMuch(why) => why.to_owned(),
                };
                return println!("  no answer: {name}: {why}");
            }
        };
        if operation.respond(source, prefer, request).as_ref() != Ok(&answer) {
            self.failed += 1;
            println!("  another answer the second time: {name}");
        }
        self.answered += 1;
        *self.origins.entry(format!("{:?}", answer.origin)).or_default() += 1;
        if (200..300).contains(&answer.status) && answer.origin != Origin::Nothing {
            self.check(name, at, &answer, document, registry);
        }
    }

    fn check(&mut self, name: &str, at: &str, answer: &Answer, document: &Value, registry: &Registry<'_>) {
        let Some(pointer) = schema_of(document, at, answer) else { return };
        let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else { return };
        self.checked += 1;
        let reference = json!({ "$ref": format!("{BASE}#{}", fragment(&pointer)) });
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_registry(registry)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .build(&reference);
        match validator {
            Ok(validator) => {
                self.choosy += usize::from(!validator.is_valid(&json!(-0.5)));
                if let Some(error) = validator.iter_errors(&value).next() {
                    self.failed += 1;
                    println!("  does not fit: {name} ({:?}): {} at {}", answer.origin, error, error.instance_path());
                }
            }
            Err(error) => {
                self.checked -= 1;
                println!("  its schema is no JSON Schema: {name}: {error}");
            }
        }
    }

    fn print(&mut self, what: &str) {
        self.micros.sort_unstable();
        let at =
            |share: usize| self.micros.get((self.micros.len() * share / 100).min(self.micros.len().saturating_sub(1))).copied();
        let all = self.answered + self.unanswered;
        println!(
            "  {what}: {} of {all} answered ({:.1} %), {:?}; {} 2xx answers with a JSON schema, {} of them fit it ({} of the schemas refuse -0.5); µs: median {}, p99 {}, most {}",
            self.answered,
            100.0 * self.answered as f64 / all.max(1) as f64,
            self.origins,
            self.checked,
            self.checked - self.failed.min(self.checked),
            self.choosy,
            at(50).unwrap_or_default(),
            at(99).unwrap_or_default(),
            at(100).unwrap_or_default(),
        );
    }
}

/// The place of the schema that an answer's body has to fit; `None` where the document has none for it.
fn schema_of(document: &Value, at: &str, answer: &Answer) -> Option<String> {
    let operation = resolved(document, at.to_owned())?;
    let responses = format!("{operation}/responses");
    let keys = document.pointer(&responses)?.as_object()?;
    let range = format!("{}XX", answer.status / 100);
    let key = keys
        .keys()
        .find(|key| **key == answer.status.to_string())
        .or_else(|| keys.keys().find(|key| key.eq_ignore_ascii_case(&range)));
    let key = key.map_or("default", String::as_str);
    let response = resolved(document, format!("{responses}/{key}"))?;
    let content = document.pointer(&format!("{response}/content"))?.as_object()?;
    let told = answer.content_type.as_deref()?;
    let kind = content.keys().find(|kind| *kind == told).or_else(|| content.keys().find(|kind| kind.contains('*')))?;
    let is_json = told.split(';').next().is_some_and(|kind| kind.ends_with("json"));
    let media = resolved(document, format!("{response}/content/{}", escaped(kind)))?;
    let schema = format!("{media}/schema");
    (is_json && document.pointer(&schema).is_some()).then_some(schema)
}

/// A place, or the one that it refers to.
fn resolved(document: &Value, mut at: String) -> Option<String> {
    for _ in 0..8 {
        // A path item may be a reference, too.
        if document.pointer(&at).is_none() {
            let (item, rest) = at.rsplit_once('/')?;
            at = format!("{}/{rest}", document.pointer(item)?.get("$ref")?.as_str()?.strip_prefix('#')?);
        }
        match document.pointer(&at)?.get("$ref").and_then(Value::as_str) {
            Some(reference) => at = reference.strip_prefix('#')?.to_owned(),
            None => return Some(at),
        }
    }
    None
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A pointer as a fragment of a reference.
fn fragment(pointer: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/~-._+".contains(b);
    pointer.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// OpenAPI's schemas as JSON Schema 2020-12 has them, for answers: what is `writeOnly` is not required.
fn as_json_schema(value: &mut Value, is_3_0: bool) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| as_json_schema(value, is_3_0)),
        Value::Object(map) => {
            map.values_mut().for_each(|value| as_json_schema(value, is_3_0));
            if is_3_0 {
                nullable(map);
                exclusive(map, "minimum", "exclusiveMinimum");
                exclusive(map, "maximum", "exclusiveMaximum");
                if map.get("$ref").is_some_and(Value::is_string) {
                    map.retain(|key, _| key == "$ref");
                }
            }
            required(map);
        }
        _ => {}
    }
}

/// OpenAPI 3.0.3: it adds null to the type of the same schema, and to nothing else.
fn nullable(map: &mut Map<String, Value>) {
    if map.get("nullable") == Some(&Value::Bool(true))
        && let Some(Value::String(name)) = map.get("type")
    {
        let both = json!([name, "null"]);
        map.insert("type".to_owned(), both);
    }
}

fn exclusive(map: &mut Map<String, Value>, bound: &str, flag: &str) {
    match map.get(flag) {
        Some(Value::Bool(true)) => {
            if let Some(limit) = map.remove(bound) {
                map.insert(flag.to_owned(), limit);
            }
        }
        Some(Value::Bool(false)) => drop(map.remove(flag)),
        _ => {}
    }
}

fn required(map: &mut Map<String, Value>) {
    let write_only: Vec<String> = match map.get("properties") {
        Some(Value::Object(all)) => {
            all.iter().filter(|(_, p)| p.get("writeOnly") == Some(&Value::Bool(true))).map(|(name, _)| name.clone()).collect()
        }
        _ => Vec::new(),
    };
    if let Some(Value::Array(required)) = map.get_mut("required") {
        required.retain(|name| name.as_str().is_none_or(|name| !write_only.iter().any(|w| w == name)));
        // JSON Schema asks for names that differ, and the validator counts on it.
        let mut seen = HashSet::new();
        required.retain(|name| seen.insert(name.to_string()));
    }
}
