//! No text, answer or state brings the dialogue down. The conversations themselves are in tests/it/talk.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use domain::{Content, Micros, PersonId};
use openapi::{ImportOptions, Operation};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::turn::{
    Action, Answer, CallOutcome, ChatOutcome, DocumentInfo, FileOutcome, Hit, Input, Next, Outcome, Said, SearchAnswer,
    Settings, State, turn,
};

/// Most outcomes of one turn here.
const MAX_OUTCOMES: usize = 130;

static OPERATIONS: LazyLock<Vec<Arc<Operation>>> = LazyLock::new(|| {
    let document = json!({
        "openapi": "3.1.0",
        "info": {"title": "Clinic", "version": "1"},
        "paths": {
            "/doctors": {"get": {"summary": "Find doctors", "parameters": [
                {"name": "field", "in": "query", "schema": {"type": "string", "enum": ["eyes", "heart"]}}],
                "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "array", "items": {
                    "type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}, "since": {"type": "string", "format": "date"}}}}}}}}}},
            "/doctors/{doctor_id}": {"get": {"summary": "A doctor", "parameters": [
                {"name": "doctor_id", "in": "path", "required": true, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "ok"}}}},
            "/visits": {"post": {"summary": "Book a visit", "requestBody": {"required": true, "content": {"application/json": {"schema": {
                "type": "object", "required": ["doctor_id", "start", "end", "reason", "people", "urgent"], "properties": {
                    "doctor_id": {"type": "string"}, "start": {"type": "string", "format": "date-time"},
                    "end": {"type": "string", "format": "date-time"}, "reason": {"type": "string", "minLength": 3},
                    "people": {"type": "integer", "minimum": 1, "maximum": 9}, "urgent": {"type": "boolean"},
                    "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"}, "mail": {"type": "string", "format": "email"}}}}}},
                "responses": {"201": {"description": "ok"}}}},
            "/scans": {"post": {"summary": "Hand in a scan", "requestBody": {"required": true, "content": {"multipart/form-data": {"schema": {
                "type": "object", "required": ["scan", "note"], "properties": {
                    "note": {"type": "string"}, "scan": {"type": "string", "format": "binary"},
                    "pages": {"type": "array", "maxItems": 2, "items": {"type": "string", "format": "binary"}}}}}}},
                "responses": {"201": {"description": "ok"}}}},
        },
    });
    let text = document.to_string();
    let imported =
        openapi::import("clinic", text.as_bytes(), &ImportOptions::default()).expect("the document is sound");
    imported.operations.into_iter().map(Arc::new).collect()
});

fn hits(probability: f64) -> Vec<Hit> {
    let hit = |(at, operation): (usize, &Arc<Operation>)| Hit {
        operation_id: operation.id.clone(),
        content_hash: operation.content_hash.clone(),
        title: operation.summary.clone(),
        score: 1.0,
        probability: if at == 0 { probability } else { probability / 2.0 },
        risk: operation.risk,
        not_callable: None,
        producer: false,
        parts: Vec::new(),
    };
    let mut all: Vec<&Arc<Operation>> = OPERATIONS.iter().collect();
    all.rotate_left(if probability > 0.8 { 2 } else { 0 });
    all.into_iter().enumerate().map(hit).collect()
}

/// Performs a turn with the outcomes that `chance` picks.
fn perform(input: &Input, probability: f64, status: u16, body: &Value) -> Answer {
    let mut history = Vec::new();
    loop {
        assert!(history.len() <= MAX_OUTCOMES, "the turn goes round in circles");
        let outcome = match turn(input, &history) {
            Next::Done(answer) => return *answer,
            Next::Do(Action::Search(_)) => {
                Outcome::Search(SearchAnswer { hits: hits(probability), coverage: 1.0, ..SearchAnswer::default() })
            }
            Next::Do(Action::Operations { wanted }) => {
                let find = |id: &str| OPERATIONS.iter().find(|operation| operation.id == id).cloned();
                Outcome::Operations(wanted.iter().map(|(id, _)| find(id).ok_or_else(|| "gone".to_owned())).collect())
            }
            Next::Do(Action::Chat(_)) => {
                Outcome::Chat(ChatOutcome::Failed { class: "away".to_owned(), reason: "test".to_owned(), took_ms: 1 })
            }
            Next::Do(Action::Fetch(_)) => Outcome::File(match status {
                200..=299 => {
                    FileOutcome::Kept { sha256: "ab".repeat(32), media_type: "image/png".to_owned(), size_bytes: 7 }
                }
                413 => FileOutcome::TooLarge { limit_bytes: 7 },
                _ => FileOutcome::Unavailable { reason: "test".to_owned() },
            }),
            Next::Do(Action::Call(_)) => Outcome::Call(match status {
                0 => CallOutcome::Away { reason: "test".to_owned(), again: true, wait_s: None },
                1 => CallOutcome::Unknown { reason: "test".to_owned() },
                _ => CallOutcome::Answered { status, body: body.clone(), cut: None, file: None },
            }),
        };
        history.push(outcome);
    }
}

fn input(state: State, content: Content, at: i64) -> Input {
    let person = PersonId(Uuid::from_u128(1));
    let now = Micros(1_795_000_000_000_000 + at * 7_000_000);
    Input {
        now,
        messages: vec![Said {
            person,
            content,
            id: format!("m{at}"),
            edits: None,
            accepted_at: now,
            written_at: None,
            quoted: None,
            contact_name: None,
            phone: None,
            user: "u".to_owned(),
        }],
        question_begun_at: None,
        question_resent: false,
        question_sent_at: state.open.as_ref().map(|_| Micros(now.0 - 1_000_000)),
        state,
        settings: Arc::new(Settings {
            time_zone: "Europe/Zagreb".to_owned(),
            languages: vec!["en".to_owned(), "hr".to_owned()],
            documents: vec![DocumentInfo { id: "clinic".to_owned(), title: "Clinic".to_owned(), identity: None }],
            ..Settings::default()
        }),
        identity: BTreeMap::new(),
        model: at % 2 == 0,
        takes_files: at % 5 != 4,
        knows_contacts: at % 3 == 1,
        seq: at,
        token_seed: format!("seed {at}"),
    }
}

fn body() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        Just(json!("2026-11-22T09:00:00Z")),
        Just(json!("2026-11-22")),
    ];
    let name = prop_oneof![
        Just("id".to_owned()),
        Just("name".to_owned()),
        Just("from".to_owned()),
        Just("to".to_owned()),
        Just("detail".to_owned()),
        Just("total".to_owned()),
        "[a-z]{1,6}"
    ];
    leaf.prop_recursive(3, 24, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "\\PC{0,10}",
        "[0-9.,:/-]{1,8}",
        prop::sample::select(vec![
            "book",
            "the",
            "second",
            "one",
            "tomorrow",
            "9-12",
            "yes",
            "no",
            "but",
            "until",
            "change",
            "back",
            "cancel",
            "more",
            "help",
            "sutra",
            "od",
            "do",
            "da",
            "ne",
            "krivo",
            "31.2.",
            "my",
            "it",
            "a/b",
            "AB-123",
            "a@b.hr",
            "\"quoted\"",
            "eyes",
            "start",
            "👍",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(word, 1..6).prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_conversation_with_any_backend_is_answered(
        turns in prop::collection::vec((words(), 0..8_u8, 0.0..1.0_f64, prop::sample::select(vec![0_u16, 1, 200, 200, 200, 201, 404, 409, 413, 422, 500]), body()), 1..8)
    ) {
        let mut state = State::default();
        let mut shown: Vec<domain::Choice> = Vec::new();
        for (at, (text, tap, probability, status, body)) in turns.into_iter().enumerate() {
            let content = match (shown.first(), tap) {
                (Some(choice), 0..4) => Content::Choice { id: choice.id.clone(), title: choice.title.clone() },
                (_, 4..6) => Content::Media {
                    media: if tap == 4 { "image" } else { "voice" }.to_owned(),
                    url: Some(format!("https://media.example/{at}")),
                    caption: Some(text).filter(|text| text.len() % 2 == 0),
                },
                _ => Content::Text { text },
            };
            let answer = perform(&input(state, content, i64::try_from(at).expect("few turns")), probability, status, &body);
            prop_assert!(answer.replies.iter().all(|reply| !reply.text.trim().is_empty()));
            let stored = serde_json::to_string(&answer.state).expect("a state is written");
            state = serde_json::from_str(&stored).expect("a state is read again");
            prop_assert_eq!(&state, &answer.state);
            shown = answer.replies.into_iter().flat_map(|reply| reply.choices).collect();
        }
    }
}

#[test]
fn a_history_of_another_release_ends_in_an_apology() {
    let input = input(State::default(), Content::Text { text: "find doctors".to_owned() }, 1);
    let history = [Outcome::Call(CallOutcome::Away { reason: "test".to_owned(), again: true, wait_s: None })];
    let Next::Done(answer) = turn(&input, &history) else { panic!("it ends") };
    assert_eq!(answer.replies.len(), 1);
    assert!(!answer.question);
}
