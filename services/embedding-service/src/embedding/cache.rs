//! Vectors by content hash: for each model one mapped file. Losing it costs time, never truth.
//!
//! A [`Shelf`] is the folder of one process; a [`Cache`] is one of its files, with vectors of one model and one length.
//! A full cache gives up what was unused longest. What is damaged, of another kind or of an older format never stops a
//! start: it is set aside, or its row counts as missing. See [`file`] for the format.

mod file;

use std::{
    collections::{HashMap, hash_map::Entry},
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

pub use file::About;
use file::{Opened, Row, Rows};

/// SHA-256 of model, version and text; vectors of another length are in another file.
pub type Key = [u8; 32];

/// Files of models that are no longer configured and are kept all the same, the latest ones.
const OTHER_FILES_MAX: usize = 4;
/// Ending of a file of ours.
const ENDING: &str = "vectors";
/// Part of a cache whose rows are given up together in memory; on disk each stays until its place is needed.
const VICTIMS_PART: usize = 64;
/// Part of a cache's uses after which a row's last use is written down again.
const MARK_PART: u64 = 16;

/// The folder of this process's caches.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    vectors_max: usize,
    opened: Mutex<Vec<PathBuf>>,
    _lock: File,
}

impl Shelf {
    /// Takes the folder for this process; each cache keeps at most `vectors_max` vectors.
    ///
    /// # Errors
    /// When the folder cannot be written, or another process has it (`WouldBlock`).
    pub fn open(folder: &Path, vectors_max: usize) -> io::Result<Arc<Self>> {
        fs::create_dir_all(folder)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = format!("{} is in use by another process; each needs a folder of its own", folder.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Arc::new(Self { folder: folder.to_owned(), vectors_max, opened: Mutex::default(), _lock: lock }))
    }

    /// The cache of a model's vectors; `kind` keeps several of one model apart. Where the disk refuses, and where it was
    /// opened before, it lives in memory.
    pub fn cache(&self, kind: &str, about: &About) -> Cache {
        let path = self.folder.join(format!("{kind}-{}.{ENDING}", about.fingerprint()));
        let mut opened = lock(&self.opened);
        let file = if opened.contains(&path) {
            // Two that write one file would destroy each other's rows.
            Err(io::Error::new(io::ErrorKind::WouldBlock, "it is open already"))
        } else {
            opened.push(path.clone());
            Rows::open(&path, about)
        };
        Cache::new(file, &path, about.dimension, self.vectors_max)
    }

    /// Removes the files of models that nobody opened, but for the latest few.
    pub fn prune(&self) {
        let opened = lock(&self.opened).clone();
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut others: Vec<(SystemTime, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let path = entry.path();
                let is_other = path.extension().is_some_and(|ending| ending == ENDING) && !opened.contains(&path);
                is_other.then_some((entry.metadata().ok()?.modified().ok()?, path))
            })
            .collect();
        others.sort();
        others.truncate(others.len().saturating_sub(OTHER_FILES_MAX));
        for (_, path) in others {
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!(file = %path.display(), "removed the vectors of a model that was long unused"),
                Err(error) => tracing::warn!(%error, file = %path.display(), "cannot remove unused vectors"),
            }
        }
    }
}

/// Vectors of one model and one length.
#[derive(Debug)]
pub struct Cache {
    inner: Mutex<Inner>,
    dimension: usize,
    vectors_max: usize,
}

#[derive(Debug)]
struct Inner {
    /// Where each vector is.
    places: HashMap<Key, u32>,
    rows: Vec<Place>,
    /// None when the disk refused.
    file: Option<Rows>,
    /// Instead of a file.
    memory: HashMap<Key, Arc<[f32]>>,
    /// Rows that hold nothing, the first one last.
    free: Vec<u32>,
    /// Those unused longest, the very longest last, with the use that they were chosen by.
    victims: Vec<(u64, u32)>,
    /// Uses so far.
    uses: u64,
}

/// A row of the file, as memory knows it.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: Key,
    /// Number of its last use; 0 = there is nothing.
    used: u64,
    /// The same, as the file has it.
    marked: u64,
    /// Its values were looked at since the start.
    checked: bool,
}

impl Cache {
    fn new(file: io::Result<Opened>, path: &Path, dimension: usize, vectors_max: usize) -> Self {
        let mut inner = Inner {
            places: HashMap::new(),
            rows: Vec::new(),
            file: None,
            memory: HashMap::new(),
            free: Vec::new(),
            victims: Vec::new(),
            uses: 0,
        };
        match file {
            Ok((file, rows)) => inner.take(file, rows, vectors_max),
            Err(error) => forgo(&error, path),
        }
        Self { inner: Mutex::new(inner), dimension, vectors_max }
    }

