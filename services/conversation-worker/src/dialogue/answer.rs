//! Results told: lists by five, single things whole, with buttons for what goes on from there.

use openapi::Operation;
use serde_json::Value;

use super::{
    fail, rows,
    schema::{self, kind},
    scope::{Scope, Step},
    show,
    state::{Does, Frame, Last, Offer, Task},
    tell::Telling,
};
use crate::{
    language::format::capital,
    turn::{CallOutcome, Cut, Purpose, Suggestion},
};

/// Rows told at once.
const ROWS_AT_ONCE: usize = 5;
/// Rows remembered.
const ROWS_KEPT: usize = 50;
/// Operations looked at for buttons below an answer.
const MAX_LOOKED: usize = 6;

/// Calls a safe operation and tells what came.
pub fn look(scope: &mut Scope<'_>, task: Task, operation: &Operation) -> Step<()> {
    let Some(frame) = task.frames.into_iter().next() else { return Ok(()) };
    match scope.call(operation, &frame.arguments, Purpose::Lookup)? {
        CallOutcome::Answered { status: 200..=299, body, cut } => {
            tell(scope, operation, frame, (&body, cut), &task.others)
        }
        failed => {
            fail::look_up_failed(scope, operation, &failed);
            Ok(())
        }
    }
}

/// Says what a model made of an answer, and remembers the answer.
pub fn tell_in_words(
    scope: &mut Scope<'_>,
    operation: &Operation,
    frame: Frame,
    (body, cut): (&Value, Option<Cut>),
    others: &[Suggestion],
    words: String,
) -> Step<()> {
    let title = schema::operation_title(operation);
    used(scope, operation, &title);
    let (list, total, is_list) = rows::rows(operation, body);
    let total = cut.filter(|cut| cut.kept == total).map_or(total, |cut| cut.rows);
    let day = show::day_of(scope, operation, &frame);
    let shown = list.len();
    remember(scope, operation, frame, title, list, total, shown, is_list, day);
    let offers = follow_ups(scope, operation, others, scope.input.settings.limits.buttons.min(2))?;
    scope.keep_offers(&offers);
    scope.say_with(words, offers);
    Ok(())
}

/// Tells an answer and remembers it.
pub fn tell(
    scope: &mut Scope<'_>,
    operation: &Operation,
    frame: Frame,
    (body, cut): (&Value, Option<Cut>),
    others: &[Suggestion],
) -> Step<()> {
    let title = schema::operation_title(operation);
    used(scope, operation, &title);
    let (list, total, is_list) = rows::rows(operation, body);
    let total = cut.filter(|cut| cut.kept == total).map_or(total, |cut| cut.rows);
    let day = show::day_of(scope, operation, &frame);
    let about = headline(scope, operation, &frame, &title);
    if list.is_empty() {
        let text =
            if is_list { scope.text("nothing-of", &[("about", &about)]) } else { scope.text("result-none", &[]) };
        remember(scope, operation, frame, title, Vec::new(), 0, 0, is_list, day);
        let offers = follow_ups(scope, operation, others, 0)?;
        scope.keep_offers(&offers);
        scope.say_with(text, offers);
        return Ok(());
    }
    let shown = list.len().min(ROWS_AT_ONCE);
    let text = if is_list {
        let telling = Telling::new(scope.lang, &scope.place, operation);
        let lines: Vec<String> =
            list.iter().take(shown).enumerate().map(|(at, row)| format!("{}. {}", at + 1, telling.line(row))).collect();
        let count = if total > shown {
            format!(" {} {}", scope.counted("list-total", total, &[]), scope.counted("list-first", shown, &[]))
        } else {
            String::new()
        };
        format!("{about}:{count}\n{}", lines.join("\n"))
    } else {
        let telling = Telling::new(scope.lang, &scope.place, operation);
        let whole = telling.whole(&list[0]);
        if telling.is_named(&list[0]) { whole } else { format!("{about}: {whole}") }
    };
    let filtered = if is_list && total > shown { filters(scope, operation, &frame) } else { Vec::new() };
    let more = is_list && list.len() > shown;
    remember(scope, operation, frame, title, list, total, shown, is_list, day);
    let mut offers: Vec<Offer> = Vec::new();
    if more {
        offers.push(scope.button("button-more", Does::More));
    }
    offers.extend(filtered);
    let room = scope.input.settings.limits.buttons.saturating_sub(offers.len());
    offers.extend(follow_ups(scope, operation, others, room.min(2))?);
    offers.truncate(scope.input.settings.limits.buttons);
    scope.keep_offers(&offers);
    scope.say_with(text, offers);
    Ok(())
}

