//! What a request for a chat completion has to be, after OpenAI's API: what it refuses, and with which words.

use std::collections::HashSet;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::Config;

const MAX_TOOLS: usize = 128;
const MAX_NAME: usize = 64;
const MAX_DESCRIPTION: usize = 1_024;
const MAX_CALL_ID: usize = 40;
/// Everything that OpenAI documents; anything else is refused by name.
const KNOWN: [&str; 30] = [
    "audio",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
];

/// A refusal with OpenAI's error body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub status: StatusCode,
    pub message: String,
    pub param: Option<String>,
    pub code: Option<&'static str>,
}

impl Refused {
    pub fn new(message: impl Into<String>, param: &str, code: Option<&'static str>) -> Self {
        let param = Some(param.to_owned()).filter(|param| !param.is_empty());
        Self { status: StatusCode::BAD_REQUEST, message: message.into(), param, code }
    }

    pub fn body(&self) -> Value {
        json!({"error": {
            "message": self.message, "type": "invalid_request_error", "param": self.param, "code": self.code,
        }})
    }
}

type Checked = Result<(), Refused>;

/// Checks a body. `deployed` is the model of an Azure deployment, whose path counts instead of the body's model.
pub(super) fn check(body: &Value, config: &Config, deployed: Option<&str>) -> Checked {
    let Some(map) = body.as_object() else {
        let message = "We could not parse the JSON body of your request. The API expects a JSON payload.";
        return Err(Refused::new(message, "", None));
    };
    if let Some(unknown) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        let message = format!("Unrecognized request argument supplied: {unknown}");
        return Err(Refused::new(message, "", None));
    }
    model(map, &config.models, deployed)?;
    settings(map, config)?;
    messages(map)?;
    tools(map)
}

pub(super) fn model(map: &Map<String, Value>, models: &[String], deployed: Option<&str>) -> Checked {
    let given = match map.get("model") {
        None if deployed.is_some() => None,
        None => return Err(Refused::new("you must provide a model parameter", "", None)),
        Some(Value::String(model)) => Some(model.as_str()),
        Some(_) => return Err(wrong_type("model", "a string")),
    };
    let model = deployed.or(given).unwrap_or_default();
    if models.iter().any(|known| known == model) {
        return Ok(());
    }
    Err(Refused {
        status: StatusCode::NOT_FOUND,
        message: format!("The model `{model}` does not exist or you do not have access to it."),
        param: None,
        code: Some("model_not_found"),
    })
}

fn wrong_type(param: &str, wanted: &str) -> Refused {
    Refused::new(format!("Invalid type for '{param}': expected {wanted}."), param, Some("invalid_type"))
}

