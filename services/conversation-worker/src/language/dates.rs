//! Days as people name them: tomorrow, next Friday, 22 November, 22.11., this month, za tri dana, übermorgen, el
//! viernes que viene.

mod names;

use jiff::{ToSpan as _, civil::Date};
use names::{COMING, LAST, NEXT, THIS, month, weekday_of};
pub use names::{is_unit, part_in};

use super::{
    Token,
    fold::{mistyped, near},
    numbers::numeral,
    token::Kind,
};

/// A day or span of days at one place of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atom {
    /// One day.
    Day(Date),
    /// First and last day.
    Days(Date, Date),
    /// A day that the calendar does not have.
    Bad(BadDate),
}

/// A day that the calendar does not have, like 31 February.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BadDate {
    /// As written.
    pub day: u64,
    /// 1 to 12, or as written.
    pub month: u64,
}

/// The day or days named at `at`, and how many tokens that takes.
///
/// `today` is the day of the person's clock; `base` the day that "the day after" counts from.
pub fn atom(words: &[Token], at: usize, today: Date, base: Option<Date>) -> Option<(Atom, usize)> {
    named(words, at, today, base)
        .or_else(|| relative(words, at, today))
        .or_else(|| weekday(words, at, today))
        .or_else(|| numeric(words, at, today))
        .or_else(|| with_month(words, at, today))
        .or_else(|| day_alone(words, at, today))
}

/// True for "morgen" and "mañana" where they mean the morning: "am Morgen", "heute Morgen", "por la mañana".
pub fn is_morning(words: &[Token], at: usize) -> bool {
    let Some(before) = at.checked_sub(1).map(|before| &words[before]) else { return false };
    match words.get(at).map(|t| t.text.as_str()) {
        Some("morgen") => {
            before.one_of(&["am", "diesen", "jeden", "guten", "schonen", "heute", "gestern"])
                || weekday_of(&before.text).is_some_and(|_| before.text.chars().count() > 3)
        }
        Some("manana") => before.one_of(&["la", "esta", "media"]),
        _ => false,
    }
}

/// True where a weekday or a month is named.
pub fn names_day(words: &[Token], at: usize) -> bool {
    words.get(at).is_some_and(|t| t.kind == Kind::Word && (weekday_of(&t.text).is_some() || month(&t.text).is_some()))
}

fn plus(date: Date, days: i64) -> Date {
    date.saturating_add(days.clamp(-40_000, 40_000).days())
}

