//! Measures the retrieval on public benchmarks, and prints recall of the gold operations as figures:
//! `cargo run -p embedding-service --example eval_retrieval -- DATA [--model FOLDER] [--misses]`, where
//! `DATA/tool-retrieval` and `DATA/openapi` hold them. With the folder of a local model (feature `local-model`) the
//! names of the figures end in `_model`.
//!
//! - `tmdb`: RestBench TMDB, 100 questions of 54 operations; `pool`: the same questions among all operations of five
//!   more documents; `hr`, `de`, `es`: their translations (`tests/retrieval`) in that pool.
//! - `chains`, `chains_hr` and so on: our own questions (`tests/retrieval/questions.jsonl`) among all operations of the
//!   five documents they are about. Weights are chosen on these, on `toolalpaca` and on `right_call`.
//! - `toolalpaca`: its questions among all ten documents together, `toolalpaca_own` each in its own.
//! - `sealtools`, `bfcl`: functions without documents, all of one pool.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::Path,
    sync::Arc,
};

use anyhow::Context as _;
use embedding_service::catalogue::entry_of;
use retrieval::{Entry, Index, Meaning, Question, meaning, sentence::Sentence};
use serde::Deserialize;
use serde_json::Value;
#[cfg(feature = "local-model")]
use sha2::{Digest as _, Sha256};

const TRANSLATIONS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/retrieval/restbench_tmdb_translations.jsonl");
const QUESTIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/retrieval/questions.jsonl");
const POOL: [&str; 5] = [
    "discord-3.1.json.gz",
    "slack-web-swagger2.json.gz",
    "keycloak.local.json",
    "gotify-swagger2.json",
    "traccar-fleet.yaml",
];
const LANGUAGES: [&str; 3] = ["hr", "de", "es"];

/// A question and the ids of the operations that answer it.
struct Case {
    id: String,
    text: String,
    gold: BTreeSet<String>,
    /// Only this document's operations are asked; none: all.
    document: Option<String>,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "eval_retrieval DATA [--model FOLDER] [--misses]";
    let data = arguments.next().context(usage)?;
    let mut run = Run { model: None, misses: false };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--misses" => run.misses = true,
            "--model" => run.model = Some(Model::open(Path::new(&arguments.next().context(usage)?))?),
            _ => anyhow::bail!(usage),
        }
    }
    let (folder, documents) = (Path::new(&data).join("tool-retrieval"), Path::new(&data).join("openapi"));

    let tmdb = restbench(&folder)?;
    let alone = Index::new(entries("tmdb", &folder.join("specs/tmdb_oas.json.gz"))?);
    run.measure("tmdb", &alone, &tmdb)?;
    let mut pool = entries("tmdb", &folder.join("specs/tmdb_oas.json.gz"))?;
    for name in POOL {
        pool.extend(entries(name.split(['-', '.']).next().unwrap_or(name), &documents.join(name))?);
    }
    let pool = Index::new(pool);
    run.measure("pool", &pool, &tmdb)?;
    for language in LANGUAGES {
        run.measure(language, &pool, &translated(&tmdb, language)?)?;
    }
    let (index, all) = questions(&documents)?;
    for (language, cases) in all {
        run.measure(&format!("chains_{language}"), &index, &cases)?;
    }
    let (index, cases) = toolalpaca(&folder)?;
    run.measure("toolalpaca", &index, &cases)?;
    let own: Vec<Case> = cases
        .into_iter()
        .map(|case| {
            let document = case.gold.first().and_then(|gold| gold.split_once('/')).map(|(name, _)| name.to_owned());
            Case { document, ..case }
        })
        .collect();
    run.measure("toolalpaca_own", &index, &own)?;
    let (index, cases) = functions(&folder, "bfcl_multiple_functions.json.gz", "bfcl_multiple.jsonl")?;
    run.measure("bfcl", &index, &cases)?;
    let (index, cases) = functions(&folder, "sealtools_functions.jsonl.gz", "sealtools_test_out_domain.jsonl")?;
    run.measure("sealtools", &index, &cases)
}

struct Run {
    model: Option<Model>,
    misses: bool,
}

