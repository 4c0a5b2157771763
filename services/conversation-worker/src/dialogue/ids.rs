//! Ids that nobody is asked for: from the last result, or from a safe operation of the same document that yields them.

use std::sync::Arc;

use openapi::{Need, Operation, Risk};
use serde_json::Value;

use super::{
    ask, fail,
    fill::{self, Sentence},
    identity, rows, schema,
    scope::{Scope, Step},
    small,
    state::{Fills, Frame, Row, Task},
    steps::{advance, inherit},
    words::{mine, naming},
};
use crate::turn::{CallOutcome, Purpose};

/// Most operations that are looked at as producers of one id.
const MAX_PRODUCERS: usize = 8;

/// What a step of a task came to.
pub enum Flow {
    /// It goes on.
    Go(Task),
    /// Something was said or asked.
    Said,
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
pub fn look_up(scope: &mut Scope<'_>, mut task: Task, operation: &Arc<Operation>, need: &Need) -> Step<Flow> {
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
        && let CallOutcome::Answered { status: 200..=299, body, .. } =
            scope.call(&own, &frame.arguments, Purpose::Lookup)?
    {
        let (theirs, ..) = rows::rows(&own, &body);
        return settle(scope, task, &producer, &list, &theirs, need);
    }
    settle(scope, task, &producer, &list, &[], need)
}

/// A button below a list ("Book one") lets choose from that list.
fn from_last(scope: &mut Scope<'_>, task: &Task, operation: &Operation, need: &Need) -> Step<Option<Flow>> {
    let Some(last) = scope.state.last.clone().filter(|last| task.sentence.is_empty() && last.list) else {
        return Ok(None);
    };
    if task.frames.len() > 1
        || !task.asked.is_empty()
        || !last.produces.contains(&need.resource)
        || last.rows.is_empty()
    {
        return Ok(None);
    }
    let Some(last_operation) = scope.operation_of(&last.frame)?.filter(|l| l.document == operation.document) else {
        return Ok(None);
    };
    settle(scope, task.clone(), &last_operation, &last.rows, &[], need).map(Some)
}

/// Missing values, length of the path and place among what it yields; then the operation with its frame.
type Ranked = ((usize, usize, usize), Arc<Operation>, Frame);

struct Producers {
    general: Option<(Arc<Operation>, Frame)>,
    own: Option<(Arc<Operation>, Frame)>,
}

/// Safe operations of the same document that yield what a field needs, the readiest first.
fn producers(scope: &mut Scope<'_>, operation: &Operation, need: &Need, task: &Task) -> Step<Producers> {
    let hits = scope.yielding(&need.resource, &operation.document)?;
    let prefix = format!("{}/", operation.document);
    let mut general: Vec<Ranked> = Vec::new();
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
        if candidate.risk != Risk::Safe
            || candidate.not_callable.is_some()
            || candidate.needs.iter().any(|n| n.resource == need.resource)
        {
            continue;
        }
        let mut frame = Frame {
            operation_id: candidate.id.clone(),
            content_hash: candidate.content_hash.clone(),
            fills: Some(Fills {
                key: need.field.clone(),
                id_property: need.id_property.clone(),
                resource: need.resource.clone(),
            }),
            ..Frame::default()
        };
        if let Some(mapping) = &mapping {
            identity::fill(&candidate, &mut frame, mapping, mine(&task.sentence));
        }
        let bound = candidate.fields.iter().any(|field| field.required && frame.identity.contains(&field.key));
        let said = Sentence::new(&task.sentence, &scope.place, None);
        fill::fill(&candidate, &mut frame, &said, &scope.place, false);
        if let (Some(parent), Some(given)) = (task.frames.last(), scope_parent(scope, task)?) {
            inherit(&scope.place, &given, parent, &candidate, &mut frame);
        }
        super::hints::defaults(&candidate, &mut frame.arguments);
        // Only what is required: a filter that was guessed would hide rows.
        let known = frame.identity.clone();
        frame
            .arguments
            .retain(|key, _| known.contains(key) || candidate.field(key).is_some_and(|field| field.required));
        let missing =
            candidate.fields.iter().filter(|field| field.required && !frame.arguments.contains_key(&field.key)).count();
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
    // All of it: the one that is meant may stand on the last page.
    match scope.call_whole(operation, &frame.arguments)? {
        CallOutcome::Answered { status: 200..=299, body, cut, .. } => {
            let rows::Found { mut list, is_list, .. } = rows::found(operation, &body, cut);
            // A text or a number alone is no thing to choose, and holds no id.
            list.iter_mut().filter(|row| !is_list && !row.is_object()).for_each(|row| *row = Value::Null);
            Ok(Some(list))
        }
        failed => {
            fail::look_up_failed(scope, operation, &failed);
            Ok(None)
        }
    }
}

/// The top frame is ready and yields rows for the one below.
pub fn produce(scope: &mut Scope<'_>, mut task: Task, operation: &Operation) -> Step<Flow> {
    let Some(frame) = task.frames.pop() else { return Ok(Flow::Said) };
    let Some(list) = call_rows(scope, operation, &frame)? else { return Ok(Flow::Said) };
    let Some(fills) = frame.fills else { return Ok(Flow::Said) };
    let need = Need { field: fills.key, resource: fills.resource, id_property: fills.id_property };
    settle(scope, task, operation, &list, &[], &need)
}

/// Takes the one row that the person's words fit, or lets them choose; `theirs` are offered first.
fn settle(
    scope: &mut Scope<'_>,
    mut task: Task,
    producer: &Operation,
    list: &[Value],
    theirs: &[Value],
    need: &Need,
) -> Step<Flow> {
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
    if !task.names.is_empty() {
        // Half of them at least: a name may stand beside a word or two about something else.
        if 2 * rows::known(&pick, &task.names) < task.names.len() {
            small::nothing_near(scope)?;
            return Ok(Flow::Said);
        }
        task.names.clear();
    }
    // "Assign ticket 2": the number is the ticket's, and names nobody.
    let mut names = naming(&task.sentence);
    names.retain(|name| {
        let number = name.parse::<i64>().ok();
        let is_it = |value: &Value| value.as_str() == Some(name) || (number.is_some() && value.as_i64() == number);
        !frame.arguments.iter().any(|(key, value)| *key != need.field && is_it(value))
    });
    let mut fits = rows::fitting(&pick, &names);
    if pick.len() == 1 && !task.sentence.is_empty() && (mine(&task.sentence) || names_nothing(&task.sentence, &parent))
    {
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
    let own = format!(
        "{} {} {}",
        operation.summary,
        operation.description,
        operation.path.replace(['/', '{', '}', '_', '-'], " ")
    );
    let own: Vec<String> = crate::language::tokens(&own).into_iter().map(|token| token.text).collect();
    naming(sentence).iter().all(|word| own.iter().any(|known| crate::language::fold::same_stem(known, word)))
}
