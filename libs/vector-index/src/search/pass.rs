//! The way of one question through the cascade.

mod aim;
mod buffers;
mod exact;
mod lists;
mod walk;

use std::ops::Range;

use buffers::Buffers;

use super::{Hit, Search, SearchError, order};
use crate::{
    kernel::{BLOCK, BitQuery, BitRows, ByteQuery, ByteRows, Found},
    live::{PIECE_ROWS, Piece},
    snapshot::{Snapshot, Store},
    top,
    vector::{Distance, prepare_into},
};

/// Bytes of 8-bit codes up to which they are scanned at once; above, the 1-bit codes are scanned first.
const BYTES_SCAN_MAX: usize = 400_000;
/// Bytes of a segment's 1-bit codes up to which they are believed to be in the cache still; more are fetched ahead.
const CACHED_BYTES: usize = 8 << 20;
/// Rows up to which vectors are compared at once.
const VECTORS_SCAN_MAX: usize = 64;
/// Vectors that are fetched before they are compared.
const VECTORS_AHEAD: usize = 3;
/// Rows whose codes' errors are known before the greatest of these says anything, and what it is multiplied by.
const ERRORS_MIN: usize = 8;
const ERRORS: f32 = 3.0;
/// Planes of a query's bits.
const PLANES: usize = 2;
/// Rows that a scan finds before they are cut to the best.
const FOUND_MIN: usize = 1024;

/// What is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Nothing,
    Vectors,
    Bytes,
    Bits,
}

/// Rows kept by a stage.
#[derive(Debug)]
struct Stage {
    found: Found,
    keep: usize,
    floor: f32,
}

impl Stage {
    /// In the memory of `found`; without room when nothing is to be kept.
    fn new(mut found: Found, keep: Option<usize>) -> Self {
        found.reset(keep.map_or(0, |keep| FOUND_MIN.max(2 * keep)));
        Self { found, keep: keep.unwrap_or(0), floor: f32::NEG_INFINITY }
    }
}

/// One question on its way.
#[derive(Debug)]
pub struct Pass<'q> {
    search: Search<'q>,
    plan: Plan,
    /// Points that can be found.
    wanted: usize,
    /// Rows scanned since it was last looked whether to stop.
    unchecked: usize,
    query: Vec<f32>,
    /// The query's length; under the Euclidean distance, its distance from the centre that it was aimed at.
    length: f32,
    /// The query less a centre, in 8 bits.
    bytes: Vec<i8>,
    bytes_scale: f32,
    bytes_correction: i32,
    bytes_offset: f32,
    rotated: Vec<f32>,
    planes: Vec<u64>,
    planes_step: f32,
    planes_sum: i32,
    planes_offset: f32,
    /// Planes for a graph's links.
    link_planes: Vec<u64>,
    /// Inner products with the centres of the lists of the segment that is scanned.
    products: Vec<f32>,
    coarse: Stage,
    fine: Stage,
    /// Rows compared by their vectors.
    exact: Vec<(f32, u32)>,
    keys: Vec<i32>,
    scratch: Vec<f32>,
}

impl<'q> Pass<'q> {
    pub fn new(snapshot: &Snapshot, search: &Search<'q>) -> Result<Self, SearchError> {
        let shape = &snapshot.shape;
        let mut buffers = Buffers::take();
        prepare_into(search.vector, shape.dimension, shape.distance, &mut buffers.query)?;
        if search.among.is_some_and(|selection| !selection.is_of(snapshot)) {
            return Err(SearchError::OtherSnapshot);
        }
        let possible = search.among.map_or(snapshot.len(), |selection| selection.len());
        let wanted = search.k.min(possible);
        let (plan, coarse, fine) = plan(snapshot.rows(), possible, shape.width(), wanted);
        let Buffers {
            query,
            mut bytes,
            rotated,
            planes,
            link_planes,
            coarse: coarse_found,
            fine: fine_found,
            exact,
            keys,
            scratch,
        } = buffers;
        bytes.resize(query.len(), 0);
        let mut pass = Self {
            search: *search,
            plan,
            wanted,
            // So that the first rows are not begun in vain.
            unchecked: PIECE_ROWS,
            length: 0.0,
            bytes,
            bytes_scale: 0.0,
            bytes_correction: 0,
            bytes_offset: 0.0,
            rotated,
            planes,
            planes_step: 0.0,
            planes_sum: 0,
            planes_offset: 0.0,
            link_planes,
            products: Vec::new(),
            coarse: Stage::new(coarse_found, (plan == Plan::Bits).then_some(coarse)),
            fine: Stage::new(fine_found, (plan == Plan::Bits || plan == Plan::Bytes).then_some(fine)),
            exact,
            keys,
            scratch,
            query,
        };
        pass.prepare_bytes(snapshot, None);
        if plan == Plan::Bits {
            pass.scratch.extend_from_slice(&pass.query);
            shape.rotation.apply(&mut pass.scratch, &mut pass.rotated);
            pass.planes.resize(shape.width() / 64 * PLANES, 0);
            if shape.distance != Distance::Euclidean {
                pass.prepare_planes(snapshot, None);
            }
        }
        Ok(pass)
    }

