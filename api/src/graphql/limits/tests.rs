use async_graphql::Variables;

use super::*;

/// A catalog with pages, plain lists and an interface.
const SDL: &str = "
schema { query: Query mutation: Mutation }
type Query {
  product(slug: String!): Product
  products(first: Int, after: String, last: Int, before: String): ProductConnection!
}
type Mutation { rename(slug: String!, name: String!): Product }
type ProductConnection { edges: [ProductEdge!]! nodes: [Product!]! pageInfo: PageInfo! totalCount: Int }
type ProductEdge { node: Product! cursor: String! }
type PageInfo { hasNextPage: Boolean! }
type Product { name: String! related: Product tags: [Tag!]! products(first: Int): ProductConnection! }
type Tag { name: String! }
";

fn refused(text: &str) -> Option<Refusal> {
    let shape = Shape::of(SDL);
    parse(text).and_then(|document| check(&document, &shape, introspection_budget(&shape), &Variables::default())).err()
}

fn limit_of(text: &str) -> &'static str {
    refused(text).and_then(|refusal| refusal.limit).map_or("", |(limit, _)| limit)
}

fn nested(levels: usize, inner: &str) -> String {
    format!("{{ product(slug: \"a\") {}{inner}{} }}", "{ related ".repeat(levels), "}".repeat(levels))
}

/// `count` fragments, each of which spreads the next `width` times.
fn bomb(count: usize, width: usize, inline: bool) -> String {
    let spread = |i: usize| {
        if inline { format!("... on Product {{ related {{ ...F{i} }} }} ") } else { format!("...F{i} ") }
    };
    let fragment = |i: usize| format!("fragment F{i} on Product {{ {} }}\n", spread(i + 1).repeat(width));
    let all: String = (0..count).map(fragment).collect();
    format!("{{ product(slug: \"a\") {{ ...F0 }} }}\n{all}fragment F{count} on Product {{ name }}")
}

#[test]
fn each_limit_by_its_name() {
    for (text, limit) in [
        (format!("{{ product(slug: \"{}\") {{ name }} }}", "a".repeat(MAX_DOCUMENT)), "document"),
        (format!("{{ {} }}", "a ".repeat(MAX_TOKENS)), "tokens"),
        (format!("{{ product(slug: {}1{}) {{ name }} }}", "[".repeat(50_000 / 2), "]".repeat(50_000 / 2)), "brackets"),
        (nested(MAX_DEPTH - 2, "{ name }"), ""),
        (nested(MAX_DEPTH - 1, "{ name }"), "depth"),
        (format!("{{ {} }}", (0..30).map(|i| format!("a{i}: product(slug: \"a\") {{ name }} ")).collect::<String>()), ""),
        (format!("{{ {} }}", (0..31).map(|i| format!("a{i}: product(slug: \"a\") {{ name }} ")).collect::<String>()), "roots"),
        (format!("{{ product(slug: \"a\") {} {{ name }} }}", "@include(if: true) ".repeat(5)), ""),
        (format!("{{ product(slug: \"a\") {} {{ name }} }}", "@include(if: true) ".repeat(6)), "directives"),
        (bomb(8, 10, false), "selections"),
        (bomb(16, 2, false), "selections"),
        (bomb(20, 2, false), "selections"),
        (bomb(28, 2, false), "selections"),
        (bomb(32, 2, false), "levels"),
        (bomb(6, 10, true), "selections"),
        (bomb(16, 2, true), "levels"),
        // An operation that is not executed is walked by validation all the same.
        (bomb(20, 2, false).replace("{ product", "query A { portal } query B { product"), "selections"),
        (bomb(20, 2, false).replace("{ product(slug: \"a\") { ...F0 } }", "{ product(slug: \"a\") { name } }"), "selections"),
        ("{ products(first: 100) { nodes { products(first: 100) { nodes { name } } } } }".to_owned(), ""),
        (
            "{ products(first: 100) { nodes { products(first: 100) { nodes { products(first: 100) { nodes { name } } } } } } }"
                .to_owned(),
            "cost",
        ),
        ("{ products { nodes { products { nodes { products { nodes { name } } } } } } }".to_owned(), ""),
        (include_str!("introspection.graphql").to_owned(), ""),
        (
            format!("{{ __schema {{ types {}name{} }} }}", "{ fields { type ".repeat(8), "}}".repeat(8))
                .replace("type name", "type { name }"),
            "introspection",
        ),
        (format!("{{ __type(name: \"A\") {}{{ name }}{} }}", "{ ofType ".repeat(20), "}".repeat(20)), "depth"),
    ] {
        assert_eq!(limit_of(&text), limit, "{:.300}", text);
    }
}

