//! Requests that mean harm, or are made by somebody who lost count. Bodies as they are sent.

use serde_json::{Value, json};

/// A name and a body.
pub fn requests() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, query) in documents() {
        all.push((name, json!({ "query": query }).to_string().into_bytes()));
    }
    for (name, variables) in variables() {
        let query = "query($id: ID!, $n: Int, $c: String) { node(id: $id) { id } products(first: $n, after: $c) { totalCount } }";
        all.push((
            format!("variables: {name}"),
            format!("{{\"query\":{},\"variables\":{variables}}}", json!(query)).into_bytes(),
        ));
    }
    for (name, body) in [
        ("an array of two", r#"[{"query":"{ portal { name } }"},{"query":"{ portal { name } }"}]"#.to_owned()),
        ("an array of 5,000", format!("[{}]", vec![r#"{"query":"{ portal { name } }"}"#; 5_000].join(","))),
        ("JSON 100,000 deep", "[".repeat(100_000)),
        ("duplicate keys", r#"{"query":"{ portal { name } }","query":"{ nothing }"}"#.to_owned()),
        ("a lone surrogate", r#"{"query":"{ portal { name } } # \ud800"}"#.to_owned()),
        ("not UTF-8", String::new()),
    ] {
        let body = if name == "not UTF-8" { vec![b'{', 0xff, 0xfe, b'}'] } else { body.into_bytes() };
        all.push((name.to_owned(), body));
    }
    all
}

fn documents() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, query: String| all.push((name.to_owned(), query));
    for count in [31, 100, 10_000] {
        add(
            &format!("{count} aliases"),
            format!("{{ {} }}", (0..count).map(|i| format!("a{i}: portal {{ name }} ")).collect::<String>()),
        );
    }
    for depth in [13, 1_000, 10_000] {
        add(&format!("{depth} deep"), format!("{{ {}name{} }}", "portal { ".repeat(depth), "} ".repeat(depth)));
    }
    add("a list 50,000 deep", format!("{{ node(id: {}1{}) {{ id }} }}", "[".repeat(50_000), "]".repeat(50_000)));
    add("an object 10,000 deep", format!("{{ node(id: {}1{}) {{ id }} }}", "{a:".repeat(10_000), "}".repeat(10_000)));
    add("a type 10,000 deep", format!("query($a: {}Int{}) {{ portal {{ name }} }}", "[".repeat(10_000), "]".repeat(10_000)));
    add("unbalanced", "{".repeat(60_000));
    for levels in [16, 20, 24, 28, 32] {
        add(&format!("fragments doubling over {levels} levels"), bomb(levels, 2, "{ portal { ...F0 } }"));
        add(
            &format!("the same where it is not executed, {levels} levels"),
            bomb(levels, 2, "query A { portal { name } } query B { portal { ...F0 } }"),
        );
        add(&format!("the same where nobody spreads it, {levels} levels"), bomb(levels, 2, "{ portal { name } }"));
    }
    add("fragments times ten over 8 levels", bomb(8, 10, "{ portal { ...F0 } }"));
    add("inline fragments", format!("{{ portal {}{{ name }}{} }}", "{ ... on Portal ".repeat(40), "}".repeat(40)));
    add("doubling by inline fragments", inline_bomb(24));
    add("a cycle of one", "{ portal { ...A } } fragment A on Portal { ...A }".to_owned());
    add(
        "a cycle of three",
        "{ portal { ...A } } fragment A on Portal { ...B } fragment B on Portal { ...C } fragment C on Portal { ...A }"
            .to_owned(),
    );
    add("a cycle through fields", "{ node(id: \"a\") { ...A } } fragment A on Node { id ... on Product { ...A } }".to_owned());
    add(
        "10,000 unused fragments",
        format!(
            "{{ portal {{ name }} }} {}",
            (0..10_000).map(|i| format!("fragment F{i} on Portal {{ name }} ")).collect::<String>()
        ),
    );
    for count in [1_000, 10_000] {
        add(&format!("{count} directives"), format!("{{ portal {} {{ name }} }}", "@include(if: true) ".repeat(count)));
    }
    add("one field 20,000 times", format!("{{ portal {{ {} }} }}", "name ".repeat(20_000)));
    add("one field 1,900 times", format!("{{ portal {{ {} }} }}", "name ".repeat(1_900)));
    add("1,900 unknown fields", format!("{{ portal {{ {} }} }}", (0..1_900).map(|i| format!("n{i} ")).collect::<String>()));
    add("50 operations", (0..50).map(|i| format!("query Q{i} {{ portal {{ name }} }} ")).collect());
    add(
        "introspection through types",
        format!("{{ __schema {{ types {}{{ name }}{} }} }}", "{ fields { type ".repeat(10), "} }".repeat(10)),
    );
    add(
        "introspection of one type",
        format!("{{ __type(name: \"Query\") {}{{ name }}{} }}", "{ ofType ".repeat(30), "}".repeat(30)),
    );
    add(
        "introspection thirty times",
        format!(
            "{{ {} }}",
            (0..30)
                .map(|i| format!("a{i}: __schema {{ types {{ fields {{ args {{ type {{ fields {{ name }} }} }} }} }} }} "))
                .collect::<String>()
        ),
    );
    for (name, page) in [
        ("a page of 2^31-1", "first: 2147483647"),
        ("a page of 2^31", "first: 2147483648"),
        ("a page of 2^53+1", "first: 9007199254740993"),
        ("a page of -1", "first: -1"),
        ("a page of 0", "last: 0"),
        ("a page of 1e999", "first: 1e999"),
        ("first and last", "first: 1, last: 1"),
        ("a cursor of nothing", "first: 1, after: \"x\""),
        ("a cursor of another kind", "first: 1, after: \"team_01h455vb4pex5vsknk084sn02q\""),
        ("a tampered cursor", "first: 1, after: \"prod_zzzzzzzzzzzzzzzzzzzzzzzzzz\""),
        ("a NUL", "search: \"a\\u0000b\""),
        ("an enum for a text", "search: FOO"),
        ("an object for a number", "first: {a: 1}"),
        ("an unknown argument", "size: 10"),
        ("the same argument twice", "first: 1, first: 2"),
    ] {
        add(name, format!("{{ products({page}) {{ nodes {{ id }} }} }}"));
    }
    add("nested pages", format!("{{ {} }}", "products(first: 100) { nodes { id } } ".repeat(2)));
    add("nothing", String::new());
    add("spaces", " ".repeat(60_000));
    add("a comment", format!("#{}", "x".repeat(60_000)));
    add("a text without end", format!("{{ node(id: \"{}", "x".repeat(60_000)));
    add("a block text without end", format!("{{ node(id: \"\"\"{}", "\\\"\"\"".repeat(15_000)));
    add("control characters", "{ portal { \u{1}\u{7}name } }".to_owned());
    add("a null byte", "{ portal { name } }\0".to_owned());
    add("too long", format!("{{ portal {{ name }} }} #{}", "x".repeat(100_000)));
    all
}

/// Each fragment spreads the next `width` times.
fn bomb(levels: usize, width: usize, operation: &str) -> String {
    let fragment = |i: usize| format!("fragment F{i} on Portal {{ {} }} ", format!("...F{} ", i + 1).repeat(width));
    let all: String = (0..levels).map(fragment).collect();
    format!("{operation} {all}fragment F{levels} on Portal {{ name }}")
}

fn inline_bomb(levels: usize) -> String {
    let fragment =
        |i: usize| format!("fragment F{i} on Portal {{ {} }} ", format!("... on Portal {{ ...F{} }} ", i + 1).repeat(2));
    let all: String = (0..levels).map(fragment).collect();
    format!("{{ portal {{ ...F0 }} }} {all}fragment F{levels} on Portal {{ name }}")
}

/// JSON texts, as some of them are no values.
fn variables() -> Vec<(&'static str, String)> {
    let deep = |levels: usize| format!("{{\"id\":{}1{}}}", "[".repeat(levels), "]".repeat(levels));
    let text = |value: Value| value.to_string();
    vec![
        ("40 deep", deep(40)),
        ("120 deep", deep(120)),
        ("100,000 deep", deep(100_000)),
        ("200 kB", text(json!({ "id": "x".repeat(200_000) }))),
        ("10 MB", text(json!({ "id": "x".repeat(10_000_000) }))),
        ("50,000 entries", text(json!({ "id": vec![1; 50_000] }))),
        ("a NUL", text(json!({ "id": "a\u{0}b" }))),
        ("a lone surrogate", "{\"id\":\"\\ud800\"}".to_owned()),
        ("1e999", "{\"id\":\"a\",\"n\":1e999}".to_owned()),
        ("-0", "{\"id\":\"a\",\"n\":-0}".to_owned()),
        ("2^31", text(json!({ "id": "a", "n": 2_147_483_648_i64 }))),
        ("2^53+1", text(json!({ "id": "a", "n": 9_007_199_254_740_993_i64 }))),
        ("a number as text", text(json!({ "id": "a", "n": "1" }))),
        ("an object for an id", text(json!({ "id": {} }))),
        ("null for an id", text(json!({ "id": null }))),
        ("nothing", "{}".to_owned()),
        ("an array", "[]".to_owned()),
        ("a foreign cursor", text(json!({ "id": "a", "n": 1, "c": "user_01h455vb4pex5vsknk084sn02q" }))),
    ]
}
