//! A turn as people read it: what happened, in the order in which it happened.

use std::time::Duration;

use domain::{Content, Micros, Outgoing};
use serde_json::Value;
use store::{
    JournalRow, OutboxStatus,
    timeline::{TimelineSend, TimelineTurn},
};

use super::{
    mask::Mask,
    times::{When, counted, span},
};

/// Candidates of one search that are shown at once; the others on a click.
const CANDIDATES: usize = 5;
/// Longest JSON shown of one step, in characters.
const JSON_CHARS_MAX: usize = 8_000;

/// One turn.
pub struct TurnView {
    /// Its seq.
    pub seq: i64,
    /// When its message was accepted.
    pub accepted: When,
    /// How it stands.
    pub outcome: String,
    /// An operator should look.
    pub look: bool,
    /// Facts about the whole turn.
    pub facts: Vec<Fact>,
    /// What happened, in order.
    pub events: Vec<Event>,
}

/// One thing that happened.
pub struct Event {
    at: Micros,
    /// Since the message was accepted: `+1.2 s`.
    pub offset: String,
    /// `accepted`, `search`, `model`, `call`, `decision`, `send`, `receipt`, `feedback`, `letter`, `report`.
    pub kind: &'static str,
    /// What it was.
    pub title: String,
    /// How it ended; a word.
    pub badge: Option<String>,
    /// It did not go as wanted.
    pub bad: bool,
    /// What was said.
    pub text: Option<String>,
    /// More about it.
    pub facts: Vec<Fact>,
    /// What a search gave, best first.
    pub candidates: Vec<Candidate>,
    /// And after them.
    pub more_candidates: Vec<Candidate>,
    /// A file that the turn kept.
    pub file: Option<FileLink>,
    /// The rest, as JSON.
    pub json: Option<String>,
}

/// A file that a turn kept.
pub struct FileLink {
    /// Its SHA-256.
    pub sha256: String,
    /// Where it is opened; none while it may not be seen, and when it is gone.
    pub address: Option<String>,
}

/// A name and its value.
pub struct Fact {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// An operation that was near.
pub struct Candidate {
    /// Its id.
    pub operation: String,
    /// Its title.
    pub title: String,
    /// Fused score.
    pub score: String,
    /// 0 to 1.
    pub probability: f64,
    /// The same, in percent.
    pub percent: String,
    /// What each part of the retrieval gave.
    pub parts: String,
}

impl Event {
    fn new(at: Micros, kind: &'static str, title: impl Into<String>) -> Self {
        Self {
            at,
            offset: String::new(),
            kind,
            title: title.into(),
            badge: None,
            bad: false,
            text: None,
            facts: Vec::new(),
            candidates: Vec::new(),
            more_candidates: Vec::new(),
            file: None,
            json: None,
        }
    }

    fn fact(mut self, name: &'static str, value: impl ToString) -> Self {
        let value = value.to_string();
        if !value.is_empty() {
            self.facts.push(Fact { name, value });
        }
        self
    }

    fn badge(mut self, word: impl Into<String>, bad: bool) -> Self {
        (self.badge, self.bad) = (Some(word.into()), bad);
        self
    }

