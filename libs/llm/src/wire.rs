//! Our request in OpenAI's types.

use async_openai::types::{
    chat::{
        ChatCompletionMessageToolCall, ChatCompletionMessageToolCalls, ChatCompletionRequestAssistantMessage,
        ChatCompletionRequestAssistantMessageContent, ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage,
        ChatCompletionRequestSystemMessageContent, ChatCompletionRequestToolMessage,
        ChatCompletionRequestToolMessageContent, ChatCompletionRequestUserMessage,
        ChatCompletionRequestUserMessageContent, ChatCompletionStreamOptions, ChatCompletionTool, ChatCompletionTools,
        CreateChatCompletionRequest, FunctionCall, FunctionObject,
    },
    embeddings::{CreateEmbeddingRequest, EmbeddingInput},
};
use serde_json::{Map, Value, json};

use crate::{ChatRequest, Message, Tool, dialect::Settings};

/// Most characters of a tool's description that OpenAI takes.
const MAX_DESCRIPTION_CHARS: usize = 1_024;
/// Most characters of a function's name that OpenAI takes.
const MAX_NAME_CHARS: usize = 64;
/// Schemas are mended down to here; what is deeper goes as it is.
const MAX_DEPTH: usize = 32;

/// The request as `settings` of the endpoint want it.
pub(crate) fn chat(
    request: &ChatRequest,
    model: &str,
    max_output_tokens: u32,
    settings: Settings,
) -> CreateChatCompletionRequest {
    let tools: Vec<_> = request.tools.iter().map(tool).collect();
    let max_tokens = request.max_tokens.unwrap_or(max_output_tokens).clamp(1, max_output_tokens.max(1));
    let (max_tokens, max_completion_tokens) =
        if settings.completion_tokens { (None, Some(max_tokens)) } else { (Some(max_tokens), None) };
    #[expect(deprecated, reason = "max_tokens is what compatible servers know")]
    CreateChatCompletionRequest {
        model: model.to_owned(),
        messages: request.messages.iter().map(message).collect(),
        tools: (!tools.is_empty()).then_some(tools),
        max_tokens,
        max_completion_tokens,
        temperature: request.temperature.filter(|value| settings.temperature && value.is_finite()),
        stream: settings.stream.then_some(true),
        stream_options: (settings.stream && settings.stream_options)
            .then_some(ChatCompletionStreamOptions { include_usage: Some(true), include_obfuscation: None }),
        ..CreateChatCompletionRequest::default()
    }
}

/// A request for the vectors of `texts`.
pub(crate) fn embeddings(model: &str, texts: Vec<String>, dimensions: Option<u32>) -> CreateEmbeddingRequest {
    CreateEmbeddingRequest {
        model: model.to_owned(),
        input: EmbeddingInput::StringArray(texts),
        dimensions,
        ..CreateEmbeddingRequest::default()
    }
}

fn message(message: &Message) -> ChatCompletionRequestMessage {
    match message {
        Message::System { text } => ChatCompletionRequestMessage::System(ChatCompletionRequestSystemMessage {
            content: ChatCompletionRequestSystemMessageContent::Text(text.clone()),
            name: None,
        }),
        Message::User { text } => ChatCompletionRequestMessage::User(ChatCompletionRequestUserMessage {
            content: ChatCompletionRequestUserMessageContent::Text(text.clone()),
            name: None,
        }),
        Message::Assistant { text, tool_calls } => {
            let calls: Vec<_> = tool_calls
                .iter()
                .map(|call| {
                    ChatCompletionMessageToolCalls::Function(ChatCompletionMessageToolCall {
                        id: call.id.clone(),
                        function: FunctionCall { name: name(&call.name), arguments: arguments(&call.arguments) },
                    })
                })
                .collect();
            // Nothing at all is refused everywhere.
            let is_said = !text.is_empty() || calls.is_empty();
            ChatCompletionRequestMessage::Assistant(ChatCompletionRequestAssistantMessage {
                content: is_said.then(|| ChatCompletionRequestAssistantMessageContent::Text(text.clone())),
                tool_calls: (!calls.is_empty()).then_some(calls),
                ..ChatCompletionRequestAssistantMessage::default()
            })
        }
        Message::ToolResult { id, content } => ChatCompletionRequestMessage::Tool(ChatCompletionRequestToolMessage {
            content: ChatCompletionRequestToolMessageContent::Text(content.clone()),
            tool_call_id: id.clone(),
        }),
    }
}

/// A name that may be sent back: the model may have called what no tool can be named.
fn name(given: &str) -> String {
    let name: String = given
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '_' || c == '-' { c } else { '_' })
        .take(MAX_NAME_CHARS)
        .collect();
    if name.is_empty() { "unnamed".to_owned() } else { name }
}

