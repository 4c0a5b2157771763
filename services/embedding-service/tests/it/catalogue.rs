use proto::catalog::v1 as pb;
use tonic::Code;

use crate::support::*;

#[tokio::test]
async fn same_content_again_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    let first = import(&service, "acme-key", "rooms", &rooms()).await;
    assert!(first.changed);
    assert_eq!(first.added_operation_ids.len(), 6);
    let document = first.document.expect("the document");
    assert_eq!((document.title.as_str(), document.operation_count), ("Rooms", 6));
    let again = import(&service, "acme-key", "rooms", &rooms()).await;
    assert!(!again.changed && again.added_operation_ids.is_empty());
    assert_eq!(again.catalog_version, first.catalog_version);
    service.stop().await;
}

#[tokio::test]
async fn new_content_says_which_operations_came_changed_and_went() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let mut document = rooms();
    let paths = document["paths"].as_object_mut().expect("paths");
    let invoices = paths.remove("/invoices").expect("invoices");
    paths.insert("/bills".into(), invoices);
    paths["/rooms"]["get"]["summary"] = "List all rooms".into();
    let answer = import(&service, "acme-key", "rooms", &document).await;
    assert!(answer.changed);
    assert_eq!(answer.added_operation_ids, ["rooms/GET /bills"]);
    assert_eq!(answer.changed_operation_ids, ["rooms/GET /rooms"]);
    assert_eq!(answer.removed_operation_ids, ["rooms/GET /invoices"]);
    assert_eq!(answer.unchanged_operation_ids.len(), 4);
    let again = import(&service, "acme-key", "rooms", &document).await;
    assert_eq!((again.changed, again.unchanged_operation_ids.len(), again.added_operation_ids.len()), (false, 6, 0));
    service.stop().await;
}

#[tokio::test]
async fn bad_documents_ids_and_addresses_are_refused_and_leave_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    let good = rooms().to_string();
    for (id, content, backend) in
        [("Rooms!", good.as_str(), ""), ("rooms", "not a document", ""), ("rooms", good.as_str(), "ftp://x")]
    {
        let request = pb::ImportDocumentRequest {
            document_id: id.into(),
            content: content.as_bytes().to_vec().into(),
            backend_url: backend.into(),
            ..Default::default()
        };
        let status = service.catalog("acme-key").import_document(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument, "{id} {status:?}");
    }
    let documents = service.catalog("acme-key").list_documents(pb::ListDocumentsRequest::default()).await;
    assert!(documents.expect("a list").into_inner().documents.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn operation_is_self_contained_and_found_by_its_hash_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let mut client = service.catalog("acme-key");
    let id = "rooms/GET /rooms/{room_id}";
    let get = |hash: &str| pb::GetOperationRequest { operation_id: id.into(), content_hash: hash.into() };
    let answer = client.get_operation(get("")).await.expect("the operation").into_inner();
    let operation: openapi::Operation = serde_json::from_slice(&answer.operation_json).expect("an operation");
    let hash = answer.summary.expect("a summary").content_hash;
    assert_eq!((operation.id.as_str(), &operation.content_hash), (id, &hash));
    assert_eq!(operation.servers, ["https://rooms.test"]);
    assert!(client.get_operation(get(&hash)).await.is_ok());
    assert_eq!(client.get_operation(get("0000")).await.expect_err("another hash").code(), Code::NotFound);
    service.stop().await;
}

#[tokio::test]
async fn sentence_leads_to_its_operation_with_the_reasons() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let answer = search(&service, asks("Which meeting rooms are there?")).await;
    assert_eq!(ids(&answer).first(), Some(&"rooms/GET /rooms"));
    let best = &answer.hits[0];
    assert!(best.probability > 0.5 && best.probability <= 1.0, "{best:?}");
    let sum: f64 = best.parts.iter().filter(|part| part.name != "producer").map(|part| part.value).sum();
    assert!((sum - best.score).abs() < 1e-9, "{best:?}");
    assert_eq!(answer.coverage, 1.0);
    let delete = search(&service, asks("please remove room 5")).await;
    assert_eq!(ids(&delete).first(), Some(&"rooms/DELETE /rooms/{room_id}"));
    service.stop().await;
}

