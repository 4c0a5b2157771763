//! An OpenAPI document as a contract: which operation a request means, and what is wrong with it.
//!
//! A walk of its own, on purpose: were it shared with the product, both would be wrong together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, OnceLock},
};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

const METHODS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

/// The operations of one document.
pub(crate) struct Contract {
    pub(crate) document: Arc<Value>,
    operations: Vec<Arc<Operation>>,
}

/// One operation.
pub(crate) struct Operation {
    /// `<METHOD> <path template>`.
    pub(crate) id: String,
    pub(crate) method: String,
    segments: Vec<Segment>,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    /// Schema of the first 2xx JSON answer.
    pub(crate) response: Option<Value>,
    /// Status of that answer.
    pub(crate) status: u16,
}

enum Segment {
    Fixed(String),
    Value(String),
}

struct Parameter {
    name: String,
    place: String,
    required: bool,
    schema: Value,
    validator: OnceLock<Option<Validator>>,
}

struct Body {
    required: bool,
    schema: Value,
    validator: OnceLock<Option<Validator>>,
}

/// What a lawful request said.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) path: Map<String, Value>,
    pub(crate) query: Map<String, Value>,
    pub(crate) body: Value,
}

/// One thing wrong with one field.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Wrong {
    pub(crate) field: String,
    pub(crate) detail: String,
    #[serde(skip)]
    pub(crate) in_body: bool,
}

/// Which operation a method and path mean.
pub(crate) enum Found {
    Operation(Arc<Operation>, BTreeMap<String, String>),
    OtherMethod,
    Nothing,
}

impl Contract {
    pub(crate) fn new(document: Value) -> Self {
        let document = Arc::new(document);
        let mut operations = Vec::new();
        let paths = document.get("paths").and_then(Value::as_object);
        for (template, item) in paths.into_iter().flatten() {
            let item = resolve(&document, item);
            for method in METHODS {
                if let Some(operation) = item.get(method) {
                    operations.push(Arc::new(Operation::new(&document, template, method, item, operation)));
                }
            }
        }
        Self { document, operations }
    }

    pub(crate) fn len(&self) -> usize {
        self.operations.len()
    }

    /// Fixed segments win over values, as `/vehicles/available` over `/vehicles/{id}`.
    pub(crate) fn find(&self, method: &str, path: &str) -> Found {
        let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
        let mut known = false;
        let mut best: Option<(usize, &Arc<Operation>, BTreeMap<String, String>)> = None;
        for operation in &self.operations {
            let Some((fixed, values)) = operation.matches(&parts) else {
                continue;
            };
            known = true;
            if operation.method == method && best.as_ref().is_none_or(|(most, ..)| fixed > *most) {
                best = Some((fixed, operation, values));
            }
        }
        match best {
            Some((_, operation, values)) => Found::Operation(operation.clone(), values),
            None if known => Found::OtherMethod,
            None => Found::Nothing,
        }
    }
}

impl Operation {
    fn new(document: &Value, template: &str, method: &str, item: &Value, operation: &Value) -> Self {
        let mut parameters: Vec<Parameter> = Vec::new();
        let shared = item.get("parameters").and_then(Value::as_array);
        let own = operation.get("parameters").and_then(Value::as_array);
        for raw in shared.into_iter().chain(own).flatten() {
            let parameter = resolve(document, raw);
            let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (name, place) = (text("name"), text("in"));
            if name.is_empty() || place == "body" || place == "formData" {
                continue;
            }
            let schema = parameter.get("schema").cloned().unwrap_or_else(|| json!({}));
            let required = parameter.get("required").and_then(Value::as_bool).unwrap_or(false);
            parameters.retain(|known| known.name != name || known.place != place);
            parameters.push(Parameter { name, place, required, schema, validator: OnceLock::new() });
        }
        let body = operation.get("requestBody").map(|raw| resolve(document, raw)).and_then(|body| {
            Some(Body {
                required: body.get("required").and_then(Value::as_bool).unwrap_or(false),
                schema: json_content(body)?.clone(),
                validator: OnceLock::new(),
            })
        });
        let mut status = if method == "delete" { 204 } else { 200 };
        let mut response = None;
        for (code, raw) in operation.get("responses").and_then(Value::as_object).into_iter().flatten() {
            if code.starts_with('2') {
                status = code.parse().unwrap_or(200);
                response = json_content(resolve(document, raw)).cloned();
                break;
            }
        }
        Self {
            id: format!("{} {template}", method.to_uppercase()),
            method: method.to_uppercase(),
            segments: template.trim_matches('/').split('/').map(Segment::new).collect(),
            parameters,
            body,
            response,
            status,
        }
    }

    fn matches(&self, parts: &[String]) -> Option<(usize, BTreeMap<String, String>)> {
        if parts.len() != self.segments.len() {
            return None;
        }
        let mut fixed = 0;
        let mut values = BTreeMap::new();
        for (segment, part) in self.segments.iter().zip(parts) {
            match segment {
                Segment::Fixed(text) if text == part => fixed += 1,
                Segment::Fixed(_) => return None,
                Segment::Value(_) if part.is_empty() => return None,
                Segment::Value(name) => {
                    values.insert(name.clone(), part.clone());
                }
            }
        }
        Some((fixed, values))
    }

