//! What waits for the store's writer.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::StoreFault;
use super::work::Work;
use crate::admission::quota::{BackendError, Lane, Order};

/// Orders that requests wait for, at most: more than a busy second's.
const URGENT_MAX: usize = 16_384;
/// Orders that nobody waits for, at most.
const BACKGROUND_MAX: usize = 4_096;
/// Changes of tenants, at most; one may be a thousand tenants of an import.
const WORKS_MAX: usize = 1_024;
/// Orders of one transaction: so few that one which has just missed it waits some milliseconds.
const URGENT_BATCH: usize = 512;
/// Of these, such that nobody waits for.
const BACKGROUND_BATCH: usize = 64;
/// Works of one transaction, if its turn is long enough for so many.
const WORKS_BATCH: usize = 256;

/// Three bounded lanes: what requests wait for goes first, the others never stand still.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: Mutex<Lanes>,
    filled: Condvar,
}

/// What one transaction takes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) orders: Vec<Order>,
    /// Whether requests wait for some of these.
    pub(super) urgent: bool,
    pub(super) works: VecDeque<Box<dyn Work>>,
}

#[derive(Debug, Default)]
struct Lanes {
    urgent: VecDeque<Order>,
    background: VecDeque<Order>,
    works: VecDeque<Box<dyn Work>>,
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

    /// Adds a work, or says why not.
    pub(super) fn add(&self, work: Box<dyn Work>) -> Result<(), StoreFault> {
        let mut lanes = self.lanes();
        if lanes.closed {
            return Err(StoreFault::Gone);
        }
        if lanes.works.len() >= WORKS_MAX {
            return Err(StoreFault::Busy);
        }
        lanes.works.push_back(work);
        drop(lanes);
        self.filled.notify_one();
        Ok(())
    }

    /// Puts works back that a transaction had no time for; they come first in the next.
    pub(super) fn put_back(&self, works: &mut VecDeque<Box<dyn Work>>) {
        if works.is_empty() {
            return;
        }
        let mut lanes = self.lanes();
        works.append(&mut lanes.works);
        std::mem::swap(works, &mut lanes.works);
    }

    /// Waits for something to do and takes a batch of it; none once the queue is closed and empty.
    pub(super) fn take(&self) -> Option<Batch> {
        let mut lanes = self.lanes();
        while lanes.urgent.is_empty() && lanes.background.is_empty() && lanes.works.is_empty() {
            if lanes.closed {
                return None;
            }
            lanes = self.filled.wait(lanes).unwrap_or_else(PoisonError::into_inner);
        }
        let mut batch = Batch::default();
        let urgent = lanes.urgent.len().min(URGENT_BATCH);
        batch.orders.extend(lanes.urgent.drain(..urgent));
        batch.urgent = urgent > 0;
        let background = lanes.background.len().min(BACKGROUND_BATCH);
        batch.orders.extend(lanes.background.drain(..background));
        let works = lanes.works.len().min(WORKS_BATCH);
        batch.works.extend(lanes.works.drain(..works));
        Some(batch)
    }

    /// Whether a request waits for an order.
    pub(super) fn is_pressed(&self) -> bool {
        !self.lanes().urgent.is_empty()
    }

    /// Takes no more.
    pub(super) fn close(&self) {
        self.lanes().closed = true;
        self.filled.notify_all();
    }

    /// Drops what waits: whoever waits for it learns that the store is gone.
    pub(super) fn clear(&self) {
        let waiting = {
            let mut lanes = self.lanes();
            (
                std::mem::take(&mut lanes.urgent),
                std::mem::take(&mut lanes.background),
                std::mem::take(&mut lanes.works),
            )
        };
        drop(waiting);
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
