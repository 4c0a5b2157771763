//! Commits a turn: what is said is split for its channel first, written in one transaction, and told to watchers after.

use std::{sync::Arc, time::Duration};

use channels::RejectClass;
use coordination::FeedEvent;
use domain::{
    Content, Incoming, Micros, Outgoing, Reply,
    telemetry::{metric, span},
};
use faults::{Bug, planted};
use serde_json::{Value, json};
use store::{
    AlarmNew, Alarms, AuditRow, Commit, DeadLetterNew, InboxRow, ModelUse, OutboxNew, OutboxRow, OutboxStatus,
    ReportNew, Step, StoreError, UserMapping,
};
use tracing::{Instrument as _, Span};

use crate::{
    dialogue,
    envelope::Envelope,
    grpc,
    lease::Held,
    mask::{mask, mask_all},
    send,
    turn::{Accepted, Answer, Input, LABEL, ModelTrace, SaveIdentity, State, TurnTrace},
    worker::Worker,
};

/// Candidates told to those who watch.
const CANDIDATES_MAX: usize = 10;

/// What a turn came to.
pub struct Decided {
    /// What is said, and what else changes.
    pub answer: Answer,
    /// The decisions that led to it and are not journaled yet.
    pub steps: Vec<Step>,
}

/// Commits the answer to `rows`. If nothing is to be sent before it (`first_to_send`), and its account may send now, the
/// first attempt at its first part begins with the commit: then gives that part, to be sent at once. A commit that fails
/// has taken a place of the account's rate for nothing.
///
/// # Errors
/// [`StoreError::Fenced`] and failures of the store; then nothing was kept but identities and a report.
pub async fn answer(
    worker: &Arc<Worker>,
    held: &Arc<Held>,
    rows: &[InboxRow],
    before: &Envelope,
    decided: Decided,
    first_to_send: bool,
) -> Result<Option<OutboxRow>, StoreError> {
    let Decided { answer, steps } = decided;
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Err(StoreError::NotFound("message")) };
    for saved in &answer.save_identity {
        save_identity(worker, held, saved).await?;
    }
    if let Some(report) = &answer.trace.report {
        worker.store.file_report(&held.lease, first.seq, &report_of(first, report)).await?;
    }
    let mut replies = parts(worker, held, &answer);
    refuse_unwanted(worker, held, &answer, &mut replies).await?;
    let state = before.after(first.seq, answer.asks && !replies.is_empty(), answer.question, &answer.state).write();
    let begin_send = first_to_send && may_begin(worker, held, &replies).await;
    let commit = Commit {
        first_seq: first.seq,
        last_seq: last.seq,
        steps,
        replies,
        begin_send,
        state,
        // Nobody asked, so nobody decided.
        audit: answer.unasked.is_none().then(|| audit(held, rows, &answer.trace, worker.models.name())),
        dead_letter: None,
        alarms: alarms(&answer, last),
        opt_outs: answer.opt_outs.clone(),
        opted_at: last.incoming.written_at,
    };
    if worker.switches.of(&held.lease.tenant).debug {
        log_trace(held, first.seq, &answer.trace);
    }
    // Before the commit, so that whoever waits for the answer knows how it came about.
    tell_trace(worker, held, first.seq, &answer.trace);
    let committed = match worker.store.commit(&held.lease, &commit).instrument(commit_span()).await {
        Err(error) if error.is_retryable() => {
            // The turn comes again: what the model answered is not asked twice, if the store takes this at least.
            if let Err(error) = worker.store.journal(&held.lease, first.seq, &commit.steps).await {
                tracing::debug!(%error, "the decisions of a turn that was not committed were not kept");
            }
            return Err(error);
        }
        committed => committed?,
    };
    metrics::counter!(metric::TURNS, "end" => "answered").increment(1);
    tell(worker, held, &commit);
    if let Some(accepted) = answer.accepted {
        learn(worker, held, accepted);
    }
    let begun = commit.replies.into_iter().zip(committed.ids).next().filter(|_| committed.sending);
    Ok(begun.map(|(part, id)| OutboxRow {
        id,
        in_seq: first.seq,
        part: part.part,
        attempt: 1,
        status: OutboxStatus::Sending,
        reply: part.reply,
        due_at: Micros(0),
        sending_at: None,
        sent_at: None,
        traceparent: first.incoming.traceparent.clone(),
        asked_at: Some(first.accepted_at).filter(|_| first.incoming.provider == held.lease.account.channel()),
    }))
}

