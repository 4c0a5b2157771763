//! Arguments of a call in human form.

use openapi::{Field, Operation};
use serde_json::Value;

use super::{
    marked::Marked,
    schema::{self, Kind, kind},
    scope::Scope,
    state::Frame,
};
use crate::language::format::{cut, days, moment, number, period, read_date, short_day};

/// A value as a person reads it; the label where it is an id.
pub fn argument(scope: &Scope<'_>, field: &Field, value: &Value, label: Option<&String>) -> String {
    if let Some(label) = label {
        return label.clone();
    }
    if let Some(choice) = schema::options(&field.schema).into_iter().find(|choice| choice.value == *value) {
        return choice.title;
    }
    match value {
        Value::String(text) => match kind(&field.schema) {
            Kind::Date => {
                read_date(text).map_or_else(|| text.clone(), |day| short_day(scope.lang, day, scope.place.today))
            }
            Kind::DateTime => scope
                .place
                .read_instant(text)
                .map_or_else(|| text.clone(), |at| moment(scope.lang, at, scope.place.today)),
            _ => cut(text, 300),
        },
        Value::Number(n) if !is_name(field) => n.as_f64().map_or_else(|| n.to_string(), |n| number(scope.lang, n)),
        Value::Bool(truth) => scope.text(if *truth { "yes-word" } else { "no-word" }, &[]),
        Value::Array(list) => {
            list.iter().map(|value| argument_part(scope, field, value)).collect::<Vec<_>>().join(", ")
        }
        other => cut(&other.to_string(), 300),
    }
}

fn argument_part(scope: &Scope<'_>, field: &Field, value: &Value) -> String {
    let items = field.schema.get("items").map(|items| schema::options_in(&field.schema, items)).unwrap_or_default();
    items.into_iter().find(|choice| choice.value == *value).map(|choice| choice.title).unwrap_or_else(|| match value {
        Value::String(text) => text.clone(),
        Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), |n| number(scope.lang, n)),
        other => other.to_string(),
    })
}

/// A number that identifies takes no separators.
fn is_name(field: &Field) -> bool {
    let name = crate::language::fold(&crate::language::format::humanise(&field.name));
    name.split(' ').any(|word| matches!(word, "id" | "number" | "no" | "year" | "code"))
}

/// All arguments as lines "• Title: value", in the order of the fields.
pub fn lines(scope: &Scope<'_>, operation: &Operation, frame: &Frame) -> Vec<Marked> {
    operation
        .fields
        .iter()
        .filter_map(|field| {
            let value = frame.arguments.get(&field.key)?;
            let value = argument(scope, field, value, frame.labels.get(&field.key));
            Some(Marked::from("• ").with(Marked::bold(schema::title(field))).with(format!(": {value}")))
        })
        .collect()
}

/// The period that a call is about.
pub fn period_of(scope: &Scope<'_>, operation: &Operation, frame: &Frame) -> Option<String> {
    let today = scope.place.today;
    if let Some((from, to)) = schema::span(operation) {
        let text = |key: &str| frame.arguments.get(key).and_then(Value::as_str);
        if let (Some(from), Some(to)) = (text(&from.key), text(&to.key)) {
            return match (read_date(from), read_date(to)) {
                (Some(first), Some(last)) => Some(days(scope.lang, first, last, today)),
                _ => Some(period(scope.lang, scope.place.read_instant(from)?, scope.place.read_instant(to)?, today)),
            };
        }
    }
    let field = operation
        .fields
        .iter()
        .find(|f| matches!(kind(&f.schema), Kind::Date | Kind::DateTime) && frame.arguments.contains_key(&f.key))?;
    Some(argument(scope, field, frame.arguments.get(&field.key)?, None))
}

/// First day that a call is about.
pub fn day_of(scope: &Scope<'_>, operation: &Operation, frame: &Frame) -> Option<jiff::civil::Date> {
    let mut fields = operation.fields.iter().filter(|f| matches!(kind(&f.schema), Kind::Date | Kind::DateTime));
    fields.find_map(|field| {
        let text = frame.arguments.get(&field.key)?.as_str()?;
        read_date(text).or_else(|| scope.place.read_instant(text).map(|at| at.date()))
    })
}

/// What a call is about in a few words: labels of ids, then the period, then what else fits.
pub fn gist(scope: &Scope<'_>, operation: &Operation, frame: &Frame) -> String {
    let mut parts: Vec<String> = operation
        .fields
        .iter()
        .filter(|field| !frame.identity.contains(&field.key) && field.file.is_none())
        .filter_map(|field| frame.labels.get(&field.key).cloned())
        .collect();
    parts.extend(period_of(scope, operation, frame));
    for field in &operation.fields {
        let plain = !frame.labels.contains_key(&field.key)
            && !frame.identity.contains(&field.key)
            && field.file.is_none()
            && !matches!(kind(&field.schema), Kind::Date | Kind::DateTime);
        if parts.len() < 3
            && plain
            && let Some(value) = frame.arguments.get(&field.key)
        {
            let shown = argument(scope, field, value, None);
            let text = if value.is_number() { format!("{} {shown}", super::ask::small_title(field)) } else { shown };
            parts.push(cut(&text, 60));
        }
    }
    parts.join(", ")
}