    fn json(mut self, mask: &Mask, value: &Value) -> Self {
        self.json = (!value.is_null()).then(|| pretty(&mask.json(value)));
        self
    }
}

impl TurnView {
    /// As `mask` lets it be seen at `now`.
    pub fn new(turn: &TimelineTurn, mask: &Mask, now: Micros) -> Self {
        let mut events = vec![accepted(turn, mask)];
        events.extend(turn.steps.iter().filter_map(|step| journaled(turn, step, mask)));
        for (place, send) in turn.sends.iter().enumerate() {
            let which = match turn.sends.len() {
                1 => "Answer".to_owned(),
                parts => format!("Part {} of {parts} of the answer", place + 1),
            };
            events.push(sent(send, &which, mask));
            events.extend(send.receipts.iter().map(|(status, at)| {
                Event::new(*at, "receipt", format!("The platform reported: {}", which.to_lowercase()))
                    .badge(status.clone(), status == "failed")
            }));
        }
        for (send, feedback) in turn.sends.iter().filter_map(|send| Some((send, send.feedback.as_ref()?))) {
            let event = Event::new(feedback.at, "feedback", format!("Feedback on part {}", send.part + 1))
                .fact("comment", feedback.comment.as_deref().map(|comment| mask.text(comment)).unwrap_or_default())
                .badge(feedback.rating.as_str(), feedback.rating == store::Rating::Down);
            events.push(event);
        }
        if let Some(letter) = &turn.dead_letter {
            let event = Event::new(letter.created_at, "letter", "Given up: a dead letter")
                .fact("reason", mask.text(&letter.reason))
                .fact("attempts", letter.attempts)
                .badge(if letter.unknown_effect { "an effect may have happened" } else { "no effect" }, true);
            events.push(event);
        }
        if let Some(report) = &turn.report {
            let event = Event::new(report.at, "report", "Reported as wrong")
                .badge(report.category.clone().unwrap_or_else(|| "not said how".to_owned()), true);
            events.push(event);
        }
        // Platforms' clocks differ from ours: what they report stays behind what it is about.
        events.sort_by_key(|event| event.at);
        for event in &mut events {
            let since = event.at.since(turn.accepted_at);
            event.offset = if since.is_zero() { "0 s".to_owned() } else { format!("+{}", span(since)) };
        }
        let answered = turn.sends.iter().filter_map(|send| send.sent_at).min();
        let unsent = turn.sends.iter().any(|send| send.sent_at.is_none());
        let failed = turn.sends.iter().any(|send| matches!(send.status, OutboxStatus::Failed | OutboxStatus::Held));
        let outcome = match (turn.dead_letter.is_some(), answered) {
            (true, _) => "given up".to_owned(),
            (false, Some(at)) => format!("answered in {}", span(at.since(turn.accepted_at))),
            (false, None) if unsent => "answer not sent".to_owned(),
            (false, None) => "no answer of its own".to_owned(),
        };
        let mut facts = Vec::new();
        if let Some(agent) = &turn.agent {
            facts.push(Fact { name: "answered by", value: agent.clone() });
        }
        if let Some(trace) = turn.incoming.as_ref().and_then(|incoming| trace_id(incoming.traceparent.as_deref()?)) {
            facts.push(Fact { name: "trace", value: trace.to_owned() });
        }
        Self {
            seq: turn.seq,
            accepted: When::new(turn.accepted_at, now),
            outcome,
            look: turn.dead_letter.is_some() || turn.report.is_some() || failed,
            facts,
            events,
        }
    }
}

fn accepted(turn: &TimelineTurn, mask: &Mask) -> Event {
    let event = Event::new(turn.accepted_at, "accepted", "Message accepted");
    let Some(incoming) = &turn.incoming else {
        return event.badge("cannot be read", true);
    };
    let title = match incoming.provider.as_str() {
        "replay" => "Replay of a dead letter accepted".to_owned(),
        "internal" if matches!(incoming.content, Content::Alarm { .. }) => "Alarm of our own is due".to_owned(),
        "internal" => "Notification accepted".to_owned(),
        provider => format!("Message accepted from {provider}"),
    };
    let mut event = Event { title, ..event }
        .fact("account", &incoming.account)
        .fact("from", incoming.contact_name.as_deref().map(|name| mask.name(name)).unwrap_or_default())
        .fact("person", turn.person);
    if turn.attempts > 0 {
        event = event.fact("unexplained ends", turn.attempts);
    }
    if mask.is_off() {
        event = event.fact("platform's id", &incoming.provider_message_id);
    }
    event.text = Some(words(&incoming.content, mask));
    event
}

/// What somebody said, in words.
fn words(content: &Content, mask: &Mask) -> String {
    match content {
        Content::Location { latitude, longitude, .. } if mask.is_off() => format!("[location] {latitude}, {longitude}"),
        content if mask.is_off() => content.in_words(),
        content => mask.text(&content.in_words_without_names()),
    }
}

/// A step of the journal. The range is shown only where it is more than its own message, or a switch decided.
fn journaled(turn: &TimelineTurn, step: &JournalRow, mask: &Mask) -> Option<Event> {
    let result = step.result.as_ref().unwrap_or(&Value::Null);
    let took = step.finished_at.map(|end| end.since(step.started_at));
    Some(match step.kind.as_str() {
        "range" => {
            let last = step.request["last_seq"].as_i64().filter(|last| *last > turn.seq);
            let forbidden_by = step.request["ground"]["forbidden_by"].as_str();
            let title = match (last, forbidden_by) {
                (None, None) => return None,
                (Some(last), _) => format!("Answers messages {} to {last} together", turn.seq),
                (None, Some(_)) => "Answers without a model".to_owned(),
            };
            Event::new(step.started_at, "decision", title).fact("no model because of", forbidden_by.unwrap_or_default())
        }
        "call" => called(step, result, took, mask),
        "model" => asked(step, result, took, mask),
        "decision" if step.request["action"] == "chat" => asked(step, result, took, mask),
        "decision" if result["file"].is_string() => fetched(step, result, mask),
        "decision" if result["hits"].is_array() => searched(step, result, mask),
        kind => {
            let title = if kind == "decision" { "Decided".to_owned() } else { kind.to_owned() };
            timed(Event::new(step.started_at, "decision", title), took).json(mask, &step.request)
        }
    })
}

/// A file that the person sent.
fn fetched(step: &JournalRow, result: &Value, mask: &Mask) -> Event {
    let event = Event::new(step.started_at, "decision", "Fetched a file that the person sent")
        .fact("type", result["media_type"].as_str().unwrap_or_default())
        .fact("bytes", result["size_bytes"].as_u64().map(|bytes| bytes.to_string()).unwrap_or_default())
        .fact("why", mask.text(result["reason"].as_str().unwrap_or_default()));
    let sha256 = result["sha256"].as_str().map(str::to_owned);
    let outcome = result["file"].as_str().unwrap_or_default().replace('_', " ");
    let event = event.badge(outcome, sha256.is_none());
    Event { file: sha256.map(|sha256| FileLink { sha256, address: None }), ..event }
}

fn searched(step: &JournalRow, result: &Value, mask: &Mask) -> Event {
    let hits = result["hits"].as_array().map_or(&[][..], Vec::as_slice);
    let mut event = Event::new(step.started_at, "search", "Looked for operations")
        .fact("language", step.request["language"].as_str().unwrap_or_default())
        .fact("words known", result["coverage"].as_f64().map(percent).unwrap_or_default());
    event.text = step.request["text"].as_str().map(|text| mask.text(text));
    event.badge = Some(counted(i64::try_from(hits.len()).unwrap_or(i64::MAX), "candidate"));
    event.candidates = hits.iter().map(candidate).collect();
    event.more_candidates = event.candidates.split_off(CANDIDATES.min(event.candidates.len()));
    event
}

fn candidate(hit: &Value) -> Candidate {
    let parts = hit["parts"].as_array().map_or(&[][..], Vec::as_slice);
    let parts = parts.iter().filter_map(|part| Some(format!("{} {:.2}", part[0].as_str()?, part[1].as_f64()?)));
    let probability = hit["probability"].as_f64().unwrap_or_default();
    Candidate {
        operation: hit["operation_id"].as_str().unwrap_or_default().to_owned(),
        title: hit["title"].as_str().unwrap_or_default().to_owned(),
        score: format!("{:.3}", hit["score"].as_f64().unwrap_or_default()),
        probability: probability.clamp(0.0, 1.0),
        percent: percent(probability),
        parts: parts.collect::<Vec<_>>().join(", "),
    }
}

fn called(step: &JournalRow, result: &Value, took: Option<Duration>, mask: &Mask) -> Event {
    let request = &step.request;
    let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
    let mut event = Event::new(step.started_at, "call", format!("Called {}", text("operation_id")))
        .fact("purpose", text("purpose"))
        .fact("risk", text("risk"));
    event = timed(event, took);
    // An address may hold what a person said; the operation's template says where it went.
    if mask.is_off() {
        event = event.fact("address", text("url"));
    }
    let (word, bad) = match (result["status"].as_u64(), result["outcome"].as_str()) {
        (Some(status), _) => (status.to_string(), status >= 400),
        (None, Some(outcome)) => (outcome.replace('_', " "), true),
        (None, None) => ("no result yet".to_owned(), true),
    };
    let mut event = event.fact("why", mask.text(result["reason"].as_str().unwrap_or_default())).badge(word, bad);
    // What the backend answered is shown only to who asked for personal data.
    let body = if mask.is_off() { result["body"].clone() } else { Value::Null };
    let both = match (request["arguments"].is_object(), body) {
        (true, Value::Null) => serde_json::json!({ "arguments": request["arguments"] }),
        (_, body) => serde_json::json!({ "arguments": request["arguments"], "answer": body }),
    };
    event = event.json(mask, &both);
    event
}

/// A call of a model: what it cost, and what it wanted.
fn asked(step: &JournalRow, result: &Value, took: Option<Duration>, mask: &Mask) -> Event {
    let answer = if result["answer"].is_object() { &result["answer"] } else { result };
    let places = [answer, &answer["usage"], result, &step.request];
    let text = |names: &[&str]| find(&places, names).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |names: &[&str]| find(&places, names).and_then(Value::as_u64);
    let tokens = |names: &[&str]| number(names).map(|count| count.to_string()).unwrap_or_default();
    let took = took.or_else(|| number(&["took_ms", "duration_ms"]).map(Duration::from_millis));
    // It is journaled with its answer, so it began before; a step with an end of its own was journaled at its begin.
    let began = if step.finished_at.is_none() { step.started_at - took.unwrap_or_default() } else { step.started_at };
    let wanted: Vec<&Value> = answer["tool_calls"].as_array().map_or_else(Vec::new, |calls| calls.iter().collect());
    let names: Vec<&str> = wanted.iter().filter_map(|call| call["name"].as_str()).collect();
    let offered = step.request["tools"].as_array().map(|tools| tools.len().to_string());
    let estimated = answer["usage"]["estimated"] == true;
    let model = Some(text(&["model"])).filter(|model| !model.is_empty()).unwrap_or_else(|| "not named".to_owned());
    let event = Event::new(began, "model", format!("Model {model}"))
        .fact("tokens in", tokens(&["input_tokens", "prompt_tokens"]))
        .fact("tokens out", tokens(&["output_tokens", "completion_tokens"]))
        .fact("tokens", if estimated { "estimated" } else { "" })
        .fact("tools", offered.unwrap_or_default())
        .fact("wanted", mask.text(&names.join(", ")));
    let failed = result["chat"] == "failed";
    let event = timed(event, took).fact("why", if failed { mask.text(&text(&["reason"])) } else { String::new() });
    let end = if failed { text(&["class"]) } else { text(&["finish", "outcome"]) };
    let mut event = match (end.is_empty(), result.is_null()) {
        (false, _) => event.badge(mask.text(&end.replace('_', " ")), failed),
        (true, true) => event.badge("no result yet", true),
        (true, false) => event,
    };
    event.text = answer["text"].as_str().filter(|text| !text.is_empty()).map(|text| mask.text(text));
    // Arguments come as a text; read, their fields can be masked by their names.
    let wanted: Vec<Value> = wanted
        .into_iter()
        .map(|call| {
            let arguments = call["arguments"].as_str().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.into()));
            serde_json::json!({ "name": call["name"], "arguments": arguments.unwrap_or_else(|| call["arguments"].clone()) })
        })
        .collect();
    event.json(mask, &serde_json::json!({ "asked": step.request, "wanted": wanted }))
}

