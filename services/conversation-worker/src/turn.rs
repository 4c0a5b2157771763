//! A turn, pure: what was said and the outcomes so far give the next action or the answer.
//!
//! [`turn`] is written in straight line and run again from the start with each outcome. Every question to the
//! outside takes the next outcome from the history, or ends the run with the action that is needed. So a replay
//! from the journal asks nobody again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domain::{Content, Micros, PersonId, Reply, Unasked};
use llm::{ChatAnswer, ChatRequest};
use openapi::{Operation, Risk};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::OptChange;

pub use crate::dialogue::{free::Speak, state::State};

/// Key of a [`Mapping`]'s values that holds the person's display name; no parameter has this name.
pub const LABEL: &str = "$label";

/// What happens next.
#[derive(Clone, Debug)]
pub enum Next {
    /// This has to be done first; its outcome goes to the end of the history.
    Do(Action),
    /// The turn has ended.
    Done(Box<Answer>),
}

/// A question to the outside.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Which operations a sentence may mean.
    Search(SearchQuery),
    /// Operations of the catalogue.
    Operations {
        /// Of each `<document id>/<METHOD> <path template>`, and the content hash it must have; empty means any.
        wanted: Vec<(String, String)>,
    },
    /// A call of the backend.
    Call(Call),
    /// A question to the model.
    Chat(Box<Question>),
    /// A file that a person sent, to be kept.
    Fetch(Fetch),
}

/// A file that a person sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Where the platform keeps it.
    pub url: String,
    /// Who sent it.
    pub person: PersonId,
}

/// A question to the model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// What it is asked.
    pub request: ChatRequest,
    /// How its text may be passed on while it comes; none when it may not.
    #[serde(skip)]
    pub speak: Option<Speak>,
    /// Longest that the answer is waited for, where that is shorter than the model's own deadlines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Duration>,
}

/// A sentence to find operations for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchQuery {
    /// The sentence, 1 to 4,000 characters.
    pub text: String,
    /// Its language, `en` or `hr`.
    pub language: String,
    /// Most hits wanted, 1 to 20.
    pub k: u32,
    /// Only these documents; empty means all of the tenant.
    #[serde(default)]
    pub documents: Vec<String>,
    /// Only operations that yield ids of this resource; empty means any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub yields: String,
    /// Only operations that need an id of this resource; empty means any.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub takes: String,
}

/// A call of the backend, fully decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// `<document id>/<METHOD> <path template>`.
    pub operation_id: String,
    /// Content hash of the operation that was decided for.
    pub content_hash: String,
    /// Values by field key (`path:id`, `query:from`, `body:start`).
    pub arguments: Map<String, Value>,
    /// Harm of a repeated call.
    pub risk: Risk,
    /// What it is for.
    pub purpose: Purpose,
    /// Language of the person, for `Accept-Language`.
    pub language: String,
    /// All pages of its list are wanted, not only the first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub whole: bool,
    /// The call that this one repeats, argument by argument, and with its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeats: Option<CallRef>,
}

/// Which call of a conversation it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRef {
    /// First seq of its turn.
    pub seq: i64,
    /// Its step in that turn.
    pub n: i32,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To know something.
    Lookup,
    /// To change something; a person said yes to it.
    Act,
    /// To know who the person is.
    Identity,
}

/// What came back.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Of [`Action::Search`].
    Search(SearchAnswer),
    /// Of [`Action::Operations`]: each operation, or why it can't be had.
    Operations(Vec<Result<Arc<Operation>, String>>),
    /// Of [`Action::Call`].
    Call(CallOutcome),
    /// Of [`Action::Chat`].
    Chat(ChatOutcome),
    /// Of [`Action::Fetch`].
    File(FileOutcome),
}

/// What became of a file that a person sent, or that a backend answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "file", rename_all = "snake_case")]
pub enum FileOutcome {
    /// It is kept with the conversation.
    Kept {
        /// The reference that stands for it in arguments: the SHA-256 of its bytes, lower-case hex.
        sha256: String,
        /// What its first bytes say that it is.
        media_type: String,
        /// Its size.
        size_bytes: u64,
    },
    /// It has more bytes than we keep.
    TooLarge {
        /// Most bytes that we keep.
        limit_bytes: u64,
    },
    /// The platform does not give it, there is no room for it, or it cannot be kept now.
    Unavailable {
        /// For the log.
        reason: String,
    },
}

/// A file that a backend answered with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerFile {
    /// Its name without folders and control characters, where the backend gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub kept: FileOutcome,
}

