//! Sends the head of a conversation's outbox and records how that ended.

use std::{sync::Arc, time::Duration};

use channels::{Channel, RejectClass, SendOutcome};
use domain::{Category, Failure, FailureClass, Micros, Outgoing, Receipt, ReceiptStatus, Reply, telemetry::metric};
use faults::{Bug, planted};
use service_kit::telemetry;
use store::{Lease, OutboxRow, OutboxStatus, Outcome, Recorded, Scope, StoreError};
use tokio::time::Instant;
use tracing::{Instrument as _, Span, field};

use crate::{
    breaker::Health,
    drain::Step,
    lease::{Held, MARGIN},
    reach::{self, Form},
    reply_files,
    worker::{Worker, jitter},
};

/// A request to a platform is cancelled after this long.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Between the claim's renewal and the first byte lies one transaction; the lease has to outlive it, too.
const SLACK: Duration = Duration::from_secs(1);
/// Longest pause between two tries to record an outcome.
const RECORD_PAUSE_MAX: Duration = Duration::from_secs(2);
/// Longest pause before a part that never left is sent again.
const RESEND_PAUSE_MAX: Duration = Duration::from_secs(60);
/// A part that never left is given up after so many attempts: about half an hour.
const ATTEMPTS_MAX: i32 = 40;
const SECOND: Duration = Duration::from_secs(1);
/// Pause when the account's credentials are refused: an operator has to act.
const CREDENTIALS_PAUSE: Duration = Duration::from_secs(60);

/// Sends `row`, the due head of the line. `now` is the database's clock at the snapshot.
///
/// # Errors
/// When the attempt could not be begun; once it has begun its outcome is recorded.
pub async fn send(worker: &Arc<Worker>, held: &Arc<Held>, row: &OutboxRow, now: Micros) -> Result<Step, StoreError> {
    let read_at = Instant::now();
    if let Err(wait) = permit(worker, held).await? {
        return Ok(Step::Wait(now + wait + jitter(SECOND / 2)));
    }
    if planted(Bug::SendBeforeSending) {
        return send_before_sending(worker, held, row, now).await;
    }
    match worker.store.begin_send(&held.lease, row.id).await? {
        Some(attempt) => Ok(transmit(worker, held, row, attempt, (now, read_at)).await),
        None => Ok(Step::Again),
    }
}

/// Whether a part may be sent now, or how long to wait: the account may be paused or at its limit, with many
/// conversations that wait for it, and its platform may fail. The lease outlives the send then.
///
/// # Errors
/// When the lease could not be renewed.
pub async fn permit(worker: &Worker, held: &Arc<Held>) -> Result<Result<(), Duration>, StoreError> {
    let lease = &held.lease;
    let rate = worker.tenants.sends_per_second(&lease.tenant, &lease.account);
    let mut may = worker.coordination.allow(&pause_key(lease), rate, SECOND).await;
    if may.is_ok() {
        may = worker.breakers.permit(&lease.tenant, &lease.account, DEADLINE + MARGIN);
    }
    if may.is_ok() {
        worker.leases.ensure(held, DEADLINE + SLACK).await?;
    }
    Ok(may)
}

fn pause_key(lease: &Lease) -> String {
    format!("send:{}:{}", lease.tenant, lease.account)
}

