//! Keeping an index in few, large segments.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError},
};

use super::{Index, IndexError};
use crate::{
    files::{write_linked_segment, write_segment},
    graph, lists,
    segment::{Segment, Source, build},
    snapshot::{Part, Store},
};

/// Segments of about one size are merged when there are so many.
const MERGE_MIN: usize = 4;
/// A segment is about the size of another that is less than so many times larger.
const MERGE_RATIO: usize = 4;
/// The part of the rows that may lie outside the largest segment of a quiet index.
const TIDY_SHARE: usize = 8;

impl Index {
    /// Does the next piece of upkeep, if there is any: makes a segment of the tail when it has `seal_rows`, or one of
    /// several segments of about one size, or of one that is a quarter dead. True when there may be more to do.
    ///
    /// Blocks for as long as that takes, but searches not at all, and writes only at its beginning and end, while files
    /// change their names: so call it from a thread of its own, and hold no lock of yours that searches or writes wait
    /// for. An [`Index`] is shared as it is:
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use vector_index::{Config, Distance, Index, IndexError};
    /// let index = Arc::new(Index::in_memory(Config::new(2, Distance::Cosine))?);
    /// // After a write:
    /// if index.wants_compaction() {
    ///     let index = Arc::clone(&index);
    ///     std::thread::spawn(move || -> Result<(), IndexError> {
    ///         while index.compact()? {}
    ///         Ok(())
    ///     });
    /// }
    /// # Ok::<(), IndexError>(())
    /// ```
    /// Two at once do no harm: the second waits for the first, except for a tail that is full. What is written meanwhile is
    /// in the tail, or taken out of the new segment at the end. While several segments become one, which may take seconds,
    /// the tail grows, and searches look through all of it: who writes much can [`seal`](Self::seal) it.
    ///
    /// # Errors
    /// As [`IndexError`] says; the index is as it was then.
    pub fn compact(&self) -> Result<bool, IndexError> {
        Ok(self.seal()? || self.compact_once(Piece::Alike)?)
    }

    /// Makes a segment of the tail when it has `seal_rows`: the more urgent part of [`compact`](Self::compact), which waits
    /// for no other piece of upkeep but [`compact_fully`](Self::compact_fully). True when it did. Takes some milliseconds
    /// for a thousand rows, in which searches and writes go on.
    ///
    /// # Errors
    /// As [`IndexError`] says; the index is as it was then.
    pub fn seal(&self) -> Result<bool, IndexError> {
        let _one = self.sealing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = self.writer();
        if writer.tail_rows() < self.config.seal_rows.max(1) {
            return Ok(false);
        }
        let pages = writer.pages.clone();
        let logs_from = writer.freeze_tail()?;
        let file = writer.new_segment();
        drop(writer);
        self.make(&pages, logs_from, file)
    }

    /// Puts an index in order that nobody writes to for a while, so that it is searched fastest: makes one segment of all,
    /// where more than an eighth of the rows are outside the largest; else gives a segment with lists a graph, which takes
    /// some 60 us a row and about as much room as its vectors. True when it did one of both: there may be more to do.
    /// Blocks as [`compact`](Self::compact) does, which waits meanwhile: so a graph is given up when the tail has
    /// `seal_rows`, or when `give_up` says so, which is asked every few milliseconds.
    ///
    /// # Errors
    /// As [`IndexError`] says; the index is as it was then.
    pub fn tidy(&self, give_up: &dyn Fn() -> bool) -> Result<bool, IndexError> {
        Ok(self.compact_once(Piece::Quiet)? || self.link(give_up)?)
    }

    /// Makes one segment of everything. As [`compact`](Self::compact) otherwise.
    ///
    /// # Errors
    /// As [`IndexError`] says; the index is as it was then.
    pub fn compact_fully(&self) -> Result<(), IndexError> {
        self.compact_once(Piece::All).map(|_| ())
    }

    /// True when [`compact`](Self::compact) would find something to do. Cheap, and waits for no compaction.
    pub fn wants_compaction(&self) -> bool {
        let writer = self.writer();
        if writer.tail_rows() >= self.config.seal_rows.max(1) {
            return true;
        }
        let parts = worth_merging(&writer.segments);
        !parts.is_empty() && !is_whole(&parts)
    }

    fn compact_once(&self, piece: Piece) -> Result<bool, IndexError> {
        let _one = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let _all = (piece == Piece::All).then(|| self.sealing.lock().unwrap_or_else(PoisonError::into_inner));
        let (parts, logs_from, file) = {
            let mut writer = self.writer();
            let mut parts = match piece {
                Piece::All => writer.segments.clone(),
                Piece::Alike => worth_merging(&writer.segments),
                Piece::Quiet => worth_tidying(&writer.segments),
            };
            let mut logs_from = 0;
            if piece == Piece::All && writer.tail_rows() > 0 {
                parts.extend_from_slice(&writer.pages);
                logs_from = writer.freeze_tail()?;
            }
            if parts.is_empty() || is_whole(&parts) {
                return Ok(false);
            }
            (parts, logs_from, writer.new_segment())
        };
        self.make(&parts, logs_from, file)
    }

