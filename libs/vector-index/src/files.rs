//! The folder of an index.
//!
//! ```text
//! lock            held by the process that has the index open
//! MANIFEST        what belongs to the index: its shape, its segments with what is dead in them, its logs
//! 00000007.seg    a segment (see segment/layout.rs): written once, then never changed
//! 00000009.log    writes since: replayed in the order of the numbers
//! ```
//! A change of the set of files is one rename of a new `MANIFEST` over the old one, after everything that it names is
//! on disk. Files that it does not name are left over from a crash, and removed when the index is opened.

mod log;
mod manifest;

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use log::Log;
pub use log::{Change, LogError, RECORD_BYTES_MAX, removals, upserts};
pub use manifest::{Listed, Manifest, ManifestError};

use crate::segment::{Segment, SegmentError};

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// When the disk has it (`fdatasync`): it survives a loss of power.
    Disk,
    /// When the operating system has it: it survives a crash of this process, but not of the machine. What is sealed in
    /// a segment is on disk in both cases.
    System,
}

/// Why the files of an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Another process has the index open.
    #[error("{} is in use by another process; each needs a folder of its own", .0.display())]
    Locked(PathBuf),
    /// The operating system refused.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The manifest is no manifest of ours.
    #[error("{} {reason}; restore the folder from a copy", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: ManifestError,
    },
    /// A segment is no segment of this index.
    #[error("{} {reason}; restore the folder from a copy", path.display())]
    Segment {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: SegmentError,
    },
    /// A log is no log of ours, or is damaged before its end.
    #[error("{} {reason}; restore the folder from a copy", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: LogError,
    },
    /// The index was made with another dimension or distance.
    #[error("{} holds an index of another dimension or distance", .0.display())]
    OtherShape(PathBuf),
    /// A write failed half-way; what the disk has is not known.
    #[error("an earlier write failed; open the index again")]
    Broken,
}

/// The files of an open index.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    _lock: File,
    durability: Durability,
    /// None until the logs were replayed.
    log: Option<Log>,
    log_number: u64,
    /// Logs that are still needed beside the one that is written, oldest first.
    older_logs: Vec<u64>,
    next_number: u64,
    broken: bool,
}