/// Sends a row whose attempt is written down, and records how that ended. `clock` is the database's at a time of ours.
pub async fn transmit(
    worker: &Arc<Worker>,
    held: &Arc<Held>,
    row: &OutboxRow,
    attempt: i32,
    clock: (Micros, Instant),
) -> Step {
    let lease = &held.lease;
    let channel = worker.tenants.channel(&lease.tenant, &lease.account);
    let part = serde_json::from_value::<Outgoing>(row.reply.clone());
    let judged = match (&channel, &part) {
        (_, Err(error)) => {
            let reason = format!("stored part is unreadable: {error}");
            Err(SendOutcome::Rejected { class: RejectClass::Content, reason })
        }
        (None, Ok(_)) => Err(SendOutcome::RetryAfter { wait: CREDENTIALS_PAUSE, account_wide: false }),
        (Some(channel), Ok(part)) => {
            let now = clock.0 + clock.1.elapsed();
            reach::judge(worker, lease, channel, row, part, now).await.map(|form| (channel, form))
        }
    };
    let began = clock.0 + clock.1.elapsed();
    // From here on nothing that can fail stands between the platform's answer and its record.
    let (sent, posted) = match judged {
        Err(sent) => (sent, None),
        Ok(_) if !held.outlives(DEADLINE) => {
            (SendOutcome::NotSent { reason: "the lease ends too soon".to_owned() }, None)
        }
        Ok((channel, form)) => {
            let span = span(lease, row, attempt);
            worker.store.at("send.before").await;
            let (sent, was_asked) = match form {
                Form::Words(Reply { file: Some(file), .. }) => {
                    reply_files::send(worker, held, channel, row, file, attempt).instrument(span.clone()).await
                }
                _ => (post(channel, &lease.peer, row, form).instrument(span.clone()).await, true),
            };
            worker.store.at("send.after").await;
            // A store of ours that is away says nothing of the platform.
            if was_asked {
                worker.breakers.tell(&lease.tenant, &lease.account, health(&sent));
            }
            if !matches!(sent, SendOutcome::Sent { .. }) {
                span.record("error.type", end(&sent));
                span.record("otel.status_code", "ERROR");
            }
            (sent, Some(form))
        }
    };
    let outcome = outcome(&sent, attempt, clock.0 + clock.1.elapsed());
    count(&lease.account, &sent, channel.is_none());
    let recorded = record(worker, held, row, attempt, &outcome).await;
    if let SendOutcome::Sent { peer: Some(peer), .. } = &sent
        && let Err(error) = worker.store.also_known_as(lease, peer).await
    {
        // Their answer would be a conversation of its own; the next send tells it again.
        tracing::warn!(outbox.id = %row.id, %error, "the platform's own id of a chat was not kept");
    }
    if let Some(unasked) = part.as_ref().ok().and_then(|part| part.unasked.as_ref())
        && recorded != Recorded::KnownAlready
    {
        count_notification(unasked.category, &outcome, posted);
    }
    // A report may have come first, or another holder has counted this end already.
    if recorded != Recorded::KnownAlready && matches!(sent, SendOutcome::Unknown { .. }) {
        count_unknown(held);
    }
    match sent {
        SendOutcome::RetryAfter { wait, account_wide: true } => {
            worker.coordination.pause(&pause_key(lease), wait).await;
        }
        SendOutcome::TooFast { account_wide: true } => {
            worker.coordination.pause(&pause_key(lease), slower(attempt)).await;
        }
        SendOutcome::Sent { provider_message_id, refused: Some(reason), .. } => {
            tracing::warn!(outbox.id = %row.id, reason, "the platform took the request and refused the message");
            let receipt = Receipt {
                provider: lease.account.channel().to_owned(),
                account: lease.account.clone(),
                provider_message_id,
                outbox_id: Some(row.id),
                status: ReceiptStatus::Failed,
                at: None,
                failure: Some(Failure { reason, class: FailureClass::Other }),
            };
            match worker.store.record_receipts(&lease.tenant, &[receipt]).await {
                Ok(more) => more.into_iter().for_each(|id| worker.coordination.ring(id, row.traceparent.as_deref())),
                Err(error) => tracing::warn!(outbox.id = %row.id, %error, "the refusal was not kept"),
            }
        }
        SendOutcome::Rejected { class: class @ (RejectClass::OptedOut | RejectClass::NoMarketing), reason }
            if posted.is_some() =>
        {
            let scope = if class == RejectClass::OptedOut { Scope::Blocked } else { Scope::Marketing };
            if let Err(error) = worker.store.note_opt_out(lease, scope, &reason, began).await {
                tracing::warn!(outbox.id = %row.id, %error, "what the person does not want was not kept");
            }
        }
        _ => {}
    }
    if recorded == Recorded::AndReleased { Step::Released } else { Step::Again }
}

