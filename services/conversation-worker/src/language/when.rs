//! Days and times of a whole sentence: "tomorrow 9-12", "od 9 do 12", "yes, but until 1".

use jiff::civil::{Date, Time};

use super::{
    Token,
    choose::is_filler,
    dates::{Atom, BadDate, atom},
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

const TO: &[&str] = &["to", "until", "till", "do", "through", "and", "i"];
const UNTIL: &[&str] = &["until", "till", "do", "til"];
const FROM: &[&str] = &["from", "od", "between", "izmedu", "since"];

fn days(words: &[Token], today: Date, base: Option<Date>, found: &mut When) {
    let mut at = 0;
    let mut end_of_first = None;
    while at < words.len() {
        let Some((atom, len)) = atom(words, at, today, base) else {
            at += 1;
            continue;
        };
        let until = at.checked_sub(1).is_some_and(|b| words[b].one_of(UNTIL));
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
                if end_of_first.is_some_and(|end| at <= end + 1) {
                    found.first = Some(first);
                }
            }
        }
        mark(found, at, len);
        if at > 0
            && words[at - 1].one_of(&[
                "on", "u", "until", "till", "do", "from", "od", "for", "za", "since", "the", "to", "dana", "and", "i",
                "in",
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
            let joined = words
                .get(link)
                .is_some_and(|t| t.is("-") || t.is("–") || (t.one_of(TO) && (led || !t.one_of(&["and", "i"]))));
            if joined
                && let Some((end, end_len)) = clock(words, link + 1, &found.used)
                && (led || !measured(words, link + 1 + end_len))
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
        if let Some((time, len)) = clock(words, at + 1, &found.used) {
            let free = !measured(words, at + 1 + len);
            if lead.one_of(UNTIL) && free && found.end.is_none() {
                found.end = Some(time);
                mark(found, at, len + 1);
                at += len + 1;
                continue;
            }
            let spans = lead.one_of(FROM) && clock(words, at + 2 + len, &found.used).is_some();
            if !spans && lead.one_of(&["at", "u", "from", "od", "@", "around", "oko"]) && free && found.start.is_none()
            {
                found.start = Some(time);
                mark(found, at, len + 1);
                at += len + 1;
                continue;
            }
        }
        if found.start.is_none()
            && let Some((time, len)) = clock(words, at, &found.used).filter(|(_, len)| explicit(words, at, *len))
        {
            found.start = Some(time);
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
                && !is_part_of_day(&t.text)
                && super::dates::atom(words, at, Date::constant(2000, 1, 1), None).is_none())
            || matches!(t.text.as_str(), "€" | "$" | "%")
    })
}

/// True for a time that is one without a word before it: "9:30", "9am", "9h", "noon".
fn explicit(words: &[Token], at: usize, len: usize) -> bool {
    words[at].kind == Kind::Word
        || words[at..at + len]
            .iter()
            .any(|t| t.is(":") || t.one_of(&["am", "pm", "h", "sati", "sata", "o'clock", "a", "p", "hrs"]))
}

/// A time of day at `at`, and how many tokens it takes.
fn clock(words: &[Token], at: usize, used: &[bool]) -> Option<(Clock, usize)> {
    let first = words.get(at)?;
    if used.get(at).copied().unwrap_or(true) {
        return None;
    }
    match first.text.as_str() {
        "noon" | "podne" | "midday" => return Some((Clock { hour: 12, minute: 0, vague: false }, 1)),
        "midnight" | "ponoc" | "ponoci" => return Some((Clock { hour: 24, minute: 0, vague: false }, 1)),
        _ => {}
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
        Some("h" | "sati" | "sata" | "o'clock" | "hrs") => len += 1,
        Some(_) | None => {}
    }
    (hour < 24 || minute == 0).then_some((Clock { hour, minute, vague }, len))
}

fn is_part_of_day(word: &str) -> bool {
    PARTS.iter().any(|(words, ..)| words.contains(&word))
}

const PARTS: &[(&[&str], u8, u8)] = &[
    (&["morning", "ujutro", "jutro", "prijepodne"], 8, 12),
    (&["afternoon", "popodne", "poslijepodne"], 12, 18),
    (&["evening", "tonight", "navecer", "vecer", "veceras", "uvecer"], 18, 22),
];

fn part_of_day(words: &[Token], found: &mut When) {
    let Some((at, from, to)) = words.iter().enumerate().find_map(|(at, t)| {
        PARTS.iter().find(|(names, ..)| names.contains(&t.text.as_str())).map(|(_, from, to)| (at, *from, *to))
    }) else {
        return;
    };
    // "Good morning" is a greeting.
    if at > 0 && words[at - 1].one_of(&["good", "dobro", "dobra"]) {
        return;
    }
    found.used[at] = true;
    if at > 0 && words[at - 1].one_of(&["in", "the", "u"]) {
        found.used[at - 1] = true;
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
    if let (Some(start), Some(end)) = (found.start, &mut found.end) {
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
