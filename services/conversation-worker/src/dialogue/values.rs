//! Words as the answer to an open question: a meaning, a value, a row, a change.

use serde_json::Value;

use super::{
    ask,
    fill::{self, Sentence},
    read::{self, Meant},
    reply::{cancel, change_of, set, take},
    schema,
    scope::{Scope, Step},
    start,
    state::{Does, Offer, Open, Row, Task},
    steps,
    words::{left_over, mine, naming},
};
use crate::language::{
    control::{Control, leading},
    fold,
    fold::same_stem,
    ordinal, tokens,
    verbs::{changes, wishes},
};

pub fn meaning(scope: &mut Scope<'_>, open: Open, text: &str) -> Step<()> {
    let place = ordinal::ordinal(text).and_then(|n| ordinal::place(n, open.offers.len()));
    let words = naming(text);
    let by_words: Vec<usize> = (0..open.offers.len())
        .filter(|at| {
            let title = Row { id: Value::Null, label: String::new(), words: fold(&open.offers[*at].title) };
            !words.is_empty()
                && words.iter().all(|word| {
                    !super::rows::fitting(std::slice::from_ref(&title), std::slice::from_ref(word)).is_empty()
                })
        })
        .collect();
    let only = if let [only] = by_words.as_slice() { Some(*only) } else { None };
    match place.or(only).and_then(|at| open.offers.get(at).cloned()) {
        Some(offer) => take(scope, open, offer),
        None => {
            scope.state.open = None;
            start::wish(scope, text)
        }
    }
}

/// Goes on with a sentence that clearly means an operation, whatever is asked; false when it does not.
fn is_new_wish(scope: &mut Scope<'_>, text: &str) -> Step<bool> {
    // "My loans" and "list loans" are whole wishes, "loans" may be anything.
    let least = if wishes(text) { 1 } else { 2 };
    if left_over(text, &[]) < least && !mine(text) {
        return Ok(false);
    }
    let found = start::meaning(scope, text)?;
    if found.sure.is_none() {
        return Ok(false);
    }
    scope.state.open = None;
    start::follow(scope, text, found)?;
    Ok(true)
}

/// The document changed since the question was asked: its words are a wish of their own.
fn lapse(scope: &mut Scope<'_>, text: &str) -> Step<()> {
    scope.state.open = None;
    let told = scope.text("lapsed", &[]);
    scope.lead.push(told);
    start::wish(scope, text)
}

/// The answer to a question for a field.
pub fn field(scope: &mut Scope<'_>, open: Open, key: &str, text: &str) -> Step<()> {
    let Some(mut task) = open.task.clone() else { return cancel(scope) };
    let Some(frame) = task.frames.last_mut() else { return cancel(scope) };
    let Some(operation) = scope.operation_of(&frame.clone())? else { return lapse(scope, text) };
    let Some(wanted) = operation.field(key).cloned() else { return cancel(scope) };
    let listed = schema::options(&wanted.schema);
    if !listed.is_empty() && wishes(text) && is_new_wish(scope, text)? {
        return Ok(());
    }
    let before = frame.clone();
    match read::read(scope, &operation, frame, &wanted, text) {
        Meant::Set => {
            // A day without hours is kept, and no value yet: the hours are asked next.
            let given = frame.arguments.contains_key(key);
            if let Some(problem) =
                operation.check(&frame.arguments).into_iter().find(|problem| given && problem.field == key)
            {
                let why = ask::problem_text(scope, &operation, key, &problem.kind);
                *frame = before;
                frame.arguments.remove(key);
                return explain(scope, task, &operation, key, &why, text);
            }
            frame.ask.retain(|asked| asked != key);
            if !matches!(schema::kind(&wanted.schema), schema::Kind::Text)
                || frame.arguments.len() > before.arguments.len() + 1
            {
                let echo = ask::echo(scope, &operation, frame, key);
                let confirms = task.frames.len() == 1 && operation.risk != openapi::Risk::Safe;
                let last = operation
                    .fields
                    .iter()
                    .all(|f| !f.required || task.frames.last().is_some_and(|top| top.arguments.contains_key(&f.key)));
                // The echo of everything follows at once when nothing is missing.
                if !(confirms && last) && schema::options(&wanted.schema).is_empty() {
                    scope.lead.extend(echo);
                }
            }
            steps::advance(scope, task)
        }
        Meant::Bad { key, bad } => {
            ask::bad_date(scope, task, &key, bad);
            Ok(())
        }
        Meant::No(why) => explain(scope, task, &operation, key, &why, text),
    }
}

/// No such value: it may be a new wish; else why, and the question again.
fn explain(
    scope: &mut Scope<'_>,
    task: Task,
    operation: &openapi::Operation,
    key: &str,
    why: &str,
    text: &str,
) -> Step<()> {
    if is_new_wish(scope, text)? {
        return Ok(());
    }
    scope.lead.push(why.to_owned());
    ask::field(scope, task, operation, key)
}

