//! A backend's answer in readable lines: no JSON, no ids unless there is nothing else.

use jiff::civil::DateTime;
use openapi::Operation;
use serde_json::{Map, Value};

use super::{marked::Marked, schema};
use crate::language::{
    Lang, fold,
    format::{Place, capital, cut, days, moment, number, period, read_date, short_day, small},
    texts,
};

/// Most characters of one value in a line.
const MAX_VALUE_CHARS: usize = 120;

/// Tells values of one operation's answer.
pub struct Telling<'a> {
    lang: Lang,
    place: &'a Place,
    row: Option<(&'a Value, &'a Value)>,
}

/// A property of a row, ready to be told.
struct Part {
    name: String,
    title: String,
    text: String,
    kind: PartKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PartKind {
    Name,
    Text,
    Number,
    Moment,
    Truth,
}

impl<'a> Telling<'a> {
    pub fn new(lang: Lang, place: &'a Place, operation: &'a Operation) -> Self {
        Self { lang, place, row: schema::row_schema(operation) }
    }

    fn title(&self, name: &str) -> String {
        self.row.map_or_else(
            || crate::language::format::humanise(name),
            |(root, row)| schema::property_title(root, Some(row), name),
        )
    }

    /// A value as a word or two; `None` when it is empty or no single value.
    pub fn value(&self, name: &str, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => {
                if let Some(title) = self.option(name, value) {
                    return Some(title);
                }
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                (!text.is_empty()).then(|| cut(&self.moment(&text).unwrap_or(text), MAX_VALUE_CHARS))
            }
            Value::Number(n) => match self.option(name, value) {
                Some(title) => Some(title),
                None if plain_number(name, &self.title(name)) => Some(n.to_string()),
                None => n.as_f64().map(|n| number(self.lang, n)),
            },
            Value::Bool(truth) => Some(texts::say(self.lang, if *truth { "yes-word" } else { "no-word" }, &[])),
            Value::Array(list) => {
                let shown: Vec<String> =
                    list.iter().take(5).filter_map(|v| if v.is_array() { None } else { self.value(name, v) }).collect();
                match (list.is_empty(), shown.is_empty()) {
                    (true, _) => None,
                    (false, true) => Some(texts::count(self.lang, "items", list.len(), &[])),
                    (false, false) if list.len() > shown.len() => Some(format!("{} …", shown.join(", "))),
                    (false, false) => Some(shown.join(", ")),
                }
            }
            Value::Object(object) => name_of(object).map(str::to_owned),
            Value::Null => None,
        }
    }

    fn option(&self, name: &str, value: &Value) -> Option<String> {
        let (root, row) = self.row?;
        let property = schema::property(root, row, name)?;
        schema::options_in(root, property).into_iter().find(|choice| choice.value == *value).map(|choice| choice.title)
    }

    fn moment(&self, text: &str) -> Option<String> {
        if let Some(day) = read_date(text) {
            return Some(short_day(self.lang, day, self.place.today));
        }
        self.place.read_instant(text).map(|at| moment(self.lang, at, self.place.today))
    }

    /// A row's label: what a person would call it, at most three parts.
    pub fn label(&self, row: &Value) -> String {
        let Some(object) = row.as_object() else {
            return self.value("", row).unwrap_or_default();
        };
        let parts = self.parts(object);
        let mut label: Vec<&str> =
            parts.iter().filter(|p| p.kind == PartKind::Name).map(|p| p.text.as_str()).take(1).collect();
        label.extend(
            parts
                .iter()
                .filter(|p| p.kind == PartKind::Text && p.text.chars().count() <= 40)
                .map(|p| p.text.as_str())
                .take(3 - label.len()),
        );
        if label.is_empty() {
            return self.fallback(object, &parts);
        }
        if label.len() == 1
            && let Some(when) = parts.iter().find(|p| p.kind == PartKind::Moment)
        {
            label.push(&when.text);
        }
        label.join(", ")
    }

    fn fallback(&self, object: &Map<String, Value>, parts: &[Part]) -> String {
        if !parts.is_empty() {
            return parts.iter().take(3).map(|part| self.pair(part)).collect::<Vec<_>>().join(", ");
        }
        object.iter().find_map(|(name, value)| self.value(name, value)).unwrap_or_default()
    }

    /// A row in one line: label, then days and times, then up to two numbers when the label says little.
    pub fn line(&self, row: &Value) -> String {
        let Some(object) = row.as_object() else {
            return self.value("", row).unwrap_or_default();
        };
        let parts = self.parts(object);
        let mut line: Vec<String> = Vec::new();
        line.extend(parts.iter().find(|p| p.kind == PartKind::Name).map(|p| p.text.clone()));
        let room = 3 - line.len();
        line.extend(parts.iter().filter(|p| p.kind == PartKind::Text).take(room).map(|p| cut(&p.text, 60)));
        line.extend(parts.iter().filter(|p| p.kind == PartKind::Moment).take(2).map(|p| p.text.clone()));
        if line.len() < 3 {
            line.extend(parts.iter().filter(|p| p.kind == PartKind::Number).take(4 - line.len()).map(|p| self.pair(p)));
        }
        if line.is_empty() { self.fallback(object, &parts) } else { line.join(", ") }
    }

