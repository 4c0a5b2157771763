//! What must hold between two given steps, shown by a worker that is halted at a named point.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use faults::{Process, Watch};
use futures::StreamExt as _;
use proto::conversation::v1 as pb;
use serde_json::json;
use store::OutboxStatus;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::watch,
};

use crate::{
    bench::{Bench, Engine, eventually, incoming},
    on_both_engines, rpc,
};

on_both_engines!(
    a_bell_is_acknowledged_when_its_work_is_done,
    an_attempt_is_written_down_before_the_platform_hears_of_it,
    a_death_while_the_model_thinks_is_nobodys_fault,
    what_was_sent_is_recorded_by_a_worker_that_lost_its_lease,
    a_turn_that_died_answers_the_same_messages_again,
    a_message_that_ended_a_process_waits_until_it_is_alone,
    a_watch_reads_after_it_has_subscribed,
    words_of_a_turn_that_runs_again_are_taken_back,
    a_part_whose_beginning_was_kept_unheard_is_sent_at_once_and_once,
    what_was_written_unheard_is_found_and_not_done_again,
);

/// A process that is halted whenever it comes to one of its points, and notes which it has passed.
struct Halt {
    at: &'static [&'static str],
    go_on: watch::Sender<bool>,
    passed: Mutex<Vec<&'static str>>,
}

impl Halt {
    fn new(at: &'static [&'static str]) -> Arc<Self> {
        Arc::new(Self { at, go_on: watch::Sender::new(false), passed: Mutex::default() })
    }

    fn process(self: &Arc<Self>) -> Process {
        Process::watched(self.clone())
    }

    /// Waits until it stands at `point`.
    async fn halted(&self, point: &str) {
        eventually(point, async || self.passed.lock().unwrap().contains(&point)).await;
    }

    /// The points at which it was halted so far.
    fn points(&self) -> Vec<&'static str> {
        self.passed.lock().unwrap().clone()
    }

    /// Lets it go on, and halts it no more.
    fn release(&self) {
        self.go_on.send_replace(true);
    }
}

impl Watch for Halt {
    fn at<'a>(&'a self, point: &'static str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if self.at.contains(&point) {
                self.passed.lock().unwrap().push(point);
                let _ = self.go_on.subscribe().wait_for(|go_on| *go_on).await;
            }
        })
    }
}

/// A process that loses the database's answer at a point, once.
struct Deaf {
    at: &'static str,
    was: AtomicBool,
}

impl Deaf {
    fn at(at: &'static str) -> Arc<Self> {
        Arc::new(Self { at, was: AtomicBool::new(false) })
    }
}

impl Watch for Deaf {
    fn at<'a>(&'a self, _point: &'static str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(std::future::ready(()))
    }

    fn loses(&self, point: &'static str) -> bool {
        point == self.at && !self.was.swap(true, Ordering::SeqCst)
    }
}

async fn a_part_whose_beginning_was_kept_unheard_is_sent_at_once_and_once(engine: Engine) {
    let bench = Bench::new(engine).await;
    // Nobody waits as long as an unknown end takes: what we did not send we know.
    for (point, peer, paused) in [("commit.after", "385911", false), ("sending.after", "385912", true)] {
        let deaf = Deaf::at(point);
        let worker = bench.start_as(Process::watched(deaf.clone())).await;
        if paused {
            // So that the commit does not begin the send.
            bench.coordination.pause("send:default:infobip:main", Duration::from_secs(2)).await;
        }
        let conversation = bench.say(peer, peer, "hello").await.conversation;
        bench.quiet(conversation).await;
        worker.stop().await;
        assert!(deaf.was.load(Ordering::SeqCst), "{point}");
        assert_eq!(bench.told(conversation).await, [("hello".to_owned(), "sent".to_owned())], "{point}");
    }
    assert_eq!(bench.platform.texts(), ["hello", "hello"], "one each");
}

async fn what_was_written_unheard_is_found_and_not_done_again(engine: Engine) {
    for point in ["claim.after", "attempt.after", "journal.after", "finish.after", "record.after"] {
        let bench = Bench::new(engine).await;
        let deaf = Deaf::at(point);
        let worker = bench.start_as(Process::watched(deaf.clone())).await;
        let conversation = bench.say("385911", "m-1", "keyed").await.conversation;
        if point == "claim.after" {
            // Its lease has to end.
            eventually("it was lost", async || deaf.was.load(Ordering::SeqCst)).await;
            bench.meddle("update conversations set lease_until = 0").await;
        }
        bench.quiet(conversation).await;
        worker.stop().await;
        assert!(deaf.was.load(Ordering::SeqCst), "{point}");
        assert_eq!(
            (bench.platform.texts(), bench.backend.requests().len()),
            (vec!["keyed: 201".to_owned()], 1),
            "{point}"
        );
    }
}

