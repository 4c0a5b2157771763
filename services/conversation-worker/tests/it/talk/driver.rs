//! A messenger and a worker in one, without I/O: says what people say, performs what a turn asks for, carries state,
//! identity and the time of sending on, and looks at every reply for what no reply may hold.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Duration};

use conversation_worker::turn::{
    Action, Alarm, Answer, Call, CallRef, ChatOutcome, FileOutcome, Input, Mapping, Next, Outcome, Purpose, Said,
    SearchQuery, Settings, State, turn,
};
use domain::{Choice, Content, Micros, Reply, Style};
use llm::ChatRequest;
use openapi::Risk;

pub use super::people::{ANA, MARKO, Person, STRANGER};
pub use super::time::{Moment, instant, local, time_of};
use super::{
    backend::Library,
    world::{Catalogue, OPERATIONS, settings},
};

/// Most outcomes of one turn.
const ACTIONS_MAX: usize = 20;
/// From an answer's end to the record that it was sent.
const SENDING: Duration = Duration::from_millis(300);

/// A scripted model.
pub type Model = Arc<dyn Fn(&ChatRequest, usize) -> ChatOutcome + Send + Sync>;

/// A conversation.
#[derive(Clone)]
pub struct Talk {
    /// The library behind it.
    pub library: Library,
    /// What finds operations.
    pub catalogue: Catalogue,
    /// The tenant's settings.
    pub settings: Settings,
    /// What answers free speech: the question and its number, from 1.
    pub model: Option<Model>,
    /// What the model was asked.
    pub questions: Vec<ChatRequest>,
    /// What becomes of the files that people send, by address; one that is not here is lost.
    pub files: BTreeMap<String, FileOutcome>,
    /// The addresses that were fetched.
    pub fetched: Vec<String>,
    /// People can send files here.
    pub takes_files: bool,
    /// As on Telegram.
    pub knows_contacts: bool,
    /// Replies are recorded as sent; false holds them back until [`Talk::deliver`].
    pub delivers: bool,
    clock: Micros,
    state: State,
    /// When the last send of the open question began.
    pub question_begun_at: Option<Micros>,
    /// An earlier send of it may have been seen.
    pub question_resent: bool,
    question_sent_at: Option<Micros>,
    identity: BTreeMap<u128, BTreeMap<String, Mapping>>,
    seq: i64,
    answer: Answer,
    shown: Vec<Reply>,
    calls: Vec<Call>,
    turn_calls: Vec<Call>,
    last: Option<(Input, Vec<Outcome>)>,
    alarms: Vec<Alarm>,
    /// The message that the next one edits.
    edits: Option<String>,
    transcript: String,
}

impl Talk {
    /// On Saturday 21 November 2026 at 10:00 in Zagreb.
    pub fn new() -> Self {
        Self {
            library: Library::new(),
            catalogue: Catalogue::default(),
            settings: settings(),
            model: None,
            questions: Vec::new(),
            files: BTreeMap::new(),
            fetched: Vec::new(),
            takes_files: true,
            knows_contacts: false,
            delivers: true,
            clock: local("2026-11-21T10:00:00"),
            state: State::default(),
            question_begun_at: None,
            question_resent: false,
            question_sent_at: None,
            identity: BTreeMap::new(),
            seq: 0,
            answer: Answer::default(),
            shown: Vec::new(),
            calls: Vec::new(),
            turn_calls: Vec::new(),
            last: None,
            alarms: Vec::new(),
            edits: None,
            transcript: String::new(),
        }
    }

    /// The document is imported anew, and none of its operations is what it was.
    pub fn document_changes(&mut self) -> &mut Self {
        use serde_json::Value;

        fn forget(value: &mut Value) {
            match value {
                Value::Object(members) => members.iter_mut().for_each(|(name, value)| match name.as_str() {
                    "content_hash" => *value = Value::from("of the document before"),
                    _ => forget(value),
                }),
                Value::Array(items) => items.iter_mut().for_each(forget),
                _ => {}
            }
        }
        let mut state = serde_json::to_value(&self.state).expect("a state");
        forget(&mut state);
        self.state = serde_json::from_value(state).expect("a state");
        self
    }

    /// The time.
    pub fn now(&self) -> Micros {
        self.clock
    }

    /// Time passes.
    pub fn wait(&mut self, seconds: u64) -> &mut Self {
        self.clock = self.clock + Duration::from_secs(seconds);
        let _ = writeln!(self.transcript, "// {seconds} s later");
        self
    }

