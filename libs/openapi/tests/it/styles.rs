//! Values in every serialisation style, by the tables of the specification (3.1.1, "Style Examples").

use openapi::{Operation, PrepareError, Style};
use serde_json::{Value, json};

use crate::{arguments, backend, document, one_operation};

/// A parameter named `color` in `location`, and what the request holds in that place.
fn sent(location: &str, extra: &Value, value: &Value) -> Result<String, PrepareError> {
    let mut parameter = json!({ "name": "color", "in": location, "required": location == "path", "schema": {} });
    parameter.as_object_mut().expect("an object").extend(arguments(extra.clone()));
    let path = if location == "path" { "/x/{color}" } else { "/x" };
    written(&one_operation(path, "get", json!({ "parameters": [parameter] })), location, value)
}

fn written(operation: &Operation, location: &str, value: &Value) -> Result<String, PrepareError> {
    assert_eq!(operation.not_callable, None);
    let prepared = backend(None, []).prepare(operation, &arguments(json!({ format!("{location}:color"): value })))?;
    let header = |name: &str| {
        let value = prepared.headers.get(name).map(|value| value.to_str().expect("ASCII"));
        value.unwrap_or_default().to_owned()
    };
    Ok(match location {
        "path" => prepared.url.path().trim_start_matches("/v1/x/").to_owned(),
        "query" => prepared.url.query().unwrap_or_default().to_owned(),
        "header" => header("color"),
        _ => header("cookie"),
    })
}

