//! Makes a segment of rows.

use super::{
    Run, Segment, SegmentError,
    layout::{HEADER_BYTES, Header, Place, SECTIONS, Section},
};
use crate::{
    kernel::{BLOCK, Kernel},
    lists::Lists,
    memory::Image,
    rotation::Rotation,
    vector::{Distance, padded},
};

/// A point as it goes into a segment.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub id: &'a str,
    pub tenant: u32,
    pub payload: &'a [u8],
    /// Prepared.
    pub vector: &'a [f32],
}

/// What all segments of an index have in common.
#[derive(Debug)]
pub struct Shape {
    pub dimension: usize,
    pub distance: Distance,
    pub seed: u64,
    pub rotation: Rotation,
    pub kernel: Kernel,
}

impl Shape {
    pub fn new(dimension: usize, distance: Distance, seed: u64, kernel: Kernel) -> Self {
        Self { dimension, distance, seed, rotation: Rotation::new(padded(dimension), seed, kernel), kernel }
    }

    pub fn width(&self) -> usize {
        padded(self.dimension)
    }
}

/// A segment of these points, which have different ids and are at least one.
pub fn build(shape: &Shape, mut rows: Vec<Source<'_>>, lists: Option<Lists>) -> Result<Segment, SegmentError> {
    let width = shape.width();
    let centre = mean(&rows, width);
    let (centres, mut order) = match lists {
        Some(lists) => {
            let order: Vec<(u32, u32, u32)> =
                (0..).zip(&rows).zip(&lists.of_rows).map(|((at, row), list)| (row.tenant, *list, at)).collect();
            (lists.centres, order)
        }
        None => (centre.clone(), (0..).zip(&rows).map(|(at, row)| (row.tenant, 0, at)).collect()),
    };
    // Stable: rows of one tenant and list stay in the order they came in.
    order.sort_unstable();
    rows = order.iter().map(|(_, _, at)| rows[*at as usize]).collect();
    let runs = runs(&order);
    let heap_bytes = rows.iter().map(|row| row.id.len() + row.payload.len()).sum();
    let counts = (rows.len(), centres.len() / width, runs.len());
    let (mut header, bytes) = Header::lay_out(shape.distance, shape.dimension, counts, shape.seed, heap_bytes);
    let mut image = Image::zeroed(bytes).map_err(SegmentError::Memory)?;

    names(&mut image, &header, &rows);
    let place = |section: Section| header.places[section as usize];
    let tenants: &mut [u32] = view(&mut image, place(Section::Tenants));
    for (tenant, row) in tenants.iter_mut().zip(&rows) {
        *tenant = row.tenant;
    }
    let run_numbers: &mut [u32] = view(&mut image, place(Section::Runs));
    for (numbers, run) in run_numbers.as_chunks_mut::<4>().0.iter_mut().zip(&runs) {
        *numbers = [run.tenant, run.list, run.start, run.end];
    }
    let mut rotated_centres = Vec::with_capacity(centres.len());
    let (mut scratch, mut rotated) = (Vec::new(), Vec::new());
    for list in centres.chunks_exact(width) {
        scratch.clear();
        scratch.extend_from_slice(list);
        shape.rotation.apply(&mut scratch, &mut rotated);
        rotated_centres.extend_from_slice(&rotated);
    }
    let values: &mut [f32] = view(&mut image, place(Section::Centres));
    values[..width].copy_from_slice(&centre);
    for (list, pair) in values[width..].chunks_exact_mut(2 * width).enumerate() {
        pair[..width].copy_from_slice(&centres[list * width..(list + 1) * width]);
        pair[width..].copy_from_slice(&rotated_centres[list * width..(list + 1) * width]);
    }
    let limits = bytes_and_vectors(&mut image, &header, shape.kernel, &rows, &centre);
    bits(&mut image, &header, shape, &rows, &runs, &centres);

    (header.code_length_max, header.code_error_max) = limits;
    for section in SECTIONS.into_iter().filter(|section| *section != Section::Graph) {
        let place = &mut header.places[section as usize];
        place.checksum = crc32fast::hash(&image[place.offset..place.offset + place.bytes]);
    }
    image[..HEADER_BYTES].copy_from_slice(&header.encode());
    Segment::new(Image::Memory(image), 0)
}

