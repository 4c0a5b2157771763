//! The file of one cache: rows of equal size, mapped for reading, written in place.
//!
//! `header (4096 bytes) | chunk | chunk ..`; a chunk is 256 heads of 64 bytes, then 256 rows, each padded to 64 bytes:
//!
//! ```text
//! header  magic (8) | format u32 | version u32 | dimension u32 | length of the model's name u32 | name | zeros | CRC u32
//! head    key (32) | last use u64 | CRC of the row u32 | zeros (16) | CRC of the head u32; all zeros: free
//! row     little-endian f32
//! ```
//!
//! All numbers are little-endian, a CRC is CRC-32 of what stands before it in its part. A row is written before its head,
//! and its CRC is looked at when it is first read: so what a crash or a loss of power tears counts as missing, in
//! whatever order the disk got it, and no write has to wait for the disk. Opening reads the heads alone.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use memmap2::Mmap;
use sha2::{Digest as _, Sha256};

use super::Key;

const MAGIC: [u8; 8] = *b"DRGMVEC1";
const FORMAT: u32 = 1;
const HEADER: usize = 4_096;
const HEAD: usize = 64;
const CHUNK_ROWS: usize = 256;
/// Longest name of a model, in bytes.
const MODEL_BYTES_MAX: usize = 2_048;
/// Longest vector.
const DIMENSION_MAX: usize = 65_536;

/// Whose vectors a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Names the model and where it runs.
    pub model: String,
    /// Of what is made of a text before it is embedded.
    pub version: u32,
    /// Values of a vector.
    pub dimension: usize,
}

impl About {
    /// Names the file.
    pub fn fingerprint(&self) -> String {
        let length = u64::try_from(self.dimension).unwrap_or(u64::MAX);
        let all = Sha256::new().chain_update(&self.model).chain_update([0]).chain_update(self.version.to_le_bytes());
        hex::encode(&all.chain_update(length.to_le_bytes()).finalize()[..8])
    }
}

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub key: Key,
    /// Number of its last use, from 1.
    pub used: u64,
}

/// An open file, and what its rows hold.
pub type Opened = (Rows, Vec<Option<Row>>);

/// An open file.
#[derive(Debug)]
pub struct Rows {
    path: PathBuf,
    file: File,
    map: Mmap,
    dimension: usize,
}