impl Run {
    fn measure(&mut self, set: &str, index: &Index, cases: &[Case]) -> anyhow::Result<()> {
        let Some(model) = &mut self.model else {
            measure(set, "", index, cases, self.misses, |_| None);
            return Ok(());
        };
        let mut vectors = BTreeMap::new();
        let texts = index.entries().iter().flat_map(meaning::texts);
        for text in texts.chain(meaning::NEUTRAL.iter().map(|line| (*line).to_owned())) {
            let is_query = meaning::NEUTRAL.contains(&text.as_str());
            let vector = model.vector(&text, is_query)?;
            vectors.insert(text, vector);
        }
        let of_index =
            Meaning::new(index.entries(), |text| vectors.get(text).cloned()).context("vectors are missing")?;
        let mut asked = BTreeMap::new();
        for case in cases {
            let text = Sentence::new(&case.text).text;
            asked.insert(case.text.clone(), model.vector(&text, true)?);
        }
        measure(set, "_model", index, cases, self.misses, |text| Some((&of_index, &**asked.get(text)?)));
        Ok(())
    }
}

#[cfg(not(feature = "local-model"))]
enum Model {}

#[cfg(not(feature = "local-model"))]
impl Model {
    fn open(_: &Path) -> anyhow::Result<Self> {
        anyhow::bail!("this program was built without local models: add --features local-model")
    }

    fn vector(&mut self, _: &str, _: bool) -> anyhow::Result<Arc<[f32]>> {
        match *self {}
    }
}

/// A model, and the vectors that it gave: kept beside its folder, since thousands take minutes.
#[cfg(feature = "local-model")]
struct Model {
    model: local_model::Model,
    kept: BTreeMap<[u8; 32], Arc<[f32]>>,
    file: std::fs::File,
}

#[cfg(feature = "local-model")]
impl Model {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let model = local_model::Model::open(folder)?;
        let path = folder.join(format!("eval-{}.vectors", model.fingerprint()));
        let mut kept = BTreeMap::new();
        for record in std::fs::read(&path).unwrap_or_default().chunks_exact(32 + 4 * model.dimension()) {
            let (key, values) = record.split_first_chunk::<32>().context("a cut record")?;
            let vector = values.as_chunks::<4>().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
            kept.insert(*key, vector);
        }
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path)?;
        Ok(Self { model, kept, file })
    }

    fn vector(&mut self, text: &str, is_query: bool) -> anyhow::Result<Arc<[f32]>> {
        use std::io::Write as _;
        let key: [u8; 32] = Sha256::new().chain_update([u8::from(is_query)]).chain_update(text).finalize().into();
        if let Some(vector) = self.kept.get(&key) {
            return Ok(Arc::clone(vector));
        }
        let role = if is_query { local_model::Role::Query } else { local_model::Role::Passage };
        let vector: Arc<[f32]> = self.model.embed(text, role)?.into();
        let values = vector.iter().flat_map(|value| value.to_le_bytes());
        self.file.write_all(&key.into_iter().chain(values).collect::<Vec<u8>>())?;
        self.kept.insert(key, Arc::clone(&vector));
        Ok(vector)
    }
}

