//! A page of the tail: the rows that came last, before they go into a segment.

use std::sync::Arc;

use crate::{
    kernel::BLOCK,
    segment::{ByteCode, Shape},
    vector::Distance,
};

/// Rows of a page. A write copies the page that it adds to; readers keep the one they have.
pub const PAGE_ROWS: usize = 128;

/// Up to [`PAGE_ROWS`] rows.
#[derive(Clone, Debug)]
pub struct Page {
    width: usize,
    pub ids: Vec<Arc<str>>,
    pub tenants: Vec<u32>,
    pub payloads: Vec<Arc<[u8]>>,
    pub vectors: Vec<f32>,
    /// Whole blocks, as the ones below.
    pub bytes: Vec<u8>,
    pub scales: Vec<f32>,
    pub biases: Vec<f32>,
    /// What codes are made against: the first row under the Euclidean distance, where it matters.
    pub centre: Vec<f32>,
    pub code_length_max: f32,
    pub code_error_max: f32,
}

impl Page {
    pub fn new(width: usize) -> Self {
        Self {
            width,
            ids: Vec::new(),
            tenants: Vec::new(),
            payloads: Vec::new(),
            vectors: Vec::new(),
            bytes: Vec::new(),
            scales: Vec::new(),
            biases: Vec::new(),
            centre: vec![0.0; width],
            code_length_max: 0.0,
            code_error_max: 0.0,
        }
    }

    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    pub fn is_full(&self) -> bool {
        self.rows() >= PAGE_ROWS
    }

    /// Adds a row; `vector` is prepared.
    pub fn push(
        &mut self,
        shape: &Shape,
        code: &mut ByteCode,
        (id, tenant, payload): (Arc<str>, u32, Arc<[u8]>),
        vector: &[f32],
    ) {
        let row = self.rows();
        let euclidean = shape.distance == Distance::Euclidean;
        if row == 0 && euclidean {
            self.centre.copy_from_slice(vector);
        }
        code.encode(shape.kernel, vector, &self.centre);
        if row.is_multiple_of(BLOCK) {
            self.bytes.resize((row + BLOCK) * self.width, 0x80);
            self.scales.resize(row + BLOCK, 0.0);
            if euclidean {
                self.biases.resize(row + BLOCK, 0.0);
            }
        }
        self.bytes[row * self.width..(row + 1) * self.width].copy_from_slice(&code.bytes);
        self.scales[row] = code.scale;
        if euclidean {
            self.biases[row] = code.bias;
        }
        self.code_length_max = self.code_length_max.max(code.length);
        self.code_error_max = self.code_error_max.max(code.error);
        self.vectors.extend_from_slice(vector);
        self.ids.push(id);
        self.tenants.push(tenant);
        self.payloads.push(payload);
    }

    /// 8-bit codes from a block on.
    pub fn bytes(&self, block: usize) -> &[u8] {
        &self.bytes[block * BLOCK * self.width..]
    }

    pub fn vector(&self, row: usize) -> &[f32] {
        &self.vectors[row * self.width..(row + 1) * self.width]
    }
}
