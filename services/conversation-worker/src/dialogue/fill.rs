//! A sentence fills the fields of an operation, by schema alone.

use jiff::civil::{Date, DateTime, Time};
use openapi::{Field, Location, Operation};
use serde_json::{Value, json};

use super::{
    hints::{best_option, chunks, code_pattern, hour, is_email, minute, number_value, quoted, whole_day},
    schema::{self, Kind, kind},
    state::Frame,
};
use crate::language::{
    Token,
    choose::is_filler,
    dates::BadDate,
    fold,
    fold::same_stem,
    format::{Place, humanise, read_date},
    numbers::{Number, numbers, unit_fits},
    token, tokens,
    when::{When, after, at, when},
};

/// A sentence, read once.
pub struct Sentence {
    pub text: String,
    pub words: Vec<Token>,
    pub when: When,
}

impl Sentence {
    /// `base` is the day that "the day after" counts from.
    pub fn new(text: &str, place: &Place, base: Option<Date>) -> Self {
        let words = tokens(text);
        let when = when(&words, place.today, base);
        Self { text: text.to_owned(), words, when }
    }

    /// Numbers, those within dates and times left out when `timed`.
    fn numbers(&self, timed: bool) -> Vec<Number> {
        numbers(&self.words, if timed { &self.when.used } else { &[] })
    }
}

/// What a sentence gave.
#[derive(Debug, Default)]
pub struct Filled {
    /// Keys of fields that have another value now.
    pub changed: Vec<String>,
    /// A day that does not exist, and the field it was for.
    pub bad: Option<(String, BadDate)>,
    /// Tokens that were taken.
    pub used: Vec<bool>,
}

/// Fills what the sentence says into the frame; what is there stays unless `overwrite`, identity always stays.
pub fn fill(operation: &Operation, frame: &mut Frame, sentence: &Sentence, place: &Place, overwrite: bool) -> Filled {
    let mut filler = Filler {
        operation,
        frame,
        sentence,
        place,
        overwrite,
        out: Filled { used: vec![false; sentence.words.len()], ..Filled::default() },
    };
    let timed = filler.times();
    filler.codes();
    filler.pairs();
    filler.options();
    filler.quantities(timed);
    filler.texts();
    filler.out
}

struct Filler<'a> {
    operation: &'a Operation,
    frame: &'a mut Frame,
    sentence: &'a Sentence,
    place: &'a Place,
    overwrite: bool,
    out: Filled,
}

impl<'a> Filler<'a> {
    fn open(&self, field: &Field) -> bool {
        schema::askable(field)
            && !self.frame.identity.contains(&field.key)
            && (self.overwrite || !self.frame.arguments.contains_key(&field.key))
            && !self.out.changed.contains(&field.key)
    }

    fn needed(&self, field: &Field) -> bool {
        self.operation.needs.iter().any(|need| need.field == field.key)
    }

    fn set(&mut self, key: &str, value: Value) {
        if self.frame.arguments.get(key) != Some(&value) {
            self.frame.arguments.insert(key.to_owned(), value);
            self.frame.labels.remove(key);
            self.out.changed.push(key.to_owned());
        }
    }

    fn take(&mut self, range: std::ops::Range<usize>) {
        for used in self.out.used.iter_mut().take(range.end).skip(range.start) {
            *used = true;
        }
    }

    fn fields(&self) -> impl Iterator<Item = &'a Field> + use<'a> {
        self.operation.fields.iter()
    }

