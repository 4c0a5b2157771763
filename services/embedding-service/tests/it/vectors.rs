use prost_types::{Struct, Value, value::Kind};
use proto::embedding::v1 as pb;
use tonic::Code;

use crate::support::*;

fn point(id: &str, values: [f32; 2], colour: &str) -> pb::Point {
    let value = Value { kind: Some(Kind::StringValue(colour.into())) };
    let payload = Struct { fields: [("colour".to_owned(), value)].into() };
    pb::Point { id: id.into(), values: values.to_vec(), payload: Some(payload), ..Default::default() }
}

async fn create(service: &Service, key: &str, name: &str, dimension: i32) -> Result<(), tonic::Status> {
    let request = pb::CreateCollectionRequest {
        name: name.into(),
        dimension,
        distance: pb::Distance::Cosine.into(),
        partition_field: String::new(),
    };
    service.vectors(key).create_collection(request).await.map(|_| ())
}

async fn upsert(service: &Service, name: &str, messages: Vec<Vec<pb::Point>>) -> Result<i64, tonic::Status> {
    let requests = messages.into_iter().map(|points| pb::UpsertRequest { collection: name.to_owned(), points });
    let requests: Vec<_> = requests.collect();
    let answer = service.vectors("acme-key").upsert(tokio_stream::iter(requests)).await?;
    Ok(answer.into_inner().upserted_count)
}

fn near(collection: &str, values: [f32; 2]) -> pb::SearchRequest {
    let vector: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    pb::SearchRequest { collection: collection.into(), vector: vector.into(), ..Default::default() }
}

async fn found(service: &Service, request: pb::SearchRequest) -> Vec<String> {
    let answer = service.vectors("acme-key").search(request).await.expect("an answer").into_inner();
    answer.hits.into_iter().map(|hit| hit.id).collect()
}

#[tokio::test]
async fn points_are_found_nearest_first_also_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let points = vec![
        vec![point("east", [1.0, 0.0], "red")],
        vec![point("north", [0.0, 2.0], "blue"), point("west", [-1.0, 0.0], "red")],
    ];
    assert_eq!(upsert(&service, "notes", points).await.expect("stored"), 3);
    assert_eq!(found(&service, near("notes", [1.0, 0.1])).await, ["east", "north", "west"]);
    let filter = point("", [0.0, 0.0], "red").payload;
    assert_eq!(found(&service, pb::SearchRequest { filter, k: 1, ..near("notes", [-1.0, 0.1]) }).await, ["west"]);
    let delete = pb::DeleteRequest { collection: "notes".into(), ids: vec!["east".into(), "none".into()] };
    let deleted = service.vectors("acme-key").delete(delete).await.expect("deleted").into_inner();
    assert_eq!(deleted.deleted_count, 1);
    let store = service.store.clone();
    service.stop().await;
    let service = Service::start_with(config(folder.path()), store).await;
    assert_eq!(found(&service, near("notes", [1.0, 0.1])).await, ["north", "west"]);
    let stats = pb::GetStatsRequest { collection: "notes".into() };
    let stats = service.vectors("acme-key").get_stats(stats).await.expect("stats").into_inner();
    assert!(stats.point_count == 2 && stats.disk_bytes > 0 && stats.tail_count == 3, "{stats:?}");
    service.stop().await;
}

#[tokio::test]
async fn exact_searches_and_those_by_floats_find_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let points = (0..200u16).map(|number| point(&number.to_string(), [1.0, f32::from(number)], "red"));
    assert_eq!(upsert(&service, "notes", vec![points.collect()]).await.expect("stored"), 200);
    let by_bytes = found(&service, near("notes", [1.0, 5.1])).await;
    assert_eq!(by_bytes[0], "5");
    let exact = pb::SearchRequest { exact: true, ..near("notes", [1.0, 5.1]) };
    assert_eq!(found(&service, exact.clone()).await, by_bytes);
    let floats = pb::SearchRequest { vector: Default::default(), values: vec![1.0, 5.1], ..exact.clone() };
    assert_eq!(found(&service, floats).await, by_bytes);
    let both = pb::SearchRequest { values: vec![1.0, 5.1], ..exact };
    let refused = service.vectors("acme-key").search(both).await.expect_err("one of them");
    assert_eq!(refused.code(), Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test]
