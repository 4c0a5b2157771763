//! Effects that have no end yet: tried again, or looked for, by an alarm of ours, until the person can be told one.
//!
//! What surely did not happen is tried again for ten minutes after the yes. What may have happened is made again only
//! where its key, or its nature, makes twice as good as once; else it is only looked for. Each call is exactly the one
//! that was confirmed. The person hears the first failure and the end, may ask in between, and may end it.

use std::time::Duration;

use domain::{Micros, PersonId, Reply};
use openapi::{Operation, Risk};
use serde_json::Value;

use super::{
    act, answer,
    fail::{self, Seen},
    known_languages,
    marked::Marked,
    schema,
    scope::{Scope, Step, arguments_hash},
    show,
    state::{Acted, Does, Frame, Later, Offer, Pending, State, Task},
};
use crate::{
    language::{asks_whether, texts, verbs::participle},
    turn::{CallOutcome, CallRef, Settings},
};

/// How long after the yes a call is made again.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// Wait before the first new try; doubled with each.
const WAIT: Duration = Duration::from_secs(15);
/// Longest such wait.
const WAIT_MAX: Duration = Duration::from_secs(180);
/// Where less than this would be left after a wait, the wait goes to the end.
const REST_MIN: Duration = Duration::from_secs(60);
/// An alarm that comes so long after the end makes no call any more: we were away ourselves.
const LATE: Duration = Duration::from_secs(60);
/// When something that may have happened is looked for, after the call.
const LOOKS: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(180), Duration::from_secs(600)];
/// Effects without an end that one conversation has at most.
const PENDING_MAX: usize = 5;

/// Why an effect is gone on with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Its alarm is due.
    Due,
    /// The person wants to know.
    Asked,
}

/// A call that was just confirmed surely did not happen: it is tried again later, or offered again.
pub fn away(
    scope: &mut Scope<'_>,
    task: Task,
    operation: &Operation,
    call: CallRef,
    again: bool,
    wait_s: Option<u64>,
) -> Step<()> {
    let Some(frame) = task.frames.first().cloned() else { return Ok(()) };
    let due = retry_at(scope, scope.input.now, 0, wait_s).filter(|_| again);
    let (Some(due), Some(person)) = (due.filter(|_| has_room(scope)), scope.person()) else {
        let system = scope.system(&operation.document);
        let text = scope.text("away-effect", &[("system", &system)]);
        act::ask_again(scope, task, operation, text);
        return Ok(());
    };
    let offer = keep(scope, Later::Retry, person, frame, call, due);
    let (system, done) = (scope.system(&operation.document), done_word(operation));
    let minutes = usize::try_from(RETRY_MAX.as_secs() / 60).unwrap_or_default();
    let text = scope.counted("act-away-later", minutes, &[("system", &system), ("done", &done)]);
    scope.say_with(text, vec![offer]);
    Ok(())
}

/// Nobody saw the end of a call that was just confirmed: it is looked for, now and later.
pub fn unknown(scope: &mut Scope<'_>, frame: &Frame, operation: &Operation, call: CallRef) -> Step<()> {
    let system = scope.system(&operation.document);
    let args = [("system", system.as_str())];
    let seen = fail::look_for(scope, frame, operation)?;
    let (later, key) = match (&seen, operation.risk) {
        (Seen::There(_), _) => (None, "unknown-found"),
        (Seen::Not, Risk::Once) => (Some(Later::Look), "unknown-open"),
        (Seen::Unchecked, Risk::Once) => (None, "unknown-unchecked"),
        (Seen::Not, _) => (Some(Later::Resend), "unknown-open"),
        (Seen::Unchecked, _) => (Some(Later::Resend), "unknown-again"),
    };
    let due = match later {
        Some(Later::Look) => look_at(scope.input.now, scope.input.now),
        Some(_) => retry_at(scope, scope.input.now, 0, None),
        None => None,
    };
    let mut text = Marked::from(scope.text(key, &args));
    match (later, due.filter(|_| has_room(scope)), scope.person()) {
        (Some(later), Some(due), Some(person)) => {
            keep(scope, later, person, frame.clone(), call, due);
        }
        (Some(_), ..) => text = scope.text("unknown-unchecked", &args).into(),
        (None, ..) => {}
    }
    if let Seen::There(Some(number)) = seen {
        text = text.with(" ").with(scope.number_is(&number));
    }
    scope.say(text);
    Ok(())
}

