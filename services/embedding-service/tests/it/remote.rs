//! A remote embedding model, played by the simulator.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use domain::{Clock, Micros};
use embedding_service::Config;
use futures::{future::join_all, stream::FuturesUnordered};
use proto::{catalog::v1 as pb, embedding::v1 as vectors};
use serde_json::json;
use simulator::model::{self, BadVectors, Server};
use tokio::net::TcpListener;
use tokio_stream::StreamExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Code;

use crate::support::*;

/// Texts of the document of rooms, and neutral lines.
const OPERATIONS: usize = 6;
const NEUTRAL: usize = 40;
const ALL: usize = OPERATIONS + NEUTRAL;

pub struct Model {
    pub server: Server,
    base: String,
    _ends: DropGuard,
}

impl Model {
    pub async fn start() -> Self {
        service_kit::install_crypto();
        let mut config = model::Config::new("k");
        config.embedding_models.push(("other".to_owned(), 128));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (server, ends) = (Server::new(config), CancellationToken::new());
        let (serving, until) = (server.clone(), ends.clone());
        tokio::spawn(async move { serving.serve(listener, until).await });
        Self { server, base, _ends: ends.drop_guard() }
    }

    pub fn config(&self, folder: &Path) -> Config {
        let mut config = config(folder);
        config.embedding = serde_json::from_value(json!({
            "provider": "compatible", "base_url": self.base, "api_key": "k", "name": "text-embedding-3-small",
            "query_timeout": "5s", "timeout": "10s",
        }))
        .expect("a section");
        config
    }

    async fn service(&self, folder: &Path) -> Service {
        Service::start_with(self.config(folder), sqlite(folder).await).await
    }
}

/// Days and seconds of a made-up wall clock.
struct WallClock(AtomicI64);

impl Clock for WallClock {
    fn now(&self) -> Micros {
        Micros(self.0.load(Ordering::SeqCst))
    }
}

pub fn is_fused(answer: &pb::SearchOperationsResponse) -> bool {
    answer.hits.iter().any(|hit| hit.parts.iter().any(|part| part.name == "vector"))
}

/// Asks until the answer comes with vectors.
pub async fn fused(service: &Service, text: &str) -> pb::SearchOperationsResponse {
    eventually("an answer with vectors", async || Some(search(service, asks(text)).await).filter(is_fused)).await
}

/// Waits until the gate says this.
async fn told(service: &Service, part: &str) -> String {
    let gate = async || service.readiness.state().gates["embeddings"].clone().filter(|told| told.contains(part));
    eventually(part, gate).await
}

fn scores(answer: &pb::SearchOperationsResponse) -> Vec<(&str, u64)> {
    ids(answer).into_iter().zip(answer.hits.iter().map(|hit| hit.score.to_bits())).collect()
}

#[tokio::test]
async fn each_text_is_embedded_once_and_a_second_start_asks_for_none() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let service = model.service(folder.path()).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let first = fused(&service, "Which meeting rooms are there?").await;
    assert_eq!(ids(&first).first(), Some(&"rooms/GET /rooms"));
    assert_eq!(model.server.embedded_inputs(), ALL + 1);
    let mut inputs: Vec<String> =
        model.server.embedding_requests().into_iter().flat_map(|request| request.inputs).collect();
    inputs.sort_unstable();
    inputs.dedup();
    assert_eq!(inputs.len(), ALL + 1);
    // The same tenant again, and another one with the same document: nothing new to ask.
    import(&service, "acme-key", "more", &rooms()).await;
    import(&service, "other-key", "rooms", &rooms()).await;
    fused(&service, "Which meeting rooms are there?").await;
    assert_eq!(model.server.embedded_inputs(), ALL + 1);
    let store = service.store.clone();
    service.stop().await;
    model.server.forget_requests();
    let mut config = model.config(folder.path());
    // A configured document is built at the start.
    let document = folder.path().join("rooms.json");
    std::fs::write(&document, rooms().to_string()).expect("written");
    config.tenants = tenants([("rooms", document_config(&document))]);
    let service = Service::start_with(config, store).await;
    assert_eq!(model.server.embedding_requests().len(), 0);
    let sentence = pb::SearchOperationsRequest { document_ids: vec!["rooms".into()], ..asks("list meeting rooms") };
    assert!(is_fused(&search(&service, sentence).await));
    assert_eq!(model.server.embedded_inputs(), 1);
    service.stop().await;
}

