//! Results told: lists by five, single things whole, with buttons for what goes on from there.

use openapi::{Operation, Risk};
use serde_json::Value;

use super::{
    fail, learn, location,
    marked::Marked,
    rows::{self, Found},
    schema::{self, kind},
    scope::{Scope, Step},
    show,
    state::{Does, Frame, Last, Offer, Task},
    tell::Telling,
    words::naming,
};
use crate::{
    language::{fold::same_stem, format::capital, tokens},
    turn::{CallOutcome, Cut, Purpose, Suggestion},
};

/// Rows told at once.
const ROWS_AT_ONCE: usize = 5;
/// Rows remembered.
const ROWS_KEPT: usize = 50;
/// Rows remembered of a list that was asked for with all its pages.
const WHOLE_KEPT: usize = 200;
/// Operations looked at for buttons below an answer.
const MAX_LOOKED: usize = 6;

/// Calls a safe operation and tells what came; all its pages, where they have to be counted or looked through.
pub fn look(scope: &mut Scope<'_>, task: Task, operation: &Operation) -> Step<()> {
    let Some(frame) = task.frames.first().cloned() else { return Ok(()) };
    let (mut body, mut cut) = match scope.call(operation, &frame.arguments, Purpose::Lookup)? {
        CallOutcome::Answered { status: 200..=299, body, cut, .. } => (body, cut),
        failed => {
            fail::look_up_failed(scope, operation, &failed);
            return Ok(());
        }
    };
    learn::ended_well(scope, &task, operation);
    let words = narrowing(scope, operation, &frame, &task.sentence);
    let first = rows::found(operation, &body, cut);
    let unread = first.is_list && cut.is_some_and(|cut| cut.more);
    if unread
        && (first.more || !words.is_empty())
        && let CallOutcome::Answered { status: 200..=299, body: whole, cut: left, .. } =
            scope.call_whole(operation, &frame.arguments)?
    {
        (body, cut) = (whole, left);
    }
    tell(scope, operation, frame, (&body, cut), &task.others, &words)
}

/// Words of a sentence that no field took and that the operation does not have itself, folded and as they were written:
/// they may name some of its rows.
fn narrowing(scope: &Scope<'_>, operation: &Operation, frame: &Frame, sentence: &str) -> Vec<(String, String)> {
    let mut own = format!(
        "{} {} {}",
        operation.summary,
        operation.description,
        operation.path.replace(['/', '{', '}', '_', '-'], " ")
    );
    for field in &operation.fields {
        own.push(' ');
        own.push_str(&schema::about(field));
        if let Some(value) = frame.arguments.get(&field.key) {
            let label = frame.labels.get(&field.key);
            let options = schema::options(&field.schema).into_iter().filter(|choice| choice.value == *value);
            let described: Vec<String> = options.map(|choice| choice.description).collect();
            own.push_str(&format!(" {value} {} {}", show::argument(scope, field, value, label), described.join(" ")));
        }
    }
    let own: Vec<String> = tokens(&own).into_iter().map(|token| token.text).collect();
    let says = |word: &String| word.chars().count() >= 3 && word.chars().any(char::is_alphabetic);
    let names = naming(sentence).into_iter().filter(says).filter(|word| !own.iter().any(|own| same_stem(own, word)));
    let said = tokens(sentence);
    let written =
        |word: &String| said.iter().find(|token| token.text == *word).and_then(|t| sentence.get(t.span.clone()));
    names
        .map(|word| {
            let said = written(&word).unwrap_or(&word).to_owned();
            (word, said)
        })
        .collect()
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
    let found = rows::found(operation, body, cut);
    let shown = found.list.len();
    let only = found.list.first().filter(|_| !found.is_list);
    let location = only.and_then(|row| location::of(&Telling::new(scope.lang, &scope.place, operation), row));
    remember(scope, operation, frame, found, shown, false);
    let offers = follow_ups(scope, operation, others, scope.input.settings.limits.buttons.min(2))?;
    scope.keep_offers(&offers);
    scope.say_with(words, offers);
    scope.show_location(location);
    Ok(())
}

