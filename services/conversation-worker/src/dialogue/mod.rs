//! The dialogue without a model: pure, deterministic, from schema and answer alone.
//!
//! [`run`] reads what was said ([`reply`]: to an open question, else [`start`]: a new wish), goes the way of a task
//! ([`steps`]: fill, look up, ask), and ends in a look ([`answer`]) or an effect ([`act`]). No module knows the name of
//! an operation, a parameter or a document.

mod act;
mod answer;
mod ask;
mod consent;
mod edits;
mod fail;
mod files;
mod fill;
pub mod free;
mod hints;
mod identity;
mod ids;
pub mod later;
mod learn;
mod location;
mod marked;
mod periods;
mod read;
mod reply;
mod rows;
mod schema;
mod scope;
mod show;
mod shown;
mod small;
mod start;
pub mod state;
mod steps;
mod tell;
mod values;
mod words;

#[cfg(test)]
mod tests;

use domain::{Content, Reply};
pub use files::CALL_BYTES_MAX;
use scope::{OPEN_S, Scope, Step, Stop};
use state::{State, Told};

use crate::{
    language::{Lang, choose, format::capital, texts},
    turn::{Answer, CallOutcome, Input, Next, Outcome, Purpose, Settings},
};

/// What follows from what was said and the outcomes so far.
pub fn run(input: &Input, history: &[Outcome]) -> Next {
    let lang = language(input);
    let mut scope = Scope::new(input, history, lang);
    scope.state.language = Some(lang);
    match converse(&mut scope) {
        Ok(()) => {
            shown::show(&mut scope);
            edits::remember(&mut scope);
            note_told(&mut scope);
            Next::Done(Box::new(scope.answer()))
        }
        Err(Stop::Need(action)) => Next::Do(*action),
        Err(Stop::Broken) => Next::Done(Box::new(broken(&scope, history))),
    }
}

/// The language of the answer: of this message, else the last one, else the tenant's first.
fn language(input: &Input) -> Lang {
    let known = known_languages(&input.settings);
    let said = text_of(input).and_then(|text| choose::language(&text, &known));
    said.or(input.state.language.filter(|lang| known.contains(lang))).unwrap_or(known[0])
}

/// Languages that the tenant has and we speak, never empty.
fn known_languages(settings: &Settings) -> Vec<Lang> {
    let configured: Vec<Lang> = settings.languages.iter().filter_map(|tag| Lang::from_tag(tag)).collect();
    if configured.is_empty() { Lang::ALL.to_vec() } else { configured }
}