/// Parts ordered rows into runs of one tenant and list.
fn runs(order: &[(u32, u32, u32)]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (start, rows) in order.chunk_by(|a, b| a.0 == b.0).scan(0, |start, rows| {
        let at = *start;
        *start += rows.len();
        Some((at, rows))
    }) {
        let mut start = start;
        for list in rows.chunk_by(|a, b| a.1 == b.1) {
            let end = start + list.len();
            runs.push(Run { tenant: list[0].0, list: list[0].1, start: number(start), end: number(end) });
            start = end;
        }
    }
    runs
}

fn names(image: &mut [u8], header: &Header, rows: &[Source<'_>]) {
    let place = |section: Section| header.places[section as usize];
    let mut at = 0;
    for (number, row) in rows.iter().enumerate() {
        view::<u64>(image, place(Section::Starts))[number] = at as u64;
        let id_bytes: &mut [u16] = view(image, place(Section::IdBytes));
        id_bytes[number] = u16::try_from(row.id.len()).unwrap_or(u16::MAX);
        let heap: &mut [u8] = view(image, place(Section::Heap));
        let (id_end, end) = (at + row.id.len(), at + row.id.len() + row.payload.len());
        heap[at..id_end].copy_from_slice(row.id.as_bytes());
        heap[id_end..end].copy_from_slice(row.payload);
        at = end;
    }
    view::<u64>(image, place(Section::Starts))[rows.len()] = at as u64;
    let table: &mut [u32] = view(image, place(Section::Table));
    let mask = table.len() - 1;
    for (number, row) in (1..).zip(rows) {
        let mut slot = super::slot(row.id, mask);
        while table[slot] != 0 {
            slot = (slot + 1) & mask;
        }
        table[slot] = number;
    }
}

/// Fills the 8-bit codes and the vectors; gives the greatest length of a code and of what one leaves out.
fn bytes_and_vectors(
    image: &mut [u8],
    header: &Header,
    kernel: Kernel,
    rows: &[Source<'_>],
    centre: &[f32],
) -> (f32, f32) {
    let width = header.width();
    let place = |section: Section| header.places[section as usize];
    let (mut length_max, mut error_max) = (0.0f32, 0.0f32);
    let mut code = ByteCode::new(width);
    for (number, row) in rows.iter().enumerate() {
        code.encode(kernel, row.vector, centre);
        let span = number * width..(number + 1) * width;
        let codes: &mut [u8] = view(image, place(Section::Bytes));
        codes[span.clone()].copy_from_slice(&code.bytes);
        view::<f32>(image, place(Section::Scales))[number] = code.scale;
        if header.distance == Distance::Euclidean {
            view::<f32>(image, place(Section::Biases))[number] = code.bias;
        }
        view::<f32>(image, place(Section::Vectors))[span].copy_from_slice(row.vector);
        length_max = length_max.max(code.length);
        error_max = error_max.max(code.error);
    }
    (length_max, error_max)
}

/// An 8-bit code of a vector less a centre.
#[derive(Debug)]
pub struct ByteCode {
    pub bytes: Vec<u8>,
    pub scale: f32,
    /// Half the squared length of the code, negative: with the same of the query, a score is half the squared distance of
    /// the two codes, which is wrong by no more than what both leave out, however far from the centre they are.
    pub bias: f32,
    /// Length of the code, and of what it leaves out.
    pub length: f32,
    pub error: f32,
    rest: Vec<f32>,
    steps: Vec<i8>,
}

impl ByteCode {
    pub fn new(width: usize) -> Self {
        Self {
            bytes: vec![0; width],
            scale: 0.0,
            bias: 0.0,
            length: 0.0,
            error: 0.0,
            rest: vec![0.0; width],
            steps: vec![0; width],
        }
    }

    pub fn encode(&mut self, kernel: Kernel, vector: &[f32], centre: &[f32]) {
        for ((rest, value), centre) in self.rest.iter_mut().zip(vector).zip(centre) {
            *rest = value - centre;
        }
        self.scale = kernel.quantise(&self.rest, &mut self.steps);
        let squares = kernel.leave(&mut self.rest, &self.steps, self.scale, &mut self.bytes);
        #[expect(clippy::cast_precision_loss, reason = "a bound, made a little larger")]
        let length = (squares as f32).sqrt();
        self.bias = -0.5 * (length * self.scale) * (length * self.scale);
        self.length = length * self.scale * 1.0001;
        self.error = kernel.dot(&self.rest, &self.rest).sqrt() * 1.0001;
    }
}

fn bits(image: &mut [u8], header: &Header, shape: &Shape, rows: &[Source<'_>], runs: &[Run], centres: &[f32]) {
    let (width, head) = (shape.width(), header.head_lines() * BLOCK);
    let words: &mut [u64] = view(image, header.places[Section::Bits as usize]);
    let (mut rest, mut turned) = (Vec::with_capacity(width), Vec::with_capacity(width));
    let (mut turned_rows, mut signs) = (vec![0.0; BLOCK * width], vec![0; width / 64]);
    let mut lists = runs.iter().flat_map(|run| (run.start..run.end).map(|_| run.list as usize));
    for (rows, block) in rows.chunks(BLOCK).zip(words.chunks_exact_mut(header.block_words())) {
        for ((row, list), place) in rows.iter().zip(&mut lists).zip(turned_rows.chunks_exact_mut(width)) {
            let centre = &centres[list * width..(list + 1) * width];
            rest.clear();
            rest.extend(row.vector.iter().zip(centre).map(|(value, centre)| value - centre));
            shape.rotation.apply(&mut rest, &mut turned);
            place.copy_from_slice(&turned);
        }
        // Eight sums side by side: each is a chain of additions in the order of its values.
        let mut sums = [0.0f32; BLOCK];
        for at in 0..width {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += turned_rows[lane * width + at].abs();
            }
        }
        let (factors, codes) = block.split_at_mut(head);
        let factors: &mut [f32] = bytemuck::cast_slice_mut(factors);
        for (lane, turned) in turned_rows.chunks_exact(width).enumerate().take(rows.len()) {
            shape.kernel.signs(turned, &mut signs);
            for (line, word) in codes.chunks_exact_mut(BLOCK).zip(&signs) {
                line[lane] = *word;
            }
            let squares = shape.kernel.dot(turned, turned);
            // Makes the estimate unbiased: J. Gao, C. Long, "RaBitQ", SIGMOD 2024.
            let factor = if sums[lane] > 0.0 { squares / sums[lane] } else { 0.0 };
            factors[lane] = factor;
            #[expect(clippy::cast_precision_loss, reason = "at most the dimension")]
            let surplus = 2.0 * signs.iter().map(|word| word.count_ones()).sum::<u32>() as f32 - width as f32;
            factors[BLOCK + lane] = factor * surplus;
            if head > BLOCK {
                factors[2 * BLOCK + lane] = -0.5 * squares;
            }
        }
    }
}

/// The mean of the vectors.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "rounding to f32 is meant")]
fn mean(rows: &[Source<'_>], width: usize) -> Vec<f32> {
    let mut sums = vec![0.0f64; width];
    for row in rows {
        for (sum, value) in sums.iter_mut().zip(row.vector) {
            *sum += f64::from(*value);
        }
    }
    sums.iter().map(|sum| (sum / rows.len() as f64) as f32).collect()
}

fn view<T: bytemuck::Pod>(image: &mut [u8], place: Place) -> &mut [T] {
    bytemuck::cast_slice_mut(&mut image[place.offset..place.offset + place.bytes])
}

/// Rows are at most `ROWS_MAX`.
fn number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(u32::MAX)
}