/// How a question to the model ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "chat", rename_all = "snake_case")]
pub enum ChatOutcome {
    /// It answered.
    Answered {
        /// What.
        answer: ChatAnswer,
        /// From the question to the end of the answer, in milliseconds.
        took_ms: u64,
    },
    /// It failed, was too slow, or answered what cannot be read.
    Failed {
        /// Kind of the failure, for metrics.
        class: String,
        /// For the log; holds no key.
        reason: String,
        /// From the question to the failure, in milliseconds.
        took_ms: u64,
    },
}

/// The nearest operations, best first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SearchAnswer {
    /// Hits, best first.
    pub hits: Vec<Hit>,
    /// Share of the sentence's words that the catalogue knows, 0 to 1.
    pub coverage: f64,
    /// Words, folded, without which the hits were found, since nothing was near with them: the hits hold only where
    /// these name a thing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// One near operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hit {
    /// `<document id>/<METHOD> <path template>`.
    pub operation_id: String,
    /// Content hash of the operation.
    pub content_hash: String,
    /// One line for people.
    pub title: String,
    /// Comparable within one answer only.
    pub score: f64,
    /// Calibrated probability that it is meant, 0 to 1.
    pub probability: f64,
    /// Harm of a repeated call.
    pub risk: Risk,
    /// Why it can't be called.
    pub not_callable: Option<String>,
    /// It is here because a better hit needs an id that it yields.
    pub producer: bool,
    /// What each part of the retrieval gave.
    pub parts: Vec<(String, f64)>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CallOutcome {
    /// The backend answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// The JSON answer, a text, or null; at most 64 KiB.
        body: Value,
        /// What it lacks; none when it is whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cut: Option<Cut>,
        /// The file that the answer is, if it is one; `body` says then in one line which.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        file: Option<AnswerFile>,
    },
    /// The backend was not reached, or did not take the call: nothing happened.
    Away {
        /// For the log.
        reason: String,
        /// The same call may be made later without anybody's word.
        #[serde(default)]
        again: bool,
        /// How long the backend wants to be left alone, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wait_s: Option<u64>,
    },
    /// The request left us and no answer came; it may have happened.
    Unknown {
        /// For the log.
        reason: String,
    },
    /// Our credentials for the backend are missing or refused.
    NoCredentials {
        /// For the log.
        reason: String,
    },
}

/// What an answer lacks: to fit, its longest list and every other above `kept` rows has its first `kept` rows only; and
/// there may be pages that were not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Rows of the longest list, as it came.
    pub rows: usize,
    /// Rows of it that are left.
    pub kept: usize,
    /// The backend has further pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// All that a turn may know.
#[derive(Clone, Debug)]
pub struct Input {
    /// `accepted_at` of the last message.
    pub now: Micros,
    /// What was said; more than one only for a burst of plain texts of one person.
    pub messages: Vec<Said>,
    /// What the last turn left.
    pub state: State,
    /// When the last send of the open question began.
    pub question_begun_at: Option<Micros>,
    /// An earlier send of it may have been seen, as its end is not known.
    pub question_resent: bool,
    /// When it was recorded as sent.
    pub question_sent_at: Option<Micros>,
    /// The tenant's settings.
    pub settings: Arc<Settings>,
    /// Who the person is, by document; mappings that have expired may be among them.
    pub identity: BTreeMap<String, Mapping>,
    /// A model may be asked.
    pub model: bool,
    /// People can send files on this channel.
    pub takes_files: bool,
    /// The platform vouches for the contact that a person shares as their own.
    pub knows_contacts: bool,
    /// First seq of the turn.
    pub seq: i64,
    /// Hash of conversation and seq; single-use tokens come from it.
    pub token_seed: String,
}

/// One message of a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// Who.
    pub person: PersonId,
    /// What.
    pub content: Content,
    /// The platform's id of it.
    pub id: String,
    /// The platform's id of an earlier message that it says anew.
    pub edits: Option<String>,
    /// When we accepted it.
    pub accepted_at: Micros,
    /// When it was written, by the platform's clock.
    pub written_at: Option<Micros>,
    /// Platform id of the message it quotes.
    pub quoted: Option<String>,
    /// Display name.
    pub contact_name: Option<String>,
    /// Phone number in digits.
    pub phone: Option<String>,
    /// The platform's opaque user id.
    pub user: String,
}

/// What a tenant has configured, as far as a dialogue needs it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// IANA name; an unknown one counts as UTC.
    pub time_zone: String,
    /// Languages in the tenant's order; the first is the default.
    pub languages: Vec<String>,
    /// Its documents.
    pub documents: Vec<DocumentInfo>,
    /// Ids of the operations that greeting and help offer first; then the last used, then what a search for the
    /// documents' titles finds.
    pub suggestions: Vec<String>,
    /// What the channel can show.
    pub limits: Limits,
}

/// What a channel can show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Most choices as buttons.
    pub buttons: usize,
    /// Most rows of a list.
    pub rows: usize,
    /// Most characters of a button's title.
    pub button_title: usize,
    /// Most characters of a row's title.
    pub row_title: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { buttons: 3, rows: 10, button_title: 20, row_title: 24 }
    }
}

