//! Commits a turn: what is said is split for its channel first, written in one transaction, and told to watchers after.

use std::sync::Arc;

use coordination::FeedEvent;
use domain::{Content, Reply};
use serde_json::{Value, json};
use store::{AuditRow, Commit, DeadLetterNew, InboxRow, OutboxNew, ReportNew, StoreError, UserMapping};

use crate::{
    dialogue,
    envelope::Envelope,
    lease::Held,
    mask::mask,
    turn::{Answer, LABEL, SaveIdentity, TurnTrace},
    worker::Worker,
};

/// Candidates told to those who watch.
const CANDIDATES_MAX: usize = 10;

/// Commits the answer to `rows`.
///
/// # Errors
/// [`StoreError::Fenced`] and failures of the store; then nothing was kept but identities.
pub async fn answer(
    worker: &Arc<Worker>,
    held: &Arc<Held>,
    rows: &[InboxRow],
    before: &Envelope,
    answer: Answer,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Err(StoreError::NotFound("message")) };
    for saved in &answer.save_identity {
        save_identity(worker, held, saved).await?;
    }
    if let Some(report) = &answer.trace.report {
        worker.store.file_report(&held.lease, first.seq, &report_of(first, report)).await?;
    }
    let replies = parts(worker, held, &answer.replies, answer.question);
    let state = before.after(first.seq, !replies.is_empty(), answer.question, &answer.state).write();
    let commit = Commit {
        first_seq: first.seq,
        last_seq: last.seq,
        replies,
        state,
        audit: Some(audit(held, rows, &answer.trace)),
        dead_letter: None,
    };
    // Before the commit, so that whoever waits for the answer knows how it came about.
    tell_trace(worker, held, first.seq, &answer.trace);
    worker.store.commit(&held.lease, &commit).await?;
    metrics::counter!("dragoman_turns_total", "end" => "answered").increment(1);
    tell(worker, held, &commit);
    Ok(())
}

/// Commits the messages of `range` as a dead letter, with an apology.
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
) -> Result<(), StoreError> {
    let apology = dialogue::apology(&before.dialogue(), &worker.tenants.settings(&held.lease.tenant));
    let commit = Commit {
        first_seq: range.0,
        last_seq: range.1,
        replies: parts(worker, held, &[apology], false),
        state: before.write(),
        audit: first.map(|row| audit(held, std::slice::from_ref(row), &TurnTrace::default())),
        dead_letter: Some(letter),
    };
    worker.store.commit(&held.lease, &commit).await?;
    metrics::counter!("dragoman_turns_total", "end" => "dead_letter").increment(1);
    tell(worker, held, &commit);
    Ok(())
}

/// The rows of the outbox, in order from part 1: part 0 is the message that they answer.
fn parts(worker: &Worker, held: &Held, replies: &[Reply], question: bool) -> Vec<OutboxNew> {
    let lease = &held.lease;
    let channel = worker.tenants.channel(&lease.tenant, &lease.account);
    let rendered: Vec<Reply> = match &channel {
        Some(channel) => replies.iter().flat_map(|reply| channel.render(reply)).collect(),
        // Its account is not configured any more: it waits as it is.
        None => replies.to_vec(),
    };
    let sent_already = lease.account.channel() == channels::web::NAME;
    let count = rendered.len();
    rendered
        .into_iter()
        .enumerate()
        .map(|(n, reply)| OutboxNew {
            part: i32::try_from(n + 1).unwrap_or(i32::MAX),
            reply: serde_json::to_value(&reply).unwrap_or(Value::Null),
            sent_already,
            question: question && n + 1 == count,
        })
        .collect()
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

fn audit(held: &Held, rows: &[InboxRow], trace: &TurnTrace) -> AuditRow {
    let words = |row: &InboxRow| match &row.incoming.content {
        Content::Text { text } => text.clone(),
        Content::Choice { title, .. } => format!("[{title}]"),
        Content::Media { media, caption, .. } => format!("[{media}] {}", caption.as_deref().unwrap_or_default()),
        Content::Location { .. } => "[location]".to_owned(),
        Content::Unknown { kind } => format!("[{kind}]"),
    };
    AuditRow {
        user_id: rows.first().map(|row| row.person.to_string()).unwrap_or_default(),
        chat_id: held.lease.conversation.to_string(),
        message: mask(rows.iter().map(words).collect::<Vec<_>>().join("\n").trim()),
        agent: "dialogue".to_owned(),
        tools_used: json!(trace.calls.iter().map(|call| &call.operation_id).collect::<Vec<_>>()),
    }
}

/// A report as it is filed: what the dialogue knows of the question and its answer, the rest as it stands.
fn report_of(first: &InboxRow, report: &Value) -> ReportNew {
    let text = |key: &str| report.get(key).and_then(Value::as_str).map(str::to_owned);
    ReportNew {
        person: first.person,
        question: mask(&text("question").unwrap_or_default()),
        answer: mask(&text("answer").unwrap_or_default()),
        retrieved: report.clone(),
        category: text("category"),
    }
}

/// Those who watch read the store; this only wakes them.
fn tell(worker: &Worker, held: &Held, commit: &Commit) {
    for reply in &commit.replies {
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

fn publish(worker: &Worker, held: &Held, kind: &str, seq: i64, data: Value) {
    let event = FeedEvent { kind: kind.to_owned(), seq, epoch: held.lease.epoch, data };
    worker.coordination.publish(held.lease.conversation, event);
}
