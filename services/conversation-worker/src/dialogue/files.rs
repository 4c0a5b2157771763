//! Pictures and files that people send: into a field of the task that is open, else into the wish that comes with them or
//! next.

use std::sync::Arc;

use domain::Content;
use openapi::{Field, Operation};
use serde_json::{Value, json};

use super::{
    ask,
    fill::{self, Sentence},
    schema::{self, Kind, kind, only_file},
    scope::{Scope, Step},
    state::{Ask, Frame, Open, SentFile, Task},
    steps,
};
use crate::{
    language::format::{cut, size},
    turn::{Fetch, FileOutcome},
};

/// Most files in one list.
const FILES_MAX: usize = 10;
/// Most bytes of one call's files; a request is built up to 20 MiB.
pub const CALL_BYTES_MAX: usize = 19 * 1024 * 1024;

/// Whether an operation can be called here: one that needs a file only where people can send one.
pub fn callable(scope: &Scope<'_>, operation: &Operation) -> bool {
    operation.not_callable.is_none() && (scope.input.takes_files || !operation.needs_file())
}

/// A message that is a file. True: all of it was answered; false: its words, if it has any, are still to be read.
pub fn sent(scope: &mut Scope<'_>) -> Step<bool> {
    let Some((media, sent, caption)) = read(scope) else { return Ok(false) };
    let target = match scope.state.open.clone().filter(|open| open.person == sent.person) {
        Some(open) => target(scope, &open)?.map(|target| (open, target)),
        None => None,
    };
    let asked = target.as_ref().is_some_and(|(_, target)| target.asked);
    // Words by voice are words, unless a file was asked for; a sticker is a mood.
    let is_file = match media.as_str() {
        "image" | "document" | "video" => true,
        "audio" | "voice" => asked,
        _ => false,
    };
    if !is_file {
        return Ok(false);
    }
    match target {
        Some((open, target)) => into_open(scope, open, target, &sent, caption.as_deref()),
        None => {
            scope.state.sent = Some(sent);
            Ok(false)
        }
    }
}

/// The last message as a file: its kind, where it is, its words.
fn read(scope: &Scope<'_>) -> Option<(String, SentFile, Option<String>)> {
    let said = scope.input.messages.last().filter(|_| scope.input.takes_files)?;
    let Content::Media { media, url: Some(url), caption } = &said.content else { return None };
    let caption = caption.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let sent = SentFile { url: url.clone(), picture: media == "image", person: said.person, at: scope.input.now };
    Some((media.clone(), sent, caption))
}

/// Where a file goes within an open task.
struct Target {
    /// Which frame.
    frame: usize,
    operation: Arc<Operation>,
    field: Field,
    /// The open question asks for it.
    asked: bool,
}

fn target(scope: &mut Scope<'_>, open: &Open) -> Step<Option<Target>> {
    let Some(task) = &open.task else { return Ok(None) };
    if let (Ask::Field { key }, Some(frame)) = (&open.kind, task.frames.last())
        && let Some(operation) = scope.operation_of(frame)?
        && let Some(field) = operation.field(key).filter(|field| field.file.is_some()).cloned()
    {
        return Ok(Some(Target { frame: task.frames.len() - 1, operation, field, asked: true }));
    }
    let Some(frame) = task.frames.first() else { return Ok(None) };
    let Some(operation) = scope.operation_of(frame)? else { return Ok(None) };
    let field = field_for(&operation, frame).cloned();
    Ok(field.map(|field| Target { frame: 0, operation, field, asked: false }))
}

/// The field that a file goes into: the first without a value, those that are required before others; then a list, which
/// takes another; then the first, whose file is replaced.
fn field_for<'a>(operation: &'a Operation, frame: &Frame) -> Option<&'a Field> {
    let takes = |field: &&Field| field.file.is_some() && !frame.identity.contains(&field.key);
    let mut fields: Vec<&Field> = operation.fields.iter().filter(takes).collect();
    fields.sort_by_key(|field| {
        let given = frame.arguments.contains_key(&field.key);
        (given, given && kind(&field.schema) != Kind::Array, !field.required)
    });
    fields.first().copied()
}