#[tokio::test]
async fn operation_that_needs_an_id_brings_its_producer_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let answer = search(&service, asks("show the reservations of a room")).await;
    assert_eq!(ids(&answer)[..2], ["rooms/GET /rooms/{room_id}/reservations", "rooms/GET /rooms"]);
    assert!(answer.hits[1].producer && !answer.hits[0].producer);
    service.stop().await;
}

#[tokio::test]
async fn sentence_about_something_else_is_near_to_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    for text in ["what's the weather in Split", "tell me a joke", "kakvo je vrijeme"] {
        let answer = search(&service, asks(text)).await;
        assert!(answer.hits.iter().all(|hit| hit.probability < 0.2), "{text}: {answer:?}");
    }
    service.stop().await;
}

#[tokio::test]
async fn what_yields_and_what_takes_a_resource_is_found_whatever_its_word_means() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    // "Book" is a verb, too: as a sentence it says nothing of the books.
    let books = rooms().to_string().replace("room", "book").replace("Room", "Book");
    let books = serde_json::from_str(&books).expect("still JSON");
    import(&service, "acme-key", "books", &books).await;
    let yields = pb::SearchOperationsRequest { yields: "book".into(), k: 20, ..asks("book") };
    let yields = search(&service, yields).await;
    assert_eq!(ids(&yields), ["books/GET /books"]);
    let takes = pb::SearchOperationsRequest { takes: "book".into(), k: 20, ..asks("book") };
    let takes = search(&service, takes).await;
    assert!(ids(&takes).contains(&"books/GET /books/{book_id}/reservations"), "{:?}", ids(&takes));
    assert!(!ids(&takes).contains(&"books/GET /books"), "{:?}", ids(&takes));
    let none = pb::SearchOperationsRequest { yields: "spaceship".into(), ..asks("list books") };
    assert!(search(&service, none).await.hits.is_empty());
    service.stop().await;
}

#[tokio::test]
async fn no_sentence_leads_to_what_people_begin_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let answer = search(&service, pb::SearchOperationsRequest { k: 2, ..asks("") }).await;
    assert_eq!(ids(&answer), ["rooms/GET /rooms", "rooms/POST /rooms"]);
    assert!(answer.hits.iter().all(|hit| hit.probability == 0.0), "nobody said that they are meant");
}

#[tokio::test]
async fn search_keeps_to_documents_tags_and_k() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    import(&service, "acme-key", "more", &rooms()).await;
    let in_document = pb::SearchOperationsRequest { document_ids: vec!["more".into()], ..asks("list rooms") };
    let answer = search(&service, in_document).await;
    assert!(!answer.hits.is_empty() && ids(&answer).iter().all(|id| id.starts_with("more/")), "{:?}", ids(&answer));
    let in_tag = pb::SearchOperationsRequest { tags: vec!["billing".into()], ..asks("list invoices") };
    assert!(ids(&search(&service, in_tag).await).iter().all(|id| id.ends_with("GET /invoices")));
    assert_eq!(search(&service, pb::SearchOperationsRequest { k: 2, ..asks("list rooms") }).await.hits.len(), 2);
    service.stop().await;
}

#[tokio::test]
async fn bad_questions_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    let long = "x".repeat(4_001);
    let bad = [
        asks(" "),
        asks(&long),
        pb::SearchOperationsRequest { k: 21, ..asks("x") },
        pb::SearchOperationsRequest { k: -1, ..asks("x") },
    ];
    for request in bad {
        let status = service.catalog("acme-key").search_operations(request).await.expect_err("refused");
        assert_eq!(status.code(), Code::InvalidArgument);
    }
    service.stop().await;
}