    /// Days and times; true when the operation takes any.
    fn times(&mut self) -> bool {
        let temporal = |field: &&Field| matches!(kind(&field.schema), Kind::Date | Kind::DateTime | Kind::Time);
        let Some(first_field) = self.fields().find(temporal) else { return false };
        let said = self.sentence.when.clone();
        self.out.used.clone_from(&said.used);
        if let Some(bad) = said.bad {
            self.out.bad = Some((first_field.key.clone(), bad));
            return true;
        }
        if said.is_empty() {
            return true;
        }
        if let Some((from, to)) = schema::span(self.operation) {
            let (from, to) = (from.clone(), to.clone());
            self.span(&from, &to, &said);
            return true;
        }
        let single = self.fields().filter(temporal).filter(|f| f.required).chain(self.fields().filter(temporal)).next();
        if let Some(field) = single.filter(|field| self.open(field)) {
            let old = self.moment(&field.key);
            let day = said.first.or(said.last).or(old.map(|at| at.date()));
            let clock = said.start.or(said.end);
            match (kind(&field.schema), day) {
                (Kind::Date, Some(day)) if said.first.or(said.last).is_some() => {
                    self.set(&field.key.clone(), json!(day.to_string()))
                }
                (Kind::DateTime, Some(day))
                    if clock.is_none() && old.is_none() && self.operation.risk != openapi::Risk::Safe =>
                {
                    self.frame.day = Some(day);
                }
                (Kind::DateTime, day) => {
                    let day = day.or(self.frame.day).unwrap_or(self.place.today);
                    let moment = match (clock, old) {
                        (Some(clock), _) => at(day, clock),
                        (None, Some(old)) => day.to_datetime(old.time()),
                        (None, None) => day.to_datetime(Time::midnight()),
                    };
                    let instant = self.place.instant(moment);
                    self.set(&field.key.clone(), json!(instant));
                }
                (Kind::Time, _) => {
                    if let Some(clock) = clock {
                        let text = at(self.place.today, clock).time().to_string();
                        self.set(&field.key.clone(), json!(text));
                    }
                }
                _ => {}
            }
        }
        true
    }

    fn moment(&self, key: &str) -> Option<DateTime> {
        let text = self.frame.arguments.get(key)?.as_str()?;
        read_date(text).map(|day| day.to_datetime(Time::midnight())).or_else(|| self.place.read_instant(text))
    }

    fn span(&mut self, from: &Field, to: &Field, said: &When) {
        let (old_from, old_to) = (self.moment(&from.key), self.moment(&to.key));
        let keep = !self.overwrite;
        if kind(&from.schema) == Kind::Date {
            let first = said.first.or(said.last);
            if let Some(first) = first.filter(|_| self.open(from)) {
                self.set(&from.key, json!(first.to_string()));
            }
            if let Some(last) = said.last.or(said.first).filter(|_| self.open(to)) {
                self.set(&to.key, json!(last.to_string()));
            }
            return;
        }
        let known = old_from.map(|at| at.date()).or(self.frame.day);
        let day = said.first.or(known).or(old_to.map(|at| at.date())).unwrap_or(self.place.today);
        // An effect for a day needs its hours; a look-up takes the whole day, and so does who says so.
        let hours_open = self.operation.risk != openapi::Risk::Safe
            && said.start.is_none()
            && said.last.is_none_or(|last| said.first.is_none_or(|first| first == last))
            && old_from.is_none()
            && !whole_day(&self.sentence.words);
        if hours_open && said.first.is_some() {
            self.frame.day = said.first;
        }
        let begin = match (said.start, said.first, old_from) {
            (_, _, Some(old)) if keep => Some(old),
            (Some(start), ..) => Some(at(day, start)),
            (None, Some(first), Some(old)) => Some(first.to_datetime(old.time())),
            // "tomorrow until 12" says no begin; "tomorrow" is the whole day.
            (None, Some(first), None) if said.end.is_none() && !hours_open => Some(first.to_datetime(Time::midnight())),
            (None, Some(_), None) => None,
            (None, None, old) => old,
        };
        let midnight_after = |day: Date| day.saturating_add(jiff::ToSpan::days(1)).to_datetime(Time::midnight());
        let end = match (said.end, old_to) {
            (_, Some(old)) if keep => Some(old),
            (Some(end), _) => {
                let whole = old_to.is_some_and(|to| to.time() == Time::midnight())
                    && old_from.is_some_and(|from| from.time() == Time::midnight());
                let last = said.last.or(said.first).or(old_to.map(|at| at.date()).filter(|_| !whole)).unwrap_or(day);
                let end = begin.filter(|b| b.date() == last).map_or(end, |b| after(end, hour(b), minute(b)));
                Some(at(last, end))
            }
            (None, _) if said.last.is_some() => said.last.map(midnight_after),
            (None, Some(old)) => match (begin, old_from) {
                // The begin moved: the end moves with it, when it moved by days or would no longer come after.
                (Some(begin), Some(before)) if said.first.is_some() || begin >= old => {
                    Some(begin.saturating_add(before.duration_until(old)))
                }
                _ => Some(old),
            },
            (None, None) if said.first.is_some() && said.start.is_none() && !hours_open => {
                said.first.map(midnight_after)
            }
            (None, None) => None,
        };
        for (field, moment) in [(from, begin), (to, end)] {
            if let Some(moment) = moment.filter(|_| self.open(field)) {
                let instant = self.place.instant(moment);
                self.set(&field.key, json!(instant));
            }
        }
    }

