//! Whole documents: what is read from them, what is wrong with them and where, how they come out again.

use serde_json::json;

use super::*;
use crate::rules::patience::Patience;

const PETS: &str = r##"
openapi: 3.1.0
info: { title: Pets, version: "1.2" }
servers: [{ url: https://internal.example }]
security: [{ oauth: [pets:read] }]
paths:
  /pets/{id}:
    servers: [{ url: https://secret.example }]
    parameters:
      - { name: id, in: path, required: true, schema: { type: string } }
      - { name: trace, in: header, schema: { type: boolean } }
    get:
      operationId: getPet
      summary: Read a pet
      tags: [pets, reading]
      parameters: [{ name: trace, in: header, description: own }]
      responses:
        200: { description: ok, content: { application/json: { schema: { $ref: '#/components/schemas/Pet' } } } }
        default: { $ref: '#/components/responses/Oops' }
    delete:
      deprecated: true
      security: [{ oauth: [pets:write] }]
      responses: { 204: { description: gone, content: { a/b: { schema: { $ref: '#/components/schemas/OnlyForDelete' } } } } }
components:
  schemas:
    Pet: { type: object, properties: { parent: { $ref: '#/components/schemas/Pet' }, name: { $ref: '#/components/schemas/Name', maxLength: 3 } } }
    Name: { type: string }
    OnlyForDelete: { type: string }
  responses:
    Oops: { description: 'no: really' }
  securitySchemes:
    oauth: { type: oauth2, flows: {} }
"##;

fn told(text: &str) -> String {
    match read(text) {
        Ok(_) => "fine".to_owned(),
        Err(faults) => faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn a_document_is_read_the_same_from_yaml_and_json() {
    let read_yaml = read(PETS).unwrap_or_else(|faults| panic!("{faults:?}"));
    assert_eq!(read(&read_yaml.json).as_ref(), Ok(&read_yaml));
    let Imported { title, version, openapi, operations, .. } = read_yaml;
    assert_eq!([title, version, openapi], ["Pets", "1.2", "3.1.0"]);
    let lines: Vec<_> = operations
        .iter()
        .map(|o| {
            format!("{} {} {:?} {:?} {:?} {:?} {}", o.method, o.path, o.operation_id, o.summary, o.tags, o.scopes, o.deprecated)
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    GET /pets/{id} Some("getPet") Some("Read a pet") ["pets", "reading"] [["pets:read"]] false
    DELETE /pets/{id} None None [] [["pets:write"]] true
    "#);
}

/// Each broken document and what is told of it.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    let json = |value: Value| value.to_string();
    let with = |paths: Value| json(json!({ "openapi": "3.0.3", "info": { "title": "t", "version": "1" }, "paths": paths }));
    let ok = json!({ "responses": { "200": { "description": "" } } });
    let cases = [
        ("an unclosed object", "{\n  \"openapi\": \"3.1.0\",\n  \"info\": {\n".to_owned()),
        ("a comma too many", "{\n  \"openapi\": \"3.1.0\",\n}".to_owned()),
        ("a doubled JSON key", "{\"a\": 1,\n \"a\": 2}".to_owned()),
        ("text after the end", "{} {}".to_owned()),
        ("YAML: a tab", "openapi: 3.1.0\ninfo:\n\ttitle: x\n".to_owned()),
        ("YAML: a bad indent", "openapi: 3.1.0\ninfo:\n    title: x\n  version: y\n".to_owned()),
        ("YAML: an unclosed quote", "openapi: \"3.1.0\ninfo: {}\n".to_owned()),
        ("YAML: a doubled key", "openapi: 3.1.0\nopenapi: 3.1.0\n".to_owned()),
        ("YAML: an unknown alias", "openapi: *nowhere\n".to_owned()),
        ("nothing", String::new()),
        ("a list", "[]".to_owned()),
        ("a text", "hello".to_owned()),
        ("Swagger", json(json!({ "swagger": "2.0" }))),
        ("another version", json(json!({ "openapi": "4.0.0" }))),
        ("a number as version", "openapi: 3.1\n".to_owned()),
        ("nothing but a version", "openapi: 3.0.0\n".to_owned()),
        ("a version of the API as number", "openapi: 3.1.0\ninfo: { title: x, version: 1.0 }\n".to_owned()),
        ("paths as a list", with(json!([]))),
        ("paths that cannot be", with(json!({ "pets": ok, "/a?b": ok, "/{": ok, "/{a}/{a}": ok, "/x y": ok }))),
        ("a path item that is a text", with(json!({ "/a": "b" }))),
        ("an unknown method", with(json!({ "/a": { "gett": ok, "get": 7 } }))),
        ("no responses", with(json!({ "/pets": { "get": {} } }))),
        ("broken responses", with(json!({ "/pets": { "get": { "responses": { "ok": {}, "200": [] } } } }))),
        (
            "broken parameters",
            with(json!({ "/pets": { "parameters": {}, "get": { "parameters": [1, { "in": "body" }], "responses": {} } } })),
        ),
        (
            "broken fields",
            with(json!({ "/a": { "get": { "tags": ["x", 1], "deprecated": "yes", "summary": [], "responses": {} } } })),
        ),
        (
            "templates that collide",
            with(json!({ "/a/{id}": { "get": ok, "put": ok }, "/a/{name}": { "get": ok, "post": ok }, "/a/b": { "get": ok } })),
        ),
        (
            "an id twice",
            with(
                json!({ "/a": { "get": { "operationId": "x", "responses": {} }, "put": { "operationId": "x", "responses": {} } } }),
            ),
        ),
        (
            "references",
            with(json!({
                "/a": { "get": { "responses": { "200": { "$ref": "#/components/responses/Gone" }, "400": { "$ref": "common.yaml#/Bad" } } } },
                "/b": { "get": { "responses": { "200": { "description": "", "content": { "x/y": { "example": { "$ref": "data" } } } } } } },
            })),
        ),
        ("an unknown scheme", with(json!({ "/a": { "get": { "security": [{ "oauth": "x" }, 1], "responses": {} } } }))),
        ("more than is told", with((0..30).map(|i| (format!("p{i}"), json!({}))).collect::<serde_json::Map<_, _>>().into())),
    ];
    let told: String = cases.iter().map(|(what, text)| format!("{what}:\n{}\n", told(text))).collect();
    insta::assert_snapshot!(told, @r#"
    an unclosed object:
    line 4, column 0: EOF while parsing an object
    a comma too many:
    line 3, column 1: trailing comma
    a doubled JSON key:
    line 2, column 4: the key "a" stands twice in one object
    text after the end:
    line 1, column 4: trailing characters
    YAML: a tab:
    line 3, column 2: tabs disallowed within this context (block indentation)
    YAML: a bad indent:
    line 4, column 3: while parsing a block mapping, did not find expected key
    YAML: an unclosed quote:
    line 1, column 10: unclosed quote
    YAML: a doubled key:
    line 2, column 1: duplicate mapping key: openapi
    YAML: an unknown alias:
    line 1, column 10: alias references unknown anchor
    nothing:
    the document must be an OpenAPI document: an object with openapi, info and paths
    a list:
    the document must be an OpenAPI document: an object with openapi, info and paths
    a text:
    the document must be an OpenAPI document: an object with openapi, info and paths
    Swagger:
    /swagger is Swagger 2.0: convert it to OpenAPI 3 first, for instance with `npx swagger2openapi FILE`, and publish the result
    another version:
    /openapi is "4.0.0"; 3.0, 3.1 and 3.2 can be read
    a number as version:
    /openapi must be a text: put the version in quotes, such as "3.1.0"
    nothing but a version:
    /info/title is missing or empty
    /info/version is missing or empty
    /paths is missing
    a version of the API as number:
    /info/version must be a text: put it in quotes
    paths as a list:
    /paths must be an object of path templates
    paths that cannot be:
    /paths/pets must start with a slash
    /paths/~1a?b must not have a query or a fragment: query parameters stand under parameters
    /paths/~1{ has a { without a } after it
    /paths/~1{a}~1{a} names the parameter a twice
    /paths/~1x y must not contain spaces, control characters or backslashes
    a path item that is a text:
    /paths/~1a must be an object of methods
    an unknown method:
    /paths/~1a/gett is no method; those are get, put, post, delete, options, head, patch, trace
    /paths/~1a/get must be an operation object
    no responses:
    /paths/~1pets/get/responses is missing
    broken responses:
    /paths/~1pets/get/responses/ok is no status: use a code such as 200, a range such as 2XX, or default
    /paths/~1pets/get/responses/200 must be a response object
    broken parameters:
    /paths/~1pets/parameters must be a list
    /paths/~1pets/get/parameters/0 must be a parameter object
    /paths/~1pets/get/parameters/1/name is missing or no text
    /paths/~1pets/get/parameters/1/in must be query, header, path or cookie
    broken fields:
    /paths/~1a/get/summary must be a text
    /paths/~1a/get/tags/1 must be a text
    /paths/~1a/get/deprecated must be true or false
    templates that collide:
    /paths/~1a~1{name}/get matches the same calls as get /a/{id}: parameters' names make no difference
    an id twice:
    /paths/~1a/put/operationId is "x", which /paths/~1a/get/operationId has already
    references:
    /paths/~1a/get/responses/200/$ref leads nowhere: there is no #/components/responses/Gone
    /paths/~1a/get/responses/400/$ref leads out of the document (common.yaml#/Bad): nothing is fetched, so bundle it into one document first
    an unknown scheme:
    /paths/~1a/get/security/0/oauth is no scheme under /components/securitySchemes
    /paths/~1a/get/security/0/oauth must be a list of scopes
    /paths/~1a/get/security/1 must be an object of security schemes
    more than is told:
    /paths/p0 must start with a slash
    /paths/p1 must start with a slash
    /paths/p2 must start with a slash
    /paths/p3 must start with a slash
    /paths/p4 must start with a slash
    /paths/p5 must start with a slash
    /paths/p6 must start with a slash
    /paths/p7 must start with a slash
    /paths/p8 must start with a slash
    /paths/p9 must start with a slash
    /paths/p10 must start with a slash
    /paths/p11 must start with a slash
    /paths/p12 must start with a slash
    /paths/p13 must start with a slash
    /paths/p14 must start with a slash
    /paths/p15 must start with a slash
    /paths/p16 must start with a slash
    /paths/p17 must start with a slash
    /paths/p18 must start with a slash
    /paths/p19 must start with a slash
    the document has 10 more faults
    "#);
}

#[test]
fn limits_hold() {
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    let wrap =
        |inner: &str| format!("{{\"openapi\":\"3.1.0\",\"info\":{{\"title\":\"t\",\"version\":\"1\"}},\"x-deep\":{inner}}}");
    assert_eq!(told(&wrap(&deep(99))), "fine");
    insta::assert_snapshot!(told(&wrap(&deep(100))), @"line 1, column 164: nested deeper than 100 levels");
    insta::assert_snapshot!(told(&wrap(&deep(100_000))), @"line 1, column 163: nested deeper than 100 levels");
    insta::assert_snapshot!(told(&format!("x: {}", deep(100_000))), @"line 1, column 105: recursion limit exceeded");
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..12 {
        bomb += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 9].join(", "));
    }
    insta::assert_snapshot!(told(&bomb), @"line 6, column 35: alias replay limit exceeded: total_replayed_events=500001 > 500000");
    insta::assert_snapshot!(told(&format!("{{{}}}", " ".repeat(MAX_DOCUMENT))), @"the document has 32 MiB; at most 32 MiB can be published");
    let paths: String = (0..=MAX_OPERATIONS).map(|i| format!(",\"/p{i}\":{{\"get\":{{}}}}")).collect();
    let many = format!("{{\"openapi\":\"3.1.0\",\"info\":{{\"title\":\"t\",\"version\":\"1\"}},\"paths\":{{{}}}}}", &paths[1..]);
    insta::assert_snapshot!(told(&many), @"the document has 20001 operations; at most 20000 can be published");
}

#[test]
fn yaml_says_what_it_means() {
    let yaml = "openapi: 3.1.0\ninfo: { title: x, version: '1' }\nx-data: { country: no, on: off, hex: 0x10, date: 2020-01-01, big: 18446744073709551616, none: ~, text: '7', 200: code }\n";
    let json: Value = read(yaml).map(|read| serde_json::from_str(&read.json).unwrap_or_default()).unwrap_or_default();
    insta::assert_snapshot!(json["x-data"].to_string(), @r#"{"country":"no","on":"off","hex":16,"date":"2020-01-01","big":1.8446744073709552e+19,"none":null,"text":"7","200":"code"}"#);
}

fn pets() -> Document {
    let json = read(PETS).unwrap_or_else(|faults| panic!("{faults:?}")).json;
    Document::index(json).unwrap_or_else(|error| panic!("{error}"))
}

fn resolved(document: &Document, path: &str, method: &str) -> Result<Value, Untold> {
    document.operation(path, method, usize::MAX, &Patience::endless())
}

#[test]
fn an_operation_that_is_too_much_is_not_told() {
    let within = |most: usize, patience: &Patience| pets().operation("/pets/{id}", "GET", most, patience).map(|_| ());
    assert_eq!(within(100, &Patience::endless()), Err(Untold::TooLarge));
    assert_eq!(within(10_000, &Patience::until(|| true)), Err(Untold::TooLong));
    assert_eq!(within(10_000, &Patience::until(|| false)), Ok(()));
}

#[test]
fn an_operation_is_read_with_its_references_resolved() {
    let operation = resolved(&pets(), "/pets/{id}", "GET").unwrap_or_default();
    insta::assert_json_snapshot!(operation, @r##"
    {
      "operationId": "getPet",
      "summary": "Read a pet",
      "tags": [
        "pets",
        "reading"
      ],
      "parameters": [
        {
          "name": "trace",
          "in": "header",
          "description": "own"
        },
        {
          "name": "id",
          "in": "path",
          "required": true,
          "schema": {
            "type": "string"
          }
        }
      ],
      "responses": {
        "200": {
          "description": "ok",
          "content": {
            "application/json": {
              "schema": {
                "type": "object",
                "properties": {
                  "parent": {
                    "$ref": "#/components/schemas/Pet"
                  },
                  "name": {
                    "allOf": [
                      {
                        "type": "string"
                      }
                    ],
                    "maxLength": 3
                  }
                }
              }
            }
          }
        },
        "default": {
          "description": "no: really"
        }
      }
    }
    "##);
    assert_eq!(resolved(&pets(), "/pets/{id}", "PUT"), Err(Untold::Missing));
    assert_eq!(resolved(&pets(), "/pets/{id}", "parameters"), Err(Untold::Missing));
    assert_eq!(resolved(&pets(), "/cats", "GET"), Err(Untold::Missing));
}

#[test]
fn what_grows_too_large_stays_a_reference() {
    let properties: serde_json::Map<_, _> =
        (0..200).map(|i| (format!("p{i}"), json!({ "$ref": format!("#/components/schemas/S{}", i % 7) }))).collect();
    let schemas: serde_json::Map<_, _> =
        (0..7).map(|i| (format!("S{i}"), json!({ "type": "object", "title": i, "properties": properties }))).collect();
    let document = json!({
        "openapi": "3.0.0", "info": { "title": "t", "version": "1" }, "components": { "schemas": schemas },
        "paths": { "/a": { "get": { "responses": { "200": { "content": { "x/y": { "schema": { "$ref": "#/components/schemas/S0" } } } } } } } },
    });
    let document = Document::index(document.to_string()).unwrap_or_else(|error| panic!("{error}"));
    let operation = resolved(&document, "/a", "get").unwrap_or_default();
    let size = operation.to_string().len();
    assert!((resolve::MAX_RESOLVED / 2..2 * resolve::MAX_RESOLVED).contains(&size), "{size}");
    assert_eq!(operation.pointer("/responses/200/content/x~1y/schema/properties/p1/title"), Some(&json!(1)));
}

#[test]
fn downloads_name_the_gateway_and_leave_out_what_is_hidden() {
    let everything = pets().render("https://gw.example/pets", &Hidden::new(), Format::Json).unwrap_or_default();
    let everything: Value = serde_json::from_str(&everything).unwrap_or_default();
    assert_eq!(everything["servers"], json!([{ "url": "https://gw.example/pets" }]));
    assert!(
        !everything.to_string().contains("secret.example") && everything["components"]["schemas"]["OnlyForDelete"].is_object()
    );

    let hidden = Hidden::from([("/pets/{id}".to_owned(), "delete".to_owned())]);
    let yaml = pets().render("https://gw.example/pets", &hidden, Format::Yaml).unwrap_or_default();
    insta::assert_snapshot!(yaml, @r##"
    openapi: "3.1.0"
    info:
      title: Pets
      version: "1.2"
    servers:
    - url: https://gw.example/pets
    security:
    - oauth:
      - pets:read
    paths:
      "/pets/{id}":
        parameters:
        - name: id
          in: path
          required: true
          schema:
            type: string
        - name: trace
          in: header
          schema:
            type: boolean
        get:
          operationId: getPet
          summary: Read a pet
          tags:
          - pets
          - reading
          parameters:
          - name: trace
            in: header
            description: own
          responses:
            "200":
              description: ok
              content:
                application/json:
                  schema:
                    $ref: "#/components/schemas/Pet"
            default:
              $ref: "#/components/responses/Oops"
    components:
      schemas:
        Pet:
          type: object
          properties:
            parent:
              $ref: "#/components/schemas/Pet"
            name:
              $ref: "#/components/schemas/Name"
              maxLength: 3
        Name:
          type: string
      responses:
        Oops:
          description: "no: really"
      securitySchemes:
        oauth:
          type: oauth2
          flows: {}
    "##);
    let json = pets().render("https://gw.example/pets", &hidden, Format::Json).unwrap_or_default();
    assert_eq!(read(&yaml), read(&json));

    let all = ["get", "delete"].map(|method| ("/pets/{id}".to_owned(), method.to_owned()));
    let empty = pets().render("https://gw.example/pets", &all.into(), Format::Json).unwrap_or_default();
    let empty: Value = serde_json::from_str(&empty).unwrap_or_default();
    assert_eq!([&empty["paths"], &empty["components"]["schemas"]], [&json!({}), &Value::Null]);
}

#[test]
fn texts_survive_yaml() {
    let nasty = [
        "no",
        "yes",
        "on",
        "~",
        "null",
        "",
        " ",
        "1",
        "1.0",
        "0x1f",
        "1e3",
        ".nan",
        "2020-01-01",
        "a: b",
        "- a",
        "# x",
        "a #b",
        "'",
        "\"",
        "&a",
        "*a",
        "!x",
        "%y",
        "@z",
        "`",
        "{",
        "[",
        "|",
        ">",
        "a\nb",
        "a\n",
        "\na",
        "  a\n b",
        "a\tb",
        "tab\t",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{7f}",
        "é",
        "🦀",
        "a\r\nb",
        "\0",
        "---",
        "...",
        "<<",
        "=",
        "?",
        ": ",
        "a:",
        "trailing ",
        "x\n\n\n",
        "x\n \ny",
    ];
    let map: serde_json::Map<_, _> = nasty.iter().map(|text| ((*text).to_owned(), json!([text, { *text: text }]))).collect();
    let document =
        json!({ "openapi": "3.1.0", "info": { "title": "t", "version": "1", "description": "a\n  b\n" }, "x-nasty": map });
    let indexed = Document::index(document.to_string()).unwrap_or_else(|error| panic!("{error}"));
    let yaml = indexed.render("s", &Hidden::new(), Format::Yaml).unwrap_or_default();
    let back: Value =
        read(&yaml).map(|read| serde_json::from_str(&read.json).unwrap_or_default()).unwrap_or_else(|f| panic!("{f:?}"));
    for (key, value) in &map {
        assert_eq!(back["x-nasty"].get(key), Some(value), "{key:?}\n{yaml}");
    }
}

#[test]
fn query_is_a_method_of_documents_since_3_2() {
    let document = |openapi: &str| {
        let query = json!({ "operationId": "search", "responses": { "200": { "description": "" } } });
        json!({ "openapi": openapi, "info": { "title": "t", "version": "1" }, "paths": { "/s": { "query": query } } }).to_string()
    };
    let imported = read(&document("3.2.0")).unwrap_or_else(|faults| panic!("{faults:?}"));
    let [operation] = imported.operations.as_slice() else { panic!("{:?}", imported.operations) };
    assert_eq!((operation.method.as_str(), operation.path.as_str()), ("QUERY", "/s"));
    let indexed = Document::index(imported.json).unwrap_or_else(|error| panic!("{error}"));
    let operation = indexed.operation("/s", "QUERY", usize::MAX, &Patience::endless());
    assert!(operation.is_ok_and(|operation| operation["operationId"] == "search"));
    assert!(told(&document("3.1.0")).contains("is no method"));
}
