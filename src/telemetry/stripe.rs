//! Counters that every worker writes, laid out so that no two workers write one cache line.
//!
//! A request costs a handful of atomic additions. They take a few nanoseconds each while the
//! line stays in one core's cache, and some fifty when cores take turns. What all workers write for
//! every request is therefore kept once a stripe, and summed when somebody looks.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

/// How many stripes there are. More workers than this share some, correctly but slower.
pub(super) const STRIPES: usize = 16;

/// One stripe's value, alone on its cache lines (two: adjacent lines are prefetched in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Padded<T>(pub(super) T);

/// A number that all workers add to and anybody may sum.
#[derive(Debug, Default)]
pub(super) struct StripedSum {
    stripes: [Padded<AtomicI64>; STRIPES],
}

impl StripedSum {
    pub(super) fn add(&self, by: i64) {
        if let Some(stripe) = self.stripes.get(stripe_of_thread()) {
            stripe.0.fetch_add(by, Ordering::Relaxed);
        }
    }

    pub(super) fn sum(&self) -> i64 {
        self.stripes.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

/// This thread's stripe, below [`STRIPES`]: the same for the thread's life.
pub(super) fn stripe_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get()
    })
}