fn settings(map: &Map<String, Value>, config: &Config) -> Checked {
    let refuses = config.refuses;
    let flag = |key: &str| match map.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(_) => Err(wrong_type(key, "a boolean")),
    };
    let number = |key: &str, low: f64, high: f64| match map.get(key) {
        None | Some(Value::Null) => Ok(()),
        Some(value) => match value.as_f64() {
            None => Err(wrong_type(key, "a number")),
            Some(value) if value < low || value > high => {
                let message = format!("Invalid '{key}': expected a value between {low} and {high}, but got {value}.");
                Err(Refused::new(message, key, Some("invalid_value")))
            }
            Some(_) => Ok(()),
        },
    };
    let stream = flag("stream")?;
    if stream && refuses.stream {
        return Err(Refused::new("Streaming is not supported by this model.", "stream", Some("unsupported_value")));
    }
    if let Some(options) = map.get("stream_options").filter(|options| !options.is_null()) {
        if refuses.stream_options {
            let message = "Extra inputs are not permitted: stream_options";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Refused { status, ..Refused::new(message, "stream_options", Some("extra_forbidden")) });
        }
        if !stream {
            let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
            return Err(Refused::new(message, "stream_options", None));
        }
        let known = |map: &Map<String, Value>| {
            map.iter().all(|(key, value)| {
                matches!(key.as_str(), "include_usage" | "include_obfuscation") && value.is_boolean()
            })
        };
        if !options.as_object().is_some_and(known) {
            return Err(wrong_type("stream_options", "an object with include_usage"));
        }
    }
    number("temperature", 0.0, 2.0)?;
    number("top_p", 0.0, 1.0)?;
    number("n", 1.0, 128.0)?;
    if refuses.temperature && map.contains_key("temperature") {
        let message = "Unsupported value: 'temperature' does not support this value with this model. Only the default (1) value is supported.";
        return Err(Refused::new(message, "temperature", Some("unsupported_value")));
    }
    if refuses.max_tokens && map.contains_key("max_tokens") {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return Err(Refused::new(message, "max_tokens", Some("unsupported_parameter")));
    }
    for key in ["max_tokens", "max_completion_tokens"] {
        if map.get(key).is_some_and(|value| !value.is_null() && value.as_u64().is_none_or(|count| count == 0)) {
            return Err(Refused::new(format!("Invalid '{key}': expected a value >= 1."), key, Some("invalid_value")));
        }
    }
    if map.contains_key("max_tokens") && map.contains_key("max_completion_tokens") {
        let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(Refused::new(message, "max_tokens", Some("invalid_parameter_combination")));
    }
    for key in ["tool_choice", "parallel_tool_calls"] {
        if map.contains_key(key) && !map.contains_key("tools") {
            let message = format!("Invalid value for '{key}': '{key}' is only allowed when 'tools' are specified.");
            return Err(Refused::new(message, key, None));
        }
    }
    Ok(())
}

fn messages(map: &Map<String, Value>) -> Checked {
    let list = map.get("messages").ok_or_else(|| {
        Refused::new("Missing required parameter: 'messages'.", "messages", Some("missing_required_parameter"))
    })?;
    let list = list.as_array().ok_or_else(|| wrong_type("messages", "an array of objects"))?;
    if list.is_empty() {
        let message =
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.";
        return Err(Refused::new(message, "messages", Some("empty_array")));
    }
    let mut may_be_system = true;
    // Calls of the assistant's last message that have no result yet.
    let mut open: Vec<String> = Vec::new();
    for (at, message) in list.iter().enumerate() {
        let param = format!("messages[{at}]");
        let map = message.as_object().ok_or_else(|| wrong_type(&param, "an object"))?;
        let role = map.get("role").and_then(Value::as_str).unwrap_or_default();
        if role != "tool" && !open.is_empty() {
            return Err(unanswered(&open, &param));
        }
        let known: &[&str] = match role {
            "assistant" => &["role", "content", "name", "refusal", "tool_calls"],
            "tool" => &["role", "content", "tool_call_id"],
            _ => &["role", "content", "name"],
        };
        if let Some(key) = map.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(Refused::new(
                format!("Unknown parameter: '{param}.{key}'."),
                &param,
                Some("unknown_parameter"),
            ));
        }
        match role {
            "system" | "developer" => {
                // OpenAI lets it pass; Mistral and the templates of most open models do not.
                if !may_be_system {
                    return Err(Refused::new("System message must be at the beginning.", &param, None));
                }
                content(map, &param, true)?;
            }
            "user" => content(map, &param, true)?,
            "assistant" => {
                let calls = map.get("tool_calls").filter(|calls| !calls.is_null());
                content(map, &param, calls.is_none())?;
                if let Some(calls) = calls {
                    open = tool_calls(calls, &param)?;
                }
            }
            "tool" => {
                content(map, &param, true)?;
                let id = map.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
                let at = open.iter().position(|open| open == id).ok_or_else(|| {
                    let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
                    Refused::new(message, &format!("{param}.role"), None)
                })?;
                open.remove(at);
            }
            other => {
                let message = format!(
                    "Invalid value: '{other}'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'."
                );
                return Err(Refused::new(message, &format!("{param}.role"), Some("invalid_value")));
            }
        }
        may_be_system &= matches!(role, "system" | "developer");
    }
    if !open.is_empty() {
        return Err(unanswered(&open, "messages"));
    }
    // As Mistral says it; OpenAI would go on with the assistant's words.
    let last = list.last().and_then(|message| message.get("role")?.as_str()).unwrap_or_default();
    if !matches!(last, "user" | "tool") {
        let message = format!("Expected last role User or Tool for serving but got {last}");
        return Err(Refused::new(message, "messages", None));
    }
    Ok(())
}

