//! The endpoints that may be chosen, and the choice.

use std::sync::Arc;

use super::balancer::{Policy, Rules};
use super::dice::Dice;
use super::gauge::{Crowd, Gauge};
use super::hashing::Hashing;
use super::key::Key;
use super::round_robin::{RoundRobin, Turn};
use super::slots::{Choice, Slots};
use super::two_choices::{By, TwoChoices};

/// An endpoint as a roster is made of it.
#[derive(Debug, Clone)]
pub struct Member {
    id: Key,
    gauge: Arc<Gauge>,
}

/// The endpoints of a pool that may be chosen, with all that choosing needs. Never changes; its owner makes another when
/// the set of usable endpoints, a weight, or since when one has been in changes.
#[derive(Debug)]
pub struct Roster {
    slots: Slots,
    chooser: Chooser,
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// Now, by the clock by which requests and slow starts begin.
    pub now_ns: u64,
    /// A random number, for this choice alone.
    pub random: u64,
    /// What it is kept together with others by, under consistent hashing.
    pub key: Option<Key>,
    /// Where it has failed already: places in the list that this roster was made of.
    pub tried: &'a [usize],
}

#[derive(Debug)]
enum Chooser {
    RoundRobin(RoundRobin),
    TwoChoices(TwoChoices),
    Hashing { hashing: Hashing, without_key: TwoChoices },
}

impl Member {
    /// An endpoint with a name that tells it apart in the whole fleet, as its URL does: consistent hashing goes by it.
    #[must_use]
    pub fn new(name: &str, gauge: Arc<Gauge>) -> Self {
        Self { id: Key::of(name.as_bytes()), gauge }
    }

    /// Its gauge.
    #[must_use]
    pub fn gauge(&self) -> &Arc<Gauge> {
        &self.gauge
    }
}

impl Roster {
    pub(super) fn new(rules: &Rules, members: &[Member], turn: &Arc<Turn>, crowd: &Arc<Crowd>) -> Self {
        let (mut ids, mut weights, mut open) = (Vec::new(), Vec::new(), Vec::new());
        for (place, member) in members.iter().enumerate() {
            // Read once: it may change meanwhile.
            let weight = member.gauge.weight();
            if weight > 0 {
                ids.push(member.id.get());
                weights.push(weight);
                open.push((place, weight, Arc::clone(&member.gauge)));
            }
        }
        let chooser = match rules.policy {
            Policy::RoundRobin => Chooser::RoundRobin(RoundRobin::new(&weights, Arc::clone(turn))),
            Policy::LeastRequest => Chooser::TwoChoices(TwoChoices::new(&weights, By::Load)),
            Policy::PeakEwma => Chooser::TwoChoices(TwoChoices::new(&weights, By::Cost)),
            Policy::ConsistentHash => Chooser::Hashing {
                hashing: Hashing::new(&ids, &weights, Arc::clone(crowd)),
                without_key: TwoChoices::new(&weights, By::Load),
            },
        };
        Self { slots: Slots::new(open, rules.slow_start), chooser }
    }

    /// How many endpoints may be chosen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether none may be.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of the only endpoint that may be chosen, where it is the only one: whatever a request asks for, it gets that.
    #[must_use]
    pub fn only(&self) -> Option<usize> {
        self.slots.get(0).filter(|_| self.len() == 1).map(|slot| slot.place())
    }

    /// The endpoint for a request, by its place in the list that this roster was made of; none only if the roster is empty.
    /// One that the request has failed at is not chosen while another is left; when none is, any may be.
    #[must_use]
    pub fn pick(&self, ask: Ask<'_>) -> Option<usize> {
        let mut choice = Choice { now_ns: ask.now_ns, dice: Dice::new(ask.random), tried: ask.tried };
        if self.slots.none_left(&choice) {
            choice.tried = &[];
        }
        let at = match (&self.chooser, ask.key) {
            _ if self.is_empty() => None,
            (Chooser::RoundRobin(turns), _) => turns.pick(&self.slots, &mut choice),
            (Chooser::Hashing { hashing, .. }, Some(key)) => {
                hashing.pick(key.get(), &self.slots, &mut choice)
            }
            (Chooser::TwoChoices(two) | Chooser::Hashing { without_key: two, .. }, _) => {
                two.pick(&self.slots, &mut choice)
            }
        };
        at.and_then(|at| self.slots.get(at)).map(|slot| slot.place())
    }
}
