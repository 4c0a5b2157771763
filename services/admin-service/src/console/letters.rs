//! Dead letters: grouped by their reason, opened, replayed and put away; one, those that are ticked, or all that
//! match, with the count and a question before.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    extract::RawPathParams,
    response::{IntoResponse as _, Redirect, Response},
};
use domain::ConversationId;
use serde_json::json;
use store::{
    StoreError,
    dead_letters::{DeadLetter, LetterFilter, LetterState},
};
use uuid::Uuid;

use super::{
    conversation,
    error::ConsoleError,
    frame::{self, Frame, Place},
    mask::Mask,
    posted::{Fields, Posted},
    query::{Query, link},
    room::Room,
    timeline::TurnView,
    times::{When, counted},
};
use crate::dead_letters::REASON_CHARS_MAX;

/// Rows of a page.
const ROWS: usize = 50;
/// Reasons shown.
const GROUPS: i64 = 50;
/// Most dead letters dealt with at once; the next click takes the next ones.
const AT_ONCE: usize = 500;
/// Most messages of one dead letter that are shown.
const MESSAGES_MAX: i64 = 20;

/// A dead letter in a list.
struct LetterRow {
    id: Uuid,
    path: String,
    conversation: ConversationId,
    conversation_path: String,
    reason: String,
    attempts: i32,
    unknown_effect: bool,
    messages: String,
    at: When,
    state: LetterState,
    outcome: Option<String>,
}

struct GroupRow {
    reason: String,
    count: i64,
    unknown_effects: i64,
    first: When,
    last: When,
    path: String,
    here: bool,
}

struct Tab {
    label: &'static str,
    path: String,
    here: bool,
}

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct ListPage {
    frame: Frame,
    tabs: Vec<Tab>,
    groups: Vec<GroupRow>,
    letters: Vec<LetterRow>,
    filter: LetterFilter,
    matching: i64,
    all_path: Option<String>,
    next: Option<String>,
}

#[derive(Template)]
#[template(path = "dead_letter.html")]
struct LetterPage {
    frame: Frame,
    letter: LetterRow,
    turns: Vec<TurnView>,
    back: String,
}

#[derive(Template)]
#[template(path = "dead_letters_confirm.html")]
struct ConfirmPage {
    frame: Frame,
    replay: bool,
    count: usize,
    is_more: bool,
    unknown_effects: usize,
    reasons: Vec<(String, i64)>,
    selection: Selection,
    back: String,
}

/// Which dead letters a deed is for.
struct Selection {
    ids: Vec<Uuid>,
    /// All that match the filter, instead of `ids`.
    all: bool,
    filter: LetterFilter,
}

impl Selection {
    fn of(fields: &Fields) -> Self {
        Self {
            ids: fields.all("id").filter_map(|id| id.parse().ok()).take(AT_ONCE).collect(),
            all: fields.get("all").is_some(),
            filter: filter(|name| fields.get(name)),
        }
    }

    /// The open letters that are meant, newest first, at most [`AT_ONCE`]; and whether there are more.
    async fn letters(&self, room: &Room) -> Result<(Vec<DeadLetter>, bool), StoreError> {
        let store = &room.console.store;
        let mut letters = if self.all {
            let limit = i64::try_from(AT_ONCE + 1).unwrap_or(i64::MAX);
            store.find_dead_letters(&room.tenant, &self.filter, None, limit).await?
        } else {
            let mut letters = Vec::new();
            for id in &self.ids {
                letters.extend(store.find_dead_letter(&room.tenant, *id).await?);
            }
            letters
        };
        letters.retain(|letter| state(letter) == LetterState::Open);
        let is_more = letters.len() > AT_ONCE;
        letters.truncate(AT_ONCE);
        Ok((letters, is_more))
    }
}