async fn a_bell_is_acknowledged_when_its_work_is_done(engine: Engine) {
    let bench = Bench::new(engine).await;
    let halt = Halt::new(&["commit.before"]);
    let worker = bench.start_as(halt.process()).await;
    let conversation = bench.say("385911", "m-1", "hello").await.conversation;
    halt.halted("commit.before").await;
    // Another consumer finds it, should this one be gone.
    let mut other = bench.coordination.listen("another");
    let bells = other.autoclaim(Duration::ZERO, 10).await.unwrap();
    assert!(bells.iter().any(|bell| bell.conversation == conversation), "{bells:?}");
    halt.release();
    bench.quiet(conversation).await;
    worker.stop().await;
}

async fn an_attempt_is_written_down_before_the_platform_hears_of_it(engine: Engine) {
    let bench = Bench::new(engine).await;
    // Mostly the commit begins the first attempt; a paused account's is begun alone.
    for (point, peer, paused) in [("commit.after", "385911", false), ("sending.after", "385912", true)] {
        if paused {
            bench.coordination.pause("send:default:infobip:main", Duration::from_millis(500)).await;
        }
        let halt = Halt::new(if paused { &["sending.after"] } else { &["commit.after"] });
        let worker = bench.start_as(halt.process()).await;
        let conversation = bench.say(peer, peer, "hello").await.conversation;
        halt.halted(point).await;
        let sent_before = usize::from(paused);
        assert_eq!(bench.platform.texts().len(), sent_before, "{point}: it was only just written down");
        assert_eq!(bench.told(conversation).await, [("hello".to_owned(), "sending".to_owned())], "{point}");
        halt.release();
        bench.quiet(conversation).await;
        worker.stop().await;
        assert_eq!(bench.platform.texts().len(), sent_before + 1);
    }
}

/// Otherwise each message whose worker ended while it waited for a model would run alone, one after the other.
async fn a_death_while_the_model_thinks_is_nobodys_fault(engine: Engine) {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", silent.local_addr().unwrap());
    let variables = [
        ("CONVERSATION_WORKER__MODEL__PROVIDER", "compatible"),
        ("CONVERSATION_WORKER__MODEL__BASE_URL", url.as_str()),
        ("CONVERSATION_WORKER__MODEL__NAME", "m"),
    ];
    let bench = Bench::with(engine, &variables).await;
    let worker = bench.start().await;
    let conversation = bench.say("385911", "m-1", "thought").await.conversation;
    let mut question = [0; 4];
    let mut asked = None;
    // It also asks which models there are.
    while question != *b"POST" {
        let (mut connection, _) = silent.accept().await.unwrap();
        connection.read_exact(&mut question).await.unwrap();
        asked = Some(connection);
    }
    worker.kill().await;
    drop(asked);
    let row = bench.inbox(conversation).await.remove(0);
    assert_eq!((row.attempts, row.journaled), (0, true));
    assert_eq!(bench.steps(conversation).await.len(), 1, "the search stands");
}

async fn what_was_sent_is_recorded_by_a_worker_that_lost_its_lease(engine: Engine) {
    let bench = Bench::with(engine, &[("CONVERSATION_WORKER__TENANTS__DEFAULT__OUTBOUND_UNKNOWN", "hold")]).await;
    let halt = Halt::new(&["send.after"]);
    let worker = bench.start_as(halt.process()).await;
    let conversation = bench.say("385911", "m-1", "hello").await.conversation;
    halt.halted("send.after").await;
    bench.meddle("update conversations set lease_until = 0").await;
    bench.claim(conversation).await;
    halt.release();
    eventually("recorded", async || bench.told(conversation).await == [("hello".to_owned(), "sent".to_owned())]).await;
    assert!(bench.snapshot(conversation).await.first_unsent.is_none_or(|row| row.status == OutboxStatus::Sent));
    worker.stop().await;
}

async fn a_turn_that_died_answers_the_same_messages_again(engine: Engine) {
    let bench = Bench::with(engine, &[("CONVERSATION_WORKER__WORKER__BURST", "700ms")]).await;
    let halt = Halt::new(&["call.after"]);
    let worker = bench.start_as(halt.process()).await;
    let both = [incoming("385911", "m-1", "x"), incoming("385911", "m-2", "keyed")];
    let conversation = bench.store.accept(&both).await.unwrap()[0].conversation;
    bench.coordination.ring(conversation, None);
    halt.halted("call.after").await;
    worker.kill().await;
    // A third text, near enough to have been of the burst.
    bench.store.accept(&[incoming("385911", "m-3", "y")]).await.unwrap();
    bench.meddle("update inbox set accepted_at = (select min(accepted_at) from inbox)").await;
    bench.meddle("update conversations set lease_until = 0").await;
    bench.coordination.ring(conversation, None);
    let worker = bench.start().await;
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.backend.effects(), 1, "{:?}", bench.backend.requests());
    assert_eq!(bench.platform.texts(), ["keyed: 201", "y"]);
}

