//! Makes a graph. Rows come in an order of chance, in steps that grow, and each is linked to what a walk in the graph of
//! the rows before it finds. The last rows are asked for what is near them before they come in: so it is measured, with
//! questions that the graph does not know, how far walks must go.

use super::{
    BLOCKS, CENTRE_AT, Desk, Graph, HEAD_LINES, HEADS, HEADS_AT, LINKS, PLANES, Question, Reach, block_words,
    planes_of, walk, words,
};
use crate::{
    kernel::{BLOCK, Kernel},
    rotation::Random,
    segment::{Segment, Shape},
    vector::Distance,
};

/// Rows of the first step, which are compared with each other; each further step adds a quarter of the rows before it.
const FIRST: usize = 1_000;
const GROWTH: usize = 4;
/// Rows among which a walk looks for the links of a row.
const BREADTH: usize = 128;
/// Rows that come last and look for what is nearest to them, and how many they want.
const QUESTIONS: usize = 400;
const WANTED: usize = 10;
/// Of how many of the nearest a walk must find which share. More are looked for than are wanted, because rows may have
/// copies, which are nearer to them than anything is to a question. Measured with questions of people's making: with the
/// slack of this share 0.991 of the ten nearest among 100,000 sentences, 0.997 among 1,000,000 that are near copies.
const NEAREST: usize = 30;
const SHARE: f64 = 0.88;
/// Slacks that are tried, each a tenth more than the one before.
const SLACKS: i32 = 64;
const SLACK_GROWTH: f32 = 1.1;
/// Rows after which it is asked whether to give up.
const UNCHECKED: usize = 64;

/// A link: the square of the distance, and the row.
type Link = (f32, u32);

/// The words of a graph over a segment's rows; none when `give_up` said so.
pub fn grow(shape: &Shape, segment: &Segment, give_up: &dyn Fn() -> bool) -> Option<Vec<u64>> {
    let rows = segment.rows();
    let mut random = Random(!shape.seed);
    let mut order: Vec<u32> = (0..).take(rows).collect();
    for at in (1..rows).rev() {
        order.swap(at, random.below(at + 1));
    }
    let (known, asked) = order.split_at(rows - QUESTIONS.min(rows / 4));
    let mut growing = Growing::new(shape, segment, give_up)?;
    let mut done = FIRST.min(known.len());
    growing.begin(&known[..done], give_up)?;
    while done < known.len() {
        let end = known.len().min(done + (done / GROWTH).max(1));
        growing.step(&known[done..end], give_up)?;
        done = end;
    }
    let slack = growing.measure(known, asked, give_up)?;
    growing.step(asked, give_up)?;
    growing.set_slack(slack);
    Some(growing.words)
}

struct Growing<'a> {
    kernel: Kernel,
    distance: Distance,
    segment: &'a Segment,
    width: usize,
    /// The graph as it is written.
    words: Vec<u64>,
    /// Of each row, nearest first.
    links: Vec<Vec<Link>>,
    /// Rows less the segment's centre, rotated, in 8 bits, with the size of a step of each.
    turned: Vec<i8>,
    turned_scales: Vec<f32>,
    /// Squared lengths of the rows' 8-bit codes.
    squares: Vec<f32>,
    desk: Desk,
}

impl<'a> Growing<'a> {
    fn new(shape: &Shape, segment: &'a Segment, give_up: &dyn Fn() -> bool) -> Option<Self> {
        let (kernel, width, rows) = (shape.kernel, shape.width(), segment.rows());
        let mut words = vec![0; words(rows, width)];
        let (mut scratch, mut rotated) = (segment.centre().to_vec(), Vec::new());
        shape.rotation.apply(&mut scratch, &mut rotated);
        words[CENTRE_AT..CENTRE_AT + width / 2].copy_from_slice(bytemuck::cast_slice(&rotated));
        let (mut turned, mut turned_scales) = (vec![0; rows * width], Vec::with_capacity(rows));
        let vectors = segment.vectors().chunks_exact(width);
        for (row, (vector, turned)) in vectors.zip(turned.chunks_exact_mut(width)).enumerate() {
            if row % UNCHECKED == 0 && give_up() {
                return None;
            }
            scratch.clear();
            scratch.extend(vector.iter().zip(segment.centre()).map(|(value, centre)| value - centre));
            shape.rotation.apply(&mut scratch, &mut rotated);
            turned_scales.push(kernel.quantise(&rotated, turned));
        }
        let codes = segment.bytes(0).chunks_exact(width).zip(segment.scales(0));
        let squares = codes.take(rows).map(|(code, scale)| {
            let squares: i32 = code.iter().map(|byte| i32::from(step(*byte)) * i32::from(step(*byte))).sum();
            #[expect(clippy::cast_precision_loss, reason = "the square of a length")]
            let squares = squares as f32;
            squares * scale * scale
        });
        let squares = squares.collect();
        Some(Self {
            kernel,
            distance: shape.distance,
            segment,
            width,
            words,
            links: vec![Vec::new(); rows],
            turned,
            turned_scales,
            squares,
            desk: Desk::default(),
        })
    }

