//! What a running turn has at hand: the history to take outcomes from, the state, what is to be said.

use std::{collections::BTreeMap, slice, sync::Arc, time::Duration};

use domain::{Choice, Location, Micros, PersonId, Reply};
use llm::{ChatAnswer, ChatRequest};
use openapi::{Operation, Risk};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use store::OptChange;

use super::{
    free::Speak,
    marked::Marked,
    schema, shown,
    state::{Does, Frame, Offer, Open, Pending, State},
};
use crate::{
    language::{
        Lang,
        format::{Place, cut, cut_apart},
        texts,
    },
    turn::{
        Accepted, Action, Alarm, Answer, AnswerFile, Call, CallOutcome, CallRef, CallTrace, ChatOutcome, DocumentInfo,
        Fetch, FileOutcome, Hit, Input, Mapping, ModelTrace, Outcome, Purpose, Question, SaveIdentity, SearchAnswer,
        SearchQuery, TurnTrace,
    },
};

/// How long questions, buttons and results count, in seconds.
pub const OPEN_S: u64 = 300;
/// How long a yes counts after its question, in seconds.
pub const YES_S: u64 = 90;
/// How long a second yes is silence, in seconds.
pub const TWICE_S: u64 = 30;
/// Of a hash, which is a button's token.
const TOKEN_BYTES: usize = 12;

/// True for whatever may be the token of a button of ours, also of one that is long past.
pub fn is_own_token(token: &str) -> bool {
    token.len() == 2 * TOKEN_BYTES && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}
/// Most outcomes of one turn; more is a loop.
const MAX_OUTCOMES: usize = 120;

/// Why a run ends before its answer.
#[derive(Debug)]
pub enum Stop {
    /// This has to be done first.
    Need(Box<Action>),
    /// The history holds something else than is needed, or is too long.
    Broken,
}

/// Result of every step of a dialogue.
pub type Step<T> = Result<T, Stop>;

/// A running turn.
pub struct Scope<'a> {
    pub input: &'a Input,
    history: slice::Iter<'a, Outcome>,
    taken: usize,
    operations: BTreeMap<String, Option<Arc<Operation>>>,
    pub state: State,
    pub lang: Lang,
    pub place: Place,
    pub replies: Vec<Reply>,
    pub trace: TurnTrace,
    pub saves: Vec<SaveIdentity>,
    /// A sentence whose meaning the person chose.
    pub accepted: Option<Accepted>,
    /// What the person does not want any more, or again.
    pub opt_outs: Vec<OptChange>,
    /// Put before the next thing that is said.
    pub lead: Vec<String>,
    /// Files that calls were answered with, each with the operation's title.
    pub files: Vec<(String, AnswerFile)>,
    tokens: u32,
    /// Journaled steps so far.
    steps: i32,
    /// Alarms so far.
    alarms: u32,
    model_failed: bool,
    model_helped: bool,
}

impl<'a> Scope<'a> {
    pub fn new(input: &'a Input, history: &'a [Outcome], lang: Lang) -> Self {
        Self {
            input,
            history: history.iter(),
            taken: 0,
            operations: BTreeMap::new(),
            state: input.state.clone(),
            lang,
            place: Place::new(&input.settings.time_zone, input.now.0),
            replies: Vec::new(),
            trace: TurnTrace { language: lang.tag().to_owned(), ..TurnTrace::default() },
            saves: Vec::new(),
            accepted: None,
            opt_outs: Vec::new(),
            lead: Vec::new(),
            files: Vec::new(),
            tokens: 0,
            steps: 0,
            alarms: 0,
            model_failed: false,
            model_helped: false,
        }
    }

