//! The walk through a segment's graph, instead of a scan.

use super::{Pass, Plan};
use crate::{
    graph::{Desk, Graph, PLANES, Question, Reach, planes_of, walk},
    lists::WANTED_MAX,
    search::SearchError,
    segment::Segment,
    snapshot::{Snapshot, Store},
};

impl Pass<'_> {
    /// The graph that serves this question. Rows of a selection or a tenant may be far from each other: no walk finds all
    /// of them.
    pub(super) fn graph<'s>(&self, store: &'s Store) -> Option<(&'s Segment, Graph<'s>)> {
        let any = self.search.among.is_none() && self.search.tenant.is_none();
        match store {
            Store::Segment(segment) if self.plan == Plan::Bits && any && self.wanted <= WANTED_MAX => {
                Some((segment, segment.graph()?))
            }
            _ => None,
        }
    }

    /// Walks towards the question; the rows it was at go to the 8-bit stage.
    pub(super) fn scan_graph(
        &mut self,
        snapshot: &Snapshot,
        number: usize,
        (segment, graph): (&Segment, Graph<'_>),
    ) -> Result<(), SearchError> {
        let (kernel, live) = (snapshot.shape.kernel, &snapshot.parts[number].live);
        self.aim_bytes(snapshot, segment.centre(), true);
        self.scratch.clear();
        self.scratch.extend(self.rotated.iter().zip(graph.centre).map(|(value, centre)| value - centre));
        self.link_planes.resize(self.query.len() / 64 * PLANES, 0);
        let question = Question {
            bytes: &self.bytes,
            scale: self.bytes_scale,
            correction: self.bytes_correction,
            offset: self.bytes_offset,
            planes: planes_of(kernel, &self.scratch, &mut self.link_planes),
        };
        let stop = &self.search.stop;
        let reach = Reach::slack(self.wanted, graph.slack);
        let base = snapshot.bases[number];
        let reached = Desk::with(|desk| {
            walk((kernel, segment, &graph), &question, reach, |row| live.get(row), || stop.check(), desk)?;
            Ok::<_, SearchError>(std::mem::take(&mut desk.reached))
        })?;
        for (score, row) in &reached {
            if self.fine.found.is_full() {
                self.cut_fine(snapshot);
            }
            if *score > self.fine.floor && live.get(*row as usize) {
                self.fine.found.push(*score, base + row);
            }
        }
        Ok(())
    }
}
