//! Opting out of messages that nobody asked for, and in again: by words, and by what platforms tell.

use store::{OptChange, Scope as Kind};

use super::scope::Scope;

/// How an opt-out by words is kept.
const BY_WORD: &str = "word";

/// The person wants no more: they are told how to come back.
pub fn stop(scope: &mut Scope<'_>, kind: Kind) {
    scope.state.stopped = true;
    scope.state.offers.clear();
    scope.opt_outs.push(OptChange { scope: kind, out: true, how: BY_WORD.to_owned() });
    let text = scope.text("opted-out", &[]);
    scope.say(text);
}

/// The person wants them again. Whether they ever wanted none is written where this conversation's state cannot lose it,
/// so that is changed in any case; true when they know of it and were told.
pub fn start(scope: &mut Scope<'_>) -> bool {
    for kind in [Kind::All, Kind::Marketing] {
        scope.opt_outs.push(OptChange { scope: kind, out: false, how: BY_WORD.to_owned() });
    }
    let known = std::mem::take(&mut scope.state.stopped);
    if known {
        let text = scope.text("opted-in", &[]);
        scope.say(text);
    }
    known
}

/// What a platform tells about the person; nothing is said.
pub fn noticed(scope: &mut Scope<'_>, kind: &str) {
    let (about, word) = match kind.rsplit_once('.') {
        Some((about, word)) => (about, word.to_ascii_lowercase()),
        None => return,
    };
    let (kind_of, out) = match (about, word.as_str()) {
        ("notifications", "stop") => (Kind::All, true),
        ("notifications", "resume" | "start") => (Kind::All, false),
        ("marketing_messages", "stop") => (Kind::Marketing, true),
        ("marketing_messages", "resume" | "start") => (Kind::Marketing, false),
        ("my_chat_member", "kicked" | "left") => (Kind::Blocked, true),
        ("my_chat_member", "member" | "administrator") => (Kind::Blocked, false),
        _ => return,
    };
    match (kind_of, out) {
        (Kind::Blocked, _) => {}
        (_, true) => scope.state.stopped = true,
        (Kind::All, false) => scope.state.stopped = false,
        (Kind::Marketing, false) => {}
    }
    scope.opt_outs.push(OptChange { scope: kind_of, out, how: kind.to_owned() });
}