/// An alarm is due. One that nobody waits for any more is silence.
pub fn due(scope: &mut Scope<'_>, key: &str) -> Step<()> {
    match scope.state.pending.iter().position(|pending| pending.alarm == key) {
        Some(at) => {
            let pending = scope.state.pending.remove(at);
            go_on(scope, pending, Why::Due)
        }
        None => Ok(()),
    }
}

/// "Is it there?", while something of this person has no end: it is found out at once.
pub fn asked(scope: &mut Scope<'_>, text: &str) -> Step<bool> {
    let Some(at) = last_of(scope) else { return Ok(false) };
    let verb = match scope.operation_of(&scope.state.pending[at].frame.clone())? {
        Some(operation) => done_word(&operation),
        None => String::new(),
    };
    if !asks_whether(text, &verb) {
        return Ok(false);
    }
    let pending = scope.state.pending.remove(at);
    go_on(scope, pending, Why::Asked)?;
    Ok(true)
}

/// "Yes", while something of this person has no end and nothing is asked: how it stands.
pub fn remind(scope: &mut Scope<'_>) -> Step<bool> {
    let Some(pending) = last_of(scope).map(|at| scope.state.pending[at].clone()) else { return Ok(false) };
    let Some(operation) = scope.operation_of(&pending.frame)? else { return Ok(false) };
    say_still(scope, &pending, &operation);
    Ok(true)
}

/// Ends all that this person waits for, or the one whose button it was. False when there is none.
pub fn stop(scope: &mut Scope<'_>, token: Option<&str>) -> Step<bool> {
    let person = scope.person();
    let ends = |one: &Pending| Some(one.person) == person && token.is_none_or(|token| one.stop == token);
    let (ended, left) = std::mem::take(&mut scope.state.pending).into_iter().partition::<Vec<_>, _>(ends);
    scope.state.pending = left;
    let mut lines = Vec::new();
    for one in &ended {
        let what = what(scope, one)?;
        lines.push(match one.later {
            Later::Retry => scope.text("later-stopped", &[("what", &what)]),
            Later::Resend | Later::Look => scope.text("later-stopped-unknown", &[("what", &what)]),
        });
    }
    if !lines.is_empty() {
        scope.say(lines.join("\n"));
    }
    Ok(!ended.is_empty())
}

/// True when a button belongs to something that has no end yet; who waits for it.
pub fn waits(state: &State, token: &str) -> Option<PersonId> {
    state.pending.iter().find(|pending| pending.stop == token).map(|pending| pending.person)
}

/// What is confirmed anew while the same, of the same person, has no end yet.
pub enum Same {
    /// Nothing like it: a call of its own.
    No,
    /// The call that has to be made again, so that both are one.
    Again(CallRef),
    /// It may have happened already; it was gone on with, and what is known of it was said.
    Said,
}

/// Takes over what was confirmed before with the same arguments and has no end yet.
pub fn same(scope: &mut Scope<'_>, frame: &Frame) -> Step<Same> {
    let (hash, person) = (arguments_hash(frame), scope.person());
    let is_same = |one: &Pending| Some(one.person) == person && arguments_hash(&one.frame) == hash;
    let Some(at) = scope.state.pending.iter().position(is_same) else {
        return Ok(Same::No);
    };
    let pending = scope.state.pending.remove(at);
    match pending.later {
        Later::Retry => Ok(Same::Again(pending.call)),
        // It may have happened: no answer to another call says that it did not.
        Later::Resend | Later::Look => {
            scope.state.open = None;
            go_on(scope, pending, Why::Asked)?;
            Ok(Same::Said)
        }
    }
}

/// What is said when the turn of this alarm came to nothing; it does not wait any longer. `effect`: a call of this turn
/// may have had one. None when nobody waited for it.
pub fn give_up(state: &mut State, settings: &Settings, key: &str, effect: bool) -> Option<Reply> {
    let at = state.pending.iter().position(|pending| pending.alarm == key)?;
    let pending = state.pending.remove(at);
    if effect || pending.later != Later::Retry {
        let document = pending.frame.operation_id.split('/').next().unwrap_or_default().to_owned();
        return Some(super::unknown_effect(state, settings, &document));
    }
    let known = known_languages(settings);
    let lang = state.language.filter(|lang| known.contains(lang)).unwrap_or(known[0]);
    Some(Reply { text: texts::say(lang, "later-broken", &[]), ..Reply::default() })
}

