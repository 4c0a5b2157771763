//! A tenant's catalogue at one version: documents, operations with their overlays, and the index over them.

use std::{
    cell::Cell,
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
    thread,
};

use openapi::{Document, ImportOptions, Location, Operation};
use retrieval::{Entry, Index, Meaning, meaning, text};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use store::catalogue::{CatalogDocument, Example, Overlay as OverlayRow};

use super::overlay::Overlay;
use crate::embedding::Remote;

/// Longest title, in characters.
const TITLE_CHARS: usize = 120;

/// What was parsed for the last snapshot, by document id, content hash and backend: an overlay needs no new parse.
pub type Parsed = HashMap<(String, String, Option<String>), Arc<Document>>;

/// A document in a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentInfo {
    /// Title from the document.
    pub title: String,
    /// Version from the document.
    pub version: String,
    /// Operations found.
    pub operations: usize,
    /// Operations that can be called.
    pub callable: usize,
    /// SHA-256 of the imported content, hex.
    pub content_hash: String,
    /// Address of the backend, where it was given.
    pub backend_url: Option<String>,
}

/// An operation with its overlay.
#[derive(Clone, Debug)]
pub struct Stored {
    /// As it is to be called.
    pub operation: Operation,
    /// One line for people.
    pub title: String,
    /// Never offered.
    pub hidden: bool,
}

/// The operations' vectors of one model: a sentence's vector must be of the same one.
#[derive(Debug)]
pub struct Generation {
    /// The model.
    pub remote: Arc<Remote>,
    /// The vectors.
    pub meaning: Meaning,
    /// No text is without one.
    pub is_whole: bool,
}

impl Generation {
    /// The vectors that are kept, of the first of `remotes` if it has them all, else of the next one that has enough: so
    /// a new model takes over at once, when it is complete. One that served `before` need not be complete: what is new in
    /// the catalogue is soon there. Asks for none.
    fn find(entries: &[Entry], remotes: &[Arc<Remote>], before: Option<&Self>) -> Option<Self> {
        let of = |remote: &Arc<Remote>| {
            let (lacking, refused) = (Cell::new(0), Cell::new(0));
            let find = |text: &str| {
                let found = remote.find_operation(text);
                if found.is_none() {
                    lacking.set(lacking.get() + 1);
                    refused.set(refused.get() + usize::from(remote.is_refused(text)));
                }
                found
            };
            let meaning = Meaning::new(entries, find)?;
            let generation = Self { remote: Arc::clone(remote), meaning, is_whole: lacking.get() == 0 };
            Some((generation, lacking == refused))
        };
        let served = |remote: &Arc<Remote>| before.is_some_and(|before| Arc::ptr_eq(&before.remote, remote));
        let found = match remotes.first().and_then(of) {
            Some((newest, has_all)) if has_all || served(&newest.remote) => return Some(newest),
            // Without an older model a part of the vectors is better than none.
            newest => remotes.iter().skip(1).find_map(of).or(newest),
        };
        found.map(|(generation, _)| generation)
    }
}

/// The catalogue at one version. Never changed, but for the vectors, which come when they are there.
#[derive(Debug)]
pub struct Snapshot {
    /// -1 before the first build.
    version: i64,
    documents: BTreeMap<String, DocumentInfo>,
    operations: BTreeMap<String, Stored>,
    index: Index,
    generation: RwLock<Option<Arc<Generation>>>,
}

impl Snapshot {
    /// The place of a catalogue that was not built yet.
    pub fn unbuilt() -> Self {
        Self {
            version: -1,
            documents: BTreeMap::new(),
            operations: BTreeMap::new(),
            index: Index::new(Vec::new()),
            generation: RwLock::default(),
        }
    }

