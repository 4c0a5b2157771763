//! The catalogue: documents, operations, one operation, and a search as a turn would make it.

use std::time::Instant;

use askama::Template;
use axum::response::{IntoResponse as _, Redirect, Response};
use openapi::Operation;
use proto::catalog::v1::{Document, OperationHit, OperationSummary};
use serde_json::{Value, json};
use store::catalogue::ACCEPTED;

use super::{
    error::ConsoleError,
    frame::{self, Frame, Place},
    posted::Posted,
    query::{Query, link},
    room::Room,
    times::span,
};
use crate::catalog;

/// Operations of a page.
const ROWS: usize = 50;
/// Hits wanted.
const HITS: i32 = 20;
/// Longest sentence, in characters; the catalogue's own limit.
const TEXT_CHARS_MAX: usize = 4_000;

struct Row {
    id: String,
    title: String,
    risk: &'static str,
    not_callable: String,
    path: String,
}

#[derive(Template)]
#[template(path = "catalogue.html")]
struct ListPage {
    frame: Frame,
    documents: Vec<Document>,
    operations: Vec<Row>,
    document: String,
    words: String,
    next: Option<String>,
    first: Option<String>,
    search: String,
    path: String,
}

struct FieldRow {
    name: String,
    place: &'static str,
    kind: String,
    required: bool,
    supplied_by: String,
    description: String,
}

#[derive(Template)]
#[template(path = "operation.html")]
struct OperationPage {
    frame: Frame,
    summary: OperationSummary,
    risk: &'static str,
    operation: Operation,
    fields: Vec<FieldRow>,
    schemes: String,
    aliases: Vec<String>,
    examples: Vec<String>,
    /// What people chose the operation for.
    accepted: Vec<String>,
    remove: String,
    hidden: bool,
    notes: Vec<store::catalogue::Note>,
    json: String,
    back: String,
}

struct HitRow {
    row: Row,
    score: String,
    probability: f64,
    percent: String,
    producer: bool,
    parts: Vec<String>,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    documents: Vec<Document>,
    asked: Asked,
    answer: Option<Answered>,
    back: String,
}

#[derive(Default)]
struct Asked {
    text: String,
    language: String,
    document: String,
}

struct Answered {
    parts: Vec<String>,
    hits: Vec<HitRow>,
    coverage: String,
    version: i64,
    took: String,
}

