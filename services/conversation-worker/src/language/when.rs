//! Days and times of a whole sentence: "tomorrow 9-12", "od 9 do 12", "yes, but until 1".

mod clock;

use clock::{at_hour, clock, counts, explicit};
use jiff::civil::{Date, Time};

use super::{
    Token,
    choose::is_filler,
    dates::{Atom, BadDate, atom, is_morning, names_day, part_in},
    token::Kind,
};

/// A time of day as somebody said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Clock {
    /// 0 to 24.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// May as well mean the afternoon.
    pub vague: bool,
}

/// Days and times of a sentence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// First day.
    pub first: Option<Date>,
    /// Last day, where days of a span or an end were named.
    pub last: Option<Date>,
    /// Begin.
    pub start: Option<Clock>,
    /// End.
    pub end: Option<Clock>,
    /// A day that does not exist.
    pub bad: Option<BadDate>,
    /// Tokens taken, by place.
    pub used: Vec<bool>,
}

impl When {
    /// Nothing of time was said.
    pub fn is_empty(&self) -> bool {
        self.first.is_none() && self.last.is_none() && self.start.is_none() && self.end.is_none() && self.bad.is_none()
    }
}

/// What is said of days and times; `base` is the day that "the day after" counts from.
pub fn when(words: &[Token], today: Date, base: Option<Date>) -> When {
    let mut found = When { used: vec![false; words.len()], ..When::default() };
    days(words, today, base, &mut found);
    times(words, &mut found);
    found
}

const TO: &[&str] = &["to", "until", "till", "do", "through", "and", "i", "bis", "und", "a", "al", "hasta", "y"];
const UNTIL: &[&str] = &["until", "till", "do", "til", "bis", "hasta"];
const FROM: &[&str] =
    &["from", "od", "between", "izmedu", "since", "von", "vom", "ab", "zwischen", "de", "desde", "entre"];
/// Articles and the like between such a word and its day.
const ARTICLES: &[&str] = &["the", "zum", "zur", "den", "dem", "el", "la", "los", "nachsten", "naechsten"];

fn days(words: &[Token], today: Date, base: Option<Date>, found: &mut When) {
    let mut at = 0;
    let mut end_of_first = None;
    while at < words.len() {
        let Some((atom, len)) = atom(words, at, today, base) else {
            at += 1;
            continue;
        };
        let lead = (0..at).rev().find(|before| !words[*before].one_of(ARTICLES));
        let until = lead.is_some_and(|before| words[before].one_of(UNTIL));
        let connected = end_of_first == Some(at.wrapping_sub(1))
            && (words[at - 1].one_of(TO) || words[at - 1].is("-") || words[at - 1].is("–"));
        let (first, last) = match atom {
            Atom::Day(day) => (day, None),
            Atom::Days(first, last) => (first, Some(last)),
            Atom::Bad(bad) => {
                found.bad.get_or_insert(bad);
                mark(found, at, len);
                at += len;
                continue;
            }
        };
        // A later mention after a weekday names the same day: "Sunday, 22 November".
        match (found.first, connected) {
            (Some(_), true) => found.last = Some(last.unwrap_or(first)),
            (Some(_), false) if until => found.last = Some(last.unwrap_or(first)),
            (None, _) if until && found.last.is_none() => found.last = Some(last.unwrap_or(first)),
            (None, _) => {
                found.first = Some(first);
                if last.is_some() {
                    found.last = last;
                }
            }
            (Some(_), false) => {
                // "Sunday, the 22nd", "Freitag, den 4.12."
                let beside =
                    |t: &Token| t.is(",") || t.is("(") || t.one_of(&["the", "den", "dem", "der", "el", "dana"]);
                if end_of_first.is_some_and(|end| at <= end + 1 || words[end..at].iter().all(beside)) {
                    found.first = Some(first);
                }
            }
        }
        mark(found, at, len);
        if at > 0
            && words[at - 1].one_of(&[
                "on", "u", "until", "till", "do", "from", "od", "for", "za", "since", "the", "to", "dana", "and", "i",
                "in", "am", "bis", "von", "vom", "ab", "fur", "fuer", "den", "dem", "zum", "im", "und", "el", "al",
                "del", "de", "desde", "hasta", "para", "en", "a", "y", "los",
            ])
        {
            found.used[at - 1] = true;
        }
        at += len;
        end_of_first = Some(at);
        if words.get(at).is_some_and(|t| t.is(",") || t.is("(")) {
            end_of_first = Some(at);
        }
    }
    if let (Some(first), Some(last)) = (found.first, found.last)
        && last < first
    {
        // "from Friday to Monday": the Monday after.
        let weeks = jiff::ToSpan::days(7);
        let later = last.saturating_add(weeks);
        found.last = (later >= first).then_some(later);
    }
}

