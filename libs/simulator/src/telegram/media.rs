//! Files: what people and the bot sent, kept until the newest push them out.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Value, json};
use uuid::Uuid;

use super::refusal::Refusal;

/// Bytes of a file that a bot may fetch.
const MOST_FETCHED_BYTES: u64 = 20 * 1024 * 1024;
/// Files and bytes that are kept.
const MOST_FILES: usize = 10_000;
const MOST_KEPT_BYTES: usize = 256 * 1024 * 1024;

#[derive(Clone)]
pub(super) struct File {
    pub(super) media_type: String,
    unique: String,
    /// What the platform says; the content may be missing.
    size: u64,
    pub(super) content: Arc<[u8]>,
}

#[derive(Default)]
pub(super) struct Media {
    files: BTreeMap<String, File>,
    order: VecDeque<String>,
    kept_bytes: usize,
    /// Paths given out and not expired, and their files.
    paths: BTreeMap<String, String>,
    numbers: u64,
    pub(super) reads: usize,
}

impl Media {
    /// Keeps a file and gives its id.
    pub(super) fn add(&mut self, media_type: &str, content: &[u8]) -> String {
        let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
        self.put(File { media_type: media_type.to_owned(), unique: unique(), size, content: content.into() })
    }

    /// A file of which only the size is known.
    pub(super) fn add_sized(&mut self, media_type: &str, size: u64) -> String {
        self.put(File { media_type: media_type.to_owned(), unique: unique(), size, content: Arc::default() })
    }

    fn put(&mut self, file: File) -> String {
        let id = format!("BQACAgIAAxk{}", Uuid::new_v4().simple());
        self.kept_bytes += file.content.len();
        self.files.insert(id.clone(), file);
        self.order.push_back(id.clone());
        while self.order.len() > 1 && (self.order.len() > MOST_FILES || self.kept_bytes > MOST_KEPT_BYTES) {
            let oldest = self.order.pop_front().and_then(|id| self.files.remove(&id));
            self.kept_bytes = self.kept_bytes.saturating_sub(oldest.map_or(0, |file| file.content.len()));
        }
        id
    }

    pub(super) fn find(&self, id: &str) -> Option<&File> {
        self.files.get(id)
    }

    /// `file_id`, `file_unique_id` and `file_size` of a file.
    pub(super) fn shown(&self, id: &str) -> Option<Value> {
        let file = self.files.get(id)?;
        Some(json!({"file_id": id, "file_unique_id": file.unique, "file_size": file.size}))
    }

    /// `photo` of a message: three sizes, the last being the file itself.
    pub(super) fn sizes(&mut self, id: &str) -> Option<Value> {
        let file = self.files.get(id)?.clone();
        let mut sizes = Vec::new();
        for (width, height, part) in [(67, 90, 20), (240, 320, 4)] {
            let id = self.put(File { unique: unique(), size: (file.size / part).max(1), ..file.clone() });
            sizes.push((id, width, height));
        }
        sizes.push((id.to_owned(), 960, 1280));
        let size = |(id, width, height): (String, u32, u32)| {
            let mut size = self.shown(&id)?;
            (size["width"], size["height"]) = (width.into(), height.into());
            Some(size)
        };
        sizes.into_iter().map(size).collect()
    }

    /// `getFile`: a path that can be fetched until paths expire.
    pub(super) fn prepare(&mut self, id: &str) -> Result<Value, Refusal> {
        if id.is_empty() {
            return Err(Refusal::bad("file_id not specified"));
        }
        let Some(file) = self.files.get(id) else { return Err(Refusal::bad("invalid file_id")) };
        if file.size > MOST_FETCHED_BYTES {
            return Err(Refusal::bad("file is too big"));
        }
        let known = self.paths.iter().find(|(_, own)| *own == id).map(|(path, _)| path.clone());
        let path = known.unwrap_or_else(|| {
            self.numbers += 1;
            path(&file.media_type, self.numbers)
        });
        if self.paths.len() >= MOST_FILES {
            self.paths.pop_first();
        }
        self.paths.insert(path.clone(), id.to_owned());
        let mut shown = self.shown(id).unwrap_or_default();
        shown["file_path"] = json!(path);
        Ok(shown)
    }

    /// The content behind a path, once more read.
    pub(super) fn read(&mut self, path: &str) -> Option<Arc<[u8]>> {
        let content = self.files.get(self.paths.get(path)?)?.content.clone();
        self.reads += 1;
        Some(content)
    }

    pub(super) fn expire_paths(&mut self) {
        self.paths.clear();
    }

    pub(super) fn clear(&mut self) {
        let reads = self.reads;
        *self = Self { reads, numbers: self.numbers, ..Self::default() };
    }
}

fn unique() -> String {
    format!("AgAD{}", Uuid::new_v4().simple().to_string().get(..12).unwrap_or_default())
}

fn path(media_type: &str, number: u64) -> String {
    let (folder, extension) = match media_type {
        "image/png" => ("photos", "png"),
        kind if kind.starts_with("image/") => ("photos", "jpg"),
        "audio/ogg" => ("voice", "oga"),
        kind if kind.starts_with("audio/") => ("music", "mp3"),
        kind if kind.starts_with("video/") => ("videos", "mp4"),
        "application/pdf" => ("documents", "pdf"),
        "text/plain" => ("documents", "txt"),
        _ => ("documents", "bin"),
    };
    format!("{folder}/file_{number}.{extension}")
}