#[tokio::test]
async fn overlay_speaks_the_peoples_language_and_hides() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let mut client = service.catalog("acme-key");
    let id = "rooms/GET /rooms";
    let overlay = pb::UpsertOverlayRequest {
        operation_id: id.into(),
        aliases: vec!["dvorane".into()],
        examples: vec!["koje su dvorane slobodne".into()],
        risk_class: pb::RiskClass::Once.into(),
        public: true,
        ..Default::default()
    };
    let before = search(&service, asks("Koje dvorane imamo?")).await;
    assert!(before.hits.iter().all(|hit| hit.probability < 0.2), "{before:?}");
    let version = client.upsert_overlay(overlay.clone()).await.expect("kept").into_inner().catalog_version;
    let answer = search(&service, asks("Koje dvorane imamo?")).await;
    assert_eq!(answer.catalog_version, version);
    assert_eq!(ids(&answer).first(), Some(&id));
    assert!(answer.hits[0].probability > 0.5, "{:?}", answer.hits[0]);
    let get = pb::GetOperationRequest { operation_id: id.into(), ..Default::default() };
    let json = client.get_operation(get).await.expect("the operation").into_inner().operation_json;
    let operation: openapi::Operation = serde_json::from_slice(&json).expect("an operation");
    assert!(operation.public && operation.risk == openapi::Risk::Once);
    client.upsert_overlay(pb::UpsertOverlayRequest { hidden: true, ..overlay }).await.expect("kept");
    assert!(!ids(&search(&service, asks("list meeting rooms")).await).contains(&id));
    service.stop().await;
}

#[tokio::test]
async fn overlay_of_nothing_or_too_much_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let overlay = |id: &str, aliases: Vec<String>| pb::UpsertOverlayRequest {
        operation_id: id.into(),
        aliases,
        ..Default::default()
    };
    let many = vec!["alias".to_owned(); 101];
    for (request, code) in [
        (overlay("rooms/GET /none", vec![]), Code::NotFound),
        (overlay("rooms/GET /rooms", many), Code::InvalidArgument),
        (overlay("rooms/GET /rooms", vec!["x".repeat(501)]), Code::InvalidArgument),
    ] {
        assert_eq!(service.catalog("acme-key").upsert_overlay(request).await.expect_err("refused").code(), code);
    }
    service.stop().await;
}

#[tokio::test]
async fn tenants_and_keys_are_kept_apart() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let list = || pb::ListOperationsRequest::default();
    let theirs = service.catalog("other-key").list_operations(list()).await.expect("a list").into_inner();
    assert!(theirs.operations.is_empty());
    let status = service.catalog("vectors-key").list_operations(list()).await.expect_err("not for this key");
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = service.catalog("no-key").list_operations(list()).await.expect_err("an unknown key");
    assert_eq!(status.code(), Code::Unauthenticated);
    service.stop().await;
}

#[tokio::test]
async fn operations_come_in_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let request = pb::ListOperationsRequest { page_size: 4, page_token: token, ..Default::default() };
        let page = service.catalog("acme-key").list_operations(request).await.expect("a page").into_inner();
        seen.extend(page.operations.into_iter().map(|operation| operation.operation_id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.is_sorted());
    service.stop().await;
}

async fn watch(service: &Service, after_version: i64) -> tonic::Streaming<pb::WatchCatalogResponse> {
    let request = pb::WatchCatalogRequest { after_version };
    service.catalog("acme-key").watch_catalog(request).await.expect("a stream").into_inner()
}

async fn heard(stream: &mut tonic::Streaming<pb::WatchCatalogResponse>) -> pb::WatchCatalogResponse {
    stream.message().await.expect("a message").expect("the version")
}

/// The rooms with one operation changed, one gone and one come.
fn other_rooms() -> serde_json::Value {
    let mut document = rooms();
    let paths = document["paths"].as_object_mut().expect("paths");
    let invoices = paths.remove("/invoices").expect("invoices");
    paths.insert("/bills".into(), invoices);
    paths["/rooms"]["get"]["summary"] = "List all rooms".into();
    document
}

