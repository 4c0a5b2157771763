//! What a conversation remembers from one turn to the next.

use std::collections::BTreeMap;

use domain::{Micros, PersonId, Span};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    language::Lang,
    turn::{CallRef, Suggestion},
};

/// The dialogue's own state, stored with the conversation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Language of the last message that showed one.
    pub language: Option<Lang>,
    /// The question that waits.
    pub open: Option<Open>,
    /// The last result; counts for 300 s.
    pub last: Option<Last>,
    /// Buttons below the last answer; count for 300 s.
    pub offers: Vec<Offer>,
    /// When the buttons were offered.
    pub offered_at: Micros,
    /// The last effect, so that a second yes is silence.
    pub acted: Option<Acted>,
    /// The last question and answer, for "wrong".
    pub told: Option<Told>,
    /// What was used last, the newest first, at most 3.
    pub recent: Vec<Suggestion>,
    /// Documents that did not know the person, and when that was found.
    pub strangers: BTreeMap<String, Micros>,
    /// Effects that have not come to an end, oldest first; each waits for an alarm of its own.
    pub pending: Vec<Pending>,
    /// A file that nothing took; counts for 300 s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentFile>,
    /// The last messages of people, oldest first.
    pub said: Vec<Said>,
    /// The person wants no messages that they did not ask for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stopped: bool,
    /// A message that nobody asked for was said after the last one of the person.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
}

/// A message as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The platform's id.
    pub id: String,
    /// Changes with what it says.
    pub mark: String,
}

/// A file that a person sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SentFile {
    /// Where the platform keeps it.
    pub url: String,
    /// It is a picture.
    pub picture: bool,
    /// Who sent it.
    pub person: PersonId,
    /// When.
    pub at: Micros,
}

/// An effect that was confirmed and has not come to an end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// What is done about it.
    pub later: Later,
    /// Key of the alarm that it waits for.
    pub alarm: String,
    /// When that is due.
    pub due_at: Micros,
    /// Who said yes.
    pub person: PersonId,
    /// What was said yes to, exactly.
    pub frame: Frame,
    /// The call that was made for that yes.
    pub call: CallRef,
    /// When the yes was accepted; for a look, when the call was.
    pub since: Micros,
    /// What was done so far.
    pub tries: u32,
    /// Token of the button that ends it.
    pub stop: String,
}

/// What is done about an effect that has not come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Later {
    /// Nothing has happened: the call is made again.
    Retry,
    /// It may have happened: the call is made again with its key, or where twice is as good as once.
    Resend,
    /// It may have happened, and twice would be wrong: it is only looked for.
    Look,
}

/// An open question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// What is asked.
    pub kind: Ask,
    /// Who is asked.
    pub person: PersonId,
    /// Display name of that person.
    pub name: Option<String>,
    /// `now` of the turn that asked; counts while the sending is not recorded.
    pub asked_at: Micros,
    /// What is to go on with the answer.
    pub task: Option<Task>,
    /// Its buttons or rows.
    pub offers: Vec<Offer>,
    /// Its text, to ask again.
    pub text: String,
    /// Parts of the text that are shown in another way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
}

/// What an open question asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Which operation is meant.
    Meaning,
    /// A field of the top frame.
    Field {
        /// [`openapi::Field::key`].
        key: String,
    },
    /// A row whose id goes into a field of the top frame.
    Pick {
        /// [`openapi::Field::key`].
        key: String,
        /// The rows, those offered first.
        rows: Vec<Row>,
        /// There are others, which a name finds.
        #[serde(default)]
        cut: bool,
    },
    /// A yes to an effect.
    Confirm {
        /// Hash of operation and arguments.
        hash: String,
    },
    /// Which value is to change.
    Change,
    /// What was wrong.
    Wrong,
    /// Whether a person is wanted.
    Person,
}

/// A row to pick from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What goes into the field.
    pub id: Value,
    /// For people.
    pub label: String,
    /// All its scalar values, to match words with.
    pub words: String,
}

