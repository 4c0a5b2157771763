//! What was said, against the open question: buttons, control words, values, or a new wish.

use domain::PersonId;
use serde_json::Value;
use store::Scope as Kind;

use super::{
    act, answer, ask, ids, later, schema,
    scope::{Scope, Step, TWICE_S, is_own_token},
    show, small, start,
    state::{Ask, Does, Frame, Offer, Open, Task},
    steps, values,
};
use crate::language::{
    consent::{Consent, consent},
    control::{Control, control, leading, only_wrong},
    fold,
};

/// An edit of fewer words is no wish, but perhaps another value for an earlier question.
const WISH_WORDS_MIN: usize = 3;

/// A button or row was chosen.
pub fn chosen(scope: &mut Scope<'_>, token: &str, title: &str) -> Step<()> {
    scope.state.unasked = false;
    if let Some(open) = scope.state.open.clone()
        && let Some(offer) = open.offers.iter().find(|offer| offer.token == token).cloned()
    {
        if !is_asked(scope, &open) {
            return only_asked(scope, &open);
        }
        return take(scope, open, offer);
    }
    if let Some(offer) = scope.state.offers.iter().find(|offer| offer.token == token).cloned() {
        return begin_offer(scope, &offer);
    }
    if let Some(person) = later::waits(&scope.state, token) {
        if scope.person() == Some(person) {
            later::stop(scope, Some(token))?;
        } else {
            let text = scope.text("only-asked-plain", &[]);
            scope.say(text);
        }
        return Ok(());
    }
    // A template's buttons are none of ours: what stands on them counts as if it were written.
    if !is_own_token(token)
        && let Some(wish) = consent(title).or_else(|| consent(token))
    {
        return match wish {
            Consent::Start | Consent::StartIfStopped => {
                if !super::consent::start(scope) {
                    let text = scope.text("opted-in", &[]);
                    scope.say(text);
                }
                Ok(())
            }
            wish => stop(scope, wish, None),
        };
    }
    if acted_just_now(scope) {
        return Ok(());
    }
    // A button of the past: what is open is shown again.
    let text = scope.text("old-button", &[]);
    match scope.state.open.clone() {
        Some(open) if is_asked(scope, &open) => {
            scope.lead.push(text);
            ask::again(scope, open);
        }
        Some(_) | None => scope.say(text),
    }
    Ok(())
}

fn is_asked(scope: &Scope<'_>, open: &Open) -> bool {
    scope.person() == Some(open.person)
}

fn only_asked(scope: &mut Scope<'_>, open: &Open) -> Step<()> {
    let text = match &open.name {
        Some(name) => scope.text("only-asked", &[("name", name.split_whitespace().next().unwrap_or(name))]),
        None => scope.text("only-asked-plain", &[]),
    };
    scope.say(text);
    Ok(())
}

/// True when this person's yes had its effect a moment ago.
fn acted_just_now(scope: &Scope<'_>) -> bool {
    let person: Option<PersonId> = scope.person();
    scope.state.acted.as_ref().is_some_and(|acted| Some(acted.person) == person && !scope.is_older(acted.at, TWICE_S))
}

/// Words.
pub fn text(scope: &mut Scope<'_>, text: &str) -> Step<()> {
    scope.state.unasked = false;
    let meant = control(text);
    let open = scope.state.open.clone();
    if let Some(open) = open {
        if is_asked(scope, &open) {
            if !scope.is_edit()
                && let Some(wish @ (Consent::Stop | Consent::StopMarketing)) = consent(text)
            {
                return stop(scope, wish, meant);
            }
            return if scope.is_edit() {
                edited(scope, open, meant, text)
            } else {
                answer_open(scope, open, meant, text)
            };
        }
        if matches!(open.kind, Ask::Confirm { .. })
            && (meant == Some(Control::Yes) || meant == Some(Control::No) || leading(text).is_some())
        {
            return only_asked(scope, &open);
        }
        // Somebody else in the group: their own wish; the question of the other stays unless a new one takes its place.
        scope.state.open = None;
        free(scope, meant, text)?;
        if scope.state.open.is_none() {
            scope.state.open = Some(open);
        }
        return Ok(());
    }
    free(scope, meant, text)
}