impl Files {
    /// Opens a folder, which is created when it is not there, and gives what its manifest says, if it has one.
    pub fn open(folder: &Path, durability: Durability) -> Result<(Self, Option<Manifest>), FileError> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        let lock = lock(folder)?;
        let manifest = manifest(folder)?;
        let (older_logs, log_number, log) = match &manifest {
            Some(manifest) => {
                let (newest, older) = manifest.logs.split_last().unwrap_or((&0, &[]));
                (older.to_vec(), *newest, None)
            }
            None => {
                let path = log_path(folder, 1);
                (Vec::new(), 1, Some(Log::create(&path).map_err(at(&path))?))
            }
        };
        let files = Self {
            folder: folder.to_owned(),
            _lock: lock,
            durability,
            log,
            log_number,
            older_logs,
            next_number: manifest.as_ref().map_or(2, |manifest| manifest.next_number),
            broken: false,
        };
        if let Some(manifest) = &manifest {
            files.remove_strangers(manifest);
        }
        Ok((files, manifest))
    }

    /// Opens a segment that the manifest names.
    pub fn segment(&self, number: u64) -> Result<Segment, FileError> {
        let path = segment_path(&self.folder, number);
        Segment::open(&path, number).map_err(|reason| FileError::Segment { path, reason })
    }

    pub fn segment_path(&self, number: u64) -> PathBuf {
        segment_path(&self.folder, number)
    }

    /// Gives every change of the logs to `each`, in order. What the newest ends with may be cut: it was not
    /// acknowledged, and is cut off. A damaged record anywhere else is an error.
    pub fn replay(&mut self, dimension: usize, mut each: impl FnMut(Change) -> Option<()>) -> Result<(), FileError> {
        for number in self.logs() {
            let path = log_path(&self.folder, number);
            let newest = number == self.log_number;
            let log = log::replay(&path, dimension, newest, &mut each);
            self.log = Some(log.map_err(|reason| FileError::Log { path, reason })?);
        }
        Ok(())
    }

    /// Appends changes as one record and acknowledges them by the durability.
    pub fn append(&mut self, record: &[u8]) -> Result<(), FileError> {
        if self.broken {
            return Err(FileError::Broken);
        }
        let path = log_path(&self.folder, self.log_number);
        let Some(log) = &mut self.log else { return Err(FileError::Broken) };
        let written = log.append(record, self.durability == Durability::Disk);
        written.map_err(|source| {
            self.broken = true;
            FileError::Io { path, source }
        })
    }

    /// Starts a new log, which the caller must write a manifest for. What was written before is in the older ones, which
    /// stay until a manifest leaves them out.
    pub fn rotate(&mut self) -> Result<(), FileError> {
        if self.broken {
            return Err(FileError::Broken);
        }
        if let Some(Err(source)) = self.log.as_ref().map(Log::sync) {
            self.broken = true;
            return Err(FileError::Io { path: log_path(&self.folder, self.log_number), source });
        }
        let number = self.next_number;
        let path = log_path(&self.folder, number);
        self.log = Some(Log::create(&path).map_err(at(&path))?);
        self.older_logs.push(self.log_number);
        self.log_number = number;
        self.next_number = number + 1;
        Ok(())
    }

    /// Numbers of the logs that a manifest should name: the older ones and the one that is written.
    pub fn logs(&self) -> Vec<u64> {
        self.older_logs.iter().copied().chain([self.log_number]).collect()
    }

    /// The log that is written.
    pub fn log_number(&self) -> u64 {
        self.log_number
    }

    /// What logs before this one say is in segments now.
    pub fn forget_logs_before(&mut self, number: u64) -> Vec<u64> {
        let forgotten = self.older_logs.iter().copied().filter(|log| *log < number).collect();
        self.older_logs.retain(|log| *log >= number);
        forgotten
    }

    /// A number that no file has.
    pub fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// Puts a manifest in the place of the old one.
    pub fn write_manifest(&mut self, manifest: &Manifest) -> Result<(), FileError> {
        if self.broken {
            return Err(FileError::Broken);
        }
        let written = replace(&self.folder.join("MANIFEST"), &[&manifest.encode()]);
        self.broken = written.is_err();
        written
    }

    pub fn remove_log(&self, number: u64) {
        // One that stays is removed when the index is opened.
        let _ = fs::remove_file(log_path(&self.folder, number));
    }

    pub fn remove_segment(&self, number: u64) {
        let _ = fs::remove_file(segment_path(&self.folder, number));
    }

    fn remove_strangers(&self, manifest: &Manifest) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let number = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse::<u64>().ok());
            let stranger = match (number, path.extension().and_then(|end| end.to_str())) {
                (Some(number), Some("seg")) => manifest.segments.iter().all(|listed| listed.number != number),
                (Some(number), Some("log")) => !manifest.logs.contains(&number),
                (_, Some("new")) => true,
                _ => false,
            };
            if stranger {
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// What the manifest of a folder says, if it has one.
pub fn manifest(folder: &Path) -> Result<Option<Manifest>, FileError> {
    let path = folder.join("MANIFEST");
    match fs::read(&path) {
        Ok(bytes) => Manifest::decode(&bytes).map(Some).map_err(|reason| FileError::Manifest { path, reason }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Io { path, source }),
    }
}

/// Writes a segment and maps it. It is on disk afterwards.
pub fn write_segment(path: &Path, number: u64, segment: &Segment) -> Result<Segment, FileError> {
    write_bytes(path, number, &[segment.image()])
}

/// The same, with a graph of these words.
pub fn write_linked_segment(path: &Path, number: u64, segment: &Segment, words: &[u64]) -> Result<Segment, FileError> {
    let pieces = segment.bytes_with_graph(words);
    write_bytes(path, number, &pieces.each_ref().map(|piece| &**piece))
}

fn write_bytes(path: &Path, number: u64, pieces: &[&[u8]]) -> Result<Segment, FileError> {
    replace(path, pieces)?;
    Segment::open(path, number).map_err(|reason| FileError::Segment { path: path.to_owned(), reason })
}

/// Writes a file under another name, brings it to the disk, and gives it its name.
fn replace(path: &Path, pieces: &[&[u8]]) -> Result<(), FileError> {
    let beside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = File::create(&beside)?;
        pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_folder(path)
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&beside);
        FileError::Io { path: path.to_owned(), source }
    })
}

/// Brings the names in a file's folder to the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

fn lock(folder: &Path) -> Result<File, FileError> {
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(FileError::Locked(folder.to_owned())),
        Err(TryLockError::Error(source)) => Err(FileError::Io { path, source }),
    }
}

fn log_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.log"))
}

fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.seg"))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { path, source }
}