/// "Free rooms, Sunday 22 November".
fn headline(scope: &Scope<'_>, operation: &Operation, frame: &Frame, title: &str) -> String {
    let mut parts = vec![capital(title)];
    let label = operation
        .needs
        .iter()
        .filter(|need| !frame.identity.contains(&need.field))
        .find_map(|need| frame.labels.get(&need.field).cloned());
    parts.extend(label);
    parts.extend(show::period_of(scope, operation, frame));
    parts.join(", ")
}

/// The last result, for "the second one" and "book it".
#[expect(clippy::too_many_arguments, reason = "one place makes it, from values that stand apart")]
fn remember(
    scope: &mut Scope<'_>,
    operation: &Operation,
    frame: Frame,
    title: String,
    list: Vec<Value>,
    total: usize,
    shown: usize,
    is_list: bool,
    day: Option<jiff::civil::Date>,
) {
    let focus = (list.len() == 1).then_some(0);
    let rows = list.into_iter().take(ROWS_KEPT).collect();
    scope.state.last = Some(Last {
        frame,
        title,
        produces: operation.produces.clone(),
        rows,
        total,
        shown,
        focus,
        list: is_list,
        day,
        at: scope.input.now,
    });
}

/// Remembers that an operation was used.
pub fn used(scope: &mut Scope<'_>, operation: &Operation, title: &str) {
    let suggestion = Suggestion { operation_id: operation.id.clone(), title: title.to_owned() };
    scope.state.recent.retain(|known| known.operation_id != suggestion.operation_id);
    scope.state.recent.insert(0, suggestion);
    scope.state.recent.truncate(3);
}

/// Remembers what an effect gave back.
pub fn remember_effect(scope: &mut Scope<'_>, operation: &Operation, body: &Value) {
    let (list, total, is_list) = rows::rows(operation, body);
    if list.is_empty() || operation.produces.is_empty() {
        scope.state.last = None;
        return;
    }
    let frame =
        Frame { operation_id: operation.id.clone(), content_hash: operation.content_hash.clone(), ..Frame::default() };
    let shown = list.len();
    remember(scope, operation, frame, schema::operation_title(operation), list, total, shown, is_list, None);
}

/// Buttons for operations that take what this one yields: from the sentence's other candidates, else by its resource.
///
/// Those that share conditions with this call come first; one that removes things is never offered unasked.
fn follow_ups(scope: &mut Scope<'_>, operation: &Operation, others: &[Suggestion], room: usize) -> Step<Vec<Offer>> {
    let Some(resource) = operation.produces.first().filter(|_| room > 0) else { return Ok(Vec::new()) };
    let mut known: Vec<String> = others.iter().take(MAX_LOOKED).map(|other| other.operation_id.clone()).collect();
    let mut found = takers(scope, operation, resource, &known)?;
    if found.len() < room {
        let hits = scope.search(resource, 20, vec![operation.document.clone()])?.hits;
        let new: Vec<String> = hits
            .into_iter()
            .map(|hit| hit.operation_id)
            .filter(|id| !known.contains(id))
            .take(2 * MAX_LOOKED)
            .collect();
        found.extend(takers(scope, operation, resource, &new)?);
        known.extend(new);
    }
    found.sort_by_key(|(shared, ..)| std::cmp::Reverse(*shared));
    let mut offers = Vec::new();
    for (_, id, title) in found.into_iter().take(room) {
        offers.push(scope.offer(title, Does::Start { operation_id: id, sentence: String::new() }, ""));
    }
    Ok(offers)
}

/// Those of the operations that need an id of the resource and read well on a button: how many required values they
/// share with this one, id and title.
fn takers(
    scope: &mut Scope<'_>,
    operation: &Operation,
    resource: &str,
    ids: &[String],
) -> Step<Vec<(usize, String, String)>> {
    let prefix = format!("{}/", operation.document);
    let most = scope.input.settings.limits.button_title;
    let mut found: Vec<(usize, String, String)> = Vec::new();
    for id in ids.iter().filter(|id| **id != operation.id && id.starts_with(&prefix)) {
        let Some(candidate) = scope.operation(id, "")? else { continue };
        let takes = candidate
            .needs
            .iter()
            .any(|need| need.resource == resource && candidate.field(&need.field).is_some_and(|f| f.required));
        let title = schema::operation_title(&candidate);
        let fits = title.chars().count() <= most && !found.iter().any(|(_, _, known)| *known == title);
        if takes && fits && candidate.not_callable.is_none() && candidate.method != "DELETE" {
            let shared = candidate
                .fields
                .iter()
                .filter(|f| f.required && operation.fields.iter().any(|own| own.name == f.name && own.required))
                .count();
            found.push((shared, candidate.id.clone(), title));
        }
    }
    Ok(found)
}