    /// Links the first rows, each compared with all others of them; walks begin at some of them.
    fn begin(&mut self, rows: &[u32], give_up: &dyn Fn() -> bool) -> Option<()> {
        let heads = &rows[..rows.len().min(HEADS)];
        let places: &mut [u32] = bytemuck::cast_slice_mut(&mut self.words[HEADS_AT..CENTRE_AT]);
        places[..heads.len()].copy_from_slice(heads);
        #[expect(clippy::cast_possible_truncation, reason = "at most HEADS")]
        let count = heads.len() as u32;
        self.words[0] = bytemuck::cast([0, count]);
        self.link(rows, give_up, |growing, row| {
            let near = growing.near(row);
            rows.iter().filter(|other| **other != row).map(|other| (near.distance(growing, *other), *other)).collect()
        })
    }

    /// Links rows to those that came before them.
    fn step(&mut self, rows: &[u32], give_up: &dyn Fn() -> bool) -> Option<()> {
        self.link(rows, give_up, |growing, row| {
            let near = growing.near(row);
            growing.walk(row, Reach { wanted: 1, slack: f32::INFINITY, breadth: BREADTH });
            growing.desk.reached.iter().map(|(_, other)| (near.distance(growing, *other), *other)).collect()
        })
    }

    /// Gives rows their links, from candidates, and those the links back.
    fn link(
        &mut self,
        rows: &[u32],
        give_up: &dyn Fn() -> bool,
        mut candidates: impl FnMut(&mut Self, u32) -> Vec<Link>,
    ) -> Option<()> {
        let mut back: Vec<(u32, Link)> = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            if at % UNCHECKED == 0 && give_up() {
                return None;
            }
            let mut found = candidates(self, *row);
            found.sort_unstable_by(nearer);
            let links = self.choose(&found, false);
            back.extend(links.iter().map(|(distance, to)| (*to, (*distance, *row))));
            self.links[*row as usize] = links;
        }
        back.sort_unstable_by_key(|(to, (_, from))| (*to, *from));
        let mut changed = rows.to_vec();
        for (at, group) in back.chunk_by(|a, b| a.0 == b.0).enumerate() {
            if at % UNCHECKED == 0 && give_up() {
                return None;
            }
            let to = group[0].0;
            let mut links = std::mem::take(&mut self.links[to as usize]);
            for (_, link) in group {
                if !links.iter().any(|known| known.1 == link.1) {
                    links.push(*link);
                }
            }
            links.sort_unstable_by(nearer);
            self.links[to as usize] = if links.len() > LINKS { self.choose(&links, true) } else { links };
            changed.push(to);
        }
        changed.sort_unstable();
        changed.dedup();
        for (at, row) in changed.into_iter().enumerate() {
            if at % UNCHECKED == 0 && give_up() {
                return None;
            }
            self.write(row as usize);
        }
        Some(())
    }

    /// Of rows, nearest first, those that are nearer to the row itself than to each one that was chosen before: so links go
    /// in different directions. With `fill` the nearest of the others after them.
    fn choose(&self, candidates: &[Link], fill: bool) -> Vec<Link> {
        let mut chosen: Vec<(Link, Near)> = Vec::with_capacity(LINKS);
        let mut others = Vec::new();
        for link in candidates {
            if chosen.len() == LINKS {
                break;
            }
            if chosen.iter().all(|(_, near)| link.0 <= near.distance(self, link.1)) {
                chosen.push((*link, self.near(link.1)));
            } else {
                others.push(*link);
            }
        }
        let mut links: Vec<Link> = chosen.into_iter().map(|(link, _)| link).collect();
        if fill {
            others.truncate(LINKS - links.len());
            links.extend(others);
            links.sort_unstable_by(nearer);
        }
        links
    }

    /// Writes the codes of the links that are new, over those that are gone.
    fn write(&mut self, row: usize) {
        let (width, block) = (self.width, block_words(self.width));
        let start = CENTRE_AT + width / 2 + row * BLOCKS * block;
        let blocks = &mut self.words[start..start + BLOCKS * block];
        let links = &self.links[row];
        let mut missing: Vec<u32> = links.iter().map(|link| link.1).collect();
        let mut free = Vec::with_capacity(LINKS);
        for place in 0..LINKS {
            let (head, lane) = (&mut blocks[place / BLOCK * block..][..HEAD_LINES * BLOCK], place % BLOCK);
            let number = bytemuck::cast_slice::<u64, u32>(head)[3 * BLOCK + lane];
            if let Some(known) = missing.iter().position(|link| link + 1 == number) {
                missing.swap_remove(known);
                continue;
            }
            free.push(place);
            let head: &mut [f32] = bytemuck::cast_slice_mut(head);
            (head[lane], head[BLOCK + lane], head[2 * BLOCK + lane]) = (0.0, 0.0, f32::NEG_INFINITY);
            head[3 * BLOCK + lane] = 0.0;
        }
        let here = turned(&self.turned, &self.turned_scales, width, row);
        let (mut rest, mut signs, mut words) = (vec![0.0; width], vec![0.0; width], vec![0; width / 64]);
        for (linked, place) in missing.into_iter().zip(free) {
            let there = turned(&self.turned, &self.turned_scales, width, linked as usize);
            for (((rest, sign), there), here) in rest.iter_mut().zip(&mut signs).zip(there).zip(&here) {
                *rest = there - here;
                *sign = if *rest > 0.0 { 1.0 } else { -1.0 };
            }
            self.kernel.signs(&rest, &mut words);
            let squares = self.kernel.dot(&rest, &rest);
            let sum = self.kernel.dot(&rest, &signs);
            let factor = if sum > 0.0 { squares / sum } else { 0.0 };
            let (block, lane) = (&mut blocks[place / BLOCK * block..][..block], place % BLOCK);
            let (head, codes) = block.split_at_mut(HEAD_LINES * BLOCK);
            bytemuck::cast_slice_mut::<u64, u32>(head)[3 * BLOCK + lane] = linked + 1;
            let head: &mut [f32] = bytemuck::cast_slice_mut(head);
            head[lane] = factor;
            #[expect(clippy::cast_precision_loss, reason = "at most the dimension")]
            let surplus = 2.0 * words.iter().map(|word| word.count_ones()).sum::<u32>() as f32 - width as f32;
            head[BLOCK + lane] = factor * surplus;
            // The question's product with the code is that of its difference to this row, and this row's own. What the
            // scores of both rows differ by otherwise is half the square of their distance, whatever the distance.
            head[2 * BLOCK + lane] = -0.5 * squares - factor * self.kernel.dot(&here, &signs);
            for (line, word) in codes.chunks_exact_mut(BLOCK).zip(&words) {
                line[lane] = *word;
            }
        }
    }

    /// Walks to a row that is not in the graph yet.
    fn walk(&mut self, row: u32, reach: Reach) {
        let Some(graph) = Graph::of(&self.words, self.width) else { return };
        let (kernel, row) = (self.kernel, row as usize);
        let vector = &self.segment.vectors()[row * self.width..(row + 1) * self.width];
        let centre = self.segment.centre();
        let (mut bytes, mut planes) = (vec![0; self.width], vec![0; self.width / 64 * PLANES]);
        let (scale, offset) = if self.distance == Distance::Euclidean {
            let centred: Vec<f32> = vector.iter().zip(centre).map(|(value, centre)| value - centre).collect();
            (kernel.quantise(&centred, &mut bytes), 0.0)
        } else {
            (kernel.quantise(vector, &mut bytes), kernel.dot(vector, centre))
        };
        let question = Question {
            scale,
            correction: 128 * bytes.iter().map(|step| i32::from(*step)).sum::<i32>(),
            offset,
            planes: planes_of(kernel, &turned(&self.turned, &self.turned_scales, self.width, row), &mut planes),
            bytes: &bytes,
        };
        let mut desk = std::mem::take(&mut self.desk);
        // Nothing stops it.
        let _ = walk((kernel, self.segment, &graph), &question, reach, |_| true, || Ok(()), &mut desk);
        self.desk = desk;
    }

    /// The least slack with which walks find what is near rows that are not in the graph yet.
    fn measure(&mut self, known: &[u32], asked: &[u32], give_up: &dyn Fn() -> bool) -> Option<f32> {
        let nearest = NEAREST.min(known.len());
        let mut questions = Vec::with_capacity(asked.len());
        let (mut spread, mut wanted) = (0.0, 0);
        for row in asked {
            if give_up() {
                return None;
            }
            let near = self.near(*row);
            let mut distances: Vec<f32> = known.iter().map(|other| near.distance(self, *other)).collect();
            let (few, last, _) = distances.select_nth_unstable_by(nearest - 1, f32::total_cmp);
            let first = few.iter().copied().fold(*last, f32::min);
            spread += 0.5 * (*last - first);
            wanted += nearest;
            questions.push((*row, near, *last));
        }
        if wanted == 0 || spread == 0.0 {
            return Some(f32::INFINITY);
        }
        #[expect(clippy::cast_precision_loss, reason = "a mean")]
        let least = spread / asked.len() as f32 / 16.0;
        for times in 0..SLACKS {
            let slack = least * SLACK_GROWTH.powi(times);
            let mut found = 0;
            for (row, near, last) in &questions {
                if give_up() {
                    return None;
                }
                self.walk(*row, Reach::slack(WANTED, slack));
                let hits = self.desk.reached.iter().filter(|(_, other)| near.distance(self, *other) <= *last);
                found += hits.count().min(nearest);
            }
            #[expect(clippy::cast_precision_loss, reason = "a share")]
            let share = found as f64 / wanted as f64;
            if share >= SHARE {
                return Some(slack);
            }
        }
        Some(f32::INFINITY)
    }

    fn set_slack(&mut self, slack: f32) {
        let [_, count]: [u32; 2] = bytemuck::cast(self.words[0]);
        self.words[0] = bytemuck::cast([slack.to_bits(), count]);
    }

    fn near(&self, row: u32) -> Near {
        let row = row as usize;
        let code = &self.segment.bytes(0)[row * self.width..(row + 1) * self.width];
        let steps: Vec<i8> = code.iter().map(|byte| step(*byte)).collect();
        let correction = 128 * steps.iter().map(|step| i32::from(*step)).sum::<i32>();
        Near { steps, correction, scale: self.segment.scales(0)[row], square: self.squares[row] }
    }
}

/// A row, ready to be compared with others by their 8-bit codes.
struct Near {
    steps: Vec<i8>,
    correction: i32,
    scale: f32,
    square: f32,
}

impl Near {
    /// The square of the distance.
    #[expect(clippy::cast_precision_loss, reason = "as the kernel does")]
    fn distance(&self, growing: &Growing<'_>, row: u32) -> f32 {
        let row = row as usize;
        let code = &growing.segment.bytes(0)[row * growing.width..(row + 1) * growing.width];
        let product = (growing.kernel.byte_dot(code, &self.steps) - self.correction) as f32;
        self.square + growing.squares[row] - 2.0 * product * self.scale * growing.segment.scales(0)[row]
    }
}

/// Nearest first, equals by their number.
fn nearer(a: &Link, b: &Link) -> std::cmp::Ordering {
    a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
}

/// A value of an 8-bit code.
fn step(byte: u8) -> i8 {
    (byte ^ 0x80).cast_signed()
}

fn turned(codes: &[i8], scales: &[f32], width: usize, row: usize) -> Vec<f32> {
    codes[row * width..(row + 1) * width].iter().map(|step| f32::from(*step) * scales[row]).collect()
}
