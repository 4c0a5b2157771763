use prost_types::{Struct, Value, value::Kind};
use proto::embedding::v1 as pb;
use tonic::Code;

use crate::support::*;

/// The client sees no difference: all of these hold in files and in Qdrant.
macro_rules! in_both_stores {
    ($($name:ident)*) => {
        mod files {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Home::files()).await;
            })*
        }
        #[cfg(feature = "qdrant")]
        mod qdrant {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Home::qdrant().await).await;
            })*
        }
    };
}

in_both_stores! {
    points_are_found_nearest_first_also_after_a_restart
    exact_searches_and_those_by_floats_find_the_same
    points_are_listed_page_by_page
    exported_file_is_the_collection_for_whoever_imports_it
    too_many_at_once_are_told_when_to_come_again
    bad_point_keeps_earlier_messages_and_nothing_of_its_own
    every_refusal_has_its_code
    texts_are_searched_through_the_default_model_and_batches_keep_their_order
    deleted_collection_is_gone_and_its_name_is_free
    answer_beyond_the_largest_message_is_refused
    every_distance_has_its_scores_and_their_order
    filters_ask_for_equal_values_of_any_kind
    payloads_come_back_as_they_were
    same_id_replaces_and_the_limit_counts_what_is_new
    schemas_are_kept_with_their_partition_field
    same_names_of_two_tenants_are_two_collections
}

pub fn point(id: &str, values: [f32; 2], colour: &str) -> pb::Point {
    let value = Value { kind: Some(Kind::StringValue(colour.into())) };
    let payload = Struct { fields: [("colour".to_owned(), value)].into() };
    pb::Point { id: id.into(), values: values.to_vec(), payload: Some(payload), ..Default::default() }
}

pub async fn create(service: &Service, key: &str, name: &str, dimension: i32) -> Result<(), tonic::Status> {
    let request = pb::CreateCollectionRequest {
        name: name.into(),
        dimension,
        distance: pb::Distance::Cosine.into(),
        partition_field: String::new(),
    };
    service.vectors(key).create_collection(request).await.map(|_| ())
}

pub async fn upsert(service: &Service, name: &str, messages: Vec<Vec<pb::Point>>) -> Result<i64, tonic::Status> {
    let requests = messages.into_iter().map(|points| pb::UpsertRequest { collection: name.to_owned(), points });
    let requests: Vec<_> = requests.collect();
    let answer = service.vectors("acme-key").upsert(tokio_stream::iter(requests)).await?;
    Ok(answer.into_inner().upserted_count)
}

pub fn near(collection: &str, values: [f32; 2]) -> pb::SearchRequest {
    let vector: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    pb::SearchRequest { collection: collection.into(), vector: vector.into(), ..Default::default() }
}

pub async fn found(service: &Service, request: pb::SearchRequest) -> Vec<String> {
    let answer = service.vectors("acme-key").search(request).await.expect("an answer").into_inner();
    answer.hits.into_iter().map(|hit| hit.id).collect()
}

async fn points_are_found_nearest_first_also_after_a_restart(home: Home) {
    let service = home.start().await;
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
    let service = Service::start_with(home.config(), store).await;
    assert_eq!(found(&service, near("notes", [1.0, 0.1])).await, ["north", "west"]);
    let stats = pb::GetStatsRequest { collection: "notes".into() };
    let stats = service.vectors("acme-key").get_stats(stats).await.expect("stats").into_inner();
    let of_files = stats.disk_bytes > 0 && stats.tail_count == 3;
    let of_qdrant = stats.disk_bytes == 0 && stats.tail_count == 2 && stats.segment_count == 2;
    assert!(stats.point_count == 2 && if home.is_files() { of_files } else { of_qdrant }, "{stats:?}");
    service.stop().await;
}