fn go_on(scope: &mut Scope<'_>, pending: Pending, why: Why) -> Step<()> {
    let Some(operation) = scope.operation_of(&pending.frame)? else { return gone(scope, &pending) };
    scope.trace.chosen = Some(operation.id.clone());
    match pending.later {
        Later::Look => look(scope, pending, &operation, why),
        Later::Retry | Later::Resend => call(scope, pending, &operation, why),
    }
}

/// Makes the call again.
fn call(scope: &mut Scope<'_>, mut pending: Pending, operation: &Operation, why: Why) -> Step<()> {
    if scope.input.now > pending.since + RETRY_MAX + LATE {
        return ended(scope, pending, operation);
    }
    let (outcome, call) = scope.act(operation, &pending.frame, Some(pending.call))?;
    pending.call = call;
    match outcome {
        CallOutcome::Answered { status: 200..=299, body, .. } => {
            happened(scope, &pending, operation, &body);
            Ok(())
        }
        // It is gone, as was wanted: by the first call or by this one.
        CallOutcome::Answered { status: 404 | 410, .. }
            if pending.later == Later::Resend && operation.method == "DELETE" =>
        {
            happened(scope, &pending, operation, &Value::Null);
            Ok(())
        }
        CallOutcome::Answered { status, body, .. } => match pending.later {
            Later::Retry => refused(scope, &pending, operation, status, &body),
            Later::Resend | Later::Look => in_doubt(scope, &pending, operation, fail::message(&body)),
        },
        CallOutcome::NoCredentials { .. } => match pending.later {
            Later::Retry => refused(scope, &pending, operation, 401, &Value::Null),
            Later::Resend | Later::Look => in_doubt(scope, &pending, operation, None),
        },
        CallOutcome::Away { again, wait_s, .. } => wait_on(scope, pending, operation, why, again, wait_s),
        CallOutcome::Unknown { .. } => {
            let seen = fail::look_for(scope, &pending.frame, operation)?;
            match (seen, pending.later, operation.risk) {
                (Seen::There(number), ..) => {
                    found(scope, &pending, number)?;
                    Ok(())
                }
                // It may have happened now, for the first time, and twice would be wrong.
                (seen, Later::Retry, Risk::Once) => may_have_happened(scope, pending, operation, &seen),
                _ => {
                    pending.later = Later::Resend;
                    wait_on(scope, pending, operation, why, true, None)
                }
            }
        }
    }
}

/// Not yet: waits for the next try, or ends.
fn wait_on(
    scope: &mut Scope<'_>,
    mut pending: Pending,
    operation: &Operation,
    why: Why,
    again: bool,
    wait_s: Option<u64>,
) -> Step<()> {
    if why == Why::Asked {
        say_still(scope, &pending, operation);
        scope.state.pending.push(pending);
        return Ok(());
    }
    pending.tries += 1;
    match retry_at(scope, pending.since, pending.tries, wait_s).filter(|_| again) {
        Some(due) => {
            (pending.alarm, pending.due_at) = (scope.alarm_key(), due);
            scope.state.pending.push(pending);
            Ok(())
        }
        None => ended(scope, pending, operation),
    }
}

/// Looks for what may have happened.
fn look(scope: &mut Scope<'_>, mut pending: Pending, operation: &Operation, why: Why) -> Step<()> {
    if let Seen::There(number) = fail::look_for(scope, &pending.frame, operation)? {
        return found(scope, &pending, number);
    }
    if why == Why::Asked {
        say_still(scope, &pending, operation);
        scope.state.pending.push(pending);
        return Ok(());
    }
    pending.tries += 1;
    match look_at(pending.since, scope.input.now) {
        Some(due) => {
            (pending.alarm, pending.due_at) = (scope.alarm_key(), due);
            scope.state.pending.push(pending);
        }
        None => {
            let what = what(scope, &pending)?;
            let text = scope.text("later-not-seen", &[("what", &what)]);
            scope.say(text);
        }
    }
    Ok(())
}

