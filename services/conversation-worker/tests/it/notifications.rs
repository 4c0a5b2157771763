//! Messages that nobody asked for, from the RPC to the platform.

use domain::{Category, Content, ConversationId, Incoming, Unasked};
use proto::conversation::v1::{
    self as pb, conversation_service_client::ConversationServiceClient, send_notification_request::Recipient,
};
use tonic::{Code, transport::Channel};

use crate::{
    bench::{Bench, Engine, Running, eventually, incoming, tenant},
    on_both_engines, rpc,
};

on_both_engines!(
    within_the_window_the_words_are_sent_and_shown_as_the_assistants,
    outside_of_the_window_the_template_is_sent,
    a_stranger_on_whatsapp_gets_the_template_in_a_conversation_of_their_own,
    the_same_key_is_taken_once_by_each_recipient,
    the_same_key_with_other_content_is_refused,
    a_key_stays_taken_when_the_person_has_another_number,
    in_the_web_chat_an_opt_out_of_the_turn_before_stops_it,
    an_open_question_stays_open,
    the_window_is_judged_when_it_is_sent,
    an_answer_that_comes_too_late_is_not_sent,
    whoever_blocked_us_gets_nothing_until_they_write_again,
    what_cannot_be_sent_is_refused_with_what_to_do,
    a_notification_that_was_given_up_is_silent,
);

type Client = ConversationServiceClient<Channel>;

fn to_conversation(id: &str) -> pb::SendNotificationRequest {
    let mut request = pb::SendNotificationRequest {
        recipient: Some(Recipient::ConversationId(id.to_owned())),
        text: "Your parcel is here.".to_owned(),
        idempotency_key: "k1".to_owned(),
        ..Default::default()
    };
    request.set_category(pb::NotificationCategory::Service);
    request
}

fn to_number(number: &str) -> pb::SendNotificationRequest {
    let address = pb::Address { account: "infobip:main".to_owned(), address: number.to_owned() };
    pb::SendNotificationRequest { recipient: Some(Recipient::Address(address)), ..to_conversation("") }
}

fn template() -> Option<pb::Template> {
    let body_parameters = vec!["Ana".to_owned(), "4711".to_owned()];
    Some(pb::Template { name: "parcel".to_owned(), language: "en".to_owned(), body_parameters })
}

async fn notify(client: &mut Client, request: pb::SendNotificationRequest) -> pb::SendNotificationResponse {
    client.send_notification(request).await.unwrap().into_inner()
}

async fn state(client: &mut Client, sent: &pb::SendNotificationResponse) -> (String, String) {
    let request = pb::GetNotificationRequest { conversation_id: sent.conversation_id.clone(), seq: sent.seq };
    let state = client.get_notification(request).await.unwrap().into_inner();
    (state.status, state.reason)
}

/// A worker, and a conversation of 385911 in which these words were answered.
struct Talk {
    bench: Bench,
    worker: Running,
    client: Client,
    id: ConversationId,
}

async fn talk(engine: Engine, words: &str) -> Talk {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let client = rpc::client(&worker).await;
    let id = bench.say("385911", "m-1", words).await.conversation;
    bench.quiet(id).await;
    Talk { bench, worker, client, id }
}

async fn done(bench: &Bench, sent: &pb::SendNotificationResponse) -> ConversationId {
    let id = sent.conversation_id.parse().unwrap();
    bench.quiet(id).await;
    id
}

/// The person wrote a day and an hour ago.
async fn a_day_passes(bench: &Bench) {
    bench.meddle("update inbox set accepted_at = accepted_at - 90000000000").await;
}