fn mark(found: &mut When, at: usize, len: usize) {
    for used in found.used.iter_mut().skip(at).take(len) {
        *used = true;
    }
}

fn times(words: &[Token], found: &mut When) {
    let mut at = 0;
    while at < words.len() {
        if found.used[at] {
            at += 1;
            continue;
        }
        // A span: "9-12", "from 9 to 12", "od 9:30 do 12".
        if found.start.is_none()
            && let Some((start, len)) = clock(words, at, &found.used)
        {
            let led = at > 0 && words[at - 1].one_of(FROM);
            let link = at + len;
            let joined = words.get(link).is_some_and(|t| {
                t.is("-") || t.is("–") || (t.one_of(TO) && (led || !t.one_of(&["and", "i", "und", "y"])))
            });
            if joined
                && let Some((end, end_len)) = clock(words, link + 1, &found.used)
                && (led || !measured(words, link + 1 + end_len) || at_hour(words, link + 1))
            {
                found.start = Some(start);
                found.end = Some(end);
                let from = at - usize::from(led);
                mark(found, from, link + 1 + end_len - from);
                at = link + 1 + end_len;
                continue;
            }
        }
        let lead = &words[at];
        // "bis spätestens 18 Uhr", "antes de las 18".
        let by = lead.one_of(UNTIL)
            && words.get(at + 1).is_some_and(|t| t.one_of(&["spatestens", "spaetestens", "etwa"]))
            || lead.word("antes") && words.get(at + 1).is_some_and(|t| t.word("de"));
        if let Some((time, len)) = clock(words, at + 2, &found.used).filter(|_| by && found.end.is_none()) {
            found.end = Some(time);
            mark(found, at, len + 2);
            at += len + 2;
            continue;
        }
        if let Some((time, len)) = clock(words, at + 1, &found.used) {
            let hour = at_hour(words, at + 1);
            let free = hour || !measured(words, at + 1 + len);
            if lead.one_of(UNTIL) && free && found.end.is_none() {
                found.end = Some(time);
                mark(found, at, len + 1);
                at += len + 1;
                continue;
            }
            // "from Friday at 2 until Monday at 9": the second time is the end.
            let second = found.last.is_some() && found.start.is_some() && found.end.is_none();
            if second && free && (lead.one_of(&["at", "u"]) || hour) {
                found.end = Some(time);
                mark(found, at, len + 1);
                at += len + 1;
                continue;
            }
            let spans = lead.one_of(FROM) && clock(words, at + 2 + len, &found.used).is_some();
            let begins = lead.one_of(&["at", "u", "from", "od", "@", "around", "oko", "ab", "von", "gegen", "desde"])
                || (hour && lead.one_of(&["a", "sobre", "hacia", "de", "para", "ab", "so"]));
            if !spans && begins && free && found.start.is_none() {
                found.start = Some(time);
                mark(found, at, len + 1);
                at += len + 1;
                continue;
            }
        }
        if (found.start.is_none() || (found.last.is_some() && found.end.is_none()))
            && let Some((time, len)) = clock(words, at, &found.used).filter(|(_, len)| explicit(words, at, *len))
            && !counts(words, at + len)
        {
            match found.start {
                None => found.start = Some(time),
                Some(_) => found.end = Some(time),
            }
            mark(found, at, len);
            at += len;
            continue;
        }
        at += 1;
    }
    part_of_day(words, found);
    afternoon(found);
}

/// True when the number before `at` counts something ("9 pages"), so it is no time.
fn measured(words: &[Token], at: usize) -> bool {
    words.get(at).is_some_and(|t| {
        t.kind == Kind::Digits && !t.glued
            || (t.kind == Kind::Word
                && !is_filler(&t.text)
                && !is_part_of_day(words, at)
                && super::dates::atom(words, at, Date::constant(2000, 1, 1), None).is_none())
            || matches!(t.text.as_str(), "€" | "$" | "%")
    })
}

fn is_part_of_day(words: &[Token], at: usize) -> bool {
    part(words, at).is_some()
}

