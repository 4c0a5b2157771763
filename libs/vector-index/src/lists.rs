//! Lists of rows around centres, so that a search of many rows looks at the lists near it only.
//!
//! Centres come from k-means over a sample. How far behind the nearest centre the centre of a list may be, for the list
//! to be looked at, is measured when the segment is made: so that rows of it, asked for what is near them, find enough.

use std::{collections::HashMap, sync::Arc};

use crate::{
    kernel::{BLOCK, ByteQuery, ByteRows, Found, Kernel},
    live::Live,
    rotation::Random,
    search::Search,
    segment::{ByteCode, Segment, SegmentError, Shape, Source},
    snapshot::{Part, Snapshot, Store},
    vector::Distance,
};

/// Most that a search may want for the lists to serve it: what they were measured with.
pub const WANTED_MAX: usize = 50;
/// Lists for each row of the square root of the rows. Measured among 100,000 sentences, with the least reach that finds
/// 0.99 of the ten nearest: questions look at 42 % of the rows with as many lists as the root, at 22 % with three times
/// as many. With the reach that is measured here, which does not know the questions, it is 40 %.
const LISTS: usize = 3;
/// Rows sampled for each list, and how often the centres are moved.
const SAMPLE: usize = 24;
const ROUNDS: usize = 4;
/// Groups of centres that are looked at for the nearest one, and how often they are moved.
const GROUPS_NEAR: usize = 4;
const GROUP_ROUNDS: usize = 4;
/// Rows that the reach is measured with, how many of the nearest each looks for, and the share of them to be found.
/// Copies of a row are nearer to it than anything is to a question, so more are looked for than people ask for.
/// Measured: 0.993 of the ten nearest to held-out questions among 100,000 sentences.
const QUESTIONS: usize = 400;
const NEAREST: usize = 100;
const SHARE: f64 = 0.98;

/// Centres, and the list of each row.
#[derive(Debug)]
pub struct Lists {
    /// Centre after centre. The last list holds rows of tenants that are too small to be parted.
    pub centres: Vec<f32>,
    pub of_rows: Vec<u32>,
}

/// Parts rows into lists; none where that does not pay.
pub fn part(shape: &Shape, rows: &[Source<'_>], rows_min: usize) -> Option<Lists> {
    let mut tenants = HashMap::<u32, usize>::new();
    for row in rows {
        *tenants.entry(row.tenant).or_default() += 1;
    }
    // Rows of smaller tenants lie together, in a last list of their own.
    tenants.retain(|_, count| *count >= rows_min.max(2));
    let parted: usize = tenants.values().sum();
    if parted == 0 {
        return None;
    }
    let members: Vec<usize> = (0..rows.len()).filter(|row| tenants.contains_key(&rows[*row].tenant)).collect();
    let count = LISTS * parted.isqrt();
    let width = shape.width();
    let mut random = Random(shape.seed);
    let sample: Vec<&[f32]> =
        (0..(SAMPLE * count).min(parted)).map(|_| rows[members[random.below(parted)]].vector).collect();
    let mut centres: Vec<f32> = sample.iter().take(count).flat_map(|row| row.iter().copied()).collect();
    for _ in 0..ROUNDS {
        let near = Grouped::new(shape.kernel, &centres, width);
        let (mut sums, mut desk) = (Means::new(count, width), Desk::new(width, count));
        for row in &sample {
            sums.add(near.nearest(shape.kernel, row, &mut desk), row);
        }
        // A centre that nobody is near starts anew at some row.
        sums.into_centres(&mut centres, || sample[random.below(sample.len())]);
    }
    let near = Grouped::new(shape.kernel, &centres, width);
    // Lists of one group lie together, so that those near a question are often neighbours.
    let mut number_of = vec![0; count];
    near.members.iter().flat_map(|(_, members)| members).enumerate().for_each(|(number, at)| number_of[*at] = number);
    let (mut sums, mut desk) = (Means::new(count + 1, width), Desk::new(width, count));
    let last = u32::try_from(count).unwrap_or(u32::MAX);
    let mut of_rows = vec![last; rows.len()];
    for (row, list) in rows.iter().zip(&mut of_rows) {
        if tenants.contains_key(&row.tenant) {
            let nearest = number_of[near.nearest(shape.kernel, row.vector, &mut desk)];
            *list = u32::try_from(nearest).unwrap_or(last);
        }
        sums.add(*list as usize, row.vector);
    }
    centres.resize((count + 1) * width, 0.0);
    let zeros = vec![0.0; width];
    sums.into_centres(&mut centres, || &zeros);
    Some(Lists { centres, of_rows })
}

/// Measures how far behind the nearest centre lists must be looked at, and writes it into the segment.
pub fn measure(segment: Segment, shape: &Arc<Shape>) -> Result<Segment, SegmentError> {
    let rows = segment.rows();
    let segment = Arc::new(segment);
    let part = Part { store: Store::Segment(Arc::clone(&segment)), live: Live::all(rows) };
    let snapshot = Snapshot::new(Arc::clone(shape), 0, vec![part]);
    let runs: Vec<_> = segment.runs().collect();
    let list_of = |row: usize| {
        let run = runs.partition_point(|run| run.end as usize <= row);
        runs.get(run).map_or(0, |run| run.list as usize)
    };
    let mut random = Random(!shape.seed);
    let mut gaps = Vec::new();
    let width = shape.width();
    for _ in 0..QUESTIONS {
        let row = random.below(rows);
        let question = &segment.vectors()[row * width..(row + 1) * width];
        let behind = segment.near(shape.kernel).centres(shape, question).behind;
        // Its reach is endless yet, so all lists are scanned. The nearest of all is the row itself.
        let Ok(hits) = snapshot.search_rows(&Search::new(&question[..shape.dimension], NEAREST + 1)) else { continue };
        gaps.extend(hits.into_iter().skip(1).map(|row| behind.get(list_of(row)).copied().unwrap_or_default()));
    }
    gaps.sort_by(f32::total_cmp);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
    let reach = gaps.get((gaps.len() as f64 * SHARE) as usize).copied().unwrap_or(f32::INFINITY);
    drop(snapshot);
    match Arc::try_unwrap(segment) {
        Ok(segment) => Ok(segment.with_reach(reach)),
        Err(_) => Err(SegmentError::Damaged("lists")),
    }
}

/// Sums of rows by list.
struct Means {
    sums: Vec<f32>,
    counts: Vec<u32>,
    width: usize,
}

impl Means {
    fn new(lists: usize, width: usize) -> Self {
        Self { sums: vec![0.0; lists * width], counts: vec![0; lists], width }
    }

    fn add(&mut self, list: usize, row: &[f32]) {
        self.counts[list] += 1;
        for (sum, value) in self.sums[list * self.width..(list + 1) * self.width].iter_mut().zip(row) {
            *sum += value;
        }
    }

    fn into_centres<'a>(self, centres: &mut [f32], mut none: impl FnMut() -> &'a [f32]) {
        let lists = centres.chunks_exact_mut(self.width).zip(self.sums.chunks_exact(self.width)).zip(self.counts);
        for ((centre, sums), count) in lists {
            if count == 0 {
                centre.copy_from_slice(none());
                continue;
            }
            #[expect(clippy::cast_precision_loss, reason = "a mean")]
            let share = 1.0 / count as f32;
            for (value, sum) in centre.iter_mut().zip(sums) {
                *value = sum * share;
            }
        }
    }
}