async fn within_the_window_the_words_are_sent_and_shown_as_the_assistants(engine: Engine) {
    let Talk { bench, worker, mut client, id } = talk(engine, "hello").await;
    let sent = notify(&mut client, pb::SendNotificationRequest { template: template(), ..to_number("+385911") }).await;
    assert_eq!((sent.conversation_id.as_str(), sent.seq, sent.duplicate), (id.to_string().as_str(), 2, false));
    done(&bench, &sent).await;
    assert_eq!(bench.platform.texts(), ["hello", "Your parcel is here."]);
    assert_eq!(state(&mut client, &sent).await, ("sent".to_owned(), String::new()));
    let request = pb::ListMessagesRequest { conversation_id: id.to_string(), ..Default::default() };
    let listed = client.list_messages(request).await.unwrap().into_inner().messages;
    let shown: Vec<_> =
        listed.iter().map(|message| (message.cursor.as_str(), message.direction(), message.text.as_str())).collect();
    let (person, assistant) = (pb::Direction::Inbound, pb::Direction::Outbound);
    let expected = [("1.0", person, "hello"), ("1.1", assistant, "hello"), ("2.1", assistant, "Your parcel is here.")];
    assert_eq!(shown, expected);
    worker.stop().await;
}

async fn outside_of_the_window_the_template_is_sent(engine: Engine) {
    let Talk { bench, worker, mut client, id } = talk(engine, "hello").await;
    a_day_passes(&bench).await;
    let sent =
        notify(&mut client, pb::SendNotificationRequest { template: template(), ..to_conversation(&id.to_string()) })
            .await;
    done(&bench, &sent).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["hello", r#"template parcel en ["Ana","4711"]"#]);
    assert_eq!(bench.platform.sends()[1].to, "385911");
}

async fn a_stranger_on_whatsapp_gets_the_template_in_a_conversation_of_their_own(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let mut client = rpc::client(&worker).await;
    let only = pb::SendNotificationRequest { template: template(), text: String::new(), ..to_number("385919") };
    let sent = notify(&mut client, only).await;
    let id = done(&bench, &sent).await;
    assert_eq!(state(&mut client, &sent).await.0, "sent");
    // When they write, it is the same conversation, and free words go.
    assert_eq!(bench.say("385919", "m-1", "thanks").await.conversation, id);
    bench.quiet(id).await;
    let again = pb::SendNotificationRequest { idempotency_key: "k2".to_owned(), ..to_number("385919") };
    done(&bench, &notify(&mut client, again).await).await;
    worker.stop().await;
    let parcel = r#"template parcel en ["Ana","4711"]"#;
    assert_eq!(bench.platform.texts(), [parcel, "thanks", "Your parcel is here."]);
    assert_eq!(bench.inbox(id).await.len(), 3);
}

/// The platform refuses what is sent to 385911 now.
async fn blocks(bench: &Bench, id: ConversationId, how: &str) {
    let lease = store::Lease { peer: "385911".to_owned(), ..bench.reader(id) };
    let now = bench.store.reach(&lease.tenant, &lease.account, &lease.peer, None).await.unwrap().now;
    bench.store.note_opt_out(&lease, store::Scope::Blocked, how, now).await.unwrap();
}

async fn the_same_key_with_other_content_is_refused(engine: Engine) {
    let Talk { bench, worker, mut client, id } = talk(engine, "one").await;
    let first = notify(&mut client, to_number("385911")).await;
    done(&bench, &first).await;
    let mut marketing = to_number("385911");
    marketing.set_category(pb::NotificationCategory::Marketing);
    for other in [
        pb::SendNotificationRequest { text: "Your other parcel is here.".to_owned(), ..to_number("385911") },
        pb::SendNotificationRequest { template: template(), ..to_conversation(&id.to_string()) },
        marketing,
    ] {
        let refused = client.send_notification(other).await.unwrap_err();
        assert!(refused.code() == Code::AlreadyExists && refused.message().contains("idempotency_key"), "{refused}");
    }
    let text = " Your parcel is here. ".to_owned();
    let again = notify(&mut client, pb::SendNotificationRequest { text, ..to_number("385911") }).await;
    assert_eq!((again.seq, again.duplicate), (first.seq, true), "the same content");
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["one", "Your parcel is here."]);
}

