//! What a model may say: numbers and links that came from a result, from us or from the person, and nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::language::format::Place;

/// Longest text of a model that is passed on, in characters.
const TEXT_MAX: usize = 4_000;
/// Most values of one answer that are looked at.
const VALUES_MAX: usize = 20_000;

/// Why a text is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    Empty,
    TooLong,
    /// It gives away its instructions.
    Leak,
    /// It holds a link to a place that nobody named, or markup.
    Link,
    /// It is data, not a sentence.
    Data,
    /// A number in it came from nowhere.
    Number,
}

/// Numbers and hosts that are known in a turn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grounds {
    numbers: BTreeSet<String>,
    hosts: BTreeSet<String>,
    ids: BTreeSet<String>,
    counted: usize,
}

impl Grounds {
    /// What the person or we said.
    pub fn text(&mut self, text: &str) {
        self.numbers.extend(forms(text));
        self.hosts.extend(links(text).map(str::to_lowercase));
        self.ids.extend(
            text.split(|c: char| c.is_whitespace() || ",;()\"'".contains(c))
                .filter(|word| word.chars().any(|c| c.is_ascii_digit()))
                .map(str::to_owned),
        );
    }

    /// An answer of a backend, or arguments; times count as the person's clock shows them, too.
    pub fn json(&mut self, value: &Value, place: &Place) {
        let mut left = VALUES_MAX;
        self.walk(value, place, &mut left, 0);
    }

    fn walk(&mut self, value: &Value, place: &Place, left: &mut usize, depth: usize) {
        if *left == 0 || depth > 64 {
            return;
        }
        *left -= 1;
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                self.numbers.extend(forms(&number.to_string()));
                self.ids.insert(number.to_string());
            }
            Value::String(text) => {
                self.text(text);
                self.ids.insert(text.clone());
                if let Some(at) = place.read_instant(text) {
                    self.numbers.extend(forms(&at.to_string()));
                }
            }
            Value::Array(items) => {
                self.counted = self.counted.max(items.len());
                for item in items {
                    self.walk(item, place, left, depth + 1);
                }
            }
            Value::Object(map) => {
                for item in map.values() {
                    self.walk(item, place, left, depth + 1);
                }
            }
        }
    }

    /// True for a value that stood somewhere as it is: an id that was not made up.
    pub fn has(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.ids.contains(text.trim()),
            Value::Number(number) => self.ids.contains(&number.to_string()),
            _ => false,
        }
    }

    /// Whether a text of the model may be passed on; `secret` must not stand in it.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, text: &str, secret: &str) -> Result<(), Unfit> {
        let plain = text.trim();
        if plain.is_empty() {
            return Err(Unfit::Empty);
        }
        if plain.chars().count() > TEXT_MAX {
            return Err(Unfit::TooLong);
        }
        if !secret.is_empty() && plain.contains(secret) {
            return Err(Unfit::Leak);
        }
        let lower = plain.to_lowercase();
        if ["<script", "<img", "<iframe", "javascript:", "data:", "]("].iter().any(|mark| lower.contains(mark)) {
            return Err(Unfit::Link);
        }
        if links(&lower).any(|host| !self.hosts.contains(host)) {
            return Err(Unfit::Link);
        }
        // Ids and a machine's names are no people's words.
        let bare = |word: &'_ str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
        let machine = |word: &str| word.contains('_') || (word.len() == 36 && word.matches('-').count() == 4);
        if plain.split_whitespace().map(bare).any(|word| machine(&word)) {
            return Err(Unfit::Data);
        }
        if plain.starts_with(['{', '[']) && serde_json::from_str::<Value>(plain).is_ok() || plain.contains("\":") {
            return Err(Unfit::Data);
        }
        if numbers(plain).any(|number| !self.knows(number)) {
            return Err(Unfit::Number);
        }
        Ok(())
    }

    /// A number with its separators is known as a whole, or part by part (a date, a time); counts up to the longest
    /// list are known, too.
    fn knows(&self, number: &str) -> bool {
        let whole: String = number.chars().filter(char::is_ascii_digit).collect();
        let count = whole.parse::<usize>().is_ok_and(|n| n <= self.counted);
        // 63,90 is 63.9, but 840 is not 84.
        let decimal = number.contains(['.', ',']);
        let known = |digits: &str| {
            self.numbers.contains(stripped(digits))
                || (decimal && self.numbers.contains(stripped(digits.trim_end_matches('0'))))
        };
        count || known(&whole) || number.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).all(known)
    }
}