/// A planted bug: the platform gets the part before the attempt is written down.
async fn send_before_sending(
    worker: &Worker,
    held: &Arc<Held>,
    row: &OutboxRow,
    now: Micros,
) -> Result<Step, StoreError> {
    let channel = worker.tenants.channel(&held.lease.tenant, &held.lease.account);
    let (Some(channel), Ok(part)) = (channel, serde_json::from_value::<Reply>(row.reply.clone())) else {
        return Ok(Step::Wait(now + CREDENTIALS_PAUSE));
    };
    let sent = post(&channel, &held.lease.peer, row, Form::Words(&part)).await;
    if let Some(attempt) = worker.store.begin_send(&held.lease, row.id).await? {
        record(worker, held, row, attempt, &outcome(&sent, attempt, now)).await;
    }
    Ok(Step::Again)
}

/// The span of a send, in the trace of the message that it answers, however much later that is.
fn span(lease: &Lease, row: &OutboxRow, attempt: i32) -> Span {
    let channel = lease.account.channel();
    let span = tracing::info_span!(
        "send",
        otel.name = format!("send {channel}"),
        otel.kind = "client",
        otel.status_code = field::Empty,
        seq = row.in_seq,
        attempt,
        error.type = field::Empty,
        trace_id = field::Empty,
    );
    telemetry::set_messaging(&span, channel, "send", &lease.account.to_string());
    telemetry::set(&span, "gen_ai.conversation.id", lease.conversation.to_string());
    match &row.traceparent {
        Some(traceparent) => telemetry::set_parent(&span, traceparent),
        None => telemetry::record_trace_id(&span),
    }
    span
}

/// Takes a row of an earlier attempt, whose end nobody recorded, one step on.
///
/// # Errors
/// As [`store::Store::resolve_unknown`].
pub async fn resolve(worker: &Worker, held: &Held, row: &OutboxRow) -> Result<(), StoreError> {
    let policy = worker.tenants.unknown_policy(&held.lease.tenant);
    let status = worker.store.resolve_unknown(&held.lease, row, policy).await?;
    if status == OutboxStatus::Unknown && row.status == OutboxStatus::Sending {
        count_unknown(held);
    }
    if status == OutboxStatus::Held {
        metrics::counter!(metric::OUTBOUND_HELDS).increment(1);
        tracing::error!(outbox.id = %row.id, "nobody knows whether this message arrived; it is held for an operator");
    }
    Ok(())
}

async fn post(channel: &Channel, peer: &str, row: &OutboxRow, form: Form<'_>) -> SendOutcome {
    let request = async {
        match form {
            Form::Words(part) => channel.send(peer, row.id, part, DEADLINE).await,
            Form::Template(template) => channel.send_template(peer, row.id, template, DEADLINE).await,
        }
    };
    within_deadline(channel, request).await
}

/// A request that has the deadline itself, with a net under it.
pub async fn within_deadline(channel: &Channel, request: impl Future<Output = SendOutcome>) -> SendOutcome {
    let begun = Instant::now();
    let net = DEADLINE + MARGIN / 2;
    let sent = tokio::time::timeout(net, request).await;
    metrics::histogram!(metric::SEND_DURATION, "channel" => channel.name()).record(begun.elapsed());
    sent.unwrap_or_else(|_elapsed| SendOutcome::Unknown { reason: "no answer within the deadline".to_owned() })
}

/// What the end of a request tells about the platform.
fn health(sent: &SendOutcome) -> Health {
    match sent {
        SendOutcome::Sent { .. }
        | SendOutcome::Rejected { .. }
        | SendOutcome::RetryAfter { .. }
        | SendOutcome::TooFast { .. } => Health::Answered,
        SendOutcome::NotSent { .. } | SendOutcome::Unknown { .. } => Health::Failed,
    }
}

