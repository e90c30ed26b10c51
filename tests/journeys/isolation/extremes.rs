//! What is too early, too late, too long or too much is refused, or does nothing: it is never a fault of ours.

use async_graphql::parser::types::{FieldDefinition, OperationType};
use serde_json::{Map, Value, json};

use super::{
    sdl::{Sdl, name_of},
    values::{Given, Maker, missing, plain},
    world::{Asker, World, of},
};

/// Objects within objects that are filled.
const LEVELS: usize = 2;
/// Nobody asks after it.
const ENDS_THE_SESSION: [&str; 2] = ["signOut", "revokeSession"];

fn extremes(scalar: &str) -> Vec<Value> {
    match scalar {
        "DateTime" => [
            "-262143-01-01T00:00:00Z",
            "+262142-12-31T23:59:59Z",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "9999-12-31T23:59:59-23:59",
        ]
        .map(Value::from)
        .to_vec(),
        "Int" => vec![json!(i32::MAX), json!(i32::MIN), json!(i64::MAX)],
        "BigInt" => vec![json!(1_i64 << 53), json!(-(1_i64 << 53)), json!(i64::MIN)],
        "String" | "ID" | "EmailAddress" | "URL" => {
            vec![json!("a".repeat(200_000)), json!("a\u{0}b"), json!("%_\\".repeat(20_000))]
        }
        _ => Vec::new(),
    }
}

/// The places below an argument that take a scalar, with its name.
fn places(sdl: &Sdl, path: &[String], ty: &str, levels: usize) -> Vec<(Vec<String>, String)> {
    let Some(inputs) = sdl.inputs(ty) else { return vec![(path.to_vec(), ty.to_owned())] };
    let below = inputs.into_iter().filter(|_| levels > 0).flat_map(|input| {
        let path = [path, &[input.name.node.to_string()]].concat();
        places(sdl, &path, name_of(&input.ty.node), levels - 1)
    });
    below.collect()
}

/// Puts the value there, and what is around it where that is missing.
fn put(into: &mut Value, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else {
        *into = value;
        return;
    };
    match into {
        Value::Array(items) => items.iter_mut().for_each(|item| put(item, path, value.clone())),
        Value::Object(fields) => put(fields.entry(key).or_insert(Value::Object(Map::new())), rest, value),
        _ => {
            *into = Value::Object(Map::new());
            put(into, path, value);
        }
    }
}

/// A list in brackets with one more.
fn with(list: &str, more: &str) -> String {
    match list.strip_suffix(')') {
        Some(list) => format!("{list}, {more})"),
        None => format!("({more})"),
    }
}

/// What is asked of an answer: that it can be made.
fn below(sdl: &Sdl, ty: &str) -> &'static str {
    match sdl.page_of(ty) {
        Some(_) => "{ nodes { __typename } }",
        None if sdl.is_composite(ty) => "{ __typename }",
        None => "",
    }
}

struct Asking<'a> {
    world: &'a World,
    asker: &'a Asker,
}

impl Asking<'_> {
    fn given(&self, operation: OperationType, field: &FieldDefinition) -> Given {
        let pick = |_: &str, kind: &'static str| of(&self.world.theirs, kind);
        Maker { sdl: &self.world.sdl, pick: &pick, with: None }.given(operation, field)
    }

    /// A root field with one of its places given each extreme.
    async fn root(&self, operation: OperationType, field: &FieldDefinition) {
        let sdl = &self.world.sdl;
        let (name, below) = (field.name.node.as_str(), below(sdl, name_of(&field.ty.node)));
        for argument in field.arguments.iter().map(|argument| &argument.node) {
            let key = argument.name.node.to_string();
            let Given { mut defined, mut given, variables } = self.given(operation, field);
            if variables.get(&key).is_none() {
                defined = with(&defined, &format!("${key}: {}", argument.ty.node));
                given = with(&given, &format!("{key}: ${key}"));
            }
            let query = format!("{operation}{defined} {{ {name}{given} {below} }}");
            self.each(&query, &variables, &[key], name_of(&argument.ty.node)).await;
        }
    }

    /// The same of what is asked for inside a root field that is no list.
    async fn inside(&self, root: &FieldDefinition) {
        let (sdl, owner) = (&self.world.sdl, name_of(&root.ty.node));
        if sdl.page_of(owner).is_some() {
            return;
        }
        for field in sdl.fields(owner) {
            let (name, below) = (field.name.node.as_str(), below(sdl, name_of(&field.ty.node)));
            for argument in field.arguments.iter().map(|argument| &argument.node) {
                let Given { defined, given, variables } = self.given(OperationType::Query, root);
                let key = argument.name.node.as_str();
                let needed = field
                    .arguments
                    .iter()
                    .map(|other| &other.node)
                    .filter(|other| other.name.node != key && !other.ty.node.nullable && other.default_value.is_none());
                let others = needed.map(|other| {
                    let (place, key) = (format!("{owner}.{name}.{}", other.name.node), other.name.node.as_str());
                    let value = plain(&place, key, name_of(&other.ty.node)).unwrap_or_else(|| missing(&place));
                    format!("{key}: {value}, ")
                });
                let others = others.collect::<String>();
                let defined = with(&defined, &format!("$extreme: {}", argument.ty.node));
                let root = root.name.node.as_str();
                let query = format!("query{defined} {{ {root}{given} {{ {name}({others}{key}: $extreme) {below} }} }}");
                self.each(&query, &variables, &["extreme".to_owned()], name_of(&argument.ty.node)).await;
            }
        }
    }

    /// Each place below a variable, with each extreme.
    async fn each(&self, query: &str, variables: &Value, path: &[String], ty: &str) {
        for (path, scalar) in places(&self.world.sdl, path, ty, LEVELS) {
            for extreme in extremes(&scalar) {
                let mut variables = variables.clone();
                put(&mut variables, &path, extreme.clone());
                let answer = self.world.app.graphql(self.asker.person.as_ref(), query, variables).await;
                let codes: Vec<_> = answer["errors"].as_array().into_iter().flatten().map(|e| &e["extensions"]["code"]).collect();
                let ours =
                    codes.iter().any(|code| ["INTERNAL", "UNAVAILABLE", "CONFLICT"].contains(&code.as_str().unwrap_or("")));
                assert!(!ours, "{} {extreme:.40} in {query}: {answer}", path.join("."));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_extreme_is_no_fault_of_ours() {
    let world = World::new().await;
    let askers = world.askers().await;
    let asker = askers.iter().find(|asker| asker.name == "OWNER").expect("an owner");
    let asking = Asking { world: &world, asker };
    let (_, queries) = world.sdl.root(OperationType::Query);
    // What it gives is of any kind, and its id is asked for alone.
    let node = "query($id: ID!) { node(id: $id) { __typename } }";
    asking.each(node, &json!({}), &["id".to_owned()], "ID").await;
    for field in queries.into_iter().filter(|field| field.name.node != "node") {
        asking.root(OperationType::Query, field).await;
        asking.inside(field).await;
    }
    // It needs a team's id, and is asked for alone.
    let on = "query($team: ID!, $at: DateTime!) { provider { accessOn(teamId: $team, at: $at) { gaps } } }";
    asking.each(on, &json!({ "team": of(&world.theirs, "Team") }), &["at".to_owned()], "DateTime").await;
    let (_, mutations) = world.sdl.root(OperationType::Mutation);
    for field in mutations.into_iter().filter(|field| !ENDS_THE_SESSION.contains(&field.name.node.as_str())) {
        asking.root(OperationType::Mutation, field).await;
    }
}
