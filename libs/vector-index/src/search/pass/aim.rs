//! A query made ready for the codes of a part: its own bytes and bit planes, around that part's centre.

use super::{Pass, Plan, middle};
use crate::{
    snapshot::{Snapshot, Store},
    vector::Distance,
};

/// Size of the steps of a query's planes, for values of variance one: the best for a normal distribution (J. Max,
/// "Quantizing for minimum distortion", 1960).
const PLANE_STEP: f32 = 0.995_7;

impl Pass<'_> {
    /// Makes the query ready for the codes of a part, and of a list of it.
    pub(super) fn aim(&mut self, snapshot: &Snapshot, number: usize, list: usize) {
        let kernel = snapshot.shape.kernel;
        let euclidean = snapshot.shape.distance == Distance::Euclidean;
        match (self.plan, &snapshot.parts[number].store) {
            (Plan::Nothing | Plan::Vectors, _) => {}
            (Plan::Bits, Store::Segment(segment)) => {
                let (centre, rotated) = segment.list_centre(list);
                if euclidean {
                    self.prepare_planes(snapshot, Some(rotated));
                    self.planes_offset = -0.5 * kernel.squared_distance(&self.query, centre);
                } else {
                    self.planes_offset = kernel.dot(&self.query, centre);
                }
            }
            (_, store) => {
                let centre = match store {
                    Store::Segment(segment) => segment.centre(),
                    Store::Page(page) => &page.centre,
                };
                self.aim_bytes(snapshot, centre, matches!(store, Store::Segment(_)));
            }
        }
    }

    pub(super) fn aim_bytes(&mut self, snapshot: &Snapshot, centre: &[f32], centred: bool) {
        let kernel = snapshot.shape.kernel;
        if snapshot.shape.distance == Distance::Euclidean {
            self.prepare_bytes(snapshot, Some(centre));
            let squares: i32 = self.bytes.iter().map(|step| i32::from(*step) * i32::from(*step)).sum();
            self.bytes_offset =
                -0.5 * (squares as f32).sqrt() * self.bytes_scale * (squares as f32).sqrt() * self.bytes_scale;
        } else {
            self.bytes_offset = if centred { kernel.dot(&self.query, centre) } else { 0.0 };
        }
    }

    pub(super) fn prepare_bytes(&mut self, snapshot: &Snapshot, centre: Option<&[f32]>) {
        let kernel = snapshot.shape.kernel;
        let values = match centre {
            Some(centre) => {
                self.scratch.clear();
                self.scratch.extend(self.query.iter().zip(centre).map(|(value, centre)| value - centre));
                &self.scratch
            }
            None => &self.query,
        };
        self.length = kernel.dot(values, values).sqrt();
        self.bytes_scale = kernel.quantise(values, &mut self.bytes);
        self.bytes_correction = 128 * self.bytes.iter().map(|step| i32::from(*step)).sum::<i32>();
    }

    #[expect(clippy::cast_precision_loss, reason = "at most the dimension")]
    pub(super) fn prepare_planes(&mut self, snapshot: &Snapshot, centre: Option<&[f32]>) {
        let kernel = snapshot.shape.kernel;
        let values = match centre {
            Some(centre) => {
                self.scratch.clear();
                self.scratch.extend(self.rotated.iter().zip(centre).map(|(value, centre)| value - centre));
                &self.scratch
            }
            None => &self.rotated,
        };
        let deviation = (kernel.dot(values, values) / values.len() as f32).sqrt();
        self.planes_step = deviation * PLANE_STEP;
        let scale = if self.planes_step > 0.0 { 1.0 / self.planes_step } else { 0.0 };
        self.planes_sum = kernel.planes(values, scale, middle(), &mut self.planes);
    }
}
