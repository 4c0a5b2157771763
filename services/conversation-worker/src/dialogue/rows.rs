//! Rows of an answer: finding them, naming them, matching words with them.

use std::collections::{BTreeMap, BTreeSet};

use openapi::Operation;
use serde_json::Value;

use super::{schema, scope::Scope, state::Row, tell::Telling};
use crate::language::{Token, choose::is_filler, fold, fold::same_stem, format::cut, token::Kind, tokens, verbs};
use crate::turn::Cut;

/// Most rows that are looked at.
const MAX_ROWS: usize = 200;
/// Most rows of a list that was asked for with all its pages.
const MAX_WHOLE: usize = 1_000;

/// What an answer holds.
pub struct Found {
    /// Its rows; a single object is one.
    pub list: Vec<Value>,
    /// How many there are, as far as is known.
    pub total: usize,
    /// There are more than that: pages that were not read, and nobody says how many.
    pub more: bool,
    /// It is a list.
    pub is_list: bool,
}

/// All rows of an answer, whatever was cut from it or lies on other pages.
pub fn found(operation: &Operation, body: &Value, cut: Option<Cut>) -> Found {
    let (list, total, is_list) = most_rows(operation, body, MAX_WHOLE);
    let came = cut.filter(|cut| cut.kept == total).map_or(total, |cut| cut.rows);
    // A total that the answer names counts for all pages.
    let more = is_list && cut.is_some_and(|cut| cut.more && came <= cut.rows);
    Found { list, total: came, more, is_list }
}

/// The rows of an answer and how many there are in all; a single object is one row.
pub fn rows(operation: &Operation, body: &Value) -> (Vec<Value>, usize, bool) {
    most_rows(operation, body, MAX_ROWS)
}

fn most_rows(operation: &Operation, body: &Value, most: usize) -> (Vec<Value>, usize, bool) {
    let pointer = operation.response.as_ref().filter(|r| r.is_list).and_then(|r| r.list_pointer.as_deref());
    let named = pointer.and_then(|pointer| {
        body.pointer(pointer)
            .and_then(Value::as_array)
            .filter(|list| pointer.is_empty() || list.iter().all(Value::is_object))
    });
    let list = named.or_else(|| body.as_array()).or_else(|| sole_array(operation, body));
    match list {
        Some(list) => {
            let rows: Vec<&Value> = list.iter().filter(|row| says_something(row)).collect();
            let total = total(operation, body, list.len()).unwrap_or(rows.len());
            (rows.into_iter().take(most).cloned().collect(), total, true)
        }
        None if !says_something(body) => (Vec::new(), 0, false),
        None => (vec![body.clone()], 1, false),
    }
}

/// False for null, and for objects and arrays with nothing but that.
fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Object(object) => object.values().any(says_something),
        Value::Array(list) => list.iter().any(says_something),
        Value::Bool(_) | Value::Number(_) => true,
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

/// How many rows there are in all, when the answer says so: beside them, or in the object that tells of paging.
///
/// The clearest name counts. `size` and `limit` are those of a page, `count` may be; a total that the schema calls a
/// number is an amount.
fn total(operation: &Operation, body: &Value, count: usize) -> Option<usize> {
    const NAMES: [&str; 11] = [
        "totalcount",
        "totalresults",
        "totalitems",
        "totalelements",
        "totalrecords",
        "totalrows",
        "totalhits",
        "total",
        "totalsize",
        "odatacount",
        "count",
    ];
    const PAGING: [&str; 8] =
        ["page", "paging", "pagination", "pageinfo", "pagemetadata", "meta", "metadata", "resultset"];
    let plain = |name: &str| fold(name).replace(['_', '-', '@', '.', '$'], "");
    let object = body.as_object()?;
    let schema = operation.response.as_ref().map(|response| &response.schema);
    let amount = |name: &str| {
        let property = schema.and_then(|root| schema::property(root, root, name).map(|found| (root, found)));
        property.is_some_and(|(root, found)| schema::kind_in(root, found) == schema::Kind::Number)
    };
    let beside = object.iter().filter(|(name, _)| !amount(name));
    let paging = object.iter().filter(|(name, _)| PAGING.contains(&plain(name).as_str()));
    beside
        .chain(paging.filter_map(|(_, value)| value.as_object()).flatten())
        .filter_map(|(name, value)| {
            let clear = NAMES.iter().position(|known| *known == plain(name))?;
            let said = usize::try_from(value.as_u64()?).ok()?;
            (said >= count).then_some((clear, said))
        })
        .min()
        .map(|(_, said)| said)
}

