//! What is said to a model and what it answers. All of it is serialisable, since a turn's journal keeps it.

use serde::{Deserialize, Serialize};

/// One message of a conversation with a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// What we tell the model about its work; only as the first messages.
    System {
        /// The text.
        text: String,
    },
    /// What the person said.
    User {
        /// The text.
        text: String,
    },
    /// What the model answered earlier: text, calls, or both.
    Assistant {
        /// The text; may be empty when there are calls.
        #[serde(default)]
        text: String,
        /// The calls; each has to be followed by its [`Message::ToolResult`].
        #[serde(default)]
        tool_calls: Vec<ToolCall>,
    },
    /// What came of a call.
    ToolResult {
        /// [`ToolCall::id`] of the call.
        id: String,
        /// The result, framed as the caller wants the model to see it.
        content: String,
    },
}

impl Message {
    /// A system message.
    pub fn system(text: impl Into<String>) -> Self {
        Self::System { text: text.into() }
    }

    /// A user message.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into() }
    }

    /// A tool's result.
    pub fn tool_result(id: impl Into<String>, content: impl Into<String>) -> Self {
        Self::ToolResult { id: id.into(), content: content.into() }
    }
}

/// Something that the model may ask us to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// 1 to 64 of `a-z A-Z 0-9 _ -`.
    pub name: String,
    /// For the model; what is over 1,024 characters is cut, which is the most that OpenAI takes.
    pub description: String,
    /// JSON Schema of an object, self-contained (`$defs`).
    pub parameters: serde_json::Value,
}

/// One question to a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The conversation so far; ends with a user message or with the results of all calls.
    pub messages: Vec<Message>,
    /// What the model may call; may be empty.
    #[serde(default)]
    pub tools: Vec<Tool>,
    /// Most tokens of the answer; the configured limit wins when it is smaller.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// 0 to 2; absent: the model's own.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Whose conversation it is, for `gen_ai.conversation.id`; it goes into no request.
    #[serde(skip)]
    pub conversation: Option<String>,
}

/// A call that the model asks for. Nothing in it is checked: name, arguments and count are the model's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The model's id, or one of ours where it gave none, gave one twice, or gave one that cannot be sent back.
    pub id: String,
    /// The name as given, at most 256 bytes: may be empty or name no tool.
    pub name: String,
    /// The arguments as given; may be no JSON.
    pub arguments: String,
}

/// Tokens of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of what we sent.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
    /// The endpoint told nothing that can be believed: these are our upper estimates.
    #[serde(default)]
    pub estimated: bool,
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model was done.
    Stop,
    /// It waits for the results of its calls. So it is whenever there are calls, unless they were cut off.
    ToolCalls,
    /// The token limit: text, or the last call's arguments, may break off.
    Length,
    /// A content filter of the provider, on what was asked or on what was answered.
    Filtered,
    /// Another reason, or none given.
    Other,
}

impl Finish {
    /// The name for `gen_ai.response.finish_reasons`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::ToolCalls => "tool_calls",
            Self::Length => "length",
            Self::Filtered => "content_filter",
            Self::Other => "other",
        }
    }
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatAnswer {
    /// The text, all deltas joined; empty when there are only calls.
    pub text: String,
    /// The calls, in the model's order, with ids that differ.
    pub tool_calls: Vec<ToolCall>,
    /// Calls beyond [`crate::ChatLimits::max_tool_calls`], which were left out.
    #[serde(default)]
    pub tool_calls_dropped: usize,
    /// Tokens.
    pub usage: Usage,
    /// Why it ends.
    pub finish: Finish,
    /// The model that answered, as its server names it.
    pub model: String,
}

impl ChatAnswer {
    /// The answer as a message of the conversation that goes on.
    pub fn to_message(&self) -> Message {
        Message::Assistant { text: self.text.clone(), tool_calls: self.tool_calls.clone() }
    }
}