async fn points_are_listed_page_by_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let points = (0..25).map(|number| point(&format!("p{number:02}"), [1.0, 0.0], "red")).collect();
    upsert(&service, "notes", vec![points]).await.expect("stored");
    let mut client = service.vectors("acme-key");
    let (mut token, mut ids) = (String::new(), Vec::new());
    loop {
        let request =
            pb::ListPointsRequest { collection: "notes".into(), page_size: 10, page_token: token, with_vectors: true };
        let page = client.list_points(request).await.expect("a page").into_inner();
        assert!(page.points.iter().all(|point| point.vector.len() == 8 && point.payload.is_some()));
        ids.extend(page.points.into_iter().map(|point| point.id));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert!(ids.len() == 25 && ids.is_sorted(), "{ids:?}");
    let bad = pb::ListPointsRequest { collection: "notes".into(), page_size: 1_001, ..Default::default() };
    assert_eq!(client.list_points(bad).await.expect_err("too many").code(), Code::InvalidArgument);
    let theirs = pb::ListPointsRequest { collection: "notes".into(), ..Default::default() };
    let refused = service.vectors("other-key").list_points(theirs).await.expect_err("another tenant");
    assert_eq!(refused.code(), Code::NotFound);
    service.stop().await;
}

async fn export(service: &Service, name: &str) -> Vec<u8> {
    let request = pb::ExportCollectionRequest { collection: name.into() };
    let mut pieces = service.vectors("acme-key").export_collection(request).await.expect("a file").into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.message().await.expect("a piece") {
        assert!(bytes.len() % 786_432 == 0, "only the last piece is shorter");
        bytes.extend_from_slice(&piece.chunk);
    }
    bytes
}

async fn import(service: &Service, key: &str, name: &str, bytes: &[u8]) -> Result<i64, tonic::Status> {
    let pieces: Vec<_> = bytes.chunks(100_000).map(<[u8]>::to_vec).collect();
    let pieces =
        pieces.into_iter().map(|chunk| pb::ImportCollectionRequest { chunk: chunk.into(), ..Default::default() });
    let first = pb::ImportCollectionRequest { collection: name.into(), ..Default::default() };
    let messages: Vec<_> = std::iter::once(first).chain(pieces).collect();
    let answer = service.vectors(key).import_collection(tokio_stream::iter(messages)).await?.into_inner();
    Ok(answer.point_count)
}

#[tokio::test]
async fn exported_file_is_the_collection_for_whoever_imports_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let long = "x".repeat(1_000);
    let points = |from: u32| (from..from + 1_000).map(|id| point(&id.to_string(), [1.0, id as f32], &long)).collect();
    upsert(&service, "notes", vec![points(0), points(1_000)]).await.expect("stored");
    let bytes = export(&service, "notes").await;
    assert!(bytes.len() > 2_000_000);
    assert_eq!(import(&service, "other-key", "copy", &bytes).await.expect("imported"), 2_000);
    assert_eq!(import(&service, "acme-key", "copy", &bytes).await.expect("imported"), 2_000);
    let ask = |name| pb::SearchRequest { exact: true, ..near(name, [1.0, 700.2]) };
    assert_eq!(found(&service, ask("copy")).await, found(&service, ask("notes")).await);
    let code = |outcome: Result<i64, tonic::Status>| outcome.expect_err("refused").code();
    assert_eq!(code(import(&service, "acme-key", "copy", &bytes).await), Code::AlreadyExists);
    assert_eq!(code(import(&service, "acme-key", "cut", &bytes[..bytes.len() - 1]).await), Code::InvalidArgument);
    assert_eq!(code(import(&service, "acme-key", "letter", b"Dear Ana, ...").await), Code::InvalidArgument);
    let list =
        service.vectors("acme-key").list_collections(pb::ListCollectionsRequest::default()).await.expect("a list");
    assert_eq!(list.into_inner().collections.len(), 2, "nothing of a bad file is left");
    let theirs = pb::ExportCollectionRequest { collection: "notes".into() };
    let refused = service.vectors("other-key").export_collection(theirs).await.map(|_| ()).expect_err("another tenant");
    assert_eq!(refused.code(), Code::NotFound);
    service.stop().await;
}

#[tokio::test]
async fn too_many_at_once_are_told_when_to_come_again() {
    use tonic_types::StatusExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(folder.path()).await;
    let mut config = config(folder.path());
    config.work = embedding_service::WorkConfig { threads: 1, queue: 0 };
    let service = Service::start_with(config, store).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let client = service.vectors("acme-key");
    // One place: of many at the same time some must find it taken.
    for _ in 0..50 {
        let calls = (0..32).map(|_| {
            let mut client = client.clone();
            async move { client.search(pb::SearchRequest { exact: true, ..near("notes", [1.0, 0.0]) }).await }
        });
        let refused = futures::future::join_all(calls).await.into_iter().find_map(Result::err);
        if let Some(status) = refused {
            assert_eq!(status.code(), Code::ResourceExhausted);
            let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
            assert!(retry.is_some_and(|pause| !pause.is_zero()));
            return service.stop().await;
        }
    }
    panic!("no call was refused");
}