/// The words of the messages; `None` when there are none.
fn text_of(input: &Input) -> Option<String> {
    let texts: Vec<&str> = input
        .messages
        .iter()
        .filter_map(|said| match &said.content {
            Content::Text { text } | Content::Order { text: Some(text), .. } => Some(text.trim()),
            Content::Media { caption: Some(caption), .. } => Some(caption.trim()),
            _ => None,
        })
        .filter(|text| !text.is_empty())
        .collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn converse(scope: &mut Scope<'_>) -> Step<()> {
    expire(scope);
    let Some(last) = scope.input.messages.last() else { return Ok(()) };
    if edits::is_unchanged(scope) {
        return Ok(());
    }
    match &last.content {
        Content::Choice { id, title } => return reply::chosen(scope, id, title),
        Content::Alarm { key } => return later::due(scope, key),
        Content::Media { .. } if !scope.is_edit() && files::sent(scope)? => return Ok(()),
        Content::Contacts { contacts } if identity::is_own(last, contacts) => return identity::introduced(scope),
        Content::Notice { kind, .. } => {
            consent::noticed(scope, kind);
            return Ok(());
        }
        content if content.is_silent() => return Ok(()),
        _ => {}
    }
    match text_of(scope.input) {
        Some(text) => reply::text(scope, &text),
        None => {
            small::unreadable(scope, &last.content);
            Ok(())
        }
    }
}

/// Forgets what no longer counts. A question for a yes stays: a late yes gets it again.
fn expire(scope: &mut Scope<'_>) {
    if scope.state.last.as_ref().is_some_and(|last| scope.is_older(last.at, OPEN_S)) {
        scope.state.last = None;
    }
    if scope.is_older(scope.state.offered_at, OPEN_S) {
        scope.state.offers.clear();
    }
    if scope.state.sent.as_ref().is_some_and(|sent| scope.is_older(sent.at, OPEN_S)) {
        scope.state.sent = None;
    }
    let old = |open: &state::Open| {
        let most = if matches!(open.kind, state::Ask::Confirm { .. }) { 12 * OPEN_S } else { OPEN_S };
        scope.is_older(scope.shown_at(open), most)
    };
    if scope.state.open.as_ref().is_some_and(old) {
        scope.state.open = None;
    }
}

/// Keeps question and answer for "wrong".
fn note_told(scope: &mut Scope<'_>) {
    if scope.trace.calls.is_empty() && scope.trace.candidates.is_empty() {
        return;
    }
    let (Some(question), Some(reply)) =
        (text_of(scope.input).or_else(|| chosen_title(scope.input)), scope.replies.last())
    else {
        return;
    };
    let short = |text: &str| text.chars().take(500).collect::<String>();
    scope.state.told = Some(Told {
        question: short(&question),
        answer: short(&reply.text),
        calls: scope.trace.calls.iter().map(|call| format!("{} {}", call.operation_id, call.end)).take(10).collect(),
        candidates: scope.trace.candidates.iter().map(|c| c.operation_id.clone()).take(5).collect(),
    });
}

fn chosen_title(input: &Input) -> Option<String> {
    match &input.messages.last()?.content {
        Content::Choice { title, .. } => Some(title.clone()),
        _ => None,
    }
}

/// What a dead letter says, in the person's language: it went wrong on our side, please try again.
pub fn apology(state: &State, settings: &Settings) -> Reply {
    let lang = known_languages(settings);
    let lang = state.language.filter(|known| lang.contains(known)).unwrap_or(lang[0]);
    Reply { text: texts::say(lang, "sorry", &[]), ..Reply::default() }
}

/// What is said where an effect may have happened and nobody knows: never "please try again".
pub fn unknown_effect(state: &State, settings: &Settings, document: &str) -> Reply {
    let known = known_languages(settings);
    let lang = state.language.filter(|lang| known.contains(lang)).unwrap_or(known[0]);
    let title = settings.documents.iter().find(|info| info.id == document).map(|info| info.title.trim().to_owned());
    let system =
        title.filter(|title| !title.is_empty()).unwrap_or_else(|| capital(&texts::say(lang, "the-system", &[])));
    Reply { text: texts::say(lang, "unknown-unchecked", &[("system", &system)]), ..Reply::default() }
}

/// The end of a turn that can't go on: what was open and offered no longer counts, and nobody is told to try again
/// where an effect may have happened.
fn broken(scope: &Scope<'_>, history: &[Outcome]) -> Answer {
    let input = scope.input;
    let mut state = input.state.clone();
    if let Some(Content::Alarm { key }) = input.messages.last().map(|last| &last.content) {
        // Nobody said anything: what is open and offered stays.
        let told = later::give_up(&mut state, &input.settings, key, may_have_acted(scope, history));
        let alarms_off = vec![key.clone()];
        return Answer {
            replies: told.into_iter().collect(),
            question: state.open.is_some(),
            state,
            alarms_off,
            ..Answer::default()
        };
    }
    let open = state.open.take();
    state.offers.clear();
    state.language = Some(scope.lang);
    let confirmed = open.filter(|open| matches!(open.kind, state::Ask::Confirm { .. })).and_then(|open| open.task);
    let reply = match confirmed.as_ref().and_then(|task| task.frames.first()) {
        Some(frame) if may_have_acted(scope, history) => {
            let document = frame.operation_id.split('/').next().unwrap_or_default();
            unknown_effect(&state, &input.settings, document)
        }
        Some(_) | None => apology(&state, &input.settings),
    };
    Answer { replies: vec![reply], state, ..Answer::default() }
}

/// True when a call of this turn may have changed something: it is no look-up, and it was not surely refused.
///
/// Calls that this run did not come to were made by a release that decided otherwise: any of them may be the effect.
fn may_have_acted(scope: &Scope<'_>, history: &[Outcome]) -> bool {
    let mut purposes = scope.trace.calls.iter().map(|call| call.purpose);
    let calls = history.iter().filter_map(|outcome| match outcome {
        Outcome::Call(outcome) => Some(outcome),
        Outcome::Search(_) | Outcome::Operations(_) | Outcome::Chat(_) | Outcome::File(_) => None,
    });
    calls.into_iter().any(|outcome| {
        let purpose = purposes.next();
        let refused = match outcome {
            CallOutcome::Answered { status, .. } => matches!(status, 400..=407 | 409..=499),
            CallOutcome::Away { .. } | CallOutcome::NoCredentials { .. } => true,
            CallOutcome::Unknown { .. } => false,
        };
        !refused && purpose.is_none_or(|purpose| purpose == Purpose::Act)
    })
}