/// A call that was not to be made twice has an unknown end from now on: that is news.
fn may_have_happened(scope: &mut Scope<'_>, mut pending: Pending, operation: &Operation, seen: &Seen) -> Step<()> {
    let what = what(scope, &pending)?;
    scope.lead.push(format!("{what}:"));
    let system = scope.system(&operation.document);
    let due = look_at(scope.input.now, scope.input.now).filter(|_| matches!(seen, Seen::Not));
    let key = if due.is_some() { "unknown-open" } else { "unknown-unchecked" };
    if let Some(due) = due {
        pending = Pending {
            later: Later::Look,
            alarm: scope.alarm_key(),
            due_at: due,
            since: scope.input.now,
            tries: 0,
            ..pending
        };
        scope.state.pending.push(pending);
    }
    let text = scope.text(key, &[("system", &system)]);
    scope.say(text);
    Ok(())
}

/// It has happened by our call.
fn happened(scope: &mut Scope<'_>, pending: &Pending, operation: &Operation, body: &Value) {
    let task = task_of(pending);
    answer::used(scope, operation, &schema::operation_title(operation));
    let text = act::done(scope, operation, &task, body);
    // The person may have gone on to something else, which "the second one" means now.
    if scope.state.last.is_none() {
        answer::remember_effect(scope, operation, body);
    }
    scope.state.acted = Some(Acted { person: pending.person, at: scope.input.now });
    scope.say(text);
}

/// It is there, whichever call made it.
fn found(scope: &mut Scope<'_>, pending: &Pending, number: Option<String>) -> Step<()> {
    let what = what(scope, pending)?;
    let mut text = Marked::from(scope.text("later-found", &[("what", &what)]));
    if let Some(number) = number {
        text = text.with(" ").with(scope.number_is(&number));
    }
    scope.say(text);
    Ok(())
}

/// The backend is there again and does not take it.
fn refused(scope: &mut Scope<'_>, pending: &Pending, operation: &Operation, status: u16, body: &Value) -> Step<()> {
    let what = what(scope, pending)?;
    scope.lead.push(format!("{what}:"));
    let (open, offers) = (scope.state.open.take(), scope.state.offers.clone());
    fail::refused(scope, task_of(pending), operation, status, body)?;
    if open.is_some() {
        // Another question is open: it stays, and this one is only told.
        (scope.state.open, scope.state.offers) = (open, offers);
        for reply in &mut scope.replies {
            (reply.choices, reply.list_title) = (Vec::new(), None);
        }
    }
    Ok(())
}

/// Made again and refused: the first call may be the reason.
fn in_doubt(scope: &mut Scope<'_>, pending: &Pending, operation: &Operation, why: Option<String>) -> Step<()> {
    if let Seen::There(number) = fail::look_for(scope, &pending.frame, operation)? {
        return found(scope, pending, number);
    }
    let (system, what) = (scope.system(&operation.document), what(scope, pending)?);
    scope.lead.extend(why);
    let text = scope.text("later-refused", &[("system", &system), ("what", &what)]);
    scope.say(text);
    Ok(())
}

/// The time is over.
fn ended(scope: &mut Scope<'_>, pending: Pending, operation: &Operation) -> Step<()> {
    let system = scope.system(&operation.document);
    if pending.later != Later::Retry {
        if let Seen::There(number) = fail::look_for(scope, &pending.frame, operation)? {
            return found(scope, &pending, number);
        }
        let what = what(scope, &pending)?;
        let text = scope.text("later-unknown", &[("system", &system), ("what", &what)]);
        scope.say(text);
        return Ok(());
    }
    let (what, done) = (what(scope, &pending)?, done_word(operation));
    let args = [("system", system.as_str()), ("what", what.as_str()), ("done", done.as_str())];
    if scope.state.open.is_some() {
        let text = scope.text("act-away-ended", &args);
        scope.say(text);
    } else {
        let text = scope.text("act-away-final", &args);
        act::ask_again(scope, task_of(&pending), operation, text);
    }
    Ok(())
}

/// The operation that was confirmed is not there any more.
fn gone(scope: &mut Scope<'_>, pending: &Pending) -> Step<()> {
    let what = what(scope, pending)?;
    let system = scope.system(pending.frame.operation_id.split('/').next().unwrap_or_default());
    let key = if pending.later == Later::Retry { "later-gone" } else { "later-unknown" };
    let text = scope.text(key, &[("system", &system), ("what", &what)]);
    scope.say(text);
    Ok(())
}

