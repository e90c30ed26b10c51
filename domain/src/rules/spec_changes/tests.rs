use serde_json::{Value, json};

use super::{SpecChange, compare};
use crate::rules::{openapi::Document, patience::Patience};

fn compared(old: &Document, new: &Document) -> Vec<SpecChange> {
    compare(old, new, &Patience::endless()).unwrap()
}

fn document(paths: Value, components: Value, more: Value) -> Document {
    let mut document =
        json!({ "openapi": "3.1.0", "info": { "title": "t", "version": "1" }, "paths": paths, "components": components });
    if let (Value::Object(document), Value::Object(more)) = (&mut document, more) {
        document.extend(more);
    }
    Document::index(document.to_string()).unwrap()
}

/// `!` before what breaks, `+`, `-`, `~` or `?` (deprecated) before all.
fn shown(changes: &[SpecChange]) -> Vec<String> {
    let mark =
        |change: &SpecChange| format!("{}{}", if change.breaking { "!" } else { "" }, ["+", "-", "~", "?"][change.kind as usize]);
    let line =
        |change: &SpecChange| format!("{} {}: {}", mark(change), change.operation.as_deref().unwrap_or("all"), change.text);
    changes.iter().map(line).collect()
}

/// What is told of `GET /a`, without its name.
fn told(old: Value, new: Value, components: [Value; 2]) -> String {
    let [before, after] = components;
    let (old, new) = (
        document(json!({ "/a": { "get": old } }), before, json!({})),
        document(json!({ "/a": { "get": new } }), after, json!({})),
    );
    shown(&compared(&old, &new)).join("\n").replace(" GET /a: ", " ")
}

fn operation(old: Value, new: Value) -> String {
    told(old, new, [json!({}), json!({})])
}

/// The same two schemas as a request's body and as an answer's: what is told of each.
fn schemas(old: &Value, new: &Value) -> [String; 2] {
    let content = |schema: &Value| json!({ "application/json": { "schema": schema } });
    let body = |schema: &Value| json!({ "requestBody": { "content": content(schema) } });
    let answer = |schema: &Value| json!({ "responses": { "200": { "content": content(schema) } } });
    let bare = |text: String| text.replace("the request body", "it").replace("the answer 200", "it");
    [bare(operation(body(old), body(new))), bare(operation(answer(old), answer(new)))]
}

