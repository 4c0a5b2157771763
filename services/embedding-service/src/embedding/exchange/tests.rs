use std::sync::Arc;

use super::*;

fn check(json: &str, models: &[&str], expected: &[(&str, [f32; 2])]) {
    let found = read(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"));
    let vectors: Vec<(&str, &[f32])> =
        found.vectors.iter().map(|(name, vector)| (name.as_str(), vector.as_slice())).collect();
    let expected: Vec<(&str, &[f32])> = expected.iter().map(|(name, vector)| (*name, vector.as_slice())).collect();
    assert_eq!((vectors, found.models), (expected, models.iter().map(|&model| model.to_owned()).collect()), "{json}");
}

#[test]
fn every_known_shape_is_read() {
    let two = [("a", [1.0, 2.5]), ("b", [-3.0, 0.125])];
    for json in [
        r#"{"a": [1, 2.5], "b": [-3, 1.25e-1]}"#,
        r#"{"a": {"embedding": [1, 2.5], "tags": ["x"], "scores": [1]}, "b": {"about": {}, "vector": [-3, 0.125]}}"#,
        r#"[{"id": "a", "embedding": [1, 2.5]}, {"values": [-3, 0.125], "text": "b", "extra": [[1]]}]"#,
        r#"{"version": 3, "created": "today", "ok": true, "none": null, "embeddings": {"a": [1, 2.5], "b": [-3, 0.125]}}"#,
        r#"{"tools": [{"tool_id": "a", "text": "ignored", "embedding": [1, 2.5]}, {"name": "b", "vector": [-3, 0.125]}]}"#,
        r#"{"dimension": 2, "metadata": {"count": 2}, "data": {"a": {"vector": [1, 2.5]}, "b": [-3, 0.125]}}"#,
        r#"{"embeddings": {"a": [1, 2.5]}, "texts": {"b": [-3, 0.125]}}"#,
    ] {
        check(json, &[], &two);
    }
    check(
        r#"{"model": "m", "metadata": {"embedding_model": "n", "dim": 2}, "a": [1, 2]}"#,
        &["m", "n"],
        &[("a", [1.0, 2.0])],
    );
    check("{}", &[], &[]);
}

#[test]
fn what_is_no_vector_is_an_error_that_says_where() {
    for (json, expected) in [
        (r#"{"a": [1, NaN]}"#, "line 1"),
        (r#"{"a": [1, null]}"#, "line 1"),
        (r#"{"a": [1, "2"]}"#, "line 1"),
        (r#"{"a": [1, 1e999]}"#, "out of range"),
        (r#"{"a": [1, 1e300]}"#, "no number"),
        (r#"{"a": [1, 2], "b": [1]}"#, "the vector of `b` has 1 values; the others have 2"),
        (r#"{"dimension": 3, "a": [1, 2]}"#, "the vector of `a` has 2 values"),
        (r#"{"a": [1, 2], "dimension": 3}"#, "it says 3 dimensions"),
        (r#"{"a": []}"#, "no vector"),
        (r#"{"a": [[1, 2]]}"#, "invalid type"),
        (r#"[[1, 2]]"#, "each vector needs a name"),
        (r#"[{"id": "a"}]"#, "an item has no `embedding`"),
        (r#"[{"embedding": [1, 2]}]"#, "no name"),
        (r#"{"a": [1, 2]"#, "EOF"),
        (r#"{"a": [1, 2]} {"b": [1, 2]}"#, "trailing"),
        (r#""text""#, "invalid type"),
        ("", "EOF"),
    ] {
        let error = read(json.as_bytes()).expect_err(json).to_string();
        assert!(error.contains(expected), "{json}: {error}");
    }
}

#[test]
fn what_is_written_is_read_again_to_the_bit() {
    let vector = |seed: f32| -> Arc<[f32]> { vec![seed.sin(), seed.cos() * 1e-7, f32::MIN_POSITIVE].into() };
    let operations = [("rooms/GET /a \"b\"".to_owned(), vector(1.0)), ("x".to_owned(), vector(2.0))];
    let texts = [("ž\n".to_owned(), vector(3.0))];
    let mut out = Vec::new();
    write(&mut out, "m \"1\"", 3, &operations, &texts).expect("written");
    let found = read(out.as_slice()).expect("read");
    let expected: Vec<(String, Vec<f32>)> =
        operations.iter().chain(&texts).map(|(name, vector)| (name.clone(), vector.to_vec())).collect();
    assert_eq!(found, Exchanged { models: vec!["m \"1\"".to_owned()], dimension: 3, vectors: expected });
}
