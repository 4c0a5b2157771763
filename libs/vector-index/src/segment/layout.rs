//! How a segment lies in its file: a header of 1,024 bytes, then sections that start at multiples of 64 bytes.
//!
//! ```text
//! magic "DRGMVIDX" | version u32 | distance u32 | dimension u32 | lists u32 | rows u64 | seed u64
//! | longest code f32 | largest rounding error f32 | lists to probe u32 | reach f32
//! | sections: (offset u64, bytes u64, CRC-32 u32, 0 u32) each | 0 ... | CRC-32 of all before, u32
//! ```
//! All numbers are little-endian.

use super::SegmentError;
use crate::{
    graph,
    kernel::BLOCK,
    vector::{Distance, MAX_DIMENSION, padded},
};

pub const MAGIC: [u8; 8] = *b"DRGMVIDX";
/// Raised when a file can no longer be read by a program that knows the numbers below it only.
pub const VERSION: u32 = 1;
pub const HEADER_BYTES: usize = 1024;
const ALIGN: usize = 64;
/// Most rows of a segment.
pub const ROWS_MAX: usize = 1 << 30;

/// The sections, in their order in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Where each row's id and payload start in `Heap`, and where the last ends: u64 for each row, and one.
    Starts,
    /// Bytes of each row's id: u16.
    IdBytes,
    /// Ids, each followed by its payload.
    Heap,
    /// Tenant of each row: u32.
    Tenants,
    /// Open addressing by the hash of the id: row + 1, or 0: u32, a power of two of them.
    Table,
    /// The segment's centre, then for each list its centre and that centre rotated: f32.
    Centres,
    /// Rows that belong together, by tenant and list, each once: tenant, list, first row, end: u32 each.
    Runs,
    /// 1-bit codes with their factors, in blocks of eight rows.
    Bits,
    /// 8-bit codes, row after row.
    Bytes,
    /// Size of a step of each row's 8-bit code: f32, whole blocks.
    Scales,
    /// Under the Euclidean distance, half the squared length of each row's 8-bit code, negative: f32, whole blocks.
    Biases,
    /// The vectors, row after row: f32.
    Vectors,
    /// Links of the rows, as `graph` lays them: u64. Nothing, and no place, in files from before there were graphs and in
    /// segments without one.
    Graph,
}

pub const SECTIONS: [Section; 13] = [
    Section::Starts,
    Section::IdBytes,
    Section::Heap,
    Section::Tenants,
    Section::Table,
    Section::Centres,
    Section::Runs,
    Section::Bits,
    Section::Bytes,
    Section::Scales,
    Section::Biases,
    Section::Vectors,
    Section::Graph,
];

/// What a header says.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    pub distance: Distance,
    pub dimension: usize,
    pub lists: usize,
    pub rows: usize,
    pub seed: u64,
    /// Greatest length of an 8-bit code.
    pub code_length_max: f32,
    /// Greatest length of what an 8-bit code leaves out.
    pub code_error_max: f32,
    /// As many as `lists`; kept for programs that read the first format only.
    pub probe: usize,
    /// Lists whose centre is farther than this behind the nearest centre are not looked at. Zero in files from before
    /// there were lists.
    pub reach: f32,
    pub places: [Place; SECTIONS.len()],
}

/// Where a section lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub offset: usize,
    pub bytes: usize,
    pub checksum: u32,
}

impl Header {
    /// A header for so much, with sections one behind the other, and the bytes of the file. Without a graph.
    pub fn lay_out(
        distance: Distance,
        dimension: usize,
        (rows, lists, runs): (usize, usize, usize),
        seed: u64,
        heap_bytes: usize,
    ) -> (Self, usize) {
        let mut header = Self {
            distance,
            dimension,
            lists,
            rows,
            seed,
            code_length_max: 0.0,
            code_error_max: 0.0,
            probe: lists,
            reach: if lists > 1 { f32::INFINITY } else { 0.0 },
            places: [Place::default(); SECTIONS.len()],
        };
        let mut end = HEADER_BYTES;
        for section in SECTIONS {
            let bytes = match section {
                Section::Graph => break,
                Section::Heap => heap_bytes,
                Section::Runs => runs * 16,
                section => header.expected(section).unwrap_or_default(),
            };
            header.places[section as usize] = Place { offset: end, bytes, checksum: 0 };
            end = (end + bytes).next_multiple_of(ALIGN);
        }
        (header, end)
    }

    /// Gives the graph its place behind all others, and the bytes that the file has with it.
    pub fn add_graph(&mut self, checksum: u32) -> usize {
        let end = self.places.iter().map(|place| place.offset + place.bytes).max().unwrap_or_default();
        let (offset, bytes) = (end.next_multiple_of(ALIGN), self.expected(Section::Graph).unwrap_or_default());
        self.places[Section::Graph as usize] = Place { offset, bytes, checksum };
        offset + bytes
    }

    /// Values a stored vector has.
    pub fn width(&self) -> usize {
        padded(self.dimension)
    }

    /// Lines of factors before the codes of a block.
    pub fn head_lines(&self) -> usize {
        if self.distance == Distance::Euclidean { 2 } else { 1 }
    }

    /// Words of 64 bits that a block of 1-bit codes takes.
    pub fn block_words(&self) -> usize {
        (self.head_lines() + self.width() / 64) * BLOCK
    }