#[test]
fn every_style_writes_what_the_specification_shows() {
    let text = json!("blue");
    let list = json!(["blue", "black", "brown"]);
    let map = json!({ "R": 100, "G": 200, "B": 150 });
    for (location, style, explode, value, expected) in [
        ("path", "matrix", false, &text, ";color=blue"),
        ("path", "matrix", false, &list, ";color=blue,black,brown"),
        ("path", "matrix", false, &map, ";color=R,100,G,200,B,150"),
        ("path", "matrix", true, &text, ";color=blue"),
        ("path", "matrix", true, &list, ";color=blue;color=black;color=brown"),
        ("path", "matrix", true, &map, ";R=100;G=200;B=150"),
        ("path", "label", false, &text, ".blue"),
        ("path", "label", false, &list, ".blue,black,brown"),
        ("path", "label", false, &map, ".R,100,G,200,B,150"),
        ("path", "label", true, &text, ".blue"),
        ("path", "label", true, &list, ".blue.black.brown"),
        ("path", "label", true, &map, ".R=100.G=200.B=150"),
        ("path", "simple", false, &text, "blue"),
        ("path", "simple", false, &list, "blue,black,brown"),
        ("path", "simple", false, &map, "R,100,G,200,B,150"),
        ("path", "simple", true, &list, "blue,black,brown"),
        ("path", "simple", true, &map, "R=100,G=200,B=150"),
        ("header", "simple", false, &list, "blue,black,brown"),
        ("header", "simple", false, &map, "R,100,G,200,B,150"),
        ("header", "simple", true, &map, "R=100,G=200,B=150"),
        ("query", "form", false, &text, "color=blue"),
        ("query", "form", false, &list, "color=blue,black,brown"),
        ("query", "form", false, &map, "color=R,100,G,200,B,150"),
        ("query", "form", true, &text, "color=blue"),
        ("query", "form", true, &list, "color=blue&color=black&color=brown"),
        ("query", "form", true, &map, "R=100&G=200&B=150"),
        ("query", "spaceDelimited", false, &list, "color=blue%20black%20brown"),
        ("query", "spaceDelimited", false, &map, "color=R%20100%20G%20200%20B%20150"),
        ("query", "spaceDelimited", true, &list, "color=blue&color=black&color=brown"),
        ("query", "pipeDelimited", false, &list, "color=blue%7Cblack%7Cbrown"),
        ("query", "pipeDelimited", false, &map, "color=R%7C100%7CG%7C200%7CB%7C150"),
        ("query", "deepObject", true, &map, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
        ("cookie", "form", false, &text, "color=blue"),
        ("cookie", "form", false, &list, "color=blue,black,brown"),
        ("cookie", "form", false, &map, "color=R,100,G,200,B,150"),
        ("cookie", "form", true, &list, "color=blue; color=black; color=brown"),
        ("cookie", "form", true, &map, "R=100; G=200; B=150"),
        ("cookie", "cookie", true, &list, "color=blue; color=black; color=brown"),
    ] {
        let shape = match value {
            Value::Array(_) => json!({ "type": "array", "items": { "type": "string" } }),
            Value::Object(_) => json!({ "type": "object", "additionalProperties": { "type": "integer" } }),
            _ => json!({ "type": "string" }),
        };
        let extra = json!({ "style": style, "explode": explode, "schema": shape });
        let expected = Ok(expected.to_owned());
        assert_eq!(sent(location, &extra, value), expected, "{location} {style} explode {explode} {value}");
    }
}

#[test]
fn empty_values_nulls_and_reserved_characters_have_their_place() {
    let free = || json!({ "schema": {} });
    let reserved = |explode: bool| json!({ "schema": {}, "allowReserved": true, "explode": explode });
    for (location, extra, value, expected) in [
        ("query", free(), json!(""), "color="),
        ("query", json!({ "schema": {}, "allowEmptyValue": true }), json!(""), "color="),
        ("query", free(), json!(null), ""),
        ("query", free(), json!([]), ""),
        ("query", json!({ "schema": {}, "explode": false }), json!([]), ""),
        ("query", free(), json!({}), ""),
        ("query", free(), json!([null, "a", null]), "color=a"),
        ("query", free(), json!({ "a": null, "b": 1 }), "b=1"),
        ("query", free(), json!(["", "a"]), "color=&color=a"),
        ("header", free(), json!(null), ""),
        ("cookie", free(), json!(null), ""),
        ("cookie", free(), json!([]), ""),
        ("cookie", free(), json!(""), "color="),
        ("query", free(), json!("a/b?c:d&e=f+g#h[i]%20 ž"), "color=a%2Fb%3Fc%3Ad%26e%3Df%2Bg%23h%5Bi%5D%2520%20%C5%BE"),
        // Nothing that could end the value or start another one stays.
        ("query", reserved(true), json!("a/b?c:d&e=f+g#h[i]%20 ž"), "color=a/b?c:d%26e=f%2Bg%23h%5Bi%5D%2520%20%C5%BE"),
        ("query", reserved(false), json!(["a,b", "c/d"]), "color=a%2Cb,c%2Fd"),
        ("query", reserved(true), json!({ "a&b=": "c/d" }), "a%26b%3D=c/d"),
        ("path", json!({ "style": "matrix", "schema": {} }), json!("a;b/c"), ";color=a%3Bb%2Fc"),
        ("path", json!({ "style": "label", "schema": {} }), json!("a b"), ".a%20b"),
        ("header", free(), json!(["a b", "c"]), "a b,c"),
        ("cookie", free(), json!("a; b=c, d"), "color=a%3B%20b%3Dc%2C%20d"),
        ("cookie", json!({ "style": "cookie", "schema": {} }), json!("a%20=b"), "color=a%20=b"),
        (
            "query",
            json!({ "style": "deepObject", "schema": {} }),
            json!({ "a": { "b": [1, 2] }, "c": null }),
            "color%5Ba%5D%5Bb%5D%5B%5D=1&color%5Ba%5D%5Bb%5D%5B%5D=2",
        ),
        (
            "query",
            json!({ "style": "deepObject", "schema": {} }),
            json!([{ "p": 1 }, { "p": 2 }]),
            "color%5B0%5D%5Bp%5D=1&color%5B1%5D%5Bp%5D=2",
        ),
        ("query", json!({ "schema": null, "content": { "text/plain": {} } }), json!("a b"), "color=a%20b"),
        (
            "path",
            json!({ "schema": null, "content": { "application/json": {} } }),
            json!({ "a": 1 }),
            "%7B%22a%22%3A1%7D",
        ),
    ] {
        assert_eq!(sent(location, &extra, &value), Ok(expected.to_owned()), "{location} {extra} {value}");
    }
    for (location, extra, value) in [
        ("path", free(), json!(null)),
        ("path", free(), json!([])),
        ("path", json!({ "style": "label", "schema": {} }), json!([])),
        ("path", json!({ "style": "label", "schema": {} }), json!(".")),
        ("query", free(), json!([["a"]])),
        ("query", free(), json!({ "a": [1] })),
        ("query", json!({ "style": "deepObject", "schema": {} }), nested(20)),
        ("header", free(), json!([{}])),
        ("cookie", json!({ "style": "cookie", "schema": {} }), json!("a; Path=/")),
        ("cookie", json!({ "style": "cookie", "schema": {} }), json!({ "a=b": "c" })),
        ("cookie", free(), json!("x".repeat(5_000))),
    ] {
        let refused = sent(location, &extra, &value);
        assert!(matches!(refused, Err(PrepareError::BadValue { .. })), "{location} {extra} {value}: {refused:?}");
    }
}

#[test]
fn the_names_in_an_exploded_object_take_no_place_of_another_parameter() {
    let content = json!({
        "openapi": "3.1.0", "info": {}, "servers": [{ "url": "https://a.test" }],
        "components": { "securitySchemes": { "k": { "type": "apiKey", "in": "query", "name": "key" } } }, "security": [{ "k": [] }, {}],
        "paths": { "/x": { "get": { "parameters": [
            { "name": "filter", "in": "query", "schema": { "type": "object", "additionalProperties": {} } },
            { "name": "userId", "in": "query", "schema": {} },
        ] } } },
    });
    let operation = document(&content.to_string()).operations.remove(0);
    for name in ["userId", "USERID", "key"] {
        let given = arguments(json!({ "query:filter": { name: "other" }, "query:userId": "me" }));
        let refused = backend(None, []).prepare(&operation, &given);
        assert!(matches!(refused, Err(PrepareError::BadValue { .. })), "{name}: {refused:?}");
    }
    let given = arguments(json!({ "query:filter": { "a": 1 }, "query:userId": "me" }));
    let url = backend(None, []).prepare(&operation, &given).expect("prepared").url;
    assert_eq!(url.query(), Some("a=1&userId=me"));
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!({ "a": inner }))
}

