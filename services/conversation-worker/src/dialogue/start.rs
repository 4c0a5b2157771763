//! A new wish: what it may mean, and what it refers to.

use openapi::Risk;

use super::{
    answer, ask,
    fill::{self, Sentence},
    free::{self, Came},
    hints::told,
    rows,
    scope::{Scope, Step},
    small,
    state::{Ask, Does, Task},
    steps,
    words::{left_over, naming, pronoun},
};
use crate::{
    language::{choose::is_filler, ordinal, token::Kind, tokens, verbs::inquires},
    turn::{Hit, SearchAnswer, Suggestion},
};

/// From this probability on an operation is meant.
const SURE: f64 = 0.75;
/// Or from this one on, when the next is far below.
const CLEAR: f64 = 0.5;
/// How far below that is.
const MARGIN: f64 = 0.25;
/// Or from this one on, when it has no rival and its effect is asked about anyway: the echo is the better question.
const ALONE: f64 = 0.35;
/// Share of the first that a rival has.
const RIVAL: f64 = 0.25;
/// Below this one nothing is near.
const NEAR: f64 = 0.2;

/// What a sentence may mean, best first.
pub struct Meaning {
    /// Sure enough to go on with.
    pub sure: Option<Hit>,
    /// All that was found.
    pub hits: Vec<Hit>,
    /// Worth asking about, at most 3.
    pub possible: Vec<Hit>,
    /// All others, for buttons below the answer.
    pub others: Vec<Suggestion>,
    /// Meant if the words without which it was found name something that it takes.
    pub named: Option<(Hit, Vec<String>)>,
}

/// Searches for what a sentence means: of what is told word for word ("add a note: ..") only if the rest means nothing.
pub fn meaning(scope: &mut Scope<'_>, sentence: &str) -> Step<Meaning> {
    if let Some(before) = told(sentence).map(|start| &sentence[..start]).filter(|before| left_over(before, &[]) > 0) {
        let found = meaning_of(scope, before)?;
        if found.sure.is_some() {
            return Ok(found);
        }
    }
    meaning_of(scope, sentence)
}

fn meaning_of(scope: &mut Scope<'_>, sentence: &str) -> Step<Meaning> {
    let mut text = sentence.to_owned();
    if pronoun(sentence)
        && let Some(resource) = scope.state.last.as_ref().and_then(|last| last.produces.first())
    {
        text.push(' ');
        text.push_str(resource);
    }
    let mut found = scope.search(&text, 10, Vec::new())?;
    if let Some(line) = free::english(scope, &text, found.coverage)? {
        let other = scope.search(&line, 10, Vec::new())?;
        let first = |answer: &SearchAnswer| answer.hits.first().map_or(0.0, |hit| hit.probability);
        if first(&other) > first(&found) {
            found = other;
        }
    }
    if scope.trace.candidates.is_empty() {
        scope.trace_hits(&found.hits);
    }
    let own: Vec<&Hit> = found.hits.iter().filter(|hit| !hit.producer).collect();
    let ranked: Vec<&Hit> = if own.is_empty() { found.hits.iter().collect() } else { own };
    if inquires(sentence) && ranked.first().is_some_and(|hit| hit.risk != Risk::Safe && hit.probability >= NEAR) {
        return Ok(looking_up(found));
    }
    let first = ranked.first().map_or(0.0, |hit| hit.probability);
    let second = ranked.get(1).map_or(0.0, |hit| hit.probability);
    let effect = ranked.first().is_some_and(|hit| hit.risk != Risk::Safe && hit.not_callable.is_none());
    let alone = effect && first >= ALONE && second < first * RIVAL;
    let sure = first >= SURE || (first >= CLEAR && first - second >= MARGIN) || alone;
    let possible = ranked
        .iter()
        .filter(|hit| first >= NEAR && hit.not_callable.is_none() && hit.probability >= first * RIVAL)
        .take(3)
        .map(|hit| (*hit).clone())
        .collect();
    let others = found
        .hits
        .iter()
        .take(8)
        .map(|hit| Suggestion { operation_id: hit.operation_id.clone(), title: hit.title.clone() })
        .collect();
    let sure = ranked.first().filter(|_| sure).map(|hit| (*hit).clone());
    if !found.left_out.is_empty() {
        let named = sure.map(|hit| (hit, found.left_out));
        return Ok(Meaning { sure: None, possible: Vec::new(), others, hits: found.hits, named });
    }
    Ok(Meaning { sure, possible, others, hits: found.hits, named: None })
}

