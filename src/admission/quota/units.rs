//! The word that a request's charge is: units left of what is reserved, in one atomic with what they belong to.
//!
//! ```text
//! 63        41 40  39                0
//! [  epoch   ][dry][  units left      ]
//! ```
//!
//! The *epoch* is raised whenever the period changes. A charge compares and swaps the whole word, so one that had
//! looked at an earlier period's bounds fails and looks again; units never slip from one period into another. *Dry*
//! says that the store has no more units for this period.

use std::sync::atomic::{AtomicU64, Ordering};

const LEFT_BITS: u32 = 40;
const LEFT_MASK: u64 = (1 << LEFT_BITS) - 1;
const DRY: u64 = 1 << LEFT_BITS;
const EPOCH_SHIFT: u32 = LEFT_BITS + 1;
const EPOCH_MASK: u64 = u64::MAX >> EPOCH_SHIFT;

/// What the word says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word(u64);

impl Word {
    /// Nothing left of a new epoch.
    pub(super) fn new(epoch: u32) -> Self {
        Self((u64::from(epoch) & EPOCH_MASK) << EPOCH_SHIFT)
    }

    pub(super) fn epoch(self) -> u32 {
        (self.0 >> EPOCH_SHIFT) as u32
    }

    /// The same epoch, 23 bits on: it comes round after eight million periods, far longer than a charge takes.
    pub(super) fn next_epoch(self) -> u32 {
        (u64::from(self.epoch().wrapping_add(1)) & EPOCH_MASK) as u32
    }

    pub(super) fn left(self) -> u64 {
        self.0 & LEFT_MASK
    }

    pub(super) fn is_dry(self) -> bool {
        self.0 & DRY != 0
    }

    fn with_left(self, left: u64) -> Self {
        Self((self.0 & !LEFT_MASK) | left.min(LEFT_MASK))
    }

    fn with_dry(self, dry: bool) -> Self {
        Self(if dry { self.0 | DRY } else { self.0 & !DRY })
    }
}

/// The word, shared by all workers.
#[derive(Debug)]
pub(super) struct Units(AtomicU64);

impl Default for Units {
    fn default() -> Self {
        Self(AtomicU64::new(Word::new(0).0))
    }
}

impl Units {
    pub(super) fn load(&self) -> Word {
        Word(self.0.load(Ordering::Acquire))
    }

    /// Takes units from the word as it was seen. Fails where anything of it has changed, or there are fewer.
    pub(super) fn take(&self, seen: Word, units: u64) -> Option<Word> {
        let after = seen.with_left(seen.left().checked_sub(units)?);
        self.0.compare_exchange_weak(seen.0, after.0, Ordering::AcqRel, Ordering::Acquire).ok().map(|_| after)
    }

    /// Puts units back into the word as it was seen. Fails where anything of it has changed.
    pub(super) fn put_back(&self, seen: Word, units: u64) -> bool {
        let after = seen.with_left(seen.left().saturating_add(units));
        self.0.compare_exchange(seen.0, after.0, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Adds reserved units, and says whether there are more to be had.
    pub(super) fn grant(&self, units: u64, dry: bool) {
        self.change(|word| word.with_left(word.left().saturating_add(units)).with_dry(dry));
    }

    /// Takes so many units out, or as many as there are; how many these were.
    pub(super) fn withdraw(&self, up_to: u64) -> u64 {
        let before = self.change(|word| word.with_left(word.left().saturating_sub(up_to)));
        before.left().min(up_to)
    }

    /// Begins a new epoch with nothing; the word before.
    pub(super) fn renew(&self) -> Word {
        self.change(|word| Word::new(word.next_epoch()))
    }

    fn change(&self, change: impl Fn(Word) -> Word) -> Word {
        let mut seen = self.0.load(Ordering::Acquire);
        loop {
            let after = change(Word(seen)).0;
            match self.0.compare_exchange_weak(seen, after, Ordering::AcqRel, Ordering::Acquire) {
                Ok(before) => return Word(before),
                Err(now) => seen = now,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charge_fails_once_the_epoch_has_changed() {
        let units = Units::default();
        units.grant(5, false);
        let seen = units.load();
        assert_eq!((seen.left(), seen.is_dry(), seen.epoch()), (5, false, 0));
        assert_eq!(units.renew(), seen);
        units.grant(5, true);
        assert_eq!(units.take(seen, 1), None);
        let now = units.load();
        assert_eq!((now.left(), now.is_dry(), now.epoch()), (5, true, 1));
        assert_eq!(units.take(now, 6), None);
        let after = (0..100).find_map(|_| units.take(now, 5)).unwrap();
        assert_eq!((after.left(), after.epoch(), after.is_dry()), (0, 1, true));
        assert!(!units.put_back(now, 5) && units.put_back(after, 5));
        assert_eq!((units.withdraw(3), units.load().left()), (3, 2));
        assert_eq!((units.withdraw(3), units.load().left()), (2, 0));
    }

    #[test]
    fn the_epoch_comes_round() {
        let last = Word::new(u32::MAX);
        assert_eq!(last.next_epoch(), 0);
        assert_eq!(Word::new(last.next_epoch()), Word::new(0));
    }
}
