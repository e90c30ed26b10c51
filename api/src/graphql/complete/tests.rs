//! The examples of the specification's section on errors (6.4.4), executed for real.

use async_graphql::{EmptyMutation, EmptySubscription, Interface, Object, Result, Schema};
use serde_json::json;

use crate::graphql::engine::{Engine, Outcome, Parameters};

struct Query;

#[derive(Clone)]
struct Human(u8);

#[derive(Clone)]
struct Droid;

#[derive(Interface)]
#[graphql(field(name = "name", ty = "String"))]
enum Character {
    Human(Human),
    Droid(Droid),
}

#[Object]
impl Query {
    async fn hero(&self) -> Option<Human> {
        Some(Human(3))
    }
    async fn must(&self) -> Human {
        Human(3)
    }
    async fn nobody(&self) -> Option<Human> {
        None
    }
    async fn characters(&self) -> Vec<Character> {
        vec![Character::Human(Human(0)), Character::Droid(Droid)]
    }
    async fn slow(&self) -> i32 {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        1
    }
    async fn quick(&self) -> i32 {
        2
    }
}

#[Object]
impl Human {
    async fn name(&self) -> String {
        format!("human {}", self.0)
    }
    /// Null where it fails.
    async fn nickname(&self) -> Result<Option<String>> {
        Err("no nickname".into())
    }
    /// Never null.
    async fn height(&self) -> Result<i32> {
        Err("no height".into())
    }
    async fn friends(&self) -> Option<Vec<Option<Human>>> {
        Some((0..self.0).map(|i| (i != 1).then_some(Human(i))).collect())
    }
    async fn sure_friends(&self) -> Option<Vec<Human>> {
        Some((0..self.0).map(Human).collect())
    }
    async fn odd(&self) -> Result<bool> {
        if self.0 == 1 { Err("one".into()) } else { Ok(false) }
    }
}

#[Object]
impl Droid {
    async fn name(&self) -> String {
        "droid".to_owned()
    }
    async fn model(&self) -> i32 {
        2
    }
}

async fn ask(query: &str) -> serde_json::Value {
    let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
    let sdl = schema.sdl();
    let engine = Engine::new(schema, &sdl, true, std::time::Duration::from_secs(5));
    let prepared = engine.prepare(Parameters { query: query.to_owned(), ..Parameters::default() }).unwrap();
    let answer = engine.execute(prepared).await;
    assert_eq!(answer.outcome, Outcome::Executed, "{query} {:?}", answer.errors);
    serde_json::to_value(answer.data).unwrap()
}

#[tokio::test]
async fn a_nullable_field_that_fails_is_null() {
    assert_eq!(ask("{ hero { name nickname } }").await, json!({ "hero": { "name": "human 3", "nickname": null } }));
    assert_eq!(ask("{ hero { nickname } }").await, json!({ "hero": { "nickname": null } }));
    assert_eq!(ask("{ nobody { nickname } }").await, json!({ "nobody": null }));
}

#[tokio::test]
async fn a_field_that_cannot_be_null_makes_its_parent_null() {
    assert_eq!(ask("{ hero { name height } quick }").await, json!({ "hero": null, "quick": 2 }));
    assert_eq!(ask("{ must { name height } quick }").await, json!(null));
}

#[tokio::test]
async fn in_lists_the_entry_or_the_list_becomes_null() {
    let friends = json!([{ "odd": false }, null, { "odd": false }]);
    assert_eq!(ask("{ hero { friends { odd } } }").await, json!({ "hero": { "friends": friends } }));
    assert_eq!(ask("{ hero { sureFriends { odd } } }").await, json!({ "hero": { "sureFriends": null } }));
    assert_eq!(ask("{ hero { friends { height } } }").await, json!({ "hero": { "friends": [null, null, null] } }));
}

#[tokio::test]
async fn fields_come_in_the_order_in_which_they_are_asked_for() {
    let text = ask("{ slow quick again: slow ...F hero { odd name } } fragment F on Query { hero { name } }").await.to_string();
    assert_eq!(text, r#"{"slow":1,"quick":2,"again":1,"hero":{"name":"human 3","odd":false}}"#);
}

#[tokio::test]
async fn objects_behind_an_interface_have_the_fields_of_their_own_type() {
    let query =
        "{ characters { __typename ... on Droid { model } ...N ... on Human { nickname } } } fragment N on Character { name }";
    let expected = json!({ "characters": [
        { "__typename": "Human", "name": "human 0", "nickname": null },
        { "__typename": "Droid", "model": 2, "name": "droid" },
    ] });
    assert_eq!(ask(query).await, expected);
    assert_eq!(ask("{ characters { ... on Droid { model } } }").await, json!({ "characters": [{}, { "model": 2 }] }));
}

#[tokio::test]
async fn what_is_skipped_is_absent_and_an_object_of_nothing_is_empty() {
    assert_eq!(ask("{ hero { name @skip(if: true) } quick @include(if: false) }").await, json!({ "hero": {} }));
    assert_eq!(ask("query($no: Boolean = false) { quick slow @include(if: $no) }").await, json!({ "quick": 2 }));
    assert_eq!(ask("query($yes: Boolean! = true) { quick @include(if: $yes) }").await, json!({ "quick": 2 }));
    assert_eq!(ask("{ quick @skip(if: true) }").await, json!({}));
}

#[tokio::test]
async fn introspection_is_complete_too() {
    let answer = ask(
        "{ t: __type(name: \"Droid\") { name fields { name type { kind ofType { name } } } } no: __type(name: \"x\") { name } }",
    )
    .await;
    assert_eq!(answer["t"]["fields"][1], json!({ "name": "model", "type": { "kind": "NON_NULL", "ofType": { "name": "Int" } } }));
    assert_eq!(answer["no"], json!(null));
}