fn named(words: &[Token], at: usize, today: Date, base: Option<Date>) -> Option<(Atom, usize)> {
    let is = |offset: usize, options: &[&str]| words.get(at + offset).is_some_and(|t| t.one_of(options));
    let close = |wanted: &str| words.get(at).is_some_and(|t| t.kind == Kind::Word && near(&t.text, wanted));
    let day = |days: i64, len: usize| Some((Atom::Day(plus(today, days)), len));
    if is(0, &["day"]) && is(1, &["after"]) {
        if is(2, &["tomorrow"]) {
            return day(2, 3);
        }
        let that = usize::from(is(2, &["that"]));
        return Some((Atom::Day(plus(base.unwrap_or(today), 1)), 2 + that));
    }
    if is(0, &["day"]) && is(1, &["before"]) {
        return if is(2, &["yesterday"]) { day(-2, 3) } else { Some((Atom::Day(plus(base.unwrap_or(today), -1)), 2)) };
    }
    if is(0, &["dan"]) && is(1, &["poslije", "nakon", "kasnije", "iza"]) {
        return Some((Atom::Day(plus(base.unwrap_or(today), 1)), 2));
    }
    if is(0, &["dan"]) && is(1, &["prije", "ranije"]) {
        return Some((Atom::Day(plus(base.unwrap_or(today), -1)), 2));
    }
    let from_base = |days: i64, len: usize| Some((Atom::Day(plus(base.unwrap_or(today), days)), len));
    if is(0, &["dia"]) && is(1, &["despues"]) && is(2, &["de"]) && is(3, &["manana"]) {
        return day(2, 4);
    }
    if (is(0, &["tag", "tags"]) && is(1, &["danach", "darauf", "drauf", "spater", "spaeter"]))
        || (is(0, &["nachsten", "naechsten", "folgenden", "siguiente"]) && is(1, &["tag", "dia"]))
        || (is(0, &["dia"]) && is(1, &["siguiente", "despues", "posterior"]))
    {
        return from_base(1, 2);
    }
    if (is(0, &["tag", "tags"]) && is(1, &["davor", "vorher", "zuvor"]))
        || (is(0, &["dia"]) && is(1, &["anterior", "antes", "previo"]))
    {
        return from_base(-1, 2);
    }
    if is(0, &["today", "tonight", "danas", "veceras", "danasnji", "heute", "heut", "hoy"])
        || (is(0, &["esta"]) && is(1, &["noche", "tarde", "manana"]))
    {
        return day(0, 1);
    }
    if is(0, &["pasado"]) && is(1, &["manana"]) {
        return day(2, 2);
    }
    // The day before yesterday.
    if is(0, &["antes"]) && is(1, &["de"]) && is(2, &["ayer"]) {
        return day(-2, 3);
    }
    if is(0, &["vorgestern", "anteayer"]) {
        return day(-2, 1);
    }
    let typo = |wanted: &str| {
        words.get(at).is_some_and(|t| {
            t.kind == Kind::Word && !["mogen", "morgens"].contains(&t.text.as_str()) && mistyped(&t.text, wanted)
        })
    };
    if is(0, &["prekosutra", "ubermorgen", "uebermorgen"]) || typo("ubermorgen") {
        return day(2, 1);
    }
    if is_morning(words, at) {
        return None;
    }
    let tomorrow = is(0, &["tmrw", "sutra", "sutrasnji", "morgen", "morgigen", "manana"]);
    if tomorrow || close("tomorrow") || typo("morgen") || typo("manana") {
        return day(1, 1);
    }
    if is(0, &["jucer", "gestern", "ayer"]) || close("yesterday") {
        return day(-1, 1);
    }
    None
}

/// "This month", "next week", "weekend", "in 3 days", "za 2 tjedna", "in zwei Wochen", "la semana que viene".
fn relative(words: &[Token], at: usize, today: Date) -> Option<(Atom, usize)> {
    let first = words.get(at)?;
    let within = first.word("dentro") && words.get(at + 1).is_some_and(|t| t.word("de"));
    if within || first.one_of(&["in", "za", "en"]) {
        let lead = 1 + usize::from(within);
        let number = words.get(at + lead)?;
        let count = number.number().or_else(|| if first.word("za") { None } else { numeral(&number.text) });
        let count = i64::try_from(count?).ok().filter(|n| *n <= 3_650)?;
        let unit = words.get(at + lead + 1)?;
        let days = match unit.text.as_str() {
            "day" | "days" | "dan" | "dana" | "tag" | "tage" | "tagen" | "dia" | "dias" => count,
            "week" | "weeks" | "tjedan" | "tjedna" | "tjedana" | "woche" | "wochen" | "semana" | "semanas" => count * 7,
            _ => return None,
        };
        return Some((Atom::Day(plus(today, days)), lead + 2));
    }
    let step = if first.one_of(NEXT) || first.one_of(COMING) {
        1
    } else if first.one_of(LAST) {
        -1
    } else {
        0
    };
    let led = step != 0 || first.one_of(THIS);
    let begin = at + usize::from(led);
    let unit = words.get(begin)?;
    let weekend = unit.word("fin")
        && words.get(begin + 1).is_some_and(|t| t.word("de"))
        && words.get(begin + 2).is_some_and(|t| t.word("semana"));
    let mut end = begin + if weekend { 3 } else { 1 };
    // Spanish puts it behind: "la semana que viene", "el mes pasado".
    let behind = if led { None } else { behind(words, end) };
    let step = behind.map_or(step, |(step, len)| {
        end += len;
        step
    });
    let led = led || behind.is_some();
    let monday = plus(today, -i64::from(today.weekday().to_monday_zero_offset()));
    let spans = |first: Date, last: Date| Some((Atom::Days(first, last), end - at));
    match unit.text.as_str() {
        _ if weekend => {
            let saturday = plus(monday, 5 + 7 * step);
            spans(saturday, plus(saturday, 1))
        }
        "week" | "tjedan" | "tjedna" | "tjednu" | "woche" | "semana" if led => {
            let start = plus(monday, 7 * step);
            // "nächste Woche am Freitag" is one day.
            let day = end + usize::from(words.get(end).is_some_and(|t| t.one_of(&["on", "u", "am", "el"])));
            let named = words.get(day).filter(|t| t.kind == Kind::Word && t.text.chars().count() > 3);
            if let Some(weekday) = named.and_then(|t| weekday_of(&t.text)) {
                return Some((Atom::Day(plus(start, i64::from(weekday.to_monday_zero_offset()))), day + 1 - at));
            }
            spans(start, plus(start, 6))
        }
        "weekend" | "vikend" | "vikenda" | "wochenende" | "finde" => {
            let saturday = plus(monday, 5 + 7 * step);
            spans(saturday, plus(saturday, 1))
        }
        "month" | "mjesec" | "mjeseca" | "mjesecu" | "monat" | "monats" | "mes" if led => {
            let start = today.first_of_month().saturating_add(step.months());
            spans(start, start.last_of_month())
        }
        "year" | "godina" | "godine" | "godinu" | "godini" | "jahr" | "jahres" | "ano" if led => {
            let start = today.first_of_year().saturating_add(step.years());
            spans(start, start.last_of_year())
        }
        _ => None,
    }
}

