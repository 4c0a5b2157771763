//! Asks the sentences of `tests/right_call.jsonl` of the real documents they name, without any overlay, and prints how
//! many lead to the right operation: `cargo run --release -p embedding-service --example right_call -- DATA`, where
//! `DATA/openapi` holds the documents.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{collections::BTreeMap, path::Path, time::Instant};

use anyhow::Context as _;
use embedding_service::catalogue::entry_of;
use retrieval::{Index, Question};
use serde::Deserialize;

const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/right_call.jsonl");
/// Sentences about other things: nothing is near.
const ELSEWHERE: [&str; 8] = [
    "what's the weather in Split",
    "tell me a joke",
    "how do I cook pasta for six people",
    "who won the football match last night",
    "write a poem about autumn",
    "how tall is Mount Everest",
    "I feel sad and lonely",
    "kakvo je vrijeme u Splitu",
];

#[derive(Deserialize)]
struct Line {
    document: String,
    sentence: String,
    operation: String,
}

fn main() -> anyhow::Result<()> {
    let data = std::env::args().nth(1).context("give the folder of the data: right_call DATA")?;
    let table = std::fs::read_to_string(TABLE).with_context(|| format!("cannot read {TABLE}"))?;
    let lines: Vec<Line> = table.lines().map(serde_json::from_str).collect::<Result<_, _>>().context(TABLE)?;
    let mut indexes: BTreeMap<String, Index> = BTreeMap::new();
    let (mut right, mut sure, mut sure_and_right) = (0, 0, 0);
    for line in &lines {
        if !indexes.contains_key(&line.document) {
            indexes.insert(line.document.clone(), index(&Path::new(&data).join("openapi").join(&line.document))?);
        }
        let index = &indexes[&line.document];
        let began = Instant::now();
        let answer = index.search(Question { text: &line.sentence, k: 10, ..Question::default() });
        let took = began.elapsed();
        let Some(best) = answer.hits.first() else { continue };
        let entry = &index.entries()[best.entry];
        let found = format!("{} {}", entry.method, entry.path);
        let is_right = found == line.operation;
        let place = answer.hits.iter().position(|hit| {
            let entry = &index.entries()[hit.entry];
            format!("{} {}", entry.method, entry.path) == line.operation
        });
        right += usize::from(is_right);
        sure += usize::from(best.probability >= 0.75);
        sure_and_right += usize::from(best.probability >= 0.75 && is_right);
        println!(
            "{} p={:.2} {took:?} {}: {} -> {found}{}",
            if is_right { "right" } else { "wrong" },
            best.probability,
            line.document,
            line.sentence,
            match (is_right, place) {
                (true, _) => String::new(),
                (false, Some(place)) => format!(" (meant: {}, at place {})", line.operation, place + 1),
                (false, None) => format!(" (meant: {}, not found)", line.operation),
            }
        );
    }
    let (mut asked, mut near) = (0, 0);
    for (document, index) in &indexes {
        for sentence in ELSEWHERE {
            let answer = index.search(Question { text: sentence, k: 1, ..Question::default() });
            asked += 1;
            if let Some(hit) = answer.hits.first().filter(|hit| hit.probability >= 0.2 && answer.left_out.is_empty()) {
                near += 1;
                println!("near  p={:.2} {document}: {sentence} -> {}", hit.probability, index.entries()[hit.entry].id);
            }
        }
    }
    println!("figure right_call_top1 {right}");
    println!("figure right_call_of {}", lines.len());
    println!("figure right_call_sure {sure}");
    println!("figure right_call_sure_and_right {sure_and_right}");
    println!("figure elsewhere_asked {asked}");
    println!("figure elsewhere_called_near {near}");
    Ok(())
}

fn index(path: &Path) -> anyhow::Result<Index> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let began = Instant::now();
    let options = openapi::ImportOptions::default();
    let document = openapi::import("document", &content, &options).with_context(|| path.display().to_string())?;
    let imported = began.elapsed();
    let entries: Vec<_> = document.operations.iter().map(entry_of).collect();
    let began = Instant::now();
    let index = Index::new(entries);
    println!(
        "index {}: {} operations, imported in {imported:?}, indexed in {:?}",
        path.display(),
        index.entries().len(),
        began.elapsed()
    );
    Ok(index)
}
