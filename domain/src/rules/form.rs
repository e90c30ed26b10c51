//! What a plan asks for: the fields that it defines, and the answers to them.

use std::collections::HashMap;

use entities::{
    columns::{Answer, Answers, FormStep, PropertyDefinition, SubmissionForm},
    enums::{FormTarget, PropertyType},
};
use serde_json::Value;

use super::{
    outgoing::{self, Reach},
    profile, text,
};
use crate::{Problem, ProblemCode, error::Problems};

const MAX_STEPS: usize = 20;
const MAX_FIELDS: usize = 100;
const MAX_OPTIONS: usize = 100;
const LINE_MAX: usize = 200;
const TEXT_MAX: usize = 10_000;

/// A form that may be stored: its keys are unique over all of its steps.
pub fn form(path: &str, given: &SubmissionForm) -> Result<SubmissionForm, Vec<Problem>> {
    let mut problems = Problems::default();
    let steps_path = format!("{path}.steps");
    if given.steps.is_empty() {
        problems.add(ProblemCode::Required, &steps_path, "a form has one step at least; leave the form out for none");
    }
    if given.steps.len() > MAX_STEPS {
        problems.add(ProblemCode::LimitReached, &steps_path, format!("at most {MAX_STEPS} steps"));
    }
    let mut keys = Vec::new();
    let steps = given.steps.iter().enumerate().map(|(i, step)| {
        let at = format!("{steps_path}.{i}");
        let title = problems.take(text::name(&format!("{at}.title"), &step.title, 80)).unwrap_or_default();
        FormStep { title, fields: fields(&mut problems, &format!("{at}.fields"), &step.fields, &mut keys) }
    });
    let form = SubmissionForm { steps: steps.collect() };
    let list = problems.into_list();
    if list.is_empty() { Ok(form) } else { Err(list) }
}

/// Fields that may be stored. `keys`: those that are taken already; each new one is added.
pub fn fields(
    problems: &mut Problems,
    path: &str,
    given: &[PropertyDefinition],
    keys: &mut Vec<String>,
) -> Vec<PropertyDefinition> {
    if keys.len() + given.len() > MAX_FIELDS {
        problems.add(ProblemCode::LimitReached, path, format!("at most {MAX_FIELDS} fields"));
        return Vec::new();
    }
    let checked = given.iter().enumerate().map(|(i, field)| {
        let at = |name: &str| format!("{path}.{i}.{name}");
        if !is_key(&field.key) {
            let say = "must start with a letter and have up to 40 letters, digits, hyphens and underscores";
            problems.add(ProblemCode::Invalid, &at("key"), say);
        } else if keys.contains(&field.key) {
            problems.add(ProblemCode::Taken, &at("key"), "another field has this key");
        }
        keys.push(field.key.clone());
        options(problems, &at("options"), field);
        if field.applies_to.is_some_and(|target| type_of(target) != field.kind) {
            let say = format!("only a field of type {} can go there", text::word(field.applies_to.map(type_of)));
            problems.add(ProblemCode::Invalid, &at("appliesTo"), say);
        }
        PropertyDefinition {
            label: problems.take(text::name(&at("label"), &field.label, 120)).unwrap_or_default(),
            description: problems.take(text::prose(&at("description"), field.description.as_deref(), 1000)).flatten(),
            ..field.clone()
        }
    });
    checked.collect()
}