/// "que viene", "próximo", "pasado" behind a word: the step and how many tokens it takes.
fn behind(words: &[Token], at: usize) -> Option<(i64, usize)> {
    let is = |offset: usize, options: &[&str]| words.get(at + offset).is_some_and(|t| t.one_of(options));
    if is(0, &["que"]) && is(1, &["viene"]) {
        return Some((1, 2));
    }
    if is(0, &["proximo", "proxima", "siguiente", "entrante"]) {
        return Some((1, 1));
    }
    (is(0, &["pasado", "pasada"]) && !is(1, &["manana"])).then_some((-1, 1))
}

/// The next such day after today; with "next" the one of the following week.
fn weekday(words: &[Token], at: usize, today: Date) -> Option<(Atom, usize)> {
    let first = words.get(at)?;
    let next = first.one_of(NEXT);
    let mut last = first.one_of(LAST);
    let led = next || last || first.one_of(THIS) || first.one_of(COMING);
    let word = words.get(at + usize::from(led)).filter(|t| t.kind == Kind::Word)?;
    let wanted = weekday_of(&word.text)?;
    let letters = word.text.chars().count();
    let before = |words_before: &[&str]| at.checked_sub(1).is_some_and(|b| words[b].one_of(words_before));
    // Two letters are a German weekday only behind a word that leads to one, or "Mo" and "Fr" before a number: "do",
    // "mi" and "sa" are words elsewhere.
    let dated = words.get(at + 1).is_some_and(|t| t.kind == Kind::Digits);
    let clear = dated && word.one_of(&["mo", "fr"]);
    if letters <= 2 && !clear && !before(&["am", "bis", "ab", "vom", "zum"]) {
        return None;
    }
    // Three letters are a weekday only where nothing else fits: "sat" and "sun", "pet" and "sub" are words too.
    if letters == 3 && !led && !before(&["on", "u", "from", "od", "until", "do", "za", "el", "hasta", "desde"]) {
        let alone =
            words.iter().filter(|t| t.kind == Kind::Word).count() == 1 && !words.iter().any(|t| t.kind == Kind::Digits);
        let clear = dated && matches!(word.text.as_str(), "mon" | "tue" | "wed" | "thu" | "fri");
        if !alone && !clear {
            return None;
        }
    }
    let mut len = 1 + usize::from(led);
    let offset = i64::from(wanted.to_monday_zero_offset());
    // "Friday next week", "Freitag nächster Woche", "el viernes de la semana que viene".
    let mut week = at + len;
    while week < at + len + 2
        && words.get(week).is_some_and(|t| t.one_of(&["of", "the", "in", "der", "de", "la", "of", "u"]))
    {
        week += 1;
    }
    if let Some((Atom::Days(monday, sunday), week_len)) = relative(words, week, today)
        && plus(monday, 6) == sunday
    {
        return Some((Atom::Day(plus(monday, offset)), week + week_len - at));
    }
    if let Some((step, behind_len)) = if led { None } else { behind(words, at + len) } {
        last = step < 0;
        len += behind_len;
    }
    let today_offset = i64::from(today.weekday().to_monday_zero_offset());
    let ahead = (offset - today_offset).rem_euclid(7);
    let days = if next {
        7 - today_offset + offset
    } else if last {
        if ahead == 0 { -7 } else { ahead - 7 }
    } else if ahead == 0 {
        7
    } else {
        ahead
    };
    let day = plus(today, days);
    // "Thursday 26", "el jueves 26": its number, when it is one.
    let number = words.get(at + len).and_then(Token::number).filter(|_| words[at + len].text.len() <= 2);
    let dot = usize::from(words.get(at + len + 1).is_some_and(|t| t.is(".") && t.glued));
    let goes_on = words.get(at + len + 1 + dot).is_some_and(|t| {
        t.glued && !t.is(",")
            || t.kind == Kind::Digits
            || t.one_of(&["to", "bis", "a", "al", "do", "uhr", "am", "pm", "h", "sati", "y"])
    });
    let dated = || numeric(words, at + len, today).or_else(|| with_month(words, at + len, today)).is_some();
    if let Some(number) = number.filter(|n| (1..=31).contains(n) && !goes_on && !dated()) {
        let fits = |date: &Date| u64::from(date.day().unsigned_abs()) == number;
        let weeks = if number > 24 { 10 } else { 1 };
        if let Some(date) = (0..weeks).map(|week| plus(day, 7 * week)).find(fits) {
            return Some((Atom::Day(date), len + 1 + dot));
        }
    }
    Some((Atom::Day(day), len))
}