impl Rows {
    /// Opens the file and reads its heads, or makes it. One of another kind, format or model is set aside first, with a
    /// line in the log.
    ///
    /// # Errors
    /// When it cannot be read or written, or the model's name or vectors are too long.
    pub fn open(path: &Path, about: &About) -> io::Result<Opened> {
        if about.model.len() > MODEL_BYTES_MAX || !(1..=DIMENSION_MAX).contains(&about.dimension) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the model's name or its vectors are too long"));
        }
        let header = header(about);
        match Self::open_as_is(path, &header, about.dimension) {
            Ok(Ok(opened)) => return Ok(opened),
            Ok(Err(why)) => {
                let aside = path.with_extension("aside");
                fs::rename(path, &aside)?;
                tracing::warn!(
                    file = %path.display(),
                    aside = %aside.display(),
                    why,
                    "vectors that cannot be used were set aside; they are made anew, and the file may be deleted"
                );
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // Under another name until the header is whole.
        let beside = path.with_extension("new");
        fs::write(&beside, header)?;
        fs::rename(&beside, path)?;
        Self::open_as_is(path, &header, about.dimension)?.map_err(io::Error::other)
    }

    /// The file if it is one of these; else why it is not.
    fn open_as_is(path: &Path, header: &[u8; HEADER], dimension: usize) -> io::Result<Result<Opened, &'static str>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut there = [0u8; HEADER];
        if file.metadata()?.len() < HEADER as u64 {
            return Ok(Err("it is of another kind or was cut"));
        }
        file.read_exact_at(&mut there, 0)?;
        if there[..8] != MAGIC {
            return Ok(Err("it is of another kind"));
        }
        if there != *header {
            return Ok(Err("it is of another format or model, or damaged"));
        }
        let rows = Self { path: path.to_owned(), map: map(&file)?, file, dimension };
        let whole = rows.capacity();
        let heads = (0..whole).map(|at| rows.head(at)).collect();
        Ok(Ok((rows, heads)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The vector of a row, whatever its bytes are.
    pub fn read(&self, at: u32) -> Option<Arc<[f32]>> {
        let (values, _) = self.bytes(at)?.as_chunks::<4>();
        Some(values.iter().map(|value| f32::from_le_bytes(*value)).collect())
    }

    /// True when the bytes of a row are those that were written.
    pub fn is_whole(&self, at: u32) -> bool {
        let head = self.map.get(self.head_at(at as usize)..).and_then(|rest| rest.first_chunk::<HEAD>());
        let (Some(head), Some(bytes)) = (head, self.bytes(at)) else { return false };
        number(head, 40) == crc32fast::hash(bytes)
    }

    fn bytes(&self, at: u32) -> Option<&[u8]> {
        let from = self.row_at(at as usize);
        self.map.get(from..from + self.dimension * 4)
    }

    /// Writes a row, then its head; makes the file longer where it must be.
    ///
    /// # Errors
    /// When the disk refuses: the row is free or holds what it held.
    pub fn write(&mut self, at: u32, row: Row, vector: &[f32]) -> io::Result<()> {
        let at = at as usize;
        if at >= self.capacity() {
            let chunks = at / CHUNK_ROWS + 1;
            self.file.set_len((HEADER + chunks * self.chunk_bytes()) as u64)?;
            self.map = map(&self.file)?;
        }
        let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.file.write_all_at(&bytes, self.row_at(at) as u64)?;
        self.file.write_all_at(&encode(row, crc32fast::hash(&bytes)), self.head_at(at) as u64)
    }

    /// Writes a row's last use.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn mark(&mut self, at: u32, row: Row) -> io::Result<()> {
        let from = self.head_at(at as usize);
        let Some(head) = self.map.get(from..).and_then(|rest| rest.first_chunk::<HEAD>()) else { return Ok(()) };
        let head = encode(row, number(head, 40));
        self.file.write_all_at(&head, from as u64)
    }

    /// Rows of whole chunks: what follows them was cut while the file grew.
    fn capacity(&self) -> usize {
        self.map.len().saturating_sub(HEADER) / self.chunk_bytes() * CHUNK_ROWS
    }

    fn head(&self, at: usize) -> Option<Row> {
        let head = self.map.get(self.head_at(at)..)?.first_chunk::<HEAD>()?;
        let (key, rest) = head.split_first_chunk::<32>()?;
        let used = u64::from_le_bytes(*rest.first_chunk::<8>()?);
        let is_sound = used > 0 && number(head, HEAD - 4) == crc32fast::hash(&head[..HEAD - 4]);
        is_sound.then_some(Row { key: *key, used })
    }

    fn row_bytes(&self) -> usize {
        (self.dimension * 4).next_multiple_of(64)
    }

    fn chunk_bytes(&self) -> usize {
        CHUNK_ROWS * (HEAD + self.row_bytes())
    }

    fn head_at(&self, at: usize) -> usize {
        HEADER + at / CHUNK_ROWS * self.chunk_bytes() + at % CHUNK_ROWS * HEAD
    }

    fn row_at(&self, at: usize) -> usize {
        HEADER + at / CHUNK_ROWS * self.chunk_bytes() + CHUNK_ROWS * HEAD + at % CHUNK_ROWS * self.row_bytes()
    }
}

fn header(about: &About) -> [u8; HEADER] {
    let mut header = [0u8; HEADER];
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let model = about.model.as_bytes();
    let numbers = [FORMAT.to_le_bytes(), about.version.to_le_bytes(), length(about.dimension), length(model.len())];
    let parts = MAGIC.iter().chain(numbers.iter().flatten()).chain(model);
    for (place, byte) in header.iter_mut().zip(parts) {
        *place = *byte;
    }
    let checksum = crc32fast::hash(&header[..HEADER - 4]).to_le_bytes();
    header[HEADER - 4..].copy_from_slice(&checksum);
    header
}

fn encode(row: Row, checksum: u32) -> [u8; HEAD] {
    let mut head = [0u8; HEAD];
    head[..32].copy_from_slice(&row.key);
    head[32..40].copy_from_slice(&row.used.to_le_bytes());
    head[40..44].copy_from_slice(&checksum.to_le_bytes());
    let own = crc32fast::hash(&head[..HEAD - 4]).to_le_bytes();
    head[HEAD - 4..].copy_from_slice(&own);
    head
}

fn number(head: &[u8; HEAD], from: usize) -> u32 {
    head.get(from..).and_then(|rest| rest.first_chunk::<4>()).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[expect(unsafe_code, reason = "a map is sound as long as nobody cuts the file or writes what is being read")]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the folder's lock keeps other processes of ours away; this one never makes a file shorter, and it writes
    // only by `&mut Rows`, while nobody holds a reference into the map. Whatever the bytes are, they are checked.
    unsafe { Mmap::map(file) }
}
