//! Answers, calls, streams, deadlines and repeats.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use llm::{ChatConfig, ChatLimits, Finish, LlmError, Message, Provider, Retry};
use serde_json::json;
use simulator::{
    faults::Fault,
    model::{BadAnswer, Reply, When},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

use crate::{Running, chat, question};

const CHAT: &str = "POST /v1/chat/completions";

#[tokio::test]
async fn text_comes_in_pieces_that_join_to_the_answer() {
    let running = Running::openai().await;
    running.server.script(When::user("hello"), "Hello there, žaba 🐸! How can I help you today?");
    for streaming in [true, false] {
        let chat = chat(ChatConfig { streaming, ..running.config() });
        let (deltas, mut pieces) = mpsc::channel(100);
        let answer = chat.complete(&question("Hello!"), Some(&deltas)).await.expect("an answer");
        drop(deltas);
        let mut joined = String::new();
        let mut count = 0;
        while let Some(piece) = pieces.recv().await {
            joined.push_str(&piece);
            count += 1;
        }
        assert_eq!(answer.text, "Hello there, žaba 🐸! How can I help you today?");
        assert_eq!(joined, answer.text);
        assert_eq!(count > 1, streaming);
        assert_eq!((answer.finish, answer.model.as_str()), (Finish::Stop, "gpt-4o-mini"));
        assert!(!answer.usage.estimated && answer.usage.input_tokens > 20 && answer.usage.output_tokens > 5);
    }
}

#[tokio::test]
async fn a_turn_of_two_calls_goes_back_and_forth_lawfully() {
    let running = Running::openai().await;
    let server = &running.server;
    let (seven, eight) = (json!({"id": 7}), json!({"id": 8}));
    server.script(When::user("compare").results(0), Reply::calls(&[("get_vehicle", &seven), ("get_vehicle", &eight)]));
    server.script(When::user("compare").results(2).result("bravo"), Reply::call_matching("all vehicles", json!({})));
    server.script(When::user("compare").results(3), "Bravo is larger.");
    let chat = running.chat();
    let mut request = question("Compare 7 and 8");
    let first = chat.complete(&request, None).await.expect("an answer");
    assert_eq!(first.finish, Finish::ToolCalls);
    let arguments: Vec<&str> = first.tool_calls.iter().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, ["{\"id\":7}", "{\"id\":8}"]);
    request.messages.push(first.to_message());
    for (call, name) in first.tool_calls.iter().zip(["Alpha", "Bravo"]) {
        request.messages.push(Message::tool_result(&call.id, json!({"name": name}).to_string()));
    }
    let second = chat.complete(&request, None).await.expect("an answer");
    assert_eq!(second.tool_calls.first().map(|call| call.name.as_str()), Some("list_vehicles"));
    request.messages.push(second.to_message());
    request.messages.push(Message::tool_result(&second.tool_calls[0].id, "[]"));
    let third = chat.complete(&request, None).await.expect("an answer");
    assert_eq!(third.text, "Bravo is larger.");
    assert_eq!(server.refused().len(), 0);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn answers_survive_the_journal() {
    let running = Running::openai().await;
    running.server.script(When::any(), Reply::call("get_vehicle", &json!({"id": 7})));
    let request = question("7");
    let answer = running.chat().complete(&request, None).await.expect("an answer");
    let text = serde_json::to_string(&(&request, &answer)).expect("JSON");
    assert_eq!(serde_json::from_str::<(llm::ChatRequest, llm::ChatAnswer)>(&text).expect("both"), (request, answer));
}

#[tokio::test]
async fn a_receiver_that_is_gone_does_not_end_the_answer() {
    let running = Running::openai().await;
    running.server.script(When::any(), "Some words for nobody.");
    let (deltas, pieces) = mpsc::channel(1);
    drop(pieces);
    let chat = running.chat();
    // Spawned, as a service would: the future is `Send`.
    let asking = tokio::spawn(async move { chat.complete(&question("x"), Some(&deltas)).await });
    let answer = asking.await.expect("no panic").expect("an answer");
    assert_eq!(answer.text, "Some words for nobody.");
}

#[tokio::test]
async fn it_asks_again_before_the_first_token_and_never_after_it() {
    let running = Running::openai().await;
    let retry = Retry { attempts: 3, wait_base: Duration::from_millis(20), wait_max: Duration::from_millis(50) };
    let chat = chat(ChatConfig { retry, ..running.config() });
    running.server.script(When::any(), "At last.");
    for (bad, asked, class) in [
        (BadAnswer::ServerError, 3, "sound"),
        (BadAnswer::Unavailable, 3, "sound"),
        (BadAnswer::Busy, 3, "sound"),
        (BadAnswer::CutBeforeText, 3, "sound"),
        (BadAnswer::ErrorAtOnce, 3, "sound"),
        (BadAnswer::Close, 3, "sound"),
        (BadAnswer::CutMidText, 1, "cut"),
        (BadAnswer::ErrorMidStream, 1, "cut"),
        (BadAnswer::EndMidText, 1, "cut"),
        (BadAnswer::Unauthorized, 1, "refused"),
        (BadAnswer::QuotaSpent, 1, "refused"),
        (BadAnswer::EmptyAnswer, 1, "nonsense"),
    ] {
        running.server.behave();
        running.server.forget_requests();
        running.server.answer_badly(bad, 2);
        let (deltas, mut pieces) = mpsc::channel(100);
        let answer = chat.complete(&question("x"), Some(&deltas)).await;
        drop(deltas);
        let found = answer.as_ref().map_or_else(LlmError::class, |_| "sound");
        assert_eq!((found, running.server.asked().len()), (class, asked), "{bad:?} {answer:?}");
        let mut joined = String::new();
        while let Some(piece) = pieces.recv().await {
            joined.push_str(&piece);
        }
        // What was passed on belongs to the one answer there is.
        assert!(answer.map_or(true, |answer| answer.text == joined), "{bad:?} {joined}");
    }
}

#[tokio::test]
async fn a_wait_that_the_endpoint_asks_for_is_kept_if_it_fits() {
    let running = Running::openai().await;
    running.server.script(When::any(), "At last.");
    for bad in [BadAnswer::BusySeconds, BadAnswer::BusyDate, BadAnswer::Overloaded] {
        let chat = chat(ChatConfig { retry: Retry::default(), ..running.config() });
        running.server.answer_badly(bad, 1);
        let begun = Instant::now();
        chat.complete(&question("x"), None).await.expect("an answer");
        assert!(begun.elapsed() >= Duration::from_millis(900), "{bad:?} {:?}", begun.elapsed());
    }
    // An hour does not fit: the caller is told at once.
    let chat = chat(ChatConfig { retry: Retry::default(), ..running.config() });
    running.server.answer_badly(BadAnswer::BusyLong, 1);
    let error = chat.complete(&question("x"), None).await.expect_err("busy");
    assert_eq!(error, LlmError::Busy { retry_after: Some(Duration::from_secs(3_600)) });
    assert_eq!(error.to_string(), "the model's endpoint is busy, and asks to wait 3600 s");
}

async fn check_silence(streaming: bool, bad: BadAnswer, class: &str) {
    let limits = ChatLimits {
        first_token: Duration::from_millis(600),
        whole: Duration::from_millis(1_200),
        ..ChatLimits::default()
    };
    let running = Running::openai().await;
    let chat = chat(ChatConfig { limits, streaming, retry: Retry::default(), ..running.config() });
    running.server.answer_badly(bad, usize::MAX);
    let begun = Instant::now();
    let error = chat.complete(&question("x"), None).await.expect_err("silence");
    let took = begun.elapsed();
    assert_eq!(error.class(), class, "{bad:?} {error}");
    let least = if streaming && class == "away" { limits.first_token } else { limits.whole };
    assert!(took >= least && took < least + Duration::from_secs(3), "{bad:?} {took:?}");
    assert_eq!(running.server.asked().len(), 1, "{bad:?}");
}

#[tokio::test]
async fn deadlines_end_every_silence() {
    check_silence(true, BadAnswer::Hang, "away").await;
    check_silence(true, BadAnswer::HangAfterHeaders, "away").await;
    check_silence(true, BadAnswer::HangMidText, "slow").await;
    check_silence(false, BadAnswer::Hang, "away").await;
    check_silence(false, BadAnswer::HangAfterHeaders, "slow").await;
    check_silence(false, BadAnswer::HangMidText, "slow").await;
}

#[tokio::test]
async fn a_slow_reader_does_not_outlast_the_deadline() {
    let running = Running::openai().await;
    running.server.script(When::any(), "word ".repeat(100).as_str());
    let limits = ChatLimits { whole: Duration::from_millis(700), ..ChatLimits::default() };
    let chat = chat(ChatConfig { limits, ..running.config() });
    let (deltas, _kept) = mpsc::channel(1);
    let error = chat.complete(&question("x"), Some(&deltas)).await.expect_err("slow");
    assert_eq!(error, LlmError::Slow { limit: limits.whole });
}

#[tokio::test]
async fn no_server_is_away() {
    let running = Running::openai().await;
    let chat = running.chat();
    running.server.faults().next(CHAT, Fault::CutBefore);
    assert_eq!(chat.complete(&question("x"), None).await.expect_err("away").class(), "away");
    // Bound, so that nobody else takes the port, and not listened to.
    let silent = tokio::net::TcpSocket::new_v4().expect("a socket");
    silent.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
    let base_url = format!("http://{}/v1", silent.local_addr().expect("an address")).parse().expect("a URL");
    let provider = Provider::OpenAiCompatible { base_url, api_key: None, model: "gpt-4o-mini".to_owned() };
    let chat = self::chat(ChatConfig { provider, ..running.config() });
    let error = chat.complete(&question("x"), None).await.expect_err("away");
    assert_eq!(error.class(), "away");
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn limits_of_the_answer_are_sent() {
    let running = Running::openai().await;
    let chat = running.chat();
    let request = llm::ChatRequest { max_tokens: Some(5_000), temperature: Some(0.25), ..question("x") };
    chat.complete(&request, None).await.expect("an answer");
    let body = running.server.asked().remove(0).body;
    assert_eq!((&body["max_tokens"], &body["temperature"]), (&json!(1_024), &json!(0.25)));
}

/// A new connection is a handshake more before the first word.
#[tokio::test]
async fn a_stream_leaves_its_connection_to_the_next_question() {
    let mut running = Running::openai().await;
    running.server.script(When::any(), "Hello there.");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = running.base.socket_addrs(|| None).expect("an address")[0];
    running.base.set_port(Some(listener.local_addr().expect("an address").port())).expect("a port");
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut far = TcpStream::connect(server).await.expect("the server");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let chat = running.chat();
    for _ in 0..100 {
        let before = connections.load(Ordering::SeqCst);
        chat.complete(&question("Hello!"), None).await.expect("an answer");
        if before > 0 && connections.load(Ordering::SeqCst) == before {
            return;
        }
    }
    panic!("each of 100 questions needed a connection of its own");
}
