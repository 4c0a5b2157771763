//! A segment: rows that do not change, in the bytes of one file.

mod build;
mod layout;

use std::{borrow::Cow, fs::File, io, path::Path, sync::OnceLock};

pub use build::{ByteCode, Shape, Source, build};
pub use layout::{Header, distance_number, distance_of};
use layout::{Place, SECTIONS, Section};

use crate::{
    graph::Graph,
    kernel::{BLOCK, Kernel},
    lists::Near,
    memory::Image,
};

/// Why a file is no segment.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// Another kind of file.
    #[error("is a file of another kind")]
    Foreign,
    /// Written by another version of the program.
    #[error("has version {0} of the format; this program reads version {version}", version = layout::VERSION)]
    Version(u32),
    /// Shorter than its header says.
    #[error("is cut off")]
    Truncated,
    /// Something in it is not what was written.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    /// Belongs to an index of another dimension, distance or seed.
    #[error("belongs to another index")]
    OtherIndex,
    /// The file cannot be read or written.
    #[error("cannot be read or written")]
    File(#[source] io::Error),
    /// There is no memory for it.
    #[error("does not fit into memory")]
    Memory(#[source] io::Error),
}

/// Rows of one tenant and list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    pub tenant: u32,
    pub list: u32,
    pub start: u32,
    pub end: u32,
}

/// An open segment.
#[derive(Debug)]
pub struct Segment {
    /// Of its file; 0 without one.
    pub number: u64,
    image: Image,
    header: Header,
    /// Made when it is first asked for.
    near: OnceLock<Near>,
}

impl Segment {
    /// Checks the header, the runs and that sections are there; the rest is checked where it is read.
    pub fn new(image: Image, number: u64) -> Result<Self, SegmentError> {
        let header = Header::decode(&image)?;
        let segment = Self { number, image, header, near: OnceLock::new() };
        for section in [Section::Runs, Section::Centres] {
            let place = segment.header.places[section as usize];
            if crc32fast::hash(segment.bytes_of(section)) != place.checksum {
                return Err(SegmentError::Damaged("runs or centres"));
            }
        }
        let (mut end, mut before) = (0, None);
        for run in segment.runs() {
            let at = Some((run.tenant, run.list));
            if run.start != end || run.end <= run.start || run.list as usize >= segment.header.lists || at <= before {
                return Err(SegmentError::Damaged("runs"));
            }
            (end, before) = (run.end, at);
        }
        if end as usize != segment.header.rows {
            return Err(SegmentError::Damaged("runs"));
        }
        Ok(segment)
    }

    /// Maps a file.
    pub fn open(path: &Path, number: u64) -> Result<Self, SegmentError> {
        let file = File::open(path).map_err(SegmentError::File)?;
        let length = file.metadata().map_err(SegmentError::File)?.len();
        if length < layout::HEADER_BYTES as u64 {
            // An empty file cannot be mapped; and one that is no segment at all should be called so.
            let start = std::fs::read(path).map_err(SegmentError::File)?;
            let ours = start.len() >= 8 && start.starts_with(&layout::MAGIC);
            return Err(if ours { SegmentError::Truncated } else { SegmentError::Foreign });
        }
        Self::new(Image::map(&file).map_err(SegmentError::File)?, number)
    }

    /// Checks every byte against the checksums.
    pub fn verify(&self) -> Result<(), SegmentError> {
        for section in SECTIONS {
            if crc32fast::hash(self.bytes_of(section)) != self.header.places[section as usize].checksum {
                return Err(SegmentError::Damaged("checksum of a section"));
            }
        }
        Ok(())
    }

    /// All bytes, as they stand in its file.
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    pub fn rows(&self) -> usize {
        self.header.rows
    }

