//! The proof of an exact answer: a bound that no row of it is below.

use super::{Pass, Plan, Stage};
use crate::{
    live::PIECE_ROWS,
    search::SearchError,
    snapshot::{Snapshot, Store},
    vector::Distance,
};

impl Pass<'_> {
    /// Compares by its vector every row that could be at least as near as `score`.
    pub(super) fn verify(&mut self, snapshot: &Snapshot, score: f32) -> Result<(), SearchError> {
        let rank = match snapshot.shape.distance {
            Distance::Euclidean => -0.5 * score * score,
            Distance::Cosine | Distance::InnerProduct => score,
        };
        self.plan = Plan::Bytes;
        self.fine = Stage::new(std::mem::take(&mut self.fine.found), Some(0));
        self.fine.keep = usize::MAX;
        for number in 0..snapshot.parts.len() {
            let part = &snapshot.parts[number];
            let range = self.range(&part.store);
            self.aim(snapshot, number, 0);
            self.fine.floor = (rank - self.slack(snapshot, &part.store, score.abs())).next_down();
            for start in (range.start / PIECE_ROWS..range.end.div_ceil(PIECE_ROWS)).map(|piece| piece * PIECE_ROWS) {
                let piece = range.start.max(start)..range.end.min(start + PIECE_ROWS);
                self.scan_piece(snapshot, number, piece)?;
                self.compare_fine(snapshot);
            }
        }
        Ok(())
    }

    /// The most that the score of an 8-bit code can be below the true one, for a row as near as `distance`, with room for
    /// rounding.
    fn slack(&self, snapshot: &Snapshot, store: &Store, distance: f32) -> f32 {
        let (length_max, error_max, centre) = match store {
            Store::Segment(segment) => {
                let header = segment.header();
                (header.code_length_max, header.code_error_max, segment.centre())
            }
            Store::Page(page) => (page.code_length_max, page.code_error_max, &page.centre[..]),
        };
        let kernel = snapshot.shape.kernel;
        // What the query's code leaves out: half a step for each value, at most.
        #[expect(clippy::cast_precision_loss, reason = "at most the dimension")]
        let query_error = 0.5 * self.bytes_scale * (self.query.len() as f32).sqrt();
        let query_length = kernel.dot(&self.query, &self.query).sqrt();
        let (code, largest) = match snapshot.shape.distance {
            // The distance of two codes differs from that of the vectors by what they leave out.
            Distance::Euclidean => {
                let error = error_max + query_error;
                let reach = length_max + self.length + query_error;
                (error * (distance + 0.5 * error), reach * reach + reach * (query_length + length_max))
            }
            Distance::Cosine | Distance::InnerProduct => {
                let code = error_max * (self.length + query_error) + length_max * query_error;
                (code, (kernel.dot(centre, centre).sqrt() + length_max + error_max) * query_length)
            }
        };
        code * 1.001 + largest * 4e-5
    }
}
