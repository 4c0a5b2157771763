//! ConversationService over real gRPC.

use proto::conversation::v1::{
    self as pb, conversation_service_client::ConversationServiceClient, watch_conversation_response::Event,
};
use tonic::{Code, transport::Channel};

use crate::{
    bench::{Bench, Engine, Running},
    on_both_engines,
};

on_both_engines!(
    a_posted_message_is_answered_on_the_watched_stream,
    the_same_key_is_accepted_once,
    pages_hold_every_message_once,
    conversations_of_nobody_are_not_found,
);

pub async fn client(worker: &Running) -> ConversationServiceClient<Channel> {
    let mut error = None;
    for _ in 0..50 {
        match ConversationServiceClient::connect(format!("http://{}", worker.grpc)).await {
            Ok(client) => return client,
            Err(refused) => error = Some(refused),
        }
    }
    panic!("no connection: {error:?}")
}

pub fn post(user: &str, text: &str, key: &str) -> pb::PostMessageRequest {
    pb::PostMessageRequest {
        user_id: user.to_owned(),
        text: text.to_owned(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    }
}

/// Events until the turn `done_seq` is done, as words.
async fn watch(client: &mut ConversationServiceClient<Channel>, id: &str, cursor: &str, done_seq: i64) -> Vec<String> {
    let request = pb::WatchConversationRequest { conversation_id: id.to_owned(), cursor: cursor.to_owned() };
    let mut events = client.watch_conversation(request).await.unwrap().into_inner();
    let mut seen = Vec::new();
    while let Some(event) = events.message().await.unwrap() {
        match event.event.unwrap() {
            Event::Message(message) => seen.push(format!("{} {} {}", message.cursor, message.text, message.status)),
            Event::Reset(_) => seen.push("reset".to_owned()),
            Event::TurnDone(done) if done.done_seq >= done_seq => return seen,
            Event::TurnDone(_) => {}
        }
    }
    panic!("the stream ended before the turn: {seen:?}")
}

async fn a_posted_message_is_answered_on_the_watched_stream(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let mut client = client(&worker).await;
    let posted = client.post_message(post("ana", "hello", "")).await.unwrap().into_inner();
    assert_eq!((posted.seq, posted.duplicate), (1, false));
    let id = posted.conversation_id;
    let kept = bench.inbox(id.parse().unwrap()).await;
    assert_eq!(kept[0].incoming.written_at, None, "our clock is not the database's");
    assert_eq!(watch(&mut client, &id, "", 1).await, ["1.1 hello sent"]);
    let mut again = post("ana", "and again", "");
    again.conversation_id.clone_from(&id);
    assert_eq!(client.post_message(again).await.unwrap().into_inner().seq, 2);
    assert_eq!(watch(&mut client, &id, "1.1", 2).await, ["reset", "2.1 and again sent"]);
    assert_eq!(watch(&mut client, &id, "2.0", 2).await, ["reset", "2.1 and again sent"]);
    worker.stop().await;
    assert_eq!(bench.platform.sends(), [], "there is nothing to send");
}

async fn the_same_key_is_accepted_once(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let mut client = client(&worker).await;
    let first = client.post_message(post("ana", "hello", "k")).await.unwrap().into_inner();
    let second = client.post_message(post("ana", "hello", "k")).await.unwrap().into_inner();
    let other = client.post_message(post("ivo", "hello", "k")).await.unwrap().into_inner();
    assert_eq!(
        (second.conversation_id.as_str(), second.seq, second.duplicate),
        (first.conversation_id.as_str(), 1, true)
    );
    assert!(!other.duplicate);
    assert_ne!(other.conversation_id, first.conversation_id);
    worker.stop().await;
}

async fn pages_hold_every_message_once(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let mut client = client(&worker).await;
    let mut id = String::new();
    for n in 0..5 {
        id = client.post_message(post("ana", &format!("text {n}"), "")).await.unwrap().into_inner().conversation_id;
        client.post_message(post(&format!("user-{n}"), "hi", "")).await.unwrap();
    }
    watch(&mut client, &id, "", 5).await;
    let (mut token, mut cursors) = (String::new(), Vec::new());
    loop {
        let request = pb::ListMessagesRequest { conversation_id: id.clone(), page_size: 3, page_token: token };
        let page = client.list_messages(request).await.unwrap().into_inner();
        cursors.extend(page.messages.into_iter().map(|message| message.cursor));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected: Vec<_> = (1..=5).flat_map(|seq| [format!("{seq}.0"), format!("{seq}.1")]).collect();
    assert_eq!(cursors, expected);
    let (mut token, mut ids) = (String::new(), std::collections::BTreeSet::new());
    loop {
        let request = pb::ListConversationsRequest { page_size: 2, page_token: token };
        let page = client.list_conversations(request).await.unwrap().into_inner();
        for conversation in page.conversations {
            assert_eq!(conversation.account, "web:api");
            assert!(ids.insert(conversation.conversation_id), "listed twice");
        }
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(ids.len(), 6);
    worker.stop().await;
}

async fn conversations_of_nobody_are_not_found(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let mut client = client(&worker).await;
    let mine = client.post_message(post("ana", "hello", "")).await.unwrap().into_inner().conversation_id;
    for id in ["", "x", "00000000-0000-0000-0000-000000000000"] {
        let request = pb::GetConversationRequest { conversation_id: id.to_owned() };
        assert_eq!(client.get_conversation(request).await.unwrap_err().code(), Code::NotFound, "{id}");
    }
    let mut foreign = post("ivo", "hello", "");
    foreign.conversation_id.clone_from(&mine);
    assert_eq!(client.post_message(foreign).await.unwrap_err().code(), Code::NotFound);
    let request = pb::WatchConversationRequest { conversation_id: mine.clone(), cursor: "x".to_owned() };
    assert_eq!(client.watch_conversation(request).await.unwrap_err().code(), Code::InvalidArgument);
    let request = pb::ListMessagesRequest { conversation_id: mine, page_size: 201, page_token: String::new() };
    assert_eq!(client.list_messages(request).await.unwrap_err().code(), Code::InvalidArgument);
    worker.stop().await;
}