    /// All runs, by tenant and list.
    pub fn runs(&self) -> impl DoubleEndedIterator<Item = Run> + ExactSizeIterator + '_ {
        self.runs_of(None)
    }

    /// The runs of a tenant, or all; by tenant and list.
    pub fn runs_of(&self, tenant: Option<u32>) -> impl DoubleEndedIterator<Item = Run> + ExactSizeIterator + '_ {
        let mut numbers = self.view::<u32>(Section::Runs).as_chunks::<4>().0;
        if let Some(tenant) = tenant {
            numbers = &numbers[numbers.partition_point(|run| run[0] < tenant)..];
            numbers = &numbers[..numbers.partition_point(|run| run[0] == tenant)];
        }
        numbers.iter().map(|[tenant, list, start, end]| Run { tenant: *tenant, list: *list, start: *start, end: *end })
    }

    /// The segment's centre.
    pub fn centre(&self) -> &[f32] {
        &self.view(Section::Centres)[..self.header.width()]
    }

    /// A list's centre, and the same rotated.
    pub fn list_centre(&self, list: usize) -> (&[f32], &[f32]) {
        let width = self.header.width();
        let at = width * (1 + 2 * list);
        self.view(Section::Centres)[at..at + 2 * width].split_at(width)
    }

    /// The centres of its lists, to be ranked.
    pub fn near(&self, kernel: Kernel) -> &Near {
        self.near.get_or_init(|| {
            let width = self.header.width();
            let centres: Vec<f32> =
                (0..self.header.lists).flat_map(|list| self.list_centre(list).0.iter().copied()).collect();
            Near::of(kernel, self.header.distance, &centres, width)
        })
    }

    /// Its graph, if it has one.
    pub fn graph(&self) -> Option<Graph<'_>> {
        Graph::of(self.view(Section::Graph), self.header.width())
    }

    /// The bytes that it has with a graph of these words, in four pieces: they are many, and need not be copied.
    pub fn bytes_with_graph<'a>(&'a self, words: &'a [u64]) -> [Cow<'a, [u8]>; 4] {
        let mut header = self.header.clone();
        let words: &[u8] = bytemuck::cast_slice(words);
        let end = header.add_graph(crc32fast::hash(words)) - words.len();
        let body = &self.image[layout::HEADER_BYTES..end.min(self.image.len())];
        let gap = vec![0; end.saturating_sub(self.image.len())];
        [header.encode().into(), body.into(), gap.into(), words.into()]
    }

    /// A copy with a graph of these words, in memory.
    pub fn with_graph(&self, words: &[u64]) -> Result<Self, SegmentError> {
        let pieces = self.bytes_with_graph(words);
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        let mut image = Image::zeroed(bytes).map_err(SegmentError::Memory)?;
        let mut rest = &mut image[..];
        for piece in &pieces {
            let (place, behind) = rest.split_at_mut(piece.len());
            place.copy_from_slice(piece);
            rest = behind;
        }
        Self::new(Image::Memory(image), 0)
    }

    /// With another reach; for one in memory, which is not shared yet.
    pub fn with_reach(mut self, reach: f32) -> Self {
        self.header.reach = reach;
        if let Image::Memory(image) = &mut self.image {
            image[..layout::HEADER_BYTES].copy_from_slice(&self.header.encode());
        }
        self
    }

    /// 1-bit codes from a block on.
    pub fn bits(&self, block: usize) -> &[u64] {
        &self.view(Section::Bits)[block * self.header.block_words()..]
    }

    /// 8-bit codes from a block on.
    pub fn bytes(&self, block: usize) -> &[u8] {
        &self.bytes_of(Section::Bytes)[block * BLOCK * self.header.width()..]
    }

    pub fn scales(&self, block: usize) -> &[f32] {
        &self.view(Section::Scales)[block * BLOCK..]
    }

    pub fn biases(&self, block: usize) -> &[f32] {
        self.view(Section::Biases).get(block * BLOCK..).unwrap_or_default()
    }

    pub fn vectors(&self) -> &[f32] {
        self.view(Section::Vectors)
    }

    /// A row's id; empty where the file is damaged.
    pub fn id(&self, row: usize) -> &str {
        self.name(row).and_then(|(id, _)| std::str::from_utf8(id).ok()).unwrap_or_default()
    }

    /// A row's payload; empty where the file is damaged.
    pub fn payload(&self, row: usize) -> &[u8] {
        self.name(row).map(|(_, payload)| payload).unwrap_or_default()
    }

    pub fn tenant(&self, row: usize) -> u32 {
        self.view(Section::Tenants).get(row).copied().unwrap_or_default()
    }

    /// The row of an id, living or not.
    pub fn find(&self, id: &str) -> Option<usize> {
        let table = self.view::<u32>(Section::Table);
        let mask = table.len() - 1;
        let mut at = slot(id, mask);
        for _ in 0..table.len() {
            let row = table[at] as usize;
            if row == 0 {
                return None;
            }
            if row <= self.rows() && self.id(row - 1) == id {
                return Some(row - 1);
            }
            at = (at + 1) & mask;
        }
        None
    }

    fn name(&self, row: usize) -> Option<(&[u8], &[u8])> {
        let starts = self.view::<u64>(Section::Starts);
        let start = usize::try_from(*starts.get(row)?).ok()?;
        let end = usize::try_from(*starts.get(row + 1)?).ok()?;
        let id_bytes = *self.view::<u16>(Section::IdBytes).get(row)?;
        self.bytes_of(Section::Heap).get(start..end)?.split_at_checked(id_bytes.into())
    }

    fn bytes_of(&self, section: Section) -> &[u8] {
        let Place { offset, bytes, .. } = self.header.places[section as usize];
        &self.image[offset..offset + bytes]
    }

    /// The image starts at a page and sections at multiples of 64.
    fn view<T: bytemuck::Pod>(&self, section: Section) -> &[T] {
        bytemuck::cast_slice(self.bytes_of(section))
    }
}

/// Where the search for an id starts: FNV-1a, then mixed, so that low bits count. Part of the format.
fn slot(id: &str, mask: usize) -> usize {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for byte in id.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^= hash >> 32;
    #[expect(clippy::cast_possible_truncation, reason = "the mask takes fewer bits than that")]
    let slot = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32) as usize;
    slot & mask
}