/// 2026-11-22, 22.11., 22.11.2026, 22/11/2026, 22.-24.11.
fn numeric(words: &[Token], at: usize, today: Date) -> Option<(Atom, usize)> {
    let number = |offset: usize| words.get(at + offset).and_then(Token::number);
    let mark = |offset: usize, mark: &str| words.get(at + offset).is_some_and(|t| t.is(mark) && t.glued);
    let digits = |offset: usize| words.get(at + offset).map_or(0, |t| t.text.len());
    let a = number(0)?;
    if digits(0) == 4 && mark(1, "-") && mark(3, "-") {
        let (month, day) = (number(2)?, number(4)?);
        return Some((calendar(day, month, Some(a), today), 5));
    }
    if digits(0) > 2 || at > 0 && words[at].glued && words[at - 1].kind == Kind::Word {
        return None;
    }
    let glued = |offset: usize| words.get(at + offset).is_some_and(|t| t.glued);
    let year_of = |offset: usize| match (digits(offset), number(offset)) {
        (4, Some(year)) => Some(year),
        (2, Some(year)) if glued(offset) => Some(2_000 + year),
        _ => None,
    };
    // "22.-24.11.": one month for both.
    if mark(1, ".") && mark(2, "-") && mark(4, ".") && mark(6, ".") && digits(5) <= 2 {
        let (last, month) = (number(3)?, number(5)?);
        let year = year_of(7);
        let len = 7 + usize::from(year.is_some());
        return Some((both(calendar(a, month, year, today), calendar(last, month, year, today)), len));
    }
    if mark(1, ".") && mark(2, "-") {
        return None;
    }
    if mark(1, "-") && mark(3, "-") && digits(2) <= 2 && digits(4) == 4 {
        return Some((calendar(a, number(2)?, number(4), today), 5));
    }
    if mark(1, ".") {
        let month = number(2).filter(|_| digits(2) <= 2 && glued(2))?;
        if mark(3, ".") {
            if let Some(year) = year_of(4) {
                let tail = usize::from(mark(5, "."));
                return Some((calendar(a, month, Some(year), today), 5 + tail));
            }
            return plausible(a, month).then(|| (calendar(a, month, None, today), 4));
        }
        // "22.11" without the last dot is a date only after a word that leads to one, or when nothing else is said.
        let before = at.checked_sub(1).and_then(|b| words.get(b));
        // "von 9.10 bis 12.10 Uhr" are times.
        if before.is_some_and(|t| t.one_of(&["von", "bis", "ab"]))
            && words.iter().skip(at + 3).take(6).any(|t| t.word("uhr"))
        {
            return None;
        }
        let led = before.is_some_and(|t| {
            t.one_of(&[
                "on", "od", "do", "until", "from", "dana", "za", "till", "since", "am", "vom", "zum", "den", "ab",
                "von", "bis", "seit", "el", "dia", "hasta", "desde", "del", "al",
            ])
        });
        let alone = words.len() == 3;
        return ((led || alone) && plausible(a, month)).then(|| (calendar(a, month, None, today), 3));
    }
    if mark(1, "/") && digits(2) <= 2 {
        let b = number(2)?;
        let (day, month) = if b > 12 && a <= 12 { (b, a) } else { (a, b) };
        if mark(3, "/") {
            return Some((calendar(day, month, Some(year_of(4)?), today), 5));
        }
        return (plausible(day, month)).then(|| (calendar(day, month, None, today), 3));
    }
    None
}