/// The answer to a question for a row.
pub fn pick(scope: &mut Scope<'_>, open: Open, key: &str, (rows, cut): (&[Row], bool), text: &str) -> Step<()> {
    let Some(mut task) = open.task.clone() else { return cancel(scope) };
    let names = naming(text);
    // "Which red ones are free?" says more than which of these: it is a wish of its own, if it clearly is one.
    let beyond = super::rows::known(rows, &names) < names.len() && wishes(text);
    if beyond && is_new_wish(scope, text)? {
        return Ok(());
    }
    let meant = ask::rows_meant(rows, scope.input.settings.limits.rows, text);
    match meant.as_slice() {
        [only] => {
            let row = rows[*only].clone();
            set(scope, task, key, row.id, Some(row.label))
        }
        [] => {
            if !beyond && is_new_wish(scope, text)? {
                return Ok(());
            }
            if cut && !naming(text).is_empty() {
                // A name among the rows that were not kept: the list is read again.
                text.clone_into(&mut task.sentence);
                return steps::advance(scope, task);
            }
            let why = scope.text("not-there", &[]);
            ask::pick(scope, task, key, rows.to_vec(), why);
            Ok(())
        }
        several => {
            let kept: Vec<_> = several.iter().map(|at| rows[*at].clone()).collect();
            let question = ask::several_fit(scope, &kept);
            ask::pick(scope, task, key, kept, question);
            Ok(())
        }
    }
}

/// Other words than a plain yes while a yes is asked for: a change, or a new wish.
pub fn at_confirm(scope: &mut Scope<'_>, open: Open, text: &str) -> Step<()> {
    let Some(mut task) = open.task.clone() else { return cancel(scope) };
    let led = leading(text);
    let rest = led.map_or(text, |(_, rest)| rest);
    let Some(frame) = task.frames.first_mut() else { return cancel(scope) };
    let Some(operation) = scope.operation_of(&frame.clone())? else { return lapse(scope, text) };
    let said = Sentence::new(rest, &scope.place, None);
    let filled = fill::fill(&operation, frame, &said, &scope.place, true);
    if let Some((key, bad)) = filled.bad {
        frame.arguments.remove(&key);
        ask::bad_date(scope, task, &key, bad);
        return Ok(());
    }
    // "Change the priority to low": the field's own words and the verb say nothing else.
    let mut used = filled.used.clone();
    used.resize(tokens(rest).len(), false);
    let titles = filled.changed.iter().filter_map(|key| operation.field(key)).map(schema::about);
    let own = tokens(&titles.collect::<Vec<_>>().join(" "));
    for (used, token) in used.iter_mut().zip(tokens(rest)) {
        *used |= changes(&token.text) || own.iter().any(|own| same_stem(&own.text, &token.text));
    }
    let left = left_over(rest, &used);
    if !filled.changed.is_empty() && (led.is_some() || left <= 1) {
        let frame = frame.clone();
        let what: Vec<String> = filled
            .changed
            .iter()
            .filter_map(|key| {
                let field = operation.field(key)?;
                let value = frame.arguments.get(key)?;
                Some(format!("{} {}", schema::title(field), short(scope, field, value, &open)))
            })
            .collect();
        let text = scope.text("changed", &[("what", &what.join(", "))]);
        scope.lead.push(text);
        return steps::advance(scope, task);
    }
    let named = naming(rest);
    if !named.is_empty() {
        let found = start::meaning(scope, text)?;
        if found.sure.is_some() && led.is_none() {
            scope.state.open = None;
            return start::follow(scope, text, found);
        }
        // "No, the white one": another row of what was looked up.
        let looked_up = operation.needs.iter().find(|need| {
            open.task.as_ref().is_some_and(|t| {
                t.frames
                    .first()
                    .is_some_and(|f| f.labels.contains_key(&need.field) && !f.identity.contains(&need.field))
            })
        });
        if let (Some(need), Some(mut task)) = (looked_up, open.task.clone())
            && let Some(frame) = task.frames.first_mut()
        {
            frame.arguments.remove(&need.field);
            frame.labels.remove(&need.field);
            task.sentence = rest.to_owned();
            return steps::advance(scope, task);
        }
    }
    if led.is_some_and(|(control, _)| control == Control::No) && named.is_empty() {
        return change_of(scope, open);
    }
    ask::again(scope, open);
    Ok(())
}

/// The new value of a change: the time alone when the day stays.
fn short(scope: &Scope<'_>, field: &openapi::Field, value: &Value, open: &Open) -> String {
    let before = open.task.as_ref().and_then(|task| {
        task.frames.first()?.arguments.get(&field.key)?.as_str().and_then(|text| scope.place.read_instant(text))
    });
    let now = value.as_str().and_then(|text| scope.place.read_instant(text));
    match (before, now) {
        (Some(before), Some(now)) if before.date() == now.date() => crate::language::format::time(now.time()),
        _ => super::show::argument(scope, field, value, None),
    }
}

/// Words for "What should be different?": a value at once, or which field.
pub fn at_change(scope: &mut Scope<'_>, open: Open, text: &str) -> Step<()> {
    let Some(mut task) = open.task.clone() else { return cancel(scope) };
    let Some(frame) = task.frames.first_mut() else { return cancel(scope) };
    let Some(operation) = scope.operation_of(&frame.clone())? else { return lapse(scope, text) };
    let place = ordinal::ordinal(text).and_then(|n| ordinal::place(n, open.offers.len()));
    if let Some(offer) = place.and_then(|at| open.offers.get(at).cloned()) {
        return take(scope, open, offer);
    }
    let said = Sentence::new(text, &scope.place, None);
    let filled = fill::fill(&operation, frame, &said, &scope.place, true);
    if let Some((key, bad)) = filled.bad {
        frame.arguments.remove(&key);
        ask::bad_date(scope, task, &key, bad);
        return Ok(());
    }
    if !filled.changed.is_empty() {
        return steps::advance(scope, task);
    }
    if let Some(field) = ask::field_named(&operation, frame, text).cloned() {
        let offer = Offer { token: String::new(), title: String::new(), does: Does::AskField { key: field.key } };
        return take(scope, open, offer);
    }
    if is_new_wish(scope, text)? {
        return Ok(());
    }
    ask::again(scope, open);
    Ok(())
}