/// Puts a file into the open task, and goes on with its words where there are some.
fn into_open(
    scope: &mut Scope<'_>,
    mut open: Open,
    target: Target,
    sent: &SentFile,
    caption: Option<&str>,
) -> Step<bool> {
    let whole = target.asked || matches!(open.kind, Ask::Confirm { .. });
    let Some(mut task) = open.task.clone() else { return Ok(false) };
    let Some(frame) = task.frames.get_mut(target.frame) else { return Ok(false) };
    let taken = put(scope, frame, &target.field, sent)?;
    if whole && taken {
        let told = line(&target.field, frame);
        if matches!(open.kind, Ask::Confirm { .. }) {
            let what = told.replacen(": ", " ", 1);
            let text = scope.text("changed", &[("what", &what)]);
            scope.lead.push(text);
        } else {
            scope.lead.push(told);
        }
        if let Some(caption) = caption {
            let said = Sentence::new(caption, &scope.place, None);
            fill::fill(&target.operation, frame, &said, &scope.place, !target.asked);
            task.sentence = format!("{}\n{caption}", task.sentence).trim().to_owned();
        }
        steps::advance(scope, task)?;
        return Ok(true);
    }
    if taken {
        scope.lead.push(line(&target.field, frame));
        open.task = Some(task);
        for key in ["can-add-photo", "can-add-file"] {
            open.text = open.text.replace(&format!(" {}", scope.text(key, &[])), "");
        }
        scope.state.open = Some(open.clone());
    }
    if caption.is_some() && !whole {
        return Ok(false);
    }
    ask::again(scope, open);
    Ok(true)
}

/// What was sent before a wish goes into the task that the wish begins.
pub fn take_up(scope: &mut Scope<'_>, task: &mut Task, operation: &Operation) -> Step<()> {
    let person = scope.person();
    let Some(sent) = scope.state.sent.clone().filter(|sent| Some(sent.person) == person) else { return Ok(()) };
    let Some(frame) = task.frames.first_mut() else { return Ok(()) };
    let Some(field) = field_for(operation, frame) else { return Ok(()) };
    scope.state.sent = None;
    if put(scope, frame, field, &sent)? {
        scope.lead.push(line(field, frame));
    }
    Ok(())
}