    /// Bytes that a section must have; none where the header does not say it.
    fn expected(&self, section: Section) -> Option<usize> {
        let (rows, whole, width) = (self.rows, self.rows.next_multiple_of(BLOCK), self.width());
        Some(match section {
            Section::Starts => (rows + 1) * 8,
            Section::IdBytes => rows * 2,
            Section::Heap | Section::Runs => return None,
            Section::Tenants => rows * 4,
            Section::Table => (2 * rows).next_power_of_two() * 4,
            Section::Centres => (1 + 2 * self.lists) * width * 4,
            Section::Bits => whole / BLOCK * self.block_words() * 8,
            Section::Bytes => whole * width,
            Section::Scales => whole * 4,
            Section::Biases if self.distance == Distance::Euclidean => whole * 4,
            Section::Biases => 0,
            Section::Vectors => rows * width * 4,
            Section::Graph => graph::words(rows, width) * 8,
        })
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        let mut put = |number: u32| bytes.extend_from_slice(&number.to_le_bytes());
        put(VERSION);
        put(distance_number(self.distance));
        put(narrow(self.dimension));
        put(narrow(self.lists));
        bytes.extend_from_slice(&(self.rows as u64).to_le_bytes());
        bytes.extend_from_slice(&self.seed.to_le_bytes());
        bytes.extend_from_slice(&self.code_length_max.to_le_bytes());
        bytes.extend_from_slice(&self.code_error_max.to_le_bytes());
        bytes.extend_from_slice(&narrow(self.probe).to_le_bytes());
        bytes.extend_from_slice(&self.reach.to_le_bytes());
        for place in &self.places {
            bytes.extend_from_slice(&(place.offset as u64).to_le_bytes());
            bytes.extend_from_slice(&(place.bytes as u64).to_le_bytes());
            bytes.extend_from_slice(&place.checksum.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
        }
        bytes.resize(HEADER_BYTES - 4, 0);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads and checks a header; every section lies within `file` and has the size that its counts ask for.
    pub fn decode(file: &[u8]) -> Result<Self, SegmentError> {
        if file.get(..8) != Some(&MAGIC) {
            return Err(SegmentError::Foreign);
        }
        let mut reader = Reader(file.get(8..HEADER_BYTES).ok_or(SegmentError::Truncated)?);
        let version = reader.u32();
        if version != VERSION {
            return Err(SegmentError::Version(version));
        }
        let (checked, checksum) = file[..HEADER_BYTES].split_at(HEADER_BYTES - 4);
        if checksum != crc32fast::hash(checked).to_le_bytes() {
            return Err(SegmentError::Damaged("header"));
        }
        // A right checksum can be made by anybody: what follows is checked as if it were not there.
        let distance = distance_of(reader.u32()).ok_or(SegmentError::Damaged("distance"))?;
        let (dimension, lists) = (reader.u32() as usize, reader.u32() as usize);
        let rows = usize::try_from(reader.u64()).ok().filter(|rows| (1..=ROWS_MAX).contains(rows));
        let rows = rows.ok_or(SegmentError::Damaged("number of rows"))?;
        if !(1..=MAX_DIMENSION).contains(&dimension) || !(1..=rows).contains(&lists) {
            return Err(SegmentError::Damaged("dimension or number of lists"));
        }
        let seed = reader.u64();
        let (code_length_max, code_error_max) = (f32::from_bits(reader.u32()), f32::from_bits(reader.u32()));
        let (probe, reach) = (reader.u32() as usize, f32::from_bits(reader.u32()));
        let places = std::array::from_fn(|_| {
            let (offset, bytes, checksum) = (reader.u64(), reader.u64(), reader.u32());
            reader.u32();
            let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
            Place { offset: size(offset), bytes: size(bytes), checksum }
        });
        let header =
            Self { distance, dimension, lists, rows, seed, code_length_max, code_error_max, probe, reach, places };
        if !(code_length_max.is_finite() && code_error_max.is_finite() && (1..=lists).contains(&probe) && reach >= 0.0)
        {
            return Err(SegmentError::Damaged("limits"));
        }
        for section in SECTIONS {
            let place = header.places[section as usize];
            if section == Section::Graph && place == Place::default() {
                break;
            }
            let fits = header.expected(section).is_none_or(|expected| place.bytes == expected);
            if !fits || !place.offset.is_multiple_of(ALIGN) || place.offset < HEADER_BYTES {
                return Err(SegmentError::Damaged("table of sections"));
            }
            if place.offset.checked_add(place.bytes).is_none_or(|end| end > file.len()) {
                return Err(SegmentError::Truncated);
            }
        }
        if !header.places[Section::Runs as usize].bytes.is_multiple_of(16) {
            return Err(SegmentError::Damaged("runs"));
        }
        Ok(header)
    }
}

pub fn distance_number(distance: Distance) -> u32 {
    match distance {
        Distance::Cosine => 1,
        Distance::InnerProduct => 2,
        Distance::Euclidean => 3,
    }
}

pub fn distance_of(number: u32) -> Option<Distance> {
    match number {
        1 => Some(Distance::Cosine),
        2 => Some(Distance::InnerProduct),
        3 => Some(Distance::Euclidean),
        _ => None,
    }
}

/// Numbers of a header one after the other; zero behind its end.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((taken, rest)) = self.0.split_first_chunk() else { return [0; N] };
        self.0 = rest;
        *taken
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// Counts are bounded by `ROWS_MAX`.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