/// Asks, and prints `figure <set>_recall_at_10` with the rest of what the set shows.
fn measure<'a>(
    set: &str,
    end: &str,
    index: &Index,
    cases: &[Case],
    misses: bool,
    meaning: impl Fn(&str) -> Option<(&'a Meaning, &'a [f32])>,
) {
    let (mut recall, mut first_right) = ([0.0; 3], 0.0);
    let mut bins = [(0u32, 0u32); 3];
    for case in cases {
        let documents: Vec<String> = case.document.iter().cloned().collect();
        let question = Question {
            text: &case.text,
            k: 20,
            documents: &documents,
            meaning: meaning(&case.text),
            ..Question::default()
        };
        let answer = index.search(question);
        let found: Vec<&str> = answer.hits.iter().map(|hit| index.entries()[hit.entry].id.as_str()).collect();
        for (sum, k) in recall.iter_mut().zip([5, 10, 20]) {
            let hits = found.iter().take(k).filter(|id| case.gold.contains(**id)).count();
            *sum += ratio(hits, case.gold.len());
        }
        let is_right = found.first().is_some_and(|first| case.gold.contains(*first));
        first_right += f64::from(u8::from(is_right));
        let bin = match answer.hits.first().map_or(0.0, |hit| hit.probability) {
            p if p >= 0.75 => 2,
            p if p >= 0.2 => 1,
            _ => 0,
        };
        bins[bin].0 += 1;
        bins[bin].1 += u32::from(is_right);
        let missed: Vec<&str> =
            case.gold.iter().map(String::as_str).filter(|gold| !found.iter().take(10).any(|id| id == gold)).collect();
        if misses && !missed.is_empty() {
            println!("missed {set} {}: {}\n  not among the first ten: {missed:?}", case.id, case.text);
            for (place, hit) in answer.hits.iter().take(12).enumerate() {
                let id = &index.entries()[hit.entry].id;
                let mark = if case.gold.contains(id) { '*' } else { ' ' };
                let parts: Vec<String> = hit.parts.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
                println!("  {:2}{mark} {:.2} {id} [{}]", place + 1, hit.score, parts.join(", "));
            }
        }
    }
    let of = |sum: f64| 100.0 * sum / ratio(cases.len(), 1);
    for (sum, k) in recall.iter().zip([5, 10, 20]) {
        match LANGUAGES.contains(&set) {
            true => println!("figure recall_at_{k}_{set}{end} {:.1} %", of(*sum)),
            false => println!("figure {set}_recall_at_{k}{end} {:.1} %", of(*sum)),
        }
    }
    if end.is_empty() {
        println!("figure {set}_questions {}", cases.len());
        println!("figure {set}_operations {}", index.entries().len());
    }
    println!("figure {set}_first_is_gold{end} {:.1} %", of(first_right));
    for ((asked, right), word) in bins.iter().zip(["nothing_near", "not_sure", "sure"]) {
        println!("figure {set}_{word}{end} {asked}");
        println!("figure {set}_{word}_first_is_gold{end} {right}");
    }
}

#[derive(Deserialize)]
struct Row {
    id: String,
    query: String,
    gold: Vec<Gold>,
    #[serde(default)]
    spec: String,
    /// The functions of which one is right; a name alone may be that of several.
    #[serde(default)]
    candidates: Vec<String>,
}

#[derive(Deserialize)]
struct Gold {
    method: Option<String>,
    path: Option<String>,
    function: Option<String>,
    /// False: the benchmark's own slip.
    #[serde(default = "yes", alias = "in_pool")]
    in_spec: bool,
}

fn yes() -> bool {
    true
}

fn restbench(folder: &Path) -> anyhow::Result<Vec<Case>> {
    let rows = rows(&folder.join("restbench_tmdb.jsonl"))?;
    Ok(rows.into_iter().filter_map(|row| case(row, "tmdb")).collect())
}

/// The same questions in another language.
fn translated(cases: &[Case], language: &str) -> anyhow::Result<Vec<Case>> {
    let lines: Vec<Value> = read_lines(Path::new(TRANSLATIONS))?;
    let texts: BTreeMap<&str, &str> =
        lines.iter().filter_map(|line| Some((line.get("id")?.as_str()?, line.get(language)?.as_str()?))).collect();
    let of = |case: &Case| {
        let text = (*texts.get(case.id.as_str())?).to_owned();
        Some(Case { id: case.id.clone(), text, gold: case.gold.clone(), document: None })
    };
    Ok(cases.iter().filter_map(of).collect())
}

type ByLanguage = Vec<(&'static str, Vec<Case>)>;

/// Our own questions, by language.
fn questions(documents: &Path) -> anyhow::Result<(Index, ByLanguage)> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
        document: String,
        operations: Vec<String>,
        #[serde(flatten)]
        texts: BTreeMap<String, String>,
    }
    let lines: Vec<Line> = read_lines(Path::new(QUESTIONS))?;
    let mut all = Vec::new();
    for name in lines.iter().map(|line| &line.document).collect::<BTreeSet<_>>() {
        all.extend(entries(name, &documents.join(name))?);
    }
    let cases = ["en", "hr", "de", "es"].map(|language| {
        let case = |line: &Line| {
            let gold = line.operations.iter().map(|operation| format!("{}/{operation}", line.document)).collect();
            Some(Case { id: line.id.clone(), text: line.texts.get(language)?.clone(), gold, document: None })
        };
        (language, lines.iter().filter_map(case).collect())
    });
    Ok((Index::new(all), cases.into()))
}

