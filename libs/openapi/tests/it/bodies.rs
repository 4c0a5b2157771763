//! Forms, parts, texts and files as a backend gets them.

use std::collections::BTreeMap;

use openapi::{BodyEncoding, File, FileField, Files, Operation, PrepareError, Prepared, ProblemKind};
use serde_json::{Value, json};

use crate::{arguments, backend, document, one_operation};

fn with_body(content: Value) -> Operation {
    one_operation("/x", "post", json!({ "requestBody": { "required": true, "content": content } }))
}

fn file(name: &str, media_type: &str, content: &'static [u8]) -> File {
    File { name: Some(name.to_owned()), media_type: media_type.to_owned(), content: content.into() }
}

fn prepare(operation: &Operation, given: Value, files: &Files) -> Result<Prepared, PrepareError> {
    assert_eq!(operation.not_callable, None);
    backend(None, []).prepare_with_files(operation, &arguments(given), files)
}

fn text_of(prepared: &Prepared) -> (String, String) {
    let kind = prepared.headers.get("content-type").map(|kind| kind.to_str().expect("ASCII"));
    let body = prepared.body.as_ref().expect("a body");
    (kind.unwrap_or_default().to_owned(), String::from_utf8_lossy(body).into_owned())
}

/// The parts of a multipart body as head and content, the boundary taken from the header.
fn parts(prepared: &Prepared) -> Vec<(String, String)> {
    let (kind, body) = text_of(prepared);
    let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a multipart body");
    let body = body.strip_suffix(&format!("--{boundary}--\r\n")).expect("it ends");
    let line = format!("--{boundary}\r\n");
    body.split(&line)
        .skip(1)
        .map(|part| part.strip_suffix("\r\n").and_then(|part| part.split_once("\r\n\r\n")).expect("a part"))
        .map(|(head, content)| (head.replace("Content-Disposition: form-data; ", ""), content.to_owned()))
        .collect()
}

#[test]
fn a_form_is_written_by_its_encoding() {
    let properties = json!({
        "text": { "type": "string" }, "count": { "type": "integer" }, "yes": { "type": "boolean" },
        "list": { "type": "array", "items": { "type": "string" } }, "map": { "type": "object" },
        "rows": { "type": "array", "items": { "type": "object" } }, "csv": { "type": "array", "items": {} },
        "deep": { "type": "object" }, "spread": { "type": "object" }, "asjson": { "type": "array", "items": {} },
        "url": { "type": "string" }, "none": { "type": ["string", "null"] },
    });
    let encoding = json!({
        "csv": { "explode": false }, "deep": { "style": "deepObject", "explode": true }, "spread": { "style": "form" },
        "asjson": { "contentType": "application/json" }, "url": { "allowReserved": true },
    });
    let operation = with_body(
        json!({ "application/x-www-form-urlencoded": { "schema": { "type": "object", "properties": properties }, "encoding": encoding } }),
    );
    for (name, value, expected) in [
        ("text", json!("Žlahtina & co=1+1 ~"), "text=%C5%BDlahtina%20%26%20co%3D1%2B1%20~"),
        ("count", json!(3), "count=3"),
        ("yes", json!(true), "yes=true"),
        ("text", json!(""), "text="),
        ("none", json!(null), ""),
        ("list", json!(["a", "b c"]), "list=a&list=b%20c"),
        ("list", json!([]), ""),
        ("map", json!({ "a": [1] }), "map=%7B%22a%22%3A%5B1%5D%7D"),
        ("rows", json!([{ "a": 1 }, { "a": 2 }]), "rows=%7B%22a%22%3A1%7D&rows=%7B%22a%22%3A2%7D"),
        ("csv", json!(["a", "b,c"]), "csv=a,b%2Cc"),
        ("deep", json!({ "a": { "b": 1 }, "c": [2] }), "deep%5Ba%5D%5Bb%5D=1&deep%5Bc%5D%5B%5D=2"),
        ("spread", json!({ "R": 100, "G": 200 }), "R=100&G=200"),
        ("asjson", json!(["a", 1]), "asjson=%5B%22a%22%2C1%5D"),
        ("url", json!("https://a.test/?b=c&d"), "url=https://a.test/?b=c%26d"),
    ] {
        let prepared = prepare(&operation, json!({ format!("body:{name}"): value }), &Files::new()).expect("prepared");
        let expected = ("application/x-www-form-urlencoded".to_owned(), expected.to_owned());
        assert_eq!(text_of(&prepared), expected, "{name} {value}");
    }
    // The order is the document's; types are checked as in JSON.
    let both = json!({ "body:count": 1, "body:text": "a" });
    assert_eq!(text_of(&prepare(&operation, both, &Files::new()).expect("prepared")).1, "text=a&count=1");
    let problems = operation.check(&arguments(json!({ "body:count": "many" })));
    assert_eq!(problems[0].kind, ProblemKind::WrongType);
    // A body that must be sent is, be it empty; one that need not be is not.
    let empty = prepare(&operation, json!({}), &Files::new()).expect("prepared");
    assert_eq!(empty.body.as_deref(), Some(&b""[..]));
    let optional = one_operation(
        "/x",
        "post",
        json!({ "requestBody": { "content": { "application/x-www-form-urlencoded": { "schema": { "properties": { "a": {} } } } } } }),
    );
    let none = prepare(&optional, json!({}), &Files::new()).expect("prepared");
    assert!(none.body.is_none() && none.headers.get("content-type").is_none());
}

