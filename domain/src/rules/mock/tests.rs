//! One document, every rule.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    Answer, Direction, Operation, Origin, Request, Source, Unanswered,
    check::{faults, fits},
    generate::generate,
};
use crate::rules::{openapi::Document, patience::Patience};

fn source(openapi: &str, mut document: Value) -> Source {
    document["openapi"] = json!(openapi);
    Source::new(Arc::new(Document::index(document.to_string()).unwrap()))
}

/// A document of nothing but these schemas.
fn schemas(openapi: &str, schemas: Value) -> Source {
    source(openapi, json!({ "paths": {}, "components": { "schemas": schemas } }))
}

fn made(source: &Source, schema: &Value, seed: u64) -> Option<Value> {
    generate(source, Direction::Response, schema, false, seed)
}

#[test]
fn what_is_made_fits() {
    let source = schemas(
        "3.1.0",
        json!({
            "Pet": { "oneOf": [{ "$ref": "#/components/schemas/Cat" }, { "$ref": "#/components/schemas/Dog" }],
                "discriminator": { "propertyName": "kind", "mapping": { "dog": "#/components/schemas/Dog" } } },
            "Base": { "type": "object", "properties": { "kind": { "type": "string" }, "id": { "type": "integer" } }, "required": ["kind"] },
            "Cat": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "properties": { "lives": { "type": "integer", "maximum": 9 } } }] },
            "Dog": { "allOf": [{ "$ref": "#/components/schemas/Base" }, { "required": ["barks"], "properties": { "barks": { "type": "boolean" } } }] },
            "Tree": { "type": "object", "required": ["left"], "properties": {
                "left": { "anyOf": [{ "$ref": "#/components/schemas/Tree" }, { "type": "null" }] },
                "leaves": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } } } },
        }),
    );
    for schema in [
        json!(true),
        json!({}),
        json!({ "type": "string", "minLength": 40, "maxLength": 41 }),
        json!({ "type": "string", "maxLength": 1 }),
        json!({ "type": "string", "pattern": "^[A-Z]{2}\\d{6,}$", "minLength": 12, "maxLength": 12 }),
        json!({ "type": "string", "format": "uri", "minLength": 60 }),
        json!({ "type": "string", "format": "email", "maxLength": 8 }),
        json!({ "type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7 }),
        json!({ "type": "integer", "maximum": -400 }),
        json!({ "type": "integer", "minimum": 1000, "multipleOf": 7 }),
        json!({ "type": "number", "minimum": 0.1, "maximum": 0.2 }),
        json!({ "type": "number", "multipleOf": 0.01, "maximum": 0.05, "exclusiveMinimum": 0.0 }),
        json!({ "type": ["null", "boolean"] }),
        json!({ "type": "null" }),
        json!({ "const": { "a": [1] } }),
        json!({ "enum": [null, "x", 3] }),
        json!({ "type": "array", "items": { "enum": [1, 2, 3] }, "uniqueItems": true, "minItems": 3 }),
        json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "integer" }], "items": false }),
        json!({ "type": "array", "items": false }),
        json!({ "type": "object", "additionalProperties": { "type": "integer" }, "minProperties": 3 }),
        json!({ "type": "object", "patternProperties": { "^x-\\w+$": { "type": "boolean" } }, "additionalProperties": false, "minProperties": 1 }),
        json!({ "type": "object", "required": ["other"], "maxProperties": 1, "properties": { "a": {}, "b": {} } }),
        json!({ "propertyNames": { "pattern": "^[a-z]{3}$" }, "additionalProperties": { "type": "null" } }),
        json!({ "allOf": [{ "type": "object", "properties": { "a": { "type": "string" } }, "additionalProperties": false },
            { "properties": { "a": { "maxLength": 2 }, "b": {} } }] }),
        json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "not": { "required": ["a"] } }),
        json!({ "oneOf": [{ "type": "integer" }, { "type": "number" }] }),
        json!({ "anyOf": [{ "type": "string", "pattern": "^(?=x)" , "maxLength": 0, "minLength": 1 }, { "type": "integer" }] }),
        json!({ "type": "object", "properties": { "a": { "type": "string" } }, "oneOf": [{ "required": ["a"] }, { "required": ["b"] }] }),
        json!({ "if": { "properties": { "k": { "const": 1 } } }, "then": { "required": ["x"] }, "properties": { "k": { "type": "integer" } } }),
        json!({ "$ref": "#/components/schemas/Pet" }),
        json!({ "$ref": "#/components/schemas/Tree" }),
        json!({ "$ref": "#/components/schemas/Cat", "required": ["lives"] }),
        json!({ "type": "array", "items": { "$ref": "#/components/schemas/Pet" }, "minItems": 4 }),
    ] {
        for seed in 0..25 {
            let value = made(&source, &schema, seed).unwrap_or_else(|| panic!("nothing for {schema}"));
            assert!(fits(&source, Direction::Response, &schema, &value), "{value} for {schema}");
            let judge = jsonschema::options().should_validate_formats(true);
            let mut whole = schema.clone();
            if let (Some(map), Some(target)) = (whole.as_object_mut(), source.target("#/components")) {
                map.insert("components".to_owned(), Value::clone(&target));
            }
            let judged = judge.build(&whole).unwrap().is_valid(&value);
            assert!(judged || schema.to_string().contains("(?="), "{value} for {schema}");
            assert_eq!(made(&source, &schema, seed), Some(value));
        }
    }
    for impossible in [
        json!(false),
        json!({ "type": "integer", "minimum": 2, "maximum": 1 }),
        json!({ "allOf": [{ "type": "string" }, { "type": "integer" }] }),
        json!({ "type": "string", "pattern": "^a$", "minLength": 2 }),
        json!({ "type": "array", "minItems": 3, "uniqueItems": true, "items": { "enum": [1, 2] } }),
    ] {
        assert_eq!(made(&source, &impossible, 1), None, "{impossible}");
    }
}

