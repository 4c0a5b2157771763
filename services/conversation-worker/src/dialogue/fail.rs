//! What a backend refuses or leaves open, in sentences.

use openapi::{Operation, Risk};
use serde_json::Value;

use super::{
    ask, rows, schema,
    scope::{Scope, Step},
    state::{Ask, Does, Frame, Offer, Row, Task},
    tell::Telling,
};
use crate::{
    language::format::{capital, cut, read_date},
    turn::{CallOutcome, Purpose},
};

/// A look-up that gave nothing.
pub fn look_up_failed(scope: &mut Scope<'_>, operation: &Operation, outcome: &CallOutcome) {
    let system = scope.system(&operation.document);
    let args = [("system", system.as_str())];
    let text = match outcome {
        CallOutcome::Answered { status, body, .. } => match status {
            401 => scope.text("no-credentials", &args),
            403 => scope.text("forbidden", &args),
            404 | 410 => message(body).unwrap_or_else(|| scope.text("gone", &[])),
            429 => scope.text("busy", &args),
            400..=499 => message(body).unwrap_or_else(|| scope.text("refused", &[])),
            _ => scope.text("broken", &args),
        },
        CallOutcome::Away { .. } => scope.text("away", &args),
        CallOutcome::Unknown { .. } => scope.text("unknown-lookup", &args),
        CallOutcome::NoCredentials { .. } => scope.text("no-credentials", &args),
    };
    scope.say(text);
}

/// An effect that the backend did not take.
pub fn refused(scope: &mut Scope<'_>, task: Task, operation: &Operation, status: u16, body: &Value) -> Step<()> {
    let system = scope.system(&operation.document);
    let args = [("system", system.as_str())];
    match status {
        401 | 403 => {
            let key = if status == 401 { "no-credentials" } else { "forbidden" };
            let text = scope.text(key, &args);
            scope.say(text);
            Ok(())
        }
        404 | 410 => {
            let text = message(body).unwrap_or_else(|| scope.text("gone", &[]));
            scope.say(text);
            Ok(())
        }
        400..=499 => {
            let generic = match status {
                409 => "refused-taken",
                429 => "busy",
                _ => "refused",
            };
            let text = message(body).unwrap_or_else(|| scope.text(generic, &args));
            offer_ways_out(scope, task, operation, status, text)
        }
        _ => {
            let key = if operation.risk == Risk::Idempotent { "broken" } else { "broken-effect" };
            let text = scope.text(key, &args);
            scope.say(text);
            Ok(())
        }
    }
}

/// Says why, looks up what would go instead, and asks anew.
fn offer_ways_out(scope: &mut Scope<'_>, task: Task, operation: &Operation, status: u16, why: String) -> Step<()> {
    let Some(frame) = task.frames.first().cloned() else { return Ok(()) };
    let instead = if matches!(status, 409 | 422) { alternatives(scope, &frame, operation)? } else { Vec::new() };
    let mut text = why;
    if !instead.is_empty() {
        let labels: Vec<&str> = instead.iter().map(|offer| offer.title.as_str()).collect();
        text.push(' ');
        text.push_str(&scope.text("alternatives", &[("list", &labels.join(", "))]));
    }
    let mut offers = instead;
    let timed = |field: &&openapi::Field| frame.arguments.contains_key(&field.key);
    if matches!(status, 409 | 422) && schema::times(operation).iter().any(timed) {
        offers.push(scope.button("button-other-time", Does::OtherTime));
    }
    for (key, does) in [("button-change", Does::Change), ("button-cancel", Does::Cancel)] {
        if offers.len() < scope.input.settings.limits.buttons {
            offers.push(scope.button(key, does));
        }
    }
    // It asks what is to change: a yes in words repeats nothing.
    ask::open(scope, Ask::Change, Some(task), text, offers);
    Ok(())
}

/// Rows of a look-up that takes the same conditions: another of the same kind that would go. At most two.
fn alternatives(scope: &mut Scope<'_>, frame: &Frame, operation: &Operation) -> Step<Vec<Offer>> {
    let mut offers = Vec::new();
    for need in operation.needs.iter().filter(|need| !frame.identity.contains(&need.field)) {
        let conditions: Vec<_> = operation
            .fields
            .iter()
            .filter(|field| {
                field.required
                    && !operation.needs.iter().any(|n| n.field == field.key)
                    && frame.arguments.contains_key(&field.key)
            })
            .collect();
        if conditions.is_empty() {
            continue;
        }
        let hits = scope.yielding(&need.resource, &operation.document)?;
        let safe = hits.into_iter().filter(|hit| hit.risk == Risk::Safe && hit.not_callable.is_none()).take(8);
        for hit in safe {
            let Some(candidate) = scope.operation(&hit.operation_id, &hit.content_hash)? else { continue };
            let yields = candidate.document == operation.document && candidate.produces.contains(&need.resource);
            let same = candidate
                .fields
                .iter()
                .filter(|field| field.required)
                .all(|field| conditions.iter().any(|c| c.name == field.name));
            let shared = candidate
                .fields
                .iter()
                .filter(|field| field.required && conditions.iter().any(|c| c.name == field.name))
                .count();
            if !yields || !same || shared == 0 {
                continue;
            }
            let mut arguments = serde_json::Map::new();
            for field in candidate.fields.iter().filter(|field| field.required) {
                if let Some(value) =
                    conditions.iter().find(|c| c.name == field.name).and_then(|c| frame.arguments.get(&c.key))
                {
                    arguments.insert(field.key.clone(), value.clone());
                }
            }
            if let CallOutcome::Answered { status: 200..=299, body, .. } =
                scope.call(&candidate, &arguments, Purpose::Lookup)?
            {
                let list = rows::rows(&candidate, &body).0;
                let pick = rows::to_pick(scope, &candidate, &list, &need.id_property, &need.resource);
                let taken = frame.arguments.get(&need.field);
                let free: Vec<Row> = pick.into_iter().filter(|row| Some(&row.id) != taken).take(2).collect();
                let most = scope.input.settings.limits.button_title;
                for (row, title) in free.iter().zip(short_titles(&free, most)) {
                    let row = row.clone();
                    let does = Does::Value { key: need.field.clone(), value: row.id, label: row.label };
                    offers.push(scope.offer(title, does, ""));
                }
            }
            return Ok(offers);
        }
    }
    Ok(offers)
}