#[tokio::test]
async fn what_is_on_its_way_is_not_asked_for_again() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let service = model.service(folder.path()).await;
    let embed = |text: &str| vectors::EmbedRequest { text: text.to_owned(), ..Default::default() };
    service.embedding("acme-key").embed(embed("the length is known")).await.expect("a vector");
    model.server.forget_requests();
    let hold = model.server.faults().hold("POST /v1/embeddings");
    let mut calls: FuturesUnordered<_> = (0..20)
        .map(|_| {
            let mut client = service.embedding("acme-key");
            async move { client.embed(embed("free  rooms")).await.expect("a vector").into_inner() }
        })
        .collect();
    tokio::select! {
        _ = calls.next() => panic!("answered before the model was asked"),
        () = hold.reached() => {}
    }
    let early = tokio::time::timeout(Duration::from_millis(300), calls.next()).await;
    assert!(early.is_err(), "answered before the model answered: {early:?}");
    hold.release();
    let answers: Vec<_> = calls.collect().await;
    assert_eq!(answers.len(), 20);
    assert_eq!(model.server.embedded_inputs(), 1);
    assert!(
        answers.iter().all(|answer| answer.vector == answers[0].vector && answer.model == "text-embedding-3-small")
    );
    assert_eq!((answers[0].dimension, answers[0].vector.len()), (256, 1024));
    service.stop().await;
}

#[tokio::test]
async fn texts_of_a_stream_go_in_batches_and_come_in_order() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let service = model.service(folder.path()).await;
    let mut client = service.embedding("acme-key");
    let lexical = "lexical-hash-v1";
    let requests: Vec<vectors::EmbedBatchRequest> = (0..50)
        .map(|at| vectors::EmbedBatchRequest {
            text: format!("text {at}"),
            model: if at == 7 { lexical.to_owned() } else { String::new() },
        })
        .chain([vectors::EmbedBatchRequest { text: " ".to_owned(), ..Default::default() }])
        .collect();
    let stream = client.embed_batch(tokio_stream::iter(requests)).await.expect("a stream").into_inner();
    let answers: Vec<_> = stream.collect().await;
    assert_eq!(answers.len(), 51);
    for (at, answer) in answers[..50].iter().enumerate() {
        let answer = answer.as_ref().expect("a vector");
        if at == 7 {
            assert_eq!((answer.model.as_str(), answer.dimension), (lexical, 384));
            continue;
        }
        let own = model::vector(&format!("text {at}"), 256);
        let values = answer.vector.chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().expect("4 bytes")));
        assert!(values.zip(own).all(|(value, own)| (value - own).abs() < 1e-5), "text {at}");
    }
    assert_eq!(answers[50].as_ref().expect_err("refused").code(), Code::InvalidArgument);
    assert!(model.server.embedding_requests().len() < 30, "{}", model.server.embedding_requests().len());
    let unknown = vectors::EmbedRequest { text: "x".into(), model: "unknown".into() };
    assert_eq!(client.embed(unknown).await.expect_err("refused").code(), Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test]