#[test]
fn what_no_limit_names_is_said_plainly() {
    for (text, message) in [
        ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "spreads itself"),
        ("{ product(slug: \"a\\u0000\") { name } }", "U+0000"),
        ("{ product(slug: \"\"\"a\0\"\"\") { name } }", "U+0000"),
        ("{ product(", "syntax error: expected"),
        ("", "syntax error"),
    ] {
        let refusal = refused(text).unwrap_or_else(|| panic!("{text} was taken"));
        assert!(refusal.message.contains(message) && refusal.limit.is_none(), "{text}: {}", refusal.message);
    }
}

#[test]
fn pages_by_variable_count_as_the_variable_says() {
    let shape = Shape::of(SDL);
    let text = "query($n: Int) { products(first: $n) { nodes { products(first: $n) { nodes { products(first: $n) { nodes { name } } } } } } }";
    let document = parse(text).unwrap();
    let with = |n: i32| Variables::from_json(serde_json::json!({ "n": n }));
    assert!(check(&document, &shape, introspection_budget(&shape), &with(5)).is_ok());
    assert!(check(&document, &shape, introspection_budget(&shape), &with(i32::MAX)).is_err());
}

#[test]
fn a_mutation_runs_no_field_twice() {
    let twice = |text: &str| {
        let document = parse(text).unwrap();
        let operation = document.operations.iter().next().unwrap().1.node.clone();
        check_mutation(&document, &operation).is_err()
    };
    assert!(twice("mutation { rename(slug: \"a\", name: \"b\") { name } rename(slug: \"a\", name: \"b\") { tags { name } } }"));
    assert!(twice(
        "mutation { rename(slug: \"a\", name: \"b\") { name } ...A } fragment A on Mutation { rename(slug: \"a\", name: \"b\") { name } }"
    ));
    assert!(!twice("mutation { rename(slug: \"a\", name: \"b\") { name } b: rename(slug: \"a\", name: \"b\") { name } }"));
}

#[test]
fn what_takes_work_has_a_price() {
    let shape = Shape::of(&crate::graphql::sdl());
    for (ty, field, price) in measure::PRICES {
        assert!(shape.field(ty, field).is_some() && price > 1, "there is no {ty}.{field}");
    }
    let limit = |text: &str| {
        let document = parse(text).unwrap();
        let refused = check(&document, &shape, introspection_budget(&shape), &Variables::default()).err();
        refused.and_then(|refusal| refusal.limit).map_or("", |(limit, _)| limit)
    };
    let operations = |aliases: usize| {
        let one = |i: usize| format!("p{i}: product(slug: \"a\") {{ endpoints(first: 100) {{ nodes {{ operation }} }} }} ");
        format!("{{ {} }}", (0..aliases).map(one).collect::<String>())
    };
    assert_eq!([1, 4, 5].map(|aliases| limit(&operations(aliases))), ["", "", "cost"]);
    assert_eq!(limit("{ products(first: 100) { nodes { currentSpec { changes { text } } } } }"), "");
    assert_eq!(limit("{ products(first: 100) { nodes { specs(first: 100) { nodes { breaking } } } } }"), "cost");
}