/// What nobody asked for is judged when it is sent (`reach.rs`); the web chat's is said by the commit, so now. Nothing but
/// an earlier turn of this conversation changes there what the person wants.
async fn refuse_unwanted(
    worker: &Worker,
    held: &Held,
    answer: &Answer,
    replies: &mut [OutboxNew],
) -> Result<(), StoreError> {
    let Some(unasked) = answer.unasked.as_ref().filter(|_| replies.iter().any(|part| part.sent_already)) else {
        return Ok(());
    };
    let lease = &held.lease;
    let reach = worker.store.reach(&lease.tenant, &lease.account, &lease.peer, Some(lease.conversation)).await?;
    if let Some(out) = reach.forbidden(Some(unasked.category)) {
        for part in replies {
            part.refused = Some(format!("{}: {}", RejectClass::OptedOut.as_str(), out.how));
        }
    }
    Ok(())
}

/// Whether the sending of the first part may begin with the commit.
async fn may_begin(worker: &Worker, held: &Arc<Held>, replies: &[OutboxNew]) -> bool {
    let to_send = replies.first().is_some_and(|part| !part.sent_already);
    let configured = worker.tenants.channel(&held.lease.tenant, &held.lease.account).is_some();
    // What keeps it from being sent now is met again by the drain.
    to_send && configured && !planted(Bug::SendBeforeSending) && matches!(send::permit(worker, held).await, Ok(Ok(())))
}

/// Has the catalogue keep what the person chose, once, behind the commit: a turn that is run again has not told it yet.
/// Nobody waits for it. One that is lost, with this process or while the catalogue is away, is asked about once more.
fn learn(worker: &Worker, held: &Held, accepted: Accepted) {
    let Some(catalog) = worker.tenants.learning(&held.lease.tenant).cloned() else { return };
    tokio::spawn(async move {
        let operation = accepted.operation_id.clone();
        match catalog.accept(accepted).await {
            Ok(kept) => tracing::debug!(operation, kept, "a person chose what a sentence means"),
            Err(error) => tracing::warn!(operation, %error, "what a person chose could not be learned"),
        }
    });
}

/// Commits the messages of `range` as a dead letter, with an apology; where an effect may have happened in `document`,
/// with that in place of "please try again". No button or question of before counts any more.
///
/// # Errors
/// As [`answer`].
pub async fn dead_letter(
    worker: &Arc<Worker>,
    held: &Arc<Held>,
    range: (i64, i64),
    first: Option<&InboxRow>,
    before: &Envelope,
    letter: DeadLetterNew,
    document: &str,
) -> Result<(), StoreError> {
    let settings = worker.tenants.settings(&held.lease.tenant);
    let content = first.map(|row| &row.incoming.content);
    let alarm = content.and_then(alarm_of);
    let unasked = matches!(content, Some(Content::Notification { .. }));
    let (state, told) = match alarm {
        // The one who wanted it sees the dead letter; the person knows nothing of it.
        _ if unasked => (before.dialogue(), None),
        // Nobody said anything: what is open and offered stays.
        Some(key) => {
            let mut state = before.dialogue();
            let told = dialogue::later::give_up(&mut state, &settings, key, letter.unknown_effect);
            (state, told)
        }
        None => {
            let state = without_offers(before.dialogue());
            let told = if letter.unknown_effect {
                dialogue::unknown_effect(&state, &settings, document)
            } else {
                dialogue::apology(&state, &settings)
            };
            (state, Some(told))
        }
    };
    let told = Answer { replies: told.into_iter().collect(), ..Answer::default() };
    let commit = Commit {
        first_seq: range.0,
        last_seq: range.1,
        steps: Vec::new(),
        begin_send: false,
        replies: parts(worker, held, &told),
        state: before.after(range.0, false, (alarm.is_some() || unasked) && state.open.is_some(), &state).write(),
        audit: first.map(|row| audit(held, std::slice::from_ref(row), &TurnTrace::default(), worker.models.name())),
        dead_letter: Some(letter),
        alarms: Alarms::default(),
        opt_outs: Vec::new(),
        opted_at: None,
    };
    worker.store.commit(&held.lease, &commit).instrument(commit_span()).await?;
    metrics::counter!(metric::TURNS, "end" => "dead_letter").increment(1);
    tell(worker, held, &commit);
    Ok(())
}