#[test]
fn what_breaks_a_request_seldom_breaks_an_answer() {
    let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required });
    let text = || json!({ "type": "string" });
    for (old, new, request, answer) in [
        (text(), text(), "", ""),
        (text(), json!({ "type": "string", "description": "other" }), "", ""),
        (
            text(),
            json!({ "type": "integer" }),
            "!~ it changed its type from string to integer",
            "!~ it changed its type from string to integer",
        ),
        (
            json!({ "type": "integer" }),
            json!({ "type": "number" }),
            "~ it changed its type from integer to number",
            "!~ it changed its type from integer to number",
        ),
        (
            json!({ "type": "number" }),
            json!({ "type": "integer" }),
            "!~ it changed its type from number to integer",
            "~ it changed its type from number to integer",
        ),
        (text(), json!({ "type": ["string", "null"] }), "~ it can now be null", "!~ it can now be null"),
        (json!({ "type": ["string", "null"] }), text(), "!~ it can no longer be null", "~ it can no longer be null"),
        (json!({ "type": ["string", "null"] }), json!({ "anyOf": [text(), { "type": "null" }] }), "", ""),
        (
            json!({}),
            text(),
            "!~ it is now limited to the type string (was any)",
            "~ it is now limited to the type string (was any)",
        ),
        (text(), json!({}), "~ it can now be of any type (was string)", "!~ it can now be of any type (was string)"),
        (
            json!({ "enum": ["a", "b"] }),
            json!({ "enum": ["a"] }),
            "!- it no longer takes the value `b`",
            "- it no longer has the value `b`",
        ),
        (
            json!({ "enum": ["a"] }),
            json!({ "enum": ["a", "b", "c"] }),
            "+ it also takes the values `b`, `c`",
            "!+ it can now have the values `b`, `c`",
        ),
        (
            text(),
            json!({ "type": "string", "enum": ["a"] }),
            "!~ it is now limited to the values `a`",
            "~ it is now limited to the values `a`",
        ),
        (json!({ "enum": ["a", "b"] }), json!({ "oneOf": [{ "const": "a", "title": "A" }, { "const": "b" }] }), "", ""),
        (text(), json!({ "type": "string", "format": "uuid" }), "!~ it now has the format uuid", "~ it now has the format uuid"),
        (
            json!({ "type": "integer" }),
            json!({ "type": "integer", "format": "int64" }),
            "~ it now has the format int64",
            "~ it now has the format int64",
        ),
        (
            text(),
            json!({ "type": "string", "maxLength": 5 }),
            "!~ it now has a maximum length of 5",
            "~ it now has a maximum length of 5",
        ),
        (
            json!({ "type": "string", "maxLength": 5 }),
            json!({ "type": "string", "maxLength": 9 }),
            "~ it changed its maximum length from 5 to 9",
            "!~ it changed its maximum length from 5 to 9",
        ),
        (
            json!({ "type": "number", "minimum": 1 }),
            json!({ "type": "number", "exclusiveMinimum": 1 }),
            "!~ it changed whether its minimum 1 is included",
            "~ it changed whether its minimum 1 is included",
        ),
        (text(), json!({ "type": "string", "minLength": 0 }), "", ""),
        (
            text(),
            json!({ "type": "string", "pattern": "^a" }),
            "!~ it must now match the pattern `^a`",
            "~ it must now match the pattern `^a`",
        ),
        (
            json!({ "type": "number", "multipleOf": 2 }),
            json!({ "type": "number", "multipleOf": 4 }),
            "!~ it changed its multiple from 2 to 4",
            "~ it changed its multiple from 2 to 4",
        ),
        (
            object(json!({ "a": text() }), json!([])),
            object(json!({}), json!([])),
            "!- it: `a` can no longer be sent: the property was removed",
            "!- it: `a` was removed (it was optional)",
        ),
        (object(json!({}), json!([])), object(json!({ "a": text() }), json!([])), "+ it: `a` is new", "+ it: `a` is new"),
        (
            object(json!({}), json!([])),
            object(json!({ "a": text() }), json!(["a"])),
            "!+ it: `a` is new and required: send it",
            "+ it: `a` is new",
        ),
        (
            object(json!({}), json!([])),
            object(json!({ "a": { "default": 1 } }), json!(["a"])),
            "+ it: `a` is new and required, with a default",
            "+ it: `a` is new",
        ),
        (
            object(json!({ "a": text() }), json!([])),
            object(json!({ "a": text() }), json!(["a"])),
            "!~ it: `a` is now required: send it",
            "~ it: `a` is now always there",
        ),
        (
            object(json!({ "a": text() }), json!(["a"])),
            object(json!({ "a": text() }), json!([])),
            "~ it: `a` is no longer required",
            "!~ it: `a` may now be missing",
        ),
        (object(json!({}), json!([])), object(json!({ "a": { "readOnly": true } }), json!(["a"])), "", "+ it: `a` is new"),
        (
            object(json!({}), json!([])),
            object(json!({ "a": { "writeOnly": true } }), json!(["a"])),
            "!+ it: `a` is new and required: send it",
            "",
        ),
        (
            object(json!({ "a": text() }), json!([])),
            object(json!({ "a": { "type": "string", "deprecated": true } }), json!([])),
            "? it: `a` is now deprecated",
            "? it: `a` is now deprecated",
        ),
        (
            json!({ "type": "object" }),
            json!({ "type": "object", "additionalProperties": false }),
            "!~ it no longer takes properties that are not named",
            "~ it no longer takes properties that are not named",
        ),
        (
            json!({ "type": "array", "items": { "properties": { "a": text() } } }),
            json!({ "type": "array", "items": { "properties": { "a": { "type": "boolean" } } } }),
            "!~ it: `[].a` changed its type from string to boolean",
            "!~ it: `[].a` changed its type from string to boolean",
        ),
        (
            object(json!({ "a": text() }), json!(["a"])),
            json!({ "allOf": [object(json!({ "a": text() }), json!([])), { "required": ["a"] }] }),
            "",
            "",
        ),
        (
            json!({ "oneOf": [text(), { "type": "integer" }] }),
            text(),
            "!~ it changed its type from string or integer to string\n!- it no longer takes the type integer\n~ it now has one shape",
            "~ it changed its type from string or integer to string\n~ it now has one shape",
        ),
        (
            json!({ "oneOf": [{ "title": "A", "type": "string" }, { "title": "B", "type": "object" }] }),
            json!({ "oneOf": [{ "title": "A", "type": "string" }, { "title": "B", "type": "object" }, { "title": "C", "type": "array" }] }),
            "~ it changed its type from string or object to string or array or object\n+ it can now also be `C`",
            "!~ it changed its type from string or object to string or array or object\n!+ it can now also be `C`",
        ),
    ] {
        let [asked, given] = schemas(&old, &new);
        assert_eq!(asked, request, "request {old} -> {new}");
        assert_eq!(given, answer, "answer {old} -> {new}");
    }
}