async fn in_the_web_chat_an_opt_out_of_the_turn_before_stops_it(engine: Engine) {
    let bench = Bench::new(engine).await;
    let first = bench.start().await;
    let mut client = rpc::client(&first).await;
    let posted = client.post_message(rpc::post("ana", "hello", "")).await.unwrap().into_inner();
    let id: ConversationId = posted.conversation_id.parse().unwrap();
    bench.quiet(id).await;
    first.stop().await;
    // Both wait for a worker: their word that they want no more, and what was accepted before it was known.
    let accepted = async |provider: &str, key: &str, content: Content| {
        let account = "web:api".parse().unwrap();
        let incoming = Incoming { account, provider: provider.to_owned(), content, ..incoming("ana", key, "") };
        bench.store.accept(&[incoming]).await.unwrap()[0]
    };
    let unasked = Unasked { category: Category::Service, template: None };
    accepted("web", "m-2", Content::Text { text: "stop".to_owned() }).await;
    let unwanted = accepted("internal", "n-1", Content::Notification { text: "parcel".to_owned(), unasked }).await;
    assert_eq!((unwanted.conversation, unwanted.seq), (id, 3));
    let worker = bench.start().await;
    let mut client = rpc::client(&worker).await;
    bench.coordination.ring(id, None);
    bench.quiet(id).await;
    let sent = pb::SendNotificationResponse { conversation_id: id.to_string(), seq: 3, duplicate: false };
    assert_eq!(state(&mut client, &sent).await, ("failed".to_owned(), "opted_out: word".to_owned()));
    let request = pb::ListMessagesRequest { conversation_id: id.to_string(), ..Default::default() };
    let listed = client.list_messages(request).await.unwrap().into_inner().messages;
    assert!(listed.iter().all(|message| message.text != "parcel"), "{listed:?}");
    worker.stop().await;
}

async fn the_same_key_is_taken_once_by_each_recipient(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let mut client = rpc::client(&worker).await;
    let id = bench.say("385911", "m-1", "one").await.conversation;
    let other = bench.say("385912", "m-2", "two").await.conversation;
    bench.quiet(id).await;
    bench.quiet(other).await;
    let first = notify(&mut client, to_number("385911")).await;
    done(&bench, &first).await;
    // The person has blocked us since: a repeat is a repeat all the same.
    blocks(&bench, id, "x").await;
    let again = notify(&mut client, to_conversation(&id.to_string())).await;
    assert_eq!((again.conversation_id.as_str(), again.seq, again.duplicate), (first.conversation_id.as_str(), 2, true));
    assert!(!notify(&mut client, to_number("385912")).await.duplicate);
    bench.quiet(other).await;
    worker.stop().await;
    let texts = bench.platform.texts();
    assert_eq!(texts.iter().filter(|text| *text == "Your parcel is here.").count(), 2, "{texts:?}");
}