const PARTS: &[(&[&str], u8, u8)] = &[
    (&["morning", "ujutro", "jutro", "prijepodne", "vormittag", "vormittags", "morgens"], 8, 12),
    (&["afternoon", "popodne", "poslijepodne", "nachmittag", "nachmittags"], 12, 18),
    (&["evening", "tonight", "navecer", "vecer", "veceras", "uvecer", "abend", "abends"], 18, 22),
];

/// First and last hour of the part of a day that is named at `at`.
fn part(words: &[Token], at: usize) -> Option<(u8, u8)> {
    let word = words.get(at).filter(|t| t.kind == Kind::Word)?;
    let text = part_in(&word.text).unwrap_or(&word.text);
    if let Some((_, from, to)) = PARTS.iter().find(|(names, ..)| names.contains(&text)) {
        return Some((*from, *to));
    }
    let compound = text != word.text;
    let before = |options: &[&str]| at.checked_sub(1).is_some_and(|b| words[b].one_of(options));
    let on_day = || at.checked_sub(1).is_some_and(|b| names_day(words, b));
    let german = || before(&["heute", "morgen", "ubermorgen", "uebermorgen", "gestern"]) || on_day();
    let spanish = || before(&["la", "esta", "manana", "hoy", "ayer"]) || on_day();
    match text {
        "morgen" if compound || is_morning(words, at) => Some((8, 12)),
        "fruh" | "frueh" if compound || german() || before(&["der"]) => Some((8, 12)),
        "nacht" if compound || german() || before(&["der"]) => Some((20, 24)),
        "mittag" if compound => Some((12, 14)),
        "manana" if is_morning(words, at) => Some((8, 12)),
        "madrugada" if before(&["la", "esta"]) => Some((0, 6)),
        // "tarde" alone is "late".
        "tarde" if spanish() => Some((12, 18)),
        "noche" if spanish() => Some((18, 22)),
        _ => None,
    }
}

fn part_of_day(words: &[Token], found: &mut When) {
    let Some((at, (from, to))) = (0..words.len()).find_map(|at| part(words, at).map(|hours| (at, hours))) else {
        return;
    };
    // "Good morning" is a greeting.
    if at > 0 && words[at - 1].one_of(&["good", "dobro", "dobra", "guten", "schonen", "schoenen", "gute"]) {
        return;
    }
    found.used[at] = true;
    let mut before = at;
    while before > 0
        && at - before < 3
        && words[before - 1].one_of(&["in", "the", "u", "am", "der", "por", "de", "la", "en", "esta"])
    {
        before -= 1;
        found.used[before] = true;
    }
    if found.start.is_none() && found.end.is_none() {
        found.start = Some(Clock { hour: from, minute: 0, vague: false });
        found.end = Some(Clock { hour: to, minute: 0, vague: false });
    }
    for clock in [&mut found.start, &mut found.end].into_iter().flatten() {
        if clock.vague && from >= 12 && clock.hour < 12 {
            clock.hour += 12;
        }
        clock.vague = false;
    }
}

/// Vague hours become afternoon hours where that makes sense: "2-4", "9 until 1".
fn afternoon(found: &mut When) {
    if let Some(start) = &mut found.start
        && start.vague
        && start.hour <= 5
        && start.minute % 5 == 0
    {
        start.hour += 12;
        start.vague = false;
    }
    // From one day to another, the end may well be the earlier hour.
    let other_day = found.last.is_some() && found.last != found.first;
    if let (Some(start), Some(end)) = (found.start, &mut found.end)
        && !other_day
    {
        *end = after(*end, start.hour, start.minute);
    }
}

/// The end as a time after the begin, if the afternoon makes it so.
pub fn after(end: Clock, hour: u8, minute: u8) -> Clock {
    let later = end.vague && (end.hour, end.minute) <= (hour, minute) && (end.hour + 12, end.minute) > (hour, minute);
    if later { Clock { hour: end.hour + 12, minute: end.minute, vague: false } } else { end }
}

/// A day and a time in it; hour 24 is the next day's begin.
pub fn at(date: Date, clock: Clock) -> jiff::civil::DateTime {
    let day = if clock.hour >= 24 { date.saturating_add(jiff::ToSpan::days(1)) } else { date };
    let hour = i8::try_from(clock.hour % 24).unwrap_or(0);
    let minute = i8::try_from(clock.minute.min(59)).unwrap_or(0);
    day.to_datetime(Time::new(hour, minute, 0, 0).unwrap_or_else(|_| Time::midnight()))
}

#[cfg(test)]
mod tests;
