//! Days as people name them: tomorrow, next Friday, 22 November, 22.11., this month, za tri dana.

use jiff::{
    ToSpan as _,
    civil::{Date, Weekday},
};

use super::{Token, fold::near, token::Kind};

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

const WEEKDAYS: &[(&[&str], Weekday)] = &[
    (&["monday", "mon", "mondays", "ponedjeljak", "ponedjeljka", "ponedjeljkom", "ponediljak", "pon"], Weekday::Monday),
    (&["tuesday", "tue", "tues", "tuesdays", "utorak", "utorka", "utorkom", "uto"], Weekday::Tuesday),
    (
        &["wednesday", "wed", "wednesdays", "srijeda", "srijedu", "srijede", "srijedom", "srida", "sri"],
        Weekday::Wednesday,
    ),
    (&["thursday", "thu", "thurs", "thursdays", "cetvrtak", "cetvrtka", "cetvrtkom", "cet"], Weekday::Thursday),
    (&["friday", "fri", "fridays", "petak", "petka", "petkom", "pet"], Weekday::Friday),
    (&["saturday", "sat", "saturdays", "subota", "subotu", "subote", "subotom", "sub"], Weekday::Saturday),
    (&["sunday", "sun", "sundays", "nedjelja", "nedjelju", "nedjelje", "nedjeljom", "nedilja", "ned"], Weekday::Sunday),
];

/// Month names by their folded beginnings, in both languages; the whole word may go on by a case ending.
const MONTHS: &[&[&str]] = &[
    &["january", "jan", "sijecanj", "sijecnj"],
    &["february", "feb", "veljac"],
    &["march", "mar", "ozujak", "ozujk"],
    &["april", "apr", "travanj", "travnj"],
    &["may", "svibanj", "svibnj"],
    &["june", "jun", "lipanj", "lipnj"],
    &["july", "jul", "srpanj", "srpnj"],
    &["august", "aug", "kolovoz"],
    &["september", "sep", "sept", "rujan", "rujn"],
    &["october", "oct", "listopad"],
    &["november", "nov", "studen"],
    &["december", "dec", "prosinac", "prosinc"],
];

const NEXT: &[&str] = &[
    "next",
    "iduci",
    "iduce",
    "iducu",
    "iduceg",
    "iduca",
    "sljedeci",
    "sljedece",
    "sljedecu",
    "sljedeceg",
    "sljedeca",
    "slijedeci",
];
const THIS: &[&str] = &["this", "ovaj", "ove", "ovu", "ovog", "ovoga", "ova", "ovo", "current"];
const LAST: &[&str] = &["last", "past", "previous", "prosli", "prosle", "proslu", "proslog", "prosla"];

/// The day or days named at `at`, and how many tokens that takes.
///
/// `today` is the day of the person's clock; `base` the day that "the day after" counts from.
pub fn atom(words: &[Token], at: usize, today: Date, base: Option<Date>) -> Option<(Atom, usize)> {
    named(words, at, today, base)
        .or_else(|| relative(words, at, today))
        .or_else(|| weekday(words, at, today))
        .or_else(|| numeric(words, at, today))
        .or_else(|| with_month(words, at, today))
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
    if is(0, &["today", "tonight", "danas", "veceras", "danasnji"]) {
        return day(0, 1);
    }
    if is(0, &["prekosutra"]) {
        return day(2, 1);
    }
    if is(0, &["tmrw", "sutra", "sutrasnji"]) || close("tomorrow") {
        return day(1, 1);
    }
    if is(0, &["jucer"]) || close("yesterday") {
        return day(-1, 1);
    }
    None
}

/// "This month", "next week", "weekend", "in 3 days", "za 2 tjedna".
fn relative(words: &[Token], at: usize, today: Date) -> Option<(Atom, usize)> {
    let first = words.get(at)?;
    if first.one_of(&["in", "za"]) {
        let count = i64::try_from(words.get(at + 1)?.number()?).ok().filter(|n| *n <= 3_650)?;
        let unit = words.get(at + 2)?;
        let days = match unit.text.as_str() {
            "day" | "days" | "dan" | "dana" => count,
            "week" | "weeks" | "tjedan" | "tjedna" | "tjedana" => count * 7,
            _ => return None,
        };
        return Some((Atom::Day(plus(today, days)), 3));
    }
    let step = if first.one_of(NEXT) {
        1
    } else if first.one_of(LAST) {
        -1
    } else {
        0
    };
    let led = step != 0 || first.one_of(THIS);
    let unit = words.get(at + usize::from(led))?;
    let len = 1 + usize::from(led);
    let monday = plus(today, -i64::from(today.weekday().to_monday_zero_offset()));
    match unit.text.as_str() {
        "week" | "tjedan" | "tjedna" | "tjednu" if led => {
            let start = plus(monday, 7 * step);
            Some((Atom::Days(start, plus(start, 6)), len))
        }
        "weekend" | "vikend" | "vikenda" => {
            let saturday = plus(monday, 5 + 7 * step);
            Some((Atom::Days(saturday, plus(saturday, 1)), len))
        }
        "month" | "mjesec" | "mjeseca" | "mjesecu" if led => {
            let start = today.first_of_month().saturating_add(step.months());
            Some((Atom::Days(start, start.last_of_month()), len))
        }
        "year" | "godina" | "godine" | "godinu" | "godini" if led => {
            let start = today.first_of_year().saturating_add(step.years());
            Some((Atom::Days(start, start.last_of_year()), len))
        }
        _ => None,
    }
}

