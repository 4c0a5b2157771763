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
    let request = pb::CreateCollectionRequest { name: name.into(), dimension, distance: pb::Distance::Cosine.into() };
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
    assert!(stats.point_count == 2 && stats.disk_bytes > 0, "{stats:?}");
    service.stop().await;
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