/// The first value under one of these names, in one of these places.
fn find<'v>(places: &[&'v Value], names: &[&str]) -> Option<&'v Value> {
    places.iter().find_map(|place| names.iter().find_map(|name| place.get(*name).filter(|value| !value.is_null())))
}

fn timed(event: Event, took: Option<Duration>) -> Event {
    event.fact("took", took.map(span).unwrap_or_default())
}

fn sent(send: &TimelineSend, which: &str, mask: &Mask) -> Event {
    // When it began: a report of the platform may be here before our own record of the end.
    let at = send.sending_at.unwrap_or(send.created_at);
    let bad = !matches!(send.status, OutboxStatus::Sent | OutboxStatus::Pending | OutboxStatus::Sending);
    let took = send.sent_at.zip(send.sending_at).map(|(sent, began)| span(sent.since(began)));
    let mut event = Event::new(at, "send", which)
        .fact("took", took.unwrap_or_default())
        .fact("attempts", Some(send.attempt).filter(|attempt| *attempt > 1).map(|n| n.to_string()).unwrap_or_default())
        .fact(
            "unknown ends",
            Some(send.unknown_ends).filter(|ends| *ends > 0).map(|n| n.to_string()).unwrap_or_default(),
        )
        .fact("why", mask.text(send.reason.as_deref().unwrap_or_default()))
        .fact("asks", if send.question { "a question" } else { "" })
        .badge(send.status.as_str(), bad);
    let choices = send.reply["choices"].as_array().map_or(&[][..], Vec::as_slice);
    let choices = choices.iter().filter_map(|choice| Some(format!("\n[{}]", mask.text(choice["title"].as_str()?))));
    let said = serde_json::from_value::<Outgoing>(send.reply.clone()).map(|said| said.in_words()).unwrap_or_default();
    let text = mask.text(&said);
    event.text = Some(text + &choices.collect::<String>());
    event
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn pretty(value: &Value) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    match text.char_indices().nth(JSON_CHARS_MAX) {
        Some((end, _)) => format!("{}\n… (cut)", &text[..end]),
        None => text,
    }
}