    /// A row with everything it has, the label first; never empty.
    pub fn whole(&self, row: &Value) -> Marked {
        let told = self.all(row);
        if told.text.trim().is_empty() { texts::say(self.lang, "result-none", &[]).into() } else { told }
    }

    fn all(&self, row: &Value) -> Marked {
        let Some(object) = row.as_object() else {
            return self.value("", row).unwrap_or_default().into();
        };
        let parts = self.parts(object);
        let label = self.label(row);
        let in_label: Vec<&str> = label.split(", ").collect();
        let has_name = parts.iter().any(|p| matches!(p.kind, PartKind::Name | PartKind::Text));
        let mut told: Vec<String> = Vec::new();
        for part in &parts {
            if has_name
                && in_label.contains(&part.text.as_str())
                && matches!(part.kind, PartKind::Name | PartKind::Text | PartKind::Moment)
            {
                continue;
            }
            told.push(self.pair(part));
        }
        let name = has_name.then_some(label.as_str());
        let all = || name.into_iter().chain(told.iter().map(String::as_str));
        if all().next().is_none() {
            return self.fallback(object, &parts).into();
        }
        let long = all().count() > 7 || all().map(|t| t.chars().count()).sum::<usize>() > 160;
        let shown = |text: &str| if long { capital(text) } else { text.to_owned() };
        let all = name.map(|name| Marked::bold(shown(name))).into_iter().chain(told.iter().map(|t| shown(t).into()));
        Marked::join(all, if long { "\n" } else { " · " })
    }

    /// True when a row has a word that names it.
    pub fn is_named(&self, row: &Value) -> bool {
        row.as_object()
            .is_some_and(|object| self.parts(object).iter().any(|p| matches!(p.kind, PartKind::Name | PartKind::Text)))
    }

    /// A value with its name, as short as it stays clear.
    fn pair(&self, part: &Part) -> String {
        let title = &part.title;
        let one_word = !title.contains(' ');
        match part.kind {
            PartKind::Name => part.text.clone(),
            PartKind::Number if one_word && title.ends_with('s') => format!("{} {}", part.text, small(title)),
            PartKind::Text
                if one_word && part.text.chars().any(char::is_alphabetic) && part.text.chars().count() <= 40 =>
            {
                part.text.clone()
            }
            PartKind::Text if preposition(title) => format!("{} {}", small(title), part.text),
            PartKind::Moment if title.is_empty() => part.text.clone(),
            PartKind::Number | PartKind::Text | PartKind::Moment | PartKind::Truth => format!("{title}: {}", part.text),
        }
    }

    /// What a row has to tell, in its order; begin and end of a span are one part.
    fn parts(&self, object: &Map<String, Value>) -> Vec<Part> {
        let mut parts: Vec<Part> = Vec::new();
        let span = span_of(object, self.place);
        let best_name = best_name(object);
        for (name, value) in object {
            if is_id_like(name, value) {
                continue;
            }
            if let Some(span) = &span {
                if *name == span.from {
                    let text = if span.whole_days {
                        days(self.lang, span.start.date(), span.end.date(), self.place.today)
                    } else {
                        period(self.lang, span.start, span.end, self.place.today)
                    };
                    parts.push(Part { name: name.clone(), title: String::new(), text, kind: PartKind::Moment });
                    continue;
                }
                if *name == span.to {
                    continue;
                }
            }
            if let Value::Object(inner) = value
                && name_of(inner).is_none()
            {
                // One level of structure is told as if it stood here.
                for (inner_name, inner_value) in
                    inner.iter().filter(|(n, v)| !v.is_object() && !is_id_like(n, v)).take(6)
                {
                    if let Some(text) = self.value(inner_name, inner_value) {
                        let kind = self.kind(inner_name, inner_value, false);
                        parts.push(Part {
                            name: inner_name.clone(),
                            title: crate::language::format::humanise(inner_name),
                            text,
                            kind,
                        });
                    }
                }
                continue;
            }
            if value.as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            let Some(text) = self.value(name, value) else { continue };
            let kind = self.kind(name, value, best_name.as_deref() == Some(name));
            if kind == PartKind::Text && (text.starts_with("http://") || text.starts_with("https://")) {
                continue;
            }
            parts.push(Part { name: name.clone(), title: self.title(name), text, kind });
        }
        if let Some(text) = joined_name(object) {
            parts.retain(|part| !JOINED.iter().any(|pair| pair.contains(&part.name.as_str())));
            parts.insert(0, Part { name: String::new(), title: String::new(), text, kind: PartKind::Name });
        }
        parts
    }

