//! Questions: how a field is asked for, and what an answer to it means.

use openapi::{Field, Operation, ProblemKind};
use serde_json::{Value, json};

use super::{
    files, identity,
    marked::Marked,
    rows,
    schema::{self, Kind, kind},
    scope::{Scope, Step},
    show,
    state::{Ask, Does, Frame, Offer, Open, Row, Task},
    words::naming,
};
use crate::language::{
    dates::BadDate,
    fold,
    format::{month_name, number, small},
    ordinal, tokens,
};

/// Opens a question: says it and remembers what is to go on with the answer.
pub fn open(scope: &mut Scope<'_>, kind: Ask, task: Option<Task>, text: impl Into<Marked>, offers: Vec<Offer>) {
    let Some(person) = scope.person() else { return };
    scope.say_with(text, offers.clone());
    // With what led it, so that it is the same when it is asked again.
    let said = scope.replies.last().map(|reply| (reply.text.clone(), reply.spans.clone()));
    let (text, spans) = said.unwrap_or_default();
    scope.state.offers = Vec::new();
    let (name, asked_at) = (identity::display_name(scope), scope.input.now);
    scope.state.open = Some(Open { kind, person, name, asked_at, task, offers, text, spans });
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
    let (kind, task) = (open_question.kind, open_question.task);
    let said = Marked { text: open_question.text, spans: open_question.spans };
    let asked = (open_question.person, open_question.name);
    open(scope, kind, task, said.clone(), offers);
    if let Some(new) = &mut scope.state.open {
        (new.person, new.name) = asked;
        (new.text, new.spans) = (said.text, said.spans);
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
    let mut text = question(scope, operation, field, day, offers.is_empty());
    if depth == 1 && kind(&field.schema) == Kind::Text && offers.is_empty() && field.file.is_none() {
        text.extend(files::hint(scope, &mut task, operation).map(|hint| format!(" {hint}")));
    }
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
fn question(
    scope: &Scope<'_>,
    operation: &Operation,
    field: &Field,
    day: Option<jiff::civil::Date>,
    free: bool,
) -> String {
    let title = schema::title(field);
    let described = schema::description(field);
    if described.contains('?') && described.chars().count() <= 160 {
        return described.to_owned();
    }
    if schema::only_file(field) {
        return files::question(scope, field);
    }
    if !schema::options(&field.schema).is_empty() {
        let mut text = scope.text("ask-choice", &[("title", &title)]);
        if free {
            let listed: Vec<String> =
                schema::options(&field.schema).into_iter().take(20).map(|choice| choice.title).collect();
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

/// Rows of a question that are remembered.
const ROWS_KEPT: usize = 200;

/// Lets choose from rows; those beyond the list's length can be named.
pub fn pick(scope: &mut Scope<'_>, mut task: Task, key: &str, mut list: Vec<Row>, text: String) {
    let cut = list.len() > ROWS_KEPT;
    list.truncate(ROWS_KEPT);
    let depth = task.frames.len();
    if !task.asked.contains(&(depth, key.to_owned())) {
        task.asked.push((depth, key.to_owned()));
    }
    let shown: Vec<&Row> = list.iter().take(scope.input.settings.limits.rows).collect();
    let limits = &scope.input.settings.limits;
    let most = if shown.len() > limits.buttons { limits.row_title } else { limits.button_title };
    let titles = rows::distinct_titles(&shown, most);
    let offers = titles.into_iter().enumerate().map(|(at, title)| scope.offer(title, Does::Row { at }, "")).collect();
    open(scope, Ask::Pick { key: key.to_owned(), rows: list, cut }, Some(task), text, offers);
}

/// "2 fit: Emma, Jane Austen. Which one?"
pub fn several_fit(scope: &Scope<'_>, rows: &[Row]) -> String {
    let shared = rows::shared_label(rows);
    let key = if shared.is_empty() { "two-fit" } else { "two-fit-of" };
    scope.counted(key, rows.len(), &[("shared", &shared)])
}

/// Says that a day does not exist and asks for another.
pub fn bad_date(scope: &mut Scope<'_>, task: Task, key: &str, bad: BadDate) {
    let month = match month_name(scope.lang, bad.month) {
        "" => bad.month.to_string(),
        name => name.to_owned(),
    };
    let text = scope.text("bad-date", &[("day", &bad.day.to_string()), ("month", &month)]);
    open(scope, Ask::Field { key: key.to_owned() }, Some(task), text, Vec::new());
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
    let mut fields: Vec<&Field> =
        operation.fields.iter().filter(|f| changeable(operation, frame, f)).filter(given).collect();
    // With nothing in the body yet, the body is what there is to change.
    let bare = operation.body.is_some() && !fields.iter().any(|f| f.location == openapi::Location::Body);
    let optional: Vec<&Field> = operation
        .fields
        .iter()
        .filter(|f| changeable(operation, frame, f) && !frame.arguments.contains_key(&f.key))
        .collect();
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
        ProblemKind::Range { min: Some(min), .. } => {
            scope.text("problem-least", &[("title", &title), ("least", &shown(min))])
        }
        ProblemKind::Range { max: Some(max), .. } => {
            scope.text("problem-most", &[("title", &title), ("most", &shown(max))])
        }
        ProblemKind::Enum { .. } => scope.text("problem-choice", &[("title", &title)]),
        ProblemKind::WrongType if matches!(kind(&field.schema), Kind::Integer | Kind::Number) => {
            scope.text("problem-number", &[("title", &title)])
        }
        ProblemKind::Format { format } if format == "email" => scope.text("problem-email", &[("title", &title)]),
        ProblemKind::Format { format } if format.starts_with("date") => day_problem(scope, field),
        ProblemKind::Range { .. }
        | ProblemKind::Pattern { .. }
        | ProblemKind::Format { .. }
        | ProblemKind::WrongType
        | ProblemKind::Missing
        | ProblemKind::Other => scope.text("problem-form", &[("title", &title)]),
    };
    match schema::example(field)
        .filter(|_| matches!(problem, ProblemKind::Pattern { .. } | ProblemKind::Format { .. }) && texty)
    {
        Some(example) => format!("{base} {}", scope.text("problem-example", &[("example", &example)])),
        None => base,
    }
}

pub fn day_problem(scope: &Scope<'_>, field: &Field) -> String {
    let example = crate::language::format::long_day(
        scope.lang,
        scope.place.today.tomorrow().unwrap_or(scope.place.today),
        scope.place.today,
    );
    scope.text("problem-day", &[("title", &schema::title(field)), ("example", &example)])
}

/// Which of the offered rows a text means: one, several, or none.
pub fn rows_meant(list: &[Row], shown: usize, text: &str) -> Vec<usize> {
    if let Some(at) = ordinal::ordinal(text).and_then(|n| ordinal::place(n, list.len().min(shown))) {
        return vec![at];
    }
    let folded = fold(text.trim());
    if let Some(at) =
        list.iter().position(|row| fold(&row.label) == folded || row.id.as_str().is_some_and(|id| fold(id) == folded))
    {
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
        !title.is_empty()
            && words.windows(title.len()).any(|window| window.iter().zip(&title).all(|(a, b)| a.text == b.text))
    })
}

/// The title with a small first letter, for the middle of a sentence.
pub fn small_title(field: &Field) -> String {
    small(&schema::title(field))
}
