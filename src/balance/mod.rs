//! Which endpoint of a pool serves a request.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Each endpoint in turn. The turn is shared by all workers, so that few requests spread evenly too.
#[derive(Debug, Default)]
pub struct RoundRobin(AtomicUsize);

impl RoundRobin {
    /// The next of `len` places; 0 when there is none.
    pub fn next(&self, len: usize) -> usize {
        if len < 2 {
            return 0;
        }
        self.0.fetch_add(1, Ordering::Relaxed) % len
    }
}
