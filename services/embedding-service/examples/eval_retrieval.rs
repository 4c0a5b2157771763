//! Measures the retrieval on RestBench TMDB (100 questions, 54 operations) and ToolAlpaca: recall of the gold
//! operations and how far the probabilities can be believed:
//! `cargo run --release -p embedding-service --example eval_retrieval -- DATA`, where `DATA/tool-retrieval` holds them.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use anyhow::Context as _;
use embedding_service::{
    catalogue::entry_of,
    retrieval::{Answer, Index, Question},
};
use serde::Deserialize;

/// R@10 on RestBench TMDB of the study's model-free method, in percent.
const STUDY: f64 = 75.3;

#[derive(Deserialize)]
struct Row {
    query: String,
    gold: Vec<Gold>,
    spec: String,
}

#[derive(Deserialize)]
struct Gold {
    method: Option<String>,
    path: Option<String>,
    in_spec: bool,
}

fn main() -> anyhow::Result<()> {
    let data = std::env::args().nth(1).context("give the folder of the data: eval_retrieval DATA")?;
    let folder = Path::new(&data).join("tool-retrieval");
    for (name, file) in [("restbench_tmdb", "restbench_tmdb.jsonl"), ("toolalpaca", "toolalpaca_eval_simulated.jsonl")]
    {
        measure(name, &folder, file)?;
    }
    println!("study  restbench_tmdb R@10 {STUDY}");
    Ok(())
}

fn measure(name: &str, folder: &Path, file: &str) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(folder.join(file)).with_context(|| format!("cannot read {file}"))?;
    let rows: Vec<Row> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>().context("not as expected")?;
    let mut indexes: BTreeMap<String, Index> = BTreeMap::new();
    let (mut recall, mut questions, mut first_right) = ([0.0; 3], 0.0, 0.0);
    let mut bins = [(0u32, 0u32); 3];
    for row in rows {
        let gold: BTreeSet<String> = row.gold.iter().filter(|gold| gold.in_spec).filter_map(operation).collect();
        if gold.is_empty() {
            continue;
        }
        if !indexes.contains_key(&row.spec) {
            indexes.insert(row.spec.clone(), index(&folder.join(&row.spec))?);
        }
        let index = &indexes[&row.spec];
        let answer = index.search(Question { text: &row.query, k: 20, ..Question::default() });
        let found = found(index, &answer);
        questions += 1.0;
        for (sum, k) in recall.iter_mut().zip([5, 10, 20]) {
            let hit = gold.iter().filter(|gold| found.iter().take(k).any(|found| found == *gold)).count();
            *sum += f64::from(u32::try_from(hit)?) / f64::from(u32::try_from(gold.len())?);
        }
        let is_right = found.first().is_some_and(|first| gold.contains(first));
        first_right += f64::from(u8::from(is_right));
        let bin = match answer.hits.first().map_or(0.0, |hit| hit.probability) {
            p if p >= 0.75 => 2,
            p if p >= 0.2 => 1,
            _ => 0,
        };
        bins[bin].0 += 1;
        bins[bin].1 += u32::from(is_right);
    }
    for (sum, k) in recall.iter().zip([5, 10, 20]) {
        println!("figure {name}_recall_at_{k} {:.1}", 100.0 * sum / questions);
    }
    println!("figure {name}_first_is_gold {:.1}", 100.0 * first_right / questions);
    for ((asked, right), word) in bins.iter().zip(["nothing_near", "not_sure", "sure"]) {
        println!("figure {name}_{word} {asked}");
        println!("figure {name}_{word}_first_is_gold {right}");
    }
    Ok(())
}

fn operation(gold: &Gold) -> Option<String> {
    Some(format!("{} {}", gold.method.as_deref()?, gold.path.as_deref()?))
}

fn found(index: &Index, answer: &Answer) -> Vec<String> {
    let entries = answer.hits.iter().map(|hit| &index.entries()[hit.entry]);
    entries.map(|entry| format!("{} {}", entry.method, entry.path)).collect()
}

fn index(path: &Path) -> anyhow::Result<Index> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let options = openapi::ImportOptions::default();
    let document = openapi::import("document", &content, &options).with_context(|| path.display().to_string())?;
    Ok(Index::new(document.operations.iter().map(entry_of).collect()))
}