async fn another_model_makes_its_own_vectors_and_the_first_one_keeps_its() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let service = model.service(folder.path()).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let first = fused(&service, "list rooms").await;
    let store = service.store.clone();
    service.stop().await;
    let mut other = model.config(folder.path());
    other.embedding.name = Some("other".to_owned());
    let mut shorter = model.config(folder.path());
    shorter.embedding.dimensions = Some(64);
    for (config, dimension) in [(other, 128), (shorter, 64)] {
        model.server.forget_requests();
        let service = Service::start_with(config, store.clone()).await;
        fused(&service, "list rooms").await;
        assert_eq!(model.server.embedded_inputs(), ALL + 1);
        let embed = vectors::EmbedRequest { text: "x".into(), ..Default::default() };
        let answer = service.embedding("acme-key").embed(embed).await.expect("a vector").into_inner();
        assert_eq!(answer.dimension, dimension);
        service.stop().await;
    }
    model.server.forget_requests();
    let service = Service::start_with(model.config(folder.path()), store).await;
    assert_eq!(scores(&fused(&service, "list rooms").await), scores(&first));
    assert_eq!(model.server.embedded_inputs(), 1, "the sentence alone");
    service.stop().await;
}

/// The model of before beside the one that is to take its place.
fn changed(model: &Model, folder: &Path) -> Config {
    let mut config = model.config(folder);
    let before = std::mem::replace(&mut config.embedding, model.config(folder).embedding);
    config.embedding.name = Some("other".to_owned());
    config.embedding.models.insert("before".to_owned(), before);
    config
}

#[tokio::test]
async fn new_model_takes_over_when_it_is_complete_and_until_then_the_old_one_goes_on() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let service = model.service(folder.path()).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let by_old = fused(&service, "list rooms").await;
    let store = service.store.clone();
    service.stop().await;
    model.server.forget_requests();
    let asked = |dimension: usize| {
        let requests = model.server.embedding_requests();
        let of = |request: &&model::EmbeddingRequest| (request.model == "other") == (dimension == 128);
        requests.iter().filter(of).map(|request| request.inputs.len()).sum::<usize>()
    };

    // The provider fails: the old one goes on.
    let mut away = changed(&model, folder.path());
    away.embedding.base_url = Some("http://127.0.0.1:1/v1".parse().expect("a URL"));
    let service = Service::start_with(away, store).await;
    search(&service, asks("list rooms")).await;
    told(&service, "searching by `text-embedding-3-small` meanwhile").await;
    assert_eq!(scores(&search(&service, asks("list rooms")).await), scores(&by_old));
    let store = service.store.clone();
    service.stop().await;
    assert_eq!(asked(256), 1, "the sentence alone");

    // One text is refused a while, so that it stops in the middle; the old one still goes on.
    let service = Service::start_with(changed(&model, folder.path()), store).await;
    model.server.embed_badly(BadVectors::NoUsage, 3);
    model.server.embed_badly(BadVectors::ServerError, usize::MAX);
    search(&service, asks("list rooms")).await;
    told(&service, "searching by `text-embedding-3-small` meanwhile").await;
    let store = service.store.clone();
    service.stop().await;
    model.server.behave();

    // After a restart it ends what it began, and takes over.
    let before = asked(128);
    let service = Service::start_with(changed(&model, folder.path()), store).await;
    let is_new = |answer: &pb::SearchOperationsResponse| is_fused(answer) && scores(answer) != scores(&by_old);
    let by_new = async || Some(search(&service, asks("list rooms")).await).filter(is_new);
    eventually("an answer by the new one", by_new).await;
    assert!(asked(128) - before <= ALL + 1, "{} then {}", before, asked(128));
    // Both answer by name, and the old one's vectors are as they were.
    let embed = |model: &str| vectors::EmbedRequest { text: "free rooms".into(), model: model.into() };
    for (name, dimension) in [("", 128), ("other", 128), ("before", 256), ("text-embedding-3-small", 256)] {
        let answer = service.embedding("acme-key").embed(embed(name)).await.expect("a vector").into_inner();
        assert_eq!((answer.dimension, answer.vector.len() as i32), (dimension, 4 * dimension), "{name}");
    }
    let mixed = ["", "before", "lexical-hash-v1", "other", "before"]
        .map(|model| vectors::EmbedBatchRequest { text: "rooms".to_owned(), model: model.to_owned() });
    let stream = service.embedding("acme-key").embed_batch(tokio_stream::iter(mixed)).await.expect("a stream");
    let answers: Vec<_> = stream.into_inner().map(|answer| answer.expect("a vector").dimension).collect().await;
    assert_eq!(answers, [128, 256, 384, 128, 256]);
    let store = service.store.clone();
    service.stop().await;

    // A new operation does not bring the old one back.
    model.server.forget_requests();
    let service = Service::start_with(changed(&model, folder.path()), store).await;
    // So many that one without a vector is less than a tenth.
    import(&service, "acme-key", "more", &rooms()).await;
    fused(&service, "list rooms").await;
    let hold = model.server.faults().hold("POST /v1/embeddings");
    let mut more = rooms();
    more["paths"]["/keys"] = json!({"get": {"summary": "List keys", "responses": {"200": {"description": "ok"}}}});
    import(&service, "acme-key", "rooms", &more).await;
    hold.reached().await;
    assert!(is_fused(&search(&service, asks("list rooms")).await));
    hold.release();
    service.stop().await;
    let old: Vec<_> =
        model.server.embedding_requests().into_iter().filter(|request| request.model != "other").collect();
    assert!(old.is_empty(), "{old:?}");
}