/// Buttons for filters that the operation has: by who the person is, and by ids that can be looked up.
fn filters(scope: &mut Scope<'_>, operation: &Operation, frame: &Frame) -> Vec<Offer> {
    let mapping = scope.mapping(&operation.document);
    let most = scope.input.settings.limits.button_title;
    let mut fields: Vec<_> = operation
        .fields
        .iter()
        .filter(|field| {
            !field.required && field.location == openapi::Location::Query && !frame.arguments.contains_key(&field.key)
        })
        .filter(|field| {
            let own = mapping.as_ref().is_some_and(|mapping| mapping.values.contains_key(&field.name));
            own || operation.needs.iter().any(|need| need.field == field.key)
                || !schema::options(&field.schema).is_empty()
        })
        .filter(|field| schema::title(field).chars().count() <= most && kind(&field.schema) != schema::Kind::Array)
        .collect();
    fields.sort_by_key(|field| {
        let own = mapping.as_ref().is_some_and(|mapping| mapping.values.contains_key(&field.name));
        (!own, !operation.needs.iter().any(|need| need.field == field.key))
    });
    fields
        .into_iter()
        .take(2)
        .map(|field| scope.offer(schema::title(field), Does::Filter { key: field.key.clone() }, ""))
        .collect()
}

/// The next rows of the last result.
pub fn more(scope: &mut Scope<'_>) -> Step<bool> {
    let Some(mut last) = scope.state.last.clone().filter(|last| last.list && !last.rows.is_empty()) else {
        return Ok(false);
    };
    let Some(operation) = scope.operation_of(&last.frame)? else { return Ok(false) };
    let from = last.shown;
    let to = last.rows.len().min(from + ROWS_AT_ONCE);
    let mut lines = Vec::new();
    if from < to {
        let telling = Telling::new(scope.lang, &scope.place, &operation);
        lines.push(scope.counted("list-next", to - from, &[]));
        lines.extend((from..to).map(|at| format!("{}. {}", at + 1, telling.line(&last.rows[at]))));
    }
    let offers = if to < last.rows.len() {
        vec![scope.button("button-more", Does::More)]
    } else if to < last.total {
        let narrower = filters(scope, &operation, &last.frame);
        lines.push(beyond(scope, &operation, &last, !narrower.is_empty()));
        narrower
    } else {
        if from >= to {
            lines.push(scope.text("list-end", &[]));
        }
        Vec::new()
    };
    last.shown = to;
    scope.state.last = Some(last);
    scope.keep_offers(&offers);
    scope.say_with(lines.join("\n"), offers);
    Ok(true)
}

/// That the rest of a result is out of reach, and how to come nearer to it, if the operation takes anything for that.
fn beyond(scope: &Scope<'_>, operation: &Operation, last: &Last, buttons: bool) -> String {
    let shown = last.rows.len().to_string();
    let text = scope.counted("list-cut", last.total, &[("shown", &shown)]);
    let days = operation.fields.iter().any(|field| {
        field.location == openapi::Location::Query
            && matches!(kind(&field.schema), schema::Kind::Date | schema::Kind::DateTime)
    });
    let how = match (buttons, days) {
        (true, _) => "list-narrow",
        (false, true) => "list-narrow-day",
        (false, false) => return text,
    };
    format!("{text} {}", scope.text(how, &[]))
}

/// Tells one row of the last result whole.
pub fn row(scope: &mut Scope<'_>, at: usize) -> Step<bool> {
    let Some(mut last) = scope.state.last.clone() else { return Ok(false) };
    let Some(row) = last.rows.get(at).cloned() else { return Ok(false) };
    let Some(operation) = scope.operation_of(&last.frame)? else { return Ok(false) };
    let text = Telling::new(scope.lang, &scope.place, &operation).whole(&row);
    last.focus = Some(at);
    last.at = scope.input.now;
    scope.state.last = Some(last);
    // The buttons of the list stay: they now mean this row.
    let kept: Vec<Offer> =
        scope.state.offers.clone().into_iter().filter(|offer| matches!(offer.does, Does::Start { .. })).collect();
    let offers: Vec<Offer> = kept.into_iter().map(|offer| scope.offer(offer.title, offer.does, "")).collect();
    scope.keep_offers(&offers);
    scope.say_with(text, offers);
    Ok(true)
}
