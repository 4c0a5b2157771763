//! The scan of a segment's lists: which of them, and in which order.

use super::{Pass, Plan, run};
use crate::{
    lists::WANTED_MAX,
    search::SearchError,
    segment::{Run, Segment},
    snapshot::Snapshot,
    vector::Distance,
};

/// Lists that are nearer than this part of the reach are scanned first.
const NEAREST_SHARE: f32 = 4.0;

impl Pass<'_> {
    /// Scans the lists whose centres are near.
    pub(super) fn scan_lists(
        &mut self,
        snapshot: &Snapshot,
        number: usize,
        segment: &Segment,
    ) -> Result<(), SearchError> {
        let (near, far) = self.choose_lists(snapshot, segment);
        for run in near.iter().chain(&far) {
            self.scan_list(snapshot, number, run)?;
        }
        Ok(())
    }

    /// The lists whose centres are near, in the order of the scan: first the nearest, for a high floor, then the others;
    /// both as they lie, because memory is read fastest so.
    fn choose_lists(&mut self, snapshot: &Snapshot, segment: &Segment) -> (Vec<Run>, Vec<Run>) {
        let tenant = self.search.tenant;
        let of_tenant = || segment.runs_of(tenant);
        if tenant.is_some() && of_tenant().len() <= 1 {
            // Too small for lists of its own: nothing is to be chosen.
            self.products.clear();
            return (of_tenant().collect(), Vec::new());
        }
        let centres = segment.near(snapshot.shape.kernel).centres(&snapshot.shape, &self.query);
        self.products = centres.products;
        // A few rows of many are farther away than what the reach was measured with: all lists are looked at for them.
        let rows = || of_tenant().map(|run| (run.end - run.start) as usize).sum::<usize>();
        let few =
            self.search.among.is_some() || self.wanted > WANTED_MAX || tenant.is_some() && rows() < segment.rows() / 4;
        let reach = if few { f32::INFINITY } else { segment.header().reach };
        // Runs come as they lie.
        let (mut near, mut far) = (Vec::<Run>::new(), Vec::<Run>::new());
        for run in of_tenant() {
            let behind = centres.behind.get(run.list as usize).copied().unwrap_or_default();
            let runs = if behind > reach / NEAREST_SHARE { &mut far } else { &mut near };
            match runs.last_mut() {
                Some(last) if last.list == run.list && last.end == run.start => last.end = run.end,
                _ if behind <= reach => runs.push(run),
                _ => {}
            }
        }
        (near, far)
    }

    /// Scans one of the chosen lists.
    fn scan_list(&mut self, snapshot: &Snapshot, number: usize, run: &Run) -> Result<(), SearchError> {
        match self.products.get(run.list as usize) {
            Some(product) if snapshot.shape.distance != Distance::Euclidean => self.planes_offset = *product,
            _ => self.aim(snapshot, number, run.list as usize),
        }
        self.scan_range(snapshot, number, run.start as usize..run.end as usize)
    }

    /// The nearest lists for each, then all others that anybody has chosen: each of them for all, while it is near.
    pub(super) fn scan_lists_together(
        snapshot: &Snapshot,
        number: usize,
        segment: &Segment,
        passes: &mut [Result<Self, SearchError>],
    ) {
        let mut visits: Vec<(Run, usize)> = Vec::new();
        for (at, pass) in passes.iter_mut().enumerate() {
            run(pass, |pass| {
                if pass.plan != Plan::Bits {
                    return pass.scan_part(snapshot, number);
                }
                let (near, far) = pass.choose_lists(snapshot, segment);
                visits.extend(far.into_iter().map(|run| (run, at)));
                near.iter().try_for_each(|run| pass.scan_list(snapshot, number, run))
            });
        }
        visits.sort_unstable_by_key(|(run, at)| (run.start, *at));
        for (list, at) in visits {
            run(&mut passes[at], |pass| pass.scan_list(snapshot, number, &list));
        }
    }
}