#[test]
fn schemas_that_contain_themselves_end_and_shared_ones_are_told_where_they_are_used() {
    let tree = |name: &str| {
        json!({ "schemas": {
            "Tree": { "type": "object", "properties": { "children": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } }, "leaf": { "$ref": "#/components/schemas/Leaf" } } },
            "Leaf": { "type": "object", "properties": { name: { "type": "string" }, "tree": { "$ref": "#/components/schemas/Tree" } } },
        } })
    };
    let answer = |name: &str| json!({ "responses": { "200": { "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{name}") } } } } } });
    let found = told(answer("Tree"), answer("Tree"), [tree("a"), tree("b")]);
    assert_eq!(found, "!- the answer 200: `leaf.a` was removed (it was optional)\n+ the answer 200: `leaf.b` is new");
    assert_eq!(told(answer("Leaf"), answer("Leaf"), [tree("a"), tree("a")]), "");
    let found = told(answer("Leaf"), answer("Leaf"), [tree("a"), tree("b")]);
    assert_eq!(found, "!- the answer 200: `a` was removed (it was optional)\n+ the answer 200: `b` is new");
}

/// Ways of leading back to oneself that references alone do not show.
#[test]
fn schemas_that_wrap_themselves_end_too() {
    let own = || json!({ "$ref": "#/components/schemas/A" });
    let answer = || json!({ "responses": { "200": { "content": { "application/json": { "schema": own() } } } } });
    for wrapped in [
        json!({ "allOf": [own()], "description": "again" }),
        json!({ "$ref": "#/components/schemas/A", "title": "again" }),
        json!({ "allOf": [own(), { "properties": { "more": {} } }] }),
        json!({ "oneOf": [own(), { "type": "array", "items": own() }] }),
        json!({ "anyOf": [{ "allOf": [own()] }, { "allOf": [own(), { "type": "object" }] }] }),
    ] {
        let schema = |name: &str| json!({ "schemas": { "A": { "type": "object", "properties": { name: {}, "x": wrapped, "y": wrapped, "z": wrapped } } } });
        let found = told(answer(), answer(), [schema("a"), schema("b")]);
        assert!(found.starts_with("!- the answer 200: `a` was removed (it was optional)"), "{wrapped} {found}");
    }
    let itself = |kind: &str| json!({ "schemas": { "A": { "anyOf": [{ "allOf": [own()] }, { "type": kind }] } } });
    let found = told(answer(), answer(), [itself("string"), itself("integer")]);
    assert_eq!(found, "!~ the answer 200 changed its type from string to integer");
}