async fn a_key_stays_taken_when_the_person_has_another_number(engine: Engine) {
    let Talk { bench, worker, mut client, id } = talk(engine, "one").await;
    let first = notify(&mut client, to_number("385911")).await;
    done(&bench, &first).await;
    let content = Content::Moved { kind: "user_changed_number".to_owned(), to: "385912".to_owned() };
    bench.store.accept(&[Incoming { content, ..incoming("385911", "m-2", "") }]).await.unwrap();
    bench.coordination.ring(id, None);
    bench.quiet(id).await;
    for again in [to_number("385912"), to_conversation(&id.to_string())] {
        let again = notify(&mut client, again).await;
        assert_eq!((&again.conversation_id, again.seq, again.duplicate), (&first.conversation_id, 2, true));
    }
    let new = pb::SendNotificationRequest { idempotency_key: "k2".to_owned(), ..to_number("385912") };
    done(&bench, &notify(&mut client, new).await).await;
    // Whoever has the old number now is somebody else, before they write and after.
    let theirs = pb::SendNotificationRequest { template: template(), ..to_number("385911") };
    let stranger = notify(&mut client, theirs.clone()).await;
    assert!(!stranger.duplicate && stranger.conversation_id != first.conversation_id);
    done(&bench, &stranger).await;
    let again = notify(&mut client, theirs).await;
    assert_eq!((again.conversation_id, again.duplicate), (stranger.conversation_id, true));
    worker.stop().await;
    let (sends, texts) = (bench.platform.sends(), bench.platform.texts());
    let parcels = sends.iter().zip(&texts).filter(|(_, text)| *text == "Your parcel is here.");
    let to: Vec<&str> = parcels.map(|(send, _)| send.to.as_str()).collect();
    assert_eq!(to, ["385911", "385912"], "each key once, and the later one to the new number: {texts:?}");
}

async fn an_open_question_stays_open(engine: Engine) {
    let Talk { bench, worker, mut client, id } = talk(engine, "ask").await;
    assert_eq!(bench.snapshot(id).await.state["question_seq"], 1);
    done(&bench, &notify(&mut client, to_conversation(&id.to_string())).await).await;
    worker.stop().await;
    assert_eq!(bench.snapshot(id).await.state["question_seq"], 1);
    assert_eq!(bench.platform.texts(), ["Sure?", "Your parcel is here."]);
}

/// A notification without a template that was accepted when it could be.
async fn accepted_earlier(bench: &Bench, peer: &str) -> store::Accepted {
    let content = Content::Notification {
        text: "too late".to_owned(),
        unasked: Unasked { category: Category::Service, template: None },
    };
    let incoming = Incoming { provider: "internal".to_owned(), content, ..incoming(peer, "n-1", "") };
    bench.store.accept(&[incoming]).await.unwrap()[0]
}

async fn the_window_is_judged_when_it_is_sent(engine: Engine) {
    let bench = Bench::new(engine).await;
    let first = bench.start().await;
    let id = bench.say("385911", "m-1", "hello").await.conversation;
    bench.quiet(id).await;
    first.stop().await;
    let accepted = accepted_earlier(&bench, "385911").await;
    a_day_passes(&bench).await;
    let worker = bench.start().await;
    bench.coordination.ring(id, None);
    bench.quiet(id).await;
    let state = bench.store.notification(&tenant(), id, accepted.seq).await.unwrap().unwrap();
    worker.stop().await;
    assert_eq!(state.status, "failed");
    assert!(state.reason.unwrap().starts_with("window_closed"));
    assert_eq!(bench.platform.texts(), ["hello"], "it was not tried");
}

async fn an_answer_that_comes_too_late_is_not_sent(engine: Engine) {
    let bench = Bench::new(engine).await;
    let accepted = bench.store.accept(&[incoming("385911", "m-1", "hello")]).await.unwrap()[0];
    a_day_passes(&bench).await;
    let worker = bench.start().await;
    bench.coordination.ring(accepted.conversation, None);
    eventually("answered, and failed", async || {
        bench.told(accepted.conversation).await == [("hello".to_owned(), "failed".to_owned())]
    })
    .await;
    // Whoever writes again is answered.
    bench.say("385911", "m-2", "and now").await;
    bench.quiet(accepted.conversation).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["and now"]);
}

async fn whoever_blocked_us_gets_nothing_until_they_write_again(engine: Engine) {
    let Talk { bench, worker, mut client, id } = talk(engine, "hello").await;
    blocks(&bench, id, "403 blocked").await;
    let refused = client.send_notification(to_conversation(&id.to_string())).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    // One that was accepted before is judged when it is sent.
    let accepted = accepted_earlier(&bench, "385911").await;
    bench.coordination.ring(id, None);
    bench.quiet(id).await;
    let state = bench.store.notification(&tenant(), id, accepted.seq).await.unwrap().unwrap();
    assert_eq!((state.status.as_str(), state.reason.as_deref()), ("failed", Some("opted_out: 403 blocked")));
    bench.say("385911", "m-2", "back").await;
    bench.quiet(id).await;
    done(&bench, &notify(&mut client, to_conversation(&id.to_string())).await).await;
    worker.stop().await;
    assert_eq!(bench.platform.texts(), ["hello", "back", "Your parcel is here."]);
}