    /// E-mail addresses and tokens that a field's pattern knows.
    fn codes(&mut self) {
        let chunks = chunks(&self.sentence.text);
        for field in self.fields().filter(|field| self.open(field)).cloned().collect::<Vec<_>>() {
            let mail = kind(&field.schema) == Kind::Email
                || (kind(&field.schema) == Kind::Text && schema::about(&field).split(' ').any(|w| w == "email"));
            if mail {
                if let Some(chunk) = chunks.iter().find(|chunk| is_email(chunk.text)) {
                    self.set(&field.key, json!(chunk.text));
                    self.take_bytes(chunk.start, chunk.text.len());
                }
                continue;
            }
            if kind(&field.schema) != Kind::Text || !schema::options(&field.schema).is_empty() {
                continue;
            }
            let Some(matcher) = schema::pattern(&field).and_then(code_pattern) else { continue };
            'windows: for length in (1..=3).rev() {
                for window in chunks.windows(length) {
                    let (first, last) = (&window[0], &window[length - 1]);
                    let Some(text) = self.sentence.text.get(first.start..last.start + last.text.len()) else {
                        continue;
                    };
                    let upper = text.to_uppercase();
                    let found =
                        [text, upper.as_str()].into_iter().find(|text| matcher.is_match(text)).map(str::to_owned);
                    if let Some(found) = found {
                        let (start, len) = (first.start, text.len());
                        self.set(&field.key, json!(found));
                        self.take_bytes(start, len);
                        break 'windows;
                    }
                }
            }
        }
    }

    fn take_bytes(&mut self, start: usize, len: usize) {
        let range = start..start + len;
        for (at, word) in self.sentence.words.iter().enumerate() {
            if range.contains(&word.span.start)
                && let Some(used) = self.out.used.get_mut(at)
            {
                *used = true;
            }
        }
    }

    /// `x/y` onto two neighbouring path parameters.
    fn pairs(&mut self) {
        let found = chunks(&self.sentence.text).into_iter().find_map(|chunk| {
            let (a, b) = chunk.text.split_once('/')?;
            let word = |t: &str| {
                !t.is_empty()
                    && t.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c))
                    && t.chars().any(char::is_alphabetic)
            };
            (word(a) && word(b)).then(|| (a.to_owned(), b.to_owned(), chunk.start, chunk.text.len()))
        });
        let Some((a, b, start, len)) = found else { return };
        let segments: Vec<&str> = self.operation.path.split('/').collect();
        let neighbours = segments.windows(2).find_map(|pair| {
            let name = |segment: &str| segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')).map(str::to_owned);
            let (first, second) = (name(pair[0])?, name(pair[1])?);
            let field = |name: &str| {
                self.fields().find(|f| {
                    f.location == Location::Path && f.name == name && self.open(f) && kind(&f.schema) == Kind::Text
                })
            };
            Some((field(&first)?.key.clone(), field(&second)?.key.clone()))
        });
        if let Some((first, second)) = neighbours {
            self.set(&first, json!(a));
            self.set(&second, json!(b));
            self.take_bytes(start, len);
        }
    }

    /// Words of a listed value: by value, title or description.
    fn options(&mut self) {
        let own = fold(&format!("{} {}", self.operation.summary, humanise(&self.operation.path)));
        let own: Vec<Token> = tokens(&own);
        for field in self.fields().filter(|field| self.open(field)).cloned().collect::<Vec<_>>() {
            let many = kind(&field.schema) == Kind::Array;
            let listed = if many {
                field.schema.get("items").map(|items| schema::options_in(&field.schema, items)).unwrap_or_default()
            } else {
                schema::options(&field.schema)
            };
            let found = best_option(&listed, &self.sentence.words, &self.out.used, |phrase| {
                !field.required && phrase.iter().all(|word| own.iter().any(|token| same_stem(&token.text, &word.text)))
            });
            if let Some((choice, range)) = found {
                let value = if many { json!([choice.value]) } else { choice.value };
                self.set(&field.key, value);
                self.take(range);
            }
        }
    }

    /// Numbers: by their unit or the word before them; else the one number for the one required field.
    fn quantities(&mut self, timed: bool) {
        let mut left: Vec<Number> =
            self.sentence.numbers(timed).into_iter().filter(|n| !self.out.used[n.tokens.start] || !timed).collect();
        let numeric = |field: &Field| {
            matches!(kind(&field.schema), Kind::Integer | Kind::Number) && schema::options(&field.schema).is_empty()
        };
        for field in self.fields().filter(|field| self.open(field) && numeric(field)).cloned().collect::<Vec<_>>() {
            let about = schema::about(&field);
            let whole = kind(&field.schema) == Kind::Integer;
            let resource =
                self.operation.needs.iter().find(|need| need.field == field.key).map(|need| fold(&need.resource));
            let names = |word: &str| {
                !is_filler(word)
                    && match &resource {
                        Some(resource) => resource.split(' ').any(|part| same_stem(part, word)),
                        None => about.split(' ').take(4).any(|part| same_stem(part, word)),
                    }
            };
            let hash = |n: &Number| n.tokens.start > 0 && self.sentence.words[n.tokens.start - 1].is("#");
            let place = left.iter().position(|n| {
                (n.whole || !whole)
                    && ((resource.is_none()
                        && n.unit.as_deref().is_some_and(|unit| !is_filler(unit) && unit_fits(unit, &about)))
                        || n.before.as_deref().is_some_and(names)
                        || (hash(n) && (resource.is_some() || field.required)))
            });
            if let Some(place) = place {
                let number = left.remove(place);
                self.set_number(&field, &number);
            }
        }
        let open: Vec<Field> = self
            .fields()
            .filter(|field| field.required && numeric(field) && self.open(field) && !self.needed(field))
            .cloned()
            .collect();
        // The one number there is counts whatever its unit: people say it in their own language.
        if left.len() > 1 {
            left.retain(|n| n.unit.as_deref().is_none_or(is_filler));
        }
        if let ([field], [number]) = (open.as_slice(), left.as_slice())
            && (number.whole || kind(&field.schema) == Kind::Number)
        {
            self.set_number(&field.clone(), &number.clone());
        }
    }

    fn set_number(&mut self, field: &Field, number: &Number) {
        if let Some(value) = number_value(number.value, kind(&field.schema) == Kind::Integer) {
            self.set(&field.key, value);
            self.take(
                number.tokens.start
                    ..number.tokens.end + usize::from(number.unit.as_deref().is_some_and(|unit| !is_filler(unit))),
            );
        }
    }

    /// Quoted text, and the word that follows a field's own name.
    fn texts(&mut self) {
        let free = |field: &Field| {
            kind(&field.schema) == Kind::Text
                && schema::options(&field.schema).is_empty()
                && schema::pattern(field).is_none()
        };
        let needs = &self.operation.needs;
        let open: Vec<Field> = self
            .fields()
            .filter(|field| free(field) && self.open(field) && !needs.iter().any(|need| need.field == field.key))
            .cloned()
            .collect();
        if let Some((quoted, start, len)) = quoted(&self.sentence.text) {
            let usual = |f: &&Field| {
                ["q", "query", "search", "name", "title", "text", "term", "keyword"].contains(&fold(&f.name).as_str())
            };
            if let Some(field) = open.iter().find(|f| f.required).or_else(|| open.iter().find(usual)) {
                self.set(&field.key, json!(quoted));
                self.take_bytes(start, len);
                return;
            }
        }
        for field in open.iter().filter(|field| field.required) {
            let names = [fold(&humanise(&field.name)), fold(&schema::title(field))];
            let found = self.sentence.words.windows(2).enumerate().find_map(|(at, pair)| {
                let named = names.iter().any(|name| *name == pair[0].text);
                let fits =
                    named && pair[1].kind != token::Kind::Mark && !is_filler(&pair[1].text) && !self.out.used[at + 1];
                fits.then_some(at + 1)
            });
            if let Some(at) = found {
                let chunk = chunks(&self.sentence.text)
                    .into_iter()
                    .find(|c| (c.start..c.start + c.text.len()).contains(&self.sentence.words[at].span.start));
                if let Some(chunk) = chunk {
                    let (text, start) = (chunk.text.to_owned(), chunk.start);
                    self.take_bytes(start, text.len());
                    self.set(&field.key, json!(text));
                }
            }
        }
    }
}
