//! No document, however broken, ends in a panic.

use std::sync::LazyLock;

use openapi::{Backend, File, Files, ImportOptions, Operation, import};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::backend;

fn fixtures() -> [Value; 2] {
    let yaml = include_str!("fixtures/library.yaml");
    let library: Value = serde_saphyr::from_str(yaml).expect("YAML");
    [library, serde_json::from_str(include_str!("fixtures/swagger.json")).expect("JSON")]
}

static BACKEND: LazyLock<Backend> = LazyLock::new(|| backend(None, []));
/// Every text of [`some_arguments`] stands for a file.
static FILES: LazyLock<Files> = LazyLock::new(|| {
    let file =
        || File { name: Some(TEXT.to_owned()), media_type: "image/png".to_owned(), content: (&b"\x89"[..]).into() };
    [TEXT, "a"].into_iter().map(|reference| (reference.to_owned(), file())).collect()
});
const TEXT: &str = "a/../ü?#%";

/// Pointers to every place of the value.
fn places(value: &Value, at: String, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, member)| {
            places(member, format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), out)
        }),
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| places(item, format!("{at}/{i}"), out)),
        _ => {}
    }
    out.push(at);
}

fn replacement() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(true)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[]])),
        Just(json!([null, 1, {}])),
        Just(json!("")),
        Just(json!("#/")),
        Just(json!({ "$ref": "#" })),
        Just(json!({ "$ref": "#/components/schemas/Book" })),
        Just(json!({ "$ref": "%zz#/%ff" })),
        Just(json!({ "$ref": "#/paths/~1books" })),
        Just(json!({ "$ref": "https://nowhere.example/x#/y" })),
        Just(json!({ "type": "array" })),
        Just(json!({ "type": ["string", 1], "enum": [], "pattern": "(", "minLength": -1, "required": true })),
        Just(json!({ "allOf": [{ "$ref": "#/components/schemas/Tree" }] })),
        "\\PC{0,12}".prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ]
}

/// Arguments that may or may not fit, by the first type of each field.
fn some_arguments(operation: &Operation) -> Map<String, Value> {
    let value = |schema: &Value| match schema.get("type").and_then(Value::as_str) {
        Some("integer" | "number") => json!(5),
        Some("array") => json!(["a", { "b": [1] }]),
        Some("object") => json!({ "k": ["v"] }),
        Some("boolean") => json!(true),
        _ => json!(TEXT),
    };
    operation.fields.iter().map(|field| (field.key.clone(), value(&field.schema))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_documents_never_panic(which in 0..2_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), replacement()), 1..6)) {
        let mut value = fixtures()[which].clone();
        for (index, new) in changes {
            let mut all = Vec::new();
            places(&value, String::new(), &mut all);
            let place = all[index.index(all.len())].clone();
            if let Some(slot) = value.pointer_mut(&place) {
                *slot = new;
            }
        }
        if let Ok(document) = import("doc", value.to_string().as_bytes(), &ImportOptions::default()) {
            for operation in &document.operations {
                prop_assert!(serde_json::to_vec(operation).expect("JSON").len() <= openapi::MAX_OPERATION_BYTES);
                let arguments = some_arguments(operation);
                let _ = BACKEND.prepare(operation, &arguments);
                let _ = BACKEND.prepare_with_files(operation, &arguments, &FILES);
            }
        }
    }

    #[test]
    fn bytes_that_are_cut_or_changed_never_panic(cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for text in [include_str!("fixtures/library.yaml"), include_str!("fixtures/swagger.json")] {
            let mut bytes = text.as_bytes().to_vec();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            bytes.truncate(cut.index(bytes.len()) + 1);
            let _ = import("doc", &bytes, &ImportOptions::default());
        }
    }
}
