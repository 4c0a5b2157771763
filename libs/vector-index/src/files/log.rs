//! The log of writes: `magic "DRGMVLOG" | version u32 | 0 u32`, then records.
//!
//! A record is `bytes u32 | CRC-32 of these u32 | CRC-32 of the changes u32 | changes`; all of its changes are made, or
//! none. A change is
//! `1 | tenant u32 | id bytes u16 | payload bytes u32 | id | payload | f32 for each value`, or `2 | id bytes u16 | id`.
//! Numbers are little-endian.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _},
    path::Path,
};

use crate::{
    index::{ID_BYTES_MAX, PAYLOAD_BYTES_MAX},
    snapshot::Point,
};

const MAGIC: [u8; 8] = *b"DRGMVLOG";
const VERSION: u32 = 2;
const HEAD: usize = 16;
const RECORD_HEAD: usize = 12;
/// A longer record is damage.
pub const RECORD_BYTES_MAX: usize = 1 << 30;
const UPSERT: u8 = 1;
const REMOVE: u8 = 2;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Another kind of file.
    #[error("is a file of another kind")]
    Foreign,
    /// Written by another version of the program.
    #[error("has version {0} of the format; this program reads version {VERSION}")]
    Version(u32),
    /// A record is not what was written, and others follow it.
    #[error("is damaged")]
    Damaged,
    /// It cannot be read.
    #[error("cannot be read")]
    File(#[from] io::Error),
}

/// What a log says.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Upsert { id: String, tenant: u32, payload: Vec<u8>, vector: Vec<f32> },
    Remove(String),
}

/// The record of points that come.
pub fn upserts(points: &[Point<'_>]) -> Vec<u8> {
    let bytes = |point: &Point<'_>| 11 + point.id.len() + point.payload.len() + size_of_val(point.vector);
    let mut record = Vec::with_capacity(points.iter().map(bytes).sum());
    for point in points {
        record.push(UPSERT);
        record.extend_from_slice(&point.tenant.to_le_bytes());
        put_id(&mut record, point.id, Some(point.payload));
        record.extend_from_slice(bytemuck::cast_slice(point.vector));
    }
    record
}

/// The record of points that go.
pub fn removals(ids: &[&str]) -> Vec<u8> {
    let mut record = Vec::new();
    for id in ids {
        record.push(REMOVE);
        put_id(&mut record, id, None);
    }
    record
}

/// Limits of ids and payloads were checked.
fn put_id(record: &mut Vec<u8>, id: &str, payload: Option<&[u8]>) {
    record.extend_from_slice(&u16::try_from(id.len()).unwrap_or(u16::MAX).to_le_bytes());
    if let Some(payload) = payload {
        record.extend_from_slice(&u32::try_from(payload.len()).unwrap_or(u32::MAX).to_le_bytes());
    }
    record.extend_from_slice(id.as_bytes());
    record.extend_from_slice(payload.unwrap_or_default());
}

/// A log that is written.
#[derive(Debug)]
pub struct Log {
    file: File,
}

impl Log {
    /// A new log; its name is on disk, and none of another writer is overwritten.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&[0; 4]);
        file.write_all(&head)?;
        file.sync_all()?;
        super::sync_folder(path)?;
        Ok(Self { file })
    }

    pub fn append(&mut self, record: &[u8], sync: bool) -> io::Result<()> {
        let length = u32::try_from(record.len()).ok().filter(|length| *length as usize <= RECORD_BYTES_MAX);
        let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "too many points at once"))?;
        let length = length.to_le_bytes();
        let checks = [crc32fast::hash(&length), crc32fast::hash(record)].map(u32::to_le_bytes);
        // A crash between the two leaves a record that is cut.
        self.file.write_all([length, checks[0], checks[1]].as_flattened())?;
        self.file.write_all(record)?;
        if sync { self.file.sync_data() } else { Ok(()) }
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Gives each change to `each`, which refuses it with none, and the log to go on with.
///
/// A crash leaves the last record cut. So where `newest`, a record that is not whole and reaches to the end of the file
/// is cut off; anything else that is not whole is damage.
pub fn replay(
    path: &Path,
    dimension: usize,
    newest: bool,
    each: &mut impl FnMut(Change) -> Option<()>,
) -> Result<Log, LogError> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    let length = file.metadata()?.len();
    let mut reader = BufReader::with_capacity(1 << 20, &file);
    let mut head = Vec::new();
    reader.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    if !head.starts_with(&MAGIC) {
        return Err(LogError::Foreign);
    }
    let version = head.get(8..12).filter(|_| head.len() == HEAD).ok_or(LogError::Damaged)?;
    let version = u32::from_le_bytes([version[0], version[1], version[2], version[3]]);
    if version != VERSION {
        return Err(LogError::Version(version));
    }
    let mut at = HEAD as u64;
    let mut record = Vec::new();
    while at < length {
        match read_record(&mut reader, &mut record)? {
            Some(bytes) => at += bytes,
            // The record that was being written when the process ended reaches to the end of the file.
            None if newest && ends_the_file(path, at, length)? => break,
            None => return Err(LogError::Damaged),
        }
        let mut rest = Rest(&record);
        while !rest.0.is_empty() {
            rest.change(dimension).and_then(&mut *each).ok_or(LogError::Damaged)?;
        }
    }
    drop(reader);
    if at < length {
        file.set_len(at)?;
        file.sync_all()?;
    }
    file.seek(SeekFrom::Start(at))?;
    Ok(Log { file })
}

