use std::time::Instant;

use async_graphql::{EmptySubscription, Object, Schema};
use serde_json::json;

use super::*;
use crate::graphql::{allowance::Counted, json_text::JsonText};

struct Query;
struct Mutation;

#[Object]
impl Query {
    async fn echo(&self, text: String) -> String {
        text
    }
    async fn panics(&self) -> Option<i32> {
        Some("no number".parse().expect("a fault"))
    }
    async fn never(&self) -> Option<i32> {
        std::future::pending().await
    }
    async fn text(&self, length: usize) -> String {
        "a".repeat(length)
    }
    async fn json(&self, length: usize) -> JsonText {
        JsonText(format!("[{}1]", "1,".repeat(length)).into())
    }
    async fn rows(&self) -> Vec<Row> {
        (0..2_000).map(|_| Row).collect()
    }
}

struct Row;

#[Object]
impl Row {
    async fn one(&self) -> i32 {
        1
    }
    async fn fails(&self) -> async_graphql::Result<Option<i32>> {
        Err("no".into())
    }
    /// Work for a core, in which nothing waits.
    async fn works(&self) -> i32 {
        std::thread::sleep(Duration::from_millis(2));
        1
    }
}

#[Object]
impl Mutation {
    async fn act(&self) -> i32 {
        1
    }
    async fn rows(&self) -> Option<Vec<Row>> {
        Some((0..2_000).map(|_| Row).collect())
    }
    async fn text(&self, length: usize) -> Option<String> {
        Some("a".repeat(length))
    }
}

fn engine(introspection: bool) -> Engine<Schema<Query, Mutation, EmptySubscription>> {
    let schema = Schema::build(Query, Mutation, EmptySubscription).extension(Counted).finish();
    let sdl = schema.sdl();
    Engine::new(schema, &sdl, introspection, Duration::from_millis(50))
}

async fn ask(parameters: serde_json::Value) -> Answer {
    ask_of(&engine(true), parameters).await
}

/// Without hurry.
async fn ask_at_leisure(parameters: serde_json::Value) -> Answer {
    ask_of(&Engine { time_limit: Duration::from_secs(60), ..engine(true) }, parameters).await
}

async fn ask_of(engine: &Engine<Schema<Query, Mutation, EmptySubscription>>, parameters: serde_json::Value) -> Answer {
    let serde_json::Value::Object(mut fields) = parameters else { panic!("an object") };
    let parameters = Parameters {
        query: fields["query"].as_str().unwrap().to_owned(),
        operation_name: fields.get("operationName").and_then(|name| name.as_str()).map(str::to_owned),
        variables: fields.remove("variables").and_then(|v| v.as_object().cloned()).unwrap_or_default(),
    };
    match engine.prepare(parameters) {
        Ok(prepared) => engine.execute(prepared).await,
        Err(refusal) => Answer::refused(refusal),
    }
}

fn code(answer: &Answer) -> serde_json::Value {
    serde_json::to_value(&answer.errors[0]).unwrap()["extensions"]["code"].clone()
}

#[tokio::test]
async fn a_panic_and_a_hang_end_the_operation_and_nothing_else() {
    let panicked = ask(json!({ "query": "{ panics }" })).await;
    assert_eq!((panicked.outcome, code(&panicked)), (Outcome::Failed, json!("INTERNAL")));
    let hung = ask(json!({ "query": "{ never }" })).await;
    assert_eq!((hung.outcome, code(&hung)), (Outcome::TimedOut, json!("UNAVAILABLE")));
    assert_eq!(ask(json!({ "query": "mutation { act }" })).await.data, Some(Value::from_json(json!({ "act": 1 })).unwrap()));
}

#[tokio::test]
async fn the_named_operation_is_executed() {
    let query = "query A { echo(text: \"a\") } query B { echo(text: \"b\") }";
    assert_eq!(ask(json!({ "query": query, "operationName": "B" })).await.data.unwrap().to_string(), "{echo: \"b\"}");
    for name in [json!(null), json!(""), json!("C")] {
        let answer = ask(json!({ "query": query, "operationName": name })).await;
        assert_eq!((answer.outcome, answer.data.is_none()), (Outcome::Refused, true), "{name}");
    }
}

#[tokio::test]
async fn variables_are_taken_as_their_operation_declares_them() {
    let query = "query($t: String!) { echo(text: $t) }";
    for (variables, fine) in [
        (json!({ "t": "a" }), true),
        (json!({ "t": "a", "unknown": [1] }), true),
        (json!({}), false),
        (json!({ "t": null }), false),
        (json!({ "t": 1 }), false),
        (json!({ "t": ["a"] }), false),
        (json!({ "t": "a\0b" }), false),
    ] {
        let answer = ask(json!({ "query": query, "variables": variables })).await;
        assert_eq!(answer.data.is_some(), fine, "{variables} {:?}", answer.errors);
        assert!(fine || code(&answer) == "BAD_USER_INPUT");
    }
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    let answer = ask(json!({ "query": query, "variables": { "t": deep } })).await;
    assert!(answer.errors[0].message.starts_with("the variable $t: more than 32"), "{:?}", answer.errors);
    let default = ask(json!({ "query": "query($t: String! = \"d\") { echo(text: $t) }" })).await;
    assert_eq!(default.data.unwrap().to_string(), "{echo: \"d\"}");
}

#[test]
fn introspection_can_be_switched_off() {
    let ask = |query: &str| engine(false).prepare(Parameters { query: query.to_owned(), ..Parameters::default() });
    assert!(ask("{ echo(text: \"a\") __typename }").is_ok());
    assert!(ask("{ __schema { types { name } } }").is_err());
    assert!(ask("{ ...A } fragment A on Query { ...B } fragment B on Query { __type(name: \"A\") { name } }").is_err());
}

