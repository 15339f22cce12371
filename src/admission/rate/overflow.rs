//! Cells that keys share when there is no room for one of their own.
//!
//! A sketch in the manner of count-min (Cormode and Muthukrishnan 2005), with arrivals in the place of counts. A key has one
//! cell in each of two rows; its arrival is estimated by the earlier of the two. A charge moves that estimate on, and
//! raises both cells to it (conservative update: Estan and Varghese 2002).
//!
//! So neither cell is ever behind what the key would have had alone, whatever keys it shares them with: by
//! induction, the estimate was not behind before, it is moved on as the key's own arrival would be, and
//! no cell ever goes back. A key that shares is therefore never let in where it would not have been alone. For the same
//! reason nothing is given back here: a cell's arrival may be another key's.

use super::gcra::{debt, take};

/// Cells of many keys. `now` is the limit's time, in grains.
#[derive(Debug)]
pub(super) struct Overflow {
    rows: [Box<[u64]>; 2],
}

impl Overflow {
    /// With so many cells in each row, at least one. All are rested at `now`.
    pub(super) fn new(columns: usize, now: u64) -> Self {
        let row = || vec![now; columns.max(1)].into_boxed_slice();
        Self { rows: [row(), row()] }
    }

    /// The arrival that a key has at most.
    pub(super) fn estimate(&self, key: u64, now: u64) -> u64 {
        let arrivals = self.rows.iter().zip(columns_of(key));
        let arrivals = arrivals.filter_map(|(row, hash)| row.get(within(hash, row.len())));
        arrivals.copied().min_by_key(|arrival| debt(*arrival, now)).unwrap_or(now)
    }

    /// Uses `cost` grains if the key has them. What is in use then, or, refused, what is in use now.
    pub(super) fn charge(&mut self, key: u64, now: u64, cost: u64, burst: u64) -> Result<u64, u64> {
        let before = self.estimate(key, now);
        match take(before, now, cost, burst) {
            Ok(after) => {
                self.raise(key, now, after);
                Ok(debt(after, now))
            }
            Err(_) => Err(debt(before, now)),
        }
    }

    /// Takes in a key with an arrival of its own.
    pub(super) fn raise(&mut self, key: u64, now: u64, arrival: u64) {
        for (row, hash) in self.rows.iter_mut().zip(columns_of(key)) {
            let column = within(hash, row.len());
            if let Some(cell) = row.get_mut(column)
                && debt(*cell, now) < debt(arrival, now)
            {
                *cell = arrival;
            }
        }
    }

    /// Whether nothing is in use.
    pub(super) fn is_rested(&self, now: u64) -> bool {
        self.rows.iter().flat_map(|row| row.iter()).all(|arrival| debt(*arrival, now) == 0)
    }
}

/// A key's hashes for its columns. Keys are hashes already, under a secret; these only have to differ from
/// those that place it in a shard.
fn columns_of(key: u64) -> [u32; 2] {
    let mixed = (key ^ (key >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = mixed ^ (mixed >> 32);
    [(mixed >> 32) as u32, (mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32]
}

/// One of `count` places by a hash, each as likely.
pub(super) fn within(hash: u32, count: usize) -> usize {
    ((u64::from(hash) * count as u64) >> 32) as usize
}
