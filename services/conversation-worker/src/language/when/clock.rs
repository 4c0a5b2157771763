//! A time of day in a sentence: "9:30", "9am", "halb neun", "las nueve y media".

use super::Clock;
use crate::language::{Token, choose::is_filler, dates::names_day, numbers::numeral, token::Kind};

/// True for a time that is one without a word before it: "9:30", "9am", "9h", "noon", "9 Uhr", "halb neun".
pub fn explicit(words: &[Token], at: usize, len: usize) -> bool {
    const MARKS: &[&str] = &[
        "am",
        "pm",
        "h",
        "sati",
        "sata",
        "o'clock",
        "a",
        "p",
        "hrs",
        "uhr",
        "um",
        "halb",
        "viertel",
        "dreiviertel",
        "media",
        "cuarto",
        "menos",
        "tarde",
        "noche",
        "manana",
        "madrugada",
        "morgens",
        "vormittags",
        "mittags",
        "nachmittags",
        "abends",
        "nachts",
    ];
    NOON.contains(&words[at].text.as_str())
        || MIDNIGHT.contains(&words[at].text.as_str())
        || words[at..at + len].iter().any(|t| t.is(":") || t.one_of(MARKS))
        || (words[at].kind == Kind::Digits || numeral(&words[at].text).is_some())
            && words.get(at + 1).is_some_and(|t| t.one_of(&["vor", "nach"]))
}

/// True where "um" or "las" begins a time of day: what follows is no number of things.
pub fn at_hour(words: &[Token], at: usize) -> bool {
    words.get(at).is_some_and(|t| t.one_of(&["um", "las", "la"])) && !counts(words, at + 2)
}

/// True for a word of measure in German, where "um" also says by how much ("um 2 Tage verlängern").
pub fn counts(words: &[Token], at: usize) -> bool {
    words.get(at).is_some_and(|t| {
        crate::language::dates::is_unit(&t.text) && !t.one_of(&["tag", "dia"])
            || t.one_of(&["stunde", "stunden", "minute", "minuten", "seite", "seiten", "prozent", "euro", "km", "grad"])
    })
}

const NOON: &[&str] = &["noon", "podne", "midday", "mittag", "mittags", "mediodia"];
const MIDNIGHT: &[&str] = &["midnight", "ponoc", "ponoci", "mitternacht", "medianoche"];

/// A time of day at `at`, and how many tokens it takes.
pub fn clock(words: &[Token], at: usize, used: &[bool]) -> Option<(Clock, usize)> {
    let first = words.get(at)?;
    if used.get(at).copied().unwrap_or(true) {
        return None;
    }
    // "um 9", "las nueve": the word belongs to the time.
    let led = first.one_of(&["um", "las"]) || (first.word("la") && one(words, at + 1));
    if led {
        return clock(words, at + 1, used).filter(|_| !at_hour(words, at + 1)).map(|(time, len)| (time, len + 1));
    }
    let (time, len) = spoken(words, at).or_else(|| written(words, at, used))?;
    Some(half_of_day(words, at + len, time).map_or((time, len), |(time, more)| (time, len + more)))
}

/// "de la tarde", "nachmittags" behind an hour, and how many tokens that takes.
fn half_of_day(words: &[Token], at: usize, time: Clock) -> Option<(Clock, usize)> {
    let is = |offset: usize, options: &[&str]| words.get(at + offset).is_some_and(|t| t.one_of(options));
    let spanish = is(0, &["de", "por", "en"]) && is(1, &["la"]);
    let (part, len) = if spanish { (words.get(at + 2)?, 3) } else { (words.get(at)?, 1) };
    let late = match part.text.as_str() {
        "manana" | "madrugada" if spanish => false,
        "tarde" | "noche" if spanish => true,
        "morgens" | "vormittags" | "fruh" | "frueh" if !spanish => false,
        "mittags" | "nachmittags" | "abends" | "nachts" if !spanish => true,
        _ => return None,
    };
    let night = matches!(part.text.as_str(), "noche" | "nachts");
    let hour = match time.hour {
        // Midnight, and the hours after it.
        12 if night => 24,
        hour if part.word("nachts") && hour <= 5 => hour,
        hour if late && hour < 12 => hour + 12,
        hour => hour,
    };
    (hour < 24 || time.minute == 0).then_some((Clock { hour, minute: time.minute, vague: false }, len))
}