/// Words while no question is open.
fn free(scope: &mut Scope<'_>, meant: Option<Control>, text: &str) -> Step<()> {
    match consent(text) {
        Some(wish @ (Consent::Stop | Consent::StopMarketing)) => return stop(scope, wish, meant),
        Some(Consent::Start) => {
            if super::consent::start(scope) {
                return Ok(());
            }
        }
        Some(Consent::StartIfStopped) if scope.state.stopped => {
            super::consent::start(scope);
            return Ok(());
        }
        Some(Consent::StartIfStopped) | None => {}
    }
    match meant {
        Some(Control::Greeting) => return small::greet(scope),
        Some(Control::Help) => return small::help(scope, true),
        Some(Control::Person) => {
            small::person(scope);
            return Ok(());
        }
        Some(Control::Wrong) => {
            small::wrong(scope);
            return Ok(());
        }
        Some(Control::Thanks) => {
            let text = scope.text("welcome", &[]);
            scope.say(text);
            return Ok(());
        }
        Some(Control::Cancel | Control::No) if later::stop(scope, None)? => {
            scope.state.offers.clear();
            return Ok(());
        }
        Some(Control::Cancel) => {
            scope.state.offers.clear();
            let text = scope.text("cancelled", &[]);
            scope.say(text);
            return Ok(());
        }
        Some(Control::Yes | Control::No) if acted_just_now(scope) => return Ok(()),
        Some(Control::Yes) if later::remind(scope)? => return Ok(()),
        Some(Control::Yes | Control::No | Control::Back | Control::Change) => {
            let text = scope.text("no-question", &[]);
            scope.say(text);
            return Ok(());
        }
        Some(Control::More) if answer::more(scope)? => return Ok(()),
        Some(Control::More) | None => {}
    }
    if let Some(offer) = offer_named(&scope.state.offers, text) {
        return begin_offer(scope, &offer);
    }
    if later::asked(scope, text)? {
        return Ok(());
    }
    start::wish(scope, text)
}

/// Somebody wants no more messages. A bare "stop" ends what is open or waits to be done again, and nothing else, unless a
/// message that nobody asked for came in between; any other word for it ends that as well.
fn stop(scope: &mut Scope<'_>, wish: Consent, meant: Option<Control>) -> Step<()> {
    let unasked = scope.input.state.unasked;
    let open = scope.state.open.clone().is_some_and(|open| is_asked(scope, &open));
    let ended = if open {
        cancel(scope)?;
        true
    } else {
        later::stop(scope, None)?
    };
    if ended && !unasked && meant == Some(Control::Cancel) {
        scope.state.offers.clear();
        return Ok(());
    }
    let kind = if wish == Consent::StopMarketing { Kind::Marketing } else { Kind::All };
    super::consent::stop(scope, kind);
    Ok(())
}

/// The offer whose title a text is.
fn offer_named(offers: &[Offer], text: &str) -> Option<Offer> {
    let folded = fold(text.trim().trim_end_matches(['.', '!', '?']));
    offers.iter().find(|offer| fold(&offer.title) == folded).cloned()
}

/// A button below an answer.
fn begin_offer(scope: &mut Scope<'_>, offer: &Offer) -> Step<()> {
    match offer.does.clone() {
        Does::Start { operation_id, sentence } => {
            scope.state.open = None;
            steps::begin(scope, &operation_id, "", &sentence, Vec::new())
        }
        Does::More => {
            if !answer::more(scope)? {
                let text = scope.text("list-end", &[]);
                scope.say(text);
            }
            Ok(())
        }
        Does::All => match scope.state.last.clone() {
            Some(last) => steps::advance(scope, task_of(last.frame)),
            None => Ok(()),
        },
        Does::Help => small::help(scope, true),
        Does::Person => {
            small::person(scope);
            Ok(())
        }
        Does::Filter { key } => filter(scope, &key),
        Does::Yes
        | Does::No
        | Does::Change
        | Does::Cancel
        | Does::Row { .. }
        | Does::Value { .. }
        | Does::AskField { .. }
        | Does::OtherTime
        | Does::Wrong { .. } => Ok(()),
    }
}

