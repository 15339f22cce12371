//! The better of two that are drawn.

use super::alias::Alias;
use super::dice::Dice;
use super::slots::{Choice, Slot, Slots};

/// Two different endpoints are drawn by weight, and the better one serves; the first of two alike. So with nothing in flight
/// requests spread by weight, and under load requests in flight do: the same that HAProxy's `leastconn` and nginx's
/// `least_conn` come to. (Envoy, with unequal weights, goes by a schedule of `weight / (requests + 1)` instead of two choices.)
#[derive(Debug)]
pub(super) struct TwoChoices {
    alias: Alias,
    by: By,
}

/// What makes one better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// Fewer requests in flight for its weight.
    Load,
    /// Less latency times requests in flight.
    Cost,
}

impl TwoChoices {
    /// Draws before any will do that is permitted.
    const DRAWS_MAX: usize = 8;

    pub(super) fn new(weights: &[u32], by: By) -> Self {
        Self { alias: Alias::new(weights), by }
    }

    /// The better of two that the request has not failed at, or the only one. One of those, at least, there must be.
    pub(super) fn pick(&self, slots: &Slots, choice: &mut Choice<'_>) -> Option<usize> {
        let first = self.first(slots, choice)?;
        match self.second(slots, choice, first) {
            Some(second) if self.is_better(slots, second, first, choice.now_ns) => Some(second),
            _ => Some(first),
        }
    }

    fn first(&self, slots: &Slots, choice: &mut Choice<'_>) -> Option<usize> {
        let mut cold = None;
        for _ in 0..Self::DRAWS_MAX {
            let at = self.draw(&mut choice.dice);
            if !slots.is_left(at, choice) {
                continue;
            }
            if slots.is_let_in(at, choice) {
                return Some(at);
            }
            cold = Some(at);
        }
        cold.or_else(|| slots.left(choice).next())
    }

    /// Another one; none if there is none, or it is passed over for its slow start.
    fn second(&self, slots: &Slots, choice: &mut Choice<'_>, first: usize) -> Option<usize> {
        let mut other = || {
            for _ in 0..Self::DRAWS_MAX {
                let at = self.draw(&mut choice.dice);
                if at != first && slots.is_left(at, choice) {
                    return Some(at);
                }
            }
            slots.left(choice).find(|&at| at != first)
        };
        let at = other()?;
        slots.is_let_in(at, choice).then_some(at)
    }

    fn draw(&self, dice: &mut Dice) -> usize {
        self.alias.draw(dice)
    }

    fn is_better(&self, slots: &Slots, one: usize, than: usize, now_ns: u64) -> bool {
        let (Some(one), Some(than)) = (slots.get(one), slots.get(than)) else { return false };
        let measure = |slot: &Slot| match self.by {
            By::Load => slots.load(slot, now_ns),
            By::Cost => slots.cost(slot, now_ns),
        };
        measure(one) < measure(than)
    }
}
