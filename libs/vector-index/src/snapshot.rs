//! What an index holds at one moment.

use std::sync::Arc;

use crate::{
    live::{Live, PIECE_ROWS, Piece},
    page::Page,
    segment::{Segment, SegmentError, Shape},
};

/// The points of an index at one moment. It stays as it is while the index changes; while it is kept, what it holds
/// stays in memory.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) shape: Arc<Shape>,
    /// Counts the changes of the index.
    pub(crate) version: u64,
    /// Segments, then pages of the tail.
    pub(crate) parts: Vec<Part>,
    /// Number of the first row of each part, when rows of all are counted through.
    pub(crate) bases: Vec<u32>,
    /// Rows that are alive.
    len: usize,
}

/// Rows that lie together, with what is alive of them.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub store: Store,
    pub live: Live,
}

#[derive(Clone, Debug)]
pub(crate) enum Store {
    Segment(Arc<Segment>),
    Page(Arc<Page>),
}

/// One point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point<'a> {
    /// Its id.
    pub id: &'a str,
    /// Whose it is.
    pub tenant: u32,
    /// What the caller keeps beside it.
    pub payload: &'a [u8],
    /// Its values; at unit length under cosine.
    pub vector: &'a [f32],
}

/// Size of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Points that are alive.
    pub points: usize,
    /// Rows of points that were replaced or removed and not yet cleared away.
    pub dead: usize,
    /// Segments.
    pub segments: usize,
    /// Rows of segments with a graph.
    pub linked: usize,
    /// Rows that are in no segment yet.
    pub tail: usize,
    /// Bytes of the segments.
    pub bytes: u64,
}

/// Points that a predicate picked from a snapshot. While it is kept, what was looked at stays in memory.
#[derive(Clone, Debug)]
pub struct Selection {
    version: u64,
    count: usize,
    parts: Vec<Picked>,
}

/// What was picked of a part; what died since is still in it.
#[derive(Clone, Debug)]
struct Picked {
    store: Store,
    pieces: Arc<[Piece]>,
}

impl Selection {
    /// How many points it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// True when it has none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// True when it was made from this snapshot, or from one of the same version.
    pub fn is_of(&self, snapshot: &Snapshot) -> bool {
        self.version == snapshot.version && self.parts.len() == snapshot.parts.len()
    }

    pub(crate) fn piece(&self, part: usize, number: usize) -> Option<&Piece> {
        self.parts.get(part)?.pieces.get(number)
    }
}

impl Snapshot {
    pub(crate) fn new(shape: Arc<Shape>, version: u64, parts: Vec<Part>) -> Self {
        let mut next = 0;
        let bases = parts.iter().map(|part| {
            let base = next;
            next += u32::try_from(part.store.rows()).unwrap_or(u32::MAX);
            base
        });
        let bases = bases.collect();
        let len = parts.iter().map(|part| part.live.count()).sum();
        Self { shape, version, parts, bases, len }
    }

    /// How many points there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Rows of all parts, living and not.
    pub(crate) fn rows(&self) -> usize {
        let last = self.parts.last().map_or(0, |part| part.store.rows());
        self.bases.last().map_or(0, |base| *base as usize + last)
    }

    /// Part and row of a row that is counted through all parts.
    pub(crate) fn locate(&self, row: u32) -> (usize, usize) {
        let part = self.bases.partition_point(|base| *base <= row) - 1;
        (part, (row - self.bases[part]) as usize)
    }

    /// True when there is no point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its size.
    pub fn stats(&self) -> Stats {
        let mut stats =
            Stats { points: self.len, dead: self.rows() - self.len, segments: 0, linked: 0, tail: 0, bytes: 0 };
        for part in &self.parts {
            match &part.store {
                Store::Segment(segment) => {
                    stats.segments += 1;
                    stats.linked += if segment.graph().is_some() { segment.rows() } else { 0 };
                    stats.bytes += segment.image().len() as u64;
                }
                Store::Page(page) => stats.tail += page.rows(),
            }
        }
        stats
    }

    pub(crate) fn verify(&self) -> Result<(), SegmentError> {
        self.parts.iter().try_for_each(|part| match &part.store {
            Store::Segment(segment) => segment.verify(),
            Store::Page(_) => Ok(()),
        })
    }

    /// Rows that a search of a tenant may look through, dead ones and the tail among them.
    pub fn rows_of(&self, tenant: u32) -> usize {
        let rows = |part: &Part| match &part.store {
            Store::Segment(segment) => {
                segment.runs_of(Some(tenant)).map(|run| (run.end - run.start) as usize).sum::<usize>()
            }
            Store::Page(page) => page.rows(),
        };
        self.parts.iter().map(rows).sum()
    }