async fn a_message_that_ended_a_process_waits_until_it_is_alone(engine: Engine) {
    let bench = Bench::new(engine).await;
    let poison = bench.store.accept(&[incoming("385912", "m-2", "hello")]).await.unwrap()[0].conversation;
    bench.meddle("update inbox set attempts = 1").await;
    bench.meddle("update conversations set wake_at = wake_at + 3600000000").await;
    bench.backend.hold();
    let halt = Halt::new(&["alone.before", "commit.before"]);
    let worker = bench.start_as(halt.process()).await;
    let other = bench.say("385911", "m-1", "safe").await.conversation;
    eventually("the backend has the request", async || bench.backend.requests().len() == 1).await;
    bench.meddle("update conversations set wake_at = 0 where next_seq > done_seq").await;
    bench.coordination.ring(poison, None);
    eventually("it comes to its turn", async || !halt.points().is_empty()).await;
    assert_eq!(halt.points(), ["alone.before"], "beside a turn that runs");
    halt.release();
    bench.backend.release();
    bench.quiet(other).await;
    bench.quiet(poison).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["safe: 200", "hello"]);
}

async fn a_watch_reads_after_it_has_subscribed(engine: Engine) {
    let bench = Bench::new(engine).await;
    let halt = Halt::new(&["watch.between", "watch.read"]);
    let worker = bench.start_as(halt.process()).await;
    let mut client = rpc::client(&worker).await;
    let posted = client.post_message(rpc::post("ana", "hello", "")).await.unwrap().into_inner();
    let request = pb::WatchConversationRequest { conversation_id: posted.conversation_id, cursor: String::new() };
    let watching = tokio::spawn(async move { client.watch_conversation(request).await });
    eventually("it watches", async || !halt.points().is_empty()).await;
    assert_eq!(halt.points(), ["watch.between"], "what is committed before it has subscribed would be missed");
    halt.release();
    watching.await.unwrap().unwrap();
    worker.stop().await;
}

/// A process whose first commit finds the store without its steps; the next look finds them again.
struct Outage {
    bench: Arc<Bench>,
    state: Mutex<u8>,
}

impl Watch for Outage {
    fn at<'a>(&'a self, point: &'static str) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            let statement = match (point, *self.state.lock().unwrap()) {
                ("commit.before", 0) => "alter table steps rename to steps_away",
                ("look.before", 1) => "alter table steps_away rename to steps",
                _ => return,
            };
            *self.state.lock().unwrap() += 1;
            self.bench.changed_by(statement).await;
        })
    }
}

/// Answers each question to the model with two sentences, the second of which is not finished.
async fn speaks(listener: tokio::net::TcpListener) {
    let chunk = |delta: serde_json::Value, finish: Option<&str>| {
        let choices = json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
        let chunk =
            json!({ "id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices });
        format!("data: {chunk}\n\n")
    };
    let words = chunk(json!({ "role": "assistant", "content": "It is free. It" }), None);
    let body = words + &chunk(json!({ "content": " is" }), Some("stop")) + "data: [DONE]\n\n";
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    while let Ok((mut connection, _)) = listener.accept().await {
        let answer = format!("{head}{body}");
        tokio::spawn(async move {
            let _ = connection.read(&mut [0; 16_384]).await;
            let _ = connection.write_all(answer.as_bytes()).await;
        });
    }
}

async fn words_of_a_turn_that_runs_again_are_taken_back(engine: Engine) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let model = tokio::spawn(speaks(listener));
    let variables = [
        ("CONVERSATION_WORKER__MODEL__PROVIDER", "compatible"),
        ("CONVERSATION_WORKER__MODEL__BASE_URL", url.as_str()),
        ("CONVERSATION_WORKER__MODEL__NAME", "m"),
    ];
    let bench = Arc::new(Bench::with(engine, &variables).await);
    let outage = Arc::new(Outage { bench: Arc::clone(&bench), state: Mutex::default() });
    let worker = bench.start_as(Process::watched(outage.clone())).await;
    let accepted = bench.store.accept(&[incoming("385911", "m-1", "spoken")]).await.unwrap();
    let conversation = accepted[0].conversation;
    let mut feed = bench.coordination.subscribe(conversation).await.boxed();
    bench.coordination.ring(conversation, None);
    let mut kinds = Vec::new();
    while let Some(event) = tokio::time::timeout(Duration::from_secs(20), feed.next()).await.expect("in time") {
        if event.kind == "message" {
            break;
        }
        if matches!(event.kind.as_str(), "delta" | "reset") {
            kinds.push(event.kind);
        }
    }
    assert_eq!(*outage.state.lock().unwrap(), 2, "the store failed and came back");
    assert_eq!(kinds, ["delta", "reset", "delta"]);
    bench.quiet(conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["spoken"]);
    model.abort();
}