    /// Builds from what the database holds, with the [vectors that are kept](Generation::find). A document that cannot be
    /// read any more is left out and logged.
    pub fn build(
        version: i64,
        documents: Vec<CatalogDocument>,
        (overlays, examples): (&[OverlayRow], &[Example]),
        mut before: Parsed,
        supplied: impl Fn(&str) -> Vec<String>,
        (remotes, generation): (&[Arc<Remote>], Option<&Generation>),
    ) -> (Self, Parsed) {
        let mut parsed = Parsed::new();
        let mut infos = BTreeMap::new();
        let mut operations = BTreeMap::new();
        let mut entries = Vec::new();
        let overlays: HashMap<&str, &Value> =
            overlays.iter().map(|row| (row.operation.as_str(), &row.overlay)).collect();
        let mut sentences: HashMap<&str, Vec<String>> = HashMap::new();
        for example in examples {
            sentences.entry(&example.operation).or_default().push(example.text.clone());
        }
        for row in documents {
            let key = (row.id.clone(), row.content_hash.clone(), row.backend_url.clone());
            let document = match before.remove(&key) {
                Some(document) => document,
                None => match parse(&row, supplied(&row.id)) {
                    Ok(document) => Arc::new(document),
                    Err(error) => {
                        tracing::error!(document = row.id, %error, "a document of the catalogue cannot be read; import it again");
                        continue;
                    }
                },
            };
            parsed.insert(key, Arc::clone(&document));
            let mut callable = 0;
            for operation in &document.operations {
                let overlay =
                    overlays.get(operation.id.as_str()).map(|overlay| Overlay::of_json(overlay)).unwrap_or_default();
                let stored = with_overlay(operation, &overlay);
                callable += usize::from(stored.operation.not_callable.is_none());
                if !stored.hidden {
                    let more = sentences.remove(operation.id.as_str()).unwrap_or_default();
                    let others = overlay.aliases.into_iter().chain(overlay.examples).chain(overlay.title).chain(more);
                    entries.push(Entry { others: others.collect(), ..entry_of(operation) });
                }
                operations.insert(operation.id.clone(), stored);
            }
            let info = DocumentInfo {
                title: document.title.clone(),
                version: document.version.clone(),
                operations: document.operations.len(),
                callable,
                content_hash: row.content_hash,
                backend_url: row.backend_url,
            };
            infos.insert(row.id, info);
        }
        let entries: Arc<[Entry]> = entries.into();
        // Words and vectors beside each other: people wait for a start.
        let (index, generation) = thread::scope(|scope| {
            let found = scope.spawn(|| Generation::find(&entries, remotes, generation));
            let index = Index::of(Arc::clone(&entries));
            (index, found.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let generation = RwLock::new(generation.map(Arc::new));
        (Self { version, documents: infos, operations, index, generation }, parsed)
    }

    /// False for the place of one that was not built yet.
    pub fn is_built(&self) -> bool {
        self.version >= 0
    }

    /// Version of the tenant's catalogue; 0 when nothing was ever imported.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The documents by id.
    pub fn documents(&self) -> &BTreeMap<String, DocumentInfo> {
        &self.documents
    }

    /// The operations by id, hidden ones among them.
    pub fn operations(&self) -> &BTreeMap<String, Stored> {
        &self.operations
    }

    /// What is searched.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The operations' vectors, once a model has enough of them.
    pub fn generation(&self) -> Option<Arc<Generation>> {
        self.generation.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the [vectors that are kept now](Generation::find).
    pub fn find_meaning(&self, remotes: &[Arc<Remote>], before: Option<&Generation>) {
        let found = Generation::find(self.index.entries(), remotes, before);
        *self.generation.write().unwrap_or_else(PoisonError::into_inner) = found.map(Arc::new);
    }

    /// The operations' texts that have no vector of a model and that it does not refuse.
    pub fn missing(&self, remote: &Remote) -> impl Iterator<Item = String> {
        let texts = self.index.entries().iter().flat_map(meaning::texts);
        texts.filter(|text| !remote.has_operation(text) && !remote.is_refused(text))
    }
}

/// Parses a stored document.
fn parse(row: &CatalogDocument, supplied: Vec<String>) -> Result<Document, openapi::ImportError> {
    let options = ImportOptions {
        backend_url: row.backend_url.as_deref().and_then(|url| url.parse().ok()),
        source_url: row.source.parse().ok(),
        supplied,
    };
    openapi::import(&row.id, &row.content, &options)
}

fn with_overlay(operation: &Operation, overlay: &Overlay) -> Stored {
    let mut operation = operation.clone();
    let mut changed = false;
    if let Some(risk) = overlay.risk.filter(|risk| *risk != operation.risk) {
        operation.risk = risk;
        changed = true;
    }
    if overlay.public != operation.public {
        operation.public = overlay.public;
        changed = true;
    }
    if overlay.hidden {
        operation.not_callable = Some("the tenant's overlay hides it".to_owned());
        changed = true;
    }
    if changed {
        operation.content_hash = String::new();
        // Serialising plain values cannot fail; an empty text would still be a hash of its own.
        let json = serde_json::to_vec(&operation).unwrap_or_default();
        operation.content_hash = hex::encode(Sha256::digest(json));
    }
    let title = overlay.title.clone().unwrap_or_else(|| title_of(&operation));
    Stored { title, hidden: overlay.hidden, operation }
}

fn title_of(operation: &Operation) -> String {
    let (summary, label) = (operation.summary.clone(), operation.label.clone().unwrap_or_default());
    let title = Entry { summary, label, ..Entry::default() }.title();
    let title = title.lines().next().unwrap_or_default().trim();
    match title {
        "" => format!("{} {}", operation.method, operation.path),
        title => text::first_chars(title, TITLE_CHARS).to_owned(),
    }
}

/// What the retrieval indexes of an operation.
pub fn entry_of(operation: &Operation) -> Entry {
    let names = |locations: &[Location]| {
        let fields = operation.fields.iter().filter(|field| locations.contains(&field.location));
        fields.map(|field| field.name.clone()).filter(|name| !name.is_empty()).collect()
    };
    let values = operation.fields.iter().filter_map(|field| field.schema.get("enum")?.as_array()).flatten();
    Entry {
        id: operation.id.clone(),
        document: operation.document.clone(),
        method: operation.method.clone(),
        path: operation.path.clone(),
        label: operation.label.clone().unwrap_or_default(),
        summary: operation.summary.clone(),
        description: operation.description.clone(),
        tags: operation.tags.clone(),
        parameters: names(&[Location::Path, Location::Query]),
        body: names(&[Location::Body]),
        values: values.filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        answer: operation.response.as_ref().map(|outline| outline.item_fields.clone()).unwrap_or_default(),
        yields: operation.produces.clone(),
        needs: operation.needs.iter().map(|need| need.resource.clone()).collect(),
        others: Vec::new(),
    }
}