fn unanswered(open: &[String], param: &str) -> Refused {
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        open.join(", ")
    );
    Refused::new(message, param, None)
}

fn content(map: &Map<String, Value>, param: &str, is_needed: bool) -> Checked {
    let param = format!("{param}.content");
    match map.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) if !parts.is_empty() => {
            let fine = |part: &Value| part.get("type").is_some_and(Value::is_string);
            if parts.iter().all(fine) { Ok(()) } else { Err(wrong_type(&param, "an array of content parts")) }
        }
        None | Some(Value::Null) if !is_needed => Ok(()),
        None | Some(Value::Null) => {
            Err(Refused::new(format!("Invalid value for '{param}': expected a string, got null."), &param, None))
        }
        Some(_) => Err(wrong_type(&param, "one of a string or array of objects")),
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn bad_name(param: &str) -> Refused {
    let message = format!(
        "Invalid '{param}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    );
    Refused::new(message, param, Some("invalid_value"))
}

/// The ids of an assistant's calls.
fn tool_calls(calls: &Value, param: &str) -> Result<Vec<String>, Refused> {
    let calls = calls.as_array().filter(|calls| !calls.is_empty());
    let calls = calls.ok_or_else(|| {
        let message = format!("Invalid '{param}.tool_calls': empty array. Expected an array with minimum length 1.");
        Refused::new(message, param, Some("empty_array"))
    })?;
    let mut ids: Vec<String> = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let param = format!("{param}.tool_calls[{at}]");
        let id = call.get("id").and_then(Value::as_str).unwrap_or_default();
        if id.is_empty() || id.len() > MAX_CALL_ID || ids.iter().any(|known| known == id) {
            let message =
                format!("Invalid '{param}.id': expected a string of 1 to {MAX_CALL_ID} characters, given once.");
            return Err(Refused::new(message, &format!("{param}.id"), Some("invalid_value")));
        }
        if call.get("type").and_then(Value::as_str) != Some("function") {
            return Err(Refused::new(format!("Missing required parameter: '{param}.type'."), &param, None));
        }
        let name = call.pointer("/function/name").and_then(Value::as_str).unwrap_or_default();
        if !is_name(name) {
            return Err(bad_name(&format!("{param}.function.name")));
        }
        // vLLM, Mistral and Google parse them; OpenAI does not look.
        let arguments = call.pointer("/function/arguments").and_then(Value::as_str);
        let is_object = |text: &str| serde_json::from_str::<Map<String, Value>>(text).is_ok();
        if !arguments.is_some_and(is_object) {
            return Err(wrong_type(&format!("{param}.function.arguments"), "an object, encoded as a string"));
        }
        ids.push(id.to_owned());
    }
    Ok(ids)
}

