//! Web chat with server-sent events.

use std::collections::VecDeque;

use futures::{StreamExt as _, stream::BoxStream};
use serde_json::{Value, json};

use crate::support::{Gateway, PATIENCE, answer, session_cookie, text};

const PATH: &str = "/api/v1/chat";

#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    id: String,
    data: Value,
}

/// Reads a response as events; comments are skipped.
struct Events {
    bytes: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    buffer: String,
    ready: VecDeque<Event>,
}

impl Events {
    fn of(response: reqwest::Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        let bytes = response.bytes_stream().map(|chunk| chunk.map(|chunk| chunk.to_vec())).boxed();
        Self { bytes, buffer: String::new(), ready: VecDeque::new() }
    }

    /// The next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let chunk = tokio::time::timeout(PATIENCE, self.bytes.next()).await.expect("an event in time")?;
            self.buffer.push_str(&String::from_utf8(chunk.ok()?).expect("UTF-8"));
            while let Some((block, rest)) = self.buffer.split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
                if !field("event:").is_empty() {
                    let data = serde_json::from_str(field("data:")).expect("JSON");
                    self.ready.push_back(Event { kind: field("event:").into(), id: field("id:").into(), data });
                }
                self.buffer = rest.to_owned();
            }
        }
    }

    async fn expect(&mut self, kind: &str, id: &str) -> Value {
        let event = self.next().await.expect("an event");
        assert_eq!((event.kind.as_str(), event.id.as_str()), (kind, id), "{event:?}");
        event.data
    }
}

async fn post(gateway: &Gateway, cookie: &str, body: Value) -> reqwest::Response {
    let request = gateway.post(PATH).header("accept", "text/event-stream").header("cookie", cookie).json(&body);
    request.send().await.expect("an answer")
}

#[tokio::test]
async fn a_message_is_answered_as_events_and_a_resume_goes_on_without_gap_or_repeat() {
    let gateway = Gateway::start().await;
    let work = gateway.work(1, |_| vec![text("one"), text("two"), text("three")]);
    let response = post(&gateway, "", json!({"message": "Hello"})).await;
    let cookie = session_cookie(&response).expect("a session");
    let mut events = Events::of(response);
    let accepted = events.expect("accepted", "0").await;
    let conversation = accepted["conversation_id"].as_str().expect("an id").to_owned();
    for (part, words) in ["one", "two", "three"].iter().enumerate() {
        let id = format!("1.{part}");
        assert_eq!(events.expect("message", &id).await, json!({"id": id, "text": words}));
    }
    events.expect("done", "1.2").await;
    assert_eq!(events.next().await, None);
    work.await.expect("no panic");

    let path = format!("{PATH}/{conversation}/events");
    for (last, expected) in
        [(None, &["1.0", "1.1", "1.2"][..]), (Some("0"), &["1.0", "1.1", "1.2"]), (Some("1.1"), &["1.2"])]
    {
        let mut request = gateway.get(&path).header("cookie", &cookie);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut events = Events::of(request.send().await.expect("an answer"));
        assert_eq!(events.next().await.expect("an event").kind, "reset");
        for id in expected {
            events.expect("message", id).await;
        }
    }
    let nonsense = gateway.get(&path).header("cookie", &cookie).header("last-event-id", "x").send().await;
    assert_eq!(nonsense.expect("an answer").status(), 400);
}

#[tokio::test]
async fn a_watch_shows_what_is_answered_later_also_from_a_place_in_the_future() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"1ms\"").await;
    let response = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    let cookie = session_cookie(&response).expect("a session");
    let body: Value = response.json().await.expect("JSON");
    let conversation = body["conversation_id"].as_str().expect("an id").to_owned();
    let watch = |last: &str| {
        let path = format!("{PATH}/{conversation}/events");
        gateway.get(&path).header("cookie", &cookie).header("last-event-id", last).send()
    };
    let mut events = Events::of(watch("0").await.expect("an answer"));
    events.expect("reset", "0").await;
    let mut future = Events::of(watch("999999.3").await.expect("an answer"));
    future.expect("reset", "1").await;

    let id = conversation.parse().expect("an id");
    answer(&gateway.store, &gateway.coordination, id, &|_| vec![text("late")]).await;
    assert_eq!(events.expect("message", "1.0").await["text"], "late");

    let go_on = json!({"message": "Again", "conversation_id": conversation});
    gateway.post(PATH).header("cookie", &cookie).json(&go_on).send().await.expect("an answer");
    answer(&gateway.store, &gateway.coordination, id, &|_| vec![text("later")]).await;
    events.expect("message", "2.0").await;
    assert_eq!(future.expect("message", "2.0").await["text"], "later");
}

