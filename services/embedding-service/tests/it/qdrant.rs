//! Collections on Qdrant, checked against a stub of its protobuf, not against a server. What holds in files too stands in
//! `vectors.rs`; here is what only another machine can do.

mod stub;

use std::time::Duration;

use embedding_service::{Config, StoreKind};
use prost_types::{Value, value::Kind};
use proto::embedding::v1 as pb;
use secrecy::SecretString;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::{
    support::*,
    vectors::{create, export, fields, found, import, near, point, upsert, with_payload},
};
use stub::{Fault, Held};
pub use stub::{KEY, Stub};

/// Has collections kept by the server at `address`.
pub fn point_to(config: &mut Config, address: &str) {
    config.vectors.store = StoreKind::Qdrant;
    config.qdrant.url = Some(format!("http://{address}").parse().expect("an address"));
    config.qdrant.api_key = Some(SecretString::from(KEY));
}

fn held(home: &Home) -> Held {
    home.qdrant.as_ref().expect("a stub").held.clone()
}

async fn search(service: &Service) -> Result<Vec<String>, Status> {
    let answer = service.vectors("acme-key").search(near("notes", [1.0, 0.0])).await?.into_inner();
    Ok(answer.hits.into_iter().map(|hit| hit.id).collect())
}

fn check_away(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert!(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()), "{status:?}");
}

#[tokio::test]
async fn service_starts_and_searches_operations_while_qdrant_is_away_and_finds_it_when_it_comes() {
    let mut home = Home::qdrant().await;
    let stub = home.qdrant.take().expect("a stub");
    let address = stub.address.clone();
    let state = stub.kill();
    let mut config = home.config();
    point_to(&mut config, &address);
    let service = Service::start_with(config, sqlite(home.folder.path()).await).await;
    import_rooms(&service).await;
    check_away(&create(&service, "acme-key", "notes", 2).await.expect_err("nobody is there"));
    check_away(&search(&service).await.expect_err("nobody is there"));
    eventually("a closed gate", async || service.readiness.state().gates["qdrant"].clone()).await;
    assert!(service.readiness.is_ready());

    let stub = Stub::start_at(&address, state).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    upsert(&service, "notes", vec![vec![point("a", [1.0, 0.0], "red")]]).await.expect("stored");
    // It is started anew while we are connected.
    let state = stub.kill();
    check_away(&eventually("a failure", async || search(&service).await.err()).await);
    let _stub = Stub::start_at(&address, state).await;
    let found = eventually("an answer", async || search(&service).await.ok()).await;
    assert_eq!(found, ["a"]);
    service.stop().await;
}

async fn import_rooms(service: &Service) {
    crate::support::import(service, "acme-key", "rooms", &rooms()).await;
    assert!(!ids(&crate::support::search(service, asks("list rooms")).await).is_empty());
}