    /// Makes a segment of these parts and puts it in their place.
    fn make(&self, parts: &[Part], logs_from: u64, file: Option<(PathBuf, u64)>) -> Result<bool, IndexError> {
        let mut segment = self.merge(parts)?;
        if let (Some(made), Some((path, number))) = (&segment, file) {
            segment = Some(write_segment(&path, number, made)?);
        }
        let mut writer = self.writer();
        let replaced = writer.replace(parts, segment.map(Arc::new), logs_from);
        self.current.store(Arc::new(writer.snapshot()));
        Ok(replaced.map(|()| true)?)
    }

    /// Gives a segment a graph.
    fn link(&self, give_up: &dyn Fn() -> bool) -> Result<bool, IndexError> {
        let _one = self.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let (segment, file) = {
            let mut writer = self.writer();
            let Some(segment) = writer.segments.iter().find_map(|part| self.worth_linking(&part.store)) else {
                return Ok(false);
            };
            (segment, writer.new_segment())
        };
        let give_up = || give_up() || self.writer().tail_rows() >= self.config.seal_rows.max(1);
        let Some(words) = graph::grow(&self.shape, &segment, &give_up) else { return Ok(false) };
        let linked = match file {
            Some((path, number)) => write_linked_segment(&path, number, &segment, &words)?,
            None => segment.with_graph(&words)?,
        };
        drop(words);
        let mut writer = self.writer();
        let replaced = writer.exchange(&segment, Arc::new(linked));
        self.current.store(Arc::new(writer.snapshot()));
        Ok(replaced.map(|()| true)?)
    }

    /// A segment that is large enough for lists is so for a graph.
    fn worth_linking(&self, store: &Store) -> Option<Arc<Segment>> {
        let Store::Segment(segment) = store else { return None };
        let header = segment.header();
        let fits = graph::words(header.rows, header.width()).saturating_mul(8) <= self.config.graph_bytes_max;
        let worth = header.lists > 1 && graph::serves(header.distance) && fits && segment.graph().is_none();
        worth.then(|| Arc::clone(segment))
    }

    /// A segment of what is alive in these parts.
    fn merge(&self, parts: &[Part]) -> Result<Option<Segment>, IndexError> {
        let rows = parts.iter().flat_map(|part| {
            let alive = (0..part.store.rows()).filter(|row| part.live.get(*row));
            alive.map(|row| Source {
                id: part.store.id(row),
                tenant: part.store.tenant(row),
                payload: part.store.payload(row),
                vector: part.store.vector(row),
            })
        });
        let rows: Vec<Source<'_>> = rows.collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let lists = lists::part(&self.shape, &rows, self.config.list_rows);
        let parted = lists.is_some();
        let segment = build(&self.shape, rows, lists)?;
        Ok(Some(if parted { lists::measure(segment, &self.shape)? } else { segment }))
    }
}

/// What of the upkeep is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    Alike,
    Quiet,
    All,
}

/// All segments, when the largest has less than its part of the rows.
fn worth_tidying(segments: &[Part]) -> Vec<Part> {
    let counts = || segments.iter().map(|part| part.live.count());
    let (all, largest) = (counts().sum::<usize>(), counts().max().unwrap_or_default());
    if segments.len() > 1 && all - largest > all / TIDY_SHARE { segments.to_vec() } else { Vec::new() }
}

/// True for one segment without dead rows, which is as it should be.
fn is_whole(parts: &[Part]) -> bool {
    matches!(parts, [part @ Part { store: Store::Segment(_), .. }] if part.live.count() == part.store.rows())
}

/// The segments that should become one: small ones of about one size, or one with many dead rows.
fn worth_merging(segments: &[Part]) -> Vec<Part> {
    let mut by_size: Vec<&Part> = segments.iter().collect();
    by_size.sort_by_key(|part| part.live.count());
    for (at, smallest) in by_size.iter().enumerate() {
        let limit = smallest.live.count().max(1) * MERGE_RATIO;
        let alike = by_size[at..].iter().take_while(|part| part.live.count() < limit);
        let alike: Vec<Part> = alike.map(|part| Part::clone(part)).collect();
        if alike.len() >= MERGE_MIN {
            return alike;
        }
    }
    let dead = segments.iter().find(|part| part.live.count() < part.store.rows() / 4 * 3);
    dead.into_iter().cloned().collect()
}