    /// The vector, which then counts as just used.
    pub fn find(&self, key: &Key) -> Option<Arc<[f32]>> {
        let inner = &mut *lock(&self.inner);
        let Some(at) = inner.places.get(key).copied() else { return inner.memory.get(key).cloned() };
        let place = inner.rows.get_mut(at as usize)?;
        let file = inner.file.as_mut()?;
        let is_whole = place.checked || file.is_whole(at);
        let vector = file.read(at).filter(|_| is_whole);
        if vector.is_none() {
            // Torn by a crash, or damaged: as if it had never been kept.
            *place = Place::default();
            inner.places.remove(key);
            inner.free.push(at);
            return None;
        }
        inner.uses += 1;
        (place.checked, place.used) = (true, inner.uses);
        if inner.uses - place.marked > (self.vectors_max as u64 / MARK_PART).max(1) {
            place.marked = inner.uses;
            // Only the order after a restart depends on it.
            let _ = file.mark(at, Row { key: *key, used: inner.uses });
        }
        vector
    }

    /// True when the vector is there, whole; it does not count as used.
    pub fn has(&self, key: &Key) -> bool {
        let inner = &mut *lock(&self.inner);
        let Some(at) = inner.places.get(key).copied() else { return inner.memory.contains_key(key) };
        let (Some(place), Some(file)) = (inner.rows.get_mut(at as usize), &inner.file) else { return false };
        place.checked = place.checked || file.is_whole(at);
        place.checked
    }

    /// Keeps a vector of this cache's length with finite values; any other is not kept.
    pub fn keep(&self, key: Key, vector: &Arc<[f32]>) {
        if vector.len() != self.dimension || !vector.iter().all(|value| value.is_finite()) || self.vectors_max == 0 {
            return;
        }
        let inner = &mut *lock(&self.inner);
        if inner.file.is_some() {
            // One that is torn is written over.
            let at = match inner.places.get(&key).copied() {
                Some(at) if inner.is_whole(at) => return,
                Some(at) => at,
                None => inner.place_for_one_more(self.vectors_max),
            };
            inner.uses += 1;
            let row = Row { key, used: inner.uses };
            let Some(file) = inner.file.as_mut() else { return };
            match file.write(at, row, vector) {
                Ok(()) => {
                    let place = Place { key, used: inner.uses, marked: inner.uses, checked: true };
                    if let Some(row) = inner.rows.get_mut(at as usize) {
                        *row = place;
                    } else {
                        inner.rows.push(place);
                    }
                    inner.places.insert(key, at);
                    return;
                }
                Err(error) => {
                    forgo(&error, file.path());
                    inner.leave_file();
                }
            }
        }
        if inner.memory.len() >= self.vectors_max {
            inner.memory.clear();
        }
        inner.memory.insert(key, Arc::clone(vector));
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        let inner = lock(&self.inner);
        inner.places.len() + inner.memory.len()
    }

    /// Values of each vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }
}

impl Inner {
    fn take(&mut self, file: Rows, rows: Vec<Option<Row>>, vectors_max: usize) {
        for (at, row) in (0u32..).zip(rows).take(vectors_max) {
            let mut place = Place::default();
            if let Some(Row { key, used }) = row
                && let Entry::Vacant(vacant) = self.places.entry(key)
            {
                vacant.insert(at);
                place = Place { key, used, marked: used, checked: false };
                self.uses = self.uses.max(used);
            } else {
                self.free.push(at);
            }
            self.rows.push(place);
        }
        self.free.reverse();
        self.file = Some(file);
    }

    fn is_whole(&self, at: u32) -> bool {
        let is_checked = self.rows.get(at as usize).is_some_and(|place| place.checked);
        is_checked || self.file.as_ref().is_some_and(|file| file.is_whole(at))
    }

    /// A free row, or that of the vector unused longest, which is given up.
    fn place_for_one_more(&mut self, vectors_max: usize) -> u32 {
        if let Some(at) = self.free.pop() {
            return at;
        }
        if self.rows.len() < vectors_max {
            return u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        }
        loop {
            if self.victims.is_empty() {
                self.victims = (0u32..).zip(&self.rows).map(|(at, place)| (place.used, at)).collect();
                let most = (vectors_max / VICTIMS_PART).max(1).min(self.victims.len());
                if most < self.victims.len() {
                    self.victims.select_nth_unstable(most - 1);
                    self.victims.truncate(most);
                }
                self.victims.sort_unstable_by(|a, b| b.cmp(a));
            }
            let Some((used, at)) = self.victims.pop() else { return 0 };
            let Some(place) = self.rows.get_mut(at as usize) else { continue };
            // Used since it was chosen, it is no longer among those unused longest.
            if place.used == used && used > 0 {
                self.places.remove(&place.key);
                *place = Place::default();
                return at;
            }
        }
    }

    /// Goes on without the file, with what it held.
    fn leave_file(&mut self) {
        let Some(file) = self.file.take() else { return };
        for (key, at) in self.places.drain() {
            let is_whole = self.rows.get(at as usize).is_some_and(|place| place.checked) || file.is_whole(at);
            self.memory.extend(file.read(at).filter(|_| is_whole).map(|vector| (key, vector)));
        }
        self.rows.clear();
        self.free.clear();
        self.victims.clear();
    }
}

fn forgo(error: &io::Error, path: &Path) {
    tracing::warn!(%error, file = %path.display(), "the cache of vectors cannot be used; going on in memory");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Maps of finished values are sound after a panic elsewhere.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