#[test]
fn a_form_of_free_names_takes_an_object_and_one_of_no_names_is_not_callable() {
    let free = with_body(
        json!({ "application/x-www-form-urlencoded": { "schema": { "type": "object", "additionalProperties": {} } } }),
    );
    let prepared = prepare(&free, json!({ "body:": { "a b": 1, "c": ["d", "e"] } }), &Files::new()).expect("prepared");
    assert_eq!(text_of(&prepared).1, "a%20b=1&c=d&c=e");
    let parts_of_it = with_body(json!({ "multipart/form-data": { "schema": { "type": "object" } } }));
    let prepared = prepare(&parts_of_it, json!({ "body:": { "a": { "b": 1 } } }), &Files::new()).expect("prepared");
    assert_eq!(parts(&prepared), [("name=\"a\"\r\nContent-Type: application/json".to_owned(), "{\"b\":1}".to_owned())]);
    let nameless = with_body(json!({ "multipart/form-data": { "schema": { "type": "string" } } }));
    assert_eq!(nameless.not_callable.as_deref(), Some("the form that it takes names no fields"));
    let untyped = with_body(json!({ "application/x-www-form-urlencoded": {} }));
    let refused = prepare(&untyped, json!({ "body:": "text" }), &Files::new());
    assert!(matches!(refused, Err(PrepareError::BadValue { .. })), "{refused:?}");
}

fn upload() -> Operation {
    with_body(json!({ "multipart/form-data": {
        "schema": { "type": "object", "required": ["photo"], "properties": {
            "title": { "type": "string", "maxLength": 20 }, "place": { "type": "object" }, "tags": { "type": "array", "items": { "type": "string" } },
            "photo": { "type": "string", "format": "binary", "maxLength": 5_000_000, "minLength": 100 },
            "more": { "type": "array", "items": { "type": "string", "contentMediaType": "application/pdf" }, "maxItems": 2 },
            "thumb": { "anyOf": [{ "type": "string", "contentEncoding": "binary" }, { "type": "string" }] },
            "icon": { "type": "string" }, "notes": { "type": "string" }, "any": {}, "point": { "type": "array", "items": {} },
        } },
        "encoding": { "photo": { "contentType": "image/png, image/jpg" }, "icon": { "contentType": "image/*" }, "notes": { "contentType": "text/markdown" }, "point": { "explode": false } },
    } }))
}

