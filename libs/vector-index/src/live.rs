//! Which rows of a part are alive, in pieces that snapshots share.

use std::sync::Arc;

/// Rows of a piece: also how many rows a scan does before it looks whether it should stop.
pub const PIECE_ROWS: usize = 4096;
/// A bit for each row of a piece.
pub type Piece = [u8; PIECE_ROWS / 8];

/// A bit for each row.
#[derive(Clone, Debug)]
pub struct Live {
    pieces: Vec<Arc<Piece>>,
    count: usize,
}

impl Live {
    /// The first `rows` rows are alive.
    pub fn all(rows: usize) -> Self {
        let full: Arc<Piece> = Arc::new([0xff; PIECE_ROWS / 8]);
        let mut pieces = vec![full; rows / PIECE_ROWS];
        let rest = rows % PIECE_ROWS;
        if rest > 0 {
            let mut piece: Piece = [0; PIECE_ROWS / 8];
            for row in 0..rest {
                piece[row / 8] |= 1 << (row % 8);
            }
            pieces.push(Arc::new(piece));
        }
        Self { pieces, count: rows }
    }

    /// Living rows.
    pub fn count(&self) -> usize {
        self.count
    }

    pub fn piece(&self, number: usize) -> Option<&Piece> {
        self.pieces.get(number).map(|piece| &**piece)
    }

    /// Living rows among those of `picked`.
    pub fn count_in(&self, picked: &[Piece]) -> usize {
        let both = |(live, picked): (&Arc<Piece>, &Piece)| {
            live.iter().zip(picked).map(|(live, picked)| (live & picked).count_ones() as usize).sum::<usize>()
        };
        self.pieces.iter().zip(picked).map(both).sum()
    }

    pub fn get(&self, row: usize) -> bool {
        self.piece(row / PIECE_ROWS).is_some_and(|piece| piece[row % PIECE_ROWS / 8] >> (row % 8) & 1 == 1)
    }

    /// Sets the bit of a row; pieces are added as needed.
    pub fn set(&mut self, row: usize, alive: bool) {
        if self.get(row) == alive {
            return;
        }
        while self.pieces.len() <= row / PIECE_ROWS {
            self.pieces.push(Arc::new([0; PIECE_ROWS / 8]));
        }
        Arc::make_mut(&mut self.pieces[row / PIECE_ROWS])[row % PIECE_ROWS / 8] ^= 1 << (row % 8);
        if alive { self.count += 1 } else { self.count -= 1 }
    }

    /// The rows below `rows` that are not alive.
    pub fn dead(&self, rows: usize) -> impl Iterator<Item = usize> + '_ {
        // Mostly there are none.
        let rows = if self.count == rows { 0 } else { rows };
        (0..rows).filter(|row| !self.get(*row))
    }
}
