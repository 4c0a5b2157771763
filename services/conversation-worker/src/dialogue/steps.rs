//! The way of a task: fill, look up ids, ask for what is missing, then look or act.

use std::sync::Arc;

use openapi::{Need, Operation, ProblemKind, Risk};
use serde_json::Value;

use super::{
    act, answer, ask, fail,
    fill::{self, Sentence},
    identity::{self, Who},
    rows,
    schema,
    scope::{Scope, Step},
    state::{Fills, Frame, Row, Task},
    words::{mine, naming, pronoun},
};
use crate::{
    language::ordinal,
    turn::{CallOutcome, Purpose, Suggestion},
};

/// Most frames: the wanted operation and three that yield ids.
const MAX_FRAMES: usize = 4;
/// Most steps of one turn; more is a loop.
const MAX_STEPS: usize = 40;
/// Most operations that are looked at as producers of one id.
const MAX_PRODUCERS: usize = 8;

/// What a step of a task came to.
pub enum Flow {
    /// It goes on.
    Go(Task),
    /// Something was said or asked.
    Said,
}

/// Begins an operation for a sentence (empty: for a button) and goes as far as it can.
pub fn begin(scope: &mut Scope<'_>, operation_id: &str, hash: &str, sentence: &str, others: Vec<Suggestion>) -> Step<()> {
    let Some(operation) = scope.operation(operation_id, hash)? else {
        let text = scope.text("gone", &[]);
        scope.say(text);
        return Ok(());
    };
    let title = schema::operation_title(&operation);
    scope.trace.chosen = Some(operation.id.clone());
    if operation.not_callable.is_some() {
        let text = scope.text("not-callable", &[("title", &title)]);
        scope.say(text);
        return Ok(());
    }
    let Some(mut frame) = frame_for(scope, &operation, mine(sentence))? else { return Ok(()) };
    let base = scope.state.last.as_ref().and_then(|last| last.day);
    let said = Sentence::new(sentence, &scope.place, base);
    let filled = fill::fill(&operation, &mut frame, &said, &scope.place, false);
    let mut task = Task { frames: vec![frame], sentence: sentence.to_owned(), asked: Vec::new(), others };
    carry_over(scope, &operation, &mut task)?;
    if let Some((key, bad)) = filled.bad {
        scope.state.open = None;
        return ask::bad_date(scope, task, &operation, &key, bad);
    }
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
            let text = scope.text("who-unknown", &[("system", &system)]);
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
    let place = meant(&task.sentence, &pick, last.focus);
    let refers = task.sentence.is_empty() || place.is_some() || pronoun(&task.sentence);
    let Some(frame) = task.frames.first_mut() else { return Ok(()) };
    if let Some(row) = place.and_then(|at| pick.get(at))
        && !frame.arguments.contains_key(&need.field)
    {
        frame.arguments.insert(need.field.clone(), row.id.clone());
        frame.labels.insert(need.field.clone(), row.label.clone());
    }
    if refers {
        inherit(&last_operation, &last.frame, operation, frame);
    }
    Ok(())
}

/// Required values of the same name and kind go from one operation's call to another's.
fn inherit(from: &Operation, given: &Frame, to: &Operation, frame: &mut Frame) {
    for field in to.fields.iter().filter(|field| field.required) {
        if frame.arguments.contains_key(&field.key) {
            continue;
        }
        let same = from.fields.iter().find(|f| f.name == field.name && schema::kind(&f.schema) == schema::kind(&field.schema));
        if let Some((key, value)) = same.and_then(|f| Some((&f.key, given.arguments.get(&f.key)?))) {
            frame.arguments.insert(field.key.clone(), value.clone());
            if let Some(label) = given.labels.get(key) {
                frame.labels.insert(field.key.clone(), label.clone());
            }
        }
    }
}