/// First and last day, or the one that is bad.
fn both(first: Atom, last: Atom) -> Atom {
    match (first, last) {
        (Atom::Day(first), Atom::Day(last)) if first <= last => Atom::Days(first, last),
        (bad @ Atom::Bad(_), _) | (_, bad @ Atom::Bad(_)) => bad,
        (first, _) => first,
    }
}

/// "am 22.", "el día 22": the next such day of a month.
fn day_alone(words: &[Token], at: usize, today: Date) -> Option<(Atom, usize)> {
    let day = words.get(at)?.number().filter(|day| (1..=31).contains(day) && words[at].text.len() <= 2)?;
    let dot = words.get(at + 1).is_some_and(|t| t.is(".") && t.glued);
    let goes_on = words.get(at + 1 + usize::from(dot)).is_some_and(|t| t.glued && t.kind == Kind::Digits);
    let before = words.get(at.checked_sub(1)?)?;
    let led = dot && before.one_of(&["am", "vom", "zum", "den"]) || before.word("dia");
    if !led || goes_on {
        return None;
    }
    let day = i8::try_from(day).ok()?;
    let found = (0..4).find_map(|ahead| {
        let month = today.first_of_month().saturating_add(ahead.months());
        Date::new(month.year(), month.month(), day).ok().filter(|date| *date >= today)
    })?;
    Some((Atom::Day(found), 1 + usize::from(dot)))
}

fn plausible(day: u64, month: u64) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month)
}