    /// The alarms that are set, the next first, as seconds from now.
    pub fn alarms(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.alarms.iter().map(|alarm| alarm.due_at.since(self.clock).as_secs()).collect();
        all.sort_unstable();
        all
    }

    /// Time passes until the next alarm is due, and a little more.
    #[track_caller]
    pub fn rings(&mut self) -> &mut Self {
        self.alarms.sort_by_key(|alarm| alarm.due_at);
        assert!(!self.alarms.is_empty(), "no alarm is set\n{}", self.transcript);
        let alarm = self.alarms.remove(0);
        let at = self.clock.max(alarm.due_at + Duration::from_secs(1));
        let person = [ANA, MARKO].into_iter().find(|person| person.id() == alarm.person).expect("somebody known");
        self.rings_at(person, &alarm.key, at)
    }

    /// An alarm of this key comes, perhaps one that was taken back, or one that comes again.
    pub fn rings_at(&mut self, person: Person, key: &str, at: Micros) -> &mut Self {
        let _ = writeln!(self.transcript, "// {} s later", at.since(self.clock).as_secs());
        let moment = Moment { accepted: at, written: None };
        self.sends_at(person, Content::Alarm { key: key.to_owned() }, moment)
    }

    /// What was held back is recorded as sent now.
    pub fn deliver(&mut self) -> &mut Self {
        self.deliver_at(self.clock)
    }

    /// What was held back is recorded as sent at that time.
    pub fn deliver_at(&mut self, at: Micros) -> &mut Self {
        self.question_sent_at = self.answer.question.then_some(at);
        self
    }

    /// Nothing is sent.
    pub fn forget_delivery(&mut self) -> &mut Self {
        (self.question_begun_at, self.question_sent_at) = (None, None);
        self
    }

    /// A service's message was said in a turn of its own.
    pub fn is_told_unasked(&mut self) -> &mut Self {
        self.state.unasked = true;
        self
    }

    /// Ana says her last message anew, 5 s after what was before.
    pub fn edits(&mut self, text: &str) -> &mut Self {
        let first = self.seq.max(1);
        self.edits_of(first, text)
    }

    /// Ana says a message of hers anew, by its number in the conversation.
    pub fn edits_of(&mut self, seq: i64, text: &str) -> &mut Self {
        self.edits = Some(format!("m{seq}"));
        self.says(text)
    }

    /// Ana writes, 5 s after what was before.
    pub fn says(&mut self, text: &str) -> &mut Self {
        self.person_says(ANA, text)
    }

    /// Somebody writes, 5 s after what was before.
    pub fn person_says(&mut self, person: Person, text: &str) -> &mut Self {
        self.sends(person, Content::Text { text: text.to_owned() })
    }

    /// Ana taps the button or row whose title begins like this.
    pub fn taps(&mut self, title: &str) -> &mut Self {
        let choice = self.button(title);
        self.taps_choice(ANA, &choice)
    }

    /// Somebody taps a button, perhaps an old one.
    pub fn taps_choice(&mut self, person: Person, choice: &Choice) -> &mut Self {
        self.sends(person, Content::Choice { id: choice.id.clone(), title: choice.title.clone() })
    }

    /// Ana writes several texts so quickly that they are answered in one turn.
    pub fn says_at_once(&mut self, texts: &[&str]) -> &mut Self {
        let content = texts.iter().map(|text| Content::Text { text: (*text).to_owned() }).collect();
        self.clock = self.clock + Duration::from_secs(5);
        let moment = Moment { accepted: self.clock, written: Some(self.clock.floor_second()) };
        self.take(ANA, content, moment)
    }

    /// Ana sends a JPEG of so many kB, with words if there are any.
    pub fn sends_photo(&mut self, name: &str, kb: u64, caption: &str) -> &mut Self {
        let kept =
            FileOutcome::Kept { sha256: reference(name), media_type: "image/jpeg".to_owned(), size_bytes: kb * 1_000 };
        self.files.insert(name.to_owned(), kept);
        self.sends_file("image", name, caption)
    }

    /// Ana sends a file that is there or not, with words if there are any.
    pub fn sends_file(&mut self, media: &str, name: &str, caption: &str) -> &mut Self {
        self.sends(ANA, file(media, name, caption))
    }

    /// Somebody sends anything, 5 s after what was before.
    pub fn sends(&mut self, person: Person, content: Content) -> &mut Self {
        self.clock = self.clock + Duration::from_secs(5);
        let moment = Moment { accepted: self.clock, written: Some(self.clock.floor_second()) };
        self.sends_at(person, content, moment)
    }

    /// Somebody sends anything at a time of its own; the clock goes on to it.
    pub fn sends_at(&mut self, person: Person, content: Content, moment: Moment) -> &mut Self {
        self.take(person, vec![content], moment)
    }