    /// The next outcome, or the end of the run with what is needed.
    fn next(&mut self, action: Action) -> Step<&'a Outcome> {
        self.taken += 1;
        if self.taken > MAX_OUTCOMES {
            return Err(Stop::Broken);
        }
        // An operation that is looked up is no step of its own.
        self.steps += i32::from(!matches!(action, Action::Operations { .. }));
        self.history.next().ok_or_else(|| Stop::Need(Box::new(action)))
    }

    /// The operations that a sentence may mean.
    pub fn search(&mut self, text: &str, k: u32, documents: Vec<String>) -> Step<SearchAnswer> {
        self.find(SearchQuery { text: text.to_owned(), k, documents, ..SearchQuery::default() })
    }

    /// The operations that people begin with, best first.
    pub fn usual(&mut self) -> Step<Vec<Hit>> {
        Ok(self.searched(SearchQuery { k: 20, ..SearchQuery::default() })?.hits)
    }

    /// The operations of a document that yield ids of a resource. A sentence of that one word would not do: "book" and
    /// "report" are verbs, too.
    pub fn yielding(&mut self, resource: &str, document: &str) -> Step<Vec<Hit>> {
        let (text, yields) = (resource.to_owned(), resource.to_owned());
        let query = SearchQuery { text, yields, k: 20, documents: vec![document.to_owned()], ..SearchQuery::default() };
        Ok(self.find(query)?.hits)
    }

    /// The operations of a document that need an id of a resource.
    pub fn taking(&mut self, resource: &str, document: &str) -> Step<Vec<Hit>> {
        let (text, takes) = (resource.to_owned(), resource.to_owned());
        let query = SearchQuery { text, takes, k: 20, documents: vec![document.to_owned()], ..SearchQuery::default() };
        Ok(self.find(query)?.hits)
    }

    fn find(&mut self, query: SearchQuery) -> Step<SearchAnswer> {
        let text: String = query.text.chars().filter(|c| !c.is_control() || c.is_whitespace()).take(4_000).collect();
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Ok(SearchAnswer::default());
        }
        self.searched(SearchQuery { text, ..query })
    }

    fn searched(&mut self, query: SearchQuery) -> Step<SearchAnswer> {
        match self.next(Action::Search(SearchQuery { language: self.lang.tag().to_owned(), ..query }))? {
            Outcome::Search(answer) => Ok(answer.clone()),
            Outcome::Operations(_) | Outcome::Call(_) | Outcome::Chat(_) | Outcome::File(_) => Err(Stop::Broken),
        }
    }

    /// An operation of the catalogue; `None` when it is gone.
    pub fn operation(&mut self, id: &str, hash: &str) -> Step<Option<Arc<Operation>>> {
        if let Some(known) = self.operations.get(id) {
            return Ok(known.clone());
        }
        self.look_up(vec![(id.to_owned(), hash.to_owned())])?;
        Ok(self.operations.get(id).cloned().flatten())
    }

    /// Has all of them looked up at once, so that the turn is not run again for each.
    pub fn look_up(&mut self, mut wanted: Vec<(String, String)>) -> Step<()> {
        wanted.retain(|(id, _)| !self.operations.contains_key(id));
        if wanted.is_empty() {
            return Ok(());
        }
        let found = match self.next(Action::Operations { wanted: wanted.clone() })? {
            Outcome::Operations(found) if found.len() == wanted.len() => found,
            _ => return Err(Stop::Broken),
        };
        for ((id, _), found) in wanted.into_iter().zip(found) {
            self.operations.entry(id).or_insert_with(|| found.as_ref().ok().cloned());
        }
        Ok(())
    }

    /// The operation of a frame.
    pub fn operation_of(&mut self, frame: &Frame) -> Step<Option<Arc<Operation>>> {
        self.operation(&frame.operation_id, &frame.content_hash)
    }

    /// Calls the backend to know something.
    pub fn call(
        &mut self,
        operation: &Operation,
        arguments: &Map<String, Value>,
        purpose: Purpose,
    ) -> Step<CallOutcome> {
        self.make(operation, arguments, purpose, None, false)
    }

    /// Calls the backend for a list with all its pages, as far as the limits go.
    pub fn call_whole(&mut self, operation: &Operation, arguments: &Map<String, Value>) -> Step<CallOutcome> {
        self.make(operation, arguments, Purpose::Lookup, None, true)
    }

    /// Makes a call that was said yes to, again if one is given; gives its end and which call that was.
    pub fn act(
        &mut self,
        operation: &Operation,
        frame: &Frame,
        repeats: Option<CallRef>,
    ) -> Step<(CallOutcome, CallRef)> {
        let outcome = self.make(operation, &frame.arguments, Purpose::Act, repeats, false)?;
        Ok((outcome, repeats.unwrap_or(CallRef { seq: self.input.seq, n: self.steps })))
    }

    fn make(
        &mut self,
        operation: &Operation,
        arguments: &Map<String, Value>,
        purpose: Purpose,
        repeats: Option<CallRef>,
        whole: bool,
    ) -> Step<CallOutcome> {
        let call = Call {
            operation_id: operation.id.clone(),
            content_hash: operation.content_hash.clone(),
            arguments: arguments.clone(),
            risk: if purpose == Purpose::Act { operation.risk } else { Risk::Safe },
            purpose,
            language: self.lang.tag().to_owned(),
            whole,
            repeats,
        };
        let mut outcome = match self.next(Action::Call(call))? {
            Outcome::Call(outcome) => outcome.clone(),
            Outcome::Search(_) | Outcome::Operations(_) | Outcome::Chat(_) | Outcome::File(_) => {
                return Err(Stop::Broken);
            }
        };
        let end = match &outcome {
            CallOutcome::Answered { status, .. } => status.to_string(),
            CallOutcome::Away { .. } => "away".to_owned(),
            CallOutcome::Unknown { .. } => "unknown".to_owned(),
            CallOutcome::NoCredentials { .. } => "no_credentials".to_owned(),
        };
        self.trace.calls.push(CallTrace { operation_id: operation.id.clone(), purpose, end });
        if let CallOutcome::Answered { status: 200..=299, body, file: Some(file), .. } = &mut outcome {
            *body = Value::String(shown::in_words(self.lang, file));
            if purpose != Purpose::Identity {
                self.files.push((schema::operation_title(operation), file.clone()));
            }
        }
        Ok(outcome)
    }

    /// Asks the model; `None` when it gave no answer. It is not asked again in this turn then.
    pub fn chat(&mut self, request: ChatRequest, speak: Option<Speak>) -> Step<Option<ChatAnswer>> {
        if self.model_failed {
            return Ok(None);
        }
        let answer = self.ask(Question { request, speak, within: None })?;
        self.model_failed = answer.is_none();
        Ok(answer)
    }

    /// Asks the model for something that may as well be missing, within its own short time and once in a turn.
    pub fn aside(&mut self, request: ChatRequest, within: Duration) -> Step<Option<ChatAnswer>> {
        if self.model_failed || std::mem::replace(&mut self.model_helped, true) {
            return Ok(None);
        }
        self.ask(Question { request, speak: None, within: Some(within) })
    }

    fn ask(&mut self, question: Question) -> Step<Option<ChatAnswer>> {
        match self.next(Action::Chat(Box::new(question)))? {
            Outcome::Chat(ChatOutcome::Answered { answer, took_ms }) => {
                let (tokens, took_ms) = (answer.usage.input_tokens + answer.usage.output_tokens, *took_ms);
                self.trace.models.push(ModelTrace { model: answer.model.clone(), tokens, took_ms, error: None });
                Ok(Some(answer.clone()))
            }
            Outcome::Chat(ChatOutcome::Failed { class, took_ms, .. }) => {
                let (error, took_ms) = (Some(class.clone()), *took_ms);
                self.trace.models.push(ModelTrace { model: String::new(), tokens: 0, took_ms, error });
                Ok(None)
            }
            Outcome::Search(_) | Outcome::Operations(_) | Outcome::Call(_) | Outcome::File(_) => Err(Stop::Broken),
        }
    }

    /// Has a file fetched and kept.
    pub fn fetch(&mut self, fetch: Fetch) -> Step<FileOutcome> {
        match self.next(Action::Fetch(fetch))? {
            Outcome::File(outcome) => Ok(outcome.clone()),
            Outcome::Search(_) | Outcome::Operations(_) | Outcome::Call(_) | Outcome::Chat(_) => Err(Stop::Broken),
        }
    }

    /// A text of the product.
    pub fn text(&self, key: &str, arguments: &[(&str, &str)]) -> String {
        texts::say(self.lang, key, arguments)
    }

    /// The number by which people speak of a thing.
    pub fn number_is(&self, number: &str) -> Marked {
        Marked::quoting(self.text("number-is", &[("number", number)]), number)
    }

    /// A text of the product that has a count.
    pub fn counted(&self, key: &str, n: usize, arguments: &[(&str, &str)]) -> String {
        texts::count(self.lang, key, n, arguments)
    }

    /// Says something, after what was kept to lead it.
    pub fn say(&mut self, text: impl Into<Marked>) {
        self.say_with(text, Vec::new());
    }

    /// Says something with buttons or a list; the offers themselves are kept by the caller.
    pub fn say_with(&mut self, text: impl Into<Marked>, offers: Vec<Offer>) {
        let mut lines: Vec<Marked> = std::mem::take(&mut self.lead).into_iter().map(Marked::from).collect();
        let text = text.into();
        if !text.text.is_empty() {
            lines.push(text);
        }
        let Marked { text, spans } = Marked::join(lines, "\n");
        let limits = &self.input.settings.limits;
        let list = offers.len() > limits.buttons;
        let most = if list { limits.row_title } else { limits.button_title };
        let titles = cut_apart(&offers.iter().map(|offer| offer.title.as_str()).collect::<Vec<_>>(), most);
        let choices: Vec<Choice> = offers
            .into_iter()
            .zip(titles)
            .take(limits.rows)
            .map(|(offer, title)| {
                let description = (list && title != offer.title).then(|| cut(&offer.title, 72));
                Choice { id: offer.token, title, description }
            })
            .collect();
        let list_title = list.then(|| texts::say(self.lang, "button-choose", &[]));
        self.replies.push(Reply { text, choices, list_title, spans, ..Reply::default() });
    }

    /// Shows a place on a map with what was just said.
    pub fn show_location(&mut self, location: Option<Location>) {
        if let Some(reply) = self.replies.last_mut() {
            reply.location = location;
        }
    }

    /// A button with a single-use token, bound to what it does.
    pub fn offer(&mut self, title: impl Into<String>, does: Does, bound_to: &str) -> Offer {
        self.tokens += 1;
        let mut hash = Sha256::new();
        for part in [self.input.token_seed.as_str(), &self.tokens.to_string(), bound_to] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        Offer { token: hex::encode(&hash.finalize()[..TOKEN_BYTES]), title: title.into(), does }
    }

    /// A button of the product's own words.
    pub fn button(&mut self, key: &str, does: Does) -> Offer {
        let title = self.text(key, &[]);
        self.offer(title, does, "")
    }

    /// A key for an alarm, used once in a conversation: a turn is committed once.
    pub fn alarm_key(&mut self) -> String {
        self.alarms += 1;
        format!("{}.{}", self.input.seq, self.alarms)
    }

    /// Keeps buttons below an answer, for 300 s.
    pub fn keep_offers(&mut self, offers: &[Offer]) {
        self.state.offers = offers.to_vec();
        self.state.offered_at = self.input.now;
    }

    /// A hit as the trace shows it.
    pub fn trace_hits(&mut self, hits: &[Hit]) {
        self.trace.candidates = hits
            .iter()
            .map(|hit| crate::turn::Candidate {
                operation_id: hit.operation_id.clone(),
                title: hit.title.clone(),
                score: hit.score,
                probability: hit.probability,
            })
            .collect();
    }

    /// Who speaks.
    pub fn person(&self) -> Option<PersonId> {
        self.input.messages.last().map(|said| said.person)
    }

    /// From when these words find the open question shown: when its send began, which may be long after the turn that
    /// asks, if others took it over. A question sent again counts from the last send if that was recorded before these
    /// words came; if not, they may answer an earlier send, and count from the turn that asks. A page has no sends, only
    /// the record.
    pub fn shown_at(&self, open: &Open) -> Micros {
        let said_at = self.input.messages.last().map_or(self.input.now, |said| said.accepted_at);
        let sent_at = self.input.question_sent_at.filter(|at| *at <= said_at);
        let begun_at = self.input.question_begun_at.filter(|at| *at <= said_at);
        begun_at.filter(|_| !self.input.question_resent || sent_at.is_some()).or(sent_at).unwrap_or(open.asked_at)
    }

    /// True when these words came after the person could see the open question: accepted after it was recorded as
    /// sent and, by the platform's clock, not written before. A button needs no such look: its token was in the
    /// question.
    pub fn question_seen(&self) -> bool {
        if faults::planted(faults::Bug::YesBeforeSentAt) {
            return true;
        }
        let (Some(sent), Some(said)) = (self.input.question_sent_at, self.input.messages.last()) else { return false };
        said.accepted_at > sent && said.written_at.is_none_or(|at| at >= sent.floor_second())
    }

    /// The last message says an earlier one anew.
    pub fn is_edit(&self) -> bool {
        self.input.messages.last().is_some_and(|said| said.edits.is_some())
    }

    /// True when more than `seconds` have passed since a point in time.
    pub fn is_older(&self, at: Micros, seconds: u64) -> bool {
        self.input.now.since(at) > std::time::Duration::from_secs(seconds)
    }

    /// A configured document.
    pub fn document(&self, id: &str) -> Option<&'a DocumentInfo> {
        self.input.settings.documents.iter().find(|document| document.id == id)
    }

    /// A document's name for people.
    pub fn system(&self, document: &str) -> String {
        match self.document(document) {
            Some(info) if !info.title.trim().is_empty() => info.title.trim().to_owned(),
            _ => crate::language::format::capital(&self.text("the-system", &[])),
        }
    }

    /// The valid mapping of the person in a document, those found in this turn included.
    pub fn mapping(&self, document: &str) -> Option<Mapping> {
        let new = self.saves.iter().rev().find(|save| save.document == document).map(|save| &save.mapping);
        new.or_else(|| self.input.identity.get(document)).filter(|mapping| mapping.expires_at > self.input.now).cloned()
    }

    /// The answer that the turn came to.
    pub fn answer(self) -> Answer {
        let question = self.state.open.is_some();
        // Whatever asks, also again, leaves another question than the one it found.
        let asks = question && self.state.open != self.input.state.open;
        let (before, after) = (&self.input.state.pending, &self.state.pending);
        let among = |all: &[Pending], one: &Pending| all.iter().any(|other| other.alarm == one.alarm);
        let alarm = |one: &Pending| Alarm { key: one.alarm.clone(), due_at: one.due_at, person: one.person };
        let alarms = after.iter().filter(|one| !among(before, one)).map(alarm).collect();
        let alarms_off = before.iter().filter(|one| !among(after, one)).map(|one| one.alarm.clone()).collect();
        Answer {
            alarms,
            alarms_off,
            replies: self.replies,
            question,
            asks,
            state: self.state,
            trace: self.trace,
            save_identity: self.saves,
            accepted: self.accepted,
            opt_outs: self.opt_outs,
            unasked: None,
        }
    }
}

/// Hash of an operation with its arguments, for tokens and for the yes.
pub fn arguments_hash(frame: &Frame) -> String {
    let mut hash = Sha256::new();
    hash.update(frame.operation_id.as_bytes());
    hash.update([0]);
    let sorted: BTreeMap<&String, &Value> = frame.arguments.iter().collect();
    hash.update(serde_json::to_vec(&sorted).unwrap_or_default());
    hex::encode(hash.finalize())
}