#[tokio::test]
async fn an_answer_is_found_in_the_store_when_the_feed_is_silent() {
    let gateway = Gateway::start().await;
    let response = post(&gateway, "", json!({"message": "Hello"})).await;
    let mut events = Events::of(response);
    let accepted = events.expect("accepted", "0").await;
    let id = accepted["conversation_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    // What is published goes to another feed: nobody here hears of the answer.
    answer(&gateway.store, &coordination::Coordination::memory(), id, &|_| vec![text("stored")]).await;
    events.expect("message", "1.0").await;
    events.expect("done", "1.0").await;
}

#[tokio::test]
async fn words_that_are_taken_back_are_reset_before_they_are_said_anew() {
    let gateway = Gateway::start().await;
    let mut events = Events::of(post(&gateway, "", json!({"message": "Hello"})).await);
    let accepted = events.expect("accepted", "0").await;
    let id = accepted["conversation_id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let tell = |kind: &str, epoch, data| {
        let event = coordination::FeedEvent { kind: kind.to_owned(), seq: 1, epoch, data };
        gateway.coordination.publish(id, event);
    };
    tell("delta", 1, json!({"text": "It is "}));
    tell("reset", 1, json!({}));
    tell("delta", 1, json!({"text": "They are "}));
    events.expect("delta", "0").await;
    events.expect("reset", "0").await;
    assert_eq!(events.expect("delta", "0").await["text"], "They are ");
    // Another worker begins again; what the first one still says is void.
    tell("delta", 2, json!({"text": "We have "}));
    tell("reset", 1, json!({}));
    tell("delta", 1, json!({"text": "late"}));
    tell("delta", 2, json!({"text": "two."}));
    events.expect("reset", "0").await;
    assert_eq!(events.expect("delta", "0").await["text"], "We have ");
    assert_eq!(events.expect("delta", "0").await["text"], "two.");
}

#[tokio::test]
async fn a_session_has_two_streams_at_the_same_time() {
    let gateway = Gateway::start_with("[chat]\nanswer_wait = \"1ms\"").await;
    let first = gateway.post(PATH).json(&json!({"message": "Hello"})).send().await.expect("an answer");
    let cookie = session_cookie(&first).expect("a session");
    let body: Value = first.json().await.expect("JSON");
    let path = format!("{PATH}/{}/events", body["conversation_id"].as_str().expect("an id"));
    let watch = || gateway.get(&path).header("cookie", &cookie).send();
    let (one, _two) = (watch().await.expect("an answer"), watch().await.expect("an answer"));
    assert_eq!(watch().await.expect("an answer").status(), 429);
    assert_eq!(post(&gateway, &cookie, json!({"message": "x"})).await.status(), 429);
    drop(one);
    let room_again = async {
        while watch().await.expect("an answer").status() != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, room_again).await.expect("a closed stream makes room");
}

#[tokio::test]
async fn newcomers_of_one_address_share_their_streams() {
    let gateway = Gateway::start_with("[chat]\nnewcomer_streams_max = 1").await;
    let begin = || post(&gateway, "", json!({"message": "Hello"}));
    let first = begin().await;
    let cookie = session_cookie(&first).expect("a session");
    assert_eq!(begin().await.status(), 429);
    let second = post(&gateway, &cookie, json!({"message": "Hello"})).await;
    assert_eq!(second.status(), 200, "a session has its own");
    assert_eq!(post(&gateway, &cookie, json!({"message": "Hello"})).await.status(), 429, "the first counts too");
}

#[tokio::test]
async fn streams_end_when_the_service_stops() {
    let gateway = Gateway::start().await;
    let mut events = Events::of(post(&gateway, "", json!({"message": "Hello"})).await);
    events.expect("accepted", "0").await;
    gateway.shutdown.cancel();
    assert_eq!(events.next().await, None);
    tokio::time::timeout(PATIENCE, gateway.serving).await.expect("in time").expect("no panic").expect("no error");
}
