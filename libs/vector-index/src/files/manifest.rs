//! The manifest: `magic "DRGMVMAN" | version u32 | distance u32 | dimension u32 | segments u32 | logs u32 | 0 u32 |
//! seed u64 | next number u64 | segments | logs | CRC-32 of all before, u32`.
//!
//! A segment is `number u64 | rows u32 | dead rows u32 | each dead row u32`, a log its number as u64. Numbers are
//! little-endian.

use crate::{
    segment::{distance_number, distance_of},
    vector::{Distance, MAX_DIMENSION},
};

const MAGIC: [u8; 8] = *b"DRGMVMAN";
const VERSION: u32 = 1;

/// Why a file is no manifest.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Another kind of file.
    #[error("is a file of another kind")]
    Foreign,
    /// Written by another version of the program.
    #[error("has version {0} of the format; this program reads version {VERSION}")]
    Version(u32),
    /// It is not what was written.
    #[error("is damaged or cut off")]
    Damaged,
}

/// What belongs to an index.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    pub distance: Distance,
    pub dimension: usize,
    pub seed: u64,
    /// Greater than the number of any file.
    pub next_number: u64,
    pub segments: Vec<Listed>,
    /// To be replayed in this order.
    pub logs: Vec<u64>,
}

/// A segment of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub number: u64,
    pub rows: u32,
    pub dead: Vec<u32>,
}

impl Manifest {
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&distance_number(self.distance).to_le_bytes());
        bytes.extend_from_slice(&count(self.dimension));
        bytes.extend_from_slice(&count(self.segments.len()));
        bytes.extend_from_slice(&count(self.logs.len()));
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.seed.to_le_bytes());
        bytes.extend_from_slice(&self.next_number.to_le_bytes());
        for segment in &self.segments {
            bytes.extend_from_slice(&segment.number.to_le_bytes());
            bytes.extend_from_slice(&segment.rows.to_le_bytes());
            bytes.extend_from_slice(&count(segment.dead.len()));
            bytes.extend_from_slice(bytemuck::cast_slice(&segment.dead));
        }
        bytes.extend_from_slice(bytemuck::cast_slice(&self.logs));
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let Some(rest) = bytes.strip_prefix(&MAGIC) else {
            return Err(if MAGIC.starts_with(bytes) { ManifestError::Damaged } else { ManifestError::Foreign });
        };
        let mut reader = Reader(rest);
        let version = reader.u32().ok_or(ManifestError::Damaged)?;
        if version != VERSION {
            return Err(ManifestError::Version(version));
        }
        let (checked, checksum) = bytes.split_last_chunk::<4>().ok_or(ManifestError::Damaged)?;
        if crc32fast::hash(checked).to_le_bytes() != *checksum {
            return Err(ManifestError::Damaged);
        }
        reader.0 = &checked[12..];
        reader.manifest().ok_or(ManifestError::Damaged)
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn u32(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*number))
    }

    fn u64(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn manifest(&mut self) -> Option<Manifest> {
        let distance = distance_of(self.u32()?)?;
        let dimension = usize::try_from(self.u32()?).ok().filter(|number| (1..=MAX_DIMENSION).contains(number))?;
        let (segments, logs) = (self.u32()?, self.u32()?);
        self.u32()?;
        let (seed, next_number) = (self.u64()?, self.u64()?);
        // Collected one by one: a wrong count must not make us allocate it.
        let mut listed = Vec::new();
        for _ in 0..segments {
            let (number, rows, dead) = (self.u64()?, self.u32()?, self.u32()?);
            let mut dead_rows = Vec::new();
            for _ in 0..dead {
                dead_rows.push(self.u32().filter(|row| *row < rows)?);
            }
            listed.push(Listed { number, rows, dead: dead_rows });
        }
        let mut numbers = Vec::new();
        for _ in 0..logs {
            numbers.push(self.u64()?);
        }
        let mut files: Vec<u64> = numbers.iter().copied().chain(listed.iter().map(|listed| listed.number)).collect();
        files.sort_unstable();
        // No file twice, and room for the numbers of all files to come.
        let numbered = files.array_windows().all(|[one, next]| one < next)
            && files.last().is_none_or(|last| *last < next_number)
            && next_number < u64::MAX / 2;
        let whole = self.0.is_empty() && !numbers.is_empty() && numbered;
        whole.then_some(Manifest { distance, dimension, seed, next_number, segments: listed, logs: numbers })
    }
}