#[tokio::test]
async fn only_what_changed_in_a_document_is_embedded_again() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let service = model.service(folder.path()).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    fused(&service, "list rooms").await;
    model.server.forget_requests();
    let mut document = rooms();
    document["paths"]["/rooms"]["get"]["summary"] = "Every room there is".into();
    import(&service, "acme-key", "rooms", &document).await;
    eventually("the new text is asked for", async || (model.server.embedded_inputs() > 0).then_some(())).await;
    fused(&service, "list rooms").await;
    let inputs: Vec<String> =
        model.server.embedding_requests().into_iter().flat_map(|request| request.inputs).collect();
    assert_eq!(inputs, ["Every room there is. rooms"]);
    service.stop().await;
}

#[tokio::test]
async fn text_that_the_provider_refuses_costs_the_others_nothing_and_is_not_sent_again() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let service = model.service(folder.path()).await;
    model.server.refuse_texts_with("invoices");
    import(&service, "acme-key", "rooms", &rooms()).await;
    eventually("all that can be had", async || service.readiness.state().gates["embeddings"].is_none().then_some(()))
        .await;
    let mut client = service.embedding("acme-key");
    let request = |text: &str| vectors::EmbedRequest { text: text.into(), ..Default::default() };
    client.embed(request("one")).await.expect("a vector");
    assert_eq!(client.embed(request("my invoices")).await.expect_err("refused").code(), Code::InvalidArgument);
    model.server.forget_requests();
    for _ in 0..3 {
        let refused = client.embed(request("my  invoices")).await.expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    assert_eq!(model.server.embedding_requests().len(), 0);
    let texts = ["two", "more invoices", "three"];
    let texts = texts.map(|text| vectors::EmbedBatchRequest { text: text.into(), ..Default::default() });
    let stream = client.embed_batch(tokio_stream::iter(texts)).await.expect("a stream").into_inner();
    let answers: Vec<Result<_, tonic::Status>> = stream.collect().await;
    // The first failure ends the stream; what came before it is there.
    assert_eq!(answers.len(), 2);
    assert!(answers[0].is_ok());
    assert_eq!(answers[1].as_ref().expect_err("refused").code(), Code::InvalidArgument);
    service.stop().await;
}