/// `GET /console/t/{tenant}/catalogue`
pub async fn list(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let catalog = &room.console.catalog;
    let (document, words) = (query.get("document").unwrap_or_default(), query.get("q").unwrap_or_default());
    let documents = catalog.documents(&room.tenant).await?;
    let after = query.get("after").unwrap_or_default();
    let operations = catalog.operations(&room.tenant, document, words, after, ROWS).await?;
    let address = |after: Option<&str>| {
        link(&room.path("/catalogue"), &[("document", Some(document)), ("q", Some(words)), ("after", after)])
    };
    let page = ListPage {
        next: Some(operations.next.as_str()).filter(|next| !next.is_empty()).map(|next| address(Some(next))),
        first: (!after.is_empty()).then(|| address(None)),
        documents,
        operations: operations.rows.into_iter().map(|row| operation_row(&room, row)).collect(),
        document: document.to_owned(),
        words: words.to_owned(),
        search: room.path("/catalogue/search"),
        path: room.path("/catalogue"),
        frame: room.frame(Place::Catalogue, "Catalogue").await?,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `GET /console/t/{tenant}/catalogue/operation?id=`
pub async fn operation(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let id = query.get("id").ok_or(ConsoleError::NotFound)?;
    let (summary, operation) = room.console.catalog.operation(&room.tenant, id).await?;
    let overlays = room.console.store.overlays(&room.tenant).await?;
    let overlay = overlays.into_iter().find(|overlay| overlay.operation == id).map(|overlay| overlay.overlay);
    let overlay = overlay.unwrap_or_default();
    let texts = |name: &str| -> Vec<String> {
        let all = overlay[name].as_array().map_or(&[][..], Vec::as_slice);
        all.iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let learned = room.console.store.examples(&room.tenant).await?.into_iter();
    let (accepted, others): (Vec<_>, Vec<_>) =
        learned.filter(|example| example.operation == id).partition(|example| example.origin == ACCEPTED);
    let notes = room.console.store.notes(&room.tenant).await?;
    let page = OperationPage {
        risk: catalog::risk(&summary),
        fields: operation.fields.iter().map(|field| field_row(&operation, field)).collect(),
        schemes: operation.schemes.keys().cloned().collect::<Vec<_>>().join(", "),
        aliases: texts("aliases"),
        examples: texts("examples").into_iter().chain(others.into_iter().map(|example| example.text)).collect(),
        accepted: accepted.into_iter().map(|example| example.text).collect(),
        remove: room.path("/catalogue/remove-example"),
        hidden: overlay["hidden"].as_bool().unwrap_or_default(),
        notes: notes.into_iter().filter(|note| note.operation == id).collect(),
        json: serde_json::to_string_pretty(&operation).unwrap_or_default(),
        back: room.path("/catalogue"),
        frame: room.frame(Place::Catalogue, summary.title.clone()).await?,
        summary,
        operation,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `POST /console/t/{tenant}/catalogue/remove-example`
pub async fn remove_example(room: Room, Posted(fields): Posted) -> Result<Redirect, ConsoleError> {
    let (operation, text) = (fields.get("operation").unwrap_or_default(), fields.get("text").unwrap_or_default());
    room.record("catalogue.remove_example", operation, json!({ "text": text })).await?;
    room.console.catalog.remove_example(&room.tenant, operation, text).await?;
    room.console.sessions.tell(&room.session.id, "The sentence no longer stands for this operation.".to_owned(), false);
    Ok(Redirect::to(&link(&room.path("/catalogue/operation"), &[("id", Some(operation))])))
}

/// `GET /console/t/{tenant}/catalogue/search`
pub async fn ask(room: Room) -> Result<Response, ConsoleError> {
    shown(&room, Asked::default(), None).await
}

/// `POST /console/t/{tenant}/catalogue/search`: posted, so that what was asked stands in no address.
pub async fn search(room: Room, Posted(fields): Posted) -> Result<Response, ConsoleError> {
    let field = |name| fields.get(name).unwrap_or_default().trim().to_owned();
    let asked = Asked { text: field("text"), language: field("language"), document: field("document") };
    let chars = asked.text.chars().count();
    if !(1..=TEXT_CHARS_MAX).contains(&chars) {
        return Err(ConsoleError::Bad(format!("a sentence has 1 to {TEXT_CHARS_MAX} characters")));
    }
    let detail = json!({ "characters": chars, "language": asked.language, "document": asked.document });
    room.record("catalogue.search", &room.tenant, detail).await?;
    let began = Instant::now();
    let catalog = &room.console.catalog;
    let answer = catalog.search(&room.tenant, &asked.text, &asked.language, &asked.document, HITS).await?;
    let took = span(began.elapsed());
    let mut parts: Vec<String> = Vec::new();
    for part in answer.hits.iter().flat_map(|hit| &hit.parts).filter(|part| part.value != 0.0) {
        if !parts.contains(&part.name) {
            parts.push(part.name.clone());
        }
    }
    let answered = Answered {
        hits: answer.hits.into_iter().map(|hit| hit_row(&room, &parts, hit)).collect(),
        parts,
        coverage: format!("{:.0} %", answer.coverage * 100.0),
        version: answer.catalog_version,
        took,
    };
    shown(&room, asked, Some(answered)).await
}

async fn shown(room: &Room, asked: Asked, answer: Option<Answered>) -> Result<Response, ConsoleError> {
    let page = SearchPage {
        documents: room.console.catalog.documents(&room.tenant).await?,
        asked,
        answer,
        back: room.path("/catalogue"),
        frame: room.frame(Place::Catalogue, "Search playground").await?,
    };
    Ok(frame::html(&page)?.into_response())
}

fn operation_row(room: &Room, summary: OperationSummary) -> Row {
    Row {
        risk: catalog::risk(&summary),
        path: link(&room.path("/catalogue/operation"), &[("id", Some(summary.operation_id.as_str()))]),
        id: summary.operation_id,
        title: summary.title,
        not_callable: summary.not_callable_reason,
    }
}

fn hit_row(room: &Room, parts: &[String], hit: OperationHit) -> HitRow {
    let part = |name: &String| {
        let found = hit.parts.iter().find(|part| part.name == *name);
        found.map_or_else(|| "–".to_owned(), |part| format!("{:.3}", part.value))
    };
    HitRow {
        score: format!("{:.3}", hit.score),
        probability: hit.probability.clamp(0.0, 1.0),
        percent: format!("{:.0} %", hit.probability * 100.0),
        producer: hit.producer,
        parts: parts.iter().map(part).collect(),
        row: operation_row(room, hit.summary.unwrap_or_default()),
    }
}

fn field_row(operation: &Operation, field: &openapi::Field) -> FieldRow {
    let need = operation.needs.iter().find(|need| need.field == field.key);
    FieldRow {
        name: field.name.clone(),
        place: field.location.as_str(),
        kind: kind(&field.schema),
        required: field.required,
        supplied_by: need.map(|need| format!("id of a {}", need.resource)).unwrap_or_default(),
        description: field.description.clone(),
    }
}

/// A schema in a few words: `string (date)`, `one of a, b`, `array of integer`.
fn kind(schema: &Value) -> String {
    if let Some(allowed) = schema["enum"].as_array() {
        let allowed: Vec<String> =
            allowed.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        return format!("one of {}", allowed.join(", "));
    }
    let name = match &schema["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    };
    match (name.as_str(), schema["format"].as_str()) {
        ("array", _) => format!("array of {}", kind(&schema["items"])),
        (_, Some(format)) => format!("{name} ({format})"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_are_told_in_a_few_words() {
        for (schema, expected) in [
            (json!({ "type": "string", "format": "date" }), "string (date)"),
            (json!({ "type": ["string", "null"] }), "string or null"),
            (json!({ "enum": ["a", 1] }), "one of a, 1"),
            (json!({ "type": "array", "items": { "type": "integer" } }), "array of integer"),
            (json!({}), "any"),
        ] {
            assert_eq!(kind(&schema), expected);
        }
    }
}
