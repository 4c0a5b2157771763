//! Memory of passes that are over, for the next ones of the same thread: a short search would spend a tenth of its time
//! on asking for it anew.

use std::cell::RefCell;

use crate::kernel::Found;

/// Buffers that a thread keeps.
const KEPT_MAX: usize = 16;
/// Values and rows of the largest buffers that are kept.
const VALUES_MAX: usize = 16 * 1024;

thread_local! {
    static FREE: RefCell<Vec<Buffers>> = const { RefCell::new(Vec::new()) };
}

/// What a pass writes to. All are empty when they are taken.
#[derive(Debug, Default)]
pub struct Buffers {
    pub query: Vec<f32>,
    pub bytes: Vec<i8>,
    pub rotated: Vec<f32>,
    pub planes: Vec<u64>,
    pub link_planes: Vec<u64>,
    pub coarse: Found,
    pub fine: Found,
    pub exact: Vec<(f32, u32)>,
    pub keys: Vec<i32>,
    pub scratch: Vec<f32>,
}

impl Buffers {
    pub fn take() -> Self {
        FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten().unwrap_or_default()
    }

    /// Gives them back, unless they are many or large.
    pub fn keep(mut self) {
        let large = self.coarse.room().max(self.fine.room()).max(self.exact.capacity()) > VALUES_MAX;
        if large {
            return;
        }
        self.query.clear();
        self.bytes.clear();
        self.rotated.clear();
        self.planes.clear();
        self.link_planes.clear();
        self.exact.clear();
        self.keys.clear();
        self.scratch.clear();
        // A thread that ends has nothing to keep.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() < KEPT_MAX {
                free.push(self);
            }
        });
    }
}