/// Has a file fetched and puts it into a field; else says why it is not there.
fn put(scope: &mut Scope<'_>, frame: &mut Frame, field: &Field, sent: &SentFile) -> Step<bool> {
    let title = schema::title(field);
    let outcome = scope.fetch(Fetch { url: sent.url.clone(), person: sent.person })?;
    let call_bytes_max = u64::try_from(CALL_BYTES_MAX).unwrap_or(u64::MAX);
    let too_large = |scope: &mut Scope<'_>, limit_bytes: u64| {
        let most = size(scope.lang, limit_bytes.min(call_bytes_max));
        refuse(scope, if sent.picture { "picture-too-large" } else { "file-too-large" }, &[("most", &most)])
    };
    let (sha256, media_type, size_bytes) = match outcome {
        // It is kept for operators; a backend cannot be sent so much.
        FileOutcome::Kept { size_bytes, .. } if size_bytes > call_bytes_max => return too_large(scope, call_bytes_max),
        FileOutcome::Kept { sha256, media_type, size_bytes } => (sha256, media_type, size_bytes),
        FileOutcome::TooLarge { limit_bytes } => return too_large(scope, limit_bytes),
        FileOutcome::Unavailable { .. } => {
            return refuse(scope, if sent.picture { "picture-lost" } else { "file-lost" }, &[]);
        }
    };
    if field.file.as_ref().is_some_and(|takes| !takes.takes(&media_type)) {
        let kinds = kinds(field);
        let key = if kinds.is_empty() { "file-kind" } else { "file-kind-of" };
        return match kinds.is_empty() {
            true => refuse(scope, key, &[("title", &title)]),
            false => refuse(scope, key, &[("title", &title), ("what", &kinds)]),
        };
    }
    let mut references: Vec<Value> = match frame.arguments.get(&field.key) {
        Some(Value::Array(list)) => list.clone(),
        _ => Vec::new(),
    };
    let list = kind(&field.schema) == Kind::Array;
    let known = references.iter().any(|one| *one == json!(sha256));
    let others: u64 = frame.files.iter().filter(|(one, _)| **one != sha256).map(|(_, bytes)| *bytes).sum();
    let most = field.schema.get("maxItems").and_then(Value::as_u64).and_then(|most| usize::try_from(most).ok());
    if !known && (others + size_bytes > call_bytes_max || references.len() >= most.unwrap_or(FILES_MAX).min(FILES_MAX))
    {
        return refuse(scope, "file-full", &[("title", &title)]);
    }
    frame.files.insert(sha256.clone(), size_bytes);
    let value = if list {
        if !known {
            references.push(json!(sha256));
        }
        Value::Array(references)
    } else {
        json!(sha256)
    };
    frame.arguments.insert(field.key.clone(), value);
    // Who was replaced is no part of the call any more.
    let used: Vec<String> = frame.arguments.values().flat_map(texts).collect();
    frame.files.retain(|reference, _| used.contains(reference));
    let label = label(scope, frame, field);
    frame.labels.insert(field.key.clone(), label);
    Ok(true)
}

fn refuse(scope: &mut Scope<'_>, key: &str, arguments: &[(&str, &str)]) -> Step<bool> {
    let text = scope.text(key, arguments);
    scope.lead.push(text);
    Ok(false)
}

/// "JPEG, PNG" of a field that names its kinds one by one.
fn kinds(field: &Field) -> String {
    let named = field.file.as_ref().map(|takes| takes.media_types.as_slice()).unwrap_or_default();
    if named.iter().any(|name| name.contains('*')) {
        return String::new();
    }
    let short = |name: &String| name.split('/').next_back().unwrap_or_default().to_uppercase();
    cut(&named.iter().map(short).collect::<Vec<_>>().join(", "), 80)
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// "1, 240 kB".
fn label(scope: &Scope<'_>, frame: &Frame, field: &Field) -> String {
    let own: Vec<String> = frame.arguments.get(&field.key).map(texts).unwrap_or_default();
    let bytes = own.iter().filter_map(|reference| frame.files.get(reference)).sum();
    format!("{}, {}", own.len(), size(scope.lang, bytes))
}

/// "Photo: 1, 240 kB".
fn line(field: &Field, frame: &Frame) -> String {
    let label = frame.labels.get(&field.key).map(String::as_str).unwrap_or_default();
    format!("{}: {label}", schema::title(field))
}

/// "You can add a photo.", once in a task whose operation takes one that it does not need.
pub fn hint(scope: &Scope<'_>, task: &mut Task, operation: &Operation) -> Option<String> {
    let frame = task.frames.first().filter(|frame| frame.operation_id == operation.id)?;
    let open = |field: &&Field| !field.required && only_file(field) && !frame.arguments.contains_key(&field.key);
    let field = operation.fields.iter().find(open).filter(|_| scope.input.takes_files && !task.file_told)?;
    task.file_told = true;
    Some(scope.text(if pictures(field) { "can-add-photo" } else { "can-add-file" }, &[]))
}

/// The question for a file.
pub fn question(scope: &Scope<'_>, field: &Field) -> String {
    scope.text(if pictures(field) { "ask-photo" } else { "ask-file" }, &[("title", &schema::title(field))])
}

fn pictures(field: &Field) -> bool {
    let named = field.file.as_ref().map(|takes| takes.media_types.as_slice()).unwrap_or_default();
    !named.is_empty() && named.iter().all(|name| name.starts_with("image/"))
}
