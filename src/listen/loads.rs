//! How many connections of a listener each worker has, and which worker is to have the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Says that a worker takes in no more. Its connections are counted on below it.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// By what part of another's connections a worker may have more than it. Among many the kernel's hash does about as well as counting,
/// and wakes nobody for it.
const TOLERANCE: usize = 16;

/// The open connections of one listener by worker, those included that are on their way to one.
#[derive(Debug)]
pub struct Loads(Box<[Load]>);

/// Those of one worker, in a cache line that others look at only when they accept.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Load(AtomicUsize);

/// A connection that counts as a worker's until this is dropped.
#[derive(Debug)]
#[must_use = "the connection counts as the worker's only as long as this lives"]
pub struct Placed {
    loads: Arc<Loads>,
    worker: usize,
}

impl Loads {
    pub(super) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Load::default()).collect())
    }

    /// The open connections of a worker.
    #[must_use]
    pub fn open(&self, worker: usize) -> usize {
        self.read(worker) & !CLOSED
    }

    fn read(&self, worker: usize) -> usize {
        self.0.get(worker).map_or(CLOSED, |load| load.0.load(Ordering::Relaxed))
    }

    /// Counts a connection that `own` has accepted as that of the worker which is to have it.
    ///
    /// However many accept at once, none is placed where it was not to be: a worker that has fewer than the others when they are looked
    /// at has so still if only it has not been given another since, and if it has, this looks again.
    pub(super) fn place(self: &Arc<Self>, own: usize) -> Placed {
        loop {
            let (worker, open) = choice(own, self.0.len(), |worker| self.read(worker));
            let Some(load) = self.0.get(worker) else { return self.keep(own) };
            let placed = load.0.compare_exchange(open, open + 1, Ordering::Relaxed, Ordering::Relaxed);
            if placed.is_ok() {
                return Placed { loads: Arc::clone(self), worker };
            }
        }
    }

    /// Counts a connection as that of this worker, whatever others have.
    pub(super) fn keep(self: &Arc<Self>, worker: usize) -> Placed {
        if let Some(load) = self.0.get(worker) {
            load.0.fetch_add(1, Ordering::Relaxed);
        }
        Placed { loads: Arc::clone(self), worker }
    }

    /// Has no more connections of others placed with this worker.
    pub(super) fn close(&self, worker: usize) {
        if let Some(load) = self.0.get(worker) {
            load.0.fetch_or(CLOSED, Ordering::Relaxed);
        }
    }
}

impl Placed {
    /// Whose it is.
    pub(super) fn worker(&self) -> usize {
        self.worker
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        if let Some(load) = self.loads.0.get(self.worker) {
            load.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Which of the workers is to have a connection that `own` has accepted, and how many that one has: the one with the fewest, where that
/// are fewer than `own` has by more than the tolerance; among several, the first behind `own`, so that none is the first for all.
fn choice(own: usize, workers: usize, open: impl Fn(usize) -> usize) -> (usize, usize) {
    let mine = (own, open(own));
    let mut least = mine;
    for step in 1..workers {
        let worker = (own + step) % workers;
        let open = open(worker);
        if open < least.1 {
            least = (worker, open);
        }
    }
    if mine.1 > least.1 + least.1 / TOLERANCE { least } else { mine }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn spread(loads: &Loads) -> usize {
        let open = (0..loads.0.len()).map(|worker| loads.open(worker));
        open.clone().max().unwrap() - open.min().unwrap()
    }

    #[test]
    fn whoever_has_fewest_is_given_the_next_one() {
        let among = |own: usize, open: &[usize]| choice(own, open.len(), |worker| open[worker]).0;
        assert_eq!(among(0, &[0]), 0);
        assert_eq!(among(0, &[5, 5, 5]), 0, "the same is good enough");
        assert_eq!(among(1, &[5, 5, 4]), 2);
        assert_eq!(among(1, &[4, 6, 5]), 0);
        assert_eq!(among(1, &[4, 6, 4]), 2, "the first behind it");
        assert_eq!(among(0, &[17, 16]), 0, "a sixteenth more is good enough");
        assert_eq!(among(0, &[18, 16]), 1);
        assert_eq!(among(0, &[3, CLOSED, 2 + CLOSED]), 0, "whoever is closed is given none");
    }

    #[test]
    fn what_has_ended_counts_no_more() {
        let loads = Arc::new(Loads::new(2));
        let placed: Vec<_> = (0..4).map(|_| loads.place(0)).collect();
        assert_eq!((loads.open(0), loads.open(1)), (2, 2));
        loads.close(1);
        let more: Vec<_> = (0..3).map(|_| loads.place(0)).collect();
        assert_eq!((loads.open(0), loads.open(1)), (5, 2), "nothing is placed with a worker that is closed");
        drop((placed, more));
        assert_eq!((loads.open(0), loads.open(1)), (0, 0));
    }

    #[test]
    fn many_who_accept_at_once_spread_them_all_the_same() {
        const WORKERS: usize = 4;
        for each in [1, 2, 3, 4] {
            let loads = Arc::new(Loads::new(WORKERS));
            let placed: Vec<Placed> = thread::scope(|scope| {
                // Two of the four accept all that come.
                let accepting: Vec<_> = (0..8)
                    .map(|thread| {
                        let loads = &loads;
                        scope.spawn(move || (0..each).map(|_| loads.place(thread % 2)).collect::<Vec<_>>())
                    })
                    .collect();
                accepting.into_iter().flat_map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(placed.len(), 8 * each);
            assert!(spread(&loads) <= 1, "{loads:?}");
        }
    }

    proptest! {
        /// Whoever accepts, and whatever ends: as long as there are few, each connection that comes makes it as even as one can, and
        /// among many, as even as is tolerated.
        #[test]
        fn connections_that_come_make_it_even(
            workers in 1_usize..9,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..400),
        ) {
            let loads = Arc::new(Loads::new(workers));
            let mut open: Vec<Placed> = Vec::new();
            for (comes, which) in &steps {
                if *comes || open.is_empty() {
                    let before = spread(&loads);
                    open.push(loads.place(which.index(workers)));
                    let least = (0..workers).map(|worker| loads.open(worker)).min().unwrap();
                    prop_assert!(spread(&loads) <= before.max(1 + least / TOLERANCE));
                } else {
                    drop(open.swap_remove(which.index(open.len())));
                }
            }
            let all: usize = (0..workers).map(|worker| loads.open(worker)).sum();
            prop_assert_eq!(all, open.len());
            // As many as it takes, all at one worker.
            for _ in 0..spread(&loads) * workers {
                open.push(loads.place(0));
            }
            let least = (0..workers).map(|worker| loads.open(worker)).min().unwrap();
            prop_assert!(spread(&loads) <= 1 + least / TOLERANCE);
        }
    }
}
