//! Questions: how a field is asked for, and what an answer to it means.

use openapi::{Field, Operation, ProblemKind};
use serde_json::{Value, json};

use super::{
    fill::{self, Sentence, best_option, number_value},
    identity, rows,
    schema::{self, Kind, kind},
    scope::{Scope, Step},
    show,
    state::{Ask, Does, Frame, Offer, Open, Row, Task},
    words::naming,
};
use crate::language::{
    control::{Control, control},
    dates::BadDate,
    fold,
    format::{month_name, number, small},
    numbers::numbers,
    ordinal, tokens,
};

/// Opens a question: says it and remembers what is to go on with the answer.
pub fn open(scope: &mut Scope<'_>, kind: Ask, task: Option<Task>, text: String, offers: Vec<Offer>) {
    let Some(person) = scope.person() else { return };
    scope.say_with(text, offers.clone());
    let said = scope.replies.last().map(|reply| reply.text.clone()).unwrap_or_default();
    let text = said.lines().last().map_or(said.clone(), |_| said.clone());
    scope.state.offers = Vec::new();
    scope.state.open =
        Some(Open { kind, person, name: identity::display_name(scope), asked_at: scope.input.now, task, offers, text });
}

/// Asks the open question again, with new tokens.
pub fn again(scope: &mut Scope<'_>, open_question: Open) {
    let offers: Vec<Offer> = open_question
        .offers
        .iter()
        .map(|offer| {
            let bound = match &open_question.kind {
                Ask::Confirm { hash } => hash.clone(),
                _ => String::new(),
            };
            scope.offer(offer.title.clone(), offer.does.clone(), &bound)
        })
        .collect();
    let (kind, task, text) = (open_question.kind, open_question.task, open_question.text);
    let asked = (open_question.person, open_question.name);
    open(scope, kind, task, text.clone(), offers);
    if let Some(new) = &mut scope.state.open {
        (new.person, new.name) = asked;
        new.text = text;
    }
}

/// Asks for a field of the top frame.
pub fn field(scope: &mut Scope<'_>, mut task: Task, operation: &Operation, key: &str) -> Step<()> {
    let Some(field) = operation.field(key) else { return Ok(()) };
    let depth = task.frames.len();
    if !task.asked.contains(&(depth, key.to_owned())) {
        task.asked.push((depth, key.to_owned()));
    }
    let offers = field_offers(scope, field);
    let day = task.frames.last().and_then(|frame| frame.day);
    let text = question(scope, operation, field, day, offers.is_empty());
    open(scope, Ask::Field { key: key.to_owned() }, Some(task), text, offers);
    Ok(())
}

fn field_offers(scope: &mut Scope<'_>, field: &Field) -> Vec<Offer> {
    if kind(&field.schema) == Kind::Boolean {
        let yes = Does::Value { key: field.key.clone(), value: json!(true), label: scope.text("yes-word", &[]) };
        let no = Does::Value { key: field.key.clone(), value: json!(false), label: scope.text("no-word", &[]) };
        return vec![scope.button("button-yes", yes), scope.button("button-no", no)];
    }
    let listed = schema::options(&field.schema);
    if listed.len() > scope.input.settings.limits.rows {
        return Vec::new();
    }
    listed
        .into_iter()
        .map(|choice| {
            let does = Does::Value { key: field.key.clone(), value: choice.value, label: choice.title.clone() };
            scope.offer(choice.title, does, "")
        })
        .collect()
}

/// A short question from a field's schema.
fn question(scope: &Scope<'_>, operation: &Operation, field: &Field, day: Option<jiff::civil::Date>, free: bool) -> String {
    let title = schema::title(field);
    let described = schema::description(field);
    if described.contains('?') && described.chars().count() <= 160 {
        return described.to_owned();
    }
    if !schema::options(&field.schema).is_empty() {
        let mut text = scope.text("ask-choice", &[("title", &title)]);
        if free {
            let listed: Vec<String> = schema::options(&field.schema).into_iter().take(20).map(|choice| choice.title).collect();
            text.push('\n');
            text.push_str(&listed.join(", "));
        }
        return text;
    }
    let key = match kind(&field.schema) {
        Kind::Boolean => "ask-yes-no",
        Kind::Date => "ask-day",
        Kind::DateTime | Kind::Time => "ask-moment",
        Kind::Integer | Kind::Number => "ask-number",
        Kind::Email => "ask-email",
        Kind::Text | Kind::Array | Kind::Object => "ask-text",
    };
    if key == "ask-moment"
        && let Some(day) = day
    {
        let day = crate::language::format::long_day(scope.lang, day, scope.place.today);
        return scope.text("ask-time", &[("title", &title), ("day", &day)]);
    }
    let text = scope.text(key, &[("title", &title)]);
    let helps = !described.is_empty() && described.chars().count() <= 120 && fold(described) != fold(&title);
    let wide = matches!(key, "ask-text" | "ask-number") && helps && operation.fields.len() > 1;
    if wide { format!("{text} ({})", described.trim_end_matches('.')) } else { text }
}

