//! Documents of every kind become operations.

use std::io::Write as _;

use openapi::{
    BodyEncoding, FileField, ImportError, ImportOptions, KeyLocation, Location, ProblemKind, Risk, SecurityScheme,
    Style, import,
};
use serde_json::{Value, json};
use url::Url;

use crate::{arguments, document, one_operation, operation};

const LIBRARY: &str = include_str!("fixtures/library.yaml");
const SWAGGER: &str = include_str!("fixtures/swagger.json");

#[test]
fn an_openapi_3_document_in_yaml_becomes_operations() {
    let document = document(LIBRARY);
    assert_eq!(
        (document.title.as_str(), document.version.as_str(), document.description.as_str()),
        ("Library", "1.0", "Books and loans .")
    );
    let books = operation(&document, "GET /books");
    assert_eq!(books.servers, ["https://eu.example.com/api"]);
    assert_eq!(books.label.as_deref(), Some("listBooks"));
    assert_eq!((books.risk, books.tags.as_slice()), (Risk::Safe, &["books".to_owned()][..]));
    let keys: Vec<&str> = books.fields.iter().map(|field| field.key.as_str()).collect();
    assert_eq!(keys, ["header:X-Trace", "query:author", "query:genre", "query:pages"]);
    let schema = |key: &str| books.field(key).expect(key).schema.clone();
    assert_eq!(schema("query:author"), json!({ "type": ["string", "null"] }));
    assert_eq!(
        schema("query:pages"),
        json!({ "examples": [100], "type": "integer", "exclusiveMinimum": 1, "maximum": 900 })
    );
    assert_eq!(
        schema("query:genre"),
        json!({ "type": "array", "items": { "type": "string", "enum": ["novel", "poem"] } })
    );
    assert_eq!(books.field("query:genre").map(|field| (field.style, field.explode)), Some((Style::Form, false)));
    let response = books.response.as_ref().expect("an outline");
    assert!(response.is_list);
    assert_eq!(response.list_pointer.as_deref(), Some("/data"));
    assert_eq!(response.item_fields, ["id", "title", "genre", "sequel"]);
    // The operation without a name of its own gets one from its path.
    assert_eq!(operation(&document, "DELETE /books/{bookId}").summary, "Delete books");
}

#[test]
fn body_properties_become_fields_without_read_only_ones_and_circles_stay_local() {
    let document = document(LIBRARY);
    let add = operation(&document, "POST /books");
    let fields: Vec<(&str, bool)> = add.fields.iter().map(|field| (field.key.as_str(), field.required)).collect();
    assert_eq!(
        fields,
        [("header:X-Trace", false), ("body:title", true), ("body:genre", false), ("body:sequel", false)]
    );
    let genre = &add.field("body:genre").expect("genre").schema;
    assert_eq!(
        *genre,
        json!({ "description": "What kind", "type": ["string", "null"], "enum": ["novel", "poem", null] })
    );
    let sequel = &add.field("body:sequel").expect("sequel").schema;
    assert_eq!(sequel["type"], "object", "the top is written in place: {sequel}");
    assert_eq!(sequel["properties"]["sequel"]["$ref"], "#/$defs/Book");
    assert!(sequel["$defs"]["Book"]["properties"]["title"].is_object());
    assert!(
        add.check(&arguments(
            json!({ "body:title": "A", "body:sequel": { "title": "B", "sequel": { "title": "C" } } })
        ))
        .is_empty()
    );
    let problems =
        add.check(&arguments(json!({ "body:title": "A", "body:sequel": { "title": "B", "sequel": { "title": 3 } } })));
    assert_eq!(problems[0].field, "body:sequel");
    assert_eq!(problems[0].kind, ProblemKind::WrongType);
}

#[test]
fn what_cannot_be_called_says_why() {
    let document = document(LIBRARY);
    for (id, part) in [
        ("PUT /covers/{bookId}", "its body is multipart/mixed or application/xml, which is not supported"),
        ("POST /broken", "`#/components/schemas/Nowhere`"),
        ("POST /endless", "Endless"),
    ] {
        let reason = operation(&document, id).not_callable.clone().unwrap_or_default();
        assert!(reason.contains(part), "{id}: {reason:?}");
    }
    assert_eq!(operation(&document, "POST /trees").not_callable, None);
}

#[test]
fn a_declared_idempotency_key_makes_an_effect_repeatable_and_is_no_field() {
    let document = document(LIBRARY);
    let borrow = operation(&document, "POST /loans");
    assert_eq!(borrow.risk, Risk::Keyed);
    assert!(borrow.fields.iter().all(|field| field.location == Location::Body));
    for (id, risk) in [("POST /books", Risk::Once), ("DELETE /books/{bookId}", Risk::Idempotent)] {
        assert_eq!(operation(&document, id).risk, risk, "{id}");
    }
}

