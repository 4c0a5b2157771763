//! The one who changes an index.

use std::{collections::HashMap, sync::Arc};

use super::{IndexError, POINTS_MAX};
use crate::{
    files::{self, Change, FileError, Files, Listed, Manifest},
    live::Live,
    page::Page,
    segment::{ByteCode, Segment, SegmentError, Shape},
    snapshot::{Part, Point, Snapshot, Store},
};

/// The parts of an index, with what is needed to change them.
#[derive(Debug)]
pub struct Writer {
    shape: Arc<Shape>,
    pub segments: Vec<Part>,
    pub pages: Vec<Part>,
    /// Number of the first of `pages`, when all pages that ever were are counted.
    first_page: u64,
    /// Page and row of each living point of the tail.
    tail: HashMap<Arc<str>, (u64, u32)>,
    version: u64,
    code: ByteCode,
    files: Option<Files>,
}

impl Writer {
    pub fn new(shape: Arc<Shape>) -> Self {
        Self {
            code: ByteCode::new(shape.width()),
            shape,
            segments: Vec::new(),
            pages: Vec::new(),
            first_page: 0,
            tail: HashMap::new(),
            version: 0,
            files: None,
        }
    }

    /// With what the files say.
    pub fn open(shape: Arc<Shape>, mut files: Files, manifest: Option<&Manifest>) -> Result<Self, FileError> {
        let mut writer = Self::new(shape);
        for listed in manifest.iter().flat_map(|manifest| &manifest.segments) {
            let segment = files.segment(listed.number)?;
            let header = segment.header();
            let same = header.dimension == writer.shape.dimension
                && header.distance == writer.shape.distance
                && header.seed == writer.shape.seed
                && segment.rows() == listed.rows as usize;
            if !same {
                let path = files.segment_path(listed.number);
                return Err(FileError::Segment { path, reason: SegmentError::OtherIndex });
            }
            let mut live = Live::all(segment.rows());
            for row in &listed.dead {
                live.set(*row as usize, false);
            }
            writer.segments.push(Part { store: Store::Segment(Arc::new(segment)), live });
        }
        match manifest {
            Some(_) => files.replay(writer.shape.dimension, |change| writer.apply(change))?,
            None => {
                writer.files = Some(files);
                writer.write_manifest()?;
                return Ok(writer);
            }
        }
        writer.files = Some(files);
        Ok(writer)
    }

    /// Makes a change that the log says; none where it cannot be.
    fn apply(&mut self, change: Change) -> Option<()> {
        match change {
            Change::Upsert { id, tenant, payload, vector } => {
                let prepared = crate::vector::prepare(&vector, self.shape.dimension, self.shape.distance).ok()?;
                self.kill(&id);
                self.push(&Point { id: &id, tenant, payload: &payload, vector: &vector }, &prepared);
            }
            Change::Remove(id) => {
                self.kill(&id);
            }
        }
        Some(())
    }

    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    pub fn snapshot(&self) -> Snapshot {
        let parts = self.segments.iter().chain(&self.pages).cloned().collect();
        Snapshot::new(Arc::clone(&self.shape), self.version, parts)
    }

    /// Rows of the tail, living or not.
    pub fn tail_rows(&self) -> usize {
        self.pages.iter().map(|page| page.store.rows()).sum()
    }

    fn rows(&self) -> usize {
        self.segments.iter().map(|part| part.store.rows()).sum::<usize>() + self.tail_rows()
    }