/// A row that is compared with centres, and their scores.
struct Desk {
    code: Vec<i8>,
    scale: f32,
    correction: i32,
    scores: Found,
}

impl Desk {
    fn new(width: usize, lists: usize) -> Self {
        Self { code: vec![0; width], scale: 0.0, correction: 0, scores: Found::new(lists) }
    }

    fn lay(&mut self, kernel: Kernel, row: &[f32]) {
        self.scale = kernel.quantise(row, &mut self.code);
        self.correction = 128 * self.code.iter().map(|step| i32::from(*step)).sum::<i32>();
    }

    fn best(&self) -> (usize, f32) {
        let best = self.scores.scores().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        (self.scores.scores().iter().position(|score| *score == best).unwrap_or_default(), best)
    }
}

/// Centres in groups of near ones, so that the nearest is found among those of a few groups; nearly always the nearest.
struct Grouped {
    groups: Near,
    members: Vec<(Near, Vec<usize>)>,
}

impl Grouped {
    fn new(kernel: Kernel, centres: &[f32], width: usize) -> Self {
        let count = centres.len() / width;
        let centre = |at: usize| &centres[at * width..(at + 1) * width];
        let groups = count.isqrt();
        let mut heads: Vec<f32> = (0..groups).flat_map(|group| centre(group * count / groups)).copied().collect();
        let mut desk = Desk::new(width, groups);
        let mut members = vec![Vec::new(); groups];
        for _ in 0..GROUP_ROUNDS {
            let near = Near::plain(kernel, &heads, width);
            let mut sums = Means::new(groups, width);
            members = vec![Vec::new(); groups];
            for at in 0..count {
                desk.lay(kernel, centre(at));
                near.score(kernel, &mut desk);
                let group = desk.best().0;
                sums.add(group, centre(at));
                members[group].push(at);
            }
            sums.into_centres(&mut heads, || centre(0));
        }
        let members = members.into_iter().filter(|members| !members.is_empty()).map(|members| {
            let centres: Vec<f32> = members.iter().flat_map(|at| centre(*at)).copied().collect();
            (Near::plain(kernel, &centres, width), members)
        });
        let members: Vec<(Near, Vec<usize>)> = members.collect();
        let heads: Vec<f32> = members
            .iter()
            .flat_map(|(_, members)| {
                let mut sums = Means::new(1, width);
                members.iter().for_each(|at| sums.add(0, centre(*at)));
                let mut head = vec![0.0; width];
                sums.into_centres(&mut head, || centre(0));
                head
            })
            .collect();
        Self { groups: Near::plain(kernel, &heads, width), members }
    }