#[test]
fn security_alternatives_keep_their_order_and_end_with_none() {
    let document = document(LIBRARY);
    let books = operation(&document, "GET /books");
    assert_eq!(books.security.len(), 2);
    assert_eq!(books.security[0]["token"], ["read"]);
    assert!(books.security[1].is_empty());
    assert_eq!(books.schemes["token"], SecurityScheme::Bearer);
    assert!(operation(&document, "DELETE /books/{bookId}").security.is_empty());
}

#[test]
fn a_swagger_2_document_becomes_operations() {
    let document = document(SWAGGER);
    let list = operation(&document, "GET /pets");
    assert_eq!(list.servers, ["https://old.example.com/v2", "http://old.example.com/v2"]);
    assert_eq!(list.field("query:tags").map(|field| (field.style, field.explode)), Some((Style::Form, true)));
    assert_eq!(list.field("query:ids").map(|field| field.style), Some(Style::PipeDelimited));
    assert_eq!(
        list.schemes["app"],
        SecurityScheme::Oauth2 { token_url: Some("https://login.example.com/token".to_owned()) }
    );
    assert_eq!(
        list.schemes["key"],
        SecurityScheme::ApiKey { location: KeyLocation::Query, name: "api_key".to_owned() }
    );
    assert_eq!(list.response.as_ref().and_then(|response| response.list_pointer.as_deref()), Some(""));
    let add = operation(&document, "POST /pets");
    assert_eq!(add.field("body:age").expect("age").schema, json!({ "type": "number", "exclusiveMinimum": 0 }));
    assert!(add.field("body:name").expect("name").required);
    let photo = operation(&document, "POST /pets/{id}/photo");
    assert_eq!(photo.not_callable, None);
    assert_eq!(photo.body.as_ref().map(|body| body.encoding), Some(BodyEncoding::Multipart));
    assert_eq!(photo.field("body:file").and_then(|field| field.file.clone()), Some(FileField::default()));
}

#[test]
fn gzip_and_tar_of_many_files_import_like_one_file() {
    let plain = document(LIBRARY);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(LIBRARY.as_bytes()).expect("written");
    let zipped = import("doc", &gzip.finish().expect("finished"), &ImportOptions::default()).expect("it imports");
    assert_eq!(zipped.operations, plain.operations);

    let mut tar = tar::Builder::new(Vec::new());
    for (name, text) in [
        (
            "api/openapi.yaml",
            "openapi: 3.1.0\ninfo: {title: Parts, version: '1'}\npaths:\n  /a/{id}: {$ref: 'paths/a.yaml'}\n  /gone: {$ref: 'paths/gone.yaml'}\n",
        ),
        (
            "api/paths/a.yaml",
            "get:\n  parameters: [{$ref: '../params.json#/id'}]\n  responses: {'200': {description: ok, content: {application/json: {schema: {$ref: '../schemas/A.yaml'}}}}}\n",
        ),
        (
            "api/params.json",
            r#"{"id":{"name":"id","in":"path","required":true,"schema":{"$ref":"schemas/A.yaml#/properties/id"}}}"#,
        ),
        (
            "api/schemas/A.yaml",
            "type: object\nproperties:\n  id: {type: integer}\n  next: {$ref: '#'}\n  other: {$ref: './A.yaml'}\n",
        ),
        ("api/broken.yaml", "a: [\n"),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text.as_bytes()).expect("added");
    }
    let parts = import("doc", &tar.into_inner().expect("a tar"), &ImportOptions::default()).expect("it imports");
    assert_eq!(parts.operations.len(), 1);
    let a = operation(&parts, "GET /a/{id}");
    assert_eq!(a.field("path:id").expect("id").schema, json!({ "type": "integer" }));
    assert_eq!(a.response.as_ref().expect("an outline").item_fields, ["id", "next", "other"]);
    assert_eq!(parts.warnings.len(), 2, "{:?}", parts.warnings);
}