async fn exact_searches_and_those_by_floats_find_the_same(home: Home) {
    let service = home.start().await;
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

async fn points_are_listed_page_by_page(home: Home) {
    let service = home.start().await;
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
    assert!(ids.is_sorted() || !home.is_files(), "{ids:?}");
    ids.sort_unstable();
    assert_eq!(ids, (0..25).map(|number| format!("p{number:02}")).collect::<Vec<_>>(), "each once");
    let bad = pb::ListPointsRequest { collection: "notes".into(), page_size: 1_001, ..Default::default() };
    assert_eq!(client.list_points(bad).await.expect_err("too many").code(), Code::InvalidArgument);
    let theirs = pb::ListPointsRequest { collection: "notes".into(), ..Default::default() };
    let refused = service.vectors("other-key").list_points(theirs).await.expect_err("another tenant");
    assert_eq!(refused.code(), Code::NotFound);
    service.stop().await;
}

pub async fn export(service: &Service, name: &str) -> Vec<u8> {
    let request = pb::ExportCollectionRequest { collection: name.into() };
    let mut pieces = service.vectors("acme-key").export_collection(request).await.expect("a file").into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.message().await.expect("a piece") {
        assert!(bytes.len() % 786_432 == 0, "only the last piece is shorter");
        bytes.extend_from_slice(&piece.chunk);
    }
    bytes
}

pub async fn import(service: &Service, key: &str, name: &str, bytes: &[u8]) -> Result<i64, tonic::Status> {
    let pieces: Vec<_> = bytes.chunks(100_000).map(<[u8]>::to_vec).collect();
    let pieces =
        pieces.into_iter().map(|chunk| pb::ImportCollectionRequest { chunk: chunk.into(), ..Default::default() });
    let first = pb::ImportCollectionRequest { collection: name.into(), ..Default::default() };
    let messages: Vec<_> = std::iter::once(first).chain(pieces).collect();
    let answer = service.vectors(key).import_collection(tokio_stream::iter(messages)).await?.into_inner();
    Ok(answer.point_count)
}

async fn exported_file_is_the_collection_for_whoever_imports_it(home: Home) {
    let service = home.start().await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let long = "x".repeat(1_000);
    let points = |from: u32| (from..from + 1_000).map(|id| point(&id.to_string(), [1.0, id as f32], &long)).collect();
    upsert(&service, "notes", vec![points(0), points(1_000)]).await.expect("stored");
    let bytes = export(&service, "notes").await;
    assert!(bytes.len() > 2_000_000);
    assert_eq!(import(&service, "other-key", "copy", &bytes).await.expect("imported"), 2_000);
    assert_eq!(import(&service, "acme-key", "copy", &bytes).await.expect("imported"), 2_000);
    let ask = |name| pb::SearchRequest { exact: true, ..near(name, [1.0, 3.2]) };
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

async fn too_many_at_once_are_told_when_to_come_again(home: Home) {
    use tonic_types::StatusExt as _;
    let mut config = home.config();
    config.work = embedding_service::WorkConfig { threads: 1, queue: 0 };
    let service = Service::start_with(config, sqlite(home.folder.path()).await).await;
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

async fn bad_point_keeps_earlier_messages_and_nothing_of_its_own(home: Home) {
    let service = home.start().await;
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

async fn every_refusal_has_its_code(home: Home) {
    let service = home.start().await;
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

async fn texts_are_searched_through_the_default_model_and_batches_keep_their_order(home: Home) {
    let service = home.start().await;
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

async fn deleted_collection_is_gone_and_its_name_is_free(home: Home) {
    let service = home.start().await;
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

async fn answer_beyond_the_largest_message_is_refused(home: Home) {
    let service = home.start().await;
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

fn number(number: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(number)) }
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.into())) }
}

fn list(values: Vec<Value>) -> Value {
    Value { kind: Some(Kind::ListValue(prost_types::ListValue { values })) }
}

pub fn fields<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    Struct { fields: fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect() }
}

fn object<const N: usize>(of: [(&str, Value); N]) -> Value {
    Value { kind: Some(Kind::StructValue(fields(of))) }
}

pub fn with_payload(id: &str, payload: Struct) -> pb::Point {
    pb::Point { payload: Some(payload), ..point(id, [1.0, 0.0], "") }
}

async fn every_distance_has_its_scores_and_their_order(home: Home) {
    let service = home.start().await;
    let points =
        || vec![point("near", [3.0, 4.0], "red"), point("far", [6.0, 8.0], "red"), point("twin", [3.0, 4.0], "red")];
    for (name, distance, expected) in [
        ("cosine", pb::Distance::Cosine, [("far", 0.6), ("near", 0.6), ("twin", 0.6)]),
        ("product", pb::Distance::InnerProduct, [("far", 6.0), ("near", 3.0), ("twin", 3.0)]),
        ("euclid", pb::Distance::Euclidean, [("near", -20f32.sqrt()), ("twin", -20f32.sqrt()), ("far", -89f32.sqrt())]),
    ] {
        let request = pb::CreateCollectionRequest {
            name: name.into(),
            dimension: 2,
            distance: distance.into(),
            ..Default::default()
        };
        service.vectors("acme-key").create_collection(request).await.expect("created");
        upsert(&service, name, vec![points()]).await.expect("stored");
        for exact in [false, true] {
            let ask = pb::SearchRequest { exact, ..near(name, [1.0, 0.0]) };
            let hits = service.vectors("acme-key").search(ask).await.expect("an answer").into_inner().hits;
            let ids: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
            assert_eq!(ids, expected.map(|(id, _)| id), "{name}");
            for (hit, (_, score)) in hits.iter().zip(expected) {
                assert!((hit.score - score).abs() < 1e-5, "{name}: {hit:?}, not {score}");
            }
        }
    }
    service.stop().await;
}

async fn filters_ask_for_equal_values_of_any_kind(home: Home) {
    let service = home.start().await;
    let request = pb::CreateCollectionRequest {
        name: "notes".into(),
        dimension: 2,
        partition_field: "owner".into(),
        ..Default::default()
    };
    service.vectors("acme-key").create_collection(request).await.expect("created");
    let null = || Value { kind: Some(Kind::NullValue(0)) };
    let payloads = [
        ("text", fields([("owner", text("ana")), ("v", text("1"))])),
        ("one", fields([("owner", text("ana")), ("v", number(1.0))])),
        ("zero", fields([("owner", number(7.0)), ("v", number(-0.0))])),
        ("list", fields([("owner", list(vec![text("ana")])), ("v", list(vec![text("1"), number(1.0)]))])),
        ("object", fields([("v", object([("a", list(vec![number(0.0)]))]))])),
        ("null", fields([("v", null())])),
        ("dotted", fields([("v.a", number(1.0)), ("id", text("one"))])),
    ];
    let points: Vec<_> = payloads.iter().map(|(id, payload)| with_payload(id, payload.clone())).collect();
    upsert(&service, "notes", vec![points]).await.expect("stored");
    for (filter, expected) in [
        (fields([("v", text("1"))]), vec!["text"]),
        (fields([("v", number(1.0))]), vec!["one"]),
        (fields([("v", number(0.0))]), vec!["zero"]),
        (fields([("v", list(vec![text("1"), number(1.0)]))]), vec!["list"]),
        (fields([("v", object([("a", list(vec![number(-0.0)]))]))]), vec!["object"]),
        (fields([("v", null())]), vec!["null"]),
        (fields([("v.a", number(1.0))]), vec!["dotted"]),
        (fields([("id", text("one"))]), vec!["dotted"]),
        (fields([("owner", text("ana"))]), vec!["one", "text"]),
        (fields([("owner", text("ana")), ("v", number(1.0))]), vec!["one"]),
        (fields([("owner", list(vec![text("ana")]))]), vec!["list"]),
        (fields([("owner", number(7.0)), ("v", number(1.0))]), vec![]),
        (fields([("v", number(f64::NAN))]), vec![]),
        (fields([("none", null())]), vec![]),
    ] {
        let ask = pb::SearchRequest { filter: Some(filter.clone()), ..near("notes", [1.0, 0.0]) };
        assert_eq!(found(&service, ask).await, expected, "{filter:?}");
    }
    assert_eq!(
        found(&service, pb::SearchRequest { filter: Some(Struct::default()), ..near("notes", [1.0, 0.0]) }).await.len(),
        7
    );
    service.stop().await;
}

async fn payloads_come_back_as_they_were(home: Home) {
    let service = home.start().await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let payload = fields([
        ("id", text("not the point's")),
        ("payload", object([("fields", list(vec![]))])),
        ("", number(3.0)),
        ("large", number(9_007_199_254_740_993.0)),
        ("small", number(-1e-300)),
        ("half", number(0.5)),
        ("yes", Value { kind: Some(Kind::BoolValue(true)) }),
        ("null", Value { kind: Some(Kind::NullValue(0)) }),
        ("deep", object([("a.b", list(vec![object([("c", text("čuvaj"))]), number(-2.0)]))])),
    ]);
    let points =
        vec![with_payload("full", payload.clone()), pb::Point { payload: None, ..point("bare", [0.0, 1.0], "") }];
    upsert(&service, "notes", vec![points]).await.expect("stored");
    let mut client = service.vectors("acme-key");
    let hits = client.search(near("notes", [1.0, 0.0])).await.expect("an answer").into_inner().hits;
    let payloads: Vec<_> = hits.into_iter().map(|hit| (hit.id, hit.payload)).collect();
    assert_eq!(payloads, [("full".to_owned(), Some(payload.clone())), ("bare".to_owned(), None)]);
    let request = pb::ListPointsRequest { collection: "notes".into(), ..Default::default() };
    let listed = client.list_points(request).await.expect("a page").into_inner().points;
    let full = listed.iter().find(|point| point.id == "full").expect("listed");
    assert!(full.payload == Some(payload) && full.vector.is_empty());
    service.stop().await;
}

async fn same_id_replaces_and_the_limit_counts_what_is_new(home: Home) {
    let mut config = home.config();
    config.vectors.points_max = 3;
    let service = Service::start_with(config, sqlite(home.folder.path()).await).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let twice = vec![point("a", [1.0, 0.0], "red"), point("a", [0.0, 1.0], "blue"), point("b", [1.0, 0.0], "red")];
    assert_eq!(upsert(&service, "notes", vec![twice]).await.expect("stored"), 3);
    let hits =
        service.vectors("acme-key").search(near("notes", [0.0, 1.0])).await.expect("an answer").into_inner().hits;
    assert!(hits.len() == 2 && hits[0].payload == point("", [0.0, 0.0], "blue").payload, "{hits:?}");
    let full = vec![point("a", [1.0, 0.0], "red"), point("c", [1.0, 0.0], "red")];
    assert_eq!(upsert(&service, "notes", vec![full.clone()]).await.expect("one is new"), 2);
    assert_eq!(upsert(&service, "notes", vec![full]).await.expect("none is new"), 2);
    let refused = upsert(&service, "notes", vec![vec![point("d", [1.0, 0.0], "red")]]).await.expect_err("full");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let stats = pb::GetStatsRequest { collection: "notes".into() };
    assert_eq!(service.vectors("acme-key").get_stats(stats).await.expect("stats").into_inner().point_count, 3);
    service.stop().await;
}

async fn schemas_are_kept_with_their_partition_field(home: Home) {
    let service = home.start().await;
    let request = |name: &str, partition_field: &str| pb::CreateCollectionRequest {
        name: name.into(),
        dimension: 3,
        distance: pb::Distance::Euclidean.into(),
        partition_field: partition_field.into(),
    };
    let mut client = service.vectors("acme-key");
    let long = request("c", &"x".repeat(129));
    assert_eq!(client.create_collection(long).await.expect_err("too long").code(), Code::InvalidArgument);
    for (name, field) in [("b", "owner.name"), ("a_b", ""), ("a-b", "x")] {
        client.create_collection(request(name, field)).await.expect("created");
    }
    assert_eq!(client.create_collection(request("b", "other")).await.expect_err("another").code(), Code::AlreadyExists);
    let store = service.store.clone();
    service.stop().await;
    let service = Service::start_with(home.config(), store).await;
    let mut client = service.vectors("acme-key");
    client.create_collection(request("b", "owner.name")).await.expect("the same again");
    let (mut token, mut listed) = (String::new(), Vec::new());
    for _ in 0..2 {
        let page = pb::ListCollectionsRequest { page_size: 2, page_token: token };
        let page = client.list_collections(page).await.expect("a page").into_inner();
        listed.extend(page.collections.into_iter().map(|of| {
            assert!(of.dimension == 3 && of.distance() == pb::Distance::Euclidean, "{of:?}");
            (of.name, of.partition_field)
        }));
        token = page.next_page_token;
    }
    let expected = [("a-b", "x"), ("a_b", ""), ("b", "owner.name")];
    assert_eq!(listed, expected.map(|(name, field)| (name.to_owned(), field.to_owned())));
    assert!(token.is_empty());
    service.stop().await;
}

async fn same_names_of_two_tenants_are_two_collections(home: Home) {
    let service = home.start().await;
    for key in ["acme-key", "other-key"] {
        create(&service, key, "notes", 2).await.expect("created");
    }
    upsert(&service, "notes", vec![vec![point("mine", [1.0, 0.0], "red")]]).await.expect("stored");
    let mut theirs = service.vectors("other-key");
    let hits = theirs.search(near("notes", [1.0, 0.0])).await.expect("an answer").into_inner().hits;
    assert!(hits.is_empty());
    theirs.delete_collection(pb::DeleteCollectionRequest { name: "notes".into() }).await.expect("deleted");
    let again = theirs.delete_collection(pb::DeleteCollectionRequest { name: "notes".into() }).await;
    assert_eq!(again.expect_err("gone").code(), Code::NotFound);
    assert_eq!(found(&service, near("notes", [1.0, 0.0])).await, ["mine"]);
    service.stop().await;
}