/// How it stands, for somebody who asks.
fn say_still(scope: &mut Scope<'_>, pending: &Pending, operation: &Operation) {
    let (system, done) = (scope.system(&operation.document), done_word(operation));
    let key = match pending.later {
        Later::Retry => "act-away-still",
        Later::Resend => "later-still-unknown",
        Later::Look => "later-still-not-seen",
    };
    let text = scope.text(key, &[("system", &system), ("done", &done)]);
    let offer = Offer { token: pending.stop.clone(), title: scope.text("button-cancel", &[]), does: Does::Cancel };
    scope.say_with(text, if pending.later == Later::Retry { vec![offer] } else { Vec::new() });
}

/// Remembers an effect without an end; gives the button that ends it.
fn keep(scope: &mut Scope<'_>, later: Later, person: PersonId, frame: Frame, call: CallRef, due_at: Micros) -> Offer {
    let alarm = scope.alarm_key();
    let offer = scope.button("button-cancel", Does::Cancel);
    let since = scope.input.now;
    let stop = offer.token.clone();
    scope.state.pending.push(Pending { later, alarm, due_at, person, frame, call, since, tries: 0, stop });
    offer
}

fn has_room(scope: &Scope<'_>) -> bool {
    scope.state.pending.len() < PENDING_MAX
}

/// The last effect without an end of the person who speaks.
fn last_of(scope: &Scope<'_>) -> Option<usize> {
    let person = scope.person()?;
    scope.state.pending.iter().rposition(|pending| pending.person == person)
}

/// When a call is made again after `tries` that an alarm made; none when the time is over or the backend wants to be
/// left alone for longer. Waits differ by up to a fifth from one conversation to the next, so that not all come back at
/// once.
fn retry_at(scope: &Scope<'_>, since: Micros, tries: u32, wait_s: Option<u64>) -> Option<Micros> {
    let (now, until) = (scope.input.now, since + RETRY_MAX);
    let asked = Duration::from_secs(wait_s.unwrap_or(0).min(86_400));
    if now >= until || now + asked > until {
        return None;
    }
    let base = WAIT.saturating_mul(1 << tries.min(8)).min(WAIT_MAX);
    let wanted = now + base.mul_f64(0.8 + 0.4 * part_of(&scope.input.token_seed)).max(asked);
    Some(if wanted + REST_MIN > until { until } else { wanted })
}

/// When something is looked for next.
fn look_at(since: Micros, now: Micros) -> Option<Micros> {
    LOOKS.into_iter().map(|wait| since + wait).find(|at| *at > now)
}

/// A number from 0 to 1 that is another in each conversation and turn.
fn part_of(seed: &str) -> f64 {
    let last =
        seed.bytes().rev().take(2).fold(0_u32, |sum, byte| sum * 16 + char::from(byte).to_digit(16).unwrap_or(0));
    f64::from(last.min(255)) / 255.0
}

fn task_of(pending: &Pending) -> Task {
    Task { frames: vec![pending.frame.clone()], ..Task::default() }
}

/// What it is about, in a few words.
fn what(scope: &mut Scope<'_>, pending: &Pending) -> Step<String> {
    let gist = match scope.operation_of(&pending.frame)? {
        Some(operation) => {
            let gist = show::gist(scope, &operation, &pending.frame);
            if gist.is_empty() { schema::operation_title(&operation) } else { gist }
        }
        None => pending.frame.labels.values().cloned().collect::<Vec<_>>().join(", "),
    };
    let document = pending.frame.operation_id.split('/').next().unwrap_or_default();
    Ok(if gist.is_empty() { scope.system(document) } else { gist })
}

/// "booked": what would have been done.
fn done_word(operation: &Operation) -> String {
    schema::operation_verb(operation).map_or_else(|| "done".to_owned(), |(verb, _)| participle(&verb))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_few_and_come_in_time() {
        let since = Micros(1_000_000);
        let mut now = since;
        let mut at = Vec::new();
        while let Some(due) = look_at(since, now) {
            at.push(due.since(since).as_secs());
            now = due + Duration::from_secs(2);
        }
        assert_eq!(at, [60, 180, 600]);
        assert_eq!(look_at(since, since + Duration::from_secs(200)), Some(since + Duration::from_secs(600)));
    }
}
