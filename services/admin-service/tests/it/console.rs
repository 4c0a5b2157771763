//! The console over real HTTP: who comes in, what is shown, what is changed, and what is written down.

use std::time::Duration;

use domain::{ConversationId, Incoming};
use reqwest::StatusCode;
use serde_json::json;
use store::{Commit, OutboxNew, Step, StepKind, StepStatus, Why};
use tokio_stream::StreamExt as _;
use uuid::Uuid;

use crate::{
    browser::Browser,
    support::{Engine, Running, incoming, on_both_engines, start_with, tenant},
};

on_both_engines!(
    an_operator_signs_in_looks_and_leaves,
    messages_are_escaped_and_personal_data_is_masked_until_asked_for,
    one_ticked_or_all_dead_letters_are_replayed_after_a_question,
    dead_letters_are_put_away_with_a_reason,
    nothing_is_changed_without_the_sessions_token,
    operators_see_their_own_tenants_only,
    conversations_and_audit_are_read_page_by_page,
    what_platforms_tell_is_shown_masked_page_by_page,
);

/// Pages of a tenant.
const PAGES: [&str; 11] = [
    "",
    "/figures",
    "/events",
    "/dead-letters",
    "/dead-letters/confirm?do=replay-all",
    "/conversations",
    "/audit",
    "/catalogue/search",
    "/platforms",
    "/switches",
    "/switches/confirm?name=AI_ENABLED&value=false",
];
const FORMS: [&str; 6] = [
    "/dead-letters/replay",
    "/dead-letters/discard",
    "/conversations/00000000-0000-0000-0000-000000000001/reveal",
    "/catalogue/search",
    "/platforms/reveal",
    "/switches/change",
];

async fn actions(running: &Running, name: &str) -> Vec<String> {
    let lines = running.store.list_audit(&tenant(name), None, 100).await.expect("the audit");
    assert_eq!(running.store.audit_break().await.expect("an answer"), None);
    for line in &lines {
        assert_eq!(line.entry.detail["from"], "127.0.0.1", "{line:?}");
    }
    lines.into_iter().rev().map(|line| format!("{} {}", line.entry.actor, line.entry.action)).collect()
}

/// A message that holds what must not be shown, answered by a turn with a search and a call.
async fn talk(running: &Running) -> ConversationId {
    let message = Incoming {
        peer: "385911234567".to_owned(),
        user: "385911234567".to_owned(),
        contact_name: Some("Ana <b>Horvat</b>".to_owned()),
        content: domain::Content::Text {
            text: "<script>alert('x')</script> I am Ana, ana@example.com, +385 91 234 5678".to_owned(),
        },
        ..incoming("acme", "m1")
    };
    let store = &running.store;
    let accepted = store.accept(&[message]).await.expect("accepted")[0];
    let lease = store.claim(accepted.conversation, Uuid::new_v4()).await.expect("an answer").expect("a lease");
    store.journal(&lease, 1, &[Step::range(1)]).await.expect("journaled");
    let step = |n: i32, kind, request, result| Step {
        n,
        kind,
        request_hash: String::new(),
        idempotency_key: None,
        status: StepStatus::Done,
        request,
        result: Some(result),
        format: 1,
    };
    let hit = json!({ "operation_id": "d/GET /x", "title": "<i>X</i>", "score": 1.5, "probability": 0.25, "parts": [["bm25", 1.0]] });
    let search = json!({ "action": "search", "text": "I am Ana", "language": "en" });
    let search = step(1, StepKind::Decision, search, json!({ "hits": [hit], "coverage": 0.5 }));
    let call = json!({ "operation_id": "d/GET /x", "risk": "safe", "purpose": "lookup", "arguments": { "query:phone": "385911234567" } });
    let call = step(
        2,
        StepKind::Call,
        call,
        json!({ "outcome": "answered", "status": 200, "body": { "iban": "HR1210010051863000160" } }),
    );
    store.journal(&lease, 1, &[search]).await.expect("journaled");
    store.journal(&lease, 1, &[call]).await.expect("journaled");
    let reply = json!({ "text": "Hello Ana, <script>alert('y')</script>" });
    let commit = Commit {
        first_seq: 1,
        last_seq: 1,
        steps: Vec::new(),
        replies: vec![OutboxNew { part: 0, reply, sent_already: true, refused: None, question: false, file: None }],
        begin_send: false,
        state: json!({}),
        audit: None,
        dead_letter: None,
        alarms: store::Alarms::default(),
        opt_outs: Vec::new(),
        opted_at: None,
    };
    store.commit(&lease, &commit).await.expect("committed");
    store.release_idle(&lease).await.expect("released");
    accepted.conversation
}