#[test]
fn servers_are_joined_with_the_source_or_replaced_by_the_configured_backend() {
    let content = |servers: Value| {
        json!({ "openapi": "3.0.0", "info": {}, "servers": servers, "paths": { "/a": { "get": {} } } }).to_string()
    };
    let source_url = Some(Url::parse("https://docs.example.com/specs/openapi.json").expect("a URL"));
    let backend_url = Some(Url::parse("http://10.0.0.5:8080/base/").expect("a URL"));
    for (servers, source, backend, expected) in [
        (json!([{ "url": "/v1" }]), source_url.clone(), None, vec!["https://docs.example.com/v1"]),
        (json!([{ "url": "v1/" }]), source_url.clone(), None, vec!["https://docs.example.com/specs/v1"]),
        (json!([]), source_url.clone(), None, vec!["https://docs.example.com"]),
        (json!([{ "url": "/v1" }]), None, None, vec!["/v1"]),
        (
            json!([{ "url": "https://{x}.example.com" }, { "url": "https://b.example.com" }]),
            None,
            None,
            vec!["https://b.example.com"],
        ),
        (json!([{ "url": "https://a.example.com" }]), source_url, backend_url, vec!["http://10.0.0.5:8080/base"]),
    ] {
        let options = ImportOptions { backend_url: backend, source_url: source, supplied: Vec::new() };
        let document = import("doc", content(servers.clone()).as_bytes(), &options).expect("it imports");
        assert_eq!(document.operations[0].servers, expected, "{servers}");
    }
}

#[test]
fn credentials_and_supplied_headers_are_not_asked_from_a_person() {
    let parameter = |name: &str, location: &str, required: bool| json!({ "name": name, "in": location, "required": required, "schema": { "type": "string" } });
    let content = json!({ "openapi": "3.0.0", "info": {}, "paths": { "/a": { "get": { "parameters": [
        parameter("x-api-key", "header", true), parameter("Authorization", "header", false), parameter("Accept", "header", false),
        parameter("X-Tenant", "header", true), parameter("X-Kind", "header", true), parameter("q", "query", false),
    ] } } } });
    let options = ImportOptions { supplied: vec!["x-tenant".to_owned()], ..ImportOptions::default() };
    let operation = import("doc", content.to_string().as_bytes(), &options).expect("it imports").operations.remove(0);
    let keys: Vec<&str> = operation.fields.iter().map(|field| field.key.as_str()).collect();
    assert_eq!(keys, ["header:X-Kind", "query:q"]);
    assert!(operation.security[0].contains_key("x-api-key") && operation.security[0].len() == 1);
    assert!(operation.schemes.contains_key("Authorization"));
}

#[test]
fn arguments_are_checked_by_schema_with_a_kind_for_each_problem() {
    let operation = one_operation(
        "/rooms/{room}",
        "post",
        json!({
            "parameters": [
                { "name": "room", "in": "path", "required": true, "schema": { "type": "string", "pattern": "^[A-Z]\\d+$" } },
                { "name": "on", "in": "query", "schema": { "type": "string", "format": "date" } },
                { "name": "size", "in": "query", "schema": { "enum": ["s", "m"] } },
            ],
            "requestBody": { "required": true, "content": { "application/json": { "schema": {
                "type": "object", "required": ["seats"],
                "properties": { "seats": { "type": "integer", "minimum": 1, "maximum": 8 }, "note": { "anyOf": [{ "type": "string", "maxLength": 3 }, { "type": "null" }] }, "a": {}, "b": {} },
                "not": { "required": ["a", "b"] },
            } } } },
        }),
    );
    let good =
        json!({ "path:room": "A1", "query:on": "2026-11-02", "query:size": "s", "body:seats": 2, "body:note": null });
    assert!(operation.check(&arguments(good.clone())).is_empty());
    let range = |min: Option<i64>, max: Option<i64>| ProblemKind::Range {
        min: min.map(Value::from),
        max: max.map(Value::from),
    };
    for (key, value, expected) in [
        ("path:room", json!("a1"), ProblemKind::Pattern { pattern: "^[A-Z]\\d+$".to_owned() }),
        ("path:room", json!(""), ProblemKind::Other),
        ("query:on", json!("tomorrow"), ProblemKind::Format { format: "date".to_owned() }),
        ("query:size", json!("xl"), ProblemKind::Enum { allowed: vec![json!("s"), json!("m")] }),
        ("body:seats", json!("two"), ProblemKind::WrongType),
        ("body:seats", json!(0), range(Some(1), None)),
        ("body:seats", json!(9), range(None, Some(8))),
        ("body:note", json!("xyzzy"), range(None, Some(3))),
        ("body:unknown", json!(1), ProblemKind::Other),
    ] {
        let mut changed = arguments(good.clone());
        changed.insert(key.to_owned(), value.clone());
        let problems = operation.check(&changed);
        assert_eq!(
            problems.iter().map(|problem| (problem.field.as_str(), &problem.kind)).collect::<Vec<_>>(),
            [(key, &expected)],
            "{key} {value}"
        );
        assert!(
            !problems[0].message.contains("tomorrow") && !problems[0].message.contains("xyzzy"),
            "no value in a message"
        );
    }
    for key in ["path:room", "body:seats"] {
        let mut changed = arguments(good.clone());
        changed.shift_remove(key);
        let problems = operation.check(&changed);
        assert_eq!((problems[0].field.as_str(), &problems[0].kind), (key, &ProblemKind::Missing));
    }
    let mut whole = arguments(good);
    whole.extend(arguments(json!({ "body:a": 1, "body:b": 2 })));
    assert_eq!(operation.check(&whole).len(), 1, "rules over several fields are checked when each field is well");
}