/// True when what starts at `at` is one record that the end of the file cuts off, or whose bytes did not all get there.
fn ends_the_file(path: &Path, at: u64, length: u64) -> io::Result<bool> {
    if length - at < RECORD_HEAD as u64 {
        return Ok(true);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    let mut head = [0; RECORD_HEAD];
    file.read_exact(&mut head)?;
    Ok(match record_bytes(head) {
        Some(bytes) => at + RECORD_HEAD as u64 + bytes as u64 >= length,
        // What was not written is zero. Any other length that is not what was written says nothing of an end.
        None => head.as_chunks::<4>().0.contains(&[0; 4]),
    })
}

/// Size of a record's changes; none when its head is not what was written.
fn record_bytes(head: [u8; RECORD_HEAD]) -> Option<usize> {
    let [length, check, _] = head.as_chunks::<4>().0 else { return None };
    let fine = crc32fast::hash(length).to_le_bytes() == *check;
    Some(u32::from_le_bytes(*length) as usize).filter(|length| fine && *length <= RECORD_BYTES_MAX)
}

/// Reads one record; its size in the file, or none when it is not whole.
fn read_record(reader: &mut impl Read, record: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let mut head = Vec::with_capacity(RECORD_HEAD);
    reader.by_ref().take(RECORD_HEAD as u64).read_to_end(&mut head)?;
    let Ok(head) = <[u8; RECORD_HEAD]>::try_from(head) else { return Ok(None) };
    let Some(length) = record_bytes(head) else { return Ok(None) };
    record.clear();
    let read = reader.by_ref().take(length as u64).read_to_end(record)?;
    if read < length || !head.ends_with(&crc32fast::hash(record).to_le_bytes()) {
        return Ok(None);
    }
    Ok(Some((RECORD_HEAD + length) as u64))
}

/// What is left of a record.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn change(&mut self, dimension: usize) -> Option<Change> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        match self.number::<1>()? {
            [UPSERT] => {
                let tenant = u32::from_le_bytes(self.number()?);
                let id_bytes = u16::from_le_bytes(self.number()?);
                let payload_bytes = u32::from_le_bytes(self.number()?);
                let fits = (1..=ID_BYTES_MAX).contains(&id_bytes.into()) && payload_bytes as usize <= PAYLOAD_BYTES_MAX;
                let id = text(self.take(id_bytes.into()).filter(|_| fits)?)?;
                let payload = self.take(payload_bytes as usize)?.to_vec();
                let values = self.take(4 * dimension)?.as_chunks::<4>().0;
                let vector = values.iter().map(|value| f32::from_le_bytes(*value)).collect();
                Some(Change::Upsert { id, tenant, payload, vector })
            }
            [REMOVE] => {
                let id_bytes = u16::from_le_bytes(self.number()?);
                Some(Change::Remove(text(self.take(id_bytes.into())?)?))
            }
            _ => None,
        }
    }
}