#[tokio::test]
async fn watcher_hears_the_version_now_and_what_each_change_did() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    let mut stream = watch(&service, 0).await;
    let first = heard(&mut stream).await;
    assert_eq!((first.catalog_version, first.start_over), (0, true));
    let imported = import(&service, "acme-key", "rooms", &rooms()).await;
    let second = heard(&mut stream).await;
    assert_eq!((second.catalog_version, second.start_over), (imported.catalog_version, false));
    assert_eq!((second.added_operation_ids.len(), &second.added_operation_ids), (6, &imported.added_operation_ids));
    let imported = import(&service, "acme-key", "rooms", &other_rooms()).await;
    let third = heard(&mut stream).await;
    assert_eq!(third.catalog_version, imported.catalog_version);
    assert_eq!(third.added_operation_ids, ["rooms/GET /bills"]);
    assert_eq!(third.changed_operation_ids, ["rooms/GET /rooms"]);
    assert_eq!(third.removed_operation_ids, ["rooms/GET /invoices"]);
    service.stop().await;
}

#[tokio::test]
async fn watcher_goes_on_where_it_was_or_is_told_to_start_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    heard(&mut watch(&service, 0).await).await;
    let one = import(&service, "acme-key", "rooms", &rooms()).await.catalog_version;
    let two = import(&service, "acme-key", "rooms", &other_rooms()).await.catalog_version;
    let resumed = heard(&mut watch(&service, one).await).await;
    assert_eq!((resumed.catalog_version, resumed.start_over), (two, false));
    assert_eq!(resumed.changed_operation_ids, ["rooms/GET /rooms"]);
    let mut stream = watch(&service, two).await;
    let same = heard(&mut stream).await;
    assert_eq!(same, pb::WatchCatalogResponse { catalog_version: two, ..Default::default() });
    // Faster than anybody reads: at most as many answers as changes, and all of what they did.
    for document in [rooms(), other_rooms(), rooms()] {
        import(&service, "acme-key", "rooms", &document).await;
    }
    let (mut last, mut added) = (two, Vec::new());
    while last < two + 3 {
        let answer = heard(&mut stream).await;
        assert!(answer.catalog_version > last && !answer.start_over, "{answer:?}");
        last = answer.catalog_version;
        added.extend(answer.added_operation_ids);
    }
    assert!(added.contains(&"rooms/GET /invoices".to_owned()), "{added:?}");
    let store = service.store.clone();
    service.stop().await;

    // After a restart nothing is remembered; who has the latest version misses nothing.
    let service = Service::start_with(config(folder.path()), store).await;
    let same = heard(&mut watch(&service, last).await).await;
    assert_eq!(same, pb::WatchCatalogResponse { catalog_version: last, ..Default::default() });
    for before in [one, last + 7] {
        let answer = heard(&mut watch(&service, before).await).await;
        assert_eq!((answer.catalog_version, answer.start_over), (last, true), "{before}");
        assert!(answer.added_operation_ids.is_empty());
    }
    service.stop().await;
}

#[tokio::test]
async fn change_of_another_replica_is_seen_and_a_minimum_version_waits_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = Service::start(&folder).await;
    let store = one.store.clone();
    let elsewhere = tempfile::tempdir().expect("a folder");
    let two = Service::start_with(config(elsewhere.path()), store).await;
    assert!(search(&two, asks("list rooms")).await.hits.is_empty());
    let version = import(&one, "acme-key", "rooms", &rooms()).await.catalog_version;
    let answer = search(&two, pb::SearchOperationsRequest { min_catalog_version: version, ..asks("list rooms") }).await;
    assert_eq!(answer.catalog_version, version);
    assert!(!answer.hits.is_empty());
    let mut late =
        tonic::Request::new(pb::SearchOperationsRequest { min_catalog_version: version + 1, ..asks("list rooms") });
    late.set_timeout(std::time::Duration::from_millis(400));
    let status = two.catalog("acme-key").search_operations(late).await.expect_err("no such version yet");
    assert_eq!(status.code(), Code::FailedPrecondition);
    one.stop().await;
    two.stop().await;
}
