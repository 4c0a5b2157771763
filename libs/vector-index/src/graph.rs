//! A graph over the rows of a segment: each is linked to some that are near it in different directions, and a search
//! walks from link to link towards the question.
//!
//! A row's links lie together as blocks of 1-bit codes, each of the difference between the linked row and the row itself.
//! So one read of some 2 KiB scores all links of a row, and the estimates are as good as the row is near. (The idea: Y. Gou
//! and others, "SymphonyQG", SIGMOD 2025.)

mod grow;

use std::cell::RefCell;

pub use grow::grow;

use crate::{
    kernel::{BLOCK, BitQuery, BitRows, Found, Kernel},
    search::SearchError,
    segment::Segment,
    vector::Distance,
};

/// Links a row has at most.
pub const LINKS: usize = 32;
/// Blocks that a row's links take.
const BLOCKS: usize = LINKS / BLOCK;
/// Lines before the codes of a block: factors and what belongs to them; biases and the rows' numbers.
const HEAD_LINES: usize = 2;
/// Rows where walks begin.
const HEADS: usize = 64;
/// Words before the links: one line, the heads, then the segment's centre rotated.
const HEADS_AT: usize = 8;
const CENTRE_AT: usize = HEADS_AT + HEADS / 2;
/// Planes of a question's bits.
pub const PLANES: usize = 4;
/// Size of the steps of a question's planes, for values of variance one: the best for a normal distribution (J. Max,
/// "Quantizing for minimum distortion", 1960).
const PLANE_STEP: f32 = 0.335_2;
/// Rows that a walk goes to at most, and rows that it keeps in mind.
const STEPS_MAX: usize = 2_000;
const POOL_MAX: usize = 4_096;
/// Steps after which it is asked whether to stop.
const STEPS_UNCHECKED: usize = 128;
/// The bit of a row's number that says that the walk was there.
const VISITED: u32 = 1 << 31;
/// Words of the bits that a thread keeps.
const SEEN_MAX: usize = 1 << 18;

/// Words of a segment's graph.
pub fn words(rows: usize, width: usize) -> usize {
    CENTRE_AT + width / 2 + rows * BLOCKS * block_words(width)
}

/// Words of a block of links.
fn block_words(width: usize) -> usize {
    (HEAD_LINES + width / 64) * BLOCK
}

/// Inner products are no distances: the row with the greatest need not be near others that have great ones.
pub fn serves(distance: Distance) -> bool {
    distance != Distance::InnerProduct
}

/// The graph of a segment, as it lies in its file.
#[derive(Clone, Copy, Debug)]
pub struct Graph<'a> {
    /// How much worse than the worst that is wanted a row may look, for the walk to go there.
    pub slack: f32,
    heads: &'a [u32],
    /// The segment's centre, rotated.
    pub centre: &'a [f32],
    links: &'a [u64],
}

impl<'a> Graph<'a> {
    /// Of the section's words; none where there are too few.
    pub fn of(words: &'a [u64], width: usize) -> Option<Self> {
        let (head, rest) = words.split_at_checked(HEADS_AT)?;
        let (heads, rest) = rest.split_at_checked(HEADS / 2)?;
        let (centre, links) = rest.split_at_checked(width / 2)?;
        let [slack, count]: [u32; 2] = bytemuck::cast(*head.first()?);
        let heads = bytemuck::cast_slice(heads).get(..count as usize)?;
        Some(Self { slack: f32::from_bits(slack), heads, centre: bytemuck::cast_slice(centre), links })
    }

    /// The blocks of a row's links; none for a number that is no row's.
    fn links(&self, row: usize) -> &'a [u64] {
        let words = BLOCKS * block_words(self.centre.len());
        self.links.get(row * words..(row + 1) * words).unwrap_or_default()
    }
}

/// A question, ready for the codes.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// In 8 bits, for the codes around the segment's centre.
    pub bytes: &'a [i8],
    pub scale: f32,
    /// 128 times the sum of `bytes`.
    pub correction: i32,
    pub offset: f32,
    /// Less the segment's centre, rotated.
    pub planes: BitQuery<'a>,
}

impl Question<'_> {
    /// A row's score by its 8-bit code.
    #[expect(clippy::cast_precision_loss, reason = "as the kernel does")]
    fn score(&self, kernel: Kernel, segment: &Segment, row: usize) -> f32 {
        let width = self.bytes.len();
        let code = &segment.bytes(0)[row * width..(row + 1) * width];
        let sum = kernel.byte_dot(code, self.bytes) - self.correction;
        let score = sum as f32 * (segment.scales(0)[row] * self.scale) + self.offset;
        segment.biases(0).get(row).map_or(score, |bias| score + bias)
    }
}

/// The planes of a question, which is less the segment's centre and rotated.
#[expect(clippy::cast_precision_loss, reason = "at most the dimension")]
pub fn planes_of<'p>(kernel: Kernel, rotated: &[f32], planes: &'p mut [u64]) -> BitQuery<'p> {
    let step = PLANE_STEP * (kernel.dot(rotated, rotated) / rotated.len() as f32).sqrt();
    let scale = if step > 0.0 { 1.0 / step } else { 0.0 };
    let middle = ((1 << PLANES) - 1) as f32 / 2.0;
    let sum = kernel.planes(rotated, scale, middle, planes);
    BitQuery { planes, count: PLANES, step, middle, sum, offset: 0.0 }
}

/// How far a walk goes.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// The best that are wanted.
    pub wanted: usize,
    /// As [`Graph::slack`].
    pub slack: f32,
    /// Rows that it keeps in mind: it ends when it was at all of them.
    pub breadth: usize,
}