/// The next such day after today; with "next" the one of the following week.
fn weekday(words: &[Token], at: usize, today: Date) -> Option<(Atom, usize)> {
    let first = words.get(at)?;
    let next = first.one_of(NEXT);
    let last = first.one_of(LAST);
    let led = next || last || first.one_of(THIS);
    let word = words.get(at + usize::from(led)).filter(|t| t.kind == Kind::Word)?;
    let short = word.text.chars().count() <= 3;
    let wanted = WEEKDAYS.iter().find(|(names, _)| {
        names.contains(&word.text.as_str())
            || (!short && names.iter().any(|name| name.len() >= 6 && near(&word.text, name)))
    })?;
    // Three letters are a weekday only where nothing else fits: "sat" and "sun", "pet" and "sub" are words too.
    if short
        && !led
        && !words.get(at.wrapping_sub(1)).is_some_and(|t| t.one_of(&["on", "u", "from", "od", "until", "do", "za"]))
    {
        let alone =
            words.iter().filter(|t| t.kind == Kind::Word).count() == 1 && !words.iter().any(|t| t.kind == Kind::Digits);
        let dated = words.get(at + 1).is_some_and(|t| t.kind == Kind::Digits);
        let clear = dated && matches!(word.text.as_str(), "mon" | "tue" | "wed" | "thu" | "fri");
        if !alone && !clear {
            return None;
        }
    }
    let len = 1 + usize::from(led);
    let offset = i64::from(wanted.1.to_monday_zero_offset());
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
    Some((Atom::Day(plus(today, days)), len))
}

/// 2026-11-22, 22.11., 22.11.2026, 22/11/2026.
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
    if mark(1, ".") {
        let month = number(2).filter(|_| digits(2) <= 2)?;
        if mark(3, ".") {
            if let Some(year) = number(4).filter(|_| digits(4) == 4) {
                let tail = usize::from(mark(5, "."));
                return Some((calendar(a, month, Some(year), today), 5 + tail));
            }
            return plausible(a, month).then(|| (calendar(a, month, None, today), 4));
        }
        // "22.11" without the last dot is a date only after a word that leads to one, or when nothing else is said.
        let led = at
            .checked_sub(1)
            .and_then(|b| words.get(b))
            .is_some_and(|t| t.one_of(&["on", "od", "do", "until", "from", "dana", "za", "till", "since"]));
        let alone = words.len() == 3;
        return ((led || alone) && plausible(a, month)).then(|| (calendar(a, month, None, today), 3));
    }
    if mark(1, "/") && digits(2) <= 2 {
        let b = number(2)?;
        let (day, month) = if b > 12 && a <= 12 { (b, a) } else { (a, b) };
        if mark(3, "/") {
            let year = number(4).filter(|_| digits(4) == 4)?;
            return Some((calendar(day, month, Some(year), today), 5));
        }
        return (plausible(day, month)).then(|| (calendar(day, month, None, today), 3));
    }
    None
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
        let mut next = at + 1;
        while words.get(next).is_some_and(|t| t.is(".") || t.one_of(&["st", "nd", "rd", "th", "of"])) && next < at + 4 {
            next += 1;
        }
        let month = month_at(next)?;
        let year = year_at(next + 1);
        return Some((calendar(day, month, year, today), next + 1 + usize::from(year.is_some()) - at));
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
    // A month alone, except for "may" and "mar", which are words too.
    let led = at
        .checked_sub(1)
        .and_then(|b| words.get(b))
        .is_some_and(|t| t.one_of(&["in", "u", "for", "za", "during", "since"]));
    if !led && words[at].text.chars().count() <= 4 {
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

fn month(word: &str) -> Option<u64> {
    let position = MONTHS.iter().position(|names| {
        names.iter().any(|name| {
            let long = name.chars().count() >= 5;
            word == *name || (long && (word.strip_prefix(name).is_some_and(|rest| rest.len() <= 3) || near(word, name)))
        })
    })?;
    u64::try_from(position + 1).ok()
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