/// `GET /console/t/{tenant}/dead-letters`
pub async fn list(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let filter = filter(|name| query.get(name));
    let (store, now) = (&room.console.store, room.console.store.now().await?);
    let every_reason = LetterFilter { reason: None, until: None, ..filter.clone() };
    let groups = store.dead_letter_groups(&room.tenant, &every_reason, GROUPS).await?;
    let limit = i64::try_from(ROWS + 1).unwrap_or(i64::MAX);
    let mut letters = store.find_dead_letters(&room.tenant, &filter, query.parse("before"), limit).await?;
    let is_more = letters.len() > ROWS;
    letters.truncate(ROWS);
    let address = |state: LetterState, reason: Option<&str>, before: Option<&str>| {
        let conversation = filter.conversation.map(|id| id.to_string());
        let pairs = [
            ("state", Some(state.as_str()).filter(|_| state != LetterState::Open)),
            ("reason", reason),
            ("conversation", conversation.as_deref()),
            ("before", before),
        ];
        link(&room.path("/dead-letters"), &pairs)
    };
    let page = ListPage {
        tabs: LetterState::ALL
            .map(|state| Tab { label: word(state), path: address(state, None, None), here: state == filter.state })
            .into(),
        matching: store.count_dead_letters(&room.tenant, &filter).await?,
        all_path: filter.reason.as_ref().map(|_| address(filter.state, None, None)),
        next: letters
            .last()
            .filter(|_| is_more)
            .map(|last| address(filter.state, filter.reason.as_deref(), Some(&last.id.to_string()))),
        groups: groups
            .into_iter()
            .map(|group| GroupRow {
                path: address(filter.state, Some(&group.reason), None),
                here: filter.reason.as_ref() == Some(&group.reason),
                count: group.count,
                unknown_effects: group.unknown_effects,
                first: When::new(group.first_at, now),
                last: When::new(group.last_at, now),
                reason: group.reason,
            })
            .collect(),
        letters: letters.into_iter().map(|letter| row(&room, letter, now)).collect(),
        frame: room.frame(Place::DeadLetters, "Dead letters").await?,
        filter,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `GET /console/t/{tenant}/dead-letters/{id}`
pub async fn one(room: Room, path: RawPathParams) -> Result<Response, ConsoleError> {
    let id = path.iter().find(|(name, _)| *name == "id").and_then(|(_, id)| id.parse().ok());
    let id = id.ok_or(ConsoleError::NotFound)?;
    let store = &room.console.store;
    let letter = store.find_dead_letter(&room.tenant, id).await?.ok_or(ConsoleError::NotFound)?;
    let detail = json!({ "conversation": letter.conversation, "seq": letter.seq });
    room.record("dead_letter.look", id, detail).await?;
    let messages = (letter.last_seq - letter.seq + 1).clamp(1, MESSAGES_MAX);
    let before = Some(letter.last_seq.saturating_add(1));
    let turns = store.timeline(&room.tenant, letter.conversation, before, messages).await?;
    let names = store.names_in(&room.tenant, letter.conversation).await?;
    let mask = Mask::new(names.iter().map(String::as_str));
    let now = store.now().await?;
    let page = LetterPage {
        turns: turns.iter().rev().map(|turn| TurnView::new(turn, &mask, now)).collect(),
        letter: row(&room, letter, now),
        back: room.path("/dead-letters"),
        frame: room.frame(Place::DeadLetters, "Dead letter").await?,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `GET /console/t/{tenant}/dead-letters/confirm`: how many, and is it meant?
pub async fn confirm(room: Room, query: Query) -> Result<Response, ConsoleError> {
    let wanted = query.get("do").unwrap_or_default();
    let (replay, all) = match wanted {
        "replay" => (true, false),
        "replay-all" => (true, true),
        "discard" => (false, false),
        "discard-all" => (false, true),
        _ => return Err(ConsoleError::Bad("say what to do".to_owned())),
    };
    let mut selection = Selection {
        ids: query.all("id").filter_map(|id| id.parse().ok()).take(AT_ONCE).collect(),
        all,
        filter: filter(|name| query.get(name)),
    };
    let (letters, is_more) = selection.letters(&room).await?;
    // What comes after this page was shown is not meant by its yes.
    selection.filter.until = letters.first().map(|letter| letter.id);
    let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
    for letter in &letters {
        *reasons.entry(letter.reason.as_str()).or_default() += 1;
    }
    let page = ConfirmPage {
        frame: room
            .frame(Place::DeadLetters, if replay { "Replay dead letters" } else { "Discard dead letters" })
            .await?,
        replay,
        count: letters.len(),
        is_more,
        unknown_effects: letters.iter().filter(|letter| letter.unknown_effect).count(),
        reasons: reasons.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect(),
        back: back(&room, &selection.filter),
        selection,
    };
    Ok(frame::html(&page)?.into_response())
}

/// `POST /console/t/{tenant}/dead-letters/replay`
pub async fn replay(room: Room, Posted(fields): Posted) -> Result<Redirect, ConsoleError> {
    let selection = Selection::of(&fields);
    let accept = fields.get("accept_unknown_effects").is_some();
    let (letters, is_more) = selection.letters(&room).await?;
    let (mut replayed, mut skipped, mut late) = (0, 0, 0);
    for letter in &letters {
        match room.console.letters.replay(&room.tenant, letter.id, accept, &room.actor()).await {
            Ok(_) => replayed += 1,
            Err(StoreError::UnknownEffect) => skipped += 1,
            Err(StoreError::AlreadyReplayed | StoreError::NotFound(_)) => late += 1,
            Err(error) if replayed == 0 => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "not all dead letters could be replayed");
                late += 1;
            }
        }
    }
    let mut text = format!("Replayed {}.", counted(replayed, "dead letter"));
    if skipped > 0 {
        text += &format!(" {skipped} left: an effect may have happened, and repeating it was not accepted.");
    }
    finish(&room, &selection, text, late, is_more, replayed == 0)
}

/// `POST /console/t/{tenant}/dead-letters/discard`
pub async fn discard(room: Room, Posted(fields): Posted) -> Result<Redirect, ConsoleError> {
    let selection = Selection::of(&fields);
    let reason: String = fields.get("why").unwrap_or_default().trim().chars().take(REASON_CHARS_MAX).collect();
    if reason.is_empty() {
        return Err(ConsoleError::Bad("say why they are put away".to_owned()));
    }
    let (letters, is_more) = selection.letters(&room).await?;
    let (mut discarded, mut late) = (0, 0);
    for letter in &letters {
        match room.console.letters.discard(&room.tenant, letter.id, &reason, &room.actor()).await {
            Ok(true) => discarded += 1,
            Ok(false) | Err(StoreError::NotFound(_)) => late += 1,
            Err(error) if discarded == 0 => return Err(error.into()),
            Err(error) => {
                tracing::warn!(%error, "not all dead letters could be put away");
                late += 1;
            }
        }
    }
    let text = format!("Discarded {}.", counted(discarded, "dead letter"));
    finish(&room, &selection, text, late, is_more, discarded == 0)
}

fn finish(
    room: &Room,
    selection: &Selection,
    mut text: String,
    late: i64,
    is_more: bool,
    bad: bool,
) -> Result<Redirect, ConsoleError> {
    if late > 0 {
        text += &format!(" {late} could not be changed: somebody was first, or the database was away.");
    }
    if is_more {
        text += " There are more; repeat it for the next ones.";
    }
    room.console.sessions.tell(&room.session.id, text, bad);
    Ok(Redirect::to(&back(room, &selection.filter)))
}

fn back(room: &Room, filter: &LetterFilter) -> String {
    let conversation = filter.conversation.map(|id| id.to_string());
    link(
        &room.path("/dead-letters"),
        &[("reason", filter.reason.as_deref()), ("conversation", conversation.as_deref())],
    )
}

fn filter<'f>(get: impl Fn(&str) -> Option<&'f str>) -> LetterFilter {
    let given = |name| get(name).filter(|value| !value.is_empty());
    LetterFilter {
        state: given("state")
            .and_then(|word| LetterState::ALL.into_iter().find(|state| state.as_str() == word))
            .unwrap_or_default(),
        reason: given("reason").map(str::to_owned),
        conversation: given("conversation").and_then(|id| id.parse().ok()),
        until: given("until").and_then(|id| id.parse().ok()),
    }
}

fn state(letter: &DeadLetter) -> LetterState {
    match (&letter.discarded, letter.replayed_at) {
        (Some(_), _) => LetterState::Discarded,
        (None, Some(_)) => LetterState::Replayed,
        (None, None) => LetterState::Open,
    }
}

fn word(state: LetterState) -> &'static str {
    match state {
        LetterState::Open => "Open",
        LetterState::Replayed => "Replayed",
        LetterState::Discarded => "Discarded",
    }
}

fn row(room: &Room, letter: DeadLetter, now: domain::Micros) -> LetterRow {
    let outcome = match (&letter.discarded, letter.replayed_at) {
        (Some(discarded), _) => {
            Some(format!("Discarded {} by {}: {}", When::new(discarded.at, now).ago, discarded.by, discarded.reason))
        }
        (None, Some(at)) => {
            let seq = letter.replayed_seq.map_or_else(String::new, |seq| format!(" as message {seq}"));
            Some(format!("Replayed {}{seq}", When::new(at, now).ago))
        }
        (None, None) => None,
    };
    let messages = if letter.seq == letter.last_seq {
        format!("message {}", letter.seq)
    } else {
        format!("messages {} to {}", letter.seq, letter.last_seq)
    };
    LetterRow {
        id: letter.id,
        path: room.path(&format!("/dead-letters/{}", letter.id)),
        conversation: letter.conversation,
        conversation_path: conversation::address(room, letter.conversation, Some(letter.last_seq)),
        attempts: letter.attempts,
        unknown_effect: letter.unknown_effect,
        messages,
        at: When::new(letter.created_at, now),
        state: state(&letter),
        outcome,
        reason: letter.reason,
    }
}
