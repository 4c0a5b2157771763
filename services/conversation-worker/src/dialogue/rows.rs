//! Rows of an answer: finding them, naming them, matching words with them.

use std::collections::BTreeSet;

use openapi::Operation;
use serde_json::{Map, Value};

use super::{
    scope::Scope,
    state::Row,
    tell::Telling,
};
use crate::language::{Token, choose::is_filler, fold, fold::same_stem, token::Kind, tokens, verbs};

/// Most rows that are looked at.
const MAX_ROWS: usize = 200;

/// The rows of an answer and how many there are in all; a single object is one row.
pub fn rows(operation: &Operation, body: &Value) -> (Vec<Value>, usize, bool) {
    let pointer = operation.response.as_ref().filter(|r| r.is_list).and_then(|r| r.list_pointer.as_deref());
    let named = pointer.and_then(|pointer| body.pointer(pointer)).and_then(Value::as_array);
    let list = named.or_else(|| body.as_array()).or_else(|| sole_array(operation, body));
    match list {
        Some(list) => {
            let total = total(body, list.len());
            (list.iter().take(MAX_ROWS).cloned().collect(), total, true)
        }
        None if body.is_null() || body.as_object().is_some_and(Map::is_empty) => (Vec::new(), 0, false),
        None => (vec![body.clone()], 1, false),
    }
}

/// The one array of objects in an answer whose schema was not said.
fn sole_array<'a>(operation: &Operation, body: &'a Value) -> Option<&'a Vec<Value>> {
    if operation.response.as_ref().is_some_and(|r| !r.is_list && r.schema.is_object()) {
        return None;
    }
    let mut arrays = body.as_object()?.values().filter_map(Value::as_array).filter(|a| a.iter().all(Value::is_object));
    let first = arrays.next()?;
    arrays.next().is_none().then_some(first)
}

/// How many rows there are in all, when the answer says so beside them.
fn total(body: &Value, count: usize) -> usize {
    let Some(object) = body.as_object() else { return count };
    let says = |name: &str| {
        let name = fold(name).replace(['_', '-'], "");
        ["total", "totalcount", "count", "totalresults", "totalitems", "totalelements", "size"].contains(&name.as_str())
    };
    let nested = object.values().filter_map(Value::as_object).flatten();
    object
        .iter()
        .chain(nested)
        .filter(|(name, _)| says(name))
        .filter_map(|(_, value)| value.as_u64().and_then(|n| usize::try_from(n).ok()))
        .find(|n| *n >= count)
        .unwrap_or(count)
}

/// The value that a row gives for an id.
pub fn id_of(row: &Value, id_property: &str, resource: &str) -> Option<Value> {
    let scalar = |value: &Value| (value.is_string() || value.is_number()).then(|| value.clone());
    match row {
        Value::Object(object) => {
            let own = object.get(id_property).and_then(scalar);
            own.or_else(|| {
                let plain = |name: &str| fold(name).replace(['_', '-', ' '], "");
                let wanted = [format!("{}id", plain(resource)), plain(id_property), format!("{}{}", plain(resource), plain(id_property))];
                object.iter().find(|(name, _)| wanted.contains(&plain(name))).and_then(|(_, value)| scalar(value))
            })
        }
        other => scalar(other),
    }
}

/// All scalar values of a row in one text, folded.
pub fn words_of(row: &Value) -> String {
    let mut words = String::new();
    gather(row, &mut words, 0);
    words
}

fn gather(value: &Value, words: &mut String, depth: usize) {
    if depth > 4 || words.len() > 2_000 {
        return;
    }
    match value {
        Value::String(text) => {
            words.push(' ');
            words.push_str(&fold(text));
        }
        Value::Number(number) => {
            words.push(' ');
            words.push_str(&number.to_string());
        }
        Value::Array(list) => list.iter().take(20).for_each(|value| gather(value, words, depth + 1)),
        Value::Object(object) => object.values().for_each(|value| gather(value, words, depth + 1)),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Rows to pick from, labelled so that they differ.
pub fn to_pick(scope: &Scope<'_>, operation: &Operation, rows: &[Value], id_property: &str, resource: &str) -> Vec<Row> {
    let telling = Telling::new(scope.lang, &scope.place, operation);
    let mut seen = BTreeSet::new();
    rows.iter()
        .filter_map(|row| {
            let id = id_of(row, id_property, resource)?;
            seen.insert(id.to_string()).then(|| Row { label: telling.label(row), words: words_of(row), id })
        })
        .collect()
}

/// The words of a sentence that may name a row: no fillers, nothing that a date has taken, not the verb it begins with.
pub fn naming_words(sentence: &str, used: &[bool]) -> Vec<String> {
    let words = tokens(sentence);
    let mut out: Vec<String> = Vec::new();
    for (at, token) in words.iter().enumerate() {
        if used.get(at).copied().unwrap_or(false) || token.kind == Kind::Mark || is_filler(&token.text) || out.len() >= 40 {
            continue;
        }
        let verb = out.is_empty() && verbs::verb(&token.text).is_some();
        if !verb && !out.contains(&token.text) {
            out.push(token.text.clone());
        }
    }
    out
}

/// The rows that most of the words fit, by place; none when no word fits any.
///
/// A word that fits every row decides nothing, unless there is only one row.
pub fn fitting(rows: &[Row], words: &[String]) -> Vec<usize> {
    let parts: Vec<Vec<Token>> = rows.iter().map(|row| tokens(&row.words)).collect();
    let fits = |row: &[Token], word: &str| {
        row.iter().any(|part| {
            part.text == word || (part.kind == Kind::Word && same_stem(&part.text, word)) || {
                let long = word.chars().count() >= 5 && part.kind == Kind::Word;
                long && crate::language::fold::near(word, &part.text)
            }
        })
    };
    let mut scores = vec![0_usize; rows.len()];
    for word in words {
        let hits: Vec<usize> = (0..rows.len()).filter(|at| fits(&parts[*at], word)).collect();
        if hits.len() == rows.len() && rows.len() > 1 {
            continue;
        }
        for at in hits {
            scores[at] += 1;
        }
    }
    let best = scores.iter().copied().max().unwrap_or(0);
    if best == 0 {
        return Vec::new();
    }
    (0..rows.len()).filter(|at| scores[*at] == best).collect()
}

/// What all labels have in common, for the question above them.
pub fn shared_label(rows: &[Row]) -> String {
    let Some((first, rest)) = rows.split_first() else { return String::new() };
    let shared = first.label.split(", ").filter(|part| rest.iter().all(|row| row.label.split(", ").any(|other| other == *part)));
    shared.collect::<Vec<_>>().join(", ")
}

/// Titles that show where the labels differ: parts that all of them share are left out.
pub fn distinct_titles(rows: &[&Row]) -> Vec<String> {
    let parts: Vec<Vec<&str>> = rows.iter().map(|row| row.label.split(", ").collect()).collect();
    if rows.len() < 2 {
        return rows.iter().map(|row| row.label.clone()).collect();
    }
    parts
        .iter()
        .enumerate()
        .map(|(at, own)| {
            let kept: Vec<&str> = own.iter().copied().filter(|part| !parts.iter().all(|other| other.contains(part))).collect();
            if kept.is_empty() { rows[at].label.clone() } else { kept.join(", ") }
        })
        .collect()
}
