//! A sentence fills the fields of an operation, by schema alone.

use jiff::civil::Date;
use openapi::{Field, Location, Operation};
use serde_json::{Value, json};

use super::{
    hints::{best_option, chunks, code_pattern, is_email, number_value, quoted, told},
    schema::{self, Kind, kind},
    state::Frame,
};
use crate::language::{
    Token,
    choose::is_filler,
    dates::BadDate,
    fold,
    fold::same_stem,
    format::{Place, humanise},
    numbers::{Number, numbers, unit_fits},
    token, tokens,
    when::{When, when},
};

/// A sentence, read once.
pub struct Sentence {
    pub text: String,
    pub words: Vec<Token>,
    pub when: When,
    base: Option<Date>,
}

impl Sentence {
    /// `base` is the day that "the day after" counts from.
    pub fn new(text: &str, place: &Place, base: Option<Date>) -> Self {
        let words = tokens(text);
        let when = when(&words, place.today, base);
        Self { text: text.to_owned(), words, when, base }
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
    /// The sentence without what was told word for word, where that went into a field.
    pub before: Option<String>,
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
    let shorter = filler.told();
    if let Some(shorter) = &shorter {
        filler.sentence = shorter;
        filler.out.before = Some(shorter.text.clone());
    }
    let timed = filler.times();
    filler.codes();
    filler.pairs();
    filler.options();
    filler.quantities(timed);
    filler.texts();
    filler.out
}

/// A sentence on its way into a frame.
pub struct Filler<'a> {
    pub operation: &'a Operation,
    pub frame: &'a mut Frame,
    pub sentence: &'a Sentence,
    pub place: &'a Place,
    pub overwrite: bool,
    pub out: Filled,
}

impl<'a> Filler<'a> {
    pub fn open(&self, field: &Field) -> bool {
        schema::askable(field)
            && !schema::only_file(field)
            && !self.frame.identity.contains(&field.key)
            && (self.overwrite || !self.frame.arguments.contains_key(&field.key))
            && !self.out.changed.contains(&field.key)
    }

    fn needed(&self, field: &Field) -> bool {
        self.operation.needs.iter().any(|need| need.field == field.key)
    }

    pub fn set(&mut self, key: &str, value: Value) {
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

    pub fn fields(&self) -> impl Iterator<Item = &'a Field> + use<'a> {
        self.operation.fields.iter()
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

    /// Fields that take any words.
    fn wordy(&self) -> Vec<Field> {
        let free = |field: &Field| {
            kind(&field.schema) == Kind::Text
                && schema::options(&field.schema).is_empty()
                && schema::pattern(field).is_none()
        };
        self.fields().filter(|field| free(field) && self.open(field) && !self.needed(field)).cloned().collect()
    }

    /// "Add a note: call back on Monday": what is told belongs to one field whole, and nothing in it to others. Gives
    /// the sentence before it.
    fn told(&mut self) -> Option<Sentence> {
        let start = told(&self.sentence.text)?;
        let before = tokens(self.sentence.text[..start].trim_end_matches([':', ' ']));
        let named = |field: &&Field| {
            let name = tokens(&schema::title(field));
            !name.is_empty()
                && before.len() >= name.len()
                && before[before.len() - name.len()..].iter().zip(&name).all(|(said, own)| said.text == own.text)
        };
        let wordy = self.wordy();
        let field = wordy.iter().find(named).or_else(|| wordy.iter().find(|f| f.required && !self.overwrite))?.clone();
        self.set(&field.key, json!(self.sentence.text[start..].trim()));
        self.take_bytes(start, self.sentence.text.len() - start);
        let shorter = self.sentence.text[..start].to_owned();
        let words = tokens(&shorter);
        let when = when(&words, self.place.today, self.sentence.base);
        Some(Sentence { text: shorter, words, when, base: self.sentence.base })
    }

    /// Quoted text, and the word that follows a field's own name.
    fn texts(&mut self) {
        let open = self.wordy();
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