/// The hour one: "la una".
fn one(words: &[Token], at: usize) -> bool {
    words.get(at).is_some_and(|t| t.word("una") || t.number() == Some(1))
}

/// A number of at most two digits, or in German or Spanish words.
fn small_number(words: &[Token], at: usize) -> Option<u8> {
    let token = words.get(at)?;
    let number = match token.kind {
        Kind::Digits => token.number().filter(|_| token.text.len() <= 2),
        Kind::Word => numeral(&token.text),
        Kind::Mark => None,
    };
    number.and_then(|number| u8::try_from(number).ok())
}

/// Times as German and Spanish say them: "halb neun", "Viertel nach 9", "zehn vor halb neun", "neun Uhr dreißig",
/// "nueve y media", "diez menos cuarto". A number in words is an hour only behind a word that leads to one.
fn spoken(words: &[Token], at: usize) -> Option<(Clock, usize)> {
    let is = |at: usize, options: &[&str]| words.get(at).is_some_and(|t| t.one_of(options));
    let hour = |at: usize| small_number(words, at).filter(|hour| (1..=24).contains(hour));
    let half = |at: usize| if is(at, &["halb"]) { hour(at + 1) } else { None };
    if let Some(hour) = half(at) {
        return Some((before(hour, 30), 2));
    }
    if is(at, &["dreiviertel"]) {
        return hour(at + 1).map(|hour| (before(hour, 15), 2));
    }
    let minutes = if is(at, &["viertel"]) { Some(15) } else { small_number(words, at) }.filter(|m| *m < 60);
    if let Some(minutes) = minutes {
        let link = at + 1 + usize::from(is(at + 1, &["minuten", "min"]));
        let (later, earlier) = (is(link, &["nach"]), is(link, &["vor"]));
        if later || earlier {
            if let Some(hour) = half(link + 1).filter(|_| minutes < 30) {
                let to = if later { 30 - minutes } else { 30 + minutes };
                return Some((before(hour, to), link + 3 - at));
            }
            if let Some(hour) = hour(link + 1).filter(|hour| *hour < 24) {
                let time = if later { past(hour, minutes) } else { before(hour, minutes) };
                let uhr = usize::from(is(link + 2, &["uhr"]));
                return Some((time, link + 2 + uhr - at));
            }
        }
    }
    let start = hour(at)?;
    let in_words = words[at].kind == Kind::Word;
    // "neun Uhr dreißig", "9 Uhr 30".
    if is(at + 1, &["uhr"]) {
        let minutes = small_number(words, at + 2).filter(|m| *m < 60 && start < 24 && !is(at + 3, &["uhr"]));
        let counted =
            words.get(at + 3).is_some_and(|t| t.kind == Kind::Word && !is_filler(&t.text) && !names_day(words, at + 3));
        return match minutes.filter(|_| !counted) {
            Some(minutes) => Some((past(start, minutes), 3)),
            None => Some((past(start, 0), 2)),
        };
    }
    let lead = at.checked_sub(1)?;
    // "entre las nueve y las doce": there "y" joins two hours.
    let between =
        is(lead, &["entre"]) || (is(lead, &["las"]) && lead.checked_sub(1).is_some_and(|b| is(b, &["entre"])));
    if is(at + 1, &["y"]) && (in_words || is(at + 2, &["media", "cuarto"])) {
        let minutes = match () {
            () if is(at + 2, &["media"]) => Some(30),
            () if is(at + 2, &["cuarto"]) => Some(15),
            () if between => None,
            () => words.get(at + 2).filter(|t| t.kind == Kind::Word).and_then(|_| small_number(words, at + 2)),
        };
        if let Some(minutes) = minutes.filter(|m| *m < 60 && start < 24) {
            return Some((past(start, minutes), 3));
        }
    }
    if is(at + 1, &["menos"]) {
        let minutes = if is(at + 2, &["cuarto"]) { Some(15) } else { small_number(words, at + 2) };
        if let Some(minutes) = minutes.filter(|m| (1..60).contains(m)) {
            return Some((before(start, minutes), 3));
        }
    }
    let leads =
        ["um", "gegen", "ab", "bis", "von", "zwischen", "und", "las", "la", "de", "desde", "hasta", "entre", "a", "y"];
    (in_words && (is(lead, &leads) || words[lead].is("-"))).then(|| (past(start, 0), 1))
}

