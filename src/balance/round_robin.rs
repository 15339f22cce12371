//! Each endpoint in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::schedule::Schedule;
use super::slots::{Choice, Slots};

/// Whose turn it is. Shared by all workers, so that few requests spread evenly too, and kept when the endpoints change.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Turn(AtomicUsize);

impl Turn {
    /// The next of `len` places; 0 when there is none.
    pub fn next(&self, len: usize) -> usize {
        if len < 2 {
            return 0;
        }
        self.0.fetch_add(1, Ordering::Relaxed) % len
    }
}

/// Weighted round robin.
#[derive(Debug)]
pub(super) struct RoundRobin {
    schedule: Schedule,
    turn: Arc<Turn>,
}

impl RoundRobin {
    /// Turns that one request passes over before it takes what it finds.
    const PASSED_OVER_MAX: usize = 8;

    pub(super) fn new(weights: &[u32], turn: Arc<Turn>) -> Self {
        Self { schedule: Schedule::new(weights), turn }
    }

    /// The next in turn that the request has not failed at. One of those, at least, there must be.
    pub(super) fn pick(&self, slots: &Slots, choice: &mut Choice<'_>) -> Option<usize> {
        let mut cold = None;
        for _ in 0..Self::PASSED_OVER_MAX {
            let at = self.schedule.at(self.turn.next(self.schedule.len()))?;
            if !slots.is_left(at, choice) {
                continue;
            }
            if slots.is_let_in(at, choice) {
                return Some(at);
            }
            cold = Some(at);
        }
        cold.or_else(|| slots.left(choice).next())
    }
}
