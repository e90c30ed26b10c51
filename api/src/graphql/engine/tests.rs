use std::time::Instant;

use async_graphql::{EmptySubscription, Object, Schema};
use serde_json::json;

use super::*;

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
}

#[Object]
impl Mutation {
    async fn act(&self) -> i32 {
        1
    }
}

fn engine(introspection: bool) -> Engine<Schema<Query, Mutation, EmptySubscription>> {
    let schema = Schema::new(Query, Mutation, EmptySubscription);
    let sdl = schema.sdl();
    Engine::new(schema, &sdl, introspection, Duration::from_millis(50))
}

async fn ask(parameters: serde_json::Value) -> Answer {
    let engine = engine(true);
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
