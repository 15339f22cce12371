//! A count and a flag in one atomic word: what makes seats cheap while nobody waits.

use std::sync::atomic::{AtomicU64, Ordering};

/// Beside the count: somebody waits.
const FLAG: u64 = 1 << 32;

/// How many, and whether somebody waits.
///
/// Nobody is overlooked, because both are one word: who waits raises the flag *before* it looks at the
/// count, and who has counted down without seeing the flag has done so *before* that look.
#[derive(Debug, Default)]
pub(super) struct Word(AtomicU64);

impl Word {
    pub(super) fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire) as u32
    }

    pub(super) fn is_flagged(&self) -> bool {
        self.0.load(Ordering::Acquire) & FLAG != 0
    }

    /// One more.
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// One more, if that makes no more than `max`.
    pub(super) fn add_below(&self, max: u32) -> bool {
        self.update(|word| (word as u32) < max)
    }

    /// One more, if that makes no more than `max` and nobody waits.
    pub(super) fn add_freely_below(&self, max: u32) -> bool {
        self.update(|word| word & FLAG == 0 && (word as u32) < max)
    }

    /// One less; whether somebody waits.
    pub(super) fn sub(&self) -> bool {
        self.0.fetch_sub(1, Ordering::AcqRel) & FLAG != 0
    }

    /// Raises or lowers the flag. Under the queue's lock only, so that what is read of it holds.
    pub(super) fn flag(&self, raised: bool) {
        match (self.is_flagged(), raised) {
            (false, true) => drop(self.0.fetch_or(FLAG, Ordering::AcqRel)),
            (true, false) => drop(self.0.fetch_and(!FLAG, Ordering::AcqRel)),
            _ => {}
        }
    }

    fn update(&self, may: impl Fn(u64) -> bool) -> bool {
        let more = |word: u64| may(word).then_some(word + 1);
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
    }
}