impl Reach {
    /// Until nothing looks near enough.
    pub fn slack(wanted: usize, slack: f32) -> Self {
        Self { wanted, slack, breadth: POOL_MAX }
    }
}

/// What a walk needs memory for.
#[derive(Debug, Default)]
pub struct Desk {
    /// A bit for each row that was kept in mind, and which these are.
    seen: Vec<u64>,
    seen_rows: Vec<u32>,
    /// Rows kept in mind, best first; [`VISITED`] where the walk was.
    pool: Vec<(f32, u32)>,
    /// The best scores of living rows, best first.
    best: Vec<f32>,
    found: Found,
    /// The rows where it was, with the scores of their 8-bit codes.
    pub reached: Vec<(f32, u32)>,
}

impl Desk {
    /// True when the row was not seen before.
    fn see(&mut self, row: u32) -> bool {
        let Some(word) = self.seen.get_mut(row as usize / 64) else { return false };
        let bit = 1 << (row % 64);
        let new = *word & bit == 0;
        *word |= bit;
        if new {
            self.seen_rows.push(row);
        }
        new
    }

    fn begin(&mut self, rows: usize) {
        for row in self.seen_rows.drain(..) {
            self.seen[row as usize / 64] = 0;
        }
        self.seen.resize(rows.div_ceil(64), 0);
        self.pool.clear();
        self.best.clear();
        self.reached.clear();
        self.found.reset(LINKS);
    }

    /// Keeps a row in mind where it is among the `breadth` best; gives its place.
    fn keep(&mut self, score: f32, row: u32, breadth: usize) -> usize {
        let place = self.pool.partition_point(|kept| kept.0 >= score);
        if self.pool.len() >= breadth {
            self.pool.pop();
        }
        self.pool.insert(place.min(self.pool.len()), (score, row));
        place
    }

    /// Runs with the desk of this thread.
    pub fn with<T>(run: impl FnOnce(&mut Self) -> T) -> T {
        thread_local! {
            static DESK: RefCell<Desk> = RefCell::new(Desk::default());
        }
        DESK.with_borrow_mut(|desk| {
            let done = run(desk);
            if desk.seen.len() > SEEN_MAX {
                *desk = Self::default();
            }
            done
        })
    }
}

/// Walks towards the question; what it found is in `desk.reached`. Rows that are not `alive` are on its way as all others
/// are, but are none of the best.
///
/// # Errors
/// What `stop` says.
pub fn walk(
    (kernel, segment, graph): (Kernel, &Segment, &Graph<'_>),
    question: &Question<'_>,
    reach: Reach,
    alive: impl Fn(usize) -> bool,
    mut stop: impl FnMut() -> Result<(), SearchError>,
    desk: &mut Desk,
) -> Result<(), SearchError> {
    let (rows, width) = (segment.rows(), question.bytes.len());
    let (wanted, breadth) = (reach.wanted.max(1), reach.breadth.min(POOL_MAX));
    desk.begin(rows);
    for head in graph.heads {
        if (*head as usize) < rows && desk.see(*head) {
            let score = question.score(kernel, segment, *head as usize);
            if desk.pool.len() < breadth || desk.pool.last().is_some_and(|worst| score > worst.0) {
                desk.keep(score, *head, breadth);
            }
        }
    }
    let block = block_words(width);
    let mut at = 0;
    for step in 1..=STEPS_MAX {
        while desk.pool.get(at).is_some_and(|(_, row)| row & VISITED != 0) {
            at += 1;
        }
        let Some((score, row)) = desk.pool.get(at).copied() else { break };
        let worst = if desk.best.len() == wanted { desk.best[wanted - 1] - reach.slack } else { f32::NEG_INFINITY };
        if score < worst {
            break;
        }
        if step % STEPS_UNCHECKED == 0 {
            stop()?;
        }
        desk.pool[at].1 |= VISITED;
        if let Some((_, next)) = desk.pool.get(at + 1) {
            let next = (next & !VISITED) as usize;
            kernel.prefetch(graph.links(next));
            kernel.prefetch(&segment.bytes(0)[next * width..(next + 1) * width]);
        }
        let here = question.score(kernel, segment, row as usize);
        desk.reached.push((here, row));
        if alive(row as usize) {
            let place = desk.best.partition_point(|best| *best >= here);
            if place < wanted {
                desk.best.truncate(wanted - 1);
                desk.best.insert(place, here);
            }
        }
        let worst = if desk.best.len() == wanted { desk.best[wanted - 1] - reach.slack } else { f32::NEG_INFINITY };
        let full = if desk.pool.len() < breadth { None } else { desk.pool.last() };
        let floor = full.map_or(worst, |full| full.0.max(worst));
        let links = graph.links(row as usize);
        let query = BitQuery { offset: here, ..question.planes };
        desk.found.clear();
        kernel.bits(
            &BitRows { blocks: links, head_lines: HEAD_LINES, first: 0, far: false },
            &[0xff; BLOCKS],
            &query,
            floor,
            &mut desk.found,
        );
        for found in 0..desk.found.len() {
            let (score, link) = (desk.found.scores()[found], desk.found.rows()[found] as usize);
            let head: &[u32] = bytemuck::cast_slice(&links[link / BLOCK * block..][..HEAD_LINES * BLOCK]);
            let Some(row) = head[3 * BLOCK + link % BLOCK].checked_sub(1) else { continue };
            let full = desk.pool.len() >= breadth && desk.pool.last().is_some_and(|worst| score <= worst.0);
            if !full && desk.see(row) {
                at = at.min(desk.keep(score, row, breadth));
            }
        }
    }
    Ok(())
}
