//! Which ids an operation needs and which it yields, from the document alone.
//!
//! A resource is a singular word or two (`vehicle`, `damage report`). A need is noted only when some safe
//! operation of the same document yields it: then nobody has to be asked for an id.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    import::operation::Draft,
    model::{Field, Location, Need, Operation, Risk},
    text::{singular, words},
};

/// Words at the end of a name that say "this is an id".
const ID_WORDS: [&str; 5] = ["id", "uuid", "guid", "sid", "uid"];
/// Words before which a resource name ends: `/vehicles/available` and `/vehicles/search` are about vehicles.
const FILTER_WORDS: [&str; 16] = [
    "search",
    "list",
    "all",
    "available",
    "active",
    "mine",
    "my",
    "recent",
    "latest",
    "find",
    "query",
    "free",
    "open",
    "current",
    "index",
    "paged",
];
/// Most resources of one operation.
const MAX_PRODUCED: usize = 4;

/// Fills [`Operation::produces`] and [`Operation::needs`] of all operations of one document.
pub(crate) fn link(drafts: &mut [Draft]) {
    for draft in drafts.iter_mut() {
        draft.operation.produces = produced(&draft.operation, draft.row_schema.as_deref());
    }
    // Operations by resource; a need of its own resource makes none of them a producer.
    let mut by_resource: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, draft) in drafts.iter().enumerate() {
        for resource in &draft.operation.produces {
            by_resource.entry(resource.clone()).or_default().push(index);
        }
    }
    let candidates: Vec<Vec<(String, String)>> = drafts.iter().map(|draft| wanted(&draft.operation)).collect();
    for (index, wanted) in candidates.into_iter().enumerate() {
        let mut needs = Vec::new();
        for (key, words) in wanted {
            let Some((resource, producers)) = known(&words, &by_resource) else { continue };
            let own_field =
                |producer: &Operation| producer.fields.iter().any(|field| field.key == key && field.required);
            let best = producers
                .iter()
                .filter(|producer| **producer != index && !own_field(&drafts[**producer].operation))
                .min_by_key(|producer| drafts[**producer].operation.path.matches('{').count());
            let Some(best) = best else { continue };
            let operation = &drafts[index].operation;
            let name = operation.field(&key).map_or("", |field| field.name.as_str());
            let Some(id_property) = id_property(&drafts[*best].operation, name, &resource) else { continue };
            needs.push(Need { field: key, resource, id_property });
        }
        drafts[index].operation.needs = needs;
    }
}

/// The fields that hold ids, with the resource's words as the name says them.
fn wanted(operation: &Operation) -> Vec<(String, String)> {
    operation
        .fields
        .iter()
        .filter(|field| matches!(field.location, Location::Path | Location::Query | Location::Body))
        .filter_map(|field| wanted_resource(operation, field).map(|resource| (field.key.clone(), resource)))
        .collect()
}

fn wanted_resource(operation: &Operation, field: &Field) -> Option<String> {
    if field.schema.get("enum").is_some()
        || is_type(field, "array")
        || is_type(field, "object")
        || is_type(field, "boolean")
    {
        return None;
    }
    let mut name = words(&field.name);
    let last = name.last()?.clone();
    let is_id = ID_WORDS.contains(&last.as_str());
    if is_id {
        name.pop();
    } else {
        // `/vehicles/{vehicle}`: an id unless a person can be expected to know it, as names and codes in text are.
        let uuid = field.schema.get("format").is_some_and(|format| format == "uuid");
        let segment = segment_before(&operation.path, &field.name).map(resource_of);
        let names_its_segment = segment.is_some_and(|segment| segment == resource_of(&field.name));
        let counted = is_type(field, "integer") && names_its_segment;
        if field.location != Location::Path || !(uuid || counted) {
            return None;
        }
    }
    if name.is_empty() {
        return match field.location {
            Location::Path => segment_before(&operation.path, &field.name).map(resource_of),
            // `id` in a body or query names the thing itself, mostly a new one.
            _ => None,
        };
    }
    let joined = name.iter().map(|word| singular(word)).collect::<Vec<_>>().join(" ");
    Some(joined)
}

fn is_type(field: &Field, kind: &str) -> bool {
    match field.schema.get("type") {
        Some(Value::String(own)) => own == kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|own| own == kind),
        _ => false,
    }
}

/// The last fixed segment before `{name}`.
fn segment_before<'p>(path: &'p str, name: &str) -> Option<&'p str> {
    let (before, _) = path.split_once(&format!("{{{name}}}"))?;
    before.rsplit('/').find(|part| !part.is_empty() && !part.contains('{'))
}

/// `damage-reports` -> `damage report`.
fn resource_of(name: &str) -> String {
    let mut words = words(name);
    if let Some(last) = words.last_mut() {
        *last = singular(last);
    }
    words.join(" ")
}

/// The resource of that name that something yields: the name itself, else its ending (`from station` -> `station`).
fn known<'m>(name: &str, by_resource: &'m BTreeMap<String, Vec<usize>>) -> Option<(String, &'m Vec<usize>)> {
    let words: Vec<&str> = name.split(' ').collect();
    (0..words.len())
        .map(|start| words[start..].join(" "))
        .find_map(|candidate| by_resource.get(&candidate).map(|producers| (candidate, producers)))
}