/// What is to be recorded.
fn outcome(sent: &SendOutcome, attempt: i32, now: Micros) -> Outcome {
    let failed = |class: RejectClass, reason: &str| Outcome::Failed { reason: format!("{}: {reason}", class.as_str()) };
    match sent {
        SendOutcome::Sent { provider_message_id, .. } => {
            Outcome::Sent { provider_message_id: Some(provider_message_id.clone()).filter(|id| !id.is_empty()) }
        }
        // A key that is refused today may be put right; the message is not at fault.
        SendOutcome::Rejected { class: RejectClass::Credentials, .. } if attempt < ATTEMPTS_MAX => {
            Outcome::Pending { due_at: now + CREDENTIALS_PAUSE }
        }
        SendOutcome::Rejected { class: class @ RejectClass::WindowClosed, reason } => {
            Outcome::WindowClosed { reason: format!("{}: {reason}", class.as_str()) }
        }
        SendOutcome::Rejected { class, reason } => failed(*class, reason),
        SendOutcome::RetryAfter { wait, .. } => Outcome::Pending { due_at: now + *wait },
        // Of an account at its limit each message waits its turn, as with a time that the platform names.
        SendOutcome::TooFast { account_wide } if *account_wide || attempt < ATTEMPTS_MAX => {
            Outcome::Pending { due_at: now + slower(attempt) }
        }
        SendOutcome::TooFast { .. } => Outcome::Failed { reason: "the platform never had time for it".to_owned() },
        SendOutcome::NotSent { .. } if attempt < ATTEMPTS_MAX => {
            Outcome::Pending { due_at: now + resend_pause(attempt) }
        }
        SendOutcome::NotSent { reason } => Outcome::Failed { reason: format!("never left: {reason}") },
        SendOutcome::Unknown { .. } => Outcome::Unknown,
    }
}

/// Pause after attempt number `attempt`, counted from 1, of which the platform says that it was too soon: 4^attempt
/// seconds, as WhatsApp asks for (errors 131056 and 130429), at most [`RESEND_PAUSE_MAX`], and up to three eighths more, so
/// that many who wait do not come back together.
fn slower(attempt: i32) -> Duration {
    let seconds = 4_u32.saturating_pow(u32::try_from(attempt.max(1)).unwrap_or(1));
    let pause = SECOND.saturating_mul(seconds).min(RESEND_PAUSE_MAX);
    pause + jitter(pause / 4)
}

fn resend_pause(attempt: i32) -> Duration {
    let doubled = 2_u32.saturating_pow(u32::try_from(attempt.clamp(1, 7)).unwrap_or(1) - 1);
    jitter(Duration::from_secs(1) * doubled).min(RESEND_PAUSE_MAX)
}

/// Not fenced, and tried until it is done or the process ends: what was sent must be known.
async fn record(worker: &Worker, held: &Arc<Held>, row: &OutboxRow, attempt: i32, outcome: &Outcome) -> Recorded {
    if planted(Bug::FencedSendRecord) && worker.leases.ensure(held, crate::lease::LEASE).await.is_err() {
        return Recorded::KnownAlready;
    }
    let mut try_number: u32 = 0;
    loop {
        match worker.store.record_and_release(&held.lease, row.id, attempt, outcome).await {
            Ok(recorded) => return recorded,
            Err(error) => {
                try_number = try_number.saturating_add(1);
                tracing::warn!(outbox.id = %row.id, try_number, %error, "the outcome of a send was not recorded; will retry");
            }
        }
        let pause = Duration::from_millis(100).saturating_mul(try_number).min(RECORD_PAUSE_MAX);
        tokio::time::sleep(jitter(pause)).await;
    }
}

fn end(sent: &SendOutcome) -> &'static str {
    match sent {
        SendOutcome::Sent { .. } => "sent",
        SendOutcome::Rejected { .. } => "rejected",
        SendOutcome::RetryAfter { .. } | SendOutcome::TooFast { .. } => "later",
        SendOutcome::NotSent { .. } => "not_sent",
        SendOutcome::Unknown { .. } => "unknown",
    }
}

fn count(account: &domain::Account, sent: &SendOutcome, unconfigured: bool) {
    let channel = account.channel().to_owned();
    metrics::counter!(metric::OUTBOUND_SENDS, "channel" => channel, "end" => end(sent)).increment(1);
    match sent {
        _ if unconfigured => {
            tracing::error!(%account, "an answer waits for an account that is not configured any more")
        }
        SendOutcome::Rejected { class: RejectClass::Credentials, reason } => {
            tracing::error!(%account, reason, "the platform refuses this account's key; answers wait");
        }
        SendOutcome::Rejected { class, reason } => {
            tracing::warn!(%account, class = class.as_str(), reason, "a message was refused")
        }
        SendOutcome::RetryAfter { wait, .. } => {
            tracing::info!(%account, wait_ms = wait.as_millis(), "the platform asks us to wait")
        }
        SendOutcome::TooFast { account_wide } => {
            tracing::info!(%account, account_wide, "the platform is asked too often")
        }
        SendOutcome::NotSent { reason } => tracing::warn!(%account, reason, "a message did not leave; will retry"),
        SendOutcome::Unknown { reason } => {
            tracing::warn!(%account, reason, "nobody knows whether a message arrived");
        }
        SendOutcome::Sent { .. } => {}
    }
}