fn is_key(key: &str) -> bool {
    key.len() <= 40
        && key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

fn type_of(target: FormTarget) -> PropertyType {
    match target {
        FormTarget::IpAllowlist => PropertyType::IpList,
        FormTarget::JwksUrl => PropertyType::Url,
    }
}

fn options(problems: &mut Problems, path: &str, field: &PropertyDefinition) {
    let chosen_from = matches!(field.kind, PropertyType::Option | PropertyType::Options);
    match (chosen_from, field.options.len()) {
        (true, 0) => problems.add(ProblemCode::Required, path, "what is chosen from has to be named"),
        (true, count) if count > MAX_OPTIONS => {
            problems.add(ProblemCode::LimitReached, path, format!("at most {MAX_OPTIONS} options"));
        }
        (false, 1..) => problems.add(ProblemCode::Invalid, path, "only OPTION and OPTIONS are chosen from a list"),
        _ => {}
    }
    for (i, option) in field.options.iter().enumerate() {
        problems.take(text::name(&format!("{path}.{i}"), option, 120));
        if field.options[..i].contains(option) {
            problems.add(ProblemCode::Taken, &format!("{path}.{i}"), "is in the list already");
        }
    }
}

/// The answers as they are kept: in the order of the fields, each of its field's type. An empty text, an empty list and null
/// are no answer. `reach`: which addresses may be asked that are given.
pub fn answers<'a>(
    path: &str,
    fields: impl IntoIterator<Item = &'a PropertyDefinition>,
    given: &[Answer],
    reach: Reach,
) -> Result<Answers, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut by_key: HashMap<&str, &Value> = HashMap::new();
    for answer in given {
        if by_key.insert(&answer.key, &answer.value).is_some() {
            problems.add(ProblemCode::FormInvalid, &format!("{path}.{}", answer.key), "is answered twice");
        }
    }
    let mut kept = Vec::new();
    for field in fields {
        let at = format!("{path}.{}", field.key);
        match by_key.remove(field.key.as_str()).filter(|value| !is_empty(value)) {
            None if field.required => {
                problems.add(ProblemCode::FormInvalid, &at, format!("{} has to be filled in", field.label));
            }
            None => {}
            Some(value) => match answer(field, value, reach) {
                Ok(value) => kept.push(Answer { key: field.key.clone(), value }),
                Err(say) => problems.add(ProblemCode::FormInvalid, &at, format!("{}: {say}", field.label)),
            },
        }
    }
    let mut unknown: Vec<_> = by_key.into_keys().collect();
    unknown.sort_unstable();
    for key in unknown {
        problems.add(ProblemCode::FormInvalid, &format!("{path}.{key}"), "is no field of the form");
    }
    let list = problems.into_list();
    if list.is_empty() { Ok(Answers(kept)) } else { Err(list) }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

/// One answer, put in order; else what it has to be.
fn answer(field: &PropertyDefinition, value: &Value, reach: Reach) -> Result<Value, String> {
    let said = |problem: Problem| problem.message;
    match (field.kind, value) {
        (PropertyType::String, Value::String(line)) => text::name("", line, LINE_MAX).map(Value::from).map_err(said),
        (PropertyType::Text, Value::String(prose)) => text::prose("", Some(prose), TEXT_MAX).map(Value::from).map_err(said),
        (PropertyType::Url, Value::String(url)) if field.applies_to == Some(FormTarget::JwksUrl) => {
            outgoing::url("", url, reach).map(|url| String::from(url).into()).map_err(said)
        }
        (PropertyType::Url, Value::String(url)) => text::web_url("", url).map(Value::from).map_err(said),
        (PropertyType::Email, Value::String(email)) => text::email("", email).map(Value::from).map_err(said),
        (PropertyType::Number, Value::Number(_)) | (PropertyType::Boolean, Value::Bool(_)) => Ok(value.clone()),
        (PropertyType::Option, Value::String(chosen)) if field.options.contains(chosen) => Ok(value.clone()),
        (PropertyType::Options, Value::Array(_)) => {
            let chosen = strings(value).unwrap_or_default();
            let known = !chosen.is_empty() && chosen.iter().all(|chosen| field.options.contains(chosen));
            let ordered = || field.options.iter().filter(|option| chosen.contains(option)).cloned().collect::<Vec<_>>();
            if known { Ok(ordered().into()) } else { Err(format!("choose from {}", field.options.join(", "))) }
        }
        (PropertyType::IpList, Value::Array(_)) => {
            let list = strings(value).ok_or("must be a list of addresses and ranges")?;
            let first = |problems: Vec<Problem>| problems.into_iter().next().map(|p| p.message).unwrap_or_default();
            profile::allowlist("", &list).map(|list| list.0.into()).map_err(first)
        }
        (PropertyType::Option, _) => Err(format!("choose one of {}", field.options.join(", "))),
        (kind, _) => Err(format!("must be {}", shape(kind))),
    }
}