#[tokio::test]
async fn bad_point_keeps_earlier_messages_and_nothing_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let messages = vec![
        vec![point("first", [1.0, 0.0], "red")],
        vec![point("second", [1.0, 0.0], "red"), point("nan", [f32::NAN, 0.0], "red")],
    ];
    let status = upsert(&service, "notes", messages).await.expect_err("refused");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(found(&service, near("notes", [1.0, 0.0])).await, ["first"]);
    service.stop().await;
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    create(&service, "acme-key", "notes", 2).await.expect("the same again");
    let code = |outcome: Result<(), tonic::Status>| outcome.expect_err("refused").code();
    assert_eq!(code(create(&service, "acme-key", "notes", 3).await), Code::AlreadyExists);
    assert_eq!(code(create(&service, "acme-key", "No!", 2).await), Code::InvalidArgument);
    assert_eq!(code(create(&service, "acme-key", "empty", 0).await), Code::InvalidArgument);
    assert_eq!(code(create(&service, "acme-key", "huge", 4_097).await), Code::InvalidArgument);
    for name in ["more", "most"] {
        create(&service, "acme-key", name, 2).await.expect("created");
    }
    assert_eq!(code(create(&service, "acme-key", "too-many", 2).await), Code::ResourceExhausted);
    let mut client = service.vectors("acme-key");
    let zero = client.search(near("notes", [0.0, 0.0])).await.expect_err("no direction");
    assert_eq!(zero.code(), Code::InvalidArgument);
    let k = pb::SearchRequest { k: 1_001, ..near("notes", [1.0, 0.0]) };
    assert_eq!(client.search(k).await.expect_err("k").code(), Code::InvalidArgument);
    let nowhere = client.search(near("nowhere", [1.0, 0.0])).await.expect_err("no collection");
    assert_eq!(nowhere.code(), Code::NotFound);
    let theirs = service.vectors("other-key").search(near("notes", [1.0, 0.0])).await.expect_err("another tenant");
    assert_eq!(theirs.code(), Code::NotFound);
    let nothing: Vec<pb::UpsertRequest> = vec![];
    assert_eq!(client.upsert(tokio_stream::iter(nothing)).await.expect_err("no message").code(), Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test]
async fn texts_are_searched_through_the_default_model_and_batches_keep_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "texts", 384).await.expect("created");
    for text in ["parking rules for visitors", "how to return a laptop"] {
        let request = proto::embedding::v1::EmbedRequest { text: text.into(), ..Default::default() };
        let vector = service.embedding("acme-key").embed(request).await.expect("a vector").into_inner().vector;
        let point = pb::Point { id: text.into(), vector, ..Default::default() };
        upsert(&service, "texts", vec![vec![point]]).await.expect("stored");
    }
    let ask =
        |text: &str| pb::SearchRequest { collection: "texts".into(), text: text.into(), k: 1, ..Default::default() };
    let batch = pb::BatchSearchRequest { searches: vec![ask("returning my laptop"), ask("where may visitors park")] };
    let answer = service.vectors("acme-key").batch_search(batch).await.expect("answers").into_inner();
    let best: Vec<&str> = answer.responses.iter().map(|response| response.hits[0].id.as_str()).collect();
    assert_eq!(best, ["how to return a laptop", "parking rules for visitors"]);
    service.stop().await;
}

#[tokio::test]
async fn deleted_collection_is_gone_and_its_name_is_free() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let mut client = service.vectors("acme-key");
    client.delete_collection(pb::DeleteCollectionRequest { name: "notes".into() }).await.expect("deleted");
    let status = client.search(near("notes", [1.0, 0.0])).await.expect_err("gone");
    assert_eq!(status.code(), Code::NotFound);
    create(&service, "acme-key", "notes", 3).await.expect("created anew");
    let list = client.list_collections(pb::ListCollectionsRequest::default()).await.expect("a list").into_inner();
    assert_eq!(list.collections.iter().map(|collection| collection.dimension).collect::<Vec<_>>(), [3]);
    service.stop().await;
}

#[tokio::test]
async fn answer_beyond_the_largest_message_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::start(&folder).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let long = "x".repeat(60 * 1024);
    let points = |from: u32| (from..from + 40).map(|id| point(&id.to_string(), [1.0, 0.0], &long)).collect();
    assert_eq!(upsert(&service, "notes", vec![points(0), points(40)]).await.expect("stored"), 80);
    let ask = |k| pb::SearchRequest { k, ..near("notes", [1.0, 0.0]) };
    assert_eq!(found(&service, ask(60)).await.len(), 60);
    let refused = |outcome: Result<(), tonic::Status>| {
        let status = outcome.expect_err("refused");
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("ask for fewer"), "{status:?}");
    };
    let mut client = service.vectors("acme-key");
    refused(client.search(ask(80)).await.map(|_| ()));
    refused(client.batch_search(pb::BatchSearchRequest { searches: vec![ask(40), ask(40)] }).await.map(|_| ()));
    service.stop().await;
}
