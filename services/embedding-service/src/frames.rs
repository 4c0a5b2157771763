//! An append-only file of checked records, whose cut or damaged tail is dropped when it is opened.
//!
//! `magic (8 bytes) | records`, each `length (u32 LE) | first 8 bytes of the payload's SHA-256 | payload`. A record is
//! kept when [`Frames::sync`] has returned after it was appended.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

const HEAD: usize = 12;
/// A longer record is damage, not data.
const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Takes a folder for this process, as long as the lock is held: two that append to one file destroy each other's
/// records.
///
/// # Errors
/// When another process has it (`WouldBlock`), or the lock cannot be written.
pub fn lock(folder: &Path) -> io::Result<FolderLock> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            format!("{} is in use by another process; each needs a folder of its own", folder.display()),
        )),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// A folder that belongs to this process.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

/// An open file of records.
#[derive(Debug)]
pub struct Frames {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Frames {
    /// Opens or creates the file and gives every whole record to `each`, in order. What follows the last whole record
    /// is cut off. A file of another kind is an error and stays as it is.
    ///
    /// # Errors
    /// When the file cannot be read or written, or is of another kind (`InvalidData`).
    pub fn open(path: &Path, magic: [u8; 8], mut each: impl FnMut(&[u8])) -> io::Result<Self> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let length = file.metadata()?.len();
        let mut start = [0u8; 8];
        if length < 8 {
            // New, or cut within the first write.
            file.set_len(0)?;
            file.write_all(&magic)?;
            return Ok(Self { path: path.to_owned(), file, bytes: 8 });
        }
        file.read_exact(&mut start)?;
        if start != magic {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{} is a file of another kind", path.display()),
            ));
        }
        let mut bytes = 8;
        let mut reader = BufReader::new(&file);
        let mut payload = Vec::new();
        while let Some(size) = read_record(&mut reader, &mut payload)? {
            each(&payload);
            bytes += size;
        }
        if bytes < length {
            tracing::warn!(file = %path.display(), dropped_bytes = length - bytes, "dropped the damaged end of a file");
            file.set_len(bytes)?;
        }
        file.seek(SeekFrom::Start(bytes))?;
        Ok(Self { path: path.to_owned(), file, bytes })
    }

    /// Makes a file that holds these records only, in place of what was there; the old one stays until the new one is
    /// whole on disk.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn replace(path: &Path, magic: [u8; 8], records: impl Iterator<Item = Vec<u8>>) -> io::Result<Self> {
        let beside = path.with_extension("new");
        let _ = std::fs::remove_file(&beside);
        let mut frames = Self::open(&beside, magic, |_| {})?;
        for record in records {
            frames.append(&record)?;
        }
        frames.sync()?;
        std::fs::rename(&beside, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        frames.path = path.to_owned();
        Ok(frames)
    }

    /// Writes one record behind the others. After an error nothing of it is there.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).ok().filter(|length| *length as usize <= RECORD_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "record is too long"))?;
        let mut record = Vec::with_capacity(HEAD + payload.len());
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&checksum(payload));
        record.extend_from_slice(payload);
        if let Err(error) = self.file.write_all(&record) {
            self.file.set_len(self.bytes)?;
            self.file.seek(SeekFrom::Start(self.bytes))?;
            return Err(error);
        }
        self.bytes += record.len() as u64;
        Ok(())
    }

    /// Brings all records to the disk.
    ///
    /// # Errors
    /// When the disk refuses; what it holds is not known then.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Size of the file in bytes.
    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Reads one record; its size in the file, or none at the end or at the first damage.
fn read_record(reader: &mut impl Read, payload: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let mut head = [0u8; HEAD];
    if !read_whole(reader, &mut head)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if length > RECORD_BYTES_MAX {
        return Ok(None);
    }
    // Read as it comes: a damaged length must not make us allocate it.
    payload.clear();
    let read = reader.by_ref().take(length as u64).read_to_end(payload)?;
    if read < length || checksum(payload) != head[4..HEAD] {
        return Ok(None);
    }
    Ok(Some((HEAD + length) as u64))
}

fn read_whole(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum(payload: &[u8]) -> [u8; 8] {
    let digest: [u8; 32] = Sha256::digest(payload).into();
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAGIC: [u8; 8] = *b"TESTREC1";

    fn open(path: &Path) -> (Frames, Vec<Vec<u8>>) {
        let mut records = Vec::new();
        let frames = Frames::open(path, MAGIC, |record| records.push(record.to_vec())).expect("a file");
        (frames, records)
    }

    #[test]
    fn file_cut_anywhere_keeps_its_whole_records_and_takes_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        let written: Vec<Vec<u8>> = vec![b"one".to_vec(), Vec::new(), b"three".to_vec()];
        let mut ends = vec![8];
        let (mut frames, _) = open(&path);
        for record in &written {
            frames.append(record).expect("written");
            ends.push(frames.bytes());
        }
        let whole = std::fs::read(&path).expect("the file");
        for cut in 0..=whole.len() {
            std::fs::write(&path, &whole[..cut]).expect("cut");
            let kept = ends.iter().filter(|end| **end <= cut as u64).count().saturating_sub(1);
            let (mut frames, records) = open(&path);
            assert_eq!(records, written[..kept], "cut at {cut}");
            frames.append(b"next").expect("written");
            drop(frames);
            assert_eq!(open(&path).1.last().map(Vec::as_slice), Some(b"next".as_slice()), "cut at {cut}");
        }
    }

    #[test]
    fn damaged_record_ends_the_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        let (mut frames, _) = open(&path);
        frames.append(b"first").expect("written");
        frames.append(b"second").expect("written");
        drop(frames);
        let mut bytes = std::fs::read(&path).expect("the file");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).expect("damaged");
        assert_eq!(open(&path).1, [b"first".to_vec()]);
    }

    #[test]
    fn file_of_another_kind_is_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("letter");
        std::fs::write(&path, "Dear Ana, ...").expect("written");
        assert!(Frames::open(&path, MAGIC, |_| {}).is_err());
        assert_eq!(std::fs::read(&path).expect("the file"), b"Dear Ana, ...");
    }

    #[test]
    fn replaced_file_holds_the_new_records_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("records");
        open(&path).0.append(b"old").expect("written");
        let mut frames = Frames::replace(&path, MAGIC, [b"new".to_vec()].into_iter()).expect("replaced");
        frames.append(b"more").expect("written");
        assert_eq!(open(&path).1, [b"new".to_vec(), b"more".to_vec()]);
    }
}
