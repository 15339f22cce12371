//! What stands behind the gateway.

use std::collections::VecDeque;

/// An origin that works on some requests at once and lets the others queue: what a request holds its seat for
/// then depends on how many the gateway lets through.
#[derive(Debug)]
pub struct Origin {
    workers: u32,
    busy: u32,
    queue: VecDeque<usize>,
    /// How many times longer all takes.
    pub slowness: u64,
}

impl Origin {
    /// Works on so many at once.
    pub fn new(workers: u32) -> Self {
        Self { workers, busy: 0, queue: VecDeque::new(), slowness: 1 }
    }

    /// A request arrives. Whether it is worked on at once.
    pub fn takes(&mut self, request: usize) -> bool {
        let free = self.busy < self.workers;
        if free {
            self.busy += 1;
        } else {
            self.queue.push_back(request);
        }
        free
    }

    /// A request is done: the next to be worked on.
    pub fn done(&mut self) -> Option<usize> {
        let next = self.queue.pop_front();
        if next.is_none() {
            self.busy -= 1;
        }
        next
    }
}
