//! The seats of all pools. They outlive reloads: a seat that is in use stays in use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::seats::Seats;
use crate::time::Clock;

/// Every pool's seats, by its name.
#[derive(Debug, Default)]
pub struct SeatTable(Mutex<BTreeMap<Box<str>, Arc<Seats>>>);

impl SeatTable {
    /// A pool's seats, the same ones for as long as they are kept. Without a limit until one is set.
    pub fn open(&self, pool: &str, clock: &Clock) -> Arc<Seats> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seats = pools.entry(pool.into()).or_insert_with(|| Seats::of_pool(pool, u32::MAX, clock.clone()));
        Arc::clone(seats)
    }

    /// Forgets the seats of pools that are gone, once none is in use and nobody waits.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool, seats| {
            let kept = keep(pool) || !seats.is_unused();
            if !kept {
                seats.retire();
            }
            kept
        });
    }
}