    pub fn scan(&mut self, snapshot: &Snapshot) -> Result<(), SearchError> {
        for part in 0..snapshot.parts.len() {
            self.scan_part(snapshot, part)?;
        }
        Ok(())
    }

    /// Scans for many: each piece of a part for all of them, while it is near.
    pub fn scan_together(snapshot: &Snapshot, passes: &mut [Result<Self, SearchError>]) {
        for (number, part) in snapshot.parts.iter().enumerate() {
            let rows = part.store.rows();
            let Store::Segment(segment) = &part.store else {
                for pass in passes.iter_mut() {
                    run(pass, |pass| pass.scan_part(snapshot, number));
                }
                continue;
            };
            if segment.graph().is_some() {
                for pass in passes.iter_mut() {
                    run(pass, |pass| pass.scan_part(snapshot, number));
                }
                continue;
            }
            if segment.header().lists > 1 {
                Self::scan_lists_together(snapshot, number, segment, passes);
                continue;
            }
            for pass in passes.iter_mut().flatten() {
                pass.aim(snapshot, number, 0);
            }
            for piece in 0..rows.div_ceil(PIECE_ROWS) {
                let piece = piece * PIECE_ROWS..rows.min((piece + 1) * PIECE_ROWS);
                for pass in passes.iter_mut() {
                    run(pass, |pass| {
                        let range = pass.range(&part.store);
                        let range = range.start.max(piece.start)..range.end.min(piece.end);
                        if range.is_empty() { Ok(()) } else { pass.scan_piece(snapshot, number, range) }
                    });
                }
            }
        }
    }

    /// As [`finish`](Self::finish), without the exact rest: the rows alone.
    pub fn finish_rows(mut self, snapshot: &Snapshot) -> Result<Vec<usize>, SearchError> {
        if self.plan == Plan::Bits {
            self.coarse_to_fine(snapshot);
        }
        if self.plan == Plan::Bits || self.plan == Plan::Bytes {
            self.cut_fine(snapshot);
            self.compare_fine(snapshot);
        }
        self.exact.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Ok(self.exact.iter().take(self.wanted).map(|(_, row)| *row as usize).collect())
    }