/// The trace id of a W3C `traceparent`.
fn trace_id(traceparent: &str) -> Option<&str> {
    traceparent.split('-').nth(1).filter(|id| id.len() == 32)
}

#[cfg(test)]
mod tests {
    use domain::{Incoming, OutboxId, PersonId};
    use serde_json::json;

    use super::*;

    fn step(n: i32, kind: &str, request: Value, result: Value) -> JournalRow {
        JournalRow {
            seq: 3,
            n,
            kind: kind.to_owned(),
            request,
            result: Some(result),
            started_at: Micros(1_000_000 + i64::from(n) * 100_000),
            finished_at: Some(Micros(1_000_000 + i64::from(n) * 100_000 + 42_000)),
        }
    }

    fn turn() -> TimelineTurn {
        let incoming = Incoming {
            tenant: domain::Tenant::new("acme").expect("a name"),
            account: "infobip:main".parse().expect("an account"),
            peer: "385911234567".to_owned(),
            user: "385911234567".to_owned(),
            provider: "infobip".to_owned(),
            provider_message_id: "wamid.385911234567".to_owned(),
            written_at: None,
            contact_name: Some("Ana Horvat".to_owned()),
            phone: Some("385911234567".to_owned()),
            quoted: None,
            content: Content::Text { text: "I am Ana, ring 385911234567".to_owned() },
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        };
        TimelineTurn {
            seq: 3,
            person: PersonId::new(),
            incoming: Some(incoming),
            accepted_at: Micros(1_000_000),
            attempts: 0,
            steps: vec![
                step(0, "range", json!({ "last_seq": 4 }), Value::Null),
                step(
                    1,
                    "decision",
                    json!({ "action": "search", "text": "ring 385911234567", "language": "en" }),
                    json!({ "hits": [{ "operation_id": "d/GET /x", "title": "X", "score": 1.5, "probability": 0.25, "parts": [["bm25", 1.25]] }], "coverage": 0.5 }),
                ),
                step(
                    2,
                    "model",
                    json!({ "action": "chat", "tools": ["x", "y"] }),
                    json!({ "chat": "answered", "took_ms": 7_000, "answer": {
                        "text": "For Ana", "model": "m-1", "finish": "tool_calls",
                        "usage": { "input_tokens": 812, "output_tokens": 40 },
                        "tool_calls": [{ "id": "1", "name": "x", "arguments": "{\"driver_name\":\"Zo\",\"km\":5}" }],
                    } }),
                ),
                step(
                    3,
                    "call",
                    json!({ "operation_id": "d/GET /x", "risk": "safe", "purpose": "lookup", "url": "http://b/x?phone=385911234567",
                            "arguments": { "query:name": "Ana Horvat" } }),
                    json!({ "outcome": "answered", "status": 404, "body": { "who": "Ana Horvat" } }),
                ),
            ],
            sends: vec![TimelineSend {
                id: OutboxId::new(),
                part: 0,
                reply: json!({ "text": "Hello Ana", "choices": [{ "id": "1", "title": "Yes" }] }),
                status: OutboxStatus::Sent,
                attempt: 2,
                unknown_ends: 0,
                question: true,
                created_at: Micros(2_000_000),
                due_at: Micros(2_000_000),
                sending_at: Some(Micros(2_100_000)),
                sent_at: Some(Micros(2_300_000)),
                reason: None,
                receipts: vec![("delivered".to_owned(), Micros(2_900_000))],
                feedback: Some(store::Feedback {
                    rating: store::Rating::Down,
                    comment: Some("call me: 385911234567".to_owned()),
                    at: Micros(3_000_000),
                }),
            }],
            dead_letter: None,
            agent: Some("dialogue".to_owned()),
            report: None,
        }
    }