    /// The point of an id.
    pub fn get(&self, id: &str) -> Option<Point<'_>> {
        self.parts.iter().rev().find_map(|part| {
            let row = part.store.find(id, &part.live)?;
            Some(self.point(&part.store, row))
        })
    }

    /// All points, in no order that means something.
    pub fn points(&self) -> impl Iterator<Item = Point<'_>> {
        self.parts.iter().flat_map(move |part| {
            let rows = (0..part.store.rows()).filter(|row| part.live.get(*row));
            rows.map(move |row| self.point(&part.store, row))
        })
    }

    /// Counts the changes of the index since it was opened: two snapshots of one index with one version are the same.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Picks points, to search among them alone: in this snapshot, as often as wanted. Looks at every point once.
    pub fn select(&self, picks: impl FnMut(Point<'_>) -> bool) -> Selection {
        self.select_beside(None, picks)
    }

    /// The same selection as an earlier one, from a later snapshot of the same index. Looks only at points that came
    /// or were moved since, so `picks` must be the same and depend on nothing but the point.
    pub fn select_again(&self, before: &Selection, picks: impl FnMut(Point<'_>) -> bool) -> Selection {
        self.select_beside(Some(before), picks)
    }

    fn select_beside(&self, before: Option<&Selection>, mut picks: impl FnMut(Point<'_>) -> bool) -> Selection {
        let mut count = 0;
        let parts = self.parts.iter().map(|part| {
            let known = before.and_then(|before| before.parts.iter().find(|picked| picked.store.is(&part.store)));
            let pieces = known.map_or_else(|| self.pick(part, &mut picks), |picked| Arc::clone(&picked.pieces));
            count += part.live.count_in(&pieces);
            Picked { store: part.store.clone(), pieces }
        });
        let parts = parts.collect();
        Selection { version: self.version, count, parts }
    }

    fn pick(&self, part: &Part, picks: &mut impl FnMut(Point<'_>) -> bool) -> Arc<[Piece]> {
        let mut pieces: Vec<Piece> = vec![[0; PIECE_ROWS / 8]; part.store.rows().div_ceil(PIECE_ROWS)];
        for row in (0..part.store.rows()).filter(|row| part.live.get(*row)) {
            if picks(self.point(&part.store, row)) {
                pieces[row / PIECE_ROWS][row % PIECE_ROWS / 8] |= 1 << (row % 8);
            }
        }
        pieces.into()
    }

    pub(crate) fn point<'a>(&'a self, store: &'a Store, row: usize) -> Point<'a> {
        Point {
            id: store.id(row),
            tenant: store.tenant(row),
            payload: store.payload(row),
            vector: &store.vector(row)[..self.shape.dimension],
        }
    }
}

impl Store {
    /// True for the same rows in the same memory, whatever is alive of them.
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Segment(one), Self::Segment(two)) => Arc::ptr_eq(one, two),
            (Self::Page(one), Self::Page(two)) => Arc::ptr_eq(one, two),
            _ => false,
        }
    }

    pub fn rows(&self) -> usize {
        match self {
            Self::Segment(segment) => segment.rows(),
            Self::Page(page) => page.rows(),
        }
    }

    pub fn id(&self, row: usize) -> &str {
        match self {
            Self::Segment(segment) => segment.id(row),
            Self::Page(page) => &page.ids[row],
        }
    }

    pub fn tenant(&self, row: usize) -> u32 {
        match self {
            Self::Segment(segment) => segment.tenant(row),
            Self::Page(page) => page.tenants[row],
        }
    }

    pub fn payload(&self, row: usize) -> &[u8] {
        match self {
            Self::Segment(segment) => segment.payload(row),
            Self::Page(page) => &page.payloads[row],
        }
    }

    /// With the zeros it is filled up with.
    pub fn vector(&self, row: usize) -> &[f32] {
        match self {
            Self::Segment(segment) => {
                let width = segment.header().width();
                &segment.vectors()[row * width..(row + 1) * width]
            }
            Self::Page(page) => page.vector(row),
        }
    }

    /// The living row of an id.
    pub fn find(&self, id: &str, live: &Live) -> Option<usize> {
        match self {
            Self::Segment(segment) => segment.find(id).filter(|row| live.get(*row)),
            Self::Page(page) => (0..page.rows()).rev().find(|row| live.get(*row) && *page.ids[*row] == *id),
        }
    }
}