/// Runs of digits with single separators between them.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_ascii_digit() || ".,:/-'\u{a0}\u{202f}".contains(c);
    text.split(move |c: char| !is_part(c))
        .map(|run| run.trim_matches(|c: char| !c.is_ascii_digit()))
        .filter(|run| run.chars().any(|c| c.is_ascii_digit()))
}

/// The forms under which the numbers of a text are known: each run of digits, each number without separators, and a
/// decimal without the zeros at its end.
fn forms(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    for number in numbers(text) {
        let whole: String = number.chars().filter(char::is_ascii_digit).collect();
        out.push(stripped(&whole).to_owned());
        if number.contains(['.', ',']) {
            out.push(stripped(whole.trim_end_matches('0')).to_owned());
        }
        for part in number.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()) {
            out.push(stripped(part).to_owned());
            out.push(stripped(part.trim_end_matches('0')).to_owned());
        }
    }
    out
}

fn stripped(digits: &str) -> &str {
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { "0" } else { rest }
}

/// Hosts of the links of a text.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let with_scheme = text.split("://").skip(1);
    let bare = text.split_whitespace().filter(|word| word.starts_with("www."));
    let host = |rest: &str| rest.find(|c: char| !(c.is_alphanumeric() || ".-:@".contains(c))).unwrap_or(rest.len());
    with_scheme.chain(bare).map(move |rest| rest[..host(rest)].trim_end_matches(['.', ':']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn grounds() -> Grounds {
        let place = Place::new("Europe/Zagreb", 1_795_600_000_000_000);
        let mut grounds = Grounds::default();
        grounds.text("is the red van free tomorrow? see https://fleet.example/cars");
        grounds.json(
            &json!([
                { "id": "veh_7", "plate": "ZG 1234-AB", "km": 84300, "price": 63.90, "from": "2026-11-22T08:00:00Z" },
                { "id": "veh_8", "plate": "ZG 5678-CD", "km": 120_500, "price": 7, "from": "2026-11-22T12:30:00Z" },
            ]),
            &place,
        );
        grounds
    }

    #[test]
    fn what_came_from_a_result_may_be_said_in_any_form() {
        for text in [
            "The Octavia (ZG 1234-AB) has 84.300 km.",
            "It has 84,300 km and costs 63,90 or 63.9 EUR.",
            "Both 2 vehicles are free on 22.11.2026 from 9:00 (09:00) local time, the other from 13:30.",
            "See https://fleet.example/cars.",
            "Which one do you mean?",
        ] {
            assert_eq!(grounds().check(text, "canary"), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_came_from_nowhere_is_not_said() {
        for (text, why) in [
            ("", Unfit::Empty),
            ("   \n", Unfit::Empty),
            ("It has 84.301 km.", Unfit::Number),
            ("Booked under number 4711.", Unfit::Number),
            ("Call 112.", Unfit::Number),
            ("See https://evil.example/cars", Unfit::Link),
            ("www.evil.example", Unfit::Link),
            ("![x](https://fleet.example/cars?q=secret)", Unfit::Link),
            ("<script>alert(1)</script>", Unfit::Link),
            ("My instructions are: canary", Unfit::Leak),
            ("{\"id\": \"veh_7\"}", Unfit::Data),
            ("Here: \"km\": 84300", Unfit::Data),
            ("It is veh_7.", Unfit::Data),
            ("It is 01a1fcfa-7613-7633-9033-fca490f95733.", Unfit::Data),
        ] {
            assert_eq!(grounds().check(text, "canary"), Err(why), "{text}");
        }
        assert_eq!(grounds().check(&"a".repeat(100_000), "canary"), Err(Unfit::TooLong));
    }

    #[test]
    fn an_id_is_known_only_as_it_stood() {
        let grounds = grounds();
        assert!(grounds.has(&json!("veh_7")) && grounds.has(&json!(84300)));
        assert!(!grounds.has(&json!("veh_9")) && !grounds.has(&json!("veh")) && !grounds.has(&json!(null)));
    }
}
