//! A cycle of turns in which each has as many as its weight, spread evenly.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Turns of one cycle, by place.
///
/// The place with weight `w` of a total of `T` has its turn `k` (from 0) within `⌊kT/w⌋ .. ⌈(k+1)T/w⌉`. Earliest deadline first
/// meets all these (R. Tijdeman, "The chairman assignment problem", 1980; as "P-fair" in Baruah et al., 1996), so in no part of the cycle
/// from its start a place is a whole turn ahead of its part or behind it: a heavy one doesn't come in bursts. nginx's
/// smooth weighted round robin is even as well, but costs all places for each turn.
#[derive(Debug)]
pub(super) struct Schedule(Box<[u32]>);

impl Schedule {
    /// More turns than this are not kept: weights are rounded then, none to less than one turn.
    pub(super) const TURNS_MAX: u64 = 65_536;

    /// A cycle for these weights, none of which is 0.
    pub(super) fn new(weights: &[u32]) -> Self {
        let weights = shortened(weights);
        let total: u64 = weights.iter().sum();
        let job = |at: usize, turn: u64, weight: u64| {
            let release = turn * total / weight;
            (release, ((turn + 1) * total).div_ceil(weight), at, turn)
        };
        let first = |(at, &weight): (usize, &u64)| Reverse(job(at, 0, weight.max(1)));
        // What is yet to come by when it may, and what may by when it must.
        let mut coming: BinaryHeap<_> = weights.iter().enumerate().map(first).collect();
        let mut due = BinaryHeap::new();
        let mut turns = Vec::with_capacity(total as usize);
        for now in 0..total {
            while coming.peek().is_some_and(|Reverse((release, ..))| *release <= now) {
                let Some(Reverse((_, deadline, at, turn))) = coming.pop() else { break };
                // Of two that must be at the same time, the one that has had less comes first.
                due.push(Reverse((deadline, turn, at)));
            }
            let Some(Reverse((_, turn, at))) = due.pop() else { continue };
            turns.push(at as u32);
            let weight = weights.get(at).copied().unwrap_or(1);
            if turn + 1 < weight {
                coming.push(Reverse(job(at, turn + 1, weight)));
            }
        }
        Self(turns.into())
    }

    /// Turns of a cycle.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whose turn it is.
    pub(super) fn at(&self, turn: usize) -> Option<usize> {
        self.0.get(turn).map(|&at| at as usize)
    }
}

/// The same proportions in the smallest numbers, or nearly the same in numbers that are small enough.
fn shortened(weights: &[u32]) -> Vec<u64> {
    let common = weights.iter().fold(0, |a, &b| greatest_common_divisor(a, b)).max(1);
    let weights = weights.iter().map(|&weight| u64::from(weight / common));
    let total: u64 = weights.clone().sum();
    if total <= Schedule::TURNS_MAX {
        return weights.collect();
    }
    weights.map(|weight| (weight * Schedule::TURNS_MAX / total).max(1)).collect()
}

fn greatest_common_divisor(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn turns(weights: &[u32]) -> Vec<u32> {
        Schedule::new(weights).0.into()
    }

    #[test]
    fn a_heavy_one_does_not_come_in_bursts() {
        assert_eq!(turns(&[5, 1, 1]), [0, 0, 0, 1, 0, 2, 0]);
        assert_eq!(turns(&[4, 1, 1, 1, 1]), [0, 1, 0, 2, 0, 3, 4, 0]);
        assert_eq!(turns(&[7, 7, 7]), [0, 1, 2]);
        assert_eq!(turns(&[4, 2]), [0, 1, 0]);
        assert!(turns(&[]).is_empty());
    }

    #[test]
    fn weights_without_measure_are_rounded() {
        let schedule = Schedule::new(&[u32::MAX, 1, u32::MAX / 2]);
        assert!(schedule.len() as u64 <= Schedule::TURNS_MAX + 3);
        let count = |place| schedule.0.iter().filter(|&&at| at == place).count();
        assert_eq!(count(1), 1);
        assert!(count(0).abs_diff(2 * count(2)) <= 2);
    }

    proptest! {
        #[test]
        fn everybody_has_its_part_at_any_time(weights in prop::collection::vec(1..60u32, 1..20)) {
            let turns = turns(&weights);
            let total: u32 = weights.iter().sum();
            let common = weights.iter().fold(0, |a, &b| greatest_common_divisor(a, b));
            prop_assert_eq!(turns.len() as u32, total / common);
            let mut counts = vec![0u64; weights.len()];
            for (turn, &at) in turns.iter().enumerate() {
                counts[at as usize] += 1;
                for (&count, &weight) in counts.iter().zip(&weights) {
                    let part = (turn as u64 + 1) * u64::from(weight);
                    let distance = (count * u64::from(total)).abs_diff(part);
                    prop_assert!(distance < u64::from(total), "{weights:?}: {count} of {part}/{total}");
                }
            }
            let exact = counts.iter().zip(&weights).all(|(&count, &weight)| count == u64::from(weight / common));
            prop_assert!(exact, "{counts:?} for {weights:?}");
        }
    }
}