#[test]
fn operations_come_and_go_whatever_their_parameters_are_called() {
    let old = document(
        json!({
            "/a/{id}": { "get": { "operationId": "a" }, "put": {} },
            "/a/{name}": { "delete": {} },
            "/gone": { "get": {}, "post": { "deprecated": true } },
            "/old": { "get": { "deprecated": true } },
        }),
        json!({}),
        json!({}),
    );
    let new = document(
        json!({
            "/a/{key}": { "get": { "operationId": "b" }, "patch": {}, "delete": { "deprecated": true } },
            "/old": { "get": {} },
        }),
        json!({}),
        json!({}),
    );
    assert_eq!(
        shown(&compared(&old, &new)),
        [
            "!- PUT /a/{id}: the operation was removed",
            "!- GET /gone: the operation was removed",
            "!- POST /gone: the operation, deprecated before, was removed",
            "~ GET /a/{key}: the operation changed its operationId from a to b: generated clients rename it",
            "? DELETE /a/{key}: the operation is now deprecated",
            "+ PATCH /a/{key}: the operation was added",
            "~ GET /old: the operation is no longer deprecated",
        ]
    );
    assert_eq!(compared(&new, &new), []);
}

#[test]
fn parameters() {
    let one = |parameter: Value| json!({ "parameters": [parameter] });
    let query = |more: Value| {
        let mut parameter = json!({ "name": "q", "in": "query", "schema": { "type": "string" } });
        parameter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one(parameter)
    };
    let plain = || query(json!({}));
    let list = |more: Value| {
        let mut parameter = json!({ "schema": { "type": "array", "items": { "type": "string" } } });
        parameter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        query(parameter)
    };
    for (old, new, expected) in [
        (plain(), json!({}), "!- the query parameter `q` was removed"),
        (json!({}), plain(), "+ the query parameter `q` is new"),
        (json!({}), query(json!({ "required": true })), "!+ the query parameter `q` is new and required: send it"),
        (plain(), query(json!({ "required": true })), "!~ the query parameter `q` is now required: send it"),
        (query(json!({ "required": true })), plain(), "~ the query parameter `q` is no longer required"),
        (plain(), query(json!({ "deprecated": true })), "? the query parameter `q` is now deprecated"),
        (plain(), query(json!({ "style": "spaceDelimited" })), ""),
        (
            list(json!({})),
            list(json!({ "explode": false })),
            "!~ the query parameter `q` is written otherwise: form instead of form, exploded",
        ),
        (
            query(json!({ "schema": { "default": 1 } })),
            query(json!({ "schema": { "default": 2 } })),
            "!~ the query parameter `q` changed its default from `1` to `2`: send it to be sure",
        ),
        (one(json!({ "name": "X-A", "in": "header" })), one(json!({ "name": "x-a", "in": "header" })), ""),
        (one(json!({ "name": "Authorization", "in": "header" })), json!({}), ""),
    ] {
        assert_eq!(operation(old.clone(), new.clone()), expected, "{old} -> {new}");
    }
    let item = |name: &str, kind: &str| {
        let path = format!("/a/{{{name}}}");
        json!({ path: { "get": {}, "parameters": [{ "name": name, "in": "path", "required": true, "schema": { "type": kind } }] } })
    };
    let of = |paths| document(paths, json!({}), json!({}));
    let found = shown(&compared(&of(item("id", "string")), &of(item("key", "integer"))));
    assert_eq!(found, ["!~ GET /a/{key}: the path parameter `key` changed its type from string to integer"]);
}