fn toolalpaca(folder: &Path) -> anyhow::Result<(Index, Vec<Case>)> {
    let rows = rows(&folder.join("toolalpaca_eval_simulated.jsonl"))?;
    let specs: BTreeSet<String> = rows.iter().map(|row| row.spec.clone()).collect();
    let name = |spec: &str| spec.trim_start_matches("specs/toolalpaca-").trim_end_matches(".json").to_owned();
    let mut all = Vec::new();
    for spec in &specs {
        all.extend(entries(&name(spec), &folder.join(spec))?);
    }
    let cases = rows.into_iter().filter_map(|row| {
        let document = name(&row.spec);
        case(row, &document)
    });
    Ok((Index::new(all), cases.collect()))
}

fn functions(folder: &Path, functions: &str, questions: &str) -> anyhow::Result<(Index, Vec<Case>)> {
    let document = functions.split('_').next().unwrap_or(functions);
    let text = |function: &Value, names: [&str; 2]| {
        names.iter().find_map(|name| Some(function.get(*name)?.as_str()?.to_owned()))
    };
    let list: Vec<(String, Value)> = match functions.contains(".jsonl") {
        true => {
            let lines: Vec<Value> = read_lines(&folder.join(functions))?;
            lines.into_iter().filter_map(|line| Some((text(&line, ["api_name", "name"])?, line))).collect()
        }
        false => {
            let named: BTreeMap<String, Value> = serde_json::from_str(&read(&folder.join(functions))?)?;
            named.into_iter().collect()
        }
    };
    let entries = list.iter().filter_map(|(id, function)| {
        let name = id.split('#').next().unwrap_or(id).to_owned();
        let parameters = function.get("parameters")?;
        let parameters = parameters.get("properties").unwrap_or(parameters).as_object()?;
        Some(Entry {
            id: format!("{document}/{id}"),
            document: document.to_owned(),
            method: "POST".into(),
            path: format!("/{}", name.replace('.', "/")),
            summary: text(function, ["api_description", "description"])?,
            body: parameters.keys().cloned().collect(),
            label: name,
            ..Entry::default()
        })
    });
    let index = Index::new(entries.collect());
    Ok((index, rows(&folder.join(questions))?.into_iter().filter_map(|row| case(row, document)).collect()))
}

/// `None` for a question without gold of its document.
fn case(row: Row, document: &str) -> Option<Case> {
    let id = |gold: &Gold| match (&gold.method, &gold.path, &gold.function) {
        (Some(method), Some(path), _) => Some(format!("{document}/{method} {path}")),
        (_, _, Some(function)) => {
            let is_it = |id: &&String| id.split('#').next() == Some(function);
            Some(format!("{document}/{}", row.candidates.iter().find(is_it).unwrap_or(function)))
        }
        _ => None,
    };
    let gold: BTreeSet<String> = row.gold.iter().filter(|gold| gold.in_spec).filter_map(id).collect();
    (!gold.is_empty()).then_some(Case { id: row.id, text: row.query, gold, document: None })
}

fn entries(document: &str, path: &Path) -> anyhow::Result<Vec<Entry>> {
    let content = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let options = openapi::ImportOptions::default();
    let document = openapi::import(document, &content, &options).with_context(|| path.display().to_string())?;
    Ok(document.operations.iter().map(entry_of).collect())
}

fn rows(path: &Path) -> anyhow::Result<Vec<Row>> {
    read_lines(path)
}

fn read_lines<T: serde::de::DeserializeOwned>(path: &Path) -> anyhow::Result<Vec<T>> {
    let text = read(path)?;
    text.lines().map(serde_json::from_str).collect::<Result<_, _>>().with_context(|| path.display().to_string())
}

fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    match path.extension().is_some_and(|extension| extension == "gz") {
        true => flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).map(|_| text),
        false => return String::from_utf8(bytes).with_context(|| path.display().to_string()),
    }
    .with_context(|| path.display().to_string())
}

#[expect(clippy::cast_precision_loss, reason = "counts of questions are far below 2^52")]
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
