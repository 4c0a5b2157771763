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
//! - `held_out`, `held_out_hr` and so on: our own questions (`tests/retrieval/held_out.jsonl`) among all operations of
//!   seven documents that nothing was chosen on; `_sr` in Cyrillic. `pool_typos`, `held_out_typos`: the English questions
//!   with a slip in every other long word.
//! - `irrelevance`: BFCL's questions, each of a function that does not answer it; `elsewhere`: the same questions in the
//!   pool. What is called near or sure there is wrong; `answerable_refused` counts the questions of the other sets, of
//!   documents that answer them, that were told that nothing is near.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read as _,
    path::Path,
    sync::Arc,
};

use anyhow::Context as _;
use embedding_service::catalogue::entry_of;
use retrieval::{Answer, Entry, Index, Meaning, Question, meaning, sentence::Sentence};
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
const HELD_OUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/retrieval/held_out.jsonl");
const LANGUAGES: [&str; 3] = ["hr", "de", "es"];

/// From this probability of the best hit on something is near, and from this one on it is done or said without asking.
const NEAR: f64 = 0.2;
const SURE: f64 = 0.75;
/// From this one on it may be meant where words were left out that may name something.
const NAMED: f64 = 0.5;

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
    let mut run = Run { model: None, misses: false, asked: 0, refused: 0 };
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
    run.measure("pool_typos", &pool, &with_slips(&tmdb))?;
    for language in LANGUAGES {
        run.measure(language, &pool, &translated(&tmdb, language)?)?;
    }
    let (index, all) = questions(&documents, QUESTIONS)?;
    for (language, cases) in all.iter().filter(|(_, cases)| !cases.is_empty()) {
        run.measure(&format!("chains_{language}"), &index, cases)?;
    }
    let (index, all) = questions(&documents, HELD_OUT)?;
    for (language, cases) in &all {
        run.measure(&format!("held_out_{language}"), &index, cases)?;
    }
    if let Some((_, english)) = all.first() {
        run.measure("held_out_typos", &index, &with_slips(english))?;
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
    run.measure("sealtools", &index, &cases)?;
    run.abstain(&folder, &pool)
}

struct Run {
    model: Option<Model>,
    misses: bool,
    /// Questions of documents that answer them, and those of them that were told that nothing is near.
    asked: u32,
    refused: u32,
}

impl Run {
    fn measure(&mut self, set: &str, index: &Index, cases: &[Case]) -> anyhow::Result<()> {
        let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
        let vectors = self.vectors(index, &texts)?;
        let end = if vectors.is_some() { "_model" } else { "" };
        let refused = measure(set, end, index, cases, self.misses, |text| of_text(vectors.as_ref(), text));
        // Functions without documents are not what is asked of here.
        if !["bfcl", "sealtools"].contains(&set) {
            self.asked += u32::try_from(cases.len())?;
            self.refused += refused;
        }
        Ok(())
    }

    /// The vectors of an index and of sentences; `None` without a model.
    fn vectors(&mut self, index: &Index, sentences: &[&str]) -> anyhow::Result<Option<Vectors>> {
        let Some(model) = &mut self.model else { return Ok(None) };
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
        for sentence in sentences {
            let text = Sentence::new(sentence).text;
            asked.insert((*sentence).to_owned(), model.vector(&text, true)?);
        }
        Ok(Some((of_index, asked)))
    }

    /// Questions that nothing answers, and what the others were told.
    fn abstain(&mut self, folder: &Path, pool: &Index) -> anyhow::Result<()> {
        #[derive(Deserialize)]
        struct Line {
            query: String,
            functions: Vec<Value>,
        }
        let lines: Vec<Line> = read_lines(&folder.join("bfcl_irrelevance.jsonl"))?;
        let queries: Vec<&str> = lines.iter().map(|line| line.query.as_str()).collect();
        let end = if self.model.is_some() { "_model" } else { "" };
        let mut called = [[0u32; 2]; 2];
        let elsewhere = self.vectors(pool, &queries)?;
        for line in &lines {
            let functions = line.functions.iter().filter_map(|function| {
                let name = function.get("name")?.as_str()?.to_owned();
                function_entry("functions", &name, function)
            });
            let own = Index::new(functions.collect());
            let of_own = self.vectors(&own, &[&line.query])?;
            for (at, (index, vectors)) in [(&own, &of_own), (pool, &elsewhere)].into_iter().enumerate() {
                let meaning = of_text(vectors.as_ref(), &line.query);
                let answer = index.search(Question { text: &line.query, k: 10, meaning, ..Question::default() });
                let near = nearness(&answer);
                called[at][0] += u32::from(near >= NEAR);
                called[at][1] += u32::from(near >= SURE);
                if let Some(best) = answer.hits.first().filter(|_| self.misses && near >= NEAR) {
                    let id = &index.entries()[best.entry].id;
                    println!("near {} {near:.2} {id}: {}", ["irrelevance", "elsewhere"][at], line.query);
                }
            }
        }
        for (set, [near, sure]) in ["irrelevance", "elsewhere"].into_iter().zip(called) {
            println!("figure {set}_questions{end} {}", lines.len());
            println!("figure {set}_called_near{end} {near}");
            println!("figure {set}_called_sure{end} {sure}");
        }
        println!("figure answerable_questions{end} {}", self.asked);
        println!("figure answerable_refused{end} {}", self.refused);
        Ok(())
    }
}