    fn shown(view: &TurnView) -> String {
        let mut all = format!("{} {}\n", view.seq, view.outcome);
        for fact in &view.facts {
            all += &format!("{}={}\n", fact.name, fact.value);
        }
        for event in &view.events {
            let facts: Vec<String> = event.facts.iter().map(|fact| format!("{}={}", fact.name, fact.value)).collect();
            all += &format!(
                "{} {} [{}] {:?} {:?} {}\n",
                event.offset,
                event.title,
                event.badge.as_deref().unwrap_or_default(),
                event.text,
                facts,
                event.json.as_deref().unwrap_or_default()
            );
        }
        all
    }

    #[test]
    fn a_turn_is_told_in_order_without_personal_data() {
        let mask = Mask::new(["Ana Horvat"]);
        let view = TurnView::new(&turn(), &mask, Micros(10_000_000));
        let kinds: Vec<_> = view.events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, ["accepted", "decision", "search", "model", "call", "send", "receipt", "feedback"]);
        let text = shown(&view);
        for secret in ["Ana", "Horvat", "385911234567", "wamid"] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        for known in [
            "answered in 1.3 s",
            "answered by=dialogue",
            "trace=0af7651916cd43dd8448eb211c80319c",
            "I am [name], ring [number]",
            "Answers messages 3 to 4 together",
            "+100 ms Looked for operations [1 candidate]",
            "Model m-1 [tool calls]",
            "tokens in=812",
            "tokens out=40",
            "tools=2",
            "wanted=x",
            "For [name]",
            "\"driver_name\": \"[hidden]\"",
            "Called d/GET /x [404]",
            "took=42 ms",
            "Hello [name]\\n[Yes]",
            "attempts=2",
            "The platform reported: answer [delivered]",
            "Feedback on part 1 [down]",
            "comment=call me: [number]",
        ] {
            assert!(text.contains(known), "{known} is not in {text}");
        }
        let candidate = &view.events[2].candidates[0];
        assert_eq!((candidate.percent.as_str(), candidate.parts.as_str()), ("25 %", "bm25 1.25"));
    }

    #[test]
    fn who_asked_sees_everything() {
        let text = shown(&TurnView::new(&turn(), &Mask::off(), Micros(10_000_000)));
        for known in [
            "from=Ana Horvat",
            "wamid.385911234567",
            "ring 385911234567",
            "\"who\": \"Ana Horvat\"",
            "address=http://b/x",
        ] {
            assert!(text.contains(known), "{known} is not in {text}");
        }
    }

    #[test]
    fn a_model_that_failed_is_shown_from_its_begin() {
        let failed = json!({ "chat": "failed", "class": "timeout", "reason": "no answer in 20 s", "took_ms": 500 });
        let step = JournalRow {
            finished_at: None,
            started_at: Micros(1_600_000),
            ..step(1, "decision", json!({ "action": "chat", "model": "m-2" }), failed)
        };
        let view = TurnView::new(&TimelineTurn { steps: vec![step], ..turn() }, &Mask::default(), Micros(10_000_000));
        let event = &view.events[1];
        assert_eq!((event.kind, event.title.as_str(), event.offset.as_str()), ("model", "Model m-2", "+100 ms"));
        assert_eq!((event.badge.as_deref(), event.bad), (Some("timeout"), true));
    }

    #[test]
    fn a_message_that_cannot_be_read_is_shown_as_that() {
        let broken = TimelineTurn { incoming: None, steps: vec![], sends: vec![], ..turn() };
        let view = TurnView::new(&broken, &Mask::default(), Micros(10_000_000));
        assert_eq!(view.events.len(), 1);
        assert_eq!(view.events[0].badge.as_deref(), Some("cannot be read"));
    }
}