/// Lets choose from rows; those beyond the list's length can be named.
pub fn pick(scope: &mut Scope<'_>, mut task: Task, key: &str, list: Vec<Row>, text: String) {
    let depth = task.frames.len();
    if !task.asked.contains(&(depth, key.to_owned())) {
        task.asked.push((depth, key.to_owned()));
    }
    let shown: Vec<&Row> = list.iter().take(scope.input.settings.limits.rows).collect();
    let titles = rows::distinct_titles(&shown);
    let offers = titles.into_iter().enumerate().map(|(at, title)| scope.offer(title, Does::Row { at }, "")).collect();
    open(scope, Ask::Pick { key: key.to_owned(), rows: list }, Some(task), text, offers);
}

/// "2 fit: Emma, Jane Austen. Which one?"
pub fn several_fit(scope: &Scope<'_>, rows: &[Row]) -> String {
    let shared = rows::shared_label(rows);
    let key = if shared.is_empty() { "two-fit" } else { "two-fit-of" };
    scope.counted(key, rows.len(), &[("shared", &shared)])
}

/// Says that a day does not exist and asks for another.
pub fn bad_date(scope: &mut Scope<'_>, task: Task, operation: &Operation, key: &str, bad: BadDate) -> Step<()> {
    let month = match month_name(scope.lang, bad.month) {
        "" => bad.month.to_string(),
        name => name.to_owned(),
    };
    let text = scope.text("bad-date", &[("day", &bad.day.to_string()), ("month", &month)]);
    let Some(field) = operation.field(key) else { return Ok(()) };
    let _ = field;
    open(scope, Ask::Field { key: key.to_owned() }, Some(task), text, Vec::new());
    Ok(())
}

/// True when there is a value that the person could give or change.
pub fn has_choice(operation: &Operation, frame: &Frame) -> bool {
    operation.fields.iter().any(|field| changeable(operation, frame, field))
}

fn changeable(operation: &Operation, frame: &Frame, field: &Field) -> bool {
    let plain = !matches!(kind(&field.schema), Kind::Object);
    plain && schema::askable(field) && !frame.identity.contains(&field.key) && operation.field(&field.key).is_some()
}

/// Asks which value is to change.
pub fn change(scope: &mut Scope<'_>, task: Task, operation: &Operation) -> Step<()> {
    let Some(frame) = task.frames.first() else { return Ok(()) };
    let given = |field: &&Field| frame.arguments.contains_key(&field.key);
    let mut fields: Vec<&Field> = operation.fields.iter().filter(|f| changeable(operation, frame, f)).filter(given).collect();
    // With nothing in the body yet, the body is what there is to change.
    let bare = operation.body.is_some() && !fields.iter().any(|f| f.location == openapi::Location::Body);
    let optional: Vec<&Field> = operation.fields.iter().filter(|f| changeable(operation, frame, f) && !frame.arguments.contains_key(&f.key)).collect();
    if bare {
        fields = optional;
    } else {
        fields.extend(optional);
    }
    fields.truncate(scope.input.settings.limits.rows);
    if fields.is_empty() {
        let text = scope.text("ask-change-none", &[]);
        scope.say(text);
        return Ok(());
    }
    let offers = fields
        .iter()
        .map(|field| {
            let does = Does::AskField { key: field.key.clone() };
            scope.offer(schema::title(field), does, "")
        })
        .collect();
    let text = scope.text("ask-change", &[]);
    open(scope, Ask::Change, Some(task), text, offers);
    Ok(())
}

/// A problem with a value in words.
pub fn problem_text(scope: &Scope<'_>, operation: &Operation, key: &str, problem: &ProblemKind) -> String {
    let Some(field) = operation.field(key) else { return scope.text("refused", &[]) };
    let title = schema::title(field);
    let texty = matches!(kind(&field.schema), Kind::Text | Kind::Email | Kind::Array);
    let shown = |value: &Value| value.as_f64().map_or_else(|| value.to_string(), |n| number(scope.lang, n));
    let base = match problem {
        ProblemKind::Range { min: Some(_), .. } if texty => scope.text("problem-short", &[("title", &title)]),
        ProblemKind::Range { max: Some(_), .. } if texty => scope.text("problem-long", &[("title", &title)]),
        ProblemKind::Range { min: Some(min), .. } => scope.text("problem-least", &[("title", &title), ("least", &shown(min))]),
        ProblemKind::Range { max: Some(max), .. } => scope.text("problem-most", &[("title", &title), ("most", &shown(max))]),
        ProblemKind::Enum { .. } => scope.text("problem-choice", &[("title", &title)]),
        ProblemKind::WrongType if matches!(kind(&field.schema), Kind::Integer | Kind::Number) => scope.text("problem-number", &[("title", &title)]),
        ProblemKind::Format { format } if format == "email" => scope.text("problem-email", &[("title", &title)]),
        ProblemKind::Format { format } if format.starts_with("date") => day_problem(scope, field),
        ProblemKind::Range { .. } | ProblemKind::Pattern { .. } | ProblemKind::Format { .. } | ProblemKind::WrongType | ProblemKind::Missing | ProblemKind::Other => {
            scope.text("problem-form", &[("title", &title)])
        }
    };
    match schema::example(field).filter(|_| matches!(problem, ProblemKind::Pattern { .. } | ProblemKind::Format { .. }) && texty) {
        Some(example) => format!("{base} {}", scope.text("problem-example", &[("example", &example)])),
        None => base,
    }
}