#[test]
fn collection_formats_of_swagger_2_are_written_as_they_say() {
    for (location, format, expected) in [
        ("query", None, "color=a%20b,c"),
        ("query", Some("csv"), "color=a%20b,c"),
        ("query", Some("ssv"), "color=a%20b%20c"),
        ("query", Some("tsv"), "color=a%20b%09c"),
        ("query", Some("pipes"), "color=a%20b%7Cc"),
        ("query", Some("multi"), "color=a%20b&color=c"),
        ("header", Some("csv"), "a b,c"),
        ("header", Some("ssv"), "a b c"),
        ("header", Some("tsv"), "a b\tc"),
        ("header", Some("pipes"), "a b|c"),
        ("path", Some("csv"), "a%20b,c"),
        ("path", Some("ssv"), "a%20b%20c"),
        ("path", Some("tsv"), "a%20b%09c"),
        ("path", Some("pipes"), "a%20b%7Cc"),
    ] {
        let mut parameter = json!({ "name": "color", "in": location, "required": true, "type": "array", "items": { "type": "string" } });
        if let Some(format) = format {
            parameter["collectionFormat"] = json!(format);
        }
        let path = if location == "path" { "/x/{color}" } else { "/x" };
        let content = json!({ "swagger": "2.0", "info": {}, "host": "a.test", "basePath": "/v1", "paths": { path: { "get": { "parameters": [parameter] } } } });
        let operation = document(&content.to_string()).operations.remove(0);
        assert_eq!(
            written(&operation, location, &json!(["a b", "c"])),
            Ok(expected.to_owned()),
            "{location} {format:?}"
        );
    }
}

#[test]
fn a_style_that_the_place_does_not_have_is_a_stated_reason() {
    for (location, style, reason) in [
        ("path", "form", "is written in style form, which is not supported"),
        ("query", "matrix", "is written in style matrix, which is not supported"),
        ("query", "magic", "is written in style magic, which is not supported"),
        ("header", "deepObject", "is written in style deepObject, which is not supported"),
        ("querystring", "form", "is in querystring, which is not supported"),
    ] {
        let parameter = json!({ "name": "color", "in": location, "style": style, "required": true, "schema": {} });
        let path = if location == "path" { "/x/{color}" } else { "/x" };
        let operation = one_operation(path, "get", json!({ "parameters": [parameter] }));
        assert_eq!(operation.not_callable, Some(format!("parameter `color` {reason}")), "{location} {style}");
    }
    let nested = json!({ "name": "color", "in": "query", "required": true, "schema": { "type": "array", "items": { "type": "array", "items": {} } } });
    let operation = one_operation("/x", "get", json!({ "parameters": [nested] }));
    assert!(operation.not_callable.is_some_and(|reason| reason.contains("lists or objects in others")));
}

#[test]
fn operations_stored_before_these_styles_are_read_as_they_were() {
    let old = json!({ "key": "query:q", "name": "q", "location": "query", "required": false, "schema": {}, "description": "", "style": "form", "explode": true });
    let field: openapi::Field = serde_json::from_value(old.clone()).expect("a field");
    assert_eq!((field.style, field.allow_reserved, &field.file), (Style::Form, false, &None));
    assert_eq!(serde_json::to_value(&field).expect("JSON"), old, "and keep their content hash");
    let old = json!({ "media_type": "application/json", "required": true, "whole_schema": {}, "wrapped": false });
    let body: openapi::BodyShape = serde_json::from_value(old.clone()).expect("a body");
    assert_eq!(body.encoding, openapi::BodyEncoding::Json);
    assert_eq!(serde_json::to_value(&body).expect("JSON"), old);
}
