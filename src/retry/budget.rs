//! How many retries may be under way at a time.
//!
//! A retry is load that nobody asked for, and there is most of it when a pool can bear it least. A number of
//! retries a request doesn't bound that: with two, a pool that fails everything gets three times its traffic.
//! A budget does: retries are so many percent of the traffic, whatever fails.
//!
//! Two kinds are known. *Linkerd's* (from Finagle; `tower`'s `Budget`) is a bucket: each request deposits a fraction
//! of a token that lives for some seconds, each retry takes one. It bounds the rate of retries, and lets what a
//! quiet minute has saved up go out at once. *Envoy's* (`retry_budget`) counts what is under way: as many retries
//! at a time as some percent of the requests that are live. It saves nothing up, needs no clock, and when a pool
//! slows down so that requests and retries pile up it bounds what piles up, which is what hurts. Ours is Envoy's.
//! It differs in what a retry is: here a request is in one try at a time, so its retry does not make a live
//! request more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How large a budget is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BudgetTerms {
    /// Retries under way, in percent of live requests (rounded down).
    pub percent: u32,
    /// Retries that may be under way whatever the percentage. An endpoint that dies fails all that it is working on at once: of
    /// a pool with few requests that is a large part, and still next to nothing.
    pub min: u32,
}

impl Default for BudgetTerms {
    fn default() -> Self {
        Self { percent: 20, min: 10 }
    }
}

/// One budget: of a pool, or of a tenant in a pool. A retry needs room in both.
#[derive(Debug, Default)]
pub struct Budget {
    /// What may change, in one word: percent, then the minimum.
    terms: AtomicU64,
    live: AtomicU32,
    retries: AtomicU32,
    refused: AtomicU64,
}

/// A request that is live. Dropping it ends that.
#[derive(Debug)]
#[must_use]
pub struct Live(Arc<Budget>);

/// A retry that is under way. Dropping it ends that.
#[derive(Debug)]
#[must_use]
pub struct Retry(Arc<Budget>);

impl Budget {
    /// A budget of this size.
    #[must_use]
    pub fn new(terms: BudgetTerms) -> Self {
        let budget = Self::default();
        budget.set_terms(terms);
        budget
    }

    /// Changes its size. What is under way stays, and counts.
    pub fn set_terms(&self, terms: BudgetTerms) {
        let word = u64::from(terms.percent) << 32 | u64::from(terms.min);
        // Most often it is what it was, and then other cores keep what they have read.
        if self.terms.load(Ordering::Relaxed) != word {
            self.terms.store(word, Ordering::Relaxed);
        }
    }

    /// A request begins.
    pub fn begin(self: &Arc<Self>) -> Live {
        self.live.fetch_add(1, Ordering::Relaxed);
        Live(Arc::clone(self))
    }

    /// A retry, if there is room for one.
    #[must_use]
    pub fn retry(self: &Arc<Self>) -> Option<Retry> {
        let more = |retries: u32| (retries < self.room()).then_some(retries + 1);
        if self.retries.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(Retry(Arc::clone(self)))
    }

    /// Retries that may be under way with what is live now.
    #[must_use]
    pub fn room(&self) -> u32 {
        let terms = self.terms.load(Ordering::Relaxed);
        let (percent, min) = (terms >> 32, terms as u32);
        let part = u64::from(self.live()) * percent / 100;
        u32::try_from(part).unwrap_or(u32::MAX).max(min)
    }

    /// Requests that are live.
    #[must_use]
    pub fn live(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }

    /// Retries that are under way.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retries.load(Ordering::Relaxed)
    }

    /// How many retries there was no room for, in all.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Retry {
    fn drop(&mut self) {
        self.0.retries.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fifth_of_the_requests_may_be_retries_and_some_always() {
        let budget = Arc::new(Budget::new(BudgetTerms { percent: 20, min: 3 }));
        let few: Vec<_> = (0..4).map(|_| budget.retry()).collect();
        assert_eq!(few.iter().flatten().count(), 3);
        assert_eq!(budget.refused(), 1);
        let requests: Vec<_> = (0..29).map(|_| budget.begin()).collect();
        assert_eq!(budget.room(), 5);
        let more: Vec<_> = (0..4).map(|_| budget.retry()).collect();
        assert_eq!(more.iter().flatten().count(), 2);
        drop((requests, few));
        assert_eq!((budget.live(), budget.retries()), (0, 2));
    }

    #[test]
    fn a_budget_may_be_nothing_and_may_change() {
        let budget = Arc::new(Budget::new(BudgetTerms { percent: 0, min: 0 }));
        let _request = budget.begin();
        assert!(budget.retry().is_none());
        budget.set_terms(BudgetTerms { percent: 100, min: 0 });
        assert!(budget.retry().is_some());
    }

    proptest! {
        #[test]
        fn it_counts_as_a_list_does(percent in 0..150_u32, min in 0..4_u32, steps in vec((0..4_u8, any::<usize>()), 0..200)) {
            let budget = Arc::new(Budget::new(BudgetTerms { percent, min }));
            let (mut live, mut retries, mut refused) = (Vec::new(), Vec::new(), 0);
            for (step, which) in steps {
                match step {
                    0 => live.push(budget.begin()),
                    1 if !live.is_empty() => drop(live.swap_remove(which % live.len())),
                    2 if !retries.is_empty() => drop(retries.swap_remove(which % retries.len())),
                    _ => {
                        let allowed = retries.len() < (min as usize).max(live.len() * percent as usize / 100);
                        let retry = budget.retry();
                        prop_assert_eq!(retry.is_some(), allowed);
                        refused += u64::from(!allowed);
                        retries.extend(retry);
                    }
                }
                prop_assert_eq!(budget.live() as usize, live.len());
                prop_assert_eq!(budget.retries() as usize, retries.len());
                prop_assert_eq!(budget.refused(), refused);
            }
        }
    }

    #[test]
    fn threads_together_stay_within_it() {
        let budget = Arc::new(Budget::new(BudgetTerms { percent: 0, min: 3 }));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let _request = budget.begin();
                        let _retry = budget.retry();
                        assert!(budget.retries() <= 3);
                    }
                });
            }
        });
        assert_eq!((budget.live(), budget.retries()), (0, 0));
    }
}