fn tools(map: &Map<String, Value>) -> Checked {
    let Some(tools) = map.get("tools").filter(|tools| !tools.is_null()) else { return Ok(()) };
    let tools = tools.as_array().ok_or_else(|| wrong_type("tools", "an array of objects"))?;
    if tools.is_empty() {
        let message =
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.";
        return Err(Refused::new(message, "tools", Some("empty_array")));
    }
    if tools.len() > MAX_TOOLS {
        let message = format!(
            "Invalid 'tools': array too long. Expected an array with maximum length {MAX_TOOLS}, but got an array with length {} instead.",
            tools.len()
        );
        return Err(Refused::new(message, "tools", Some("array_above_max_length")));
    }
    let mut names = HashSet::new();
    for (at, tool) in tools.iter().enumerate() {
        let param = format!("tools[{at}]");
        if tool.get("type").and_then(Value::as_str) != Some("function") {
            return Err(Refused::new(format!("Missing required parameter: '{param}.type'."), &param, None));
        }
        let function = tool.get("function").and_then(Value::as_object);
        let function = function.ok_or_else(|| wrong_type(&format!("{param}.function"), "an object"))?;
        if let Some(key) =
            function.keys().find(|key| !matches!(key.as_str(), "name" | "description" | "parameters" | "strict"))
        {
            let message = format!("Unknown parameter: '{param}.function.{key}'.");
            return Err(Refused::new(message, &param, Some("unknown_parameter")));
        }
        let name = function.get("name").and_then(Value::as_str).unwrap_or_default();
        if !is_name(name) {
            return Err(bad_name(&format!("{param}.function.name")));
        }
        // Anthropic, Google and Mistral say so; OpenAI lets it pass.
        if !names.insert(name) {
            return Err(Refused::new(format!("Tool names must be unique: {name}"), &param, None));
        }
        match function.get("description") {
            None => {}
            Some(Value::String(text)) if text.chars().count() <= MAX_DESCRIPTION => {}
            Some(_) => {
                let param = format!("{param}.function.description");
                let message = format!(
                    "Invalid '{param}': string too long. Expected a string with maximum length {MAX_DESCRIPTION}."
                );
                return Err(Refused::new(message, &param, Some("string_above_max_length")));
            }
        }
        if let Some(schema) = function.get("parameters") {
            parameters(schema, name).map_err(|problem| {
                let message = format!("Invalid schema for function '{name}': {problem}");
                Refused::new(message, &format!("{param}.function.parameters"), Some("invalid_function_parameters"))
            })?;
        }
    }
    Ok(())
}

fn parameters(schema: &Value, name: &str) -> Result<(), String> {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or("None");
    if kind != "object" {
        return Err(format!("schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."));
    }
    if let Some(key) = ["oneOf", "anyOf", "allOf", "enum", "not"].into_iter().find(|key| schema.get(key).is_some()) {
        return Err(format!(
            "schema must have type 'object' and not have 'oneOf'/'anyOf'/'allOf'/'enum'/'not' at the top level ('{key}')."
        ));
    }
    if schema.get("properties").is_some_and(|properties| !properties.is_object()) {
        return Err("'properties' is not an object.".to_owned());
    }
    arrays(schema, "()")?;
    jsonschema::validator_for(schema).map(|_| ()).map_err(|error| format!("{name}: {error}"))
}