/// Tells an answer and remembers it; of a list only the rows with these words, where some have them and some do not.
pub fn tell(
    scope: &mut Scope<'_>,
    operation: &Operation,
    frame: Frame,
    (body, cut): (&Value, Option<Cut>),
    others: &[Suggestion],
    words: &[(String, String)],
) -> Step<()> {
    let title = schema::operation_title(operation);
    used(scope, operation, &title);
    let mut found = rows::found(operation, body, cut);
    let about = headline(scope, operation, &frame, &title);
    if found.list.is_empty() {
        let text =
            if found.is_list { scope.text("nothing-of", &[("about", &about)]) } else { scope.text("result-none", &[]) };
        remember(scope, operation, frame, found, 0, false);
        let offers = follow_ups(scope, operation, others, 0)?;
        scope.keep_offers(&offers);
        scope.say_with(text, offers);
        return Ok(());
    }
    let telling = Telling::new(scope.lang, &scope.place, operation);
    if !found.is_list {
        let whole = telling.whole(&found.list[0]);
        let named = telling.is_named(&found.list[0]);
        let text = if named { whole } else { Marked::bold(about).with(": ").with(whole) };
        let location = location::of(&telling, &found.list[0]);
        finish(scope, operation, frame, found, text, others, false)?;
        scope.show_location(location);
        return Ok(());
    }
    let only = rows::narrowed(&found.list, words).filter(|_| found.is_list);
    let mut count = String::new();
    let narrowed = only.is_some();
    if let Some((kept, telling)) = only {
        let seen = found.list.len();
        let quoted = telling.join(", ");
        let of = found.total.to_string();
        count = format!(" {}", scope.counted("list-only", kept.len(), &[("total", &of), ("what", &quoted)]));
        if found.more || found.total > seen {
            count = format!("{count} {}", scope.counted("list-seen", seen, &[]));
        }
        let total = kept.len();
        found = Found { list: kept, total, more: false, is_list: true };
    }
    let shown = found.list.len().min(ROWS_AT_ONCE);
    if found.total > shown || found.more {
        if !narrowed {
            let key = if found.more { "list-total-more" } else { "list-total" };
            count = format!(" {}", scope.counted(key, found.total, &[]));
        }
        count = format!("{count} {}", scope.counted("list-first", shown, &[]));
    }
    let lines: Vec<String> = found
        .list
        .iter()
        .take(shown)
        .enumerate()
        .map(|(at, row)| format!("{}. {}", at + 1, telling.line(row)))
        .collect();
    let text = Marked::bold(about).with(format!(":{count}\n{}", lines.join("\n")));
    finish(scope, operation, frame, found, text, others, narrowed)
}