#[test]
fn an_operation_beyond_the_size_limit_is_not_callable_and_stays_small() {
    let properties: serde_json::Map<String, Value> = (0..4_000)
        .map(|i| (format!("property_number_{i}"), json!({ "type": "string", "description": "x".repeat(60) })))
        .collect();
    let operation = one_operation(
        "/big",
        "post",
        json!({ "requestBody": { "content": { "application/json": { "schema": { "type": "object", "properties": properties } } } } }),
    );
    assert!(
        operation.not_callable.as_ref().is_some_and(|reason| reason.contains("KiB")),
        "{:?}",
        operation.not_callable
    );
    assert!(serde_json::to_vec(&operation).expect("JSON").len() <= openapi::MAX_OPERATION_BYTES);
    let operation = one_operation(
        "/big",
        "get",
        json!({ "responses": { "200": { "content": { "application/json": { "schema": { "type": "object", "properties": properties } } } } } }),
    );
    assert_eq!(operation.not_callable, None, "a large answer does not hinder the call");
}

#[test]
fn a_schema_that_multiplies_itself_stays_within_the_limit() {
    let mut schemas = serde_json::Map::new();
    for i in 0..60 {
        let next = json!({ "$ref": format!("#/components/schemas/S{}", i + 1) });
        schemas.insert(format!("S{i}"), json!({ "type": "object", "properties": { "a": next, "b": next, "c": next } }));
    }
    schemas.insert("S60".to_owned(), json!({ "type": "string" }));
    let content = json!({ "openapi": "3.0.0", "info": {}, "components": { "schemas": schemas }, "paths": { "/a": { "post": { "requestBody": { "content": { "application/json": { "schema": { "$ref": "#/components/schemas/S0" } } } } } } } });
    let operation = document(&content.to_string()).operations.remove(0);
    assert_eq!(operation.not_callable, None);
    assert!(serde_json::to_vec(&operation).expect("JSON").len() <= openapi::MAX_OPERATION_BYTES);
}

#[test]
fn documents_that_are_none_are_refused_with_a_reason() {
    let bomb = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let blank = vec![b' '; 1024 * 1024];
        (0..33).for_each(|_| gzip.write_all(&blank).expect("written")); // one over the limit
        gzip.finish().expect("finished")
    };
    assert!(matches!(import("doc", &bomb, &ImportOptions::default()), Err(ImportError::TooLarge { .. })));
    for (content, expected) in [
        ("", "neither `openapi` nor `swagger`"),
        ("{", "not JSON"),
        ("a: [", "not YAML"),
        ("\u{0}\u{1}", ""),
        ("[]", "neither"),
        ("openapi: 4.0.0\npaths: {}", "4.0.0"),
        ("swagger: '1.2'", "1.2"),
        ("openapi: 3.0.0\npaths: {}", "no `paths` with operations"),
        ("openapi: 3.0.0", "no `paths`"),
    ] {
        let error = import("doc", content.as_bytes(), &ImportOptions::default()).expect_err(content).to_string();
        assert!(error.contains(expected), "{content:?}: {error}");
    }
    // Aliases that unfold into a billion.
    let mut laughs = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (this, last) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e"), ("g", "f"), ("h", "g"), ("i", "h")]
    {
        laughs += &format!("{this}: &{this} [{}]\n", vec![format!("*{last}"); 9].join(","));
    }
    assert!(matches!(import("doc", laughs.as_bytes(), &ImportOptions::default()), Err(ImportError::Unreadable(_))));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(import("doc", deep.as_bytes(), &ImportOptions::default()), Err(ImportError::Unreadable(_))));
}

#[test]
fn the_content_hash_changes_with_the_operation_alone() {
    let first = document(LIBRARY);
    let second = document(&LIBRARY.replace("Borrow a book", "Take a book home"));
    let changed: Vec<&str> = first
        .operations
        .iter()
        .zip(&second.operations)
        .filter(|(a, b)| a.content_hash != b.content_hash)
        .map(|(a, _)| a.id.as_str())
        .collect();
    assert_eq!(changed, ["doc/POST /loans"]);
    assert_ne!(first.content_hash, second.content_hash);
    let json = serde_json::to_string(&first.operations[0]).expect("JSON");
    assert_eq!(serde_json::from_str::<openapi::Operation>(&json).expect("an operation"), first.operations[0]);
}
