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
/// Words before a resource in names of calls: `/getBooks` and `/listAllBooks` are about books.
const LEADING_WORDS: [&str; 8] = ["get", "list", "find", "fetch", "search", "read", "query", "all"];
/// Names of whole numbers that say where or how many, never which.
const COUNTED: [&str; 16] = [
    "order", "page", "number", "level", "count", "position", "rank", "index", "version", "priority", "year", "month",
    "day", "week", "hour", "minute",
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
    let candidates: Vec<Vec<(String, Wanted)>> = drafts.iter().map(|draft| wanted(&draft.operation)).collect();
    for (index, wanted) in candidates.into_iter().enumerate() {
        let mut needs = Vec::new();
        for (key, words) in wanted {
            let Some((resource, producers)) = words.known(&by_resource) else { continue };
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

/// What the name of an id says of its resource.
enum Wanted {
    /// Its words; the resource may be what they end with (`from station` -> `station`).
    Ends(String),
    /// The resource itself, or nothing.
    Whole(String),
}

impl Wanted {
    /// The resource of that name that something yields.
    fn known<'m>(&self, by_resource: &'m BTreeMap<String, Vec<usize>>) -> Option<(String, &'m Vec<usize>)> {
        let find = |name: String| by_resource.get(&name).map(|producers| (name, producers));
        match self {
            Self::Whole(name) => find(name.clone()),
            Self::Ends(name) => {
                let words: Vec<&str> = name.split(' ').collect();
                (0..words.len()).find_map(|start| find(words[start..].join(" ")))
            }
        }
    }
}

/// The fields that hold ids, with the resource as the name says it.
fn wanted(operation: &Operation) -> Vec<(String, Wanted)> {
    operation
        .fields
        .iter()
        .filter(|field| matches!(field.location, Location::Path | Location::Query | Location::Body))
        .filter_map(|field| wanted_resource(operation, field).map(|resource| (field.key.clone(), resource)))
        .collect()
}

fn wanted_resource(operation: &Operation, field: &Field) -> Option<Wanted> {
    if field.schema.get("enum").is_some()
        || is_type(field, "array")
        || is_type(field, "object")
        || is_type(field, "boolean")
    {
        return None;
    }
    let joined = |words: &[String]| words.iter().map(|word| singular(word)).collect::<Vec<_>>().join(" ");
    let is_id = |word: &str| ID_WORDS.contains(&word);
    let name = words(&field.name);
    match name.as_slice() {
        [only] if is_id(only) => match field.location {
            Location::Path => segment_before(&operation.path, &field.name).map(resource_of).map(Wanted::Ends),
            // `id` in a body or query names the thing itself, mostly a new one.
            _ => None,
        },
        [rest @ .., last] if is_id(last) => Some(Wanted::Ends(joined(rest))),
        [first, rest @ ..] if first == "id" => Some(Wanted::Ends(joined(rest))),
        _ => without_id_word(operation, field, &name),
    }
}

/// A name without a word for "id": an id unless a person can be expected to know it, as names and codes in text are.
fn without_id_word(operation: &Operation, field: &Field, name: &[String]) -> Option<Wanted> {
    let whole = resource_of(&field.name);
    let glued = match name {
        [only] => ["uuid", "guid", "id"].iter().find_map(|id| only.strip_suffix(id)).filter(|rest| rest.len() >= 3),
        _ => None,
    };
    if let Some(glued) = glued {
        return Some(Wanted::Whole(singular(glued)));
    }
    let uuid = field.schema.get("format").is_some_and(|format| format == "uuid");
    let integer = is_type(field, "integer");
    match field.location {
        // `/vehicles/{vehicle}`
        Location::Path => {
            let segment = segment_before(&operation.path, &field.name).map(resource_of);
            (uuid || (integer && segment.as_ref() == Some(&whole))).then_some(Wanted::Ends(whole))
        }
        Location::Body => {
            // `vehicle: 3`, `trip.vehicle: 3`; `order: 3` is a place in a list.
            let name = field.name.rsplit('.').next()?;
            let resource = resource_of(name);
            let says_so = words(&field.description).iter().any(|word| is_id_word(word));
            let one = words(name).last().is_some_and(|word| singular(word) == *word);
            let which = integer && one && !COUNTED.contains(&resource.as_str());
            (uuid || says_so || which).then_some(Wanted::Whole(resource))
        }
        Location::Query => uuid.then_some(Wanted::Whole(whole)),
        Location::Header | Location::Cookie => None,
    }
}

fn is_id_word(word: &str) -> bool {
    word == "identifier" || ID_WORDS.contains(&word)
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

/// `damage-reports` -> `damage report`, `getDamageReports.json` -> `damage report`.
fn resource_of(name: &str) -> String {
    let mut words = words(name);
    if words.len() > 1 && words.last().is_some_and(|last| matches!(last.as_str(), "json" | "xml" | "php" | "do")) {
        words.pop();
    }
    while words.len() > 1 && LEADING_WORDS.contains(&words[0].as_str()) {
        words.remove(0);
    }
    if let Some(last) = words.last_mut() {
        *last = singular(last);
    }
    words.join(" ")
}

/// What a safe operation with rows that have ids yields, surest first.
fn produced(operation: &Operation, row_schema: Option<&str>) -> Vec<String> {
    if operation.method != "GET" || operation.risk != Risk::Safe || operation.not_callable.is_some() {
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
    let Some(response) = operation.response.as_ref().filter(|response| !response.item_fields.is_empty()) else {
        // The document does not say what comes: the plural of a thing is a list of them, and its rows may have ids.
        let many = words(last).last().is_some_and(|word| singular(word) != *word);
        let open = operation.response.as_ref().is_none_or(|response| says_nothing(&response.schema));
        return if many && open && !operation.path.contains('{') { vec![resource_of(last)] } else { Vec::new() };
    };
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

/// True when an answer's schema leaves open what it holds: anything, or rows of anything.
fn says_nothing(schema: &Value) -> bool {
    let bare =
        |schema: &Value| ["properties", "$ref", "allOf", "anyOf", "oneOf"].iter().all(|key| schema.get(key).is_none());
    match schema.get("type").and_then(Value::as_str) {
        Some("array") => schema.get("items").is_none_or(says_nothing),
        Some("object") => bare(schema),
        Some(_) => false,
        None => bare(schema) && schema.get("items").is_none() && schema.get("type").is_none(),
    }
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
/// Where the document leaves open what comes, it is `id`.
fn id_property(producer: &Operation, field: &str, resource: &str) -> Option<String> {
    let fields = match &producer.response {
        Some(response) if !response.item_fields.is_empty() => &response.item_fields,
        _ => return Some("id".to_owned()),
    };
    let flat = |name: &str| name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let resource: String = resource.split(' ').collect();
    let last = resource.as_str();
    let wanted_field = flat(field);
    let own = ID_WORDS.iter().flat_map(|id| [format!("{last}{id}"), format!("{id}{last}")]);
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