fn strings(value: &Value) -> Option<Vec<String>> {
    value.as_array()?.iter().map(|entry| entry.as_str().map(str::to_owned)).collect()
}

fn shape(kind: PropertyType) -> &'static str {
    match kind {
        PropertyType::String | PropertyType::Text | PropertyType::Option => "a text",
        PropertyType::Number => "a number",
        PropertyType::Boolean => "true or false",
        PropertyType::Options => "a list of texts",
        PropertyType::Url => "an address such as https://example.com",
        PropertyType::Email => "an address such as ada@example.com",
        PropertyType::IpList => "a list of addresses and ranges",
    }
}

/// The addresses that answers ask the production profile to be opened for; `None`: nothing was asked.
pub fn allowlist_of(form: &SubmissionForm, answers: &Answers) -> Option<Vec<String>> {
    strings(target(form, answers, FormTarget::IpAllowlist)?)
}

/// Where the keys of the production credential are published, by the answers.
pub fn jwks_url_of<'a>(form: &SubmissionForm, answers: &'a Answers) -> Option<&'a str> {
    target(form, answers, FormTarget::JwksUrl)?.as_str()
}

fn target<'a>(form: &SubmissionForm, answers: &'a Answers, target: FormTarget) -> Option<&'a Value> {
    let field = form.fields().find(|field| field.applies_to == Some(target))?;
    answers.iter().find(|answer| answer.key == field.key).map(|answer| &answer.value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn field(key: &str, kind: PropertyType) -> PropertyDefinition {
        let options = match kind {
            PropertyType::Option | PropertyType::Options => vec!["small".to_owned(), "large".to_owned()],
            _ => Vec::new(),
        };
        PropertyDefinition {
            key: key.to_owned(),
            label: key.to_owned(),
            description: None,
            kind,
            required: false,
            read_only: false,
            in_wizard: false,
            options,
            applies_to: None,
        }
    }

    fn given(key: &str, value: Value) -> Answer {
        Answer { key: key.to_owned(), value }
    }

    #[test]
    fn each_type_takes_its_own() {
        use PropertyType::{Boolean, Email, IpList, Number, Option, Options, String, Text, Url};
        let all = [
            (String, json!(" one line "), Some(json!("one line"))),
            (String, json!("two\nlines"), None),
            (String, json!(1), None),
            (Text, json!("two\nlines"), Some(json!("two\nlines"))),
            (Number, json!(1.5), Some(json!(1.5))),
            (Number, json!("1"), None),
            (Boolean, json!(false), Some(json!(false))),
            (Boolean, json!("no"), None),
            (Option, json!("large"), Some(json!("large"))),
            (Option, json!("huge"), None),
            (Options, json!(["large", "small", "large"]), Some(json!(["small", "large"]))),
            (Options, json!(["huge"]), None),
            (Options, json!([1]), None),
            (Url, json!("https://example.com/a"), Some(json!("https://example.com/a"))),
            (Url, json!("javascript:alert(1)"), None),
            (Email, json!("Ada@Example.com"), Some(json!("ada@example.com"))),
            (Email, json!("ada"), None),
            (IpList, json!(["203.0.113.7", "203.0.113.9/24"]), Some(json!(["203.0.113.7", "203.0.113.0/24"]))),
            (IpList, json!(["nowhere"]), None),
            (IpList, json!("203.0.113.7"), None),
        ];
        for (kind, value, expected) in all {
            let kept = answers("answers", &[field("f", kind)], &[given("f", value.clone())], Reach::Public);
            let kept = kept.map(|list| list[0].value.clone());
            assert_eq!(kept.clone().ok(), expected, "{kind:?} {value}");
            if let Err(problems) = kept {
                assert_eq!((problems[0].code, problems[0].path.join(".")), (ProblemCode::FormInvalid, "answers.f".to_owned()));
            }
        }
    }

    #[test]
    fn what_is_missing_twice_or_unknown_is_said_at_once() {
        let required = PropertyDefinition { required: true, ..field("need", PropertyType::String) };
        let fields = [required, field("may", PropertyType::String)];
        let wrong = [given("may", json!("a")), given("may", json!("b")), given("need", json!("  ")), given("what", json!(1))];
        let problems = answers("answers", &fields, &wrong, Reach::Public).expect_err("three things wrong");
        let said: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.path.join("."), p.message)).collect();
        assert_eq!(
            said,
            ["answers.may: is answered twice", "answers.need: need has to be filled in", "answers.what: is no field of the form"]
        );
        assert_eq!(
            answers("answers", &fields, &[given("need", json!("x")), given("may", json!(null))], Reach::Public)
                .expect("fine")
                .len(),
            1
        );
    }

    #[test]
    fn a_form_is_checked_field_by_field() {
        let step = |fields| FormStep { title: "About you".to_owned(), fields };
        let wrong = |steps| {
            let problems = form("form", &SubmissionForm { steps }).expect_err("something wrong");
            problems.iter().map(|p| format!("{} {:?}", p.path.join("."), p.code)).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(wrong(Vec::new()), "form.steps Required");
        let twice = || field("a", PropertyType::String);
        assert_eq!(wrong(vec![step(vec![twice()]), step(vec![twice()])]), "form.steps.1.fields.0.key Taken");
        let bad_key = field("1a", PropertyType::String);
        let no_options = PropertyDefinition { options: Vec::new(), ..field("o", PropertyType::Option) };
        let needless = PropertyDefinition { options: vec!["x".to_owned()], ..field("n", PropertyType::Number) };
        let misplaced = PropertyDefinition { applies_to: Some(FormTarget::IpAllowlist), ..field("m", PropertyType::String) };
        assert_eq!(
            wrong(vec![step(vec![bad_key, no_options, needless, misplaced])]),
            "form.steps.0.fields.0.key Invalid, form.steps.0.fields.1.options Required, \
             form.steps.0.fields.2.options Invalid, form.steps.0.fields.3.appliesTo Invalid"
        );
    }

    #[test]
    fn an_answer_goes_where_its_field_says() {
        let target = PropertyDefinition { applies_to: Some(FormTarget::IpAllowlist), ..field("ips", PropertyType::IpList) };
        let form = SubmissionForm { steps: vec![FormStep { title: "Network".to_owned(), fields: vec![target] }] };
        assert_eq!(allowlist_of(&form, &Answers(vec![given("ips", json!(["203.0.113.7"]))])), Some(vec!["203.0.113.7".into()]));
        assert_eq!(allowlist_of(&form, &Answers::default()), None);
        let target = PropertyDefinition { applies_to: Some(FormTarget::JwksUrl), ..field("keys", PropertyType::Url) };
        let form = SubmissionForm { steps: vec![FormStep { title: "Keys".to_owned(), fields: vec![target] }] };
        let kept = |url: &str| answers("answers", form.fields(), &[given("keys", json!(url))], Reach::Public);
        let fine = kept("https://keys.example.com/jwks").expect("an address that may be asked");
        assert_eq!(jwks_url_of(&form, &fine), Some("https://keys.example.com/jwks"));
        assert!(kept("https://10.0.0.1/jwks").is_err() && kept("http://keys.example.com").is_err());
    }
}