async fn what_cannot_be_sent_is_refused_with_what_to_do(engine: Engine) {
    let bench = Bench::new(engine).await;
    let worker = bench.start().await;
    let mut client = rpc::client(&worker).await;
    let refused = async |client: &mut Client, request: pb::SendNotificationRequest| {
        let refused = client.send_notification(request).await.unwrap_err();
        (refused.code(), refused.message().to_owned())
    };
    let posted = client.post_message(rpc::post("ana", "hello", "")).await.unwrap().into_inner();
    let at = |account: &str, address: &str| {
        let address = pb::Address { account: account.to_owned(), address: address.to_owned() };
        pb::SendNotificationRequest { recipient: Some(Recipient::Address(address)), ..to_conversation("") }
    };
    for (request, code, words) in [
        (
            pb::SendNotificationRequest { recipient: None, ..to_conversation("") },
            Code::InvalidArgument,
            "conversation_id",
        ),
        (to_conversation("x"), Code::NotFound, "no such conversation"),
        (to_conversation("00000000-0000-0000-0000-000000000000"), Code::NotFound, "no such conversation"),
        (at("infobip:main", ""), Code::InvalidArgument, "address"),
        (at("infobip:main", "not a number"), Code::InvalidArgument, "phone number"),
        (at("infobip:other", "385911"), Code::NotFound, "account"),
        (at("web:api", "nobody"), Code::NotFound, "written first"),
        (to_number("385911"), Code::FailedPrecondition, "give a template"),
        (
            pb::SendNotificationRequest {
                text: String::new(),
                template: template(),
                ..to_conversation(&posted.conversation_id)
            },
            Code::InvalidArgument,
            "no templates",
        ),
        (
            pb::SendNotificationRequest { idempotency_key: String::new(), ..to_number("385911") },
            Code::InvalidArgument,
            "idempotency_key",
        ),
    ] {
        let told = format!("{request:?}");
        let (found, message) = refused(&mut client, request).await;
        assert!(found == code && message.contains(words), "{told}: {found:?} {message}");
    }
    // A web chat has no window, and reads from the store.
    let sent = notify(&mut client, to_conversation(&posted.conversation_id)).await;
    done(&bench, &sent).await;
    assert_eq!(state(&mut client, &sent).await.0, "sent");
    let unknown = pb::GetNotificationRequest { conversation_id: sent.conversation_id.clone(), seq: 1 };
    assert_eq!(client.get_notification(unknown).await.unwrap_err().code(), Code::NotFound, "it is a person's message");
    worker.stop().await;
    assert_eq!(bench.platform.sends(), []);
}

async fn a_notification_that_was_given_up_is_silent(engine: Engine) {
    let bench = Bench::new(engine).await;
    let asked = bench.start().await;
    let id = bench.say("385911", "m-1", "ask").await.conversation;
    bench.quiet(id).await;
    asked.stop().await;
    let accepted = accepted_earlier(&bench, "385911").await;
    bench.meddle("update inbox set attempts = 5 where seq = 2").await;
    let worker = bench.start().await;
    bench.coordination.ring(id, None);
    bench.quiet(id).await;
    let state = bench.store.notification(&tenant(), id, accepted.seq).await.unwrap().unwrap();
    worker.stop().await;
    assert_eq!(state.status, "failed");
    assert_eq!(bench.platform.texts(), ["Sure?"], "nobody is told to try again");
}
