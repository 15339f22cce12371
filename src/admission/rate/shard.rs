//! A part of the keys of a limit: a cell for each key in use, as far as there is room.
//!
//! Slots stand in sets of [`WAYS`]; a key may stand in either of two. A slot is free for another key when its own has *rested*:
//! everything that it used has come back, so that forgetting it changes nothing. A slot in use is never taken away. A
//! key that finds all of its slots in use shares the cells of [`Overflow`] until one is free, and brings to its
//! own slot what it may have used there. Therefore no key ever comes back with more than it had.

use super::gcra::{debt, give_back, take};
use super::overflow::{Overflow, within};

/// Slots of a set: a cache line.
const WAYS: usize = 4;

/// Some of a limit's keys. `now` is the limit's time, in grains. Keys are hashes; 0 is none.
#[derive(Debug, Default)]
pub(super) struct Shard {
    slots: Vec<Slot>,
    overflow: Option<Overflow>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    key: u64,
    arrival: u64,
}

/// What became of a key's charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyCharge {
    /// Let in, in a cell of its own; so much is in use.
    Own(u64),
    /// Let in, in shared cells: it can't be given back.
    Shared(u64),
    /// Refused; so much is in use.
    Refused(u64),
}

impl Shard {
    /// Uses `cost` grains of a key if they are there. There are `keys_max` slots at most.
    pub(super) fn charge(&mut self, key: u64, now: u64, cost: u64, burst: u64, keys_max: usize) -> KeyCharge {
        if let Some(slot) = self.slot_mut(key) {
            return match take(slot.arrival, now, cost, burst) {
                Ok(after) => {
                    slot.arrival = after;
                    KeyCharge::Own(debt(after, now))
                }
                Err(_) => KeyCharge::Refused(debt(slot.arrival, now)),
            };
        }
        let before = self.overflow.as_ref().map_or(now, |overflow| overflow.estimate(key, now));
        let Ok(after) = take(before, now, cost, burst) else {
            return KeyCharge::Refused(debt(before, now));
        };
        if self.insert(Slot { key, arrival: after }, now, keys_max) {
            return KeyCharge::Own(debt(after, now));
        }
        match self.overflow(now, keys_max).charge(key, now, cost, burst) {
            Ok(debt) => KeyCharge::Shared(debt),
            Err(debt) => KeyCharge::Refused(debt),
        }
    }

    /// What is in use of a key, or may be.
    pub(super) fn debt(&self, key: u64, now: u64) -> u64 {
        let own =
            places(key, self.slots.len()).find_map(|at| self.slots.get(at).filter(|slot| slot.key == key));
        let arrival = match (own, &self.overflow) {
            (Some(slot), _) => slot.arrival,
            (None, Some(overflow)) => overflow.estimate(key, now),
            (None, None) => now,
        };
        debt(arrival, now)
    }

    /// Gives back `cost` grains that were charged in a cell of the key's own. If it has none any more, it has rested
    /// since, and has everything back already.
    pub(super) fn refund(&mut self, key: u64, now: u64, cost: u64) -> u64 {
        if let Some(slot) = self.slot_mut(key) {
            slot.arrival = give_back(slot.arrival, cost);
        }
        self.debt(key, now)
    }

    /// Makes do with `keys_max` slots. Keys in use that find no slot any more share cells from now on.
    pub(super) fn shrink(&mut self, now: u64, keys_max: usize) {
        if self.slots.len() > slots_max(keys_max) {
            self.resize(slots_max(keys_max), now, keys_max);
        }
    }

    /// Keys that have a cell of their own and something in use.
    pub(super) fn keys_in_use(&self, now: u64) -> usize {
        self.slots.iter().filter(|slot| slot.is_used(now)).count()
    }

    /// Whether nothing is in use.
    pub(super) fn is_rested(&self, now: u64) -> bool {
        self.keys_in_use(now) == 0 && self.overflow.as_ref().is_none_or(|overflow| overflow.is_rested(now))
    }

    /// Slots, used or not: what its memory is proportional to.
    #[cfg(test)]
    pub(super) fn slots(&self) -> usize {
        self.slots.capacity()
    }

    /// Whether any keys ever had to share.
    #[cfg(test)]
    pub(super) fn shares(&self) -> bool {
        self.overflow.is_some()
    }

    fn slot_mut(&mut self, key: u64) -> Option<&mut Slot> {
        let at = places(key, self.slots.len())
            .find(|at| self.slots.get(*at).is_some_and(|slot| slot.key == key))?;
        self.slots.get_mut(at)
    }

    /// Finds a slot that nobody uses, and makes more of them while there may be more.
    fn insert(&mut self, new: Slot, now: u64, keys_max: usize) -> bool {
        while !self.place(new, now) {
            let larger = (self.slots.len() * 2).clamp(WAYS, slots_max(keys_max));
            if larger <= self.slots.len() {
                return false;
            }
            self.resize(larger, now, keys_max);
        }
        true
    }

    /// Takes a free slot of its two sets, or one whose key can move to its other set (Pagh and Rodler 2004): so hardly
    /// any key finds none before nearly all are in use.
    fn place(&mut self, new: Slot, now: u64) -> bool {
        let free = self.free_slot(new.key, now).or_else(|| {
            let (from, to) = places(new.key, self.slots.len()).find_map(|at| {
                let there = self.slots.get(at)?;
                Some((at, self.free_slot(there.key, now)?))
            })?;
            let moved = *self.slots.get(from)?;
            *self.slots.get_mut(to)? = moved;
            Some(from)
        });
        match free.and_then(|at| self.slots.get_mut(at)) {
            Some(slot) => {
                *slot = new;
                true
            }
            None => false,
        }
    }

    fn free_slot(&self, key: u64, now: u64) -> Option<usize> {
        places(key, self.slots.len()).find(|at| self.slots.get(*at).is_some_and(|slot| !slot.is_used(now)))
    }

    /// Moves what is in use to as many slots, or to more if it finds no place there. What finds none where there can't
    /// be more is not forgotten.
    fn resize(&mut self, slots: usize, now: u64, keys_max: usize) {
        let mut before = std::mem::take(&mut self.slots);
        before.retain(|slot| slot.is_used(now));
        let mut slots = slots;
        loop {
            self.slots = vec![Slot::default(); slots];
            let homeless: Vec<Slot> = before.iter().copied().filter(|slot| !self.place(*slot, now)).collect();
            if homeless.is_empty() {
                return;
            }
            if slots >= slots_max(keys_max) {
                let overflow = self.overflow(now, keys_max);
                homeless.iter().for_each(|slot| overflow.raise(slot.key, now, slot.arrival));
                return;
            }
            slots = (slots * 2).min(slots_max(keys_max));
        }
    }

    /// As many cells as there may be slots.
    fn overflow(&mut self, now: u64, keys_max: usize) -> &mut Overflow {
        self.overflow.get_or_insert_with(|| Overflow::new(keys_max / 2, now))
    }
}

impl Slot {
    fn is_used(&self, now: u64) -> bool {
        self.key != 0 && debt(self.arrival, now) > 0
    }
}

/// Whole sets, at least one.
fn slots_max(keys_max: usize) -> usize {
    keys_max.next_multiple_of(WAYS).max(WAYS)
}

/// Where a key may stand: the slots of two sets; nowhere while there are none.
fn places(key: u64, slots: usize) -> impl Iterator<Item = usize> {
    let hashes = [(key >> 32) as u32, key as u32].into_iter().take(slots);
    hashes.flat_map(move |hash| {
        let first = within(hash, slots / WAYS) * WAYS;
        first..first + WAYS
    })
}
