//! A document of as many operations as one likes, with long descriptions and many parameters, and results that are far
//! too long.

use serde_json::{Map, Value, json};

const AREAS: [&str; 25] = [
    "warehouse",
    "payroll",
    "insurance",
    "library",
    "hospital",
    "airport",
    "harbour",
    "museum",
    "school",
    "factory",
    "theatre",
    "laboratory",
    "bakery",
    "hotel",
    "railway",
    "garden",
    "kitchen",
    "studio",
    "market",
    "court",
    "forest",
    "mine",
    "brewery",
    "stadium",
    "archive",
];
const THINGS: [&str; 7] = ["orders", "contracts", "shipments", "invoices", "visitors", "inspections", "machines"];
const ABOUT: &str = "Gives what is known of it, with everything that belongs to it and the states that it went through \
                     since it was made. Whoever may see it sees the whole; others see as much as their role allows, and \
                     what they may not see is left out without a word. Answers are sorted by the time of the last change. ";

/// A document of so many operations.
pub fn made(operations: usize) -> Value {
    let mut paths = Map::new();
    let mut count = 0;
    let names = AREAS.iter().flat_map(|area| THINGS.iter().map(move |thing| (*area, *thing)));
    for (area, thing) in names {
        let one = thing.trim_end_matches('s');
        let id = format!("{area}_{one}_id");
        let (all, single) = (format!("/{area}/{thing}"), format!("/{area}/{thing}/{{{id}}}"));
        for (path, method, title) in [
            (&all, "get", format!("List the {thing} of the {area}")),
            (&all, "post", format!("Add one of the {thing} to the {area}")),
            (&single, "get", format!("Show one of the {thing} of the {area}")),
            (&single, "patch", format!("Change one of the {thing} of the {area}")),
            (&single, "delete", format!("Remove one of the {thing} of the {area}")),
            (&format!("{single}/history"), "get", format!("History of one of the {thing} of the {area}")),
            (&format!("{all}/summary"), "get", format!("Sums of the {thing} of the {area}")),
        ] {
            if count == operations {
                break;
            }
            count += 1;
            let operation = operation(method, &title, path.contains('{').then_some(id.as_str()), count);
            let item = paths.entry(path.clone()).or_insert_with(|| json!({}));
            item[method] = operation;
        }
    }
    json!({ "openapi": "3.1.0", "info": { "title": "Everything there is", "version": "1" }, "paths": paths })
}

fn operation(method: &str, title: &str, id: Option<&str>, number: usize) -> Value {
    let words = |n: usize| ABOUT.chars().cycle().skip(n * 7 % 90).take(60 + n * 13 % 240).collect::<String>();
    let id = id.map(|id| {
        json!({ "name": id, "in": "path", "required": true, "description": words(number), "schema": { "type": "string" } })
    });
    let mut parameters: Vec<Value> = id.into_iter().collect();
    let kinds = [
        json!({ "type": "string" }),
        json!({ "type": "integer", "minimum": 1, "maximum": 100_000 }),
        json!({ "type": "string", "format": "date" }),
        json!({ "type": "string", "enum": ["newest", "oldest", "largest", "smallest", "waiting", "done", "cancelled"] }),
        json!({ "type": "array", "items": { "type": "string" } }),
        json!({ "type": "boolean" }),
    ];
    let named = |at: usize| format!("{}_{at}", ["only", "since", "sorted_by", "with", "without"][at % 5]);
    let fields = (0..number % 30).map(|at| (named(at), kinds[(at + number) % kinds.len()].clone(), words(at)));
    let mut operation = json!({
        "operationId": title.replace(' ', "_"), "summary": title, "description": ABOUT.repeat(1 + number % 4),
        "responses": { "200": { "description": "ok", "content": { "application/json": { "schema": {
            "type": "array", "items": { "type": "object", "properties": { "id": { "type": "string" }, "name": { "type": "string" } } },
        } } } } },
    });
    if matches!(method, "post" | "patch") {
        let properties: Map<String, Value> = fields
            .map(|(name, mut schema, about)| {
                schema["description"] = json!(about);
                (name, schema)
            })
            .collect();
        let schema = json!({ "type": "object", "properties": properties });
        operation["requestBody"] = json!({ "content": { "application/json": { "schema": schema } } });
    } else {
        parameters.extend(fields.map(
            |(name, schema, about)| json!({ "name": name, "in": "query", "description": about, "schema": schema }),
        ));
    }
    operation["parameters"] = json!(parameters);
    operation
}

/// Two hundred rows of thirty fields, in several languages.
pub fn result() -> Value {
    const WORDS: [&str; 5] =
        ["in the second hall", "u drugoj dvorani, šesti red", "во втором зале", "第二ホールにて", "🚗💨 07"];
    let row = |n: usize| {
        let fields = (0..30).map(|at| {
            (format!("field_{at}"), json!(format!("{} {n}", WORDS[(n + at) % WORDS.len()].repeat(1 + at % 6))))
        });
        let mut row: Map<String, Value> = fields.collect();
        row.insert("id".to_owned(), json!(n.to_string()));
        row.insert("name".to_owned(), json!(format!("Row {n}")));
        Value::Object(row)
    };
    (1..=200).map(row).collect()
}