/// The last look again, with one more filter: by who the person is, looked up, or asked.
fn filter(scope: &mut Scope<'_>, key: &str) -> Step<()> {
    let Some(last) = scope.state.last.clone() else { return Ok(()) };
    let Some(operation) = scope.operation_of(&last.frame)? else { return Ok(()) };
    let Some(field) = operation.field(key).cloned() else { return Ok(()) };
    let mut frame = last.frame;
    let own = scope.mapping(&operation.document).and_then(|mapping| mapping.values.get(&field.name).cloned());
    if let Some(value) = own {
        frame.arguments.insert(key.to_owned(), value);
        frame.identity.push(key.to_owned());
        return steps::advance(scope, task_of(frame));
    }
    ids::ask_or_look_up(scope, task_of(frame), &operation, key)
}

/// A task without a sentence.
fn task_of(frame: Frame) -> Task {
    Task { frames: vec![frame], ..Task::default() }
}

/// Words for an open question of this person.
fn answer_open(scope: &mut Scope<'_>, open: Open, meant: Option<Control>, text: &str) -> Step<()> {
    match meant {
        // These mean the same whatever is asked, and run nothing.
        Some(Control::Cancel) => return cancel(scope),
        Some(Control::Help) => {
            small::help(scope, false)?;
            ask::again(scope, open);
            return Ok(());
        }
        Some(Control::Person) => {
            small::person(scope);
            return Ok(());
        }
        _ => {}
    }
    if !scope.question_seen() {
        return show_first(scope, open);
    }
    let confirming = matches!(open.kind, Ask::Confirm { .. });
    match meant {
        Some(Control::Back) => return back(scope, open),
        Some(Control::Yes) if confirming => return act::yes(scope, open),
        Some(Control::No) if confirming => return cancel(scope),
        // "Do you mean: [this]" — "yes".
        Some(Control::Yes) if open.kind == Ask::Meaning && open.offers.len() == 1 => {
            let only = open.offers[0].clone();
            return take(scope, open, only);
        }
        Some(Control::No) if matches!(open.kind, Ask::Meaning | Ask::Pick { .. }) => return cancel(scope),
        Some(Control::Change | Control::Wrong) if confirming => return change_of(scope, open),
        Some(Control::Wrong) if is_wrong_here(scope, &open, text)? => {
            small::wrong(scope);
            return Ok(());
        }
        Some(Control::Greeting) if !free_text(scope, &open)? => {
            scope.state.open = None;
            return small::greet(scope);
        }
        _ => {}
    }
    if let Some(offer) = offer_named(&open.offers, text) {
        return take(scope, open, offer);
    }
    match open.kind.clone() {
        Ask::Meaning => values::meaning(scope, open, text),
        Ask::Field { key } => values::field(scope, open, &key, text),
        Ask::Pick { key, rows, cut } => values::pick(scope, open, &key, (&rows, cut), text),
        Ask::Confirm { .. } => values::at_confirm(scope, open, text),
        Ask::Change => values::at_change(scope, open, text),
        Ask::Wrong => {
            scope.state.open = None;
            small::wrong_noted(scope, "words", text);
            Ok(())
        }
        Ask::Person => match meant {
            Some(Control::Yes) => {
                scope.state.open = None;
                small::person(scope);
                Ok(())
            }
            Some(Control::No) => cancel_quietly(scope),
            _ => {
                scope.state.open = None;
                free(scope, meant, text)
            }
        },
    }
}