/// The value that a row gives for an id.
pub fn id_of(row: &Value, id_property: &str, resource: &str) -> Option<Value> {
    let scalar = |value: &Value| (value.is_string() || value.is_number()).then(|| value.clone());
    match row {
        Value::Object(object) => {
            let own = object.get(id_property).and_then(scalar);
            own.or_else(|| {
                let plain = |name: &str| fold(name).replace(['_', '-', ' '], "");
                let wanted = [
                    format!("{}id", plain(resource)),
                    plain(id_property),
                    format!("{}{}", plain(resource), plain(id_property)),
                ];
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
pub fn to_pick(
    scope: &Scope<'_>,
    operation: &Operation,
    rows: &[Value],
    id_property: &str,
    resource: &str,
) -> Vec<Row> {
    let telling = Telling::new(scope.lang, &scope.place, operation);
    let mut seen = BTreeSet::new();
    let mut found: Vec<(Row, &Value)> = rows
        .iter()
        .filter_map(|row| {
            let id = id_of(row, id_property, resource)?;
            seen.insert(id.to_string()).then(|| (Row { label: telling.label(row), words: words_of(row), id }, row))
        })
        .collect();
    // Labels that are the same say more, then their number.
    for say in [
        |telling: &Telling<'_>, row: &Value| telling.line(row),
        |telling: &Telling<'_>, row: &Value| {
            format!("{}, {}", telling.line(row), telling.handle(row).unwrap_or_default())
        },
    ] {
        let mut count = BTreeMap::new();
        for (row, _) in &found {
            *count.entry(row.label.clone()).or_insert(0_usize) += 1;
        }
        for (row, value) in found.iter_mut().filter(|(row, _)| count[&row.label] > 1) {
            row.label = say(&telling, value).trim_end_matches(", ").to_owned();
        }
    }
    found.into_iter().map(|(row, _)| row).collect()
}

/// The words of a sentence that may name a row: no fillers, nothing that a date has taken, not the verb it begins with.
pub fn naming_words(sentence: &str, used: &[bool]) -> Vec<String> {
    let words = tokens(sentence);
    let mut out: Vec<String> = Vec::new();
    for (at, token) in words.iter().enumerate() {
        if used.get(at).copied().unwrap_or(false)
            || token.kind == Kind::Mark
            || is_filler(&token.text)
            || out.len() >= 40
        {
            continue;
        }
        let verb = out.is_empty() && verbs::leads(&token.text);
        if !verb && !out.contains(&token.text) {
            out.push(token.text.clone());
        }
    }
    out
}

/// The rows that have all of these words (folded, and as they were written), as far as any row has them, and those words
/// as they were written; none when that leaves out no row or all.
pub fn narrowed(rows: &[Value], words: &[(String, String)]) -> Option<(Vec<Value>, Vec<String>)> {
    let parts: Vec<Vec<Token>> = rows.iter().map(|row| tokens(&words_of(row))).collect();
    let has = |row: &[Token], word: &str| row.iter().any(|part| part.kind == Kind::Word && same_stem(&part.text, word));
    let telling: Vec<&(String, String)> = words
        .iter()
        .filter(|(word, _)| (1..rows.len()).contains(&parts.iter().filter(|row| has(row, word)).count()))
        .collect();
    let kept: Vec<Value> = rows
        .iter()
        .zip(&parts)
        .filter(|(_, row)| telling.iter().all(|(word, _)| has(row, word)))
        .map(|(row, _)| row.clone())
        .collect();
    let said = telling.iter().map(|(_, said)| said.clone()).collect();
    (!telling.is_empty() && !kept.is_empty()).then_some((kept, said))
}

/// True when a word is one of a row's, in any form, or nearly.
fn fits(row: &[Token], word: &str) -> bool {
    row.iter().any(|part| {
        part.text == word || (part.kind == Kind::Word && same_stem(&part.text, word)) || {
            let long = word.chars().count() >= 5 && part.kind == Kind::Word;
            long && crate::language::fold::near(word, &part.text)
        }
    })
}

/// How many of the words are in some row.
pub fn known(rows: &[Row], words: &[String]) -> usize {
    let parts: Vec<Vec<Token>> = rows.iter().map(|row| tokens(&row.words)).collect();
    words.iter().filter(|word| parts.iter().any(|row| fits(row, word))).count()
}

/// The rows that the words fit best, by place; none when no word fits any.
///
/// A word that fits every row decides nothing, unless there is only one row.
pub fn fitting(rows: &[Row], words: &[String]) -> Vec<usize> {
    let parts: Vec<Vec<Token>> = rows.iter().map(|row| tokens(&row.words)).collect();
    // A word that fits few rows says more than one that fits many.
    let mut scores = vec![0.0_f64; rows.len()];
    for word in words {
        let hits: Vec<usize> = (0..rows.len()).filter(|at| fits(&parts[*at], word)).collect();
        if hits.len() == rows.len() && rows.len() > 1 {
            continue;
        }
        let weight = u32::try_from(hits.len()).map_or(0.0, |count| 1.0 / f64::from(count.max(1)));
        for at in hits {
            scores[at] += weight;
        }
    }
    let best = scores.iter().copied().fold(0.0, f64::max);
    if best <= 0.0 {
        return Vec::new();
    }
    (0..rows.len()).filter(|at| scores[*at] > best - 1e-9).collect()
}

/// What all labels have in common, for the question above them.
pub fn shared_label(rows: &[Row]) -> String {
    let Some((first, rest)) = rows.split_first() else { return String::new() };
    let shared =
        first.label.split(", ").filter(|part| rest.iter().all(|row| row.label.split(", ").any(|other| other == *part)));
    shared.collect::<Vec<_>>().join(", ")
}

/// Titles that show where the labels differ: parts that all of them share are left out; so are, among titles that
/// read the same in their first `most` characters, the parts that those share.
pub fn distinct_titles(rows: &[&Row], most: usize) -> Vec<String> {
    let mut titles: Vec<String> = rows.iter().map(|row| row.label.clone()).collect();
    if rows.len() < 2 {
        return titles;
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    leave_out_shared(&mut titles, &all);
    for _ in 0..4 {
        let mut same: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, title) in titles.iter().enumerate() {
            same.entry(cut(title, most).to_lowercase()).or_default().push(at);
        }
        let groups: Vec<Vec<usize>> = same.into_values().filter(|group| group.len() > 1).collect();
        if groups.is_empty() {
            return titles;
        }
        for group in groups {
            leave_out_shared(&mut titles, &group);
        }
    }
    // What still reads the same is numbered.
    let mut seen = BTreeSet::new();
    for (at, title) in titles.iter_mut().enumerate() {
        if !seen.insert(cut(title, most).to_lowercase()) {
            *title = format!("{}. {title}", at + 1);
        }
    }
    titles
}

/// Leaves out of a group's titles the parts that all of them have, unless nothing would be left.
fn leave_out_shared(titles: &mut [String], group: &[usize]) {
    let parts: Vec<Vec<String>> = group.iter().map(|at| titles[*at].split(", ").map(str::to_owned).collect()).collect();
    for (place, at) in group.iter().enumerate() {
        let kept: Vec<String> =
            parts[place].iter().filter(|part| !parts.iter().all(|other| other.contains(part))).cloned().collect();
        if !kept.is_empty() {
            titles[*at] = kept.join(", ");
        }
    }
}

#[cfg(test)]
mod tests {
    use openapi::ImportOptions;
    use serde_json::json;

    use super::*;

    /// Rows and total of an answer with these values beside three rows; `schema` is of the total.
    fn check(beside: &Value, schema: &Value, expected: usize) {
        let document = json!({
            "openapi": "3.1.0",
            "info": {"title": "Shop", "version": "1"},
            "paths": {"/things": {"get": {"summary": "Things", "responses": {"200": {"description": "ok", "content": {
                "application/json": {"schema": {"type": "object", "properties": {
                    "total": schema,
                    "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}},
                }}}}}}}}},
        });
        let imported = openapi::import("shop", document.to_string().as_bytes(), &ImportOptions::default());
        let operation = imported.expect("the document is sound").operations.remove(0);
        let mut body = beside.clone();
        body["items"] = json!([{"name": "a"}, {"name": "b"}, {"name": "c"}]);
        let (list, total, is_list) = rows(&operation, &body);
        assert_eq!((list.len(), total, is_list), (3, expected, true), "{beside}");
    }

    #[test]
    fn only_a_count_of_all_rows_is_a_total() {
        let integer = json!({"type": "integer"});
        for (beside, expected) in [
            (json!({}), 3),
            (json!({"total": 37}), 37),
            (json!({"total_count": 37, "count": 3}), 37),
            (json!({"count": 20, "total": 37}), 37),
            (json!({"count": 1023, "next": "https://x.test/?page=2"}), 1023),
            (json!({"page": {"size": 20, "totalElements": 3, "totalPages": 1, "number": 0}}), 3),
            (json!({"page": {"size": 20, "totalElements": 45, "totalPages": 3, "number": 0}}), 45),
            (json!({"size": 20, "number": 0}), 3),
            (json!({"limit": 50, "offset": 0}), 3),
            (json!({"meta": {"pagination": {}, "total": 37}}), 37),
            (json!({"@odata.count": 37}), 37),
            (json!({"invoice": {"total": 120}}), 3),
            (json!({"total": 2}), 3),
        ] {
            check(&beside, &integer, expected);
        }
        check(&json!({"total": 120}), &json!({"type": "number"}), 3);
    }
}