#[test]
fn the_import_marks_the_fields_that_are_files() {
    let operation = upload();
    assert_eq!(operation.body.as_ref().map(|body| body.encoding), Some(BodyEncoding::Multipart));
    let files: BTreeMap<&str, &FileField> =
        operation.fields.iter().filter_map(|field| Some((field.name.as_str(), field.file.as_ref()?))).collect();
    let kind =
        |types: &[&str], or_text| FileField { media_types: types.iter().map(|&t| t.to_owned()).collect(), or_text };
    let expected = [
        ("any", kind(&[], true)),
        ("icon", kind(&["image/*"], false)),
        ("more", kind(&[], false)),
        ("photo", kind(&["image/png", "image/jpg"], false)),
        ("thumb", kind(&[], true)),
    ];
    assert_eq!(files, expected.iter().map(|(name, file)| (*name, file)).collect());
    // Lengths of the content say nothing about the reference.
    assert_eq!(operation.field("body:photo").expect("photo").schema, json!({ "type": "string", "format": "binary" }));
    assert_eq!(
        operation.field("body:more").expect("more").schema,
        json!({ "type": "array", "items": { "type": "string", "format": "binary" }, "maxItems": 2 })
    );
    assert!(operation.needs_file());
    assert!(!one_operation("/x", "get", json!({})).needs_file());
}

#[test]
fn parts_are_written_by_their_kind() {
    let operation = upload();
    let files = Files::from([
        ("photo-1".to_owned(), file("C:\\me\\my \"cat\"\r\n.png", "Image/PNG; x=1", b"\x89PNG\r\n--x")),
        (
            "doc".to_owned(),
            File { name: None, media_type: "application/pdf".to_owned(), content: (&b"%PDF"[..]).into() },
        ),
    ]);
    let given = json!({
        "body:title": "A\r\ncat", "body:place": { "lat": 1 }, "body:tags": ["a", "b"], "body:photo": "photo-1", "body:more": ["doc", "doc"],
        "body:thumb": "https://a.test/b.png", "body:notes": "*x*", "body:point": [1, 2], "body:any": "file_77",
    });
    let prepared = prepare(&operation, given.clone(), &files).expect("prepared");
    let part = |head: &str, content: &str| (head.to_owned(), content.to_owned());
    let pdf = "name=\"more\"; filename=\"file.pdf\"\r\nContent-Type: application/pdf";
    let body = prepared.body.clone().expect("a body");
    assert!(body.windows(4).any(|bytes| bytes == b"\x89PNG"), "the bytes of the file are as they were");
    assert_eq!(
        parts(&prepared),
        [
            part("name=\"title\"", "A\r\ncat"),
            part("name=\"place\"\r\nContent-Type: application/json", "{\"lat\":1}"),
            part("name=\"tags\"", "a"),
            part("name=\"tags\"", "b"),
            part("name=\"photo\"; filename=\"my %22cat%22.png\"\r\nContent-Type: image/png", "\u{fffd}PNG\r\n--x"),
            part(pdf, "%PDF"),
            part(pdf, "%PDF"),
            part("name=\"thumb\"", "https://a.test/b.png"),
            part("name=\"notes\"\r\nContent-Type: text/markdown", "*x*"),
            part("name=\"any\"", "file_77"),
            part("name=\"point\"", "1,2"),
        ]
    );
    let again = prepare(&operation, given, &files).expect("prepared");
    assert_eq!(again.body, prepared.body, "the same request is the same bytes, so that it can be repeated");
}

