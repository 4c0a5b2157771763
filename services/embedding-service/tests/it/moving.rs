//! Vectors that another program kept.

use std::{fs, path::Path, sync::Arc};

use domain::SystemClock;
use embedding_service::{
    Config, Parts,
    moving::{self, Exported, Imported},
};
use proto::embedding::v1 as vectors;
use serde_json::{Map, Value, json};
use simulator::model;
use store::Store;

use crate::{
    remote::{Model, fused, is_fused},
    support::*,
};

const OPERATIONS: [&str; 6] = [
    "rooms/GET /rooms",
    "POST /rooms",
    "get_rooms_room_id",
    "delete /rooms/room_id/",
    "listReservations",
    "rooms/GET /invoices",
];

/// The document of rooms with one `operationId`, configured.
fn configured(model: &Model, folder: &Path) -> Config {
    let mut document = rooms();
    document["paths"]["/rooms/{room_id}/reservations"]["get"]["operationId"] = "listReservations".into();
    let path = folder.join("rooms.json");
    fs::write(&path, document.to_string()).expect("written");
    let mut config = model.config(folder);
    config.tenants = tenants([("rooms", document_config(&path))]);
    config
}

fn parts(store: &Store) -> Parts {
    Parts { store: store.clone(), clock: Arc::new(SystemClock) }
}

/// What the program of before kept: longer vectors than of length 1, and more beside them.
fn kept(length: usize) -> Value {
    let vector = |name: &str| model::vector(name, length).iter().map(|value| value * 3.0).collect::<Vec<f32>>();
    let all = OPERATIONS.iter().map(|name| ((*name).to_owned(), json!({"embedding": vector(name), "hash": "abc"})));
    let map: Map<String, Value> = all.collect();
    json!({"version": 2, "model": "text-embedding-3-small", "embeddings": map})
}

async fn import_on(store: Store, folder: &Path) {
    let model = Model::start().await;
    let config = configured(&model, folder);
    let file = folder.join("tool_embeddings.json");
    fs::write(&file, serde_json::to_string_pretty(&kept(256)).expect("JSON")).expect("written");
    let imported = moving::import(&config, &parts(&store), &file, &[]).await.expect("imported");
    assert_eq!(imported, Imported { operations: 6, texts: 0, missing: 0 });

    let service = Service::start_with(config.clone(), store.clone()).await;
    eventually("all vectors", async || service.readiness.state().gates["embeddings"].is_none().then_some(())).await;
    assert_eq!(model.server.embedding_requests().len(), 0, "a migration needs no request");
    // The first search needs neutral lines, of which nobody had vectors.
    let first = search(&service, asks("Which meeting rooms are there?")).await;
    assert_eq!(ids(&first).first(), Some(&"rooms/GET /rooms"));
    assert!(is_fused(&fused(&service, "Which meeting rooms are there?").await));
    let inputs: Vec<String> =
        model.server.embedding_requests().into_iter().flat_map(|request| request.inputs).collect();
    assert_eq!(inputs.len(), 40 + 1, "{inputs:?}");
    service.stop().await;

    // Out again, and into an installation that has nothing: not even the lines are asked for.
    let out = folder.join("out.json");
    let exported = moving::export(&config, &parts(&store), &out, true).await.expect("exported");
    assert_eq!(exported, Exported { operations: 6, texts: 40, missing: 0 });
    let text = fs::read_to_string(&out).expect("the file");
    assert!(text.contains("\n  \"listReservations\": ["), "by its operationId");
    model.server.forget_requests();
    let mut fresh = config;
    fresh.files.folder = folder.join("fresh");
    let imported = moving::import(&fresh, &parts(&store), &out, &[]).await.expect("imported");
    assert_eq!(imported, Imported { operations: 6, texts: 40, missing: 0 });
    let service = Service::start_with(fresh, store).await;
    fused(&service, "Which meeting rooms are there?").await;
    assert_eq!(model.server.embedded_inputs(), 1, "the sentence alone");
    service.stop().await;
}

#[tokio::test]
async fn vectors_of_the_program_of_before_need_no_request_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    import_on(sqlite(folder.path()).await, folder.path()).await;
}

#[tokio::test]
async fn vectors_of_the_program_of_before_need_no_request_on_postgresql() {
    let server = testkit::Postgres::shared().await.expect("PostgreSQL");
    let url = server.database().await.expect("a database");
    let folder = tempfile::tempdir().expect("a folder");
    import_on(store_at(&url).await, folder.path()).await;
}

#[tokio::test]
async fn file_of_another_model_or_length_changes_nothing() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let store = sqlite(folder.path()).await;
    let mut config = configured(&model, folder.path());
    config.embedding.dimensions = Some(256);
    let file = folder.path().join("vectors.json");
    let mut other = kept(256);
    other["model"] = "ada".into();
    let mut damaged = kept(256);
    damaged["embeddings"]["POST /rooms"]["embedding"][3] = Value::Null;
    for (content, expected) in [
        (other.to_string(), "say --model ada"),
        (damaged.to_string(), "invalid type: null"),
        (kept(128).to_string(), "its vectors have 128 values; those of `text-embedding-3-small` have 256"),
        (json!({"a": vec![0.0; 256]}).to_string(), "nothing but zeros"),
        ("{}".to_owned(), "it holds no vectors"),
    ] {
        fs::write(&file, content).expect("written");
        let error = moving::import(&config, &parts(&store), &file, &[]).await.expect_err(expected);
        let text = format!("{error:#}");
        assert!(text.contains(expected) && text.contains("vectors.json"), "{text}");
    }
    fs::write(&file, other.to_string()).expect("written");
    let imported = moving::import(&config, &parts(&store), &file, &["ada".to_owned()]).await.expect("the same model");
    assert_eq!(imported.operations, 6);
    // Not beside a running service, which would not see it.
    let service = Service::start_with(config.clone(), store.clone()).await;
    let error = moving::import(&config, &parts(&store), &file, &["ada".to_owned()]).await.expect_err("in use");
    assert!(format!("{error:#}").contains("is the service stopped?"), "{error:#}");
    let request = vectors::EmbedRequest { text: "x".into(), ..Default::default() };
    service.embedding("acme-key").embed(request).await.expect("it goes on");
    service.stop().await;
}
