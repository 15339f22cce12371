//! The endpoints of a roster, as every policy sees them.

use std::sync::Arc;

use super::dice::Dice;
use super::gauge::Gauge;
use super::slow_start::SlowStart;

/// Endpoints that may be chosen, side by side.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Box<[Slot]>,
    slow_start: Option<SlowStart>,
    /// From here on no slow start is under way.
    warm_ns: u64,
}

/// One of them. What does not change is copied out of the gauge, which every core writes to.
#[derive(Debug)]
pub(super) struct Slot {
    gauge: Arc<Gauge>,
    since_ns: u64,
    /// Its weight over the mean of all.
    relative: f32,
    /// Its place in the list that the roster was made of.
    place: u32,
}

/// The moment, the dice, and the places that are out: what one choice goes by.
#[derive(Debug)]
pub(super) struct Choice<'a> {
    pub(super) now_ns: u64,
    pub(super) dice: Dice,
    pub(super) tried: &'a [usize],
}

impl Slots {
    /// These endpoints, each with its place and its weight, which is not 0.
    pub(super) fn new(members: Vec<(usize, u32, Arc<Gauge>)>, slow_start: Option<SlowStart>) -> Self {
        let total: f64 = members.iter().map(|&(_, weight, _)| f64::from(weight)).sum();
        let mean = total / members.len() as f64;
        let slot = |(place, weight, gauge): (usize, u32, Arc<Gauge>)| Slot {
            since_ns: gauge.since_ns(),
            relative: (f64::from(weight) / mean) as f32,
            place: place as u32,
            gauge,
        };
        let slots: Box<[Slot]> = members.into_iter().map(slot).collect();
        let end = |slow_start: SlowStart| slots.iter().map(|slot| slow_start.ends_ns(slot.since_ns)).max();
        let warm_ns = slow_start.and_then(end).unwrap_or(0);
        Self { slots, slow_start, warm_ns }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Slot> {
        self.slots.get(at)
    }

    /// Whether a request has not failed here yet.
    pub(super) fn is_left(&self, at: usize, choice: &Choice<'_>) -> bool {
        self.get(at).is_some_and(|slot| !choice.has_tried(slot))
    }

    /// Whether a request has failed everywhere.
    pub(super) fn none_left(&self, choice: &Choice<'_>) -> bool {
        !choice.tried.is_empty() && self.slots.iter().all(|slot| choice.has_tried(slot))
    }

    /// Whether one that is drawn is chosen, too: always, but for one in its slow start, which is passed over as often as
    /// its weight is less.
    pub(super) fn is_let_in(&self, at: usize, choice: &mut Choice<'_>) -> bool {
        let part = self.get(at).map_or(0.0, |slot| self.part(slot, choice.now_ns));
        part >= 1.0 || choice.dice.chance(part)
    }

    /// Requests in flight for the weight that it has now.
    pub(super) fn load(&self, slot: &Slot, now_ns: u64) -> f32 {
        slot.gauge.in_flight() as f32 / (slot.relative * self.part(slot, now_ns))
    }

    /// What one more request costs there.
    pub(super) fn cost(&self, slot: &Slot, now_ns: u64) -> f32 {
        slot.gauge.cost(now_ns, 1.0 / (slot.relative * self.part(slot, now_ns)))
    }

    /// Those at which the request has not failed yet, from anywhere on.
    pub(super) fn left<'s, 't>(
        &'s self,
        choice: &mut Choice<'t>,
    ) -> impl Iterator<Item = usize> + use<'s, 't> {
        let (start, tried, len) = (choice.dice.below(self.len()), choice.tried, self.len());
        let places = (start..len).chain(0..start);
        places.filter(move |&at| self.get(at).is_some_and(|slot| !tried.contains(&slot.place())))
    }

    fn part(&self, slot: &Slot, now_ns: u64) -> f32 {
        match self.slow_start {
            Some(slow_start) if now_ns < self.warm_ns => slow_start.part(slot.since_ns, now_ns),
            _ => 1.0,
        }
    }
}

impl Slot {
    /// Its place in the list that the roster was made of.
    pub(super) fn place(&self) -> usize {
        self.place as usize
    }

    /// Its weight over the mean of all.
    pub(super) fn relative(&self) -> f32 {
        self.relative
    }

    /// Requests in flight.
    pub(super) fn in_flight(&self) -> u32 {
        self.gauge.in_flight()
    }
}

impl Choice<'_> {
    fn has_tried(&self, slot: &Slot) -> bool {
        self.tried.contains(&slot.place())
    }
}
