//! One operation: its parts put together, judged and sealed.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Context, Dialect, body, parameters, response, security, servers};
use crate::{
    media::json_rank,
    model::{MAX_OPERATION_BYTES, Operation, Risk},
    refs::At,
    schema::{byte_len, depth},
    text,
};

/// Deepest nesting of an operation: its JSON is read again by parsers that stop at 128.
const MAX_DEPTH: usize = 100;

/// An operation with what only the import needs to know.
pub(crate) struct Draft {
    pub operation: Operation,
    /// Name of the schema of the answer's rows (`Vehicle`).
    pub row_schema: Option<String>,
}

pub(super) fn read<'a>(context: &mut Context<'a>, path: &str, method: &str, item: At<'a>, at: At<'a>) -> Draft {
    let method = method.to_ascii_uppercase();
    let id = format!("{}/{method} {path}", context.document);
    let mut problems = Vec::new();
    let parameters = parameters::read(context, &id, path, item, at, &mut problems);
    let (body, body_fields) = body::read(context, at, &parameters, &mut problems);
    let (security, schemes) = security::read(context, at, &parameters.secrets);
    let (response, row_schema) = response::read(context, path, at);
    let mut fields = parameters.fields;
    fields.extend(body_fields);
    if method == "TRACE" {
        problems.push("TRACE is never sent".to_owned());
    }
    let risk = match method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => Risk::Safe,
        "PUT" | "DELETE" => Risk::Idempotent,
        _ if parameters.keyed => Risk::Keyed,
        _ => Risk::Once,
    };
    let summary = at.text("summary").or(item.text("summary")).map(|text| text::plain(text, 300)).unwrap_or_default();
    let description =
        at.text("description").or(item.text("description")).map(|text| text::plain(text, 2_000)).unwrap_or_default();
    let label =
        at.text("operationId").filter(|text| !text.is_empty()).map(|text| text.chars().take(200).collect::<String>());
    let operation = Operation {
        id,
        document: context.document.to_owned(),
        summary: if summary.is_empty() { title(&method, path, label.as_deref(), &description) } else { summary },
        method,
        path: path.to_owned(),
        servers: servers::read(context, item, at),
        label,
        description,
        tags: at
            .value
            .get("tags")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .take(20)
            .map(|tag| text::plain(tag, 100))
            .collect(),
        fields,
        body,
        response,
        risk,
        produces: Vec::new(),
        needs: Vec::new(),
        security,
        schemes,
        not_callable: problems.into_iter().next(),
        content_hash: String::new(),
        public: false,
    };
    Draft { operation, row_schema }
}

/// A title for an operation without a summary: its description's first sentence, its label, or its path.
fn title(method: &str, path: &str, label: Option<&str>, description: &str) -> String {
    let sentence = description.split_inclusive(". ").next().unwrap_or_default().trim();
    if !sentence.is_empty() && sentence.chars().count() <= 120 {
        return sentence.trim_end_matches('.').to_owned();
    }
    let words = match label {
        Some(label) => text::words(label),
        None => {
            let verb = match method {
                "GET" | "HEAD" => "get",
                "POST" => "create",
                "PUT" | "PATCH" => "update",
                "DELETE" => "delete",
                _ => "call",
            };
            let path_words = path.split('/').filter(|part| !part.starts_with('{')).flat_map(text::words);
            std::iter::once(verb.to_owned()).chain(path_words).collect()
        }
    };
    let line = words.join(" ");
    let mut chars = line.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_else(|| path.to_owned())
}

/// Brings the operation within its limits and gives it its hash.
pub(super) fn seal(operation: &mut Operation) {
    if !fits(operation)
        && let Some(response) = &mut operation.response
    {
        response.schema = Value::Bool(true);
    }
    if !fits(operation) {
        operation.not_callable =
            Some(format!("its schemas are larger than {} KiB or nested too deeply", MAX_OPERATION_BYTES / 1024));
        operation.body = None;
        operation.fields.clear();
        operation.needs.clear();
    }
    if !fits(operation) {
        operation.description.truncate(0);
        operation.servers.truncate(1);
        operation.security.clear();
        operation.schemes.clear();
    }
    operation.content_hash.clear();
    let json = serde_json::to_vec(operation).unwrap_or_default();
    operation.content_hash = hex::encode(Sha256::digest(json));
}

fn fits(operation: &Operation) -> bool {
    let Ok(value) = serde_json::to_value(operation) else { return false };
    byte_len(&value) <= MAX_OPERATION_BYTES && depth(&value) <= MAX_DEPTH
}

/// The media types that a Swagger 2.0 operation takes or gives.
pub(super) fn media_types<'a>(context: &Context<'a>, at: At<'a>, key: &str) -> Vec<&'a str> {
    debug_assert_eq!(context.dialect, Dialect::Two);
    let list = at.value.get(key).or_else(|| context.root.value.get(key)).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The best JSON media type and what stands under it.
pub(super) fn json_content<'a>(content: At<'a>) -> Option<(String, At<'a>)> {
    let types = content.value.as_object()?;
    let (name, value) =
        types.iter().filter(|(name, _)| json_rank(name).is_some()).min_by_key(|(name, _)| json_rank(name))?;
    let concrete = if name.contains('*') {
        "application/json".to_owned()
    } else {
        name.split(';').next().unwrap_or(name).trim().to_owned()
    };
    Some((concrete, content.with(value)))
}
