//! The endpoint that a key belongs to, unless it has too much to do.

use std::sync::Arc;

use super::gauge::Crowd;
use super::maglev::Maglev;
use super::slots::{Choice, Slot, Slots};

/// Consistent hashing with bounded load: V. Mirrokni, M. Thorup, M. Zadimoghaddam, "Consistent Hashing with Bounded
/// Loads", SODA 2018 (arXiv 1608.01350). No endpoint has more than 1.25 times its part of the requests in flight, rounded
/// up. What would be more goes on to the next entries of the table, whose endpoints are as good as random: the same ones for the same
/// key, and not all to one neighbour. So neither a popular key nor one who looks for keys of one endpoint overloads it.
///
/// The requests in flight are those of all the pool's endpoints, the ones that are out of the roster too: their
/// requests make the bound a little wider until they end.
#[derive(Debug)]
pub(super) struct Hashing {
    maglev: Maglev,
    crowd: Arc<Crowd>,
}

impl Hashing {
    /// The paper's `c`; Google's and HAProxy's usual values are 1.25 and 1.5.
    const FACTOR: f32 = 1.25;
    /// Entries that are looked at before all endpoints are. At least a fifth of them (by weight) are below their bound at
    /// any time, so that 64 entries fail once in a million.
    const ENTRIES_MAX: usize = 64;

    pub(super) fn new(ids: &[u64], weights: &[u32], crowd: Arc<Crowd>) -> Self {
        Self { maglev: Maglev::new(ids, weights), crowd }
    }

    /// The first in the key's sequence that is below its bound and that the request has not failed at; if all of those are at
    /// their bounds, the least loaded of them.
    pub(super) fn pick(&self, key: u64, slots: &Slots, choice: &mut Choice<'_>) -> Option<usize> {
        let mean = (self.crowd.in_flight() + 1) as f32 / slots.len() as f32;
        let has_room =
            |slot: &Slot| (slot.in_flight() as f32) < (Self::FACTOR * mean * slot.relative()).ceil();
        let near = self.maglev.sequence(key).take(Self::ENTRIES_MAX);
        for at in near {
            if slots.is_left(at, choice) && slots.get(at).is_some_and(has_room) {
                return Some(at);
            }
        }
        self.roomiest(slots, choice)
    }

    #[cold]
    fn roomiest(&self, slots: &Slots, choice: &mut Choice<'_>) -> Option<usize> {
        let load = |at: &usize| {
            slots.get(*at).map_or(f32::INFINITY, |slot| slot.in_flight() as f32 / slot.relative())
        };
        slots.left(choice).min_by(|a, b| load(a).total_cmp(&load(b)))
    }
}