    /// Brings what the scan found through the rest of the cascade.
    pub fn finish<'s>(mut self, snapshot: &'s Snapshot) -> Result<Vec<Hit<'s>>, SearchError> {
        if self.plan == Plan::Nothing {
            return Ok(Vec::new());
        }
        if self.plan == Plan::Bits {
            self.coarse_to_fine(snapshot);
        }
        if self.plan != Plan::Vectors {
            self.cut_fine(snapshot);
            // Under the Euclidean distance the codes' scores are on another scale.
            match snapshot.shape.distance {
                Distance::Euclidean => self.compare_fine(snapshot),
                Distance::Cosine | Distance::InnerProduct => self.compare_best(snapshot),
            }
        }
        let hits = self.best(snapshot);
        if !self.search.exact || self.plan == Plan::Vectors {
            return Ok(hits);
        }
        self.exact.clear();
        match hits.last() {
            Some(last) if hits.len() == self.wanted => self.verify(snapshot, last.score)?,
            // Fewer were found than asked for; only a damaged file makes that so, or a tenant with few points.
            _ => {
                self.plan = Plan::Vectors;
                self.scan(snapshot)?;
            }
        }
        Ok(self.best(snapshot))
    }

    fn scan_part(&mut self, snapshot: &Snapshot, number: usize) -> Result<(), SearchError> {
        let store = &snapshot.parts[number].store;
        if let Some(graph) = self.graph(store) {
            return self.scan_graph(snapshot, number, graph);
        }
        if let Store::Segment(segment) = store
            && segment.header().lists > 1
            && self.plan == Plan::Bits
        {
            return self.scan_lists(snapshot, number, segment);
        }
        self.aim(snapshot, number, 0);
        self.scan_range(snapshot, number, self.range(store))
    }

    /// The rows of a part that may be looked at.
    fn range(&self, store: &Store) -> Range<usize> {
        match (self.search.tenant, store) {
            (Some(tenant), Store::Segment(segment)) => {
                let mut runs = segment.runs_of(Some(tenant));
                let first = runs.next();
                let last = runs.next_back().or(first);
                first.zip(last).map_or(0..0, |(first, last)| first.start as usize..last.end as usize)
            }
            _ => 0..store.rows(),
        }
    }

    fn scan_range(&mut self, snapshot: &Snapshot, part: usize, range: Range<usize>) -> Result<(), SearchError> {
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min((start / PIECE_ROWS + 1) * PIECE_ROWS);
            self.scan_piece(snapshot, part, start..end)?;
            start = end;
        }
        Ok(())
    }

    /// Scans rows of one piece.
    fn scan_piece(&mut self, snapshot: &Snapshot, number: usize, range: Range<usize>) -> Result<(), SearchError> {
        self.unchecked += range.len();
        if self.unchecked >= PIECE_ROWS {
            self.search.stop.check()?;
            self.unchecked = 0;
        }
        let part = &snapshot.parts[number];
        let piece = range.start / PIECE_ROWS;
        let Some(masks) = self.masks(snapshot, number, piece, &range) else { return Ok(()) };
        let first_block = range.start / BLOCK;
        let end_block = range.end.div_ceil(BLOCK);
        let masks = &masks[first_block % (PIECE_ROWS / BLOCK)..][..end_block - first_block];
        let base = snapshot.bases[number];
        let kernel = snapshot.shape.kernel;
        match (self.plan, &part.store) {
            (Plan::Nothing, _) => {}
            (Plan::Vectors, store) => {
                for row in range {
                    if masks[row / BLOCK - first_block] >> (row % BLOCK) & 1 == 1 {
                        let score = self.score(snapshot, store.vector(row));
                        self.exact.push((score, base + row as u32));
                    }
                }
            }
            (Plan::Bits, Store::Segment(segment)) => {
                let query = BitQuery {
                    planes: &self.planes,
                    count: PLANES,
                    step: self.planes_step,
                    middle: middle(),
                    sum: self.planes_sum,
                    offset: self.planes_offset,
                };
                let stage = &mut self.coarse;
                let far = size_of_val(segment.bits(0)) > CACHED_BYTES;
                let mut done = 0;
                while done < masks.len() {
                    let rows = BitRows {
                        blocks: segment.bits(first_block + done),
                        head_lines: segment.header().head_lines(),
                        first: base + ((first_block + done) * BLOCK) as u32,
                        far,
                    };
                    done += kernel.bits(&rows, &masks[done..], &query, stage.floor, &mut stage.found);
                    if stage.found.is_full() {
                        stage.floor = stage.floor.max(top::cut(&mut stage.found, stage.keep, kernel, &mut self.keys));
                    }
                }
            }
            (Plan::Bytes | Plan::Bits, store) => {
                let mut done = 0;
                while done < masks.len() {
                    let rows = byte_rows(store, first_block + done, base);
                    let query = ByteQuery {
                        values: &self.bytes,
                        scale: self.bytes_scale,
                        correction: self.bytes_correction,
                        offset: self.bytes_offset,
                    };
                    done += kernel.bytes(&rows, &masks[done..], &query, self.fine.floor, &mut self.fine.found);
                    if self.fine.found.is_full() {
                        self.cut_fine(snapshot);
                    }
                }
            }
        }
        Ok(())
    }

    /// What is alive, selected and of the tenant in a piece; none where nothing is.
    fn masks(&self, snapshot: &Snapshot, number: usize, piece: usize, range: &Range<usize>) -> Option<Piece> {
        let part = &snapshot.parts[number];
        let mut masks = *part.live.piece(piece)?;
        if let Some(selection) = self.search.among {
            let selected = selection.piece(number, piece)?;
            for (mask, selected) in masks.iter_mut().zip(selected) {
                *mask &= selected;
            }
        }
        // The blocks at both ends may hold rows outside the range.
        let (start, end) = (range.start % PIECE_ROWS, (range.end - 1) % PIECE_ROWS + 1);
        if start % BLOCK != 0 {
            masks[start / BLOCK] &= 0xff << (start % BLOCK);
        }
        if end % BLOCK != 0 {
            masks[end / BLOCK] &= !(0xff << (end % BLOCK));
        }
        if let (Some(tenant), Store::Page(page)) = (self.search.tenant, &part.store) {
            for (row, of) in page.tenants.iter().enumerate() {
                if *of != tenant {
                    masks[row / BLOCK] &= !(1 << (row % BLOCK));
                }
            }
        }
        Some(masks)
    }

    /// Gives the candidates of the 1-bit codes the scores of their 8-bit codes.
    fn coarse_to_fine(&mut self, snapshot: &Snapshot) {
        let kernel = snapshot.shape.kernel;
        let coarse = &mut self.coarse;
        top::cut(&mut coarse.found, coarse.keep, kernel, &mut self.keys);
        let found = std::mem::take(&mut coarse.found);
        let mut aimed = usize::MAX;
        let rows = found.rows();
        for (at, row) in rows.iter().enumerate() {
            const AHEAD: usize = 8;
            if let Some(next) = rows.get(at + AHEAD) {
                let (part, row) = snapshot.locate(*next);
                if let Store::Segment(segment) = &snapshot.parts[part].store {
                    let width = segment.header().width();
                    kernel.prefetch(&segment.bytes(0)[row * width..(row + 1) * width]);
                }
            }
            let (part, row_of_part) = snapshot.locate(*row);
            let Store::Segment(segment) = &snapshot.parts[part].store else { continue };
            if part != aimed {
                self.aim_bytes(snapshot, segment.centre(), true);
                aimed = part;
            }
            let width = segment.header().width();
            let codes = &segment.bytes(0)[row_of_part * width..(row_of_part + 1) * width];
            let sum = kernel.byte_dot(codes, &self.bytes) - self.bytes_correction;
            #[expect(clippy::cast_precision_loss, reason = "as the kernel does")]
            let mut score = sum as f32 * (segment.scales(0)[row_of_part] * self.bytes_scale) + self.bytes_offset;
            if let Some(bias) = segment.biases(0).get(row_of_part) {
                score += bias;
            }
            if self.fine.found.is_full() {
                self.cut_fine(snapshot);
            }
            if score > self.fine.floor {
                self.fine.found.push(score, *row);
            }
        }
        self.coarse.found = found;
    }

    fn cut_fine(&mut self, snapshot: &Snapshot) {
        if self.fine.keep == usize::MAX {
            // While an answer is verified, nothing that was found is dropped.
            self.compare_fine(snapshot);
            return;
        }
        let floor = top::cut(&mut self.fine.found, self.fine.keep, snapshot.shape.kernel, &mut self.keys);
        self.fine.floor = self.fine.floor.max(floor);
    }

    /// Compares by their vectors the rows that the 8-bit codes found.
    fn compare_fine(&mut self, snapshot: &Snapshot) {
        let rows = self.fine.found.rows();
        prefetch(snapshot, rows.iter().take(VECTORS_AHEAD));
        for (at, row) in rows.iter().enumerate() {
            prefetch(snapshot, rows.get(at + VECTORS_AHEAD));
            self.exact.push((score(snapshot, &self.query, vector(snapshot, *row)), *row));
        }
        self.fine.found.clear();
    }

    /// The same, best first, and only as long as another may be among the wanted ones: the errors of the codes that were
    /// seen so far say how much better than its code a row can be.
    fn compare_best(&mut self, snapshot: &Snapshot) {
        let found = &self.fine.found;
        let mut best: Vec<(f32, u32)> = found.scores().iter().copied().zip(found.rows().iter().copied()).collect();
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        prefetch(snapshot, best.iter().take(VECTORS_AHEAD).map(|(_, row)| row));
        let (mut worst, mut error) = (f32::INFINITY, 0.0f32);
        for (at, (code, row)) in best.iter().enumerate() {
            if at >= self.wanted.max(ERRORS_MIN) && code + ERRORS * error < worst {
                break;
            }
            prefetch(snapshot, best.get(at + VECTORS_AHEAD).map(|(_, row)| row));
            let score = score(snapshot, &self.query, vector(snapshot, *row));
            if at < self.wanted {
                worst = worst.min(score);
            }
            error = error.max((score - code).abs());
            self.exact.push((score, *row));
        }
        self.fine.found.clear();
    }

    fn score(&self, snapshot: &Snapshot, vector: &[f32]) -> f32 {
        score(snapshot, &self.query, vector)
    }

    /// The wanted ones of the rows that were compared.
    fn best<'s>(&mut self, snapshot: &'s Snapshot) -> Vec<Hit<'s>> {
        let hit = |(score, row): &(f32, u32)| {
            let (part, row) = snapshot.locate(*row);
            Hit { score: *score, point: snapshot.point(&snapshot.parts[part].store, row) }
        };
        // A score that is no number comes from a damaged file.
        self.exact.retain(|(score, _)| !score.is_nan());
        let wanted = self.wanted.min(self.exact.len());
        if wanted == 0 {
            return Vec::new();
        }
        if self.exact.len() > 2 * wanted + 64 {
            self.exact.select_nth_unstable_by(wanted - 1, |a, b| order(&hit(a), &hit(b)));
            self.exact.truncate(wanted);
        }
        let mut hits: Vec<_> = self.exact.iter().map(hit).collect();
        hits.sort_unstable_by(order);
        hits.truncate(wanted);
        hits
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        use std::mem::take;
        let buffers = Buffers {
            query: take(&mut self.query),
            bytes: take(&mut self.bytes),
            rotated: take(&mut self.rotated),
            planes: take(&mut self.planes),
            link_planes: take(&mut self.link_planes),
            coarse: take(&mut self.coarse.found),
            fine: take(&mut self.fine.found),
            exact: take(&mut self.exact),
            keys: take(&mut self.keys),
            scratch: take(&mut self.scratch),
        };
        buffers.keep();
    }
}