#[test]
fn what_the_schema_gives_is_taken() {
    let source = schemas("3.0.3", json!({}));
    for (schema, expected) in [
        (json!({ "type": "string", "example": "Rex", "default": "x" }), json!("Rex")),
        (json!({ "type": "integer", "example": "not a number", "default": 7 }), json!(7)),
        (json!({ "type": "string", "examples": [1, "second"] }), json!("second")),
        (json!({ "type": "string", "nullable": true, "enum": ["only", null] }), json!("only")),
        (json!({ "type": "string", "minLength": 9, "default": "short", "enum": ["long enough"] }), json!("long enough")),
        (
            json!({ "type": "object", "example": { "name": "a", "password": "b" },
                "properties": { "name": {}, "password": { "type": "string", "writeOnly": true } } }),
            json!({ "name": "a" }),
        ),
        (
            json!({ "type": "object", "required": ["password"],
                "properties": { "id": { "type": "integer", "readOnly": true, "example": 1 }, "password": { "writeOnly": true } } }),
            json!({ "id": 1 }),
        ),
    ] {
        assert_eq!(made(&source, &schema, 3), Some(expected), "{schema}");
    }
    let schema = json!({ "type": "integer", "example": 3, "minimum": 10_000 });
    assert!(made(&source, &schema, 3).is_some_and(|value| value.as_i64() >= Some(10_000)));
    let dynamic = generate(&source, Direction::Response, &json!({ "type": "string", "example": "Rex" }), true, 3);
    assert!(dynamic.is_some_and(|value| value != "Rex"));
}