    fn kind(&self, name: &str, value: &Value, best: bool) -> PartKind {
        match value {
            Value::Number(_) if self.option(name, value).is_none() => PartKind::Number,
            Value::Bool(_) => PartKind::Truth,
            Value::String(text) if self.moment(text).is_some() => PartKind::Moment,
            _ if best => PartKind::Name,
            _ => PartKind::Text,
        }
    }

    /// The number or short code by which people speak of a thing that was made.
    pub fn handle(&self, body: &Value) -> Option<String> {
        let object = body.as_object()?;
        let short = |value: &Value| match value {
            Value::Number(number) => Some(number.to_string()),
            Value::String(text) if (1..=16).contains(&text.len()) && text.chars().any(|c| c.is_ascii_digit()) => {
                Some(text.clone())
            }
            _ => None,
        };
        let named = |wanted: &[&str]| {
            object
                .iter()
                .find(|(name, _)| wanted.contains(&fold(name).replace(['_', '-'], "").as_str()))
                .and_then(|(_, v)| short(v))
        };
        named(&["number", "code", "reference", "key", "iid", "ordernumber", "no"]).or_else(|| named(&["id"]))
    }
}

/// Names that are one when they stand together.
const JOINED: [[&str; 2]; 3] = [["make", "model"], ["first_name", "last_name"], ["firstName", "lastName"]];

fn joined_name(object: &Map<String, Value>) -> Option<String> {
    if object.get("name").is_some() {
        return None;
    }
    JOINED.iter().find_map(|[a, b]| Some(format!("{} {}", object.get(*a)?.as_str()?, object.get(*b)?.as_str()?)))
}

/// The property that names the thing: the usual words for names, else none.
fn best_name(object: &Map<String, Value>) -> Option<String> {
    const NAMES: &[&str] =
        &["name", "fullname", "displayname", "title", "label", "subject", "summary", "headline", "username", "login"];
    let plain = |name: &str| fold(name).replace(['_', '-', ' '], "");
    NAMES.iter().find_map(|wanted| {
        object
            .iter()
            .find(|(name, value)| plain(name) == *wanted && value.as_str().is_some_and(|t| !t.trim().is_empty()))
            .map(|(name, _)| name.clone())
    })
}

fn name_of(object: &Map<String, Value>) -> Option<&str> {
    best_name(object).and_then(|name| object.get(&name)?.as_str())
}

/// True for a property that identifies to machines: ids, keys, hashes, links.
pub fn is_id_like(name: &str, value: &Value) -> bool {
    let plain = fold(name);
    let id = plain == "id"
        || plain.ends_with("_id")
        || plain.ends_with("-id")
        || name.ends_with("Id")
        || name.ends_with("ID")
        || plain == "uuid"
        || plain == "guid"
        || plain == "etag"
        || plain == "sha"
        || plain.starts_with('_')
        || plain.ends_with("url")
        || plain.ends_with("uri")
        || plain == "href"
        || plain.ends_with("_ids");
    id || value.as_str().is_some_and(|text| {
        text.len() == 36
            && text.bytes().filter(|b| *b == b'-').count() == 4
            && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    })
}

/// A number that is a name: it takes no separators.
fn plain_number(name: &str, title: &str) -> bool {
    let says = |text: &str, words: &[&str]| fold(text).split([' ', '_']).any(|word| words.contains(&word));
    let words = ["number", "id", "year", "code", "no", "broj", "godina", "zip", "port"];
    says(name, &words) || says(title, &words)
}

fn preposition(title: &str) -> bool {
    title.split(' ').next_back().is_some_and(|last| {
        matches!(
            fold(last).as_str(),
            "at" | "in" | "by" | "on" | "to" | "from" | "with" | "until" | "since" | "u" | "na" | "do" | "od"
        )
    })
}

/// Begin and end of a span in a row.
struct Span {
    from: String,
    to: String,
    start: DateTime,
    end: DateTime,
    whole_days: bool,
}

fn span_of(object: &Map<String, Value>, place: &Place) -> Option<Span> {
    let says = |name: &str, words: &[&str]| {
        let spaced = fold(&crate::language::format::humanise(name));
        spaced.split(' ').any(|word| words.contains(&word))
    };
    let read = |value: &Value| {
        let text = value.as_str()?;
        read_date(text)
            .map(|day| (day.to_datetime(jiff::civil::Time::midnight()), true))
            .or_else(|| place.read_instant(text).map(|at| (at, false)))
    };
    let (from, (start, from_day)) = object.iter().find_map(|(name, value)| {
        says(name, &["from", "start", "starts", "begin", "begins"]).then(|| read(value)).flatten().map(|v| (name, v))
    })?;
    let (to, (end, to_day)) = object.iter().find_map(|(name, value)| {
        says(name, &["to", "end", "ends", "until", "till"]).then(|| read(value)).flatten().map(|v| (name, v))
    })?;
    (from_day == to_day).then(|| Span { from: from.clone(), to: to.clone(), start, end, whole_days: from_day })
}