/// "Where is the blue one?" near to an effect: who wants to know something never means that. The look-ups among what
/// was found may be meant.
fn looking_up(found: SearchAnswer) -> Meaning {
    let look_ups = found.hits.iter().filter(|hit| hit.risk == Risk::Safe && hit.not_callable.is_none());
    let possible = look_ups.take(3).cloned().collect();
    Meaning { sure: None, possible, others: Vec::new(), hits: found.hits, named: None }
}

/// Answers a sentence that belongs to no open question.
pub fn wish(scope: &mut Scope<'_>, sentence: &str) -> Step<()> {
    if refers(scope, sentence)? {
        return Ok(());
    }
    let found = meaning(scope, sentence)?;
    if let Came::Said = free::wish(scope, sentence, &found.hits, &found.others)? {
        return Ok(());
    }
    follow(scope, sentence, found)
}

/// Goes on with what a sentence means, asks which it is, or says that nothing is near.
pub fn follow(scope: &mut Scope<'_>, sentence: &str, found: Meaning) -> Step<()> {
    if let Some(hit) = found.sure {
        return steps::begin(scope, &hit.operation_id, &hit.content_hash, sentence, found.others);
    }
    if let Some((hit, names)) = found.named {
        let task = Task { sentence: sentence.to_owned(), others: found.others, names, ..Task::default() };
        return steps::begin_task(scope, &hit.operation_id, &hit.content_hash, task);
    }
    if found.possible.is_empty() {
        return small::nothing_near(scope);
    }
    let offers = found
        .possible
        .into_iter()
        .map(|hit| {
            let does = Does::Start { operation_id: hit.operation_id, sentence: sentence.to_owned() };
            scope.offer(hit.title, does, "")
        })
        .collect();
    let text = scope.text("not-sure", &[]);
    let task = Task { sentence: sentence.to_owned(), others: found.others, ..Task::default() };
    ask::open(scope, Ask::Meaning, Some(task), text, offers);
    Ok(())
}

/// True when the sentence only points into the last result, and was answered from it.
fn refers(scope: &mut Scope<'_>, sentence: &str) -> Step<bool> {
    let Some(last) = scope.state.last.clone() else { return Ok(false) };
    if let Some(at) = ordinal::ordinal(sentence).and_then(|n| ordinal::place(n, last.rows.len())) {
        return answer::row(scope, at);
    }
    let Some(operation) = scope.operation_of(&last.frame)? else { return Ok(false) };
    // "And the day after": the same again with other values.
    if operation.risk == Risk::Safe {
        let said = Sentence::new(sentence, &scope.place, last.day);
        let mut frame = last.frame.clone();
        let filled = fill::fill(&operation, &mut frame, &said, &scope.place, true);
        if !filled.changed.is_empty() && left_over(sentence, &filled.used) == 0 {
            scope.trace.chosen = Some(operation.id.clone());
            let others = scope
                .state
                .offers
                .iter()
                .filter_map(|offer| match &offer.does {
                    Does::Start { operation_id, .. } => {
                        Some(Suggestion { operation_id: operation_id.clone(), title: offer.title.clone() })
                    }
                    _ => None,
                })
                .collect();
            let task = Task { frames: vec![frame], sentence: sentence.to_owned(), others, ..Task::default() };
            steps::advance(scope, task)?;
            return Ok(true);
        }
        if let Some((key, bad)) = filled.bad.filter(|_| left_over(sentence, &filled.used) == 0) {
            let task = Task { frames: vec![frame], sentence: sentence.to_owned(), ..Task::default() };
            ask::bad_date(scope, task, &key, bad);
            return Ok(true);
        }
    }
    // "The caddy": a row by its words, when they say nothing else; "book the caddy tomorrow" is a wish.
    let names = naming(sentence);
    let said_all = tokens(sentence)
        .iter()
        .all(|token| token.kind == Kind::Mark || is_filler(&token.text) || names.contains(&token.text));
    if last.list && said_all && !names.is_empty() && names.len() <= 4 {
        let pick: Vec<_> = last
            .rows
            .iter()
            .map(|row| super::state::Row {
                id: serde_json::Value::Null,
                label: String::new(),
                words: rows::words_of(row),
            })
            .collect();
        if let [only] = rows::fitting(&pick, &names).as_slice() {
            let all =
                names.iter().all(|name| !rows::fitting(&pick[*only..=*only], std::slice::from_ref(name)).is_empty());
            if all {
                return answer::row(scope, *only);
            }
        }
    }
    Ok(false)
}