    /// Checks path values, the raw query and the body; unknown query parameters are wrong too.
    pub(crate) fn check(
        &self,
        document: &Value,
        path: &BTreeMap<String, String>,
        query: &str,
        body: Option<Value>,
    ) -> Result<Arguments, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let mut arguments = Arguments::default();
        let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            given.entry(name.into_owned()).or_default().push(value.into_owned());
        }
        for parameter in &self.parameters {
            let (values, target) = match parameter.place.as_str() {
                "path" => (path.get(&parameter.name).map(|value| vec![value.clone()]), &mut arguments.path),
                "query" => (given.remove(&parameter.name), &mut arguments.query),
                _ => continue,
            };
            let Some(values) = values else {
                if parameter.required {
                    wrong.push(Wrong::new(&parameter.name, "is missing"));
                }
                continue;
            };
            let value = from_text(resolve(document, &parameter.schema), values);
            wrong.extend(validate(document, &parameter.schema, &parameter.validator, &value, &parameter.name, false));
            target.insert(parameter.name.clone(), value);
        }
        wrong.extend(given.keys().map(|name| Wrong::new(name, "is no parameter of this operation")));
        match (&self.body, body) {
            (Some(expected), Some(body)) => {
                wrong.extend(validate(document, &expected.schema, &expected.validator, &body, "", true));
                arguments.body = body;
            }
            (Some(expected), None) if expected.required => wrong.push(Wrong::new("body", "is missing")),
            (None, Some(_)) => wrong.push(Wrong::new("body", "is not taken by this operation")),
            (Some(_) | None, None) => {}
        }
        if wrong.is_empty() { Ok(arguments) } else { Err(wrong) }
    }
}

impl Segment {
    fn new(text: &str) -> Self {
        match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Self::Value(name.to_owned()),
            None => Self::Fixed(text.to_owned()),
        }
    }
}

impl Wrong {
    fn new(field: &str, detail: &str) -> Self {
        Self { field: field.to_owned(), detail: detail.to_owned(), in_body: false }
    }
}

/// Follows `$ref` within the document, at most 16 steps; a circle or a foreign reference gives what was reached.
pub(crate) fn resolve<'a>(document: &'a Value, mut node: &'a Value) -> &'a Value {
    for _ in 0..16 {
        let Some(target) = node.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#')) else {
            return node;
        };
        let Some(next) = document.pointer(target) else {
            return node;
        };
        node = next;
    }
    node
}

fn json_content(node: &Value) -> Option<&Value> {
    let content = node.get("content")?.as_object()?;
    content.iter().find(|(kind, _)| kind.contains("json") && !kind.contains("problem"))?.1.get("schema")
}

fn decode(part: &str) -> String {
    let plain = part.replace('+', "%2B");
    url::form_urlencoded::parse(format!("v={}", plain.replace('&', "%26").replace('=', "%3D")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// Reads text from a URL as the schema's type; what does not fit stays text and fails the check.
fn from_text(schema: &Value, mut values: Vec<String>) -> Value {
    let kinds: BTreeSet<&str> = match schema.get("type") {
        Some(Value::String(kind)) => BTreeSet::from([kind.as_str()]),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => BTreeSet::new(),
    };
    if kinds.contains("array") {
        let empty = json!({});
        let items = schema.get("items").unwrap_or(&empty);
        return values.into_iter().map(|value| from_text(items, vec![value])).collect();
    }
    let text = values.pop().unwrap_or_default();
    if kinds.contains("integer")
        && let Ok(number) = text.parse::<i64>()
    {
        return json!(number);
    }
    if kinds.contains("number")
        && let Ok(number) = text.parse::<f64>()
    {
        return json!(number);
    }
    match text.as_str() {
        "true" | "false" if kinds.contains("boolean") => json!(text == "true"),
        _ => json!(text),
    }
}

fn validate(
    document: &Value,
    schema: &Value,
    cell: &OnceLock<Option<Validator>>,
    value: &Value,
    field: &str,
    in_body: bool,
) -> Vec<Wrong> {
    let validator = cell.get_or_init(|| {
        let mut root = json!({ "allOf": [schema] });
        for part in ["components", "definitions"] {
            if let Some(shared) = document.get(part) {
                root[part] = shared.clone();
            }
        }
        // A schema that does not compile (a remote reference, say) checks nothing.
        jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true).build(&root).ok()
    });
    let Some(validator) = validator else {
        return Vec::new();
    };
    let errors = validator.iter_errors(value).take(20);
    errors
        .map(|error| {
            let inner = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            let field = if field.is_empty() { inner } else { field.to_owned() };
            Wrong { field, detail: error.to_string(), in_body }
        })
        .collect()
}