/// What to scan, and how many rows the 1-bit and the 8-bit codes keep.
fn plan(rows: usize, possible: usize, width: usize, wanted: usize) -> (Plan, usize, usize) {
    let fine = wanted + (wanted / 2).max(8);
    let coarse = coarse_keep(width, wanted);
    let plan = if wanted == 0 {
        Plan::Nothing
    } else if possible <= VECTORS_SCAN_MAX || fine >= possible / 2 {
        Plan::Vectors
    } else if rows * width <= BYTES_SCAN_MAX || coarse >= rows / 4 {
        Plan::Bytes
    } else {
        Plan::Bits
    };
    (plan, coarse, fine)
}

/// Candidates of the 1-bit codes: their error falls with the square root of the width. Measured: 10 for each wanted one
/// find 0.99 of ten among 10,000 and 100,000 sentences at a width of 384.
fn coarse_keep(width: usize, wanted: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    let each = (10.0 * (384.0 / width as f32).sqrt()).clamp(4.0, 25.0) as usize;
    wanted * each + 10
}

fn vector(snapshot: &Snapshot, row: u32) -> &[f32] {
    let (part, row) = snapshot.locate(row);
    snapshot.parts[part].store.vector(row)
}

fn prefetch<'r>(snapshot: &Snapshot, rows: impl IntoIterator<Item = &'r u32>) {
    for row in rows {
        snapshot.shape.kernel.prefetch(vector(snapshot, *row));
    }
}

