//! The way of a task: fill, look up ids, ask for what is missing, then look or act.

use openapi::{Operation, ProblemKind, Risk};

use super::{
    act, answer, ask, files,
    fill::{self, Sentence},
    hints,
    identity::{self, Who},
    ids::{Flow, look_up, produce},
    rows, schema,
    scope::{Scope, Step},
    small,
    state::{Frame, Row, Task},
    words::{mine, naming, pronoun},
};
use crate::{
    language::{fold::same_stem, format::Place, ordinal, tokens},
    turn::Suggestion,
};

/// Most frames: the wanted operation and three that yield ids.
const MAX_FRAMES: usize = 4;
/// Most steps of one turn; more is a loop.
const MAX_STEPS: usize = 40;

/// Begins an operation for a sentence (empty: for a button) and goes as far as it can.
pub fn begin(
    scope: &mut Scope<'_>,
    operation_id: &str,
    hash: &str,
    sentence: &str,
    others: Vec<Suggestion>,
) -> Step<()> {
    begin_task(scope, operation_id, hash, Task { sentence: sentence.to_owned(), others, ..Task::default() })
}

/// Begins an operation for a task's sentence and what it was to be besides.
pub fn begin_task(scope: &mut Scope<'_>, operation_id: &str, hash: &str, task: Task) -> Step<()> {
    let Some(operation) = scope.operation(operation_id, hash)? else {
        let text = scope.text("gone", &[]);
        scope.say(text);
        return Ok(());
    };
    let title = schema::operation_title(&operation);
    scope.trace.chosen = Some(operation.id.clone());
    if !files::callable(scope, &operation) {
        let text = scope.text("not-callable", &[("title", &title)]);
        scope.say(text);
        return Ok(());
    }
    let Some(mut frame) = frame_for(scope, &operation, mine(&task.sentence))? else { return Ok(()) };
    // Words that nobody knows can only name what it takes.
    if !task.names.is_empty() && !takes_a_thing(&operation, &frame) {
        return small::nothing_near(scope);
    }
    let base = scope.state.last.as_ref().and_then(|last| last.day);
    let said = Sentence::new(&task.sentence, &scope.place, base);
    let filled = fill::fill(&operation, &mut frame, &said, &scope.place, false);
    let mut task = Task { frames: vec![frame], ..task };
    task.sentence = filled.before.unwrap_or(task.sentence);
    carry_over(scope, &operation, &mut task)?;
    files::take_up(scope, &mut task, &operation)?;
    if let Some((key, bad)) = filled.bad {
        scope.state.open = None;
        ask::bad_date(scope, task, &key, bad);
        return Ok(());
    }
    advance(scope, task)
}

/// True when it needs an id that does not follow from who the person is.
fn takes_a_thing(operation: &Operation, frame: &Frame) -> bool {
    let open = |key: &str| !frame.identity.iter().any(|known| known == key);
    let required = |key: &str| operation.field(key).is_some_and(|field| field.required);
    operation.needs.iter().any(|need| open(&need.field) && required(&need.field))
}

/// Goes on with a task that somebody else began: the sentence fills what is still open.
pub fn go_on(scope: &mut Scope<'_>, mut task: Task) -> Step<()> {
    let Some(frame) = task.frames.first_mut() else { return Ok(()) };
    let Some(operation) = scope.operation_of(frame)? else {
        let text = scope.text("gone", &[]);
        scope.say(text);
        return Ok(());
    };
    let base = scope.state.last.as_ref().and_then(|last| last.day);
    let said = Sentence::new(&task.sentence, &scope.place, base);
    let filled = fill::fill(&operation, frame, &said, &scope.place, false);
    task.sentence = filled.before.unwrap_or(task.sentence);
    carry_over(scope, &operation, &mut task)?;
    files::take_up(scope, &mut task, &operation)?;
    advance(scope, task)
}

/// An empty frame with what follows from who the person is; `None` when they may not use the operation (which is said).
pub fn frame_for(scope: &mut Scope<'_>, operation: &Operation, own: bool) -> Step<Option<Frame>> {
    let mut frame =
        Frame { operation_id: operation.id.clone(), content_hash: operation.content_hash.clone(), ..Frame::default() };
    match identity::who(scope, &operation.document)? {
        Who::Anybody => {}
        Who::Known(mapping) => identity::fill(operation, &mut frame, &mapping, own),
        Who::Stranger | Who::Unchecked if operation.public => {}
        Who::Stranger => {
            let system = scope.system(&operation.document);
            let mut text = scope.text("who-unknown", &[("system", &system)]);
            let nameless = scope.input.messages.last().is_some_and(|said| said.phone.is_none());
            if nameless && scope.input.knows_contacts {
                text = format!("{text} {}", scope.text("who-share", &[]));
            }
            scope.say(text);
            return Ok(None);
        }
        Who::Unchecked => {
            let text = scope.text("who-unchecked", &[]);
            scope.say(text);
            return Ok(None);
        }
    }
    Ok(Some(frame))
}

/// "Book it": what the last result says goes on into the new task, its period and the row that is meant.
fn carry_over(scope: &mut Scope<'_>, operation: &Operation, task: &mut Task) -> Step<()> {
    let Some(last) = scope.state.last.clone() else { return Ok(()) };
    let Some(need) = operation.needs.iter().find(|need| last.produces.contains(&need.resource)).cloned() else {
        return Ok(());
    };
    let Some(last_operation) = scope.operation_of(&last.frame)? else { return Ok(()) };
    if last_operation.document != operation.document {
        return Ok(());
    }
    let pick = rows::to_pick(scope, &last_operation, &last.rows, &need.id_property, &need.resource);
    let own = tokens(&format!("{} {} {}", operation.summary, operation.tags.join(" "), need.resource));
    let own: Vec<String> = own.into_iter().map(|token| token.text).collect();
    let place = meant(&task.sentence, &pick, last.focus, &own);
    let refers = task.sentence.is_empty() || place.is_some() || pronoun(&task.sentence);
    let Some(frame) = task.frames.first_mut() else { return Ok(()) };
    if let Some(row) = place.and_then(|at| pick.get(at))
        && !frame.arguments.contains_key(&need.field)
    {
        frame.arguments.insert(need.field.clone(), row.id.clone());
        frame.labels.insert(need.field.clone(), row.label.clone());
    }
    if refers {
        inherit(&scope.place, &last_operation, &last.frame, operation, frame);
    }
    Ok(())
}