    /// One turn on these messages.
    fn take(&mut self, person: Person, contents: Vec<Content>, moment: Moment) -> &mut Self {
        self.clock = self.clock.max(moment.accepted);
        let seq = self.seq + 1;
        self.seq += i64::try_from(contents.len()).unwrap_or(1);
        for content in &contents {
            let said = match content {
                Content::Text { text } => text.clone(),
                Content::Choice { title, .. } => format!("[{title}]"),
                other => format!("{other:?}"),
            };
            let _ = writeln!(self.transcript, "{}> {said}", person.name);
        }
        let edits = self.edits.take();
        let said = |content| Said {
            person: person.id(),
            content,
            id: format!("m{seq}"),
            edits: edits.clone(),
            accepted_at: moment.accepted,
            written_at: moment.written,
            quoted: None,
            contact_name: Some(person.name.to_owned()),
            phone: Some(person.phone.to_owned()).filter(|phone| !phone.is_empty()),
            user: person.phone.to_owned(),
        };
        let input = Input {
            now: moment.accepted,
            messages: contents.into_iter().map(said).collect(),
            state: self.state.clone(),
            question_begun_at: self.question_begun_at,
            question_resent: self.question_resent,
            question_sent_at: self.question_sent_at,
            settings: Arc::new(self.settings.clone()),
            identity: self.identity.get(&person.number).cloned().unwrap_or_default(),
            model: self.model.is_some(),
            takes_files: self.takes_files,
            knows_contacts: self.knows_contacts,
            seq,
            token_seed: format!("{:064x}", 0x1000 + seq),
        };
        self.turn_calls.clear();
        let (answer, history) = self.perform(&input);
        self.check(&input, &history, &answer);
        for saved in &answer.save_identity {
            assert_eq!(saved.person, person.id(), "an identity is of the person who wrote\n{}", self.transcript);
            let own = self.identity.entry(person.number).or_default();
            own.insert(saved.document.clone(), saved.mapping.clone());
        }
        let json = serde_json::to_string(&answer.state).expect("a state is written");
        self.state = serde_json::from_str(&json).expect("a state is read again");
        assert_eq!(self.state, answer.state, "a state survives being stored\n{}", self.transcript);
        // As the worker: an answer that does not ask leaves the question that is open as it was sent.
        if !answer.question {
            (self.question_begun_at, self.question_sent_at) = (None, None);
        } else if answer.asks && !answer.replies.is_empty() {
            self.question_begun_at = self.delivers.then_some(self.clock);
            self.question_resent = false;
            self.question_sent_at = self.delivers.then(|| self.clock + SENDING);
        }
        if !answer.replies.is_empty() {
            self.shown = answer.replies.clone();
        }
        for key in &answer.alarms_off {
            self.alarms.retain(|alarm| alarm.key != *key);
        }
        for alarm in &answer.alarms {
            assert!(alarm.due_at > self.clock, "an alarm is for later\n{}", self.transcript);
            assert!(self.alarms.iter().all(|known| known.key != alarm.key), "a key is new\n{}", self.transcript);
        }
        self.alarms.extend(answer.alarms.iter().cloned());
        self.last = Some((input, history));
        self.answer = answer;
        self
    }

    /// The last turn's input and outcomes.
    pub fn last_run(&self) -> (&Input, &[Outcome]) {
        let (input, history) = self.last.as_ref().expect("somebody said something");
        (input, history)
    }

    /// The last answer.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The last answer's words.
    pub fn text(&self) -> String {
        self.answer.replies.iter().map(|reply| reply.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The parts of the last answer that are shown in this style.
    pub fn shown(&self, style: Style) -> Vec<&str> {
        let all = self.answer.replies.iter().flat_map(|reply| reply.spans.iter().map(move |span| (reply, span)));
        let wanted = all.filter(|(_, span)| span.style == style);
        wanted.map(|(reply, span)| &reply.text[span.start..span.end]).collect()
    }

    /// The titles of the last answer's buttons and rows.
    pub fn titles(&self) -> Vec<String> {
        self.choices().iter().map(|choice| choice.title.clone()).collect()
    }

    /// The last answer's buttons and rows.
    pub fn choices(&self) -> Vec<Choice> {
        self.answer.replies.iter().flat_map(|reply| reply.choices.clone()).collect()
    }

    /// The button or row on the screen whose title begins like this.
    pub fn button(&self, title: &str) -> Choice {
        let wanted = title.to_lowercase();
        let all = || self.shown.iter().flat_map(|reply| &reply.choices);
        let found = all().find(|choice| choice.title.to_lowercase().starts_with(&wanted));
        let found = found.or_else(|| all().find(|choice| choice.title.to_lowercase().contains(&wanted)));
        found.unwrap_or_else(|| panic!("no button [{title}]\n{}", self.transcript)).clone()
    }

    /// All calls that can change something, in order.
    pub fn effects(&self) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.risk != Risk::Safe).collect()
    }