#[tokio::test]
async fn spent_quota_stops_the_work_until_the_next_day_also_over_a_restart() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let clock = Arc::new(WallClock(AtomicI64::new(20_000 * 86_400_000_000 + 3_600_000_000)));
    let mut config = model.config(folder.path());
    config.embedding.dimensions = Some(256);
    config.embedding.texts_per_day = 40;
    let start = async |store| {
        let service = Service::spawn_at(config.clone(), store, Arc::clone(&clock) as Arc<dyn Clock>).await;
        service.readiness.wait_ready().await;
        service
    };
    let service = start(sqlite(folder.path()).await).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let expected = "10 texts have no vector; goes on at 2024-10-05T00:00:00Z, searching by words meanwhile";
    let reason = told(&service, expected).await;
    assert!(reason.contains("the day's embeddings are used up"), "{reason}");
    assert!(service.readiness.is_ready());
    let answer = search(&service, asks("Which meeting rooms are there?")).await;
    assert!(!is_fused(&answer) && ids(&answer).first() == Some(&"rooms/GET /rooms"));
    assert_eq!(model.server.embedded_inputs(), 36);
    let store = service.store.clone();
    service.stop().await;
    let service = start(store).await;
    search(&service, asks("list rooms")).await;
    told(&service, expected).await;
    assert_eq!(model.server.embedded_inputs(), 36);
    clock.0.fetch_add(23 * 3_600_000_000, Ordering::SeqCst);
    // Looked at every half a minute.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    fused(&service, "Which meeting rooms are there?").await;
    assert_eq!(model.server.embedded_inputs(), ALL + 1);
    service.stop().await;
}

#[tokio::test]
async fn retry_after_and_a_minute_s_requests_are_kept() {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let mut config = model.config(folder.path());
    config.embedding.dimensions = Some(256);
    config.embedding.requests_per_minute = 3;
    let service = Service::start_with(config, sqlite(folder.path()).await).await;
    model.server.embed_badly(BadVectors::BusySeconds, 1);
    import(&service, "acme-key", "rooms", &rooms()).await;
    fused(&service, "list rooms").await;
    let times: Vec<Micros> = model.server.embedding_requests().iter().map(|request| request.at).collect();
    assert!(times[1].since(times[0]) >= Duration::from_millis(990), "{times:?}");
    // Refused, operations, the sentence: that was the minute.
    assert_eq!(times.len(), 3);
    assert!(!is_fused(&search(&service, asks("list invoices")).await));
    let embed = vectors::EmbedRequest { text: "more".into(), ..Default::default() };
    let status = service.embedding("acme-key").embed(embed).await.expect_err("not now");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(model.server.embedding_requests().len(), 3);
    service.stop().await;
}

#[tokio::test]
async fn model_that_is_away_costs_no_answer() {
    let plain_folder = tempfile::tempdir().expect("a folder");
    let plain = Service::start(&plain_folder).await;
    import(&plain, "acme-key", "rooms", &rooms()).await;
    let expected = search(&plain, asks("Which meeting rooms are there?")).await;
    plain.stop().await;

    // From the start.
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let mut config = model.config(folder.path());
    config.embedding.base_url = Some("http://127.0.0.1:1/v1".parse().expect("a URL"));
    let service = Service::start_with(config, sqlite(folder.path()).await).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    told(&service, "searching by words meanwhile").await;
    assert!(service.readiness.is_ready());
    let answer = search(&service, asks("Which meeting rooms are there?")).await;
    assert_eq!(answer.hits, expected.hits);
    let embed = vectors::EmbedRequest { text: "x".into(), ..Default::default() };
    let status = service.embedding("acme-key").embed(embed).await.expect_err("away");
    assert!(matches!(status.code(), Code::Unavailable | Code::ResourceExhausted), "{status:?}");
    service.stop().await;

    // After all operations have their vectors; silent, so that the deadline counts.
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = model.config(folder.path());
    config.embedding.query_timeout = Duration::from_millis(300);
    let service = Service::start_with(config, sqlite(folder.path()).await).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    fused(&service, "list rooms").await;
    model.server.embed_badly(BadVectors::Hang, usize::MAX);
    let started = std::time::Instant::now();
    let answer = search(&service, asks("Which meeting rooms are there?")).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(answer.hits, expected.hits);
    // What is known needs no model.
    assert!(is_fused(&search(&service, asks("list rooms")).await));
    service.stop().await;
}