/// An earlier message in other words answers no question that came after it: it is a wish in place of the one that the
/// question is about, or too short for one, and then the question is shown again.
fn edited(scope: &mut Scope<'_>, open: Open, meant: Option<Control>, text: &str) -> Step<()> {
    if meant.is_some() || text.split_whitespace().count() < WISH_WORDS_MIN {
        return show_first(scope, open);
    }
    scope.state.open = None;
    free(scope, None, text)
}

/// Words of somebody who could not see the question yet do not answer it: it is shown again, and nothing runs.
fn show_first(scope: &mut Scope<'_>, open: Open) -> Step<()> {
    if matches!(open.kind, Ask::Confirm { .. })
        && let Some(task) = open.task.clone()
        && let Some(frame) = task.frames.first()
        && let Some(operation) = scope.operation_of(frame)?
    {
        return act::show_first(scope, task, &operation);
    }
    let text = scope.text("see-first", &[]);
    scope.lead.push(text);
    ask::again(scope, open);
    Ok(())
}

/// True when a "wrong" is about what was said before, and no answer to the open question.
fn is_wrong_here(scope: &mut Scope<'_>, open: &Open, text: &str) -> Step<bool> {
    match open.kind {
        Ask::Meaning | Ask::Pick { .. } | Ask::Change => Ok(true),
        // "What happened?" may be answered by "not right": there only the one word counts.
        Ask::Field { .. } => Ok(only_wrong(text) || !free_text(scope, open)?),
        Ask::Confirm { .. } | Ask::Wrong | Ask::Person => Ok(false),
    }
}

/// True when the open question takes any text.
fn free_text(scope: &mut Scope<'_>, open: &Open) -> Step<bool> {
    let (Ask::Field { key }, Some(frame)) =
        (&open.kind, open.task.as_ref().and_then(|task| task.frames.last().cloned()))
    else {
        return Ok(false);
    };
    let operation = scope.operation_of(&frame)?;
    Ok(operation
        .and_then(|op| {
            op.field(key)
                .filter(|f| !schema::only_file(f))
                .map(|f| schema::kind(&f.schema) == schema::Kind::Text && schema::options(&f.schema).is_empty())
        })
        .unwrap_or(false))
}

pub fn cancel(scope: &mut Scope<'_>) -> Step<()> {
    scope.state.open = None;
    scope.state.offers.clear();
    let text = scope.text("cancelled", &[]);
    scope.say(text);
    Ok(())
}

fn cancel_quietly(scope: &mut Scope<'_>) -> Step<()> {
    scope.state.open = None;
    let text = scope.text("left", &[]);
    scope.say(text);
    Ok(())
}

/// One question back: the value asked before the open one is asked again.
fn back(scope: &mut Scope<'_>, open: Open) -> Step<()> {
    let Some(mut task) = open.task.clone() else { return cancel(scope) };
    let current = match &open.kind {
        Ask::Field { key } | Ask::Pick { key, .. } => Some((task.frames.len(), key.clone())),
        Ask::Meaning | Ask::Confirm { .. } | Ask::Change | Ask::Wrong | Ask::Person => None,
    };
    if let Some(current) = current {
        task.asked.retain(|asked| *asked != current);
    }
    let Some((depth, key)) = task.asked.pop() else { return cancel(scope) };
    task.frames.truncate(depth);
    let Some(frame) = task.frames.last_mut() else { return cancel(scope) };
    frame.arguments.remove(&key);
    frame.labels.remove(&key);
    let Some(operation) = scope.operation_of(&frame.clone())? else { return cancel(scope) };
    task.sentence.clear();
    ids::ask_or_look_up(scope, task, &operation, &key)
}

/// Asks what is to change in what the open question is about.
pub fn change_of(scope: &mut Scope<'_>, open: Open) -> Step<()> {
    match open.task {
        Some(task) => change(scope, task),
        None => cancel(scope),
    }
}

fn change(scope: &mut Scope<'_>, task: Task) -> Step<()> {
    let Some(frame) = task.frames.first().cloned() else { return cancel(scope) };
    match scope.operation_of(&frame)? {
        Some(operation) => ask::change(scope, task, &operation),
        None => cancel(scope),
    }
}

