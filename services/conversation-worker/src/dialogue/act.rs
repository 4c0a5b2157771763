//! Effects: echo, a yes that counts, one call, and how it ended.

use openapi::Operation;
use serde_json::Value;

use super::{
    answer, ask, fail, files,
    later::{self, Same},
    learn,
    marked::Marked,
    schema::{self, operation_verb},
    scope::{Scope, Step, YES_S, arguments_hash},
    show,
    state::{Acted, Ask, Does, Offer, Open, Task},
    tell::Telling,
};
use crate::{
    language::{
        Lang,
        format::{capital, cut},
        verbs::participle,
    },
    turn::CallOutcome,
};

/// Shows all that would be done and asks for a yes.
pub fn confirm(scope: &mut Scope<'_>, mut task: Task, operation: &Operation) -> Step<()> {
    let Some(frame) = task.frames.first() else { return Ok(()) };
    let hash = arguments_hash(frame);
    let mut lines: Vec<Marked> = Vec::new();
    // A change of a question that was shown is told alone; the rest stays.
    let changed = scope.lead.iter().any(|line| line.starts_with(&changed_start(scope)));
    if !changed {
        lines.push(plan(scope, operation).into());
        let shown = show::lines(scope, operation, frame);
        // What was taken a moment ago is told once.
        scope.lead.retain(|led| !shown.iter().any(|line| line.text.trim_start_matches("• ") == led));
        lines.extend(shown);
        lines.extend(files::hint(scope, &mut task, operation).map(Marked::from));
    }
    let offers = offers(scope, operation, &hash, false);
    ask::open(scope, Ask::Confirm { hash }, Some(task), Marked::join(lines, "\n"), offers);
    Ok(())
}

/// The beginning of the sentence that tells a change.
fn changed_start(scope: &Scope<'_>) -> String {
    let text = scope.text("changed", &[("what", "\u{1}")]);
    text.split('\u{1}').next().unwrap_or_default().to_owned()
}

fn offers(scope: &mut Scope<'_>, operation: &Operation, hash: &str, retry: bool) -> Vec<Offer> {
    let yes = if retry { scope.text("button-retry", &[]) } else { yes_title(scope, operation) };
    let yes = scope.offer(yes, Does::Yes, hash);
    vec![yes, scope.button("button-change", Does::Change), scope.button("button-cancel", Does::Cancel)]
}

fn yes_title(scope: &Scope<'_>, operation: &Operation) -> String {
    match operation_verb(operation) {
        Some((verb, _)) => cut(&scope.text("act-yes", &[("verb", &verb)]), scope.input.settings.limits.button_title),
        None => scope.text("button-yes", &[]),
    }
}

/// "I'd book a room:".
fn plan(scope: &Scope<'_>, operation: &Operation) -> String {
    let title = schema::operation_title(operation);
    match operation_verb(operation) {
        Some((verb, plain)) => scope.text("act-plan", &[("verb", &verb), ("plain", &plain), ("title", &title)]),
        None => scope.text("act-plan-plain", &[("title", &title)]),
    }
}

/// A yes to a question that was seen, by button or in words. Runs only if the question is fresh and is unchanged.
pub fn yes(scope: &mut Scope<'_>, open: Open) -> Step<()> {
    let Ask::Confirm { hash } = &open.kind else { return Ok(()) };
    let Some(task) = open.task.clone() else { return Ok(()) };
    let Some(frame) = task.frames.first().cloned() else { return Ok(()) };
    let Some(operation) = scope.operation_of(&frame)? else {
        scope.state.open = None;
        let text = scope.text("gone", &[]);
        scope.say(text);
        return Ok(());
    };
    let Some(said) = scope.input.messages.last() else { return Ok(()) };
    let age = said.accepted_at.since(scope.shown_at(&open));
    if *hash != arguments_hash(&frame) {
        return show_first(scope, task, &operation);
    }
    if age > std::time::Duration::from_secs(YES_S) {
        return stale(scope, task, &operation, age.as_secs());
    }
    run(scope, task, &operation)
}

