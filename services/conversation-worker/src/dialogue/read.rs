//! A text as the value of one field.

use openapi::{Field, Operation};
use serde_json::{Value, json};

use super::{
    ask::day_problem,
    fill::{self, Sentence},
    hints::{best_option, chunks, is_email, number_value},
    schema::{self, Kind, kind},
    scope::Scope,
    state::Frame,
};
use crate::language::{
    control::{Control, control},
    dates::BadDate,
    fold,
    numbers::numbers,
    ordinal, tokens,
};

/// What a text means as the value of a field.
pub enum Meant {
    /// It is set in the frame.
    Set,
    /// A day that does not exist.
    Bad {
        /// The field it was for.
        key: String,
        /// The day.
        bad: BadDate,
    },
    /// It is no such value; why, in words.
    No(String),
}

/// Reads a text as the value of a field and puts it into the frame, with whatever else it says.
pub fn read(scope: &Scope<'_>, operation: &Operation, frame: &mut Frame, field: &Field, text: &str) -> Meant {
    let words = tokens(text);
    let title = schema::title(field);
    if schema::only_file(field) {
        return Meant::No(scope.text("problem-file", &[("title", &title)]));
    }
    let listed = schema::options(&field.schema);
    if !listed.is_empty() {
        let place = ordinal::ordinal(text).and_then(|n| ordinal::place(n, listed.len()));
        let direct =
            listed.iter().find(|choice| choice.value == json!(text.trim()) || fold(&choice.title) == fold(text.trim()));
        let found = direct
            .cloned()
            .or_else(|| best_option(&listed, &words, &[], |_| false).map(|(choice, _)| choice))
            .or_else(|| place.map(|at| listed[at].clone()));
        return match found {
            Some(choice) => {
                frame.arguments.insert(field.key.clone(), choice.value);
                also(scope, operation, frame, text);
                Meant::Set
            }
            None => Meant::No(scope.text("problem-choice", &[("title", &title)])),
        };
    }
    match kind(&field.schema) {
        Kind::Date | Kind::DateTime | Kind::Time => read_moment(scope, operation, frame, field, text),
        Kind::Integer | Kind::Number => {
            let whole = kind(&field.schema) == Kind::Integer;
            let found = numbers(&words, &[]).into_iter().next().and_then(|n| number_value(n.value, whole));
            match found {
                Some(value) => {
                    frame.arguments.insert(field.key.clone(), value);
                    match also(scope, operation, frame, text) {
                        Some((key, bad)) => Meant::Bad { key, bad },
                        None => Meant::Set,
                    }
                }
                None => Meant::No(scope.text("problem-number", &[("title", &title)])),
            }
        }
        Kind::Boolean => match control(text) {
            Some(Control::Yes) => {
                frame.arguments.insert(field.key.clone(), json!(true));
                Meant::Set
            }
            Some(Control::No) => {
                frame.arguments.insert(field.key.clone(), json!(false));
                Meant::Set
            }
            Some(_) | None => Meant::No(scope.text("ask-yes-no", &[("title", &title)])),
        },
        Kind::Email => match chunks(text).into_iter().find(|chunk| is_email(chunk.text)) {
            Some(chunk) => {
                frame.arguments.insert(field.key.clone(), json!(chunk.text));
                Meant::Set
            }
            None => Meant::No(scope.text("problem-email", &[("title", &title)])),
        },
        Kind::Array => read_array(scope, frame, field, text),
        Kind::Object => match serde_json::from_str::<Value>(text) {
            Ok(value) if value.is_object() => {
                frame.arguments.insert(field.key.clone(), value);
                Meant::Set
            }
            _ => Meant::No(scope.text("problem-form", &[("title", &title)])),
        },
        Kind::Text => {
            frame.arguments.remove(&field.key);
            let said = Sentence::new(text, &scope.place, None);
            if schema::pattern(field).is_some() {
                let mut probe = frame.clone();
                fill::fill(operation, &mut probe, &said, &scope.place, false);
                if let Some(code) = probe.arguments.get(&field.key) {
                    frame.arguments.insert(field.key.clone(), code.clone());
                    return Meant::Set;
                }
            }
            frame.arguments.insert(field.key.clone(), json!(text.trim()));
            Meant::Set
        }
    }
}

/// Fills what else the text says; gives a day that does not exist.
fn also(scope: &Scope<'_>, operation: &Operation, frame: &mut Frame, text: &str) -> Option<(String, BadDate)> {
    let said = Sentence::new(text, &scope.place, None);
    fill::fill(operation, frame, &said, &scope.place, false).bad
}

fn read_moment(scope: &Scope<'_>, operation: &Operation, frame: &mut Frame, field: &Field, text: &str) -> Meant {
    let base = scope.state.last.as_ref().and_then(|last| last.day);
    let mut said = Sentence::new(text, &scope.place, base);
    if said.when.is_empty() {
        said = Sentence::new(&format!("at {text}"), &scope.place, base);
    }
    if let Some(bad) = said.when.bad {
        return Meant::Bad { key: field.key.clone(), bad };
    }
    let end = schema::span(operation).is_some_and(|(_, to)| to.key == field.key);
    if end && said.when.end.is_none() {
        said.when.end = said.when.start.take();
    }
    frame.arguments.remove(&field.key);
    fill::fill(operation, frame, &said, &scope.place, false);
    if frame.arguments.contains_key(&field.key) {
        return Meant::Set;
    }
    // A day without hours was noted: the hours come next.
    if said.when.first.is_some() && frame.day == said.when.first && said.when.start.is_none() {
        return Meant::Set;
    }
    // A field beside the span: its own day.
    if let Some(day) = said.when.first.or(said.when.last) {
        let value = if kind(&field.schema) == Kind::Date {
            day.to_string()
        } else {
            let moment = said.when.start.map_or_else(
                || day.to_datetime(jiff::civil::Time::midnight()),
                |clock| crate::language::when::at(day, clock),
            );
            scope.place.instant(moment)
        };
        frame.arguments.insert(field.key.clone(), json!(value));
        return Meant::Set;
    }
    Meant::No(day_problem(scope, field))
}

fn read_array(scope: &Scope<'_>, frame: &mut Frame, field: &Field, text: &str) -> Meant {
    let items = field.schema.get("items").cloned().unwrap_or(json!({}));
    let listed = schema::options_in(&field.schema, &items);
    let parts = text.split([',', ';', '\n']).map(str::trim).filter(|part| !part.is_empty());
    let numeric = matches!(schema::kind_in(&field.schema, &items), Kind::Integer | Kind::Number);
    let values: Vec<Value> = parts
        .filter_map(|part| {
            if !listed.is_empty() {
                return best_option(&listed, &tokens(part), &[], |_| false).map(|(choice, _)| choice.value);
            }
            if numeric {
                numbers(&tokens(part), &[]).first().and_then(|n| number_value(n.value, false))
            } else {
                Some(json!(part))
            }
        })
        .take(50)
        .collect();
    if values.is_empty() {
        return Meant::No(scope.text("problem-form", &[("title", &schema::title(field))]));
    }
    frame.arguments.insert(field.key.clone(), Value::Array(values));
    Meant::Set
}