/// Counts a message that nobody asked for, when it has an end.
fn count_notification(category: Category, outcome: &Outcome, posted: Option<Form<'_>>) {
    if category == Category::Answer {
        return;
    }
    let end = match (outcome, posted) {
        (Outcome::Sent { .. }, Some(Form::Template(_))) => "template",
        (Outcome::Sent { .. }, _) => "sent",
        (Outcome::Failed { .. } | Outcome::WindowClosed { .. }, _) => "failed",
        (Outcome::Pending { .. } | Outcome::Unknown, _) => return,
    };
    metrics::counter!(metric::NOTIFICATIONS, "category" => category.as_str(), "outcome" => end).increment(1);
}

fn count_unknown(held: &Held) {
    metrics::counter!(metric::OUTBOUND_UNKNOWN, "channel" => held.lease.account.channel().to_owned()).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_a_send_has_its_record() {
        let now = Micros(1_000_000_000);
        let wait = Duration::from_secs(7);
        let rejected = |class| SendOutcome::Rejected { class, reason: "x".to_owned() };
        for (sent, attempt, expected) in [
            (
                SendOutcome::Sent { provider_message_id: "p".to_owned(), refused: None, peer: None },
                1,
                Outcome::Sent { provider_message_id: Some("p".to_owned()) },
            ),
            (SendOutcome::RetryAfter { wait, account_wide: true }, 1, Outcome::Pending { due_at: now + wait }),
            (SendOutcome::Unknown { reason: String::new() }, 1, Outcome::Unknown),
            (rejected(RejectClass::WindowClosed), 1, Outcome::WindowClosed { reason: "window_closed: x".to_owned() }),
            (rejected(RejectClass::Recipient), 1, Outcome::Failed { reason: "recipient: x".to_owned() }),
            (rejected(RejectClass::Credentials), 1, Outcome::Pending { due_at: now + CREDENTIALS_PAUSE }),
            (rejected(RejectClass::Credentials), ATTEMPTS_MAX, Outcome::Failed { reason: "credentials: x".to_owned() }),
            (
                SendOutcome::NotSent { reason: "dns".to_owned() },
                ATTEMPTS_MAX,
                Outcome::Failed { reason: "never left: dns".to_owned() },
            ),
        ] {
            assert_eq!(outcome(&sent, attempt, now), expected, "{sent:?}");
        }
    }

    #[test]
    fn what_came_too_fast_waits_four_times_as_long_each_time_up_to_a_minute() {
        let outcome = |account_wide, attempt| outcome(&SendOutcome::TooFast { account_wide }, attempt, Micros(0));
        for account_wide in [true, false] {
            for (attempt, least) in [(1, 4), (2, 16), (3, 60), (39, 60)] {
                let Outcome::Pending { due_at } = outcome(account_wide, attempt) else { panic!("it waits") };
                let waits = due_at.since(Micros(0));
                let least = Duration::from_secs(least);
                assert!(waits >= least && waits <= least * 11 / 8, "{attempt}: {waits:?}");
            }
        }
        assert!(matches!(outcome(false, ATTEMPTS_MAX), Outcome::Failed { .. }), "it has an end");
        assert!(matches!(outcome(true, ATTEMPTS_MAX), Outcome::Pending { .. }), "the message is not at fault");
    }

    #[test]
    fn a_part_that_never_left_waits_longer_each_time_up_to_a_minute() {
        for attempt in [1, 5, 39, i32::MAX] {
            let Outcome::Pending { due_at } =
                outcome(&SendOutcome::NotSent { reason: String::new() }, attempt.min(39), Micros(0))
            else {
                panic!("it is sent again");
            };
            assert!(due_at > Micros(0) && due_at <= Micros(0) + RESEND_PAUSE_MAX, "{attempt}: {due_at:?}");
        }
    }
}