/// "22 November", "22nd of November 2027", "November 22", "22. studenoga".
fn with_month(words: &[Token], at: usize, today: Date) -> Option<(Atom, usize)> {
    let month_at = |i: usize| words.get(i).filter(|t| t.kind == Kind::Word).and_then(|t| month(&t.text));
    let year_at = |i: usize| {
        words.get(i).filter(|t| t.text.len() == 4).and_then(Token::number).filter(|y| (1900..=2200).contains(y))
    };
    if let Some(day) = words.get(at).and_then(Token::number).filter(|_| words[at].text.len() <= 2) {
        let after = |from: usize| {
            let mut next = from + 1;
            while words.get(next).is_some_and(|t| t.is(".") || t.one_of(&["st", "nd", "rd", "th", "of", "de", "ten"]))
                && next < from + 4
            {
                next += 1;
            }
            next
        };
        let next = after(at);
        // "22 de noviembre de 2027".
        let year_after = |month: usize| {
            let of = usize::from(words.get(month + 1).is_some_and(|t| t.one_of(&["de", "del"])));
            let year = year_at(month + 1 + of);
            (year, month + 1 + if year.is_some() { of + 1 } else { 0 })
        };
        if let Some(month) = month_at(next) {
            let (year, end) = year_after(next);
            return Some((calendar(day, month, year, today), end - at));
        }
        // "22 to 24 November", "22. bis 24. November", "del 22 al 24 de noviembre".
        let link = at + 1 + usize::from(words.get(at + 1).is_some_and(|t| t.is(".")));
        let linked = words.get(link).is_some_and(|t| {
            t.is("-") || t.is("–") || t.one_of(&["to", "until", "till", "do", "bis", "al", "a", "hasta"])
        });
        let last = words.get(link + 1).filter(|t| linked && t.text.len() <= 2).and_then(Token::number)?;
        let next = after(link + 1);
        let month = month_at(next).filter(|_| !words[next].one_of(&["may", "mar"]))?;
        let (year, end) = year_after(next);
        return Some((both(calendar(day, month, year, today), calendar(last, month, year, today)), end - at));
    }
    // "am zweiten Dezember", "uno de diciembre", "first of December".
    if let Some(day) = words.get(at).filter(|t| t.kind == Kind::Word).and_then(|t| {
        numeral(&t.text).or_else(|| super::ordinal::word_value(&t.text).and_then(|n| u64::try_from(n).ok()))
    }) {
        let next = at + 1 + usize::from(words.get(at + 1).is_some_and(|t| t.one_of(&["of", "de"])));
        if let Some(month) = month_at(next).filter(|_| !words[next].one_of(&["may", "mar"])) {
            let year = year_at(next + 1);
            return Some((calendar(day, month, year, today), next + 1 + usize::from(year.is_some()) - at));
        }
    }
    let month = month_at(at)?;
    let day = words.get(at + 1).and_then(Token::number).filter(|_| words[at + 1].text.len() <= 2);
    if let Some(day) = day {
        let mut next = at + 2;
        while words.get(next).is_some_and(|t| t.is(",") || t.one_of(&["st", "nd", "rd", "th"])) && next < at + 4 {
            next += 1;
        }
        let year = year_at(next);
        let end = if year.is_some() { next + 1 } else { at + 2 };
        return Some((calendar(day, month, year, today), end - at));
    }
    // A month alone, except for "may", "mar" and "julio", which are words too.
    let led = at.checked_sub(1).and_then(|b| words.get(b)).is_some_and(|t| {
        t.one_of(&[
            "in", "u", "for", "za", "during", "since", "im", "en", "de", "fur", "fuer", "para", "durante", "seit",
            "desde", "ab",
        ])
    });
    if !led && (words[at].text.chars().count() <= 4 || words[at].word("julio")) {
        return None;
    }
    let year = year_at(at + 1);
    let month = i8::try_from(month).ok()?;
    let start = match year {
        Some(year) => Date::new(i16::try_from(year).ok()?, month, 1).ok()?,
        None => {
            let this = Date::new(today.year(), month, 1).ok()?;
            if this.last_of_month() < today { this.saturating_add(1.year()) } else { this }
        }
    };
    Some((Atom::Days(start, start.last_of_month()), 1 + usize::from(year.is_some())))
}

/// The day in the calendar; without a year the nearest one: this year, or the next if it passed over 60 days ago.
fn calendar(day: u64, month: u64, year: Option<u64>, today: Date) -> Atom {
    let bad = Atom::Bad(BadDate { day, month });
    let (Ok(d), Ok(m)) = (i8::try_from(day), i8::try_from(month)) else { return bad };
    let in_year = |year: i16| Date::new(year, m, d).ok();
    let found = match year {
        Some(year) => i16::try_from(year).ok().and_then(in_year),
        None => {
            let this = in_year(today.year());
            let passed = this.is_some_and(|this| this < plus(today, -60));
            match this {
                Some(this) if !passed => Some(this),
                _ => (1..=if passed { 1 } else { 0 }).find_map(|ahead| in_year(today.year() + ahead)).or(this),
            }
        }
    };
    found.map_or(bad, Atom::Day)
}