/// How near the best operation is to the whole sentence.
fn nearness(answer: &Answer) -> f64 {
    answer.hits.first().filter(|_| answer.left_out.is_empty()).map_or(0.0, |hit| hit.probability)
}

/// True when the best operation is near without words that may name something: whether they do, the dialogue finds out.
fn named(answer: &Answer) -> bool {
    !answer.left_out.is_empty() && answer.hits.first().is_some_and(|hit| hit.probability >= NAMED)
}

/// The vectors of an index, and of sentences by their text.
type Vectors = (Meaning, BTreeMap<String, Arc<[f32]>>);

fn of_text<'a>(vectors: Option<&'a Vectors>, text: &str) -> Option<(&'a Meaning, &'a [f32])> {
    let (meaning, sentences) = vectors?;
    Some((meaning, &**sentences.get(text)?))
}

/// The same questions with a slip in every other word of five letters and more: one left out, doubled, or two swapped.
fn with_slips(cases: &[Case]) -> Vec<Case> {
    let slip = |(at, word): (usize, &str)| {
        let mut chars: Vec<char> = word.chars().collect();
        if at % 2 == 1 || chars.len() < 5 || !chars.iter().all(|c| c.is_alphabetic()) {
            return word.to_owned();
        }
        let middle = chars.len() / 2;
        match at % 3 {
            0 => drop(chars.remove(middle)),
            1 => chars.insert(middle, chars[middle]),
            _ => chars.swap(middle, middle - 1),
        }
        chars.into_iter().collect()
    };
    let of = |case: &Case| {
        let words: Vec<String> = case.text.split_whitespace().enumerate().map(slip).collect();
        Case { id: case.id.clone(), text: words.join(" "), gold: case.gold.clone(), document: case.document.clone() }
    };
    cases.iter().map(of).collect()
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

/// Asks, and prints `figure <set>_recall_at_10` with the rest of what the set shows. Gives how many questions were told
/// that nothing is near.
fn measure<'a>(
    set: &str,
    end: &str,
    index: &Index,
    cases: &[Case],
    misses: bool,
    meaning: impl Fn(&str) -> Option<(&'a Meaning, &'a [f32])>,
) -> u32 {
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
        let bin = match (nearness(&answer), named(&answer)) {
            (p, _) if p >= SURE => 2,
            (p, named) if p >= NEAR || named => 1,
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
    bins[0].0
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
fn questions(documents: &Path, file: &str) -> anyhow::Result<(Index, ByLanguage)> {
    #[derive(Deserialize)]
    struct Line {
        id: String,
        document: String,
        operations: Vec<String>,
        #[serde(flatten)]
        texts: BTreeMap<String, String>,
    }
    let lines: Vec<Line> = read_lines(Path::new(file))?;
    let mut all = Vec::new();
    for name in lines.iter().map(|line| &line.document).collect::<BTreeSet<_>>() {
        all.extend(entries(name, &documents.join(name))?);
    }
    let cases = ["en", "hr", "de", "es", "sr"].map(|language| {
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
    let list: Vec<(String, Value)> = match functions.contains(".jsonl") {
        true => {
            let lines: Vec<Value> = read_lines(&folder.join(functions))?;
            lines.into_iter().filter_map(|line| Some((text_of(&line, ["api_name", "name"])?, line))).collect()
        }
        false => {
            let named: BTreeMap<String, Value> = serde_json::from_str(&read(&folder.join(functions))?)?;
            named.into_iter().collect()
        }
    };
    let entries = list.iter().filter_map(|(id, function)| function_entry(document, id, function));
    let index = Index::new(entries.collect());
    Ok((index, rows(&folder.join(questions))?.into_iter().filter_map(|row| case(row, document)).collect()))
}

fn text_of(function: &Value, names: [&str; 2]) -> Option<String> {
    names.iter().find_map(|name| Some(function.get(*name)?.as_str()?.to_owned()))
}

/// A function as if it were an operation.
fn function_entry(document: &str, id: &str, function: &Value) -> Option<Entry> {
    let name = id.split('#').next().unwrap_or(id).to_owned();
    let parameters = function.get("parameters")?;
    let parameters = parameters.get("properties").unwrap_or(parameters).as_object()?;
    Some(Entry {
        id: format!("{document}/{id}"),
        document: document.to_owned(),
        method: "POST".into(),
        path: format!("/{}", name.replace('.', "/")),
        summary: text_of(function, ["api_description", "description"])?,
        body: parameters.keys().cloned().collect(),
        label: name,
        ..Entry::default()
    })
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