fn day_problem(scope: &Scope<'_>, field: &Field) -> String {
    let example = crate::language::format::long_day(scope.lang, scope.place.today.tomorrow().unwrap_or(scope.place.today), scope.place.today);
    scope.text("problem-day", &[("title", &schema::title(field)), ("example", &example)])
}

/// What a text means as the value of a field.
pub enum Meant {
    /// It is set in the frame.
    Set,
    /// A day that does not exist.
    Bad(BadDate),
    /// It is no such value; why, in words.
    No(String),
}

/// Reads a text as the value of a field and puts it into the frame, with whatever else it says.
pub fn read(scope: &Scope<'_>, operation: &Operation, frame: &mut Frame, field: &Field, text: &str) -> Meant {
    let words = tokens(text);
    let title = schema::title(field);
    let listed = schema::options(&field.schema);
    if !listed.is_empty() {
        let place = ordinal::ordinal(text).and_then(|n| ordinal::place(n, listed.len()));
        let direct = listed.iter().find(|choice| choice.value == json!(text.trim()) || fold(&choice.title) == fold(text.trim()));
        let found = direct.cloned().or_else(|| best_option(&listed, &words, &[], |_| false).map(|(choice, _)| choice)).or_else(|| place.map(|at| listed[at].clone()));
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
                        Some(bad) => Meant::Bad(bad),
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
        Kind::Email => match fill::chunks(text).into_iter().find(|chunk| fill::is_email(chunk.text)) {
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
fn also(scope: &Scope<'_>, operation: &Operation, frame: &mut Frame, text: &str) -> Option<BadDate> {
    let said = Sentence::new(text, &scope.place, None);
    fill::fill(operation, frame, &said, &scope.place, false).bad.map(|(_, bad)| bad)
}

fn read_moment(scope: &Scope<'_>, operation: &Operation, frame: &mut Frame, field: &Field, text: &str) -> Meant {
    let base = scope.state.last.as_ref().and_then(|last| last.day);
    let mut said = Sentence::new(text, &scope.place, base);
    if said.when.is_empty() {
        said = Sentence::new(&format!("at {text}"), &scope.place, base);
    }
    if let Some(bad) = said.when.bad {
        return Meant::Bad(bad);
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
            let moment = said.when.start.map_or_else(|| day.to_datetime(jiff::civil::Time::midnight()), |clock| crate::language::when::at(day, clock));
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
            if numeric { numbers(&tokens(part), &[]).first().and_then(|n| number_value(n.value, false)) } else { Some(json!(part)) }
        })
        .take(50)
        .collect();
    if values.is_empty() {
        return Meant::No(scope.text("problem-form", &[("title", &schema::title(field))]));
    }
    frame.arguments.insert(field.key.clone(), Value::Array(values));
    Meant::Set
}

/// Which of the offered rows a text means: one, several, or none.
pub fn rows_meant(list: &[Row], shown: usize, text: &str) -> Vec<usize> {
    if let Some(at) = ordinal::ordinal(text).and_then(|n| ordinal::place(n, list.len().min(shown))) {
        return vec![at];
    }
    let folded = fold(text.trim());
    if let Some(at) = list.iter().position(|row| fold(&row.label) == folded || row.id.as_str().is_some_and(|id| fold(id) == folded)) {
        return vec![at];
    }
    rows::fitting(list, &naming(text))
}

/// "From: Sun 22 Nov, 09:00", for what was understood from words.
pub fn echo(scope: &Scope<'_>, operation: &Operation, frame: &Frame, key: &str) -> Option<String> {
    let field = operation.field(key)?;
    let value = frame.arguments.get(key)?;
    Some(format!("{}: {}", schema::title(field), show::argument(scope, field, value, frame.labels.get(key))))
}

/// The field that a text names by its title.
pub fn field_named<'a>(operation: &'a Operation, frame: &Frame, text: &str) -> Option<&'a Field> {
    let words = tokens(text);
    operation.fields.iter().filter(|field| changeable(operation, frame, field)).find(|field| {
        let title = tokens(&fold(&schema::title(field)));
        !title.is_empty() && words.windows(title.len()).any(|window| window.iter().zip(&title).all(|(a, b)| a.text == b.text))
    })
}

/// The title with a small first letter, for the middle of a sentence.
pub fn small_title(field: &Field) -> String {
    small(&schema::title(field))
}
