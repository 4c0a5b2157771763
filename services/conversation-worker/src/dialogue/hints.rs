//! Small readers that filling and asking share: listed values, codes, e-mail, quoted text, numbers as JSON.

use jiff::civil::{DateTime, Time};
use openapi::Operation;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::schema::{self, Kind, kind};
use crate::language::{
    Token,
    choose::is_filler,
    fold::same_stem,
    format::{Place, humanise, read_date},
    token, tokens,
};

/// "The whole day", "cijeli dan", "den ganzen Tag", "todo el día".
pub fn whole_day(words: &[Token]) -> bool {
    words.iter().any(|word| word.one_of(&["ganztagig", "ganztaegig", "ganztags"]))
        || words.windows(2).any(|pair| {
            let whole = ["whole", "all", "entire", "full", "cijeli", "cijelog", "citav", "ganzen", "ganzer", "ganze"];
            (pair[0].one_of(&whole) && pair[1].one_of(&["day", "dan", "dana", "tag"]))
                || (pair[0].word("dia") && pair[1].one_of(&["entero", "completo"]))
        })
        || words.windows(3).any(|three| three[0].word("todo") && three[1].word("el") && three[2].word("dia"))
}

pub fn hour(at: DateTime) -> u8 {
    at.hour().unsigned_abs()
}

pub fn minute(at: DateTime) -> u8 {
    at.minute().unsigned_abs()
}

/// A number as JSON; whole ones without a fraction.
pub fn number_value(value: f64, whole: bool) -> Option<Value> {
    let exact = value.fract() == 0.0 && value.abs() < 9e15;
    if exact {
        // In range by the line above.
        return format!("{value:.0}").parse::<i64>().ok().map(|n| json!(n));
    }
    if whole { None } else { serde_json::Number::from_f64(value).map(Value::Number) }
}

/// The listed value whose words the sentence has, the longest first; `skip` refuses a phrase.
pub fn best_option(
    listed: &[schema::Choice],
    words: &[Token],
    used: &[bool],
    skip: impl Fn(&[Token]) -> bool,
) -> Option<(schema::Choice, std::ops::Range<usize>)> {
    let mut best: Option<(usize, schema::Choice, std::ops::Range<usize>)> = None;
    for choice in listed {
        let value = choice.value.as_str().map(humanise).unwrap_or_default();
        for phrase in [choice.title.as_str(), value.as_str(), choice.description.as_str()] {
            let phrase: Vec<Token> = tokens(phrase).into_iter().filter(|t| t.kind != token::Kind::Mark).collect();
            let dull = phrase.is_empty()
                || phrase.len() > 6
                || phrase.iter().all(|t| is_filler(&t.text) || t.text.chars().count() < 2);
            if dull || skip(&phrase) {
                continue;
            }
            let place = words.windows(phrase.len()).enumerate().find(|(at, window)| {
                window
                    .iter()
                    .zip(&phrase)
                    .all(|(word, wanted)| word.text == wanted.text || same_stem(&word.text, &wanted.text))
                    && (*at..*at + phrase.len()).all(|i| !used.get(i).copied().unwrap_or(false))
            });
            if let Some((at, _)) = place
                && best.as_ref().is_none_or(|(length, ..)| phrase.len() > *length)
            {
                best = Some((phrase.len(), choice.clone(), at..at + phrase.len()));
            }
        }
    }
    best.map(|(_, choice, range)| (choice, range))
}

/// A part of a text between spaces, without marks around it.
pub struct Chunk<'a> {
    pub text: &'a str,
    pub start: usize,
}

/// The parts of a text between spaces, without marks around them; at most 200.
pub fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut start = 0;
    let mut out = Vec::new();
    for part in text.split(char::is_whitespace) {
        let trimmed = part.trim_matches(|c: char| !c.is_alphanumeric() && !matches!(c, '+' | '_' | '#'));
        if !trimmed.is_empty() && out.len() < 200 {
            let lead = part.find(trimmed).unwrap_or(0);
            out.push(Chunk { text: trimmed, start: start + lead });
        }
        // Spaces may be longer than a byte.
        let end = start + part.len();
        start = end + text[end..].chars().next().map_or(0, char::len_utf8);
    }
    out
}

/// True for something@domain.tld.
pub fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty()
            && host.contains('.')
            && !host.starts_with('.')
            && !host.ends_with('.')
            && !host.contains('@')
            && text.len() <= 254
    })
}

/// The expression as a whole match, unless it fits plain words: then it marks no code.
pub fn code_pattern(pattern: &str) -> Option<Regex> {
    let regex = whole_pattern(pattern)?;
    (!["hello", "the", "a", "Zagreb", "on", "THE"].iter().any(|plain| regex.is_match(plain))).then_some(regex)
}

/// The expression, anchored at both ends; `None` when it is none that this library takes.
fn whole_pattern(pattern: &str) -> Option<Regex> {
    if pattern.len() > 500 {
        return None;
    }
    regex::RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(1 << 20).build().ok()
}

pub fn quoted(text: &str) -> Option<(String, usize, usize)> {
    for (open, close) in [('"', '"'), ('“', '”'), ('„', '“'), ('„', '”'), ('«', '»'), ('»', '«')] {
        if let Some(start) = text.find(open) {
            let from = start + open.len_utf8();
            if let Some(len) = text[from..].find(close).filter(|len| *len > 0) {
                return Some((text[from..from + len].trim().to_owned(), from, len));
            }
        }
    }
    None
}

/// What stands behind a colon, or behind words such as "saying", up to the end: where it begins. Not within a time
/// ("9:30") or an address.
pub fn told(text: &str) -> Option<usize> {
    const SAYING: &[&str] =
        &[" saying ", " that says ", " s tekstom ", " sa tekstom ", " mit dem text ", " que diga ", " con el texto "];
    let colon = text.match_indices(':').map(|(at, mark)| at + mark.len());
    let saying = SAYING.iter().filter_map(|words| {
        let found = text.as_bytes().windows(words.len()).position(|at| at.eq_ignore_ascii_case(words.as_bytes()))?;
        Some(found + words.len())
    });
    let colon = colon.filter(|at| text[*at..].starts_with(char::is_whitespace));
    colon.chain(saying).min().filter(|at| !text[*at..].trim().is_empty())
}

/// Required fields that have a default take it.
pub fn defaults(operation: &Operation, arguments: &mut Map<String, Value>) {
    for field in operation.fields.iter().filter(|field| field.required) {
        if !arguments.contains_key(&field.key)
            && let Some(value) = schema::default(field)
        {
            arguments.insert(field.key.clone(), value.clone());
        }
    }
}

/// The end of a span has to come after its begin.
pub fn disordered(operation: &Operation, arguments: &Map<String, Value>, place: &Place) -> Option<String> {
    let (from, to) = schema::span(operation)?;
    let read = |key: &str| {
        let text = arguments.get(key)?.as_str()?;
        read_date(text).map(|day| day.to_datetime(Time::midnight())).or_else(|| place.read_instant(text))
    };
    let (begin, end) = (read(&from.key)?, read(&to.key)?);
    let days = kind(&from.schema) == Kind::Date;
    (end < begin || (end == begin && !days)).then(|| to.key.clone())
}