/// The first part of each label where these differ, else what tells the labels apart.
fn short_titles(rows: &[Row], most: usize) -> Vec<String> {
    let first = |row: &Row| row.label.split(", ").next().unwrap_or(&row.label).to_owned();
    let short: Vec<String> = rows.iter().map(first).collect();
    let seen: std::collections::BTreeSet<String> = short.iter().map(|title| cut(title, most).to_lowercase()).collect();
    if seen.len() == short.len() { short } else { rows::distinct_titles(&rows.iter().collect::<Vec<_>>(), most) }
}

/// Whether something that may have happened is there.
pub enum Seen {
    /// It is, with its number where it has one.
    There(Option<String>),
    /// It is not, or not yet: that proves nothing.
    Not,
    /// It could not be looked for.
    Unchecked,
}

/// Looks for what a call would have made: a paired look-up may prove that it happened; its silence proves nothing.
pub fn look_for(scope: &mut Scope<'_>, frame: &Frame, operation: &Operation) -> Step<Seen> {
    let pair = format!("{}/GET {}", operation.document, operation.path);
    let Some(check) =
        scope.operation(&pair, "")?.filter(|check| check.risk == Risk::Safe && check.not_callable.is_none())
    else {
        return Ok(Seen::Unchecked);
    };
    let mut arguments = serde_json::Map::new();
    for field in &check.fields {
        let given =
            operation.fields.iter().find(|own| own.name == field.name).and_then(|own| frame.arguments.get(&own.key));
        if let Some(value) = given.filter(|_| field.required || !read_as_time(given)) {
            arguments.insert(field.key.clone(), value.clone());
        }
    }
    super::hints::defaults(&check, &mut arguments);
    if !check.check(&arguments).is_empty() {
        return Ok(Seen::Unchecked);
    }
    let CallOutcome::Answered { status: 200..=299, body, cut, .. } = scope.call_whole(&check, &arguments)? else {
        return Ok(Seen::Unchecked);
    };
    let list = rows::found(&check, &body, cut).list;
    Ok(match list.iter().find(|row| holds(scope, row, frame, operation)) {
        Some(row) => Seen::There(Telling::new(scope.lang, &scope.place, &check).handle(row)),
        None => Seen::Not,
    })
}

fn read_as_time(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| {
        read_date(text).is_some() || text.contains('T') && text.len() >= 16 && text.as_bytes()[0].is_ascii_digit()
    })
}

/// True when a row has every value of the call's body under the same name, at least two of them or all there are.
fn holds(scope: &Scope<'_>, row: &Value, frame: &Frame, operation: &Operation) -> bool {
    let Some(object) = row.as_object() else { return false };
    let mut same = 0;
    for field in operation.fields.iter().filter(|field| field.location == openapi::Location::Body) {
        let Some(value) = frame.arguments.get(&field.key) else { continue };
        let Some(there) = object.get(&field.name) else { continue };
        let equal = there == value
            || match (there.as_str(), value.as_str()) {
                (Some(a), Some(b)) => {
                    scope.place.read_instant(a).is_some_and(|at| scope.place.read_instant(b) == Some(at))
                }
                _ => false,
            };
        if !equal {
            return false;
        }
        same += 1;
    }
    let given = frame.arguments.keys().filter(|key| key.starts_with("body:")).count();
    same >= given.min(2) && same > 0
}

/// The sentence for people in an error body: `detail`, `message`, `error` and the like.
pub fn message(body: &Value) -> Option<String> {
    const NAMES: [&str; 9] =
        ["detail", "message", "error_description", "error_message", "description", "reason", "title", "error", "msg"];
    let clean = |text: &str| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let readable = text.chars().any(char::is_alphabetic)
            && !text.starts_with(['{', '[', '<'])
            && !text.contains("Exception")
            && !text.contains(" at line ");
        (readable && text.chars().count() >= 3).then(|| {
            let plain = text.split(' ').next().is_some_and(|word| !word.contains(char::is_uppercase));
            let text = cut(&if plain { capital(&text) } else { text }, 300);
            if text.ends_with(['.', '!', '?', '…']) { text } else { format!("{text}.") }
        })
    };
    match body {
        Value::String(text) => clean(text),
        Value::Object(object) => NAMES
            .iter()
            .find_map(|name| match object.get(*name)? {
                Value::String(text) => clean(text),
                inner @ (Value::Object(_) | Value::Array(_)) => message(inner),
                _ => None,
            })
            .or_else(|| object.get("errors").and_then(message)),
        Value::Array(list) => list.first().and_then(message),
        _ => None,
    }
}