    /// `prepared` are the points' vectors.
    pub fn upsert(&mut self, points: &[Point<'_>], prepared: &[Vec<f32>]) -> Result<usize, IndexError> {
        if self.rows() + points.len() > POINTS_MAX {
            return Err(IndexError::Full);
        }
        if self.files.is_some() {
            self.log(&files::upserts(points))?;
        }
        let mut new = 0;
        for (point, vector) in points.iter().zip(prepared) {
            new += usize::from(!self.kill(point.id));
            self.push(point, vector);
        }
        self.version += 1;
        Ok(new)
    }

    pub fn remove(&mut self, ids: &[&str]) -> Result<usize, IndexError> {
        if self.files.is_some() {
            let there: Vec<&str> = ids.iter().copied().filter(|id| self.contains(id)).collect();
            self.log(&files::removals(&there))?;
        }
        let removed = ids.iter().filter(|id| self.kill(id)).count();
        self.version += u64::from(removed > 0);
        Ok(removed)
    }

    fn log(&mut self, record: &[u8]) -> Result<(), IndexError> {
        if record.len() > files::RECORD_BYTES_MAX {
            return Err(IndexError::Batch(record.len()));
        }
        match &mut self.files {
            Some(files) if !record.is_empty() => Ok(files.append(record)?),
            _ => Ok(()),
        }
    }

    fn push(&mut self, point: &Point<'_>, vector: &[f32]) {
        let full = |part: &Part| matches!(&part.store, Store::Page(page) if page.is_full());
        if self.pages.last().is_none_or(full) {
            self.start_page();
        }
        let number = self.first_page + self.pages.len() as u64 - 1;
        let Some(Part { store: Store::Page(page), live }) = self.pages.last_mut() else { return };
        let id: Arc<str> = point.id.into();
        let row = page.rows();
        let words = (Arc::clone(&id), point.tenant, Arc::from(point.payload));
        Arc::make_mut(page).push(&self.shape, &mut self.code, words, vector);
        live.set(row, true);
        self.tail.insert(id, (number, u32::try_from(row).unwrap_or(u32::MAX)));
    }

    /// What comes next goes into a new page.
    pub fn start_page(&mut self) {
        let page = Page::new(self.shape.width());
        self.pages.push(Part { store: Store::Page(Arc::new(page)), live: Live::all(0) });
    }

    fn contains(&self, id: &str) -> bool {
        self.tail.contains_key(id) || self.segments.iter().any(|part| part.store.find(id, &part.live).is_some())
    }

    /// Takes a point's row out; false when there is none.
    fn kill(&mut self, id: &str) -> bool {
        if let Some((page, row)) = self.tail.remove(id) {
            let at = usize::try_from(page - self.first_page).unwrap_or(usize::MAX);
            if let Some(part) = self.pages.get_mut(at) {
                part.live.set(row as usize, false);
            }
            return true;
        }
        for part in self.segments.iter_mut().rev() {
            if let Some(row) = part.store.find(id, &part.live) {
                part.live.set(row, false);
                return true;
            }
        }
        false
    }

    /// Makes the tail ready to be sealed: what comes next goes into a new page and a new log. Gives the log's number.
    pub fn freeze_tail(&mut self) -> Result<u64, FileError> {
        let Some(files) = &mut self.files else {
            self.start_page();
            return Ok(0);
        };
        files.rotate()?;
        let number = files.log_number();
        self.start_page();
        self.write_manifest()?;
        Ok(number)
    }

    /// The path and number of a new segment's file; none without files.
    pub fn new_segment(&mut self) -> Option<(std::path::PathBuf, u64)> {
        let files = self.files.as_mut()?;
        let number = files.take_number();
        Some((files.segment_path(number), number))
    }

    fn write_manifest(&mut self) -> Result<(), FileError> {
        let Some(files) = &mut self.files else { return Ok(()) };
        let segments = self.segments.iter().filter_map(|part| {
            let Store::Segment(segment) = &part.store else { return None };
            let narrow = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
            let dead = part.live.dead(segment.rows()).map(narrow).collect();
            Some(Listed { number: segment.number, rows: narrow(segment.rows()), dead })
        });
        let manifest = Manifest {
            distance: self.shape.distance,
            dimension: self.shape.dimension,
            seed: self.shape.seed,
            next_number: files.next_number(),
            segments: segments.collect(),
            logs: files.logs(),
        };
        files.write_manifest(&manifest)
    }

    /// Puts a segment, if any is left, in the place of what it was made of: the parts `made_of`, as they were when the
    /// making began. What died since is dead in it too. Logs before `logs_from` are no longer needed.
    pub fn replace(
        &mut self,
        made_of: &[Part],
        segment: Option<Arc<Segment>>,
        logs_from: u64,
    ) -> Result<(), FileError> {
        let mut live = Live::all(segment.as_ref().map_or(0, |segment| segment.rows()));
        for was in made_of {
            let now = self.segments.iter().chain(&self.pages).find(|part| part.store.is(&was.store));
            let Some(now) = now.filter(|now| now.live.count() != was.live.count()) else { continue };
            for row in (0..was.store.rows()).filter(|row| was.live.get(*row) && !now.live.get(*row)) {
                if let Some(row) = segment.as_ref().and_then(|segment| segment.find(was.store.id(row))) {
                    live.set(row, false);
                }
            }
        }
        let gone = |part: &Part| made_of.iter().any(|was| part.store.is(&was.store));
        self.segments.retain(|part| !gone(part));
        let sealed = self.pages.iter().take_while(|page| gone(page)).count();
        self.pages.drain(..sealed);
        self.first_page += sealed as u64;
        let first_page = self.first_page;
        self.tail.retain(|_, (page, _)| *page >= first_page);
        if let Some(segment) = segment {
            self.segments.push(Part { store: Store::Segment(segment), live });
        }
        self.version += 1;
        let forgotten = self.files.as_mut().map(|files| files.forget_logs_before(logs_from)).unwrap_or_default();
        self.write_manifest()?;
        if let Some(files) = &self.files {
            for number in forgotten {
                files.remove_log(number);
            }
            for part in made_of {
                if let Store::Segment(segment) = &part.store {
                    files.remove_segment(segment.number);
                }
            }
        }
        Ok(())
    }

    /// Puts a segment of the same rows in the place of another.
    pub fn exchange(&mut self, old: &Arc<Segment>, new: Arc<Segment>) -> Result<(), FileError> {
        let same = |part: &&mut Part| matches!(&part.store, Store::Segment(segment) if Arc::ptr_eq(segment, old));
        let Some(part) = self.segments.iter_mut().find(same) else { return Ok(()) };
        part.store = Store::Segment(new);
        self.version += 1;
        self.write_manifest()?;
        if let Some(files) = &self.files {
            files.remove_segment(old.number);
        }
        Ok(())
    }
}