/// What a safe operation with rows that have ids yields, surest first.
fn produced(operation: &Operation, row_schema: Option<&str>) -> Vec<String> {
    let Some(response) = &operation.response else { return Vec::new() };
    if operation.method != "GET"
        || operation.risk != Risk::Safe
        || operation.not_callable.is_some()
        || response.item_fields.is_empty()
    {
        return Vec::new();
    }
    let segments: Vec<&str> = operation
        .path
        .split(['?', '#'])
        .next()
        .unwrap_or_default()
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    let Some(last) = segments.last() else { return Vec::new() };
    if !response.is_list && *last != "me" {
        return Vec::new();
    }
    let mut resources: Vec<String> = Vec::new();
    let mut add = |resource: String| {
        if !resource.is_empty()
            && resource.len() <= 60
            && !resources.contains(&resource)
            && resources.len() < MAX_PRODUCED
        {
            resources.push(resource);
        }
    };
    let about = segments
        .iter()
        .rev()
        .find(|part| !part.starts_with('{') && !FILTER_WORDS.contains(&part.to_ascii_lowercase().as_str()));
    let terminal = !last.contains('{');
    if let Some(about) = about.filter(|about| terminal && **about != "me") {
        add(resource_of(about));
    }
    if *last == "me" {
        add("user".to_owned());
    }
    if let Some(name) = row_schema {
        add(schema_resource(name));
    }
    resources.retain(|resource| id_property(operation, "", resource).is_some());
    resources
}

/// `VehicleSummaryDto` -> `vehicle`.
fn schema_resource(name: &str) -> String {
    const DECORATION: [&str; 18] = [
        "dto",
        "response",
        "model",
        "schema",
        "summary",
        "item",
        "list",
        "view",
        "info",
        "details",
        "detail",
        "representation",
        "object",
        "entity",
        "read",
        "simple",
        "full",
        "minimal",
    ];
    let mut words = words(name.rsplit('.').next().unwrap_or(name));
    while words.len() > 1 && words.last().is_some_and(|last| DECORATION.contains(&last.as_str())) {
        words.pop();
    }
    while words.len() > 1 && matches!(words[0].as_str(), "get" | "minimal" | "simple" | "nested" | "api") {
        words.remove(0);
    }
    if let Some(last) = words.last_mut() {
        *last = singular(last);
    }
    words.join(" ")
}

/// The property of the producer's rows that holds the id: `id`, named as the field, `<resource>Id`, or another id word.
///
/// `id` comes first: a row's `groupId` beside its `id` is its parent's.
fn id_property(producer: &Operation, field: &str, resource: &str) -> Option<String> {
    let fields = &producer.response.as_ref()?.item_fields;
    let flat = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let resource: String = resource.split(' ').collect();
    let last = resource.as_str();
    let wanted_field = flat(field);
    let own = ID_WORDS.iter().map(|id| format!("{last}{id}"));
    let mut order = vec!["id".to_owned()];
    if !wanted_field.is_empty() {
        order.push(wanted_field);
    }
    order.extend(own);
    order.extend(ID_WORDS.iter().skip(1).map(|id| (*id).to_owned()));
    order.iter().find_map(|wanted| fields.iter().find(|name| flat(name) == *wanted)).cloned()
}

/// The producer graph of one document: for each needed resource the operations that yield it, best first.
#[derive(Clone, Debug, Default)]
pub struct Producers {
    by_resource: BTreeMap<String, Vec<(f32, usize)>>,
}

impl Producers {
    /// Builds the graph; the indices it answers with are those of `operations`, all of one document.
    pub fn new<'o>(operations: impl IntoIterator<Item = &'o Operation>) -> Self {
        let mut by_resource: BTreeMap<String, Vec<(f32, usize)>> = BTreeMap::new();
        for (index, operation) in operations.into_iter().enumerate() {
            let unique: BTreeSet<&String> = operation.produces.iter().collect();
            for resource in unique {
                by_resource.entry(resource.clone()).or_default().push((weight(operation, resource), index));
            }
        }
        for list in by_resource.values_mut() {
            list.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        }
        Self { by_resource }
    }

    /// Weight and index of the operations that yield `resource`, best first; searches and plain collections lead.
    pub fn of(&self, resource: &str) -> &[(f32, usize)] {
        self.by_resource.get(resource).map_or(&[], Vec::as_slice)
    }
}

/// Weights of the producer-graph prototype: search 3, collection 1.5 (1 when filtered), schema name 1, `/me` 2, one less below another resource.
fn weight(operation: &Operation, resource: &str) -> f32 {
    let segments: Vec<&str> = operation.path.split('/').filter(|part| !part.is_empty()).collect();
    let last = segments.last().copied().unwrap_or_default();
    let mut weight = 1.0;
    if segments.iter().any(|part| part.eq_ignore_ascii_case("search")) {
        weight += 3.0;
    }
    let filtered = FILTER_WORDS.contains(&last.to_ascii_lowercase().as_str());
    if resource_of(last) == resource {
        weight += 1.5;
    } else if filtered && segments.len() > 1 && resource_of(segments[segments.len() - 2]) == resource {
        weight += 1.0;
    }
    if last == "me" && resource == "user" {
        weight += 2.0;
    }
    if operation.path.contains('{') {
        weight -= 1.0;
    }
    let required = operation.fields.iter().filter(|field| field.required).count();
    weight - 0.25 * f32::from(u8::try_from(required.min(4)).unwrap_or(4))
}