#[test]
fn what_one_part_asks_for_and_another_leaves_out_is_not_missing() {
    let parts = json!({
        "Pet": { "type": "object", "properties": {
            "id": { "type": "integer", "readOnly": true }, "secret": { "type": "string", "writeOnly": true }, "name": {}
        } },
        "Chip": { "type": "object", "properties": { "code": { "type": "string" } } },
    });
    let source = schemas("3.0.3", parts);
    let whole = json!({ "allOf": [
        { "allOf": [{ "$ref": "#/components/schemas/Pet" }] },
        { "required": ["id", "secret", "name"], "properties": { "chip": { "$ref": "#/components/schemas/Chip", "required": ["id"] } } },
        { "properties": { "mate": { "required": ["id"] } } },
    ] });
    let missing = |direction, value: Value| -> Vec<String> {
        faults(&source, direction, &whole, &value).into_iter().map(|fault| fault.pointer).collect()
    };
    assert_eq!(missing(Direction::Request, json!({ "secret": "s", "name": 1 })), [""; 0]);
    assert_eq!(missing(Direction::Response, json!({ "id": 1, "name": 1 })), [""; 0]);
    assert_eq!(missing(Direction::Request, json!({ "id": 1 })), ["/secret", "/name"]);
    assert_eq!(missing(Direction::Request, json!({ "secret": "s", "name": 1, "mate": {} })), ["/mate/id"], "of that object only");
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let schema = json!({
        "type": "object", "required": ["name", "id", "secret"], "additionalProperties": false, "minProperties": 2,
        "properties": {
            "id": { "type": "integer", "readOnly": true }, "secret": { "type": "string", "writeOnly": true },
            "name": { "type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$" },
            "age": { "type": "integer", "minimum": 0, "exclusiveMinimum": true, "maximum": 150, "multipleOf": 2 },
            "tags": { "type": "array", "items": { "enum": ["a", "b"] }, "uniqueItems": true, "maxItems": 2 },
            "born": { "type": "string", "format": "date", "nullable": true },
            "owner": { "$ref": "#/components/schemas/Owner" },
            "either": { "oneOf": [{ "type": "object", "required": ["x"] }, { "type": "string" }] },
        },
    });
    let source = schemas(
        "3.0.3",
        json!({ "Owner": { "type": "object", "properties": { "mail": { "type": "string", "format": "email" } } } }),
    );
    let told = |value: Value| {
        let found = faults(&source, Direction::Request, &schema, &value);
        found.iter().map(|fault| format!("{} {}", fault.pointer, fault.message)).collect::<Vec<_>>().join("; ")
    };
    for (value, expected) in [
        (json!({ "name": "rex", "secret": "s", "born": null, "age": 2 }), ""),
        (json!([]), " must be an object, not a list"),
        (json!({}), " must have 2 properties at least; /name is missing; /secret is missing"),
        (json!({ "name": "R", "secret": "s" }), "/name must have 2 characters at least; /name must match ^[a-z]+$"),
        (json!({ "name": "rex", "secret": 5 }), "/secret must be a text, not a number"),
        (json!({ "name": "rex", "secret": "s", "age": 0 }), "/age must be more than 0"),
        (json!({ "name": "rex", "secret": "s", "age": 151 }), "/age must be at most 150; /age must be a multiple of 2"),
        (
            json!({ "name": "rex", "secret": "s", "age": 2.5 }),
            "/age must be a whole number, not a number; /age must be a multiple of 2",
        ),
        (
            json!({ "name": "rex", "secret": "s", "tags": ["a", "a", "c"] }),
            "/tags must have 2 items at most; /tags must not have the same item twice; /tags/2 must be one of \"a\", \"b\"",
        ),
        (json!({ "name": "rex", "secret": "s", "born": "May" }), "/born must be a date such as 2025-01-31"),
        (json!({ "name": "rex", "secret": "s", "owner": { "mail": "x" } }), "/owner/mail must be an email address"),
        (json!({ "name": "rex", "secret": "s", "a/b": 1 }), "/a~1b is not a property that is known here"),
        (json!({ "name": "rex", "secret": "s", "either": {} }), "/either/x is missing"),
        (json!({ "name": "rex", "secret": "s", "either": 4 }), "/either fits none of the alternatives that it may be one of"),
    ] {
        assert_eq!(told(value.clone()), expected, "{value}");
    }
}

#[test]
fn a_body_cannot_make_the_check_endless() {
    let one = json!({ "items": { "$ref": "#/components/schemas/A" }, "type": "array" });
    let source = schemas(
        "3.1.0",
        json!({ "A": { "anyOf": [one, { "type": "array", "items": { "$ref": "#/components/schemas/A" }, "minItems": 1 }] }, "B": { "$ref": "#/components/schemas/B" } }),
    );
    let deep = (0..100).fold(json!([1]), |inner, _| json!([inner]));
    let schema = json!({ "$ref": "#/components/schemas/A" });
    assert_eq!(faults(&source, Direction::Request, &schema, &deep)[0].message, "is too complex to be checked");
    let circle = json!({ "$ref": "#/components/schemas/B" });
    assert_eq!(faults(&source, Direction::Request, &circle, &json!(1))[0].message, "is too complex to be checked");
    assert_eq!(made(&source, &circle, 1), None);
}