#[test]
fn bodies_and_answers() {
    let body = |required: bool| json!({ "requestBody": { "required": required, "content": { "application/json": {} } } });
    let answers = |all: Value| json!({ "responses": all });
    let types = |names: &[&str]| {
        let content: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), json!({ "schema": { "type": "string" } }))).collect();
        json!({ "content": content })
    };
    let headers = |headers: Value| answers(json!({ "200": { "headers": headers } }));
    for (old, new, expected) in [
        (json!({}), body(true), "!+ the request body is new and required: send it"),
        (json!({}), body(false), "+ the request body is new"),
        (body(false), body(true), "!~ the request body is now required: send it"),
        (body(true), json!({}), "!- the request body can no longer be sent: it was removed"),
        (answers(json!({ "200": {} })), answers(json!({ "204": {} })), "!- the answer 200 was removed\n+ the answer 204 is new"),
        (answers(json!({ "200": {}, "404": {} })), answers(json!({ "200": {} })), "- the answer 404 was removed"),
        (answers(json!({ "200": {} })), answers(json!({ "2XX": {} })), "+ the answer 2XX is new"),
        (
            answers(json!({ "200": types(&["application/json", "text/csv; charset=utf-8"]) })),
            answers(json!({ "200": types(&["text/csv", "text/html"]) })),
            "!- the answer 200 is no longer given as application/json\n+ the answer 200 can now be text/html",
        ),
        (
            headers(json!({ "X-A": {} })),
            headers(json!({ "X-B": {} })),
            "!- the answer 200: the header `x-a` was removed\n+ the answer 200: the header `x-b` is new",
        ),
    ] {
        assert_eq!(operation(old.clone(), new.clone()), expected, "{old} -> {new}");
    }
}

#[test]
fn authentication() {
    let schemes = || {
        json!({ "securitySchemes": {
            "key": { "type": "apiKey", "in": "header", "name": "X-Key" },
            "renamed": { "type": "apiKey", "in": "header", "name": "X-Key" },
            "oauth": { "type": "oauth2", "flows": { "clientCredentials": {} } },
        } })
    };
    let of = |security: Value| json!({ "security": security });
    for (old, new, expected) in [
        (json!({}), of(json!([{ "key": [] }])), "!~ the operation now needs authentication: the header `X-Key`"),
        (of(json!([{ "key": [] }])), of(json!([{ "renamed": [] }])), ""),
        (
            of(json!([{ "key": [] }])),
            of(json!([{ "key": [] }, {}])),
            "~ the operation changed its authentication from the header `X-Key` to the header `X-Key`, or nothing",
        ),
        (of(json!([{ "oauth": ["a"] }])), of(json!([{ "oauth": ["a", "b"] }])), "!~ the operation now needs the scope `b`"),
        (
            of(json!([{ "oauth": ["b", "a"] }])),
            of(json!([{ "oauth": ["a"] }])),
            "~ the operation changed its authentication from OAuth 2.0 (clientCredentials) with `a`, `b` to OAuth 2.0 (clientCredentials) with `a`",
        ),
        (
            of(json!([{ "key": [] }])),
            of(json!([{ "oauth": [] }])),
            "!~ the operation changed its authentication from the header `X-Key` to OAuth 2.0 (clientCredentials)",
        ),
        (
            of(json!([{ "key": [] }, { "oauth": [] }])),
            of(json!([{ "oauth": [] }])),
            "!~ the operation can no longer be called with the header `X-Key`",
        ),
    ] {
        assert_eq!(told(old.clone(), new.clone(), [schemes(), schemes()]), expected, "{old} -> {new}");
    }
    let of = |security: Value| document(json!({ "/a": { "get": {} } }), schemes(), json!({ "security": security }));
    let found = shown(&compared(&of(json!([{ "oauth": ["a"] }])), &of(json!([{ "oauth": ["b"] }]))));
    assert_eq!(found, ["!~ GET /a: the operation now needs the scope `b`"]);
}

#[test]
fn what_takes_too_long_is_not_told() {
    let of = |name: &str| document(json!({ "/a": { "get": { "operationId": name } } }), json!({}), json!({}));
    assert_eq!(compare(&of("a"), &of("b"), &Patience::until(|| true)), None);
    assert_eq!(compare(&of("a"), &of("b"), &Patience::until(|| false)).map(|changes| changes.len()), Some(1));
}