fn middle() -> f32 {
    ((1 << PLANES) - 1) as f32 / 2.0
}

fn byte_rows(store: &Store, block: usize, base: u32) -> ByteRows<'_> {
    #[expect(clippy::cast_possible_truncation, reason = "rows of all parts are counted in 32 bits")]
    let first = base + (block * BLOCK) as u32;
    match store {
        Store::Segment(segment) => ByteRows {
            values: segment.bytes(block),
            scales: segment.scales(block),
            biases: segment.biases(block),
            first,
        },
        Store::Page(page) => ByteRows {
            values: page.bytes(block),
            scales: &page.scales[block * BLOCK..],
            biases: page.biases.get(block * BLOCK..).unwrap_or_default(),
            first,
        },
    }
}

/// By the distance of the index; greater is nearer.
fn score(snapshot: &Snapshot, query: &[f32], vector: &[f32]) -> f32 {
    let kernel = snapshot.shape.kernel;
    match snapshot.shape.distance {
        Distance::Cosine => kernel.dot(query, vector).clamp(-1.0, 1.0),
        Distance::InnerProduct => kernel.dot(query, vector),
        Distance::Euclidean => {
            let squared = kernel.squared_distance(query, vector);
            if squared > f32::MIN_POSITIVE || query == vector {
                return -squared.sqrt();
            }
            // Too near for the square of an f32.
            let pairs = query.iter().zip(vector).map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2));
            #[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
            let distance = pairs.sum::<f64>().sqrt() as f32;
            -distance
        }
    }
}

/// Goes on with a pass that has not failed.
fn run<'q>(pass: &mut Result<Pass<'q>, SearchError>, step: impl FnOnce(&mut Pass<'q>) -> Result<(), SearchError>) {
    if let Ok(going) = pass
        && let Err(error) = step(going)
    {
        *pass = Err(error);
    }
}
