use proto::catalog::v1 as pb;

use crate::support::*;

#[tokio::test]
async fn catalogue_lives_on_postgresql_as_on_sqlite() {
    let server = testkit::Postgres::shared().await.expect("PostgreSQL");
    let url = server.database().await.expect("a database");
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start_with(config(folder.path()), store_at(&url).await).await;
    let version = import(&service, "acme-key", "rooms", &rooms()).await.catalog_version;
    assert!(!import(&service, "acme-key", "rooms", &rooms()).await.changed);
    let overlay = pb::UpsertOverlayRequest {
        operation_id: "rooms/GET /rooms".into(),
        examples: vec!["koje dvorane imamo".into()],
        ..Default::default()
    };
    service.catalog("acme-key").upsert_overlay(overlay).await.expect("kept");
    let answer = search(&service, asks("koje dvorane imamo")).await;
    assert_eq!(ids(&answer).first(), Some(&"rooms/GET /rooms"));
    assert!(answer.catalog_version > version);
    service.stop().await;
}