    fn nearest(&self, kernel: Kernel, row: &[f32], desk: &mut Desk) -> usize {
        desk.lay(kernel, row);
        self.groups.score(kernel, desk);
        let mut groups: Vec<(f32, usize)> = desk.scores.scores().iter().copied().zip(0..).collect();
        let few = groups.len().min(GROUPS_NEAR);
        if few < groups.len() {
            groups.select_nth_unstable_by(few, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        }
        let mut nearest = (f32::NEG_INFINITY, 0);
        for (_, group) in &groups[..few] {
            let (near, members) = &self.members[*group];
            near.score(kernel, desk);
            let (at, score) = desk.best();
            if score > nearest.0 {
                nearest = (score, members[at]);
            }
        }
        nearest.1
    }
}

/// Centres in 8 bits, to find the nearest.
#[derive(Debug)]
pub struct Near {
    lists: usize,
    bytes: Vec<u8>,
    scales: Vec<f32>,
    biases: Vec<f32>,
    /// What scores are multiplied with, for the inner product.
    lengths: Vec<f32>,
    masks: Vec<u8>,
}

impl Near {
    /// `weigh` gives what a centre's products are multiplied with and what is added, from its squared length.
    fn new(kernel: Kernel, centres: &[f32], width: usize, weigh: impl Fn(f32) -> (f32, f32)) -> Self {
        let lists = centres.len() / width;
        let whole = lists.next_multiple_of(BLOCK);
        let mut near = Self {
            lists,
            bytes: vec![0x80; whole * width],
            scales: vec![0.0; whole],
            biases: vec![0.0; whole],
            lengths: vec![0.0; lists],
            masks: vec![0xff; whole / BLOCK],
        };
        if let Some(last) = near.masks.last_mut().filter(|_| whole > lists) {
            *last = 0xff >> (whole - lists);
        }
        let (mut code, zeros) = (ByteCode::new(width), vec![0.0; width]);
        for (list, centre) in centres.chunks_exact(width).enumerate() {
            code.encode(kernel, centre, &zeros);
            near.bytes[list * width..(list + 1) * width].copy_from_slice(&code.bytes);
            let (times, plus) = weigh(kernel.dot(centre, centre));
            near.scales[list] = code.scale * times;
            near.biases[list] = plus;
            near.lengths[list] = if times > 0.0 { times.recip() } else { 0.0 };
        }
        near
    }

    /// By the Euclidean distance.
    fn plain(kernel: Kernel, centres: &[f32], width: usize) -> Self {
        Self::new(kernel, centres, width, |square| (1.0, -0.5 * square))
    }

    /// For the lists of a segment, whose last is the one of small tenants.
    pub fn of(kernel: Kernel, distance: Distance, centres: &[f32], width: usize) -> Self {
        Self::new(kernel, centres, width, |square| match distance {
            // Lists of unlike density have centres of unlike length.
            Distance::Cosine => (if square > 0.0 { square.sqrt().recip() } else { 0.0 }, 0.0),
            Distance::InnerProduct => (1.0, 0.0),
            Distance::Euclidean => (1.0, -0.5 * square),
        })
    }

    fn score(&self, kernel: Kernel, desk: &mut Desk) {
        let query = ByteQuery { values: &desk.code, scale: desk.scale, correction: desk.correction, offset: 0.0 };
        let rows = ByteRows { values: &self.bytes, scales: &self.scales, biases: &self.biases, first: 0 };
        desk.scores.clear();
        kernel.bytes(&rows, &self.masks, &query, f32::NEG_INFINITY, &mut desk.scores);
    }

    /// How a question lies to the centres.
    pub fn centres(&self, shape: &Shape, query: &[f32]) -> Centres {
        let mut desk = Desk::new(query.len(), self.lists);
        desk.lay(shape.kernel, query);
        self.score(shape.kernel, &mut desk);
        let (_, parted) = desk.scores.scores().split_last().unwrap_or((&0.0, &[]));
        let best = parted.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let length = shape.kernel.dot(query, query).sqrt();
        let unit = if shape.distance == Distance::Euclidean || length == 0.0 { 1.0 } else { length.recip() };
        let behind = parted.iter().map(|score| (best - score) * unit).chain([0.0]).collect();
        let products = desk.scores.scores().iter().zip(&self.lengths).map(|(score, length)| score * length).collect();
        Centres { behind, products }
    }
}

/// How a question lies to the centres of lists.
pub struct Centres {
    /// How far behind the nearest centre each centre is. The last list is always near.
    pub behind: Vec<f32>,
    /// Inner products with the centres, from codes of 8 bits; of no use under the Euclidean distance.
    pub products: Vec<f32>,
}