fn shop() -> Source {
    source(
        "3.0.3",
        json!({
            "paths": {
                "/things/{id}": {
                    "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "integer" } }],
                    "get": {
                        "parameters": [
                            { "name": "limit", "in": "query", "schema": { "type": "integer", "maximum": 100 } },
                            { "name": "tags", "in": "query", "explode": false, "schema": { "type": "array", "items": { "enum": ["a", "b"] } } },
                            { "name": "ids", "in": "query", "schema": { "type": "array", "items": { "type": "integer" }, "maxItems": 2 } },
                            { "name": "filter", "in": "query", "style": "deepObject", "schema": { "type": "object",
                                "properties": { "since": { "type": "string", "format": "date" } }, "required": ["since"] } },
                            { "name": "X-Trace", "in": "header", "required": true, "schema": { "type": "string", "format": "uuid" } },
                            { "name": "Accept", "in": "header", "required": true, "schema": { "enum": ["never"] } },
                        ],
                        "responses": {
                            "default": { "description": "e", "content": { "application/problem+json": { "schema": { "type": "object", "properties": { "title": { "type": "string" } } } } } },
                            "404": { "$ref": "#/components/responses/Missing" },
                            "200": {
                                "description": "ok",
                                "headers": { "X-Total": { "schema": { "type": "integer", "example": 12 } }, "Content-Length": { "schema": { "type": "integer" } } },
                                "content": {
                                    "text/csv": { "example": "id\n1" },
                                    "application/json": {
                                        "schema": { "type": "object", "required": ["id"], "properties": { "id": { "type": "integer" } } },
                                        "examples": { "wrong": { "value": { "id": "x" } }, "one": { "$ref": "#/components/examples/One" }, "two": { "value": "{\"id\":2}" } },
                                    },
                                },
                            },
                        },
                    },
                    "post": {
                        "requestBody": { "required": true, "content": {
                            "application/json": { "schema": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } } },
                            "application/x-www-form-urlencoded": { "schema": { "type": "object", "required": ["name"],
                                "properties": { "name": { "type": "string" }, "size": { "type": "integer" }, "tags": { "type": "array", "items": { "type": "string" } } } } },
                            "image/*": {},
                        } },
                        "responses": { "204": { "description": "done", "content": { "application/json": {} } } },
                    },
                    "put": { "responses": { "2XX": { "description": "xml", "content": { "application/xml": { "schema": { "type": "object" } } } } } },
                    "delete": { "responses": {} },
                },
            },
            "components": {
                "examples": { "One": { "value": { "id": 1 } } },
                "responses": { "Missing": { "description": "m", "content": { "application/json": { "example": { "error": "missing" } } } } },
            },
        }),
    )
}

const TRACE: (&str, &str) = ("x-trace", "0190f3c8-b8e5-7cc0-b2a9-c1f0a1b2c3d4");

fn request(target: &str, headers: &[(&str, &str)], body: &str) -> Request {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query.to_owned())));
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { method: "GET".into(), path: path.into(), query, headers, body: body.into() }
}

fn answered(method: &str, request: &Request) -> Result<Answer, Unanswered> {
    let source = shop();
    let operation: Arc<Operation> = source.operation("/things/{id}", method).unwrap();
    operation.answer(&source, "/v1/things/{id}", request)
}