/// An array has to say what is in it.
fn arrays(schema: &Value, path: &str) -> Result<(), String> {
    let is_array = match schema.get("type") {
        Some(Value::String(kind)) => kind == "array",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "array"),
        _ => false,
    };
    if is_array && schema.get("items").is_none() {
        return Err(format!("In context={path}, array schema missing items."));
    }
    for key in ["properties", "$defs"] {
        for (name, part) in schema.get(key).and_then(Value::as_object).into_iter().flatten() {
            arrays(part, &format!("('{key}', '{name}')"))?;
        }
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            arrays(part, &format!("('{key}')"))?;
        }
    }
    schema.get("items").map_or(Ok(()), |items| arrays(items, "('items')"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(changes: &[(&str, Value)]) -> Option<String> {
        let mut body = json!({
            "model": "gpt-4o-mini",
            "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
        });
        for (key, value) in changes {
            body[*key] = value.clone();
        }
        check(&body, &Config::new("k"), None).err().map(|refused| refused.message)
    }

    fn check_messages(messages: Value, expected: Option<&str>) {
        let found = refusal(&[("messages", messages.clone())]);
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) if found.contains(expected) => {}
            _ => panic!("{messages}: {found:?}, not {expected:?}"),
        }
    }

    fn check_schema(schema: Value, expected: Option<&str>) {
        let tools = json!([{"type": "function", "function": {"name": "f", "description": "d", "parameters": schema}}]);
        let found = refusal(&[("tools", tools)]);
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) if found.contains(expected) => {}
            _ => panic!("{schema}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn messages_have_their_order() {
        let user = json!({"role": "user", "content": "u"});
        let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        let calls = |calls: Vec<Value>| json!({"role": "assistant", "tool_calls": calls});
        let result = |id: &str| json!({"role": "tool", "tool_call_id": id, "content": "r"});
        check_messages(json!([user]), None);
        check_messages(json!([user, calls(vec![call("a", "f", "{}")]), result("a")]), None);
        check_messages(
            json!([user, calls(vec![call("a", "f", "{}"), call("b", "f", "{}")]), result("b"), result("a"), user]),
            None,
        );
        check_messages(json!([]), Some("empty array"));
        check_messages(json!("x"), Some("Invalid type"));
        check_messages(json!([user, {"role": "system", "content": "s"}]), Some("System message must be"));
        check_messages(json!([user, {"role": "assistant", "content": "a"}]), Some("Expected last role"));
        check_messages(json!([user, calls(vec![call("a", "f", "{}")])]), Some("did not have response messages: a"));
        check_messages(
            json!([user, calls(vec![call("a", "f", "{}")]), user]),
            Some("must be followed by tool messages"),
        );
        check_messages(json!([user, result("a")]), Some("must be a response"));
        check_messages(
            json!([user, calls(vec![call("a", "f", "{}")]), result("a"), result("a")]),
            Some("must be a response"),
        );
        check_messages(json!([user, calls(vec![call("a", "f", "{")]), result("a")]), Some("arguments"));
        check_messages(json!([user, calls(vec![call("a", "f g", "{}")]), result("a")]), Some("pattern"));
        check_messages(json!([user, calls(vec![call("", "f", "{}")]), result("")]), Some(".id"));
        check_messages(json!([user, calls(vec![]), result("a")]), Some("empty array"));
        check_messages(json!([{"role": "bot", "content": "x"}]), Some("Invalid value: 'bot'"));
        check_messages(json!([{"role": "user", "content": null}]), Some("got null"));
        check_messages(json!([{"role": "user", "content": "x", "id": 1}]), Some("Unknown parameter"));
    }

    #[test]
    fn tools_have_schemas_that_openai_takes() {
        check_schema(json!({"type": "object", "properties": {"a": {"type": "array", "items": {}}}}), None);
        check_schema(json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {}}}), None);
        check_schema(json!({}), Some("got 'type: \"None\"'"));
        check_schema(json!({"type": "object", "oneOf": []}), Some("at the top level"));
        check_schema(
            json!({"type": "object", "properties": {"a": {"type": "array"}}}),
            Some("array schema missing items"),
        );
        check_schema(json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}), Some("Invalid schema"));
        check_schema(json!({"type": "object", "properties": {"a": {"type": "text"}}}), Some("Invalid schema"));
    }

    #[test]
    fn settings_are_checked() {
        for (changes, expected) in [
            (vec![("stream", json!(true)), ("stream_options", json!({"include_usage": true}))], None),
            (vec![("stream_options", json!({"include_usage": true}))], Some("only allowed when")),
            (vec![("stream", json!("yes"))], Some("Invalid type")),
            (vec![("temperature", json!(3))], Some("between 0 and 2")),
            (vec![("max_tokens", json!(0))], Some(">= 1")),
            (vec![("max_tokens", json!(1)), ("max_completion_tokens", json!(1))], Some("at the same time")),
            (vec![("tool_choice", json!("auto"))], Some("only allowed when 'tools'")),
            (vec![("tools", json!([]))], Some("empty array")),
            (vec![("top_k", json!(1))], Some("Unrecognized request argument supplied: top_k")),
            (vec![("model", json!("gpt-9"))], Some("does not exist")),
        ] {
            let found = refusal(&changes);
            assert_eq!(found.is_some(), expected.is_some(), "{changes:?}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{changes:?}");
        }
    }
}