/// A button or row of the open question.
pub fn take(scope: &mut Scope<'_>, open: Open, offer: Offer) -> Step<()> {
    match offer.does {
        Does::Yes if matches!(open.kind, Ask::Confirm { .. }) => act::yes(scope, open),
        Does::Yes => {
            scope.state.open = None;
            small::person(scope);
            Ok(())
        }
        Does::No => cancel_quietly(scope),
        Does::Cancel => cancel(scope),
        Does::Change => change_of(scope, open),
        Does::Wrong { what } => {
            scope.state.open = None;
            small::wrong_noted(scope, &what, &offer.title);
            Ok(())
        }
        Does::Start { operation_id, sentence } => {
            let others = open.task.map(|task| task.others).unwrap_or_default();
            scope.state.open = None;
            let picked = Some(sentence.clone()).filter(|_| open.kind == Ask::Meaning);
            steps::begin_task(scope, &operation_id, "", Task { sentence, others, picked, ..Task::default() })
        }
        Does::Row { at } => {
            let Ask::Pick { key, rows, .. } = &open.kind else { return Ok(()) };
            match (rows.get(at), open.task.clone()) {
                (Some(row), Some(task)) => set(scope, task, key, row.id.clone(), Some(row.label.clone())),
                _ => Ok(()),
            }
        }
        Does::Value { key, value, label } => match open.task {
            Some(task) => {
                let labelled = is_id(scope, &task, &key)?.then_some(label);
                set(scope, task, &key, value, labelled)
            }
            None => Ok(()),
        },
        Does::AskField { key } => match open.task {
            Some(mut task) => {
                let Some(frame) = task.frames.first_mut() else { return Ok(()) };
                frame.arguments.remove(&key);
                frame.labels.remove(&key);
                let Some(operation) = scope.operation_of(&frame.clone())? else { return cancel(scope) };
                task.frames.truncate(1);
                task.sentence.clear();
                ids::ask_or_look_up(scope, task, &operation, &key)
            }
            None => Ok(()),
        },
        Does::OtherTime => other_time(scope, open.task),
        Does::More | Does::All | Does::Help | Does::Person | Does::Filter { .. } => begin_offer(scope, &offer),
    }
}

/// Asks for the time anew; hours alone mean the day that was asked for.
fn other_time(scope: &mut Scope<'_>, task: Option<Task>) -> Step<()> {
    let Some(mut task) = task else { return cancel(scope) };
    let Some(frame) = task.frames.first_mut() else { return cancel(scope) };
    let Some(operation) = scope.operation_of(&frame.clone())? else { return cancel(scope) };
    let fields = schema::times(&operation);
    let Some(first) = fields.first().map(|field| (*field).clone()) else { return change(scope, task) };
    frame.day = match schema::kind(&first.schema) {
        schema::Kind::DateTime => show::day_of(scope, &operation, frame),
        _ => None,
    };
    for field in fields {
        frame.arguments.remove(&field.key);
        frame.labels.remove(&field.key);
    }
    task.frames.truncate(1);
    task.sentence.clear();
    ask::field(scope, task, &operation, &first.key)
}

/// True when a field of the top frame holds an id that people see by its label.
fn is_id(scope: &mut Scope<'_>, task: &Task, key: &str) -> Step<bool> {
    let Some(frame) = task.frames.last() else { return Ok(false) };
    Ok(scope.operation_of(frame)?.is_some_and(|operation| operation.needs.iter().any(|need| need.field == key)))
}

/// Sets a value of the top frame and goes on.
pub fn set(scope: &mut Scope<'_>, mut task: Task, key: &str, value: Value, label: Option<String>) -> Step<()> {
    if let Some(frame) = task.frames.last_mut() {
        frame.arguments.insert(key.to_owned(), value);
        match label {
            Some(label) => frame.labels.insert(key.to_owned(), label),
            None => frame.labels.remove(key),
        };
    }
    steps::advance(scope, task)
}