/// Arguments that may be sent back: several servers parse them and refuse the conversation if they are no object.
fn arguments(given: &str) -> String {
    match serde_json::from_str::<Map<String, Value>>(given) {
        Ok(_) => given.to_owned(),
        Err(_) => "{}".to_owned(),
    }
}

fn tool(tool: &Tool) -> ChatCompletionTools {
    let description = match tool.description.char_indices().nth(MAX_DESCRIPTION_CHARS) {
        Some((end, _)) => tool.description[..end].to_owned(),
        None => tool.description.clone(),
    };
    ChatCompletionTools::Function(ChatCompletionTool {
        function: FunctionObject {
            name: name(&tool.name),
            description: (!description.is_empty()).then_some(description),
            parameters: Some(parameters(&tool.parameters)),
            strict: None,
        },
    })
}

/// The schema in the form that OpenAI takes: an object at the top, without alternatives there, and arrays that say what
/// is in them. One schema that it does not like costs the whole request.
fn parameters(schema: &Value) -> Value {
    let mut map = schema.as_object().cloned().unwrap_or_default();
    map.insert("type".to_owned(), json!("object"));
    for alternative in ["oneOf", "anyOf", "allOf", "enum", "not", "$schema", "$id"] {
        map.shift_remove(alternative);
    }
    if !map.get("properties").is_some_and(Value::is_object) {
        map.insert("properties".to_owned(), json!({}));
    }
    let mut schema = Value::Object(map);
    mend(&mut schema, 0);
    schema
}

/// Gives `items` to arrays without, in every place where a schema stands.
fn mend(schema: &mut Value, depth: usize) {
    let Some(map) = schema.as_object_mut().filter(|_| depth < MAX_DEPTH) else { return };
    let is_array = match map.get("type") {
        Some(Value::String(kind)) => kind == "array",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "array"),
        _ => false,
    };
    if is_array && !map.contains_key("items") {
        map.insert("items".to_owned(), json!({}));
    }
    for (key, value) in map.iter_mut() {
        match key.as_str() {
            "items" | "additionalProperties" | "not" => mend(value, depth + 1),
            "properties" | "$defs" | "definitions" | "patternProperties" => {
                value.as_object_mut().into_iter().flat_map(Map::values_mut).for_each(|part| mend(part, depth + 1));
            }
            "oneOf" | "anyOf" | "allOf" | "prefixItems" => {
                value.as_array_mut().into_iter().flatten().for_each(|part| mend(part, depth + 1));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ToolCall;

    const PLAIN: Settings =
        Settings { stream: true, stream_options: true, completion_tokens: false, temperature: true };

    fn check(request: &ChatRequest, settings: Settings, expected: Value) {
        assert_eq!(serde_json::to_value(chat(request, "m", 100, settings)).expect("JSON"), expected);
    }

    #[test]
    fn a_conversation_goes_out_as_openai_writes_it() {
        let call = |name: &str, arguments: &str| ToolCall {
            id: "c1".to_owned(),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        };
        let request = ChatRequest {
            messages: vec![
                Message::system("s"),
                Message::user("u"),
                Message::Assistant { text: String::new(), tool_calls: vec![call("find it!", "{\"a\":")] },
                Message::tool_result("c1", "none"),
                Message::Assistant { text: String::new(), tool_calls: vec![] },
            ],
            tools: vec![Tool {
                name: "find".to_owned(),
                description: "ž".repeat(2_000),
                parameters: json!({"anyOf": [], "properties": {"a": {"type": "array"}}}),
            }],
            max_tokens: Some(1_000),
            temperature: Some(0.5),
            conversation: None,
        };
        let mut expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "u"},
                {"role": "assistant", "tool_calls": [
                    {"type": "function", "id": "c1", "function": {"name": "find_it_", "arguments": "{}"}},
                ]},
                {"role": "tool", "content": "none", "tool_call_id": "c1"},
                {"role": "assistant", "content": ""},
            ],
            "tools": [{"type": "function", "function": {
                "name": "find",
                "description": "ž".repeat(1_024),
                "parameters": {"type": "object", "properties": {"a": {"type": "array", "items": {}}}},
            }}],
            "max_tokens": 100, "temperature": 0.5, "stream": true, "stream_options": {"include_usage": true},
        });
        check(&request, PLAIN, expected.clone());
        let map = expected.as_object_mut().expect("an object");
        for key in ["max_tokens", "temperature", "stream", "stream_options"] {
            map.shift_remove(key);
        }
        map.insert("max_completion_tokens".to_owned(), json!(100));
        let other = Settings { stream: false, stream_options: true, completion_tokens: true, temperature: false };
        check(&request, other, expected);
    }
}