async fn an_operator_signs_in_looks_and_leaves(engine: Engine) {
    let running = start_with(engine, &[]).await;
    let browser = Browser::new(running.http);
    let page = browser.get("/console/t/acme/audit?before=3").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert_eq!(page.location(), "/console/sign-in?next=%2Fconsole%2Ft%2Facme%2Faudit%3Fbefore%3D3");
    for wrong in ["", " ", "acme-ke", "acme-key2", "narrow-key", &"x".repeat(2_000)] {
        let page = browser.sign_in(wrong).await;
        assert_eq!(page.status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert!(page.has("This token is not known."));
        assert_eq!(browser.cookie("dragoman_console"), None);
    }
    let entry = browser.get(page.location()).await;
    let fields = [("csrf", entry.field("csrf")), ("next", entry.field("next")), ("token", " acme-key ".to_owned())];
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = browser.post("/console/sign-in", &fields).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/console/t/acme/audit?before=3"));
    let cookie = browser.cookie("dragoman_console").expect("a session");
    let set = page.headers.get("set-cookie").and_then(|value| value.to_str().ok()).expect("a cookie");
    assert!(set.ends_with("; Path=/; Max-Age=28800; HttpOnly; SameSite=Strict"), "{set}");

    assert_eq!(browser.get("/console").await.location(), "/console/t/acme");
    let overview = browser.get("/console/t/acme").await;
    assert_eq!(overview.status, StatusCode::OK);
    assert!(overview.has("Overview") && overview.has("acme-key") && overview.has("Latency p95"), "{}", overview.text);
    assert!(!overview.has(&cookie));

    let page = browser.submit("/console/t/acme", "/console/sign-out", &[]).await;
    assert_eq!(page.location(), "/console/sign-in");
    assert_eq!(browser.cookie("dragoman_console"), None);
    browser.set_cookie("dragoman_console", &cookie);
    assert_eq!(
        browser.get("/console/t/acme").await.status,
        StatusCode::SEE_OTHER,
        "the session is gone, not only the cookie"
    );
    assert_eq!(actions(&running, "acme").await, ["acme-key console.sign_in", "acme-key console.sign_out"]);
}

async fn messages_are_escaped_and_personal_data_is_masked_until_asked_for(engine: Engine) {
    let running = start_with(engine, &[]).await;
    let conversation = talk(&running).await;
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let path = format!("/console/t/acme/conversations/{conversation}");
    let list = browser.get("/console/t/acme/conversations").await;
    assert!(list.has(&path) && list.has("…567") && !list.has("385911234567"), "{}", list.text);
    let masked = browser.get(&path).await;
    assert_eq!(masked.status, StatusCode::OK);
    for shown in [
        "[name]",
        "[e-mail]",
        "[number]",
        "Called d/GET /x",
        "25 %",
        "answered in",
        "&#60;script&#62;",
        "&#60;i&#62;X&#60;/i&#62;",
        "[hidden]",
    ] {
        assert!(masked.has(shown), "{shown} is not in {}", masked.text);
    }
    for hidden in
        ["Ana", "Horvat", "385911234567", "234 5678", "ana@example.com", "HR12", "<script>alert", "<i>X", "<b>"]
    {
        assert!(!masked.has(hidden), "{hidden} is in {}", masked.text);
    }

    let reveal = format!("{path}/reveal");
    let page = browser.submit(&path, &reveal, &[("why", " ")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = browser.submit(&path, &reveal, &[("why", "the person asked for it")]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, path.as_str()));
    let shown = browser.get(&path).await;
    for known in ["Ana", "+385 91 234 5678", "ana@example.com", "HR1210010051863000160", "&#60;b&#62;"] {
        assert!(shown.has(known), "{known} is not in {}", shown.text);
    }
    assert!(!shown.has("<script>alert") && !shown.has("<b>Horvat"), "{}", shown.text);
    let stranger = Browser::signed_in(running.http, "acme-key").await;
    assert!(!stranger.get(&path).await.has("ana@example.com"), "another session asked for nothing");

    let entries = running.store.list_audit(&tenant("acme"), None, 100).await.expect("the audit");
    let revealed = entries.iter().find(|line| line.entry.action == "conversation.reveal").expect("written down");
    assert_eq!(revealed.entry.detail["reason"], "the person asked for it");
    assert_eq!(revealed.entry.subject, conversation.to_string());
    let looks = entries.iter().filter(|line| line.entry.action == "conversation.look").count();
    assert_eq!(looks, 5, "every look is written down: one, two before asking, one after it, and the stranger's");
    let missing = format!("/console/t/acme/conversations/{}", Uuid::nil());
    assert_eq!(browser.get(&missing).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/console/t/acme/conversations/x").await.status, StatusCode::NOT_FOUND);
}

async fn one_ticked_or_all_dead_letters_are_replayed_after_a_question(engine: Engine) {
    let running = start_with(engine, &[]).await;
    let conversation = running.dead_letter("acme", "m1", false).await;
    for message in ["m2", "m3"] {
        running.dead_letter("acme", message, false).await;
    }
    running.given_up(incoming("acme", "m4"), "<script>why</script>", true).await;
    let letters = running.store.list_dead_letters(&tenant("acme"), None, 10).await.expect("letters");
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let list = browser.get("/console/t/acme/dead-letters").await;
    assert!(list.has("4 that match") && list.has("&#60;script&#62;why") && !list.has("<script>why"), "{}", list.text);
    let filtered = browser.get("/console/t/acme/dead-letters?reason=the+backend+never+answered").await;
    assert!(filtered.has("3 that match") && !filtered.has(&letters[0].id.to_string()), "{}", filtered.text);

    let one = format!("/console/t/acme/dead-letters/{}", letters[3].id);
    let page = browser.get(&one).await;
    assert!(page.has(&conversation.to_string()) && page.has("Replay …"), "{}", page.text);
    let confirm = format!("/console/t/acme/dead-letters/confirm?do=replay&id={}", letters[3].id);
    let page = browser.get(&confirm).await;
    assert!(page.has("Replay 1 dead letter?") && page.has("1 × the backend never answered"), "{}", page.text);
    let open = running.store.find_dead_letter(&tenant("acme"), letters[3].id).await.expect("an answer");
    assert_eq!(open.expect("there").replayed_at, None, "a question changes nothing");

    let id = letters[3].id.to_string();
    let replay = "/console/t/acme/dead-letters/replay";
    let page = browser.submit(&confirm, replay, &[("id", &id)]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER);
    assert!(browser.get(page.location()).await.has("Replayed 1 dead letter."));
    assert!(!browser.get(page.location()).await.has("Replayed 1 dead letter."), "it is told once");
    let mut listener = running.coordination.listen("worker");
    let bells = listener.next(10).await.expect("in this process");
    assert_eq!(bells.iter().map(|bell| bell.conversation).collect::<Vec<_>>(), [conversation]);
    let page = browser.submit(&confirm, replay, &[("id", &id)]).await;
    assert!(browser.get(page.location()).await.has("Replayed 0 dead letters."));
    let replayed = browser.get("/console/t/acme/dead-letters?state=replayed").await;
    assert!(replayed.has(&id) && replayed.has("as message 2") && !replayed.has("Replay ticked"), "{}", replayed.text);

    // All that match; one that comes after the question is not meant, and an unknown effect needs its own yes.
    let page = browser.get("/console/t/acme/dead-letters/confirm?do=replay-all").await;
    assert!(page.has("Replay 3 dead letters?") && page.has("1 of them may have had an effect"), "{}", page.text);
    running.dead_letter("acme", "m5", false).await;
    let (csrf, until) = (page.field("csrf"), page.field("until"));
    let fields = [("csrf", csrf.as_str()), ("all", "yes"), ("until", until.as_str())];
    let done = browser.post(replay, &fields).await;
    let told = browser.get(done.location()).await;
    assert!(told.has("Replayed 2 dead letters. 1 left: an effect may have happened"), "{}", told.text);
    let accepted: Vec<_> = fields.iter().copied().chain([("accept_unknown_effects", "yes")]).collect();
    let done = browser.post(replay, &accepted).await;
    assert!(browser.get(done.location()).await.has("Replayed 1 dead letter."));
    let left = running.store.find_dead_letters(&tenant("acme"), &Default::default(), None, 10).await.expect("letters");
    assert_eq!(left.len(), 1, "the one that came later is left");
    let actions = actions(&running, "acme").await;
    assert_eq!(actions.iter().filter(|action| *action == "acme-key dead_letter.replay").count(), 4, "{actions:?}");
    assert_eq!(actions.iter().filter(|action| *action == "acme-key dead_letter.look").count(), 1, "{actions:?}");
}

async fn dead_letters_are_put_away_with_a_reason(engine: Engine) {
    let running = start_with(engine, &[]).await;
    running.dead_letter("acme", "m1", true).await;
    let id = running.store.list_dead_letters(&tenant("acme"), None, 10).await.expect("letters")[0].id.to_string();
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let confirm = format!("/console/t/acme/dead-letters/confirm?do=discard&id={id}");
    let discard = "/console/t/acme/dead-letters/discard";
    let page = browser.submit(&confirm, discard, &[("id", &id), ("why", "")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = browser.submit(&confirm, discard, &[("id", &id), ("why", "<b>a test</b>")]).await;
    assert!(browser.get(page.location()).await.has("Discarded 1 dead letter."));
    let gone = browser.get("/console/t/acme/dead-letters?state=discarded").await;
    assert!(gone.has("by acme-key: &#60;b&#62;a test") && !gone.has("<b>a test"), "{}", gone.text);
    assert!(browser.get("/console/t/acme/dead-letters").await.has("There are none."));
    let entries = running.store.list_audit(&tenant("acme"), None, 10).await.expect("the audit");
    assert_eq!(
        (entries[0].entry.action.as_str(), &entries[0].entry.detail["reason"]),
        ("dead_letter.discard", &json!("<b>a test</b>"))
    );
    // Over gRPC it is gone, too.
    let request = proto::admin::v1::ListDeadLettersRequest { page_size: 0, page_token: String::new() };
    let listed = running.client("acme-key").list_dead_letters(request).await.expect("a page").into_inner();
    assert_eq!(listed.dead_letters, []);
}

async fn nothing_is_changed_without_the_sessions_token(engine: Engine) {
    let running = start_with(engine, &[]).await;
    running.dead_letter("acme", "m1", false).await;
    let letter = running.store.list_dead_letters(&tenant("acme"), None, 10).await.expect("letters")[0].id;
    let id = letter.to_string();
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let stranger = Browser::signed_in(running.http, "other-key").await;
    let own = browser.get("/console/t/acme").await.field("csrf");
    let foreign = stranger.get("/console/t/other").await.field("csrf");
    let replay = "/console/t/acme/dead-letters/replay";
    for token in [None, Some(""), Some(foreign.as_str()), Some(&own[1..])] {
        let mut fields = vec![("id", id.as_str())];
        fields.extend(token.map(|token| ("csrf", token)));
        let page = browser.post(replay, &fields).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{token:?}");
    }
    let fields = [("id", id.as_str()), ("csrf", own.as_str())];
    let page = browser.post_with(replay, &fields, &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let page = browser.post_with("/console/sign-out", &[], &[]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let open = running.store.find_dead_letter(&tenant("acme"), letter).await.expect("an answer").expect("there");
    assert!(open.replayed_at.is_none());
    assert_eq!(actions(&running, "acme").await, ["acme-key console.sign_in"]);
    // A sign-in without its own page is none, either.
    let fresh = Browser::new(running.http);
    assert_eq!(fresh.post("/console/sign-in", &[("token", "acme-key")]).await.status, StatusCode::FORBIDDEN);
    let entry = fresh.get("/console/sign-in").await.field("csrf");
    let other = Browser::new(running.http);
    let page = other.post("/console/sign-in", &[("token", "acme-key"), ("csrf", &entry)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "the page's cookie is not there");
    assert_eq!(
        browser.post_with(replay, &fields, &[("sec-fetch-site", "same-origin")]).await.status,
        StatusCode::SEE_OTHER
    );
}

async fn operators_see_their_own_tenants_only(engine: Engine) {
    let running = start_with(engine, &[("console.tenants", json!({ "other-key": ["*"] }))]).await;
    let conversation = running.dead_letter("acme", "m1", false).await;
    let other = running.dead_letter("other", "m2", false).await;
    let letters = running.store.list_dead_letters(&tenant("other"), None, 10).await.expect("letters");
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let csrf = browser.get("/console/t/acme").await.field("csrf");
    for page in PAGES {
        assert_eq!(browser.get(&format!("/console/t/other{page}")).await.status, StatusCode::NOT_FOUND, "{page}");
        assert_eq!(browser.get(&format!("/console/t/nobody{page}")).await.status, StatusCode::NOT_FOUND, "{page}");
    }
    for form in FORMS {
        let page = browser.post(&format!("/console/t/other{form}"), &[("csrf", &csrf)]).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{form}");
    }
    // Another tenant's ids lead nowhere from one's own pages.
    let id = letters[0].id.to_string();
    for path in [format!("/conversations/{other}"), format!("/dead-letters/{id}")] {
        assert_eq!(browser.get(&format!("/console/t/acme{path}")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let fields = [("csrf", csrf.as_str()), ("id", id.as_str()), ("why", "x")];
    for form in ["replay", "discard"] {
        browser.post(&format!("/console/t/acme/dead-letters/{form}"), &fields).await;
    }
    let letter =
        running.store.find_dead_letter(&tenant("other"), letters[0].id).await.expect("an answer").expect("there");
    assert!(letter.replayed_at.is_none() && letter.discarded.is_none());
    let list = browser.get("/console/t/acme/conversations").await;
    assert!(list.has(&conversation.to_string()) && !list.has(&other.to_string()));
    assert!(!browser.get("/console/t/acme").await.has("/console/t/other"));

    let all = Browser::signed_in(running.http, "other-key").await;
    for (name, id) in [("acme", conversation), ("other", other)] {
        let page = all.get(&format!("/console/t/{name}/conversations/{id}")).await;
        assert_eq!(page.status, StatusCode::OK, "{name}");
        assert!(page.has("/console/t/acme\"") && page.has("/console/t/other\""), "{}", page.text);
        let audit = running.store.list_audit(&tenant(name), None, 1).await.expect("the audit");
        assert_eq!(audit[0].entry.actor, "other-key", "a look is written down where it was");
    }
}

async fn conversations_and_audit_are_read_page_by_page(engine: Engine) {
    let running = start_with(engine, &[]).await;
    for i in 0..52 {
        running.store.accept(&[incoming("acme", &format!("person-{i:02}"))]).await.expect("accepted");
    }
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let first = browser.get("/console/t/acme/conversations?state=waiting&channel=infobip").await;
    assert_eq!(first.text.matches(", conversation ").count(), 50);
    let (_, rest) = first
        .text
        .split_once(r#"href="/console/t/acme/conversations?channel=infobip&#38;state=waiting&#38;before="#)
        .expect("a link to the next page");
    let before = rest.split('"').next().expect("an id");
    let second =
        browser.get(&format!("/console/t/acme/conversations?channel=infobip&state=waiting&before={before}")).await;
    assert_eq!(second.text.matches(", conversation ").count(), 2);
    assert!(second.has(">Newest</a>") && !second.has(">Older</a>"));
    for (query, count) in
        [("?state=quiet", 0), ("?channel=web", 0), ("?channel=%3Cscript%3E", 50), ("?state=nonsense", 50)]
    {
        let page = browser.get(&format!("/console/t/acme/conversations{query}")).await;
        assert_eq!(page.text.matches(", conversation ").count(), count, "{query}");
    }
    // 52 looks fill more than a page of the audit.
    let lines = running.store.find_conversations(&tenant("acme"), &Default::default(), None, 52).await.expect("a list");
    for line in lines {
        browser.get(&format!("/console/t/acme/conversations/{}", line.row.id)).await;
    }
    let audit = browser.get("/console/t/acme/audit").await;
    assert_eq!(audit.text.matches("conversation.look").count(), 50);
    let (_, rest) = audit.text.split_once("/console/t/acme/audit?before=").expect("a link to the next page");
    let before = rest.split('"').next().expect("a place");
    let older = browser.get(&format!("/console/t/acme/audit?before={before}")).await;
    assert_eq!((older.text.matches("conversation.look").count(), older.has("console.sign_in")), (2, true));
}

async fn what_platforms_tell_is_shown_masked_page_by_page(engine: Engine) {
    let running = start_with(engine, &[]).await;
    let account = incoming("acme", "m").account;
    let keep = async |name: &str, body: &[u8], why: Why| {
        running.store.store_unreadable(&tenant(name), &account, body, &why).await.expect("kept");
    };
    for number in 0..51 {
        let body = json!({ "event": "REJECTED", "phone": "385911234567", "number": number });
        keep("acme", body.to_string().as_bytes(), Why::Event(format!("template.{number:02}"))).await;
    }
    keep("acme", b"Ana Horvat <b>now", Why::Unread("no JSON: <i>".to_owned())).await;
    let late = json!({ "contact_name": "Ana Horvat", "content": { "text": "Ana here, ring 385911234567" } });
    keep("acme", late.to_string().as_bytes(), Why::Unread("written too long ago".to_owned())).await;
    keep("acme", &vec![b'x'; 20_000], Why::Unread("too deep".to_owned())).await;
    keep("other", b"{}", Why::Event("theirs".to_owned())).await;

    let browser = Browser::signed_in(running.http, "acme-key").await;
    let first = browser.get("/console/t/acme/platforms").await;
    assert!(first.has("template.50") && first.has("template.01") && !first.has("template.00"), "{}", first.text);
    assert!(first.has("REJECTED") && !first.has("385911234567") && !first.has("theirs") && !first.has("no JSON"));
    let (_, rest) = first.text.split_once("/console/t/acme/platforms?before=").expect("a link to the next page");
    let before = rest.split('"').next().expect("an id");
    let older = browser.get(&format!("/console/t/acme/platforms?before={before}")).await;
    assert!(older.has("template.00") && !older.has("template.01") && older.has(">Newest</a>"));
    let unread = browser.get("/console/t/acme/platforms?show=unread").await;
    assert!(unread.has("no JSON: &#60;i&#62;") && unread.has("[name] here, ring [number]"), "{}", unread.text);
    assert!(unread.has("20000 bytes") && unread.has("17 bytes") && !unread.has("xxxx") && !unread.has("template"));
    assert!(!unread.has("Ana") && !unread.has("Horvat"), "{}", unread.text);

    let (path, reveal) = ("/console/t/acme/platforms?show=unread", "/console/t/acme/platforms/reveal");
    assert_eq!(browser.submit(path, reveal, &[("why", " ")]).await.status, StatusCode::BAD_REQUEST);
    assert!(!browser.get("/console/t/acme/platforms?show=unread").await.has("Horvat"));
    let answer = browser.submit(path, reveal, &[("show", "unread"), ("why", "ticket 7")]).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, path));
    let unread = browser.get("/console/t/acme/platforms?show=unread").await;
    assert!(unread.has("Ana Horvat &#60;b&#62;now") && unread.has("Ana here, ring 385911234567"), "{}", unread.text);
    assert!(unread.has("20000 bytes") && !unread.has("xxxx"));
    let other = Browser::signed_in(running.http, "acme-key").await;
    assert!(!other.get("/console/t/acme/platforms?show=unread").await.has("Horvat"), "another session");

    let did = actions(&running, "acme").await;
    let count = |what: &str| did.iter().filter(|action| action.ends_with(what)).count();
    assert_eq!((count("platforms.look"), count("platforms.reveal")), (8, 1), "{did:?}");
}

#[tokio::test]
async fn no_page_opens_without_a_session_and_every_answer_is_guarded() {
    let running = start_with(Engine::Sqlite, &[]).await;
    let browser = Browser::new(running.http);
    for page in PAGES.iter().map(|page| format!("/console/t/acme{page}")).chain(["/console".to_owned()]) {
        let answer = browser.get(&page).await;
        let expected = if page.ends_with("/figures") || page.ends_with("/events") { 401 } else { 303 };
        assert_eq!(answer.status, expected, "{page}");
    }
    for form in FORMS.iter().map(|form| format!("/console/t/acme{form}")).chain(["/console/sign-out".to_owned()]) {
        assert_eq!(browser.post(&form, &[("csrf", "x")]).await.status, StatusCode::UNAUTHORIZED, "{form}");
    }
    let signed_in = Browser::signed_in(running.http, "acme-key").await;
    talk(&running).await;
    running.dead_letter("acme", "m9", true).await;
    for page in [
        "/console/sign-in",
        "/console/assets/console.js",
        "/console/assets/console.css",
        "/console/none",
        "/console/t/acme",
        "/console/t/acme/dead-letters",
        "/console/t/acme/conversations",
        "/console/t/acme/audit",
        "/console/t/acme/switches",
    ] {
        let answer = signed_in.get(page).await;
        for (name, value) in
            [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY"), ("referrer-policy", "same-origin")]
        {
            assert_eq!(answer.headers.get(name).expect(name), value, "{page}");
        }
        let policy = answer.headers["content-security-policy"].to_str().expect("text");
        assert!(
            policy.contains("default-src 'none'")
                && policy.contains("frame-ancestors 'none'")
                && !policy.contains("unsafe")
        );
        if page.contains("assets") {
            continue;
        }
        assert_eq!(answer.headers["cache-control"], "no-store", "{page}");
        for inline in ["<script>", "<style", " style=", " onclick=", "javascript:"] {
            assert!(!answer.has(inline), "{inline} in {page}");
        }
    }
}

#[tokio::test]
async fn the_address_list_stands_before_everything() {
    let addresses = [("admin.allowed_addresses", json!(["10.0.0.0/8"]))];
    let running = start_with(Engine::Sqlite, &addresses).await;
    let browser = Browser::new(running.http);
    for page in ["/", "/console", "/console/sign-in", "/console/assets/console.css", "/console/t/acme"] {
        let answer = browser.get_with(page, &[("x-forwarded-for", "10.0.0.1")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{page}");
    }
    assert_eq!(browser.post("/console/sign-in", &[("token", "acme-key")]).await.status, StatusCode::FORBIDDEN);
    assert_ne!(browser.get("/health").await.status, StatusCode::FORBIDDEN, "monitors come from elsewhere");

    let behind_proxy = [addresses[0].clone(), ("admin.trusted_proxies", json!(["127.0.0.0/8"]))];
    let running = start_with(Engine::Sqlite, &behind_proxy).await;
    let browser = Browser::new(running.http);
    for (forwarded, status) in
        [("10.0.0.1", 200), ("192.0.2.1", 403), ("10.0.0.1, 192.0.2.1", 403), ("192.0.2.1, 10.0.0.1", 200)]
    {
        let answer = browser.get_with("/console/sign-in", &[("x-forwarded-for", forwarded)]).await;
        assert_eq!(answer.status, status, "{forwarded}");
    }
    let secure = [("x-forwarded-for", "10.0.0.1"), ("x-forwarded-proto", "https")];
    let page = browser.get_with("/console/sign-in", &secure).await;
    assert!(page.headers.contains_key("strict-transport-security"));
    let page =
        browser.post_with("/console/sign-in", &[("csrf", &page.field("csrf")), ("token", "acme-key")], &secure).await;
    let set = page.headers.get("set-cookie").and_then(|value| value.to_str().ok()).expect("a cookie");
    assert!(set.starts_with("__Host-dragoman_console=") && set.ends_with("; Secure"), "{set}");
    let audit = running.store.list_audit(&tenant("acme"), None, 1).await.expect("the audit");
    assert_eq!(audit[0].entry.detail["from"], "10.0.0.1");
}

#[tokio::test]
async fn sign_ins_are_limited_by_address() {
    let running = start_with(Engine::Sqlite, &[]).await;
    let browser = Browser::new(running.http);
    let mut refused = 0;
    loop {
        let page = browser.sign_in("guess").await;
        if page.status == StatusCode::TOO_MANY_REQUESTS {
            assert!(page.headers.contains_key("retry-after"));
            break;
        }
        refused += 1;
        assert!(refused <= 12, "no limit");
    }
    assert!((10..=12).contains(&refused), "{refused}");
    assert_eq!(browser.sign_in("acme-key").await.status, StatusCode::TOO_MANY_REQUESTS, "for the right one, too");
}

#[tokio::test]
async fn figures_are_streamed_until_the_session_or_the_service_ends() {
    let running = start_with(Engine::Sqlite, &[]).await;
    running.store.accept(&[incoming("acme", "m1"), incoming("acme", "m2")]).await.expect("accepted");
    let browser = Browser::signed_in(running.http, "acme-key").await;
    let figures = browser.get("/console/t/acme/figures").await;
    assert!(figures.has(r#"{"key":"waiting","value":"2","note":"","look":false}"#), "{}", figures.text);
    let mut stream = browser.open("/console/t/acme/events").await.bytes_stream();
    let mut text = String::new();
    while !text.contains("\n\n") {
        let next = tokio::time::timeout(Duration::from_secs(5), stream.next()).await.expect("in time");
        text += std::str::from_utf8(&next.expect("no end").expect("bytes")).expect("text");
    }
    assert!(text.contains("event: figures") && text.contains(r#""key":"waiting","value":"2""#), "{text}");
    browser.submit("/console/t/acme", "/console/sign-out", &[]).await;
    let ended = async { while stream.next().await.is_some_and(|next| next.is_ok()) {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it ends with the session");

    let browser = Browser::signed_in(running.http, "acme-key").await;
    let mut stream = browser.open("/console/t/acme/events").await.bytes_stream();
    stream.next().await.expect("no end").expect("bytes");
    running.shutdown.cancel();
    let ended = async { while stream.next().await.is_some_and(|next| next.is_ok()) {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it ends with the service");
}