/// Says it, with buttons for what goes on from there.
fn finish(
    scope: &mut Scope<'_>,
    operation: &Operation,
    frame: Frame,
    found: Found,
    text: Marked,
    others: &[Suggestion],
    narrowed: bool,
) -> Step<()> {
    let shown = found.list.len().min(ROWS_AT_ONCE);
    let long = found.is_list && (found.total > shown || found.more);
    let mut offers: Vec<Offer> = Vec::new();
    if found.is_list && (found.list.len() > shown || (found.total > shown && !found.more && !narrowed)) {
        offers.push(scope.button("button-more", Does::More));
    }
    if narrowed {
        offers.push(scope.button("button-all", Does::All));
    } else if long {
        offers.extend(filters(scope, operation, &frame));
    }
    remember(scope, operation, frame, found, shown, narrowed);
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

/// The last result, for "the second one" and "book it". `whole`: there are no other rows to be had.
fn remember(scope: &mut Scope<'_>, operation: &Operation, frame: Frame, found: Found, shown: usize, whole: bool) {
    let day = show::day_of(scope, operation, &frame);
    let focus = (found.list.len() == 1).then_some(0);
    scope.state.last = Some(Last {
        title: schema::operation_title(operation),
        frame,
        produces: operation.produces.clone(),
        rows: found.list.into_iter().take(if whole { WHOLE_KEPT } else { ROWS_KEPT }).collect(),
        total: found.total,
        shown,
        focus,
        list: found.is_list,
        more: found.more,
        whole,
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
    let found = rows::found(operation, body, None);
    if found.list.is_empty() || operation.produces.is_empty() {
        scope.state.last = None;
        return;
    }
    let frame =
        Frame { operation_id: operation.id.clone(), content_hash: operation.content_hash.clone(), ..Frame::default() };
    let shown = found.list.len();
    remember(scope, operation, frame, found, shown, true);
}

/// Buttons for operations that take what this one yields: from the sentence's other candidates, else by its resource.
///
/// Those that share conditions with this call come first; one that removes things is never offered unasked.
fn follow_ups(scope: &mut Scope<'_>, operation: &Operation, others: &[Suggestion], room: usize) -> Step<Vec<Offer>> {
    let Some(resource) = operation.produces.first().filter(|_| room > 0) else { return Ok(Vec::new()) };
    let mut known: Vec<String> = others.iter().take(MAX_LOOKED).map(|other| other.operation_id.clone()).collect();
    let mut found = takers(scope, operation, resource, &known)?;
    if found.len() < room {
        let hits = scope.taking(resource, &operation.document)?;
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
    let rest = last.more || last.rows.len() < last.total;
    let is_short = rest && !last.whole && last.rows.len() < last.shown + ROWS_AT_ONCE;
    if is_short
        && operation.risk == Risk::Safe
        && let Some(failed) = read_on(scope, &operation, &mut last)?
    {
        fail::look_up_failed(scope, &operation, &failed);
        return Ok(true);
    }
    let from = last.shown;
    let to = last.rows.len().min(from + ROWS_AT_ONCE);
    let mut lines = Vec::new();
    if from < to {
        let telling = Telling::new(scope.lang, &scope.place, &operation);
        lines.push(scope.counted("list-next", to - from, &[]));
        lines.extend((from..to).map(|at| format!("{}. {}", at + 1, telling.line(&last.rows[at]))));
    }
    let offers = if to < last.rows.len() || (rest && !last.whole) {
        let mut offers = vec![scope.button("button-more", Does::More)];
        if !last.whole || rest {
            offers.extend(filters(scope, &operation, &last.frame));
        }
        offers
    } else if last.more || to < last.total {
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

/// Reads a list again with all its pages, so that it can be told beyond its first rows; gives how it failed.
fn read_on(scope: &mut Scope<'_>, operation: &Operation, last: &mut Last) -> Step<Option<CallOutcome>> {
    let outcome = scope.call_whole(operation, &last.frame.arguments)?;
    let CallOutcome::Answered { status: 200..=299, body, cut, .. } = &outcome else { return Ok(Some(outcome)) };
    let found = rows::found(operation, body, *cut);
    last.whole = true;
    if found.is_list && found.list.len() >= last.shown {
        last.rows = found.list.into_iter().take(WHOLE_KEPT).collect();
        (last.total, last.more) = (found.total, found.more);
    } else {
        // It has become shorter meanwhile: what was shown is all there is.
        (last.total, last.more) = (last.rows.len(), false);
    }
    Ok(None)
}

/// That the rest of a result is out of reach, and how to come nearer to it, if the operation takes anything for that.
fn beyond(scope: &Scope<'_>, operation: &Operation, last: &Last, buttons: bool) -> String {
    let shown = last.rows.len().to_string();
    let key = if last.more { "list-cut-more" } else { "list-cut" };
    let text = scope.counted(key, last.total, &[("shown", &shown)]);
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
    let telling = Telling::new(scope.lang, &scope.place, &operation);
    let (text, location) = (telling.whole(&row), location::of(&telling, &row));
    last.focus = Some(at);
    last.at = scope.input.now;
    scope.state.last = Some(last);
    // The buttons of the list stay: they now mean this row.
    let kept: Vec<Offer> =
        scope.state.offers.clone().into_iter().filter(|offer| matches!(offer.does, Does::Start { .. })).collect();
    let offers: Vec<Offer> = kept.into_iter().map(|offer| scope.offer(offer.title, offer.does, "")).collect();
    scope.keep_offers(&offers);
    scope.say_with(text, offers);
    scope.show_location(location);
    Ok(true)
}
