use std::{
    net::TcpListener,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use domain::SystemClock;
use embedding_service::{App, Parts};
use proto::catalog::v1 as pb;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn configured_document_and_overlay_are_there_when_the_service_is_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let (document, overlay) = (folder.path().join("rooms.json"), folder.path().join("overlay.json"));
    std::fs::write(&document, rooms().to_string()).expect("written");
    let lines = json!([{"operation": "GET /rooms", "title": "Dvorane", "examples": ["koje dvorane imamo"]}, {"operation": "GET /gone"}]);
    std::fs::write(&overlay, lines.to_string()).expect("written");
    let mut settings = document_config(&document);
    settings.overlay = Some(overlay);
    let mut config = config(folder.path());
    config.tenants = tenants([("rooms", settings)]);
    let service = Service::start_with(config.clone(), sqlite(folder.path()).await).await;
    let answer = search(&service, asks("koje dvorane imamo")).await;
    assert_eq!(answer.hits[0].summary.as_ref().expect("a summary").title, "Dvorane");
    let store = service.store.clone();
    service.stop().await;
    // The same start again changes nothing.
    let service = Service::start_with(config, store).await;
    assert_eq!(search(&service, asks("koje dvorane imamo")).await.catalog_version, answer.catalog_version);
    service.stop().await;
}

#[tokio::test]
async fn overlay_written_by_hand_is_not_overwritten_by_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (document, overlay) = (folder.path().join("rooms.json"), folder.path().join("overlay.json"));
    std::fs::write(&document, rooms().to_string()).expect("written");
    std::fs::write(&overlay, json!([{"operation": "GET /rooms", "aliases": ["from the file"]}]).to_string())
        .expect("written");
    let mut settings = document_config(&document);
    settings.overlay = Some(overlay);
    let mut config = config(folder.path());
    config.tenants = tenants([("rooms", settings)]);
    let service = Service::start_with(config.clone(), sqlite(folder.path()).await).await;
    let by_hand =
        pb::UpsertOverlayRequest { operation_id: "rooms/GET /rooms".into(), hidden: true, ..Default::default() };
    service.catalog("acme-key").upsert_overlay(by_hand).await.expect("kept");
    let store = service.store.clone();
    service.stop().await;
    let service = Service::start_with(config, store).await;
    assert!(!ids(&search(&service, asks("list meeting rooms")).await).contains(&"rooms/GET /rooms"));
    service.stop().await;
}

#[tokio::test]
async fn unreadable_document_ends_the_start_with_one_clear_message() {
    let folder = tempfile::tempdir().expect("a folder");
    let document = folder.path().join("rooms.json");
    std::fs::write(&document, "this is no document").expect("written");
    for path in [document, folder.path().join("missing.json")] {
        let mut config = config(folder.path());
        config.tenants = tenants([("rooms", document_config(&path))]);
        let service = Service::spawn(config, sqlite(folder.path()).await).await;
        let error = format!("{:#}", service.ended().await.expect_err("it cannot start"));
        assert!(error.contains("`rooms`") && error.contains(&path.display().to_string()), "{error}");
    }
}

#[tokio::test]
async fn missing_source_does_not_matter_once_the_catalogue_has_the_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let document = folder.path().join("rooms.json");
    std::fs::write(&document, rooms().to_string()).expect("written");
    let mut config = config(folder.path());
    config.tenants = tenants([("rooms", document_config(&document))]);
    let service = Service::start_with(config.clone(), sqlite(folder.path()).await).await;
    let store = service.store.clone();
    service.stop().await;
    std::fs::remove_file(&document).expect("removed");
    let service = Service::start_with(config, store).await;
    assert!(!search(&service, asks("list rooms")).await.hits.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn damaged_source_and_overlay_do_not_matter_once_the_catalogue_has_the_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let (document, overlay) = (folder.path().join("rooms.json"), folder.path().join("overlay.json"));
    std::fs::write(&document, rooms().to_string()).expect("written");
    std::fs::write(&overlay, json!([{"operation": "GET /rooms", "title": "Dvorane"}]).to_string()).expect("written");
    let mut settings = document_config(&document);
    settings.overlay = Some(overlay.clone());
    let mut config = config(folder.path());
    config.tenants = tenants([("rooms", settings)]);
    let service = Service::start_with(config.clone(), sqlite(folder.path()).await).await;
    let store = service.store.clone();
    service.stop().await;
    std::fs::write(&document, "<html><h1>Please log in</h1></html>").expect("written");
    std::fs::write(&overlay, "[{").expect("written");
    let service = Service::start_with(config, store).await;
    let answer = search(&service, asks("list rooms")).await;
    assert_eq!(answer.hits[0].summary.as_ref().expect("a summary").title, "Dvorane");
    service.stop().await;
}

#[tokio::test]
async fn damaged_overlay_ends_the_first_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let (document, overlay) = (folder.path().join("rooms.json"), folder.path().join("overlay.json"));
    std::fs::write(&document, rooms().to_string()).expect("written");
    std::fs::write(&overlay, "[{").expect("written");
    let mut settings = document_config(&document);
    settings.overlay = Some(overlay.clone());
    let mut config = config(folder.path());
    config.tenants = tenants([("rooms", settings)]);
    let service = Service::spawn(config, sqlite(folder.path()).await).await;
    let error = format!("{:#}", service.ended().await.expect_err("it cannot start"));
    assert!(error.contains("`rooms`") && error.contains(&overlay.display().to_string()), "{error}");
}

#[tokio::test]
async fn sources_that_do_not_answer_do_not_hold_up_a_start_with_copies() {
    let folder = tempfile::tempdir().expect("a folder");
    let document = folder.path().join("rooms.json");
    std::fs::write(&document, rooms().to_string()).expect("written");
    let with_source = |source: PathBuf| {
        let mut config = config(folder.path());
        config.tenants = tenants(["one", "two"].map(|id| (id, document_config(&source))));
        config
    };
    let service = Service::start_with(with_source(document), sqlite(folder.path()).await).await;
    let store = service.store.clone();
    service.stop().await;
    // Connections are taken and nothing is ever said.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let source = format!("http://{}/rooms.json", silent.local_addr().expect("an address"));
    let started = Instant::now();
    let service = Service::start_with(with_source(source.into()), store).await;
    assert!(started.elapsed() < Duration::from_secs(10), "it waited for the sources: {:?}", started.elapsed());
    assert!(!search(&service, asks("list rooms")).await.hits.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn second_process_on_one_folder_is_told_which_setting_to_change() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    let parts = Parts { store: service.store.clone(), clock: Arc::new(SystemClock) };
    let error = App::new(config(folder.path()), parts).err().expect("the folder is taken");
    let error = format!("{error:#}");
    for part in ["files.folder", "in use by another process", &folder.path().display().to_string()] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    service.stop().await;
}