#[tokio::test]
async fn bad_vectors_reach_no_index_and_fail_no_search() {
    let model = Model::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let service = model.service(folder.path()).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let expected = fused(&service, "Which meeting rooms are there?").await;
    service.stop().await;
    let all = BadVectors::ALL.iter().map(|bad| survive(*bad, &expected));
    join_all(all).await;
}

/// One bad answer each to what learns the dimension, to the operations and to a sentence.
async fn survive(bad: BadVectors, expected: &pb::SearchOperationsResponse) {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let mut config = model.config(folder.path());
    config.embedding.timeout = Duration::from_secs(2);
    config.embedding.query_timeout = Duration::from_secs(1);
    let service = Service::start_with(config, sqlite(folder.path()).await).await;
    model.server.embed_badly(bad, 1);
    let embed = vectors::EmbedRequest { text: "x".into(), ..Default::default() };
    let _ = service.embedding("acme-key").embed(embed).await;
    model.server.embed_badly(bad, 1);
    import(&service, "acme-key", "rooms", &rooms()).await;
    fused(&service, "list rooms").await;
    model.server.embed_badly(bad, 1);
    for text in ["Which meeting rooms are there?", "show the reservations of a room", "tell me a joke"] {
        search(&service, asks(text)).await;
    }
    let answer = fused(&service, "Which meeting rooms are there?").await;
    assert_eq!(scores(&answer), scores(expected), "{bad:?}");
    service.stop().await;
}

async fn nothing_is_asked_while_ai_is_off(store: store::Store) {
    let (folder, model) = (tempfile::tempdir().expect("a folder"), Model::start().await);
    let (acme, ana) = (tenant("acme"), store::audit::Actor::from("ana"));
    store.set_switch(&acme, "AI_ENABLED", "false", &ana).await.expect("set");
    let service = Service::start_with(model.config(folder.path()), store).await;
    import(&service, "acme-key", "rooms", &rooms()).await;
    let reason = told(&service, "AI is switched off").await;
    assert!(reason.contains(&format!("{ALL} texts have no vector")), "{reason}");
    let answer = search(&service, asks("Which meeting rooms are there?")).await;
    assert_eq!(ids(&answer).first(), Some(&"rooms/GET /rooms"), "the words decide");
    assert!(!is_fused(&answer));
    let embed = |model: &str| vectors::EmbedRequest { text: "free rooms".into(), model: model.into() };
    let refused = service.embedding("acme-key").embed(embed("")).await.expect_err("AI is off");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    service.embedding("acme-key").embed(embed("lexical-hash-v1")).await.expect("the built-in model is ours");
    let batch = vectors::EmbedBatchRequest { text: "free rooms".into(), ..Default::default() };
    let mut client = service.embedding("acme-key");
    let mut stream = client.embed_batch(tokio_stream::iter([batch])).await.expect("a stream").into_inner();
    assert_eq!(stream.message().await.expect_err("AI is off").code(), Code::FailedPrecondition);
    assert_eq!(model.server.embedding_requests().len(), 0, "nothing was asked");
    service.embedding("other-key").embed(embed("")).await.expect("another tenant's AI is on");

    assert!(service.store.clear_switch(&acme, "AI_ENABLED", &ana).await.expect("cleared"));
    fused(&service, "Which meeting rooms are there?").await;
    service.store.set_switch(&acme, "AI_ENABLED", "false", &ana).await.expect("set");
    let again = async || Some(search(&service, asks("Which meeting rooms are there?")).await);
    eventually("the switch is seen", async || again().await.filter(|answer| !is_fused(answer))).await;
    service.stop().await;
}

#[tokio::test]
async fn nothing_is_asked_while_ai_is_off_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    nothing_is_asked_while_ai_is_off(sqlite(folder.path()).await).await;
}

#[tokio::test]
async fn nothing_is_asked_while_ai_is_off_on_postgresql() {
    let server = testkit::Postgres::shared().await.expect("PostgreSQL");
    let url = server.database().await.expect("a database");
    nothing_is_asked_while_ai_is_off(store_at(&url).await).await;
}