fn commit_span() -> Span {
    tracing::info_span!("commit", otel.name = span::COMMIT)
}

/// The answer of a turn whose journal holds a call that it does not come to any more: its end is unknown.
pub fn unknown_effect(input: &Input, document: &str) -> Answer {
    if let Some(key) = input.messages.last().and_then(|last| alarm_of(&last.content)) {
        let mut state = input.state.clone();
        let told = dialogue::later::give_up(&mut state, &input.settings, key, true);
        return Answer {
            replies: told.into_iter().collect(),
            question: state.open.is_some(),
            state,
            ..Answer::default()
        };
    }
    let state = without_offers(input.state.clone());
    let told = dialogue::unknown_effect(&state, &input.settings, document);
    Answer { replies: vec![told], state, ..Answer::default() }
}

/// Key of the alarm that a message is.
fn alarm_of(content: &Content) -> Option<&str> {
    match content {
        Content::Alarm { key } => Some(key),
        _ => None,
    }
}

/// The alarms of a turn as the store takes them; each will be a message of the same person in the same chat.
fn alarms(answer: &Answer, last: &InboxRow) -> Alarms {
    let set = answer.alarms.iter().map(|alarm| {
        let incoming = Incoming {
            written_at: None,
            quoted: None,
            traceparent: None,
            content: Content::Alarm { key: alarm.key.clone() },
            ..last.incoming.clone()
        };
        AlarmNew { key: alarm.key.clone(), person: alarm.person, due_at: alarm.due_at, incoming }
    });
    Alarms { set: set.collect(), off: answer.alarms_off.clone() }
}

/// The state without question and buttons: none of them starts anything again.
fn without_offers(mut state: State) -> State {
    state.open = None;
    state.offers.clear();
    state
}

/// The rows of the outbox, in order from part 1: part 0 is the message that they answer.
fn parts(worker: &Worker, held: &Held, answer: &Answer) -> Vec<OutboxNew> {
    let lease = &held.lease;
    let channel = worker.tenants.channel(&lease.tenant, &lease.account);
    let mut replies = answer.replies.clone();
    if grpc::is_own(&lease.account) {
        replies.iter_mut().for_each(without_file);
    }
    let rendered: Vec<Reply> = match &channel {
        Some(channel) => replies.iter().flat_map(|reply| channel.render(reply)).collect(),
        // Its account is not configured any more: it waits as it is.
        None => {
            let parts = |reply: &Reply| std::iter::once(reply.words()).chain(reply.beside_words());
            let says = |part: &Reply| *part != Reply::default();
            replies.iter().flat_map(parts).filter(says).collect()
        }
    };
    // Words first: a place or a file that its platform refuses, or whose end nobody knows, holds none of them up.
    let (mut rendered, beside): (Vec<Reply>, Vec<Reply>) =
        rendered.into_iter().partition(|part| !part.is_beside_words());
    let last_words = rendered.len();
    rendered.extend(beside);
    if answer.unasked.is_some() && rendered.is_empty() {
        rendered.push(Reply::default()); // a template alone
    }
    let sent_already = lease.account.channel() == channels::web::NAME;
    rendered
        .into_iter()
        .enumerate()
        .map(|(n, reply)| OutboxNew {
            part: i32::try_from(n + 1).unwrap_or(i32::MAX),
            file: reply.file.as_ref().map(|file| file.sha256.clone()),
            reply: serde_json::to_value(Outgoing { reply, unasked: answer.unasked.clone() }).unwrap_or(Value::Null),
            sent_already,
            refused: None,
            question: answer.asks && n + 1 == last_words,
        })
        .collect()
}

/// Who calls us over gRPC has no way to a file: the words say so.
fn without_file(reply: &mut Reply) {
    if let Some(file) = reply.file.take() {
        reply.text = format!("{}\n{}", reply.text, file.instead).trim().to_owned();
    }
}

async fn save_identity(worker: &Worker, held: &Held, saved: &SaveIdentity) -> Result<(), StoreError> {
    let mut values = saved.mapping.values.clone();
    let label = values.remove(LABEL).and_then(|label| label.as_str().map(str::to_owned));
    let mapping = UserMapping {
        backend_user: saved.mapping.backend_user.clone(),
        values: Value::Object(values),
        label,
        source: "identity".to_owned(),
        expires_at: saved.mapping.expires_at,
    };
    worker.store.save_mapping(&held.lease.tenant, saved.person, &saved.document, &mapping).await
}