/// All that would be done, with a word on why it is shown again.
pub fn show_first(scope: &mut Scope<'_>, task: Task, operation: &Operation) -> Step<()> {
    let text = scope.text("see-first", &[]);
    scope.lead.push(text);
    confirm(scope, task, operation)
}

/// The question is too old: it is asked anew, in one sentence.
fn stale(scope: &mut Scope<'_>, task: Task, operation: &Operation, age_s: u64) -> Step<()> {
    let Some(frame) = task.frames.first() else { return Ok(()) };
    let minutes = usize::try_from((age_s + 30) / 60).unwrap_or(usize::MAX).max(1);
    let gist = show::gist(scope, operation, frame);
    let title = schema::operation_title(operation);
    let what = match (operation_verb(operation), scope.lang) {
        (Some((verb, _)), Lang::En) if !gist.is_empty() => format!("{verb} {gist}"),
        (Some((_, plain)), Lang::En) => plain,
        (_, _) if gist.is_empty() => title,
        (_, _) => format!("{title}: {gist}"),
    };
    let hash = arguments_hash(frame);
    let text = scope.counted("too-late", minutes, &[("what", &what)]);
    let offers = offers(scope, operation, &hash, false);
    ask::open(scope, Ask::Confirm { hash }, Some(task), text, offers);
    Ok(())
}

/// Makes the call that was said yes to.
fn run(scope: &mut Scope<'_>, task: Task, operation: &Operation) -> Step<()> {
    let Some(frame) = task.frames.first().cloned() else { return Ok(()) };
    scope.trace.chosen = Some(operation.id.clone());
    let repeats = match later::same(scope, &frame)? {
        Same::No => None,
        Same::Again(call) => Some(call),
        Same::Said => return Ok(()),
    };
    let (outcome, call) = scope.act(operation, &frame, repeats)?;
    scope.state.open = None;
    if let Some(person) = scope.person() {
        scope.state.acted = Some(Acted { person, at: scope.input.now });
    }
    match outcome {
        CallOutcome::Answered { status: 200..=299, body, .. } => {
            let title = schema::operation_title(operation);
            learn::ended_well(scope, &task, operation);
            answer::used(scope, operation, &title);
            let text = done(scope, operation, &task, &body);
            answer::remember_effect(scope, operation, &body);
            scope.say(text);
            Ok(())
        }
        CallOutcome::Answered { status, body, .. } => fail::refused(scope, task, operation, status, &body),
        CallOutcome::Away { again, wait_s, .. } => later::away(scope, task, operation, call, again, wait_s),
        CallOutcome::Unknown { .. } => later::unknown(scope, &frame, operation, call),
        CallOutcome::NoCredentials { .. } => {
            let system = scope.system(&operation.document);
            let text = scope.text("no-credentials", &[("system", &system)]);
            scope.say(text);
            Ok(())
        }
    }
}

/// Asks whether the same is to be tried again.
pub fn ask_again(scope: &mut Scope<'_>, task: Task, operation: &Operation, text: String) {
    let Some(frame) = task.frames.first() else { return };
    let hash = arguments_hash(frame);
    let offers = offers(scope, operation, &hash, true);
    ask::open(scope, Ask::Confirm { hash }, Some(task), text, offers);
}

/// "Booked: VW Transporter, Sun 22 Nov, 09:00-13:00. Number 4711."
pub fn done(scope: &Scope<'_>, operation: &Operation, task: &Task, body: &Value) -> Marked {
    let done = match operation_verb(operation) {
        Some((verb, _)) => capital(&scope.text("act-done", &[("verb", &verb), ("done", &participle(&verb))])),
        None => scope.text("act-done-plain", &[]),
    };
    let gist = task.frames.first().map(|frame| show::gist(scope, operation, frame)).unwrap_or_default();
    let text = if gist.is_empty() {
        format!("{done}: {}.", schema::operation_title(operation))
    } else {
        format!("{done}: {gist}.")
    };
    let text = Marked::from(text);
    if let Some(handle) = Telling::new(scope.lang, &scope.place, operation).handle(body)
        && !task.frames.first().is_some_and(|frame| frame.arguments.values().any(|value| plain(value) == handle))
    {
        return text.with(" ").with(scope.number_is(&handle));
    }
    text
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