/// Required values of the same name and kind go from one operation's call to another's.
pub fn inherit(place: &Place, from: &Operation, given: &Frame, to: &Operation, frame: &mut Frame) {
    for field in to.fields.iter().filter(|field| field.required) {
        if frame.arguments.contains_key(&field.key) {
            continue;
        }
        let same =
            from.fields.iter().find(|f| f.name == field.name && schema::kind(&f.schema) == schema::kind(&field.schema));
        if let Some((key, value)) = same.and_then(|f| Some((&f.key, given.arguments.get(&f.key)?))) {
            // A whole day is enough to look something up; an effect asks for its hours.
            let moment = value
                .as_str()
                .filter(|_| schema::kind(&field.schema) == schema::Kind::DateTime)
                .and_then(|text| place.read_instant(text));
            if let Some(moment) =
                moment.filter(|at| to.risk != Risk::Safe && at.time() == jiff::civil::Time::midnight())
            {
                frame.day.get_or_insert(moment.date());
                continue;
            }
            frame.arguments.insert(field.key.clone(), value.clone());
            if let Some(label) = given.labels.get(key) {
                frame.labels.insert(field.key.clone(), label.clone());
            }
        }
    }
}

/// The row of the last result that a sentence means: by ordinal, by its words, by "it", or the only one.
/// `own` are words that say what is to be done.
fn meant(sentence: &str, pick: &[Row], focus: Option<usize>, own: &[String]) -> Option<usize> {
    let words = crate::language::tokens(sentence);
    if let Some((value, _)) = ordinal::ordinal_within(&words) {
        return ordinal::place(value, pick.len());
    }
    let names = naming(sentence);
    let fits = rows::fitting(pick, &names);
    if let [only] = fits.as_slice() {
        // "The VW Transporter" is not the only VW of the rows: what they do not have is looked up among all.
        let names: Vec<String> = names.into_iter().filter(|name| !own.iter().any(|own| same_stem(own, name))).collect();
        return (rows::known(&pick[*only..=*only], &names) == names.len()).then_some(*only);
    }
    if !fits.is_empty() {
        return None;
    }
    if sentence.is_empty() || pronoun(sentence) {
        return focus.or((pick.len() == 1).then_some(0)).filter(|at| *at < pick.len());
    }
    None
}

/// Goes on with a task until it asks, looks or acts.
pub fn advance(scope: &mut Scope<'_>, mut task: Task) -> Step<()> {
    scope.state.open = None;
    for _ in 0..MAX_STEPS {
        let depth = task.frames.len();
        let Some(frame) = task.frames.last_mut() else { return Ok(()) };
        let Some(operation) = scope.operation_of(frame)? else {
            let text = scope.text("gone", &[]);
            scope.say(text);
            return Ok(());
        };
        hints::defaults(&operation, &mut frame.arguments);
        if let Some(key) = hints::disordered(&operation, &frame.arguments, &scope.place) {
            frame.arguments.remove(&key);
            let text = scope.text("problem-order", &[]);
            scope.lead.push(text);
        }
        let missing = operation.fields.iter().find(|field| field.required && !frame.arguments.contains_key(&field.key));
        if let Some(field) = missing {
            let need =
                operation.needs.iter().find(|need| need.field == field.key).filter(|_| !frame.ask.contains(&field.key));
            match need {
                Some(need) if depth < MAX_FRAMES => match look_up(scope, task, &operation, need)? {
                    Flow::Go(next) => {
                        task = next;
                        continue;
                    }
                    Flow::Said => return Ok(()),
                },
                Some(_) | None => return ask::field(scope, task, &operation, &field.key.clone()),
            }
        }
        if let Some(problem) = operation.check(&frame.arguments).into_iter().next() {
            let key = problem.field.clone();
            let own =
                operation.field(&key).is_some() && frame.arguments.contains_key(&key) && !frame.identity.contains(&key);
            if own {
                let text = ask::problem_text(scope, &operation, &key, &problem.kind);
                frame.arguments.remove(&key);
                frame.labels.remove(&key);
                scope.lead.push(text);
                let asked_for = operation.needs.iter().any(|need| need.field == key);
                if asked_for && !frame.ask.contains(&key) {
                    frame.ask.push(key.clone());
                }
                return ask::field(scope, task, &operation, &key);
            }
            if matches!(problem.kind, ProblemKind::Missing) && operation.field(&key).is_some() {
                return ask::field(scope, task, &operation, &key);
            }
            if ask::has_choice(&operation, frame) {
                return ask::change(scope, task, &operation);
            }
            let text = scope.text("refused", &[]);
            scope.say(text);
            return Ok(());
        }
        if depth > 1 {
            match produce(scope, task, &operation)? {
                Flow::Go(next) => {
                    task = next;
                    continue;
                }
                Flow::Said => return Ok(()),
            }
        }
        return if operation.risk == Risk::Safe {
            answer::look(scope, task, &operation)
        } else {
            act::confirm(scope, task, &operation)
        };
    }
    Err(super::scope::Stop::Broken)
}
