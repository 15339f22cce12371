//! Which endpoint a key belongs to.

use super::schedule::Schedule;

/// Maglev's lookup table (D. Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 3.4): every
/// endpoint prefers the table's entries in an order of its own, and they take turns, each taking the free entry that it
/// likes best. All get nearly the same number of entries, and the entries of an endpoint that goes are most of what moves.
/// With unequal weights a heavier endpoint has more turns. Turns go by endpoints' identities, so that gateways that list
/// the same endpoints in another order have the same table.
#[derive(Debug)]
pub(super) struct Maglev {
    entries: Box<[u32]>,
}

/// No place.
const FREE: u32 = u32::MAX;

impl Maglev {
    /// Entries, which are prime so that each order comes by each entry: the paper's small and large table. Both are far above a
    /// hundred for each endpoint up to [`SMALL_UP_TO`](Self::SMALL_UP_TO) and 6,553 of them, which keeps what is uneven within 1 %.
    const SIZES: [u64; 2] = [65_537, 655_373];
    /// Endpoints of the small table.
    const SMALL_UP_TO: usize = 655;

    /// The table of these identities and weights, none of which is 0. Takes some milliseconds for the small table, ten times
    /// as many for the large.
    pub(super) fn new(ids: &[u64], weights: &[u32]) -> Self {
        let [small, large] = Self::SIZES;
        let size = if ids.len() <= Self::SMALL_UP_TO { small } else { large };
        let mut members: Vec<_> = ids.iter().zip(weights).enumerate().collect();
        members.sort_by_key(|&(place, (&id, _))| (id, place));
        let weights: Vec<u32> = members.iter().map(|&(_, (_, &weight))| weight).collect();
        let mut orders: Vec<Order> =
            members.iter().map(|&(place, (&id, _))| Order::new(id, place as u32, size)).collect();
        let schedule = Schedule::new(&weights);
        // Without turns there are no entries at all: a sequence of free ones would not end.
        let mut left = if schedule.len() == 0 { 0 } else { size };
        let mut entries = vec![FREE; left as usize];
        for turn in (0..schedule.len()).cycle() {
            if left == 0 {
                break;
            }
            let Some(order) = schedule.at(turn).and_then(|at| orders.get_mut(at)) else { break };
            order.take(&mut entries);
            left -= 1;
        }
        Self { entries: entries.into() }
    }

    /// The places that a key tries, beginning with the one that it belongs to. Without end, with repetitions; nothing if there are none.
    pub(super) fn sequence(&self, key: u64) -> impl Iterator<Item = usize> {
        let len = self.entries.len() as u64;
        let start = key.checked_rem(len).unwrap_or(0) as usize;
        let (before, from) = self.entries.split_at_checked(start).unwrap_or_default();
        from.iter().chain(before).cycle().map(|&at| at as usize)
    }
}

/// The order in which one endpoint likes entries: an arithmetic sequence modulo the size.
#[derive(Debug)]
struct Order {
    place: u32,
    next: u64,
    skip: u64,
    size: u64,
}

impl Order {
    fn new(id: u64, place: u32, size: u64) -> Self {
        let other = mix(id);
        Self { place, next: id % size, skip: other % (size - 1) + 1, size }
    }

    /// Takes the free entry that it likes best. There must be one.
    fn take(&mut self, entries: &mut [u32]) {
        for _ in 0..self.size {
            let entry = self.next as usize;
            self.next = (self.next + self.skip) % self.size;
            if let Some(entry) = entries.get_mut(entry)
                && *entry == FREE
            {
                *entry = self.place;
                return;
            }
        }
    }
}

/// A second hash of an identity that is a hash: MurmurHash3's finaliser.
fn mix(id: u64) -> u64 {
    let id = (id ^ (id >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let id = (id ^ (id >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    id ^ (id >> 33)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Key;
    use super::*;

    fn ids(count: usize) -> Vec<u64> {
        (0..count).map(|nth| Key::of(format!("10.0.0.{nth}:8080").as_bytes()).get()).collect()
    }

    fn counts(maglev: &Maglev, len: usize) -> Vec<usize> {
        let mut counts = vec![0; len];
        maglev.entries.iter().for_each(|&at| counts[at as usize] += 1);
        counts
    }

    #[test]
    fn entries_are_even_and_by_weight() {
        let even = counts(&Maglev::new(&ids(300), &[7; 300]), 300);
        let (least, most) = (even.iter().min().unwrap(), even.iter().max().unwrap());
        assert!(most - least <= 1, "{least} to {most}");
        let weighted = counts(&Maglev::new(&ids(3), &[1, 2, 5]), 3);
        for (count, part) in weighted.iter().zip([1, 2, 5]) {
            assert!(count.abs_diff(65_537 * part / 8) <= 5, "{weighted:?}");
        }
    }

    #[test]
    fn many_endpoints_have_the_large_table() {
        let even = counts(&Maglev::new(&ids(1_000), &[1; 1_000]), 1_000);
        assert_eq!(even.iter().sum::<usize>(), 655_373);
        assert!(even.iter().all(|count| (655..=656).contains(count)));
    }

    #[test]
    fn the_order_of_the_list_does_not_matter() {
        let (mut ids, mut weights) = (ids(20), (1..=20).collect::<Vec<u32>>());
        let one = Maglev::new(&ids, &weights);
        ids.reverse();
        weights.reverse();
        let other = Maglev::new(&ids, &weights);
        assert!(one.entries.iter().zip(&other.entries).all(|(a, b)| *a == 19 - b));
    }

    #[test]
    fn without_endpoints_there_is_no_place() {
        assert_eq!(Maglev::new(&[], &[]).sequence(5).take(3).count(), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// The least that can move is the part of the one that goes: 1/n. Maglev moves a little more.
        #[test]
        fn little_moves_when_one_goes(count in 2..60usize, gone in any::<prop::sample::Index>()) {
            let (all, gone) = (ids(count), gone.index(count));
            let mut left = all.clone();
            left.remove(gone);
            let before = Maglev::new(&all, &vec![1; count]);
            let after = Maglev::new(&left, &vec![1; count - 1]);
            let pairs = before.entries.iter().zip(&after.entries);
            let moved = pairs.filter(|&(&a, &b)| all[a as usize] != left[b as usize]).count();
            let part = moved as f64 / before.entries.len() as f64;
            prop_assert!(part <= 1.0 / count as f64 + 0.04, "{part} of {count}");
        }
    }
}
