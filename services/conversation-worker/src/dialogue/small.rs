//! Small talk: greeting, help, nothing near, a person, wrong, kinds of messages that can't be read.

use domain::Content;
use openapi::Risk;
use serde_json::json;

use super::{
    ask, files, identity, schema,
    scope::{Scope, Step},
    state::{Ask, Does, Offer},
};
use crate::{language::format::small, turn::Suggestion};

/// What to offer: configured, else what was used last, else what people begin with.
fn suggestions(scope: &mut Scope<'_>) -> Step<Vec<Suggestion>> {
    let mut found: Vec<Suggestion> = Vec::new();
    for id in scope.input.settings.suggestions.iter().take(4) {
        if let Some(operation) = scope.operation(id, "")?.filter(|operation| files::callable(scope, operation)) {
            found.push(Suggestion { operation_id: id.clone(), title: schema::operation_title(&operation) });
        }
    }
    for recent in scope.state.recent.clone() {
        if found.len() < 3 && !found.iter().any(|known| known.operation_id == recent.operation_id) {
            found.push(recent);
        }
    }
    if found.len() < 3 {
        for usual in usual(scope)? {
            if found.len() < 3 && !found.iter().any(|known| known.operation_id == usual.operation_id) {
                found.push(usual);
            }
        }
    }
    found.truncate(4);
    Ok(found)
}

/// Two look-ups that need no id first, and one thing to do, of what people begin with.
fn usual(scope: &mut Scope<'_>) -> Step<Vec<Suggestion>> {
    let hits = scope.usual()?;
    let known: Vec<&String> = scope
        .input
        .settings
        .documents
        .iter()
        .filter_map(|document| document.identity.as_ref())
        .flat_map(|lookup| lookup.answer.keys())
        .collect();
    let mut ranked: Vec<(bool, Suggestion)> = Vec::new();
    for hit in hits.into_iter().filter(|hit| hit.not_callable.is_none()).take(12) {
        let Some(operation) = scope.operation(&hit.operation_id, &hit.content_hash)? else { continue };
        if operation.method == "DELETE" || !files::callable(scope, &operation) {
            continue;
        }
        // A look-up that needs an id first is no good beginning.
        let needs_id = operation
            .needs
            .iter()
            .any(|need| operation.field(&need.field).is_some_and(|f| f.required && !known.contains(&&f.name)));
        let effect = operation.risk != Risk::Safe;
        if effect || !needs_id {
            ranked.push((
                effect,
                Suggestion { operation_id: hit.operation_id, title: schema::operation_title(&operation) },
            ));
        }
    }
    let looks = ranked.iter().filter(|(effect, ..)| !effect).take(2);
    let acts = ranked.iter().filter(|(effect, ..)| *effect).take(1);
    Ok(looks.chain(acts).map(|(.., suggestion)| suggestion.clone()).collect())
}

/// "free rooms, my stays, report a fault": titles in a sentence.
fn listed(list: &[Suggestion]) -> String {
    list.iter().map(|s| small(s.title.trim_end_matches('.'))).collect::<Vec<_>>().join(", ")
}

fn starters(scope: &mut Scope<'_>, list: &[Suggestion], most: usize) -> Vec<Offer> {
    list.iter()
        .take(most)
        .map(|suggestion| {
            let does = Does::Start { operation_id: suggestion.operation_id.clone(), sentence: String::new() };
            scope.offer(suggestion.title.clone(), does, "")
        })
        .collect()
}

/// Greets by name and offers what is used most.
pub fn greet(scope: &mut Scope<'_>) -> Step<()> {
    let list = suggestions(scope)?;
    let hello = match identity::first_name(scope) {
        Some(name) => scope.text("hello-name", &[("name", &name)]),
        None => scope.text("hello", &[]),
    };
    let can = if list.is_empty() {
        scope.text("can-do-plain", &[])
    } else {
        scope.text("can-do", &[("list", &listed(&list))])
    };
    let mut offers = starters(scope, &list, 2);
    offers.push(scope.button("button-help", Does::Help));
    scope.keep_offers(&offers);
    scope.say_with(format!("{hello} {can}"), offers);
    Ok(())
}

/// What can be done; an open question stays open and is shown again by the caller.
pub fn help(scope: &mut Scope<'_>, with_offers: bool) -> Step<()> {
    let list = suggestions(scope)?;
    let text =
        if list.is_empty() { scope.text("help-plain", &[]) } else { scope.text("help", &[("list", &listed(&list))]) };
    let offers = if with_offers { starters(scope, &list, 3) } else { Vec::new() };
    if with_offers {
        scope.keep_offers(&offers);
    }
    scope.say_with(text, offers);
    Ok(())
}

/// Nothing near: says so and offers help.
pub fn nothing_near(scope: &mut Scope<'_>) -> Step<()> {
    let list = suggestions(scope)?;
    let text = if list.is_empty() {
        scope.text("nothing-near-plain", &[])
    } else {
        scope.text("nothing-near", &[("list", &listed(&list))])
    };
    let mut offers = starters(scope, &list, 2);
    offers.push(scope.button("button-person", Does::Person));
    scope.keep_offers(&offers);
    scope.say_with(text, offers);
    Ok(())
}

/// A wish for a human: noted.
pub fn person(scope: &mut Scope<'_>) {
    let told = scope.state.told.clone().unwrap_or_default();
    scope.trace.report = Some(json!({"kind": "person", "question": told.question, "answer": told.answer}));
    let text = scope.text("person", &[]);
    scope.say(text);
}

/// "Wrong": asks what was not right.
pub fn wrong(scope: &mut Scope<'_>) {
    let choice = |what: &str| Does::Wrong { what: what.to_owned() };
    let offers = vec![
        scope.button("button-wrong-item", choice("item")),
        scope.button("button-wrong-detail", choice("detail")),
        scope.button("button-something-else", choice("other")),
    ];
    let text = scope.text("wrong-ask", &[]);
    ask::open(scope, Ask::Wrong, None, text, offers);
}

/// Thanks for what was said about a wrong answer, and keeps it as a report.
pub fn wrong_noted(scope: &mut Scope<'_>, what: &str, words: &str) {
    let told = scope.state.told.clone().unwrap_or_default();
    scope.trace.report = Some(json!({
        "kind": "wrong",
        "category": match what {
            "item" => "wrong_tool",
            "detail" => "wrong_data",
            _ => "other",
        },
        "words": words,
        "question": told.question,
        "answer": told.answer,
        "calls": told.calls,
        "candidates": told.candidates,
    }));
    let offers = vec![scope.button("button-yes", Does::Yes), scope.button("button-no", Does::No)];
    let text = scope.text("wrong-thanks", &[]);
    ask::open(scope, Ask::Person, None, text, offers);
}

/// A message of a kind that can't be read yet.
pub fn unreadable(scope: &mut Scope<'_>, content: &Content) {
    let key = match content {
        Content::Media { media, .. } => match media.as_str() {
            "audio" | "voice" => "kind-voice",
            "image" | "video" | "sticker" => "kind-picture",
            _ => "kind-file",
        },
        Content::Location { .. } => "kind-place",
        _ => "kind-other",
    };
    let text = scope.text(key, &[]);
    scope.say(text);
}