/// So many minutes past the hour.
fn past(hour: u8, minute: u8) -> Clock {
    Clock { hour, minute, vague: (1..=11).contains(&hour) }
}

/// So many minutes before the hour; before one it is after noon.
fn before(hour: u8, minutes: u8) -> Clock {
    let hour = match hour {
        1 => 12,
        hour => hour - 1,
    };
    past(hour, 60 - minutes)
}

/// Digits, noon and midnight.
fn written(words: &[Token], at: usize, used: &[bool]) -> Option<(Clock, usize)> {
    let first = words.get(at)?;
    if used.get(at).copied().unwrap_or(true) {
        return None;
    }
    if NOON.contains(&first.text.as_str()) {
        return Some((Clock { hour: 12, minute: 0, vague: false }, 1));
    }
    if MIDNIGHT.contains(&first.text.as_str()) {
        return Some((Clock { hour: 24, minute: 0, vague: false }, 1));
    }
    let hour = first.number().filter(|h| first.text.len() <= 2 && *h <= 24)?;
    if at > 0 && first.glued && (words[at - 1].kind == Kind::Word || words[at - 1].is("#") || words[at - 1].is("/")) {
        return None;
    }
    let mut hour = u8::try_from(hour).ok()?;
    let mut len = 1;
    let mut minute = 0;
    let separator = words.get(at + 1).filter(|t| t.glued && (t.is(":") || t.is(".")));
    if let (Some(separator), Some(minutes)) = (separator, words.get(at + 2).filter(|t| t.glued && t.text.len() == 2)) {
        match minutes.number().filter(|m| *m < 60).and_then(|m| u8::try_from(m).ok()) {
            Some(m) => {
                minute = m;
                len = 3;
            }
            None if separator.is(":") => return None,
            None => {}
        }
    }
    let mut vague = (1..=11).contains(&hour) && !(first.text.len() == 2 && first.text.starts_with('0'));
    match words.get(at + len).map(|t| t.text.as_str()) {
        Some("am") => {
            hour %= 12;
            vague = false;
            len += 1;
        }
        Some("pm") => {
            hour = hour % 12 + 12;
            vague = false;
            len += 1;
        }
        Some("h" | "sati" | "sata" | "o'clock" | "hrs" | "uhr") => len += 1,
        // "9 a.m.", "3 p. m."
        Some(half @ ("a" | "p")) if words.get(at + len + 1).is_some_and(|t| t.is(".") && t.glued) => {
            if words.get(at + len + 2).is_some_and(|t| t.word("m")) {
                hour = hour % 12 + if half == "p" { 12 } else { 0 };
                vague = false;
                len += 3 + usize::from(words.get(at + len + 3).is_some_and(|t| t.is(".") && t.glued));
            }
        }
        Some(_) | None => {}
    }
    (hour < 24 || minute == 0).then_some((Clock { hour, minute, vague }, len))
}