fn refusal(method: &str, request: &Request) -> String {
    match answered(method, request) {
        Ok(answer) => format!("answered {}", answer.status),
        Err(Unanswered::NotDescribed(why)) => format!("not described: {why}"),
        Err(Unanswered::TooMuch(why)) => why.to_owned(),
        Err(Unanswered::Refused(all)) => all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

#[test]
fn which_response_is_given() {
    let ask = |headers: &[(&str, &str)]| {
        let answer = answered("GET", &request("/v1/things/7", &[&[TRACE], headers].concat(), "")).unwrap();
        let body = String::from_utf8(answer.body).unwrap();
        format!(
            "{} {} {:?} {body} {}",
            answer.status,
            answer.content_type.unwrap_or_default(),
            answer.origin,
            answer.applied.unwrap_or_default()
        )
    };
    for (headers, expected) in [
        (&[][..], "200 application/json Example {\"id\":1} "),
        (&[("prefer", "example=two")], "200 application/json Example {\"id\":2} example=two"),
        (&[("prefer", "example=wrong")], "200 application/json MisfitExample {\"id\":\"x\"} example=wrong"),
        (&[("prefer", "code=404")], "404 application/json Example {\"error\":\"missing\"} code=404"),
        (&[("accept", "text/csv")], "200 text/csv Example id\n1 "),
    ] {
        assert_eq!(ask(headers), expected, "{headers:?}");
    }
    assert!(ask(&[("prefer", "dynamic=true")]).starts_with("200 application/json Generated {\"id\":"));
    assert!(ask(&[("prefer", "code=503")]).starts_with("503 application/problem+json Generated {\"title\":"));
    let answer = answered("GET", &request("/v1/things/7", &[TRACE], "")).unwrap();
    assert_eq!(answer.headers, [("x-total".to_owned(), "12".to_owned())]);
    let answer = answered("POST", &request("/v1/things/7", &[("content-type", "application/json")], "{\"name\":\"a\"}")).unwrap();
    assert_eq!((answer.status, answer.content_type, answer.origin, answer.body), (204, None, Origin::Nothing, Vec::new()));
}

#[test]
fn the_same_request_gets_the_same_answer() {
    let ask = |target: &str, body: &str| {
        let headers = [TRACE, ("prefer", "dynamic=true")];
        answered("GET", &request(target, &headers, body)).map(|answer| answer.body)
    };
    let first = ask("/v1/things/7?limit=1", "");
    assert_eq!(first, ask("/v1/things/7?limit=1", ""));
    let others = [ask("/v1/things/8?limit=1", ""), ask("/v1/things/7?limit=2", ""), ask("/v1/things/7?limit=1", "x")];
    assert!(others.iter().any(|other| *other != first), "{others:?}");
}

#[test]
fn a_request_that_the_document_does_not_allow() {
    for (target, headers, expected) in [
        ("/v1/things/7", &[TRACE][..], "answered 200"),
        ("/v1/things/x", &[TRACE], "path parameter id must be a whole number, not a text"),
        ("/v1/things/7", &[], "header X-Trace is missing"),
        ("/v1/things/7", &[("x-trace", "1")], "header X-Trace must be a UUID"),
        ("/v1/things/7?limit=500", &[TRACE], "query parameter limit must be at most 100"),
        ("/v1/things/7?limit=a", &[TRACE], "query parameter limit must be a whole number, not a text"),
        ("/v1/things/7?tags=a,b", &[TRACE], "answered 200"),
        ("/v1/things/7?tags=a,c", &[TRACE], "query parameter tags /1 must be one of \"a\", \"b\""),
        ("/v1/things/7?ids=1&ids=2", &[TRACE], "answered 200"),
        ("/v1/things/7?ids=5", &[TRACE], "answered 200"),
        ("/v1/things/7?ids[]=5&ids[]=6", &[TRACE], "answered 200"),
        (
            "/v1/things/7?ids=1&ids=2&ids=x",
            &[TRACE],
            "query parameter ids must have 2 items at most; query parameter ids /2 must be a whole number, not a text",
        ),
        ("/v1/things/7?filter[since]=2025-01-31", &[TRACE], "answered 200"),
        ("/v1/things/7?filter[since]=yesterday", &[TRACE], "query parameter filter /since must be a date such as 2025-01-31"),
        ("/v1/things/7?filter[until]=x", &[TRACE], "query parameter filter /since is missing"),
        ("/v1/things/7?unknown=1", &[TRACE], "answered 200"),
        (
            "/v1/things/7",
            &[TRACE, ("prefer", "example=three")],
            "header Prefer asks for an example that is not among wrong, one, two",
        ),
        ("/v1/things/7", &[TRACE, ("prefer", "code=999")], "header Prefer has a code that is no status from 200 to 599"),
    ] {
        assert_eq!(refusal("GET", &request(target, headers, "")), expected, "{target} {headers:?}");
    }
    let (json, form) =
        (("content-type", "application/json; charset=utf-8"), ("content-type", "application/x-www-form-urlencoded"));
    const TAKEN: &str = "send application/json, application/x-www-form-urlencoded, image/*";
    for (headers, body, expected) in [
        (&[json][..], "{\"name\":\"a\"}", "answered 204".to_owned()),
        (&[json], "{\"name\":1}", "body /name must be a text, not a number".to_owned()),
        (&[json], "{\"name\":", "body is not JSON (line 1, column 8)".to_owned()),
        (&[json], "", format!("body is missing: {TAKEN}")),
        (&[], "{}", format!("body comes without a Content-Type: {TAKEN}")),
        (&[("content-type", "text/plain")], "x", format!("body is of a media type that is not taken here: {TAKEN}")),
        (&[("content-type", "image/png")], "x", "answered 204".to_owned()),
        (&[form], "name=a&size=4&tags[]=x", "answered 204".to_owned()),
        (&[form], "size=big", "body /name is missing; body /size must be a whole number, not a text".to_owned()),
        (&[json, ("prefer", "code=200")], "{\"name\":\"a\"}", "header Prefer asks for a code that is not among 204".to_owned()),
    ] {
        assert_eq!(refusal("POST", &request("/v1/things/7", headers, body)), expected, "{headers:?} {body}");
    }
    assert_eq!(
        refusal("PUT", &request("/v1/things/7", &[], "")),
        "not described: nothing can be made of what is said of application/xml"
    );
    assert_eq!(refusal("DELETE", &request("/v1/things/7", &[], "")), "not described: no response is described");
}

/// The quickest of a few.
fn time_of<T>(mut work: impl FnMut() -> T) -> Duration {
    let mut once = || {
        let clock = Instant::now();
        work();
        clock.elapsed()
    };
    (0..5).map(|_| once()).min().unwrap()
}

#[test]
fn long_lists_cost_their_length_and_no_square() {
    let source = schemas("3.1.0", json!({}));
    let values = |count: usize| (0..count).map(|i| format!("value-{i}")).collect::<Vec<_>>();
    let enumerated = |count: usize| json!({ "type": "string", "minLength": 3, "enum": values(count) });
    let both = |count: usize| json!({ "allOf": [enumerated(count), { "enum": values(count) }, { "minLength": 2 }] });
    let unique = |count: usize| json!({ "type": "array", "uniqueItems": true, "minItems": count / 8, "items": { "type": "object", "required": ["n"], "properties": { "n": { "type": "number" }, "t": { "format": "uuid" } } } });
    let required = |count: usize| {
        let properties: serde_json::Map<_, _> = values(count).into_iter().map(|name| (name, json!({ "type": "null" }))).collect();
        json!({ "type": "object", "properties": properties, "required": values(count) })
    };
    let kinds: [(&str, &dyn Fn(usize) -> Value); 4] =
        [("enum", &enumerated), ("allOf", &both), ("uniqueItems", &unique), ("required", &required)];
    for (kind, schema) in kinds {
        let measured = || {
            let [small, large] = [1_000, 8_000].map(|count| {
                let schema = schema(count);
                time_of(|| assert!(made(&source, &schema, 1).is_some(), "{kind} {count}"))
            });
            // A square would be 64 times as long, however often it is measured on a busy machine.
            large < 32 * small.max(Duration::from_micros(200))
        };
        assert!((0..20).any(|_| measured()), "{kind}");
    }
}

#[test]
fn parts_of_parts_are_looked_into_once() {
    let part = |i: usize| json!({ "allOf": vec![json!({ "$ref": format!("#/components/schemas/P{}", i + 1) }); 30] });
    let mut parts: serde_json::Map<_, _> = (0..8).map(|i| (format!("P{i}"), part(i))).collect();
    parts.insert("P8".to_owned(), json!({ "properties": { "a": { "readOnly": true } }, "required": ["a"] }));
    let source = schemas("3.1.0", Value::Object(parts));
    // Thirty to the power of eight, if each were followed anew.
    let told = faults(&source, Direction::Request, &json!({ "$ref": "#/components/schemas/P0" }), &json!({}));
    assert!(told.len() <= 1, "{told:?}");
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    let source = shop().within(Patience::until(|| true));
    let operation = source.operation("/things/{id}", "GET").unwrap();
    let request = Request { method: "GET".to_owned(), path: "/things/1".to_owned(), ..Request::default() };
    assert!(matches!(operation.answer(&source, "/things/{id}", &request), Err(Unanswered::TooMuch(_))));
    // The document's, not the answer's: another one goes well.
    let source = source.within(Patience::until(|| false));
    assert!(!matches!(operation.answer(&source, "/things/{id}", &request), Err(Unanswered::TooMuch(_))));
}