/// The row of the last result that a sentence means: by ordinal, by its words, by "it", or the only one.
fn meant(sentence: &str, pick: &[Row], focus: Option<usize>) -> Option<usize> {
    let words = crate::language::tokens(sentence);
    if let Some((value, _)) = ordinal::ordinal_within(&words) {
        return ordinal::place(value, pick.len());
    }
    let fits = rows::fitting(pick, &naming(sentence));
    if let [only] = fits.as_slice() {
        return Some(*only);
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
        fill::defaults(&operation, &mut frame.arguments);
        if let Some(key) = fill::disordered(&operation, &frame.arguments, &scope.place) {
            frame.arguments.remove(&key);
            let text = scope.text("problem-order", &[]);
            scope.lead.push(text);
        }
        let missing = operation.fields.iter().find(|field| field.required && !frame.arguments.contains_key(&field.key));
        if let Some(field) = missing {
            let need = operation.needs.iter().find(|need| need.field == field.key).filter(|_| !frame.ask.contains(&field.key));
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
            let own = operation.field(&key).is_some() && frame.arguments.contains_key(&key) && !frame.identity.contains(&key);
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
        return if operation.risk == Risk::Safe { answer::look(scope, task, &operation) } else { act::confirm(scope, task, &operation) };
    }
    Err(super::scope::Stop::Broken)
}

/// Has a field given anew: looked up when it is an id, else asked.
pub fn ask_or_look_up(scope: &mut Scope<'_>, task: Task, operation: &Arc<Operation>, key: &str) -> Step<()> {
    let need = operation.needs.iter().find(|need| need.field == key).cloned();
    let plain = task.frames.last().is_some_and(|frame| frame.ask.iter().any(|asked| asked == key));
    let Some(need) = need.filter(|_| !plain) else { return ask::field(scope, task, operation, key) };
    match look_up(scope, task, operation, &need)? {
        Flow::Go(task) if task.frames.last().is_some_and(|frame| frame.ask.iter().any(|asked| asked == key)) => {
            ask::field(scope, task, operation, key)
        }
        Flow::Go(task) => advance(scope, task),
        Flow::Said => Ok(()),
    }
}

/// Finds the id that a field needs: from the last result, or from an operation that yields it.
fn look_up(scope: &mut Scope<'_>, mut task: Task, operation: &Arc<Operation>, need: &Need) -> Step<Flow> {
    if let Some(flow) = from_last(scope, &task, operation, need)? {
        return Ok(flow);
    }
    let found = producers(scope, operation, need, &task)?;
    let Some(general) = found.general else {
        if let Some((own, frame)) = found.own {
            return match call_rows(scope, &own, &frame)? {
                Some(list) => settle(scope, task, &own, &list, &[], need),
                None => Ok(Flow::Said),
            };
        }
        if let Some(frame) = task.frames.last_mut() {
            frame.ask.push(need.field.clone());
        }
        return Ok(Flow::Go(task));
    };
    let (producer, frame) = general;
    let ready = producer.fields.iter().all(|field| !field.required || frame.arguments.contains_key(&field.key));
    if !ready {
        task.frames.push(frame);
        return Ok(Flow::Go(task));
    }
    let Some(list) = call_rows(scope, &producer, &frame)? else { return Ok(Flow::Said) };
    let pick = rows::to_pick(scope, &producer, &list, &need.id_property, &need.resource);
    // The person's own come first, when the words decide nothing.
    if rows::fitting(&pick, &naming(&task.sentence)).is_empty()
        && let Some((own, frame)) = found.own
        && let CallOutcome::Answered { status: 200..=299, body } = scope.call(&own, &frame.arguments, Purpose::Lookup)?
    {
        let (theirs, ..) = rows::rows(&own, &body);
        return settle(scope, task, &producer, &list, &theirs, need);
    }
    settle(scope, task, &producer, &list, &[], need)
}

/// A button below a list ("Book one") lets choose from that list.
fn from_last(scope: &mut Scope<'_>, task: &Task, operation: &Operation, need: &Need) -> Step<Option<Flow>> {
    let Some(last) = scope.state.last.clone().filter(|last| task.sentence.is_empty() && last.list) else { return Ok(None) };
    if task.frames.len() > 1 || !task.asked.is_empty() || !last.produces.contains(&need.resource) || last.rows.is_empty() {
        return Ok(None);
    }
    let Some(last_operation) = scope.operation_of(&last.frame)?.filter(|l| l.document == operation.document) else { return Ok(None) };
    settle(scope, task.clone(), &last_operation, &last.rows, &[], need).map(Some)
}

struct Producers {
    general: Option<(Arc<Operation>, Frame)>,
    own: Option<(Arc<Operation>, Frame)>,
}

/// Safe operations of the same document that yield what a field needs, the readiest first.
fn producers(scope: &mut Scope<'_>, operation: &Operation, need: &Need, task: &Task) -> Step<Producers> {
    let hits = scope.search(&need.resource, 20, vec![operation.document.clone()])?.hits;
    let prefix = format!("{}/", operation.document);
    let mut general: Vec<((usize, usize, usize), Arc<Operation>, Frame)> = Vec::new();
    let mut own = None;
    let mapping = scope.mapping(&operation.document);
    let busy: Vec<String> = task.frames.iter().map(|frame| frame.operation_id.clone()).collect();
    let mut looked = 0;
    for hit in hits {
        let useful = hit.risk == Risk::Safe && hit.not_callable.is_none() && hit.operation_id.starts_with(&prefix);
        if !useful || busy.contains(&hit.operation_id) || looked >= MAX_PRODUCERS {
            continue;
        }
        looked += 1;
        let Some(candidate) = scope.operation(&hit.operation_id, &hit.content_hash)? else { continue };
        let Some(surety) = candidate.produces.iter().position(|resource| *resource == need.resource) else { continue };
        if candidate.risk != Risk::Safe || candidate.not_callable.is_some() || candidate.needs.iter().any(|n| n.resource == need.resource) {
            continue;
        }
        let mut frame = Frame {
            operation_id: candidate.id.clone(),
            content_hash: candidate.content_hash.clone(),
            fills: Some(Fills { key: need.field.clone(), id_property: need.id_property.clone(), resource: need.resource.clone() }),
            ..Frame::default()
        };
        if let Some(mapping) = &mapping {
            identity::fill(&candidate, &mut frame, mapping, mine(&task.sentence));
        }
        let bound = candidate.fields.iter().any(|field| field.required && frame.identity.contains(&field.key));
        let said = Sentence::new(&task.sentence, &scope.place, None);
        fill::fill(&candidate, &mut frame, &said, &scope.place, false);
        if let (Some(parent), Some(given)) = (task.frames.last(), scope_parent(scope, task)?) {
            inherit(&given, parent, &candidate, &mut frame);
        }
        fill::defaults(&candidate, &mut frame.arguments);
        // Only what is required: a filter that was guessed would hide rows.
        let known = frame.identity.clone();
        frame.arguments.retain(|key, _| known.contains(key) || candidate.field(key).is_some_and(|field| field.required));
        let missing = candidate.fields.iter().filter(|field| field.required && !frame.arguments.contains_key(&field.key)).count();
        if bound && missing == 0 {
            own.get_or_insert((candidate, frame));
        } else {
            let steps = candidate.path.matches('/').count();
            general.push(((missing, steps, surety), candidate, frame));
        }
    }
    general.sort_by_key(|(rank, ..)| *rank);
    Ok(Producers { general: general.into_iter().next().map(|(_, operation, frame)| (operation, frame)), own })
}

fn scope_parent(scope: &mut Scope<'_>, task: &Task) -> Step<Option<Arc<Operation>>> {
    match task.frames.last() {
        Some(frame) => scope.operation_of(frame),
        None => Ok(None),
    }
}

/// The rows that a safe call gives; `None` when it failed, which is said.
fn call_rows(scope: &mut Scope<'_>, operation: &Operation, frame: &Frame) -> Step<Option<Vec<Value>>> {
    match scope.call(operation, &frame.arguments, Purpose::Lookup)? {
        CallOutcome::Answered { status: 200..=299, body } => Ok(Some(rows::rows(operation, &body).0)),
        failed => {
            fail::look_up_failed(scope, operation, &failed);
            Ok(None)
        }
    }
}

/// The top frame is ready and yields rows for the one below.
fn produce(scope: &mut Scope<'_>, mut task: Task, operation: &Operation) -> Step<Flow> {
    let Some(frame) = task.frames.pop() else { return Ok(Flow::Said) };
    let Some(list) = call_rows(scope, operation, &frame)? else { return Ok(Flow::Said) };
    let Some(fills) = frame.fills else { return Ok(Flow::Said) };
    let need = Need { field: fills.key, resource: fills.resource, id_property: fills.id_property };
    settle(scope, task, operation, &list, &[], &need)
}

/// Takes the one row that the person's words fit, or lets them choose; `theirs` are offered first.
fn settle(scope: &mut Scope<'_>, mut task: Task, producer: &Operation, list: &[Value], theirs: &[Value], need: &Need) -> Step<Flow> {
    let mut pick = rows::to_pick(scope, producer, theirs, &need.id_property, &need.resource);
    for row in rows::to_pick(scope, producer, list, &need.id_property, &need.resource) {
        if !pick.iter().any(|known| known.id == row.id) {
            pick.push(row);
        }
    }
    let Some(frame) = task.frames.last_mut() else { return Ok(Flow::Said) };
    let Some(parent) = scope.operation_of(frame)? else { return Ok(Flow::Said) };
    let title = parent.field(&need.field).map(schema::title).unwrap_or_default();
    if pick.is_empty() {
        let text = if list.is_empty() { scope.text("no-rows", &[("title", &title)]) } else { String::new() };
        if text.is_empty() {
            // Rows without the id: the person has to know it.
            frame.ask.push(need.field.clone());
            return Ok(Flow::Go(task));
        }
        scope.say(text);
        return Ok(Flow::Said);
    }
    let mut fits = rows::fitting(&pick, &naming(&task.sentence));
    if pick.len() == 1 && !task.sentence.is_empty() && (mine(&task.sentence) || names_nothing(&task.sentence, &parent)) {
        fits = vec![0];
    }
    if let [only] = fits.as_slice() {
        frame.arguments.insert(need.field.clone(), pick[*only].id.clone());
        frame.labels.insert(need.field.clone(), pick[*only].label.clone());
        return Ok(Flow::Go(task));
    }
    let question = if fits.is_empty() {
        let which = scope.text("ask-which", &[("title", &crate::language::format::small(&title))]);
        let many = pick.len() > scope.input.settings.limits.rows;
        let more = many.then(|| scope.counted("what-name", pick.len(), &[]));
        [Some(which), more].into_iter().flatten().collect::<Vec<_>>().join("\n")
    } else {
        let kept: Vec<Row> = fits.iter().map(|at| pick[*at].clone()).collect();
        pick = kept;
        ask::several_fit(scope, &pick)
    };
    let question = crate::language::format::capital(&question);
    ask::pick(scope, task, &need.field, pick, question);
    Ok(Flow::Said)
}

/// True when a sentence has no words but those of the operation itself: then the only row there is is meant.
fn names_nothing(sentence: &str, operation: &Operation) -> bool {
    let own = format!("{} {} {}", operation.summary, operation.description, operation.path.replace(['/', '{', '}', '_', '-'], " "));
    let own: Vec<String> = crate::language::tokens(&own).into_iter().map(|token| token.text).collect();
    naming(sentence).iter().all(|word| own.iter().any(|known| crate::language::fold::same_stem(known, word)))
}