    /// The one effect so far.
    #[track_caller]
    pub fn only_effect(&self) -> &Call {
        let effects = self.effects();
        assert_eq!(effects.len(), 1, "one effect is expected\n{}", self.transcript);
        effects[0]
    }

    /// Calls of the last turn, `<METHOD> <path>`, without the look-up of identity.
    pub fn called(&self) -> Vec<&str> {
        let real = self.turn_calls.iter().filter(|call| call.purpose != Purpose::Identity);
        real.filter_map(|call| call.operation_id.strip_prefix("library/")).collect()
    }

    /// All calls of an operation so far.
    pub fn calls_of(&self, name: &str) -> Vec<&Call> {
        self.calls.iter().filter(|call| call.operation_id == format!("library/{name}")).collect()
    }

    /// The answer says all of this, in words or on buttons, whatever the case.
    #[track_caller]
    pub fn expect(&mut self, words: &[&str]) -> &mut Self {
        let said = self.all_words();
        for word in words {
            assert!(said.contains(&word.to_lowercase()), "the answer does not say {word:?}\n{}", self.transcript);
        }
        self
    }

    /// The answer says one of these at least.
    #[track_caller]
    pub fn expect_any(&mut self, words: &[&str]) -> &mut Self {
        let said = self.all_words();
        let any = words.iter().any(|word| said.contains(&word.to_lowercase()));
        assert!(any, "the answer says none of {words:?}\n{}", self.transcript);
        self
    }

    /// The answer does not say this.
    #[track_caller]
    pub fn expect_no(&mut self, word: &str) -> &mut Self {
        assert!(!self.all_words().contains(&word.to_lowercase()), "the answer says {word:?}\n{}", self.transcript);
        self
    }

    /// There are buttons that begin like this.
    #[track_caller]
    pub fn expect_buttons(&mut self, titles: &[&str]) -> &mut Self {
        let have: Vec<String> = self.titles().iter().map(|title| title.to_lowercase()).collect();
        for title in titles {
            let there = have.iter().any(|own| own.starts_with(&title.to_lowercase()));
            assert!(there, "there is no button [{title}] among {have:?}\n{}", self.transcript);
        }
        self
    }

    /// Nothing was said.
    #[track_caller]
    pub fn expect_silence(&mut self) -> &mut Self {
        assert!(self.answer.replies.is_empty(), "silence is expected\n{}", self.transcript);
        self
    }

    /// So many effects happened since the conversation began.
    #[track_caller]
    pub fn expect_effects(&mut self, count: usize) -> &mut Self {
        let names: Vec<&str> = self.effects().iter().map(|call| call.operation_id.as_str()).collect();
        assert_eq!(names.len(), count, "effects: {names:?}\n{}", self.transcript);
        self
    }

    /// What was said so far, for the message of a failing test.
    pub fn transcript(&self) -> &str {
        &self.transcript
    }

    fn all_words(&self) -> String {
        let mut said = self.text();
        for choice in self.choices() {
            let _ = write!(said, "\n{}\n{}", choice.title, choice.description.unwrap_or_default());
        }
        // A no-break space in a number reads as a space.
        said.to_lowercase().replace(['\u{a0}', '\u{202f}'], " ")
    }