#[test]
fn names_cannot_break_out_of_their_part() {
    let evil = "a\"\r\nContent-Type: text/html\r\n\r\nx";
    let operation = with_body(
        json!({ "multipart/form-data": { "schema": { "type": "object", "properties": { evil: { "type": "string" } } } } }),
    );
    let prepared = prepare(&operation, json!({ format!("body:{evil}"): "v" }), &Files::new()).expect("prepared");
    let expected = "name=\"a%22%0D%0AContent-Type: text/html%0D%0A%0D%0Ax\"";
    assert_eq!(parts(&prepared), [(expected.to_owned(), "v".to_owned())]);
}

#[test]
fn a_file_that_is_missing_or_does_not_fit_is_said() {
    let operation = upload();
    let no_file = |field: &str| PrepareError::NoFile { field: field.to_owned() };
    let error = |given: Value, files: &Files| prepare(&operation, given, files).map(|_| ()).expect_err("refused");
    assert_eq!(error(json!({ "body:photo": "photo-1" }), &Files::new()), no_file("body:photo"));
    assert_eq!(no_file("body:photo").to_string(), "no file is given for body:photo");
    assert!(matches!(error(json!({}), &Files::new()), PrepareError::Problems(_)));
    let files = Files::from([("p".to_owned(), file("a.pdf", "application/pdf", b"%PDF"))]);
    assert!(
        matches!(error(json!({ "body:photo": "p" }), &files), PrepareError::BadValue { field, reason } if field == "body:photo" && reason.contains("kind of file"))
    );
    for media_type in ["image/jpeg", "image/png", "nonsense", ""] {
        let files = Files::from([("p".to_owned(), file("a", media_type, b"x"))]);
        assert!(prepare(&operation, json!({ "body:photo": "p" }), &files).is_ok(), "{media_type}");
    }
    let large = File { name: None, media_type: "image/png".to_owned(), content: vec![0; 21 << 20].into() };
    let files = Files::from([("p".to_owned(), large)]);
    assert!(
        matches!(error(json!({ "body:photo": "p" }), &files), PrepareError::BadValue { reason, .. } if reason.contains("20 MiB"))
    );
}

#[test]
fn a_body_that_is_one_file_or_one_text_is_sent_as_it_is() {
    let files = Files::from([("f".to_owned(), file("a.png", "image/png", b"\x89PNG"))]);
    let binary = json!({ "schema": { "type": "string", "format": "binary" } });
    for (content, expected) in [
        (json!({ "application/octet-stream": binary }), "image/png"),
        (json!({ "application/octet-stream": {} }), "image/png"),
        (json!({ "image/*": {} }), "image/png"),
        (json!({ "image/png": binary }), "image/png"),
        (json!({ "*/*": binary }), "image/png"),
        (json!({ "image/jpeg": {}, "image/png": {} }), "image/png"),
        (json!({ "application/vnd.acme.scan": binary }), "application/vnd.acme.scan"),
    ] {
        let operation = with_body(content.clone());
        if content.get("application/vnd.acme.scan").is_some() {
            let refused = prepare(&operation, json!({ "body:": "f" }), &files);
            assert!(matches!(refused, Err(PrepareError::BadValue { .. })), "another kind of file: {refused:?}");
            continue;
        }
        let prepared = prepare(&operation, json!({ "body:": "f" }), &files).expect("prepared");
        assert_eq!(prepared.headers["content-type"], expected, "{content}");
        assert_eq!(prepared.body.as_deref(), Some(&b"\x89PNG"[..]), "{content}");
        let refused = prepare(&operation, json!({ "body:": "another" }), &files).map(|_| ());
        assert_eq!(refused, Err(PrepareError::NoFile { field: "body:".to_owned() }), "{content}");
    }
    for (media_type, sent) in [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/csv; charset=utf-8", "text/csv; charset=utf-8"),
        ("application/yaml", "application/yaml; charset=utf-8"),
    ] {
        let operation = with_body(json!({ media_type: { "schema": { "type": "string" } } }));
        let prepared = prepare(&operation, json!({ "body:": "a, ž\n" }), &Files::new()).expect("prepared");
        assert_eq!(text_of(&prepared), (sent.to_owned(), "a, ž\n".to_owned()));
    }
    for content in [
        json!({ "application/xml": {} }),
        json!({ "multipart/mixed": {} }),
        json!({ "application/vnd.acme": { "schema": { "type": "object" } } }),
    ] {
        let reason = with_body(content.clone()).not_callable.unwrap_or_default();
        assert!(reason.ends_with("which is not supported"), "{content}: {reason}");
    }
}