#[tokio::test]
async fn replicas_share_collections() {
    let home = Home::qdrant().await;
    let one = home.start().await;
    let elsewhere = tempfile::tempdir().expect("a folder");
    let mut config = home.config();
    config.files.folder = elsewhere.path().join("files");
    let two = Service::start_with(config, one.store.clone()).await;
    let both = tokio::join!(create(&one, "acme-key", "notes", 2), create(&two, "acme-key", "notes", 2));
    assert!(both.0.is_ok() && both.1.is_ok(), "{both:?}");
    upsert(&one, "notes", vec![vec![point("a", [1.0, 0.0], "red")]]).await.expect("stored");
    assert_eq!(search(&two).await.expect("an answer"), ["a"]);
    // Made anew with another schema, nothing remembers the old one.
    let gone = pb::DeleteCollectionRequest { name: "notes".into() };
    two.vectors("acme-key").delete_collection(gone).await.expect("deleted");
    create(&two, "acme-key", "notes", 3).await.expect("created");
    assert_eq!(search(&one).await.expect_err("another dimension").code(), Code::InvalidArgument);
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn what_qdrant_answers_tells_the_caller_what_to_do() {
    let home = Home::qdrant().await;
    let (service, held) = (home.start().await, held(&home));
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let mut busy = Status::resource_exhausted("Rate limiting exceeded");
    busy.metadata_mut().insert("retry-after", "7".parse().expect("a number"));
    for (fault, code, pause) in [
        (Status::internal("Service internal error: No space left on device"), Code::Unavailable, Some(1)),
        (Status::unavailable("shutting down"), Code::Unavailable, Some(1)),
        (busy, Code::ResourceExhausted, Some(7)),
        (Status::resource_exhausted("too much memory"), Code::ResourceExhausted, Some(1)),
        (Status::permission_denied("Invalid api-key"), Code::Internal, None),
        (Status::invalid_argument("Wrong input: something"), Code::Internal, None),
    ] {
        held.fail("query", Fault::Refuses(fault));
        let status = search(&service).await.expect_err("refused");
        assert_eq!(status.code(), code, "{status:?}");
        let delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
        assert_eq!(delay, pause.map(Duration::from_secs), "{status:?}");
        assert!(!status.message().contains("api-key") && !status.message().contains("device"), "{status:?}");
    }
    held.heal();
    assert!(search(&service).await.expect("an answer").is_empty());
    service.stop().await;
}

#[tokio::test]
async fn write_that_is_taken_and_not_done_is_not_acknowledged() {
    let home = Home::qdrant().await;
    let (service, held) = (home.start().await, held(&home));
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let points = || vec![vec![point("a", [1.0, 0.0], "red")]];
    held.fail("upsert", Fault::NotDone);
    check_away(&upsert(&service, "notes", points()).await.expect_err("not done"));
    held.heal();
    assert_eq!(upsert(&service, "notes", points()).await.expect("done"), 1);
    held.fail("delete", Fault::NotDone);
    let delete = pb::DeleteRequest { collection: "notes".into(), ids: vec!["a".into()] };
    check_away(&service.vectors("acme-key").delete(delete).await.expect_err("not done"));
    service.stop().await;
}

#[tokio::test]
async fn nobody_waits_longer_than_the_call_or_the_settings_allow() {
    let home = Home::qdrant().await;
    let mut config = home.config();
    config.qdrant.timeout = Duration::from_millis(300);
    let service = Service::start_with(config, sqlite(home.folder.path()).await).await;
    let held = held(&home);
    create(&service, "acme-key", "notes", 2).await.expect("created");
    held.fail("query", Fault::NeverAnswers);
    check_away(&search(&service).await.expect_err("no answer"));
    let mut hurried = home.config();
    hurried.grpc.deadline_max = Duration::from_millis(100);
    hurried.files.folder = home.folder.path().join("hurried");
    let hurried = Service::start_with(hurried, service.store.clone()).await;
    assert_eq!(search(&hurried).await.expect_err("no answer").code(), Code::DeadlineExceeded);
    hurried.stop().await;
    // Qdrant is told too, in whole seconds.
    let calls = held.lock().calls.clone();
    assert!(calls.iter().any(|(method, _)| *method == "query"));
    assert!(calls.iter().filter(|(method, _)| *method == "query").all(|(_, seconds)| *seconds == Some(1)), "{calls:?}");
    service.stop().await;
}

#[tokio::test]
async fn exact_searches_are_exact_there_too() {
    let home = Home::qdrant().await;
    let (service, held) = (home.start().await, held(&home));
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let ask = |exact| pb::SearchRequest { exact, ..near("notes", [1.0, 0.0]) };
    let batch = pb::BatchSearchRequest { searches: vec![ask(false), ask(true), ask(false)] };
    service.vectors("acme-key").batch_search(batch).await.expect("answers");
    assert_eq!(held.lock().exact, [false, true, false]);
    service.stop().await;
}

#[tokio::test]
async fn wrong_key_is_a_fault_of_ours() {
    let home = Home::qdrant().await;
    let mut config = home.config();
    config.qdrant.api_key = Some(SecretString::from("another"));
    let service = Service::start_with(config, sqlite(home.folder.path()).await).await;
    let status = create(&service, "acme-key", "notes", 2).await.expect_err("refused");
    assert!(status.code() == Code::Internal && !status.message().contains("another"), "{status:?}");
    service.stop().await;
}

#[tokio::test]
async fn collections_that_are_not_ours_are_left_alone() {
    let home = Home::qdrant().await;
    let (service, held) = (home.start().await, held(&home));
    held.lock().is_old = true;
    let status = create(&service, "acme-key", "notes", 2).await.expect_err("too old");
    assert!(status.code() == Code::FailedPrecondition && status.message().contains("1.16"), "{status:?}");
    assert!(held.lock().collections.is_empty(), "nothing stays of it");

    // Somebody else's, of a name that ours would have.
    let client = qdrant_client::Qdrant::from_url(&format!("http://{}", home.qdrant.as_ref().expect("a stub").address));
    let client = client.api_key(KEY).skip_compatibility_check().build().expect("a client");
    let params = qdrant_client::qdrant::VectorParamsBuilder::new(2, qdrant_client::qdrant::Distance::Cosine);
    let theirs = qdrant_client::qdrant::CreateCollectionBuilder::new("dragoman.acme.notes").vectors_config(params);
    client.create_collection(theirs).await.expect("created");
    held.lock().is_old = false;
    let code = |outcome: Result<(), Status>| outcome.expect_err("not ours").code();
    assert_eq!(code(create(&service, "acme-key", "notes", 2).await), Code::FailedPrecondition);
    assert_eq!(code(search(&service).await.map(|_| ())), Code::FailedPrecondition);
    let mut vectors = service.vectors("acme-key");
    let delete = vectors.delete_collection(pb::DeleteCollectionRequest { name: "notes".into() }).await;
    assert_eq!(code(delete.map(|_| ())), Code::FailedPrecondition);
    let list = vectors.list_collections(pb::ListCollectionsRequest::default()).await.expect("a list").into_inner();
    assert!(list.collections.is_empty());
    assert_eq!(held.lock().collections.len(), 1);
    service.stop().await;
}

#[tokio::test]
async fn payload_that_qdrant_cannot_keep_is_refused_with_its_message() {
    let home = Home::qdrant().await;
    let service = home.start().await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    let nan = fields([("x", Value { kind: Some(Kind::NumberValue(f64::NAN)) })]);
    let points = vec![vec![point("fine", [1.0, 0.0], "red"), with_payload("bad", nan)]];
    let status = upsert(&service, "notes", points).await.expect_err("refused");
    assert!(status.code() == Code::InvalidArgument && status.message().contains("`bad`"), "{status:?}");
    assert!(search(&service).await.expect("an answer").is_empty());
    service.stop().await;
}

#[tokio::test]
async fn files_move_to_qdrant_and_back() {
    let (files, home) = (Home::files(), Home::qdrant().await);
    let (one, two) = (files.start().await, home.start().await);
    create(&one, "acme-key", "notes", 2).await.expect("created");
    let points = (0..600u16).map(|id| point(&id.to_string(), [1.0, f32::from(id)], "red")).collect();
    upsert(&one, "notes", vec![points]).await.expect("stored");
    let bytes = export(&one, "notes").await;
    assert_eq!(import(&two, "acme-key", "notes", &bytes).await.expect("imported"), 600);
    let ask = || pb::SearchRequest { exact: true, ..near("notes", [1.0, 3.2]) };
    assert_eq!(found(&two, ask()).await, found(&one, ask()).await);
    let back = export(&two, "notes").await;
    assert_eq!(import(&one, "acme-key", "back", &back).await.expect("imported"), 600);
    one.stop().await;
    two.stop().await;
}

type Import = tokio::task::JoinHandle<Result<tonic::Response<pb::ImportCollectionResponse>, Status>>;

/// An import of `copy` that waits for the end of its file, with the sender that it waits for.
async fn begin_import(
    service: &Service,
    held: &Held,
) -> (tokio::sync::mpsc::Sender<pb::ImportCollectionRequest>, Import) {
    create(service, "acme-key", "notes", 2).await.expect("created");
    upsert(service, "notes", vec![vec![point("a", [1.0, 0.0], "red")]]).await.expect("stored");
    let bytes = export(service, "notes").await;
    let (sender, messages) = tokio::sync::mpsc::channel(4);
    let chunk = bytes[..bytes.len() - 1].to_vec().into();
    sender.send(pb::ImportCollectionRequest { collection: "copy".into(), chunk }).await.expect("sent");
    let mut client = service.vectors("acme-key");
    let messages = tokio_stream::wrappers::ReceiverStream::new(messages);
    let importing = tokio::spawn(async move { client.import_collection(messages).await });
    let has_points = |name: &str| held.lock().collections.get(name).is_some_and(|of| !of.points.is_empty());
    eventually("its points", async || has_points("dragoman.acme.copy").then_some(())).await;
    (sender, importing)
}

#[test]
fn process_that_ends_within_an_import_ends_in_order_and_its_name_can_be_freed() {
    let runtime = || tokio::runtime::Runtime::new().expect("a runtime");
    let first = runtime();
    let home = first.block_on(Home::qdrant());
    let held = held(&home);
    let under_way = first.block_on(async {
        let service = home.start().await;
        (begin_import(&service, &held).await, service)
    });
    // With all of its tasks, as at the end of a process.
    drop(first);
    drop(under_way);
    assert_eq!(held.lock().collections.len(), 2);
    runtime().block_on(async {
        let service = home.start().await;
        assert_eq!(create(&service, "acme-key", "copy", 2).await.expect_err("half of it").code(), Code::AlreadyExists);
        let mut client = service.vectors("acme-key");
        client.delete_collection(pb::DeleteCollectionRequest { name: "copy".into() }).await.expect("deleted");
        create(&service, "acme-key", "copy", 2).await.expect("free again");
        service.stop().await;
    });
}

#[tokio::test]
async fn import_that_its_deadline_ends_leaves_nothing() {
    let home = Home::qdrant().await;
    let mut config = home.config();
    config.grpc.deadline_max = Duration::from_secs(2);
    let service = Service::start_with(config, sqlite(home.folder.path()).await).await;
    create(&service, "acme-key", "notes", 2).await.expect("created");
    upsert(&service, "notes", vec![vec![point("a", [1.0, 0.0], "red")]]).await.expect("stored");
    let (bytes, held) = (export(&service, "notes").await, held(&home));
    held.fail("upsert", Fault::NeverAnswers);
    let made =
        eventually("its beginning", async || held.lock().collections.contains_key("dragoman.acme.copy").then_some(()));
    let (ended, ()) = tokio::join!(import(&service, "acme-key", "copy", &bytes), made);
    assert_eq!(ended.expect_err("no answer").code(), Code::DeadlineExceeded);
    eventually("its end", async || (held.lock().collections.len() == 1).then_some(())).await;
    service.stop().await;
}

#[tokio::test]
async fn import_is_nowhere_until_it_is_whole() {
    let home = Home::qdrant().await;
    let (service, held) = (home.start().await, held(&home));
    let (sender, importing) = begin_import(&service, &held).await;
    let mut client = service.vectors("acme-key");
    assert_eq!(client.search(near("copy", [1.0, 0.0])).await.expect_err("not yet").code(), Code::NotFound);
    let list = client.list_collections(pb::ListCollectionsRequest::default()).await.expect("a list").into_inner();
    assert_eq!(list.collections.len(), 1);
    assert_eq!(create(&service, "acme-key", "copy", 2).await.expect_err("taken").code(), Code::AlreadyExists);
    // Cut off: nothing of it stays.
    drop(sender);
    assert_eq!(importing.await.expect("joined").expect_err("cut").code(), Code::InvalidArgument);
    eventually("its end", async || (held.lock().collections.len() == 1).then_some(())).await;
    service.stop().await;
}