    fn perform(&mut self, input: &Input) -> (Answer, Vec<Outcome>) {
        let mut history = Vec::new();
        let mut n = 0;
        loop {
            let action = match turn(input, &history) {
                Next::Done(answer) => return (*answer, history),
                Next::Do(action) => action,
            };
            n += i32::from(!matches!(action, Action::Operations { .. }));
            let most = if input.model { 3 * ACTIONS_MAX } else { ACTIONS_MAX };
            assert!(history.len() < most, "the turn goes round in circles at {action:?}\n{}", self.transcript);
            history.push(match action {
                Action::Search(query) => {
                    assert!((1..=20).contains(&query.k), "k is {}\n{}", query.k, self.transcript);
                    let length = query.text.chars().count();
                    let is_usual =
                        query == SearchQuery { k: 20, language: query.language.clone(), ..Default::default() };
                    assert!(
                        is_usual || (1..=4_000).contains(&length),
                        "a search of {length} characters\n{}",
                        self.transcript
                    );
                    Outcome::Search(self.catalogue.search(&query))
                }
                Action::Operations { wanted } => {
                    let find = |(id, content_hash): &(String, String)| {
                        let found = OPERATIONS.iter().find(|operation| operation.id == *id);
                        let found = found
                            .filter(|operation| content_hash.is_empty() || operation.content_hash == *content_hash);
                        found.cloned().ok_or_else(|| "it is not in the catalogue".to_owned())
                    };
                    Outcome::Operations(wanted.iter().map(find).collect())
                }
                Action::Chat(question) => {
                    assert!(input.model, "no model is asked where there is none\n{}", self.transcript);
                    let model = self.model.clone().expect("a model");
                    self.questions.push(question.request.clone());
                    let answer = model(&question.request, self.questions.len());
                    let _ = writeln!(self.transcript, "   ~> {answer:?}");
                    Outcome::Chat(answer)
                }
                Action::Fetch(fetch) => {
                    assert_eq!(fetch.person, input.messages[0].person, "a file is of who sent it");
                    self.fetched.push(fetch.url.clone());
                    let lost = || FileOutcome::Unavailable { reason: "gone".to_owned() };
                    Outcome::File(self.files.get(&fetch.url).cloned().unwrap_or_else(lost))
                }
                Action::Call(call) => {
                    let _ = writeln!(
                        self.transcript,
                        "   -> {} {}",
                        call.operation_id,
                        serde_json::Value::Object(call.arguments.clone())
                    );
                    self.check_call(&call);
                    // As the worker makes the key.
                    let CallRef { seq, n } = call.repeats.unwrap_or(CallRef { seq: input.seq, n });
                    let outcome = self.library.call(&call, &format!("{seq}/{n}"));
                    self.turn_calls.push(call.clone());
                    self.calls.push(call);
                    Outcome::Call(outcome)
                }
            });
        }
    }

    /// A call fits its operation, and nothing changes unless it is called an act.
    fn check_call(&self, call: &Call) {
        let operation = OPERATIONS.iter().find(|operation| operation.id == call.operation_id);
        let operation = operation.unwrap_or_else(|| panic!("{} is called\n{}", call.operation_id, self.transcript));
        assert_eq!(call.content_hash, operation.content_hash, "the decided hash is called\n{}", self.transcript);
        assert_eq!(call.risk, operation.risk, "the risk is the operation's\n{}", self.transcript);
        let problems = operation.check(&call.arguments);
        assert!(problems.is_empty(), "{problems:?} in {call:?}\n{}", self.transcript);
        assert_eq!(call.purpose == Purpose::Act, call.risk != Risk::Safe, "{call:?}\n{}", self.transcript);
    }

    /// What holds for every turn: it replays to the same answer, and its replies can be shown to anybody.
    fn check(&mut self, input: &Input, history: &[Outcome], answer: &Answer) {
        for reply in &answer.replies {
            for line in reply.text.lines() {
                let _ = writeln!(self.transcript, "  {line}");
            }
            for choice in &reply.choices {
                let description = choice.description.as_ref().map(|text| format!(" - {text}")).unwrap_or_default();
                let _ = writeln!(self.transcript, "  [{}{description}]", choice.title);
            }
        }
        if answer.replies.is_empty() {
            let _ = writeln!(self.transcript, "  (silence)");
        }
        match turn(input, history) {
            Next::Done(again) => {
                assert_eq!(again.replies, answer.replies, "a replay says the same\n{}", self.transcript);
                assert_eq!(again.state, answer.state, "a replay leaves the same state\n{}", self.transcript);
                assert_eq!(again.alarms, answer.alarms, "a replay sets the same alarms\n{}", self.transcript);
                assert_eq!(again.alarms_off, answer.alarms_off, "a replay takes the same back\n{}", self.transcript);
            }
            Next::Do(action) => panic!("a replay wants {action:?}\n{}", self.transcript),
        }
        super::checks::check(&answer.replies, &self.transcript);
    }
}

/// The reference under which a file of this name is kept.
pub fn reference(name: &str) -> String {
    let mut hex: String = name.bytes().map(|byte| format!("{byte:02x}")).collect();
    hex.extend(std::iter::repeat_n('0', 64 - hex.len()));
    hex
}

/// A file as the platform tells of it.
pub fn file(media: &str, name: &str, caption: &str) -> Content {
    let caption = Some(caption.to_owned()).filter(|text| !text.is_empty());
    Content::Media { media: media.to_owned(), url: Some(name.to_owned()), caption }
}