#[test]
fn errors_are_told_in_moderation() {
    let fields: String = (0..500).map(|i| format!("no{i} ")).collect();
    let answer = futures_util::FutureExt::now_or_never(async {
        let engine = engine(true);
        let prepared = engine.prepare(Parameters {
            query: format!("{{ ...F }} fragment F on Query {{ echo(text: \"a\") {{ {fields} }} }}"),
            ..Parameters::default()
        });
        engine.answer(
            &prepared.unwrap().asked,
            Response::from_errors((0..500).map(|i| ServerError::new(i.to_string(), None)).collect()),
        )
    });
    assert_eq!(answer.unwrap().errors.len(), MAX_ERRORS);
}

/// The promise: any document of 64 KiB is answered or refused within 50 ms. Debug builds are about twenty times slower.
#[tokio::test]
async fn hostile_documents_cost_little() {
    let fields = |count: usize| (0..count).map(|i| format!("a{i}: echo(text: \"a\") ")).collect::<String>();
    let sets = |count: usize| (0..count).map(|_| "... { ...F }").collect::<String>();
    for (name, document) in [
        ("spaces", format!("{{ echo(text: \"a\") {} }}", " ".repeat(65_000))),
        ("comments", format!("{{ {} echo(text: \"a\") }}", "#\n".repeat(32_000))),
        ("one long line that is wrong", format!("{{ echo(text: \"{}\" ", "a".repeat(65_000))),
        ("unclosed", format!("{{ echo(text: \"\"\"{}", "\"".repeat(65_000))),
        ("names", format!("{{ {} }}", "echo ".repeat(1_990))),
        ("fields", format!("{{ ...F }} fragment F on Query {{ {} }}", fields(220))),
        ("sets that spread one fragment", format!("{{ {} }} fragment F on Query {{ {} }}", sets(15), fields(200))),
        (
            "unused fragments",
            format!(
                "{{ echo(text: \"a\") }} {}",
                (0..240).map(|i| format!("fragment F{i} on Query {{ echo }} ")).collect::<String>()
            ),
        ),
        ("variables", format!("query({}) {{ echo(text: \"a\") }}", (0..480).map(|i| format!("$v{i}: Int ")).collect::<String>())),
    ] {
        assert!(document.len() <= limits::MAX_DOCUMENT, "{name}");
        let began = Instant::now();
        let answer = ask(json!({ "query": document })).await;
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "{name} took {took:?}");
        assert_ne!(answer.outcome, Outcome::Failed, "{name}");
    }
}

fn codes(answer: &Answer) -> Vec<serde_json::Value> {
    answer.errors.iter().map(|error| serde_json::to_value(error).unwrap()["extensions"]["code"].clone()).collect()
}

#[tokio::test]
async fn an_answer_has_so_many_bytes_and_no_more() {
    let name = "n".repeat(6_000);
    for (query, fine) in [
        ("{ text(length: 10000000) }".to_owned(), true),
        ("{ text(length: 10500000) }".to_owned(), false),
        // Each of these alone would fit.
        ("{ a: text(length: 6000000) b: text(length: 6000000) }".to_owned(), false),
        ("{ a: json(length: 3000000) b: json(length: 3000000) }".to_owned(), false),
        // Keys are written as often as there are rows, and so are the paths of errors.
        (format!("{{ rows {{ {name}: one }} }}"), false),
        (format!("{{ rows {{ {name}: __typename }} }}"), false),
        (format!("{{ {name}: rows {{ fails }} }}"), false),
        ("{ rows { one fails } }".to_owned(), true),
    ] {
        let answer = ask_at_leisure(json!({ "query": query })).await;
        let expected = if fine { Outcome::Executed } else { Outcome::TooMuch };
        assert_eq!(answer.outcome, expected, "{:.60}", query);
        assert_eq!((answer.data.is_some(), fine || codes(&answer) == ["RATE_LIMITED"]), (fine, true), "{:.60}", query);
    }
}

#[tokio::test]
async fn what_a_mutation_did_is_told_though_the_rest_is_too_much() {
    let query = "mutation { first: text(length: 4) large: text(length: 11000000) last: act }";
    let answer = ask_at_leisure(json!({ "query": query })).await;
    assert_eq!(answer.outcome, Outcome::Executed);
    assert!(codes(&answer).iter().all(|code| code == "RATE_LIMITED") && codes(&answer).len() == 3, "{:?}", codes(&answer));
    // `last` cannot be null: the null moves up.
    assert_eq!(answer.data, Some(Value::Null));
    let answer = ask_at_leisure(json!({ "query": query.replace("last: act", "") })).await;
    assert_eq!(serde_json::to_value(&answer).unwrap()["data"], json!({ "first": "aaaa", "large": null }));
    let name = "n".repeat(12_000);
    let answer = ask_at_leisure(json!({ "query": format!("mutation {{ rows {{ {name}: one }} }}") })).await;
    assert_eq!(serde_json::to_value(&answer).unwrap()["data"], json!({ "rows": null }));
}

#[tokio::test]
async fn work_for_a_core_ends_with_the_time() {
    let clock = Instant::now();
    let answer = ask(json!({ "query": "{ rows { works } }" })).await;
    assert_eq!((answer.outcome, codes(&answer)), (Outcome::TimedOut, vec![json!("UNAVAILABLE")]));
    // All of it would take four seconds.
    assert!(clock.elapsed() < Duration::from_secs(3), "{:?}", clock.elapsed());
}

#[tokio::test]
async fn json_is_written_as_it_stands() {
    let answer = ask_at_leisure(json!({ "query": "{ json(length: 2) }" })).await;
    assert_eq!(serde_json::to_string(&answer).unwrap(), r#"{"data":{"json":[1,1,1]}}"#);
}