#[test]
fn the_best_of_many_ways_is_taken() {
    let plain = || json!({ "schema": { "properties": { "a": { "type": "string" } } } });
    let with_file = || json!({ "schema": { "properties": { "a": { "type": "string" }, "f": { "type": "string", "format": "binary" } } } });
    for (content, expected) in [
        (json!({ "text/plain": {}, "multipart/form-data": plain(), "application/json": plain() }), BodyEncoding::Json),
        (json!({ "application/json": with_file(), "multipart/form-data": with_file() }), BodyEncoding::Multipart),
        (json!({ "application/json": plain(), "multipart/form-data": with_file() }), BodyEncoding::Json),
        (json!({ "multipart/form-data": plain(), "application/x-www-form-urlencoded": plain() }), BodyEncoding::Form),
        (
            json!({ "multipart/form-data": with_file(), "application/x-www-form-urlencoded": with_file() }),
            BodyEncoding::Multipart,
        ),
        (json!({ "application/octet-stream": {}, "text/plain": {} }), BodyEncoding::Text),
        (json!({ "application/xml": {}, "*/*": plain() }), BodyEncoding::Json),
    ] {
        let operation = with_body(content.clone());
        assert_eq!(operation.body.map(|body| body.encoding), Some(expected), "{content}");
    }
}

#[test]
fn forms_of_swagger_2_are_sent_with_their_collection_formats_and_files() {
    let form = |consumes: Value, extra: Value| {
        let mut parameters = json!([
            { "name": "name", "in": "formData", "type": "string", "required": true, "description": "Who" },
            { "name": "tags", "in": "formData", "type": "array", "items": { "type": "string" }, "collectionFormat": "pipes" },
            { "name": "ids", "in": "formData", "type": "array", "items": { "type": "integer" }, "collectionFormat": "multi" },
        ]);
        parameters.as_array_mut().expect("a list").extend(extra.as_array().cloned().expect("a list"));
        let content = json!({ "swagger": "2.0", "info": {}, "host": "a.test", "paths": { "/x": { "post": { "consumes": consumes, "parameters": parameters } } } });
        document(&content.to_string()).operations.remove(0)
    };
    let given = json!({ "body:name": "Ana", "body:tags": ["a", "b"], "body:ids": [1, 2] });
    let plain = form(json!(["application/json", "application/x-www-form-urlencoded"]), json!([]));
    assert_eq!(plain.field("body:name").map(|field| field.description.as_str()), Some("Who"));
    let prepared = prepare(&plain, given.clone(), &Files::new()).expect("prepared");
    assert_eq!(text_of(&prepared).1, "name=Ana&tags=a%7Cb&ids=1&ids=2");
    assert_eq!(plain.check(&arguments(json!({}))).len(), 1);

    let with_file = form(
        json!(["multipart/form-data"]),
        json!([{ "name": "scan", "in": "formData", "type": "file", "required": true }]),
    );
    assert!(with_file.needs_file());
    let mut given = given;
    given["body:scan"] = json!("s");
    let files = Files::from([("s".to_owned(), file("s.txt", "text/plain", b"hi"))]);
    let sent = parts(&prepare(&with_file, given, &files).expect("prepared"));
    assert_eq!(sent[1], ("name=\"tags\"".to_owned(), "a|b".to_owned()));
    assert_eq!(sent[4], ("name=\"scan\"; filename=\"s.txt\"\r\nContent-Type: text/plain".to_owned(), "hi".to_owned()));
}
