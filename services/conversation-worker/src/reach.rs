//! Whether a part may be sent now, and in which form: judged when it is sent, since it may have waited.

use channels::{Channel, RejectClass, SendOutcome};
use domain::{Micros, Outgoing, Reply, Template};
use store::{Lease, OutboxRow};

use crate::worker::Worker;

/// In which form a part is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form<'a> {
    /// As it is.
    Words(&'a Reply),
    /// The template in its place.
    Template(&'a Template),
}

/// In which form a part may be sent to the person of `lease`. The answer to what they wrote within the platform's time
/// goes out without a look into the store.
///
/// # Errors
/// How the send ends without having been tried: they do not want it, it comes too late and has no template, or nobody
/// could tell and it is tried again.
pub async fn judge<'a>(
    worker: &Worker,
    lease: &Lease,
    channel: &Channel,
    row: &OutboxRow,
    part: &'a Outgoing,
    now: Micros,
) -> Result<Form<'a>, SendOutcome> {
    let in_time = |at: Option<Micros>, now: Micros| at.is_some_and(|at| now.since(at) <= window(channel));
    let unasked = part.unasked.as_ref();
    if unasked.is_none() && in_time(row.asked_at, now) {
        return Ok(Form::Words(&part.reply));
    }
    let reach = worker.store.reach(&lease.tenant, &lease.account, &lease.peer, Some(lease.conversation)).await;
    let reach = reach.map_err(|error| {
        tracing::warn!(outbox.id = %row.id, %error, "nobody could tell whether a message may be sent");
        SendOutcome::NotSent { reason: "whether it may be sent could not be read".to_owned() }
    })?;
    if let Some(out) = reach.forbidden(unasked.map(|unasked| unasked.category)) {
        return Err(SendOutcome::Rejected { class: RejectClass::OptedOut, reason: out.how.clone() });
    }
    let open = channel.window().is_none() || in_time(reach.wrote_at, reach.now);
    match unasked.and_then(|unasked| unasked.template.as_ref()) {
        Some(template) if !open || part.reply.text.is_empty() => Ok(Form::Template(template)),
        _ if open => Ok(Form::Words(&part.reply)),
        _ => Err(SendOutcome::Rejected {
            class: RejectClass::WindowClosed,
            reason: "the person wrote more than 24 hours ago or never, and there is no template".to_owned(),
        }),
    }
}

fn window(channel: &Channel) -> std::time::Duration {
    channel.window().unwrap_or(std::time::Duration::MAX)
}