/// Work in progress: the operation that is wanted, and above it the ones that yield its ids.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// The wanted operation first; at most 4.
    pub frames: Vec<Frame>,
    /// The sentence it began with and what was added to it.
    pub sentence: String,
    /// Fields that were asked, in order: (depth, key).
    pub asked: Vec<(usize, String)>,
    /// Other operations that the sentence may have meant.
    pub others: Vec<Suggestion>,
    /// Words of the sentence that nobody knows: unless they name something that can be chosen, nothing is near.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The sentence that the person chose the operation for, out of several that it may have meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picked: Option<String>,
    /// It was said that a file may be added.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub file_told: bool,
}

/// One operation on its way to a call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// `<document id>/<METHOD> <path template>`.
    pub operation_id: String,
    /// Its content hash.
    pub content_hash: String,
    /// Values by field key.
    pub arguments: Map<String, Value>,
    /// What people see instead of an id, by field key.
    pub labels: BTreeMap<String, String>,
    /// Values come from who the person is; never asked, never changed.
    pub identity: Vec<String>,
    /// Field of the frame below that a row of this one's answer fills.
    pub fills: Option<Fills>,
    /// Fields that have to be asked, whatever could be looked up.
    pub ask: Vec<String>,
    /// Bytes of the files among the values, by reference.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, u64>,
    /// A day that was said without hours, for an effect that needs them.
    #[serde(default)]
    pub day: Option<Date>,
}

/// Where a row's id goes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fills {
    /// [`openapi::Field::key`] of the frame below.
    pub key: String,
    /// Property of the row.
    pub id_property: String,
    /// The resource's word.
    pub resource: String,
}

/// A result that words like "the second one" refer to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Last {
    /// The call it came from.
    pub frame: Frame,
    /// Its title.
    pub title: String,
    /// Resources its rows stand for.
    pub produces: Vec<String>,
    /// The rows, at most 50; one for a single object.
    pub rows: Vec<Value>,
    /// How many there are.
    pub total: usize,
    /// How many were told.
    pub shown: usize,
    /// The row that was spoken of last.
    pub focus: Option<usize>,
    /// The answer was a list.
    pub list: bool,
    /// There are more than `total`, and nobody says how many.
    #[serde(default)]
    pub more: bool,
    /// These are all the rows that can be had.
    #[serde(default)]
    pub whole: bool,
    /// First day it was about.
    pub day: Option<Date>,
    /// When.
    pub at: Micros,
}

/// An effect that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acted {
    /// Who said yes.
    pub person: PersonId,
    /// When that yes was accepted.
    pub at: Micros,
}

/// A question and its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// What the person wrote.
    pub question: String,
    /// What we answered.
    pub answer: String,
    /// What was called.
    pub calls: Vec<String>,
    /// What else it may have been.
    pub candidates: Vec<String>,
}

/// A button or row and what it does; single-use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// Comes back when chosen.
    pub token: String,
    /// What the person sees.
    pub title: String,
    /// What it does.
    pub does: Does,
}

/// What a button does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "does", rename_all = "snake_case")]
pub enum Does {
    /// Says yes.
    Yes,
    /// Says no.
    No,
    /// Asks which value is to change.
    Change,
    /// Leaves it.
    Cancel,
    /// Tells the next rows.
    More,
    /// Help.
    Help,
    /// A human, please.
    Person,
    /// Begins an operation.
    Start {
        /// `<document id>/<METHOD> <path template>`.
        operation_id: String,
        /// The sentence it is for; empty when it has none.
        sentence: String,
    },
    /// Tells the last list without the words that narrowed it.
    All,
    /// Repeats the last operation with one more filter asked for.
    Filter {
        /// [`openapi::Field::key`].
        key: String,
    },
    /// Takes a row of an open pick, from 0.
    Row {
        /// Its place.
        at: usize,
    },
    /// Gives a field its value.
    Value {
        /// [`openapi::Field::key`].
        key: String,
        /// The value.
        value: Value,
        /// What people see.
        label: String,
    },
    /// Has a field asked anew.
    AskField {
        /// [`openapi::Field::key`].
        key: String,
    },
    /// Has the time asked anew, its begin and its end.
    OtherTime,
    /// Says what was wrong: `item`, `detail` or `other`.
    Wrong {
        /// Which.
        what: String,
    },
}