/// A configured document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentInfo {
    /// Configured name, first part of its operation ids.
    pub id: String,
    /// Title from the document.
    pub title: String,
    /// How to find out who a person is.
    pub identity: Option<IdentityLookup>,
}

/// How to find out who a person is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityLookup {
    /// Operation that finds a person, `<document id>/<METHOD> <path template>`.
    pub operation_id: String,
    /// Name of its parameter.
    pub parameter: String,
    /// What goes into it.
    pub value: IdentityValue,
    /// Name of a parameter to fill in later calls -> JSON pointer into the answer.
    pub answer: BTreeMap<String, String>,
    /// JSON pointer to the person's display name.
    pub label: Option<String>,
    /// How long a found person stays known, in seconds.
    pub expires_s: u64,
}

/// What identifies a person to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentityValue {
    /// The phone number the platform gives.
    Phone,
    /// The platform's user id.
    UserId,
}

/// Who a person is in a backend.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// The backend's id of the person; the first of the configured values.
    pub backend_user: String,
    /// Parameter name -> value; under [`LABEL`] the display name.
    pub values: Map<String, Value>,
    /// From then on it has to be looked up again.
    pub expires_at: Micros,
}

/// An operation to offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// `<document id>/<METHOD> <path template>`.
    pub operation_id: String,
    /// One line for people.
    pub title: String,
}

/// What a turn came to.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What to say, in order; empty when silence is right.
    pub replies: Vec<Reply>,
    /// A question is open and waits for the person.
    pub question: bool,
    /// This answer asks it, for the first time or again; else an earlier one did, and its time counts.
    pub asks: bool,
    /// What the next turn needs.
    pub state: State,
    /// What happened inside.
    pub trace: TurnTrace,
    /// Mappings to store for the person who spoke.
    pub save_identity: Vec<SaveIdentity>,
    /// Alarms to set.
    pub alarms: Vec<Alarm>,
    /// Keys of the alarms that nobody waits for any more.
    pub alarms_off: Vec<String>,
    /// A sentence whose meaning the person chose, for the catalogue to learn from.
    pub accepted: Option<Accepted>,
    /// What the person does not want any more, or again.
    pub opt_outs: Vec<OptChange>,
    /// Set where it is no answer: nobody asked for it.
    pub unasked: Option<Unasked>,
}

/// A sentence that a person chose an operation for, which then did what was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// `<document id>/<METHOD> <path template>`.
    pub operation_id: String,
    /// Its language, `en` or `hr`.
    pub language: String,
    /// It, without numbers, dates and addresses.
    pub text: String,
    /// Words of it that became values of the call, or name the person.
    pub values: Vec<String>,
}

/// A wish to go on later without being spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Comes back with it; used once in a conversation.
    pub key: String,
    /// When.
    pub due_at: Micros,
    /// Whose turn it will be.
    pub person: PersonId,
}

/// A mapping to store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SaveIdentity {
    /// Who.
    pub person: PersonId,
    /// In which document.
    pub document: String,
    /// As whom.
    pub mapping: Mapping,
}

/// What happened inside a turn, for the audit and the operator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TurnTrace {
    /// Language of the answer.
    pub language: String,
    /// What the first search gave, best first.
    pub candidates: Vec<Candidate>,
    /// Operation that was chosen.
    pub chosen: Option<String>,
    /// Calls in order.
    pub calls: Vec<CallTrace>,
    /// Requests to the model, in order.
    #[serde(default)]
    pub models: Vec<ModelTrace>,
    /// What a person reported as wrong, or the wish for a person.
    pub report: Option<Value>,
}

/// One request to the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelTrace {
    /// The model, as its server names it; empty when it gave no answer.
    pub model: String,
    /// Tokens of question and answer.
    pub tokens: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Kind of the failure.
    pub error: Option<String>,
}

/// A candidate, as it was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// `<document id>/<METHOD> <path template>`.
    pub operation_id: String,
    /// One line for people.
    pub title: String,
    /// Comparable within one answer only.
    pub score: f64,
    /// 0 to 1.
    pub probability: f64,
}

/// A call, as it was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallTrace {
    /// `<document id>/<METHOD> <path template>`.
    pub operation_id: String,
    /// What it was for.
    pub purpose: Purpose,
    /// `200`, `away`, `unknown` or `no_credentials`.
    pub end: String,
}

/// What follows from what was said and the outcomes so far.
///
/// Deterministic: the same input and history give the same answer. An outcome of another kind than the one needed
/// (the journal of a release that decided otherwise) ends the turn with an apology.
pub fn turn(input: &Input, history: &[Outcome]) -> Next {
    crate::dialogue::run(input, history)
}