/// Who decided the answer.
pub fn agent(trace: &TurnTrace) -> &'static str {
    if trace.models.is_empty() { "dialogue" } else { "model" }
}

fn audit(held: &Held, rows: &[InboxRow], trace: &TurnTrace, model: &str) -> AuditRow {
    AuditRow {
        user_id: rows.first().map(|row| row.person.to_string()).unwrap_or_default(),
        chat_id: held.lease.conversation.to_string(),
        message: mask(
            rows.iter().map(|row| row.incoming.content.in_words_without_names()).collect::<Vec<_>>().join("\n").trim(),
        ),
        agent: agent(trace).to_owned(),
        tools_used: json!(trace.calls.iter().map(|call| &call.operation_id).collect::<Vec<_>>()),
        models: trace.models.iter().map(|used| model_use(used, model)).collect(),
    }
}

fn model_use(used: &ModelTrace, configured: &str) -> ModelUse {
    ModelUse {
        model: if used.model.is_empty() { configured } else { &used.model }.to_owned(),
        tokens: i64::try_from(used.tokens).unwrap_or(i64::MAX),
        took: Duration::from_millis(used.took_ms),
        error: used.error.clone(),
    }
}

/// A report as it is filed: what the dialogue knows of the question and its answer, the rest as it stands.
fn report_of(first: &InboxRow, report: &Value) -> ReportNew {
    let text = |key: &str| report.get(key).and_then(Value::as_str).map(str::to_owned);
    ReportNew {
        person: first.person,
        question: mask(&text("question").unwrap_or_default()),
        answer: mask(&text("answer").unwrap_or_default()),
        retrieved: mask_all(report),
        category: text("category"),
    }
}

/// Those who watch read the store; this only wakes them.
fn tell(worker: &Worker, held: &Held, commit: &Commit) {
    for reply in commit.replies.iter().filter(|reply| reply.refused.is_none()) {
        publish(worker, held, "message", commit.first_seq, json!({ "part": reply.part }));
    }
    publish(worker, held, "turn_done", commit.last_seq, json!({ "done_seq": commit.last_seq }));
}

/// What happened inside, for those who look.
fn tell_trace(worker: &Worker, held: &Held, seq: i64, trace: &TurnTrace) {
    if trace.chosen.is_none() && trace.candidates.is_empty() {
        return;
    }
    let candidates: Vec<_> = trace
        .candidates
        .iter()
        .take(CANDIDATES_MAX)
        .map(|one| json!({ "id": one.operation_id, "score": one.score, "probability": one.probability }))
        .collect();
    let document = trace.chosen.as_deref().and_then(|id| id.split('/').next());
    let data = json!({ "id": trace.chosen, "document": document, "candidates": candidates, "calls": trace.calls });
    publish(worker, held, "trace", seq, data);
}

/// What `AI_DEBUG` adds to the log: how the turn came about, without anybody's words and values. It is logged at info:
/// an operator asked for it now, and the log's level may not be changed by then.
fn log_trace(held: &Held, seq: i64, trace: &TurnTrace) {
    let candidates: Vec<_> = trace
        .candidates
        .iter()
        .take(CANDIDATES_MAX)
        .map(|one| format!("{} {:.2}", one.operation_id, one.probability))
        .collect();
    tracing::info!(
        conversation.id = %held.lease.conversation,
        seq,
        language = trace.language,
        ?candidates,
        chosen = trace.chosen,
        calls = ?trace.calls.iter().map(|call| format!("{} {}", call.operation_id, call.end)).collect::<Vec<_>>(),
        models = ?trace.models,
        "a turn was decided"
    );
}

fn publish(worker: &Worker, held: &Held, kind: &str, seq: i64, data: Value) {
    let event = FeedEvent { kind: kind.to_owned(), seq, epoch: held.lease.epoch, data };
    worker.coordination.publish(held.lease.conversation, event);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_dead_letter_no_button_starts_anything() {
        let open = json!({ "kind": { "ask": "wrong" }, "person": "00000000-0000-0000-0000-000000000001", "name": null,
            "asked_at": 0, "task": null, "offers": [], "text": "" });
        let offer = json!({ "token": "t", "title": "Yes", "does": { "does": "yes" } });
        let state: State = serde_json::from_value(json!({ "open": open, "offers": [offer] })).expect("a state");
        assert!(state.open.is_some() && !state.offers.is_empty());
        assert_eq!(without_offers(state), State::default());
    }
}
