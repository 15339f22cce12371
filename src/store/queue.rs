//! What waits for the store's thread.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::admission::quota::{BackendError, Lane, Order};

/// Orders that requests wait for, at most: more than a busy second's.
const URGENT_MAX: usize = 16_384;
/// Orders that nobody waits for, at most.
const BACKGROUND_MAX: usize = 4_096;
/// Orders of one transaction: so few that one which has just missed it waits some milliseconds.
const URGENT_BATCH: usize = 512;
/// Of these, such that nobody waits for.
const BACKGROUND_BATCH: usize = 64;

/// Two bounded lanes: what requests wait for goes first, the other never stands still.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    filled: Condvar,
}

#[derive(Debug, Default)]
struct Lanes {
    urgent: VecDeque<Order>,
    background: VecDeque<Order>,
    closed: bool,
}

impl Queue {
    /// Adds an order, or gives it back.
    pub(super) fn push(&self, order: Order, lane: Lane) -> Result<(), (Order, BackendError)> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err((order, BackendError::Gone));
        }
        let (lane, max) = match lane {
            Lane::Urgent => (&mut lanes.urgent, URGENT_MAX),
            Lane::Background => (&mut lanes.background, BACKGROUND_MAX),
        };
        if lane.len() >= max {
            return Err((order, BackendError::Full));
        }
        lane.push_back(order);
        drop(lanes);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for orders and takes a batch of them; false once the queue is closed and empty.
    pub(super) fn take(&self, batch: &mut Vec<Order>) -> bool {
        let mut lanes = self.lanes();
        while lanes.urgent.is_empty() && lanes.background.is_empty() {
            if lanes.closed {
                return false;
            }
            lanes = self.filled.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
        let urgent = lanes.urgent.len().min(URGENT_BATCH);
        batch.extend(lanes.urgent.drain(..urgent));
        let background = lanes.background.len().min(BACKGROUND_BATCH);
        batch.extend(lanes.background.drain(..background));
        true
    }

    /// Takes no more orders.
    pub(super) fn close(&self) {
        self.lanes().closed = true;
        self.filled.notify_all();
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
